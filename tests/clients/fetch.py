"""Fetches into the cache, once, what the suites run and do not build: model servers, clients, promtool."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "examples")]

import login_server  # noqa: E402
import promtool  # noqa: E402
import real_servers  # noqa: E402
import toolbox  # noqa: E402

if __name__ == "__main__":
    for get in (toolbox.python, toolbox.node_programs, login_server.programs_home, promtool.path, real_servers.ollama):
        print(get.__module__, get.__name__, get(), flush=True)
