"""At temperature 0 the gateway gives, on every wire, whole and streamed, the very text of the model server."""

import json
import re
import sys
import urllib.request

import pytest

import env
import servers

sys.path.append(str(env.TOP / "tests/models/make"))
import data  # noqa: E402

GENERATED = 8


def prompts():
    """Those of the table in tests/models/README.md, and some of the kinds that the model was taught."""
    rows = (env.TOP / "tests/models/README.md").read_text().partition("## What it answers")[2]
    found = re.findall(r"^\| `(.*?)`", rows, re.M)
    assert len(found) >= 9, found
    data.R.seed(41)
    return found + [data.qa()[0] for _ in range(GENERATED)]


def lines(r):
    """The JSON objects of a stream, server-sent events or lines."""
    for line in r.read().decode().splitlines():
        line = line.removeprefix("data: ")
        if line.startswith("{"):
            yield json.loads(line)


class Wire:
    """path; body(text) of a question; text_of a whole answer; part_of an event."""

    def __init__(self, path, key, text_of, part_of, **more):
        self.path, self.key, self.text_of, self.part_of, self.more = path, key, text_of, part_of, more

    def ask(self, url, model, text, stream):
        question = [{"role": "user", "content": text}] if self.key == "messages" else text
        body = {"model": model, self.key: question, "stream": stream, **self.more}
        request = urllib.request.Request(url + self.path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as r:
            return "".join(self.part_of(e) or "" for e in lines(r)) if stream else self.text_of(json.load(r))


def choice(e, name):
    return (e["choices"][0].get(name) or {}).get("content") if e["choices"] else ""


def delta(name, key):
    return lambda e: e["delta"].get(key) if e["type"] == name and isinstance(e["delta"], dict) else e["delta"] if e["type"] == name else ""


TEMPERATURE = {"temperature": 0, "max_tokens": 300}
OPTIONS = {"options": {"temperature": 0, "num_predict": 300}}
WIRES = {
    "chat": Wire("/v1/chat/completions", "messages", lambda a: choice(a, "message"), lambda e: choice(e, "delta"), **TEMPERATURE),
    "completions": Wire("/v1/completions", "prompt", lambda a: a["choices"][0]["text"], lambda e: e["choices"][0]["text"] if e["choices"] else "",
                        **TEMPERATURE | {"max_tokens": 60}),
    "responses": Wire("/v1/responses", "input", lambda a: "".join(p["text"] for o in a["output"] for p in o["content"]),
                      delta("response.output_text.delta", "text"), temperature=0, max_output_tokens=300),
    "messages": Wire("/v1/messages", "messages", lambda a: "".join(b["text"] for b in a["content"]), delta("content_block_delta", "text"), **TEMPERATURE),
    "Ollama's chat": Wire("/api/chat", "messages", lambda a: a["message"]["content"], lambda e: e["message"]["content"], **OPTIONS),
    "Ollama's generate": Wire("/api/generate", "prompt", lambda a: a["response"], lambda e: e["response"], **OPTIONS),
}


@pytest.fixture(scope="module", params=["llama", "ollama"])
def targets(request, tmp_path_factory):
    with servers.real(request.param, f"test_bytes-{request.param}", tmp_path_factory.mktemp(request.param)) as (_, found):
        yield request.param, found


@pytest.mark.parametrize("wire", WIRES)
def test_text_is_the_servers_own(targets, wire):
    kind, found = targets
    direct, ours = found["direct"], found["gateway"]
    # llama-server has none of Ollama's paths; there the answer is that of its chat.
    reference = WIRES["chat" if kind == "llama" and wire.startswith("Ollama") else wire]
    wrong, lengths = [], 0
    for prompt in prompts():
        wanted = reference.ask(direct["url"], direct["model"], prompt, False)
        lengths += len(wanted)
        for stream in (False, True):
            got = WIRES[wire].ask(ours["url"], ours["model"], prompt, stream)
            if got.encode() != wanted.encode():
                wrong.append((prompt, stream, wanted, got))
    assert not wrong, "\n".join(map(str, wrong[:5]))
    assert lengths > 300, "the answers were empty"
