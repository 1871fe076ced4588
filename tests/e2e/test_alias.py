"""DgonAlias: public names for models that have other names on their agents, and what comes after the first choice."""

import asyncio
import json

import httpx
import pytest

import env
from client import ask

CONF = """DgonAlias gpt-4o fault,agent-2=other:7b
DgonAlias first nobody-has-this spare fault
DgonAlias mine agent-2=other:7b agent-1=other:7b
DgonAlias seeing other:7b fault
DgonAlias local:latest other:7b
DgonAlias other:8b fault
DgonAlias nowhere nobody-has-this
"""


@pytest.fixture(scope="module")
def stack(make_stack):
    s = make_stack(conf=CONF)
    s.other = env.Backend(ollama=True, models="other:7b,other:8b").start()
    s.add_agent(s.other, kind="ollama", model="other:7b")
    s.url_v1 = s.url + "/v1"
    yield s
    s.other.stop()


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=20) as c:
        yield c


def plan(**wish):
    return [{"role": "user", "content": json.dumps(wish)}]


def asked(backend, label):
    return [r["body"]["model"] for r in backend.requests(label)]


def test_one_name_for_two(stack):
    """The name is spread over both agents, each is asked for its own; the answers know only the public one."""

    async def all_at_once():
        return await asyncio.gather(*(ask(stack.url, model="gpt-4o", tokens=3, gap=0.1, label="two") for _ in range(8)))

    for a in asyncio.run(all_at_once()):
        a.check_done(3)
        assert {e["model"] for _, e in a.events} == {"gpt-4o"}
    here, there = asked(stack.backend, "two"), asked(stack.other, "two")
    assert set(here) == {"fault"} and set(there) == {"other:7b"} and len(here) + len(there) == 8


def test_list(stack, http):
    models = {m["id"]: m for m in http.get("/v1/models").json()["data"]}
    assert {"fault", "other:7b", "gpt-4o", "first", "mine", "seeing", "local:latest", "other:8b"} == set(models)
    assert {n: models[n]["dgon"]["agents"] for n in ("gpt-4o", "first", "mine")} == {"gpt-4o": 2, "first": 1, "mine": 1}
    assert http.get("/v1/models/first").json()["id"] == "first" and http.get("/v1/models/mine").json()["dgon"]["agents"] == 1
    for name in ("nowhere", "first%231", "first%232"):
        assert http.get(f"/v1/models/{name}").status_code == 404
    names = [m["name"] for m in http.get("/api/tags").json()["models"]]
    assert sorted(names) == sorted(models)
    assert http.post("/api/show", json={"model": "first"}).status_code == 200


@pytest.mark.parametrize("name", ["nowhere", "first#1", "mine#1", "*"])
def test_no_such_name(stack, http, name):
    r = http.post("/v1/chat/completions", json={"model": name, "messages": plan()})
    assert r.status_code == 404 and r.json()["error"]["code"] == "model_not_found"


def test_order_of_preference(stack, http):
    def who(label):
        r = http.post("/v1/chat/completions", json={"model": "first", "messages": plan(label=label)})
        assert r.status_code == 200 and r.json()["model"] == "first"
        return [m for b in (spare, stack.backend) if b for m in asked(b, label)]

    spare = None
    assert who("alone") == ["fault"]
    spare = env.Backend(models="spare").start()
    agent = stack.add_agent(spare, model="spare")
    try:
        assert who("better") == ["spare"]
        spare.set(force={"status": 503, "answer": "{}", "label": "broken"})
        assert who("broken") == ["spare", "fault"]  # its only agent failed: the next step, the same request
        spare.set(force=None)
        assert who("again") == ["spare"]
    finally:
        agent.stop()
        stack.agents.remove(agent)
        spare.stop()
    spare = None
    env.wait_for(lambda: "spare" not in stack.gateway.models(), what="end of spare")
    assert who("gone") == ["fault"]


def test_step_that_can(stack, http):
    """Ollama tells that other:7b sees no images; nobody says so of fault."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    ask = {"model": "seeing", "messages": [{"role": "user", "content": [image]}]}
    assert http.post("/v1/chat/completions", json={"model": "seeing", "messages": plan(label="text")}).status_code == 200
    assert asked(stack.other, "text") == ["other:7b"]
    r = http.post("/v1/chat/completions", json=ask)
    assert r.status_code == 200 and r.json()["model"] == "seeing"
    assert http.post("/v1/chat/completions", json={**ask, "model": "other:7b"}).status_code == 400


@pytest.mark.parametrize("path, body", [
    ("/v1/responses", {"input": "{}"}), ("/v1/messages", {"max_tokens": 9, "messages": plan()}),
    ("/v1/completions", {"prompt": "{}"}), ("/v1/chat/completions", {"messages": plan()}), ("/api/chat", {"messages": plan()})])
@pytest.mark.parametrize("stream", [True, False])
def test_name_in_answers(stack, http, path, body, stream):
    r = http.post(path, json={"model": "other:8b", "stream": stream, **body})  # the alias hides the model of that name
    assert r.status_code == 200 and '"model": "other:8b"' in r.text.replace('":"', '": "')
    assert '"model": "fault"' not in r.text.replace('":"', '": "')


@pytest.mark.parametrize("name", ["local", "local:latest"])
def test_tags(stack, http, name):
    """Ollama's programs leave :latest out; its own lines carry the public name, in every one of them."""
    r = http.post("/api/chat", json={"model": name, "messages": plan(tokens=3, label=name)})
    lines = [json.loads(line) for line in r.text.splitlines()]
    assert {line["model"] for line in lines} == {"local:latest"} and len(lines) == 4
    assert asked(stack.other, name) == ["other:7b"]


@pytest.mark.parametrize("line", [
    "DgonAlias", "DgonAlias a", "DgonAlias a,b c", "DgonAlias a b,,c", "DgonAlias a =b", "DgonAlias a b\nDgonAlias a c", "DgonAlias a " + "b " * 9,
    "<VirtualHost *>\nDgonAlias a b\n</VirtualHost>"])
def test_wrong_line_is_refused_at_start(line):
    assert "DgonAlias" in env.refusal("test_alias-refused", line)
