"""Ollama's own API at the gateway: its programs must not notice, on whatever backend."""

import json
import subprocess

import httpx
import ollama
import pytest

import env
import real_servers

COUNT = ", ".join(str(i) for i in range(1, 21)) + "."


@pytest.fixture(scope="module", params=["ollama", "llama"])
def fleet(request, tmp_path_factory):
    """direct: Ollama itself, where it is the backend."""
    with real_servers.fleet(request.param, f"test_ollama_api-{request.param}", tmp_path_factory.mktemp(request.param)) as gateway:
        gateway.direct = gateway.servers[0].url if request.param == "ollama" else None
        yield gateway


@pytest.fixture
def sdk(fleet):
    return ollama.Client(host=fleet.url, timeout=30, trust_env=False)


def say(text):
    return [{"role": "user", "content": text}]


def test_chat(sdk):
    a = sdk.chat("tiny-chat", say("Hello"), options={"temperature": 0})
    assert a.message.content == "Hello! How can I help you today?" and a.message.role == "assistant"
    assert a.done and a.done_reason == "stop" and a.prompt_eval_count > 5 and a.eval_count > 5 and a.total_duration > 0
    assert a.model in ("tiny-chat", "tiny-chat:latest") and a.created_at


def test_chat_stream(sdk):
    parts = list(sdk.chat("tiny-chat", say("Count from 1 to 20."), options={"temperature": 0}, stream=True))
    assert "".join(p.message.content or "" for p in parts) == COUNT and len(parts) > 20
    assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].done_reason == "stop" and parts[-1].eval_count > 40 and parts[-1].prompt_eval_count > 5


def test_length(sdk):
    a = sdk.chat("tiny-chat", say("Count from 1 to 20."), options={"temperature": 0, "num_predict": 5})
    assert a.done_reason == "length" and a.eval_count == 5


def test_generate(sdk, fleet):
    prompt = "Count from 1 to 20."
    a = sdk.generate("tiny-chat", prompt, options={"temperature": 0})
    parts = list(sdk.generate("tiny-chat", prompt, options={"temperature": 0}, stream=True))
    assert a.response == COUNT == "".join(p.response or "" for p in parts)
    assert a.done and parts[-1].done and a.done_reason == parts[-1].done_reason == "stop" and a.eval_count == parts[-1].eval_count > 40


def test_system_and_load(sdk):
    assert sdk.generate("tiny-chat", "").done  # how programs load a model
    assert sdk.chat("tiny-chat", []).done
    assert sdk.generate("tiny-chat", "Hello", system="You are a test.", options={"temperature": 0, "num_predict": 4}).response


TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


