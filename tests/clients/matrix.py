"""Who the clients are, what each has to show, and how its program is run."""

import concurrent.futures
import functools
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from dataclasses import dataclass, field

import env
import real_servers
import toolbox

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
ROUTES = ["gateway", "direct"]
REAL = ["llama", "ollama"]
FAULTS = ["faults of openai", "faults of ollama"]
BROKEN = "broken_eof broken_fin broken_rst broken_half broken_rubbish broken_error broken_bad_lines"
GATEWAYS = ["e401", "e403", "e413", "retry"]  # what a model server alone has not
KEYS = "e401 e403 e404 e413"


@dataclass
class Client:
    """file: its program; real, faults: the names of its checks; more: arguments after the target."""

    file: str
    real: str
    faults: str = f"e429 e503 abort {BROKEN}"
    more: list = field(default_factory=list)
    direct: bool = True  # no model server speaks h2

    def checks(self, server, route="gateway"):
        if route == "direct" and not self.direct:
            return []
        names = (self.real if server in REAL else self.faults).split()
        return [n for n in names if route == "gateway" or n not in GATEWAYS]


CURL = f"chat stream usage tools_stream embeddings models completions e400 e405 {KEYS}"
AI = f"chat stream usage tools tools_stream structured embeddings {KEYS}"
PATIENT = f"e429 e503 abort retry {BROKEN}"
CLIENTS = {
    "openai (Python)": Client("openai_sync.py", f"chat stream usage tools tools_stream structured embeddings models completions responses responses_stream e400 e405 {KEYS}", f"reasoning {PATIENT}"),
    "its async client": Client("openai_async.py", f"chat stream usage tools_stream structured embeddings {KEYS}", PATIENT),
    "its .stream() helper": Client("openai_helper.py", "stream usage tools_stream structured", f"reasoning abort {BROKEN}"),
    "langchain-openai": Client("langchain_chat.py", f"chat stream usage tools tools_stream structured embeddings e400 {KEYS}", PATIENT),
    "openai-agents": Client("agents_loop.py", f"chat stream tools tools_stream structured {KEYS}", f"e429 e503 {BROKEN}"),
    "llm": Client("llm_command.py", f"chat stream tools structured {KEYS}", "e503 abort broken_eof broken_rst broken_error"),
    "anthropic": Client("anthropic_sdk.py", f"chat stream usage tools tools_stream count e400 e405 {KEYS}", PATIENT),
    "ollama (Python)": Client("ollama_sdk.py", f"chat stream usage tools tools_stream structured embeddings models completions e400 {KEYS}", f"reasoning e429 e503 abort {BROKEN}"),
    "openai (Node)": Client("openai_node.mjs", f"chat stream usage tools structured embeddings models completions responses responses_stream e400 e405 {KEYS}", f"reasoning {PATIENT}"),
    "its .stream(), runTools()": Client("openai_node_helper.mjs", "stream usage tools tools_stream", f"abort {BROKEN}"),
    "ai, openai-compatible": Client("ai_compatible.mjs", AI, f"reasoning {PATIENT}"),
    "ai, openai.chat()": Client("ai_openai_chat.mjs", AI, PATIENT),
    "ai, openai() = Responses": Client("ai_openai_responses.mjs", f"chat stream usage tools tools_stream structured {KEYS}", PATIENT),
    "@langchain/openai": Client("langchain_node.mjs", f"chat stream usage tools tools_stream structured embeddings {KEYS}", f"reasoning {PATIENT}"),
    "ollama (Node)": Client("ollama_node.mjs", f"chat stream usage tools tools_stream structured embeddings models e400 {KEYS}", f"reasoning e429 e503 abort {BROKEN}"),
    "ollama (command)": Client("ollama_command.py", "chat stream embeddings models e404", f"abort {BROKEN}"),
    "curl, HTTP/1.0": Client("curl_command.py", CURL, f"reasoning e429 e503 abort {BROKEN}", ["--http1.0"]),
    "curl, HTTP/1.1": Client("curl_command.py", CURL, f"reasoning e429 e503 abort {BROKEN}", ["--http1.1"]),
    "curl, h2": Client("curl_command.py", CURL, f"reasoning e429 e503 abort {BROKEN}", ["--http2-prior-knowledge"], False),
}

