"""Nobody's prompt, answer, key or token is ever in a log, not even at the most talkative levels."""

import asyncio
import json

import pytest
import websockets

import client
import env

CANARY = "canary-5e1fb7"


@pytest.fixture(scope="module")
def fleet(make_stack):
    s = make_stack(loglevel="info dgon:trace8", level="debug")
    s.gateway.expect("DGON00")
    s.add_agent(model="echo", kind="echo", level="debug")
    return s


def found(fleet):
    hits = {}
    for path in fleet.gateway.dir.iterdir():
        if path.is_file():
            n = path.read_bytes().count(CANARY.encode())
            if n:
                hits[path.name] = n
    return hits


def ask(fleet, **options):
    return asyncio.run(client.ask(fleet.url, headers={"Authorization": f"Bearer {CANARY}"}, **options))


def test_it_talks(fleet):
    """Else the tests below would look at nothing."""
    assert ask(fleet, model="echo", content="hello").text
    assert "DGON" in fleet.gateway.log.read_text()
    assert fleet.agents[0].log.stat().st_size > 0


@pytest.mark.parametrize("stream", [True, False])
def test_prompt_and_answer(fleet, stream):
    a = ask(fleet, model="echo", stream=stream, content=f"say {CANARY}")
    assert CANARY in a.text
    assert ask(fleet, stream=stream, label=CANARY, tokens=3).status == 200
    assert found(fleet) == {}


@pytest.mark.parametrize("plan", [
    dict(status=400, answer=json.dumps({"error": {"message": CANARY, "type": CANARY, "code": CANARY}})),
    dict(status=500, answer=CANARY),
    dict(at=0, do="rubbish"), dict(at=3, do="rubbish"), dict(at=3, do="half"), dict(at=3, do="bad_lines"),
    dict(at=3, do="error"), dict(at=3, do="rst"), dict(before_head="rst"),
])
def test_faults_of_the_backend(fleet, plan):
    ask(fleet, label=CANARY, tokens=9, **plan)
    assert found(fleet) == {}


@pytest.mark.parametrize("body", [
    CANARY, f'{{"model": "fault", "{CANARY}', f'{{"model": "fault", "messages": [{{"role": "{CANARY}", "content": "x"}}]}}',
    f'{{"model": "fault", "{CANARY}": 1, "messages": "{CANARY}"}}', f'{{"model": "fault", "messages": [{{"role": "user", "content": "{CANARY}\x00"}}]}}',
])
def test_bad_bodies(fleet, body):
    assert ask(fleet, body=body.encode()).status == 400
    assert found(fleet) == {}


def test_a_client_that_leaves(fleet):
    async def run():
        c = await client.Connection(fleet.url).open()
        c.send("POST", "/v1/chat/completions", client.question(label=CANARY, tokens=1000, gap=0.01))
        await c.receive(limit=3)
        c.close()

    asyncio.run(run())
    fleet.backend.wait_request(CANARY, lambda r: r["aborted"])
    assert found(fleet) == {}


@pytest.mark.parametrize("token,first", [
    (CANARY, None), (env.TOKEN, CANARY), (env.TOKEN, json.dumps({"type": "hello", "agent": f"{CANARY} \n", "slots": CANARY})),
])
def test_strange_agents(fleet, token, first):
    async def run():
        try:
            async with websockets.connect(
                fleet.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], proxy=None, compression=None,
                additional_headers={"Authorization": f"Bearer {token}"}) as ws:
                await ws.send(first)
                await asyncio.wait_for(ws.recv(), 5)
        except websockets.WebSocketException:
            return
        raise AssertionError("it was taken in")

    asyncio.run(run())
    assert found(fleet) == {}