@pytest.mark.parametrize("stream", [False, True])
def test_tools(sdk, stream):
    question = say("What is the weather in Paris?")
    if stream:
        parts = list(sdk.chat("tiny-chat", question, tools=TOOLS, options={"temperature": 0}, stream=True))
        calls = [c for p in parts for c in p.message.tool_calls or []]
        message = next(p.message for p in parts if p.message.tool_calls)
        assert parts[-1].done
    else:
        message = sdk.chat("tiny-chat", question, tools=TOOLS, options={"temperature": 0}).message
        calls = message.tool_calls
    assert [(c.function.name, dict(c.function.arguments)) for c in calls] == [("get_weather", {"city": "Paris"})]
    history = [*question, message, {"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    assert sdk.chat("tiny-chat", history, tools=TOOLS, options={"temperature": 0}).message.content


def test_json_schema(sdk):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    a = sdk.chat("tiny-chat", say("What is 4 plus 5?"), format=schema, options={"temperature": 0, "num_predict": 40})
    assert isinstance(json.loads(a.message.content)["n"], int)


def test_embed(sdk, fleet):
    a = sdk.embed("tiny-embed", ["Hello", "green door seven wolf"])
    assert [len(e) for e in a.embeddings] == [128, 128] and a.embeddings[0] != a.embeddings[1]
    one = sdk.embed("tiny-embed", "Hello")
    assert one.embeddings[0] == a.embeddings[0] and one.prompt_eval_count > 0
    if fleet.direct:
        assert ollama.Client(host=fleet.direct, trust_env=False).embed("tiny-embed", "Hello").embeddings == one.embeddings
    assert len(sdk.embeddings("tiny-embed", "Hello").embedding) == 128


def test_lists(sdk, fleet):
    models = {m.model: m for m in sdk.list().models}
    assert len(models) == 2 and all(len(m.digest) == 64 and m.modified_at for m in models.values())
    loaded = sdk.ps().models
    assert all(m.model in models for m in loaded)
    info = sdk.show("tiny-chat")
    assert "completion" in info.capabilities and info.modelinfo["dgon.context_length"] > 0
    with httpx.Client(trust_env=False) as c:
        assert c.get(fleet.url + "/api/version").json()["version"]
        assert c.head(fleet.url + "/").status_code == 200


def test_errors(sdk, fleet):
    for ask in (lambda: sdk.chat("nobody", say("x")), lambda: sdk.show("nobody"), lambda: list(sdk.generate("nobody", "x", stream=True))):
        with pytest.raises(ollama.ResponseError) as e:
            ask()
        assert e.value.status_code == 404 and "nobody" in e.value.error
    for ask in (lambda: sdk.pull("tiny-chat"), lambda: sdk.delete("tiny-chat"), lambda: sdk.copy("a", "b"), lambda: sdk.push("x")):
        with pytest.raises(ollama.ResponseError) as e:
            ask()
        assert e.value.status_code == 403 and "machine of the model server" in e.value.error
    with httpx.Client(trust_env=False) as c:
        for r in (c.post(fleet.url + "/api/chat", content="{"), c.post(fleet.url + "/api/chat", json={}), c.post(fleet.url + "/api/chat", json={"model": 5}),
                  c.post(fleet.url + "/api/show", json={}), c.post(fleet.url + "/api/chat", json={"model": "tiny-chat", "stream": "x"})):
            assert r.status_code == 400 and set(r.json()) == {"error"}, r.text
        r = c.get(fleet.url + "/api/chat")
        assert r.status_code == 405 and r.headers["allow"] == "POST" and set(r.json()) == {"error"}
        r = c.get(fleet.url + "/api/unknown")
        assert r.status_code == 404 and set(r.json()) == {"error"}
        r = c.post(fleet.url + "/api/chat", content="{}", headers={"Content-Type": "text/plain"})
        assert r.status_code == 415


def test_cancel(sdk, fleet):
    for _ in range(12):  # more than there are slots
        stream = iter(sdk.chat("tiny-chat", say("Count from 1 to 100."), options={"temperature": 0, "num_predict": 400}, stream=True))
        next(stream)
        stream.close()
    assert sdk.chat("tiny-chat", say("Hello"), options={"num_predict": 4}).done


def test_command_line(fleet, tmp_path):
    """`ollama run` and `ollama list` against the gateway."""
    binary = env.CACHE / "ollama/bin/ollama"
    if not binary.exists():
        real_servers.start_ollama(tmp_path).stop()
    settings = env.environment(OLLAMA_HOST=fleet.url, HOME=str(tmp_path))
    run = subprocess.run([binary, "run", "tiny-chat", "Count from 1 to 20."], env=settings, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert run.returncode == 0 and "1, 2, 3" in run.stdout, run.stdout + run.stderr
    listed = subprocess.run([binary, "list"], env=settings, capture_output=True, text=True, timeout=20)
    assert listed.returncode == 0 and "tiny-chat" in listed.stdout, listed.stderr
    pulled = subprocess.run([binary, "pull", "x"], env=settings, capture_output=True, text=True, timeout=20)
    assert pulled.returncode != 0 and "machine of the model server" in pulled.stderr + pulled.stdout