# What a model server does not do, neither itself nor through us: (client, check, server): why.
RESPONSES = "llama-server's Responses lack members that this SDK insists on"
BACKENDS_OWN = {
    **{("ai, openai() = Responses", check, "llama"): RESPONSES for check in ("stream", "usage", "tools_stream")},
    ("ai, openai() = Responses", "structured", "llama"): "llama-server's Responses take no schema",
    ("ollama (command)", "embeddings", "llama"): "llama-server calls its embedding model one that completes text",
    ("anthropic", "count", "ollama"): "Ollama has no /v1/messages/count_tokens",
}


@functools.cache
def ollama():
    return real_servers.ollama()


def argv(client):
    if client.file.endswith(".py"):
        return [str(toolbox.python()), str(PROGRAMS / client.file)]
    programs, node = toolbox.node_programs()
    return [*map(str, node), str(programs / client.file)]


def ask(url, first):
    """A question to the fault backend whose answer takes so long."""
    body = {"model": "fault", "stream": True, "messages": [{"role": "user", "content": json.dumps({"tokens": 1, "first": first, "label": "busy"})}]}
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).read()


full = threading.Lock()  # one client at a time meets the busy gateway


def occupy(faults, agents, seconds=0.6):
    """All slots of the gateway without a queue are busy for so long."""
    busy = lambda: sum(r["label"] == "busy" and not r["end"] for r in faults.backend.requests())  # noqa: E731
    threads = [threading.Thread(target=ask, args=(faults.full.url, seconds)) for _ in range(agents)]
    for thread in threads:
        thread.start()
    env.wait_for(lambda: busy() >= agents, 5, "busy slots")
    return threads


def refusals(faults):
    return (faults.full.dir / "access.log").read_text().count('" 503 ')


def run(name, server, target, home, faults=None):
    """{check: {ok, detail}} of one client against one target."""
    client, results = CLIENTS[name], {}
    label = f"{name} {target['route']}"
    where = pathlib.Path(tempfile.mkdtemp(prefix=client.file, dir=home))
    given = json.dumps(target | {"checks": client.checks(server, target["route"]), "label": label, "dir": str(where), "ollama": str(ollama())})
    program = subprocess.Popen([*argv(client)[:2], given, *client.more], env=env.environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=(where / "complaints").open("w"))
    killer = threading.Timer(100, program.kill)
    killer.start()
    occupied = None
    try:
        for line in program.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if "busy" in said:
                full.acquire()
                occupied = []
                occupied += occupy(faults, 2)
                before = refusals(faults)
                program.stdin.write("go\n")
                program.stdin.flush()
            elif said["check"] == "abort" and said["ok"]:
                results["abort"] = aborted(faults, label, said["detail"])
            elif said["check"] == "retry" and said["ok"]:
                n = refusals(faults) - before
                results["retry"] = {"ok": n > 0, "detail": f"{n} times refused"}
            else:
                results[said["check"]] = {"ok": said["ok"], "detail": said["detail"]}
    finally:
        killer.cancel()
        program.kill()
        program.wait()
        program.stdin.close()
        program.stdout.close()
        if occupied is not None:
            for thread in occupied:
                thread.join()
            full.release()
    if not results:
        results[""] = {"ok": False, "detail": (where / "complaints").read_text()[-800:]}
    shutil.rmtree(where, ignore_errors=True)
    return results


def run_all(names, server, targets, home, faults=None):
    """{client: {route: {check: {ok, detail}}}}; they wait a lot, so several run at once."""
    jobs = [(n, r) for n in names for r in ROUTES if CLIENTS[n].checks(server, r)]
    for name in names:
        argv(CLIENTS[name])  # fetches what is missing
    ollama()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda j: run(j[0], server, targets[j[1]], home, faults), jobs))
    return {n: {r: result for (m, r), result in zip(jobs, results, strict=True) if m == n} for n in names}


def aborted(faults, label, at):
    """The backend has to know soon after its client went."""
    records = [r for r in faults.backend.requests(label) if r["start"] < at]
    late = [r["aborted"] - at for r in records if r["aborted"]]
    ok = len(records) == 1 and len(late) == 1 and late[0] < 1.1
    return {"ok": ok, "detail": f"{late[0]:.3f} s after the client" if late else f"not ended; {len(records)} requests"}
