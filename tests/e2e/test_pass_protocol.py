"""Requests that are passed on, where one side of the link lies: a scripted agent against the gateway, a scripted gateway against the agent."""

import asyncio
import json
import struct

import httpx
import pytest
import websockets

import env
import pass_backend
from agent_process import Agent
from gateway_double import BODY, CREDIT, END, EVENT, FAIL, RAW, STATUS, Gateway, record, records

HEAD = 11
GOOD = json.dumps({"status": 200, "headers": [["Content-Type", "text/plain"], ["ETag", "x"]]}).encode()
HELLO = {"type": "hello", "protocol": [1, 1], "agent": "scripted", "instance": "00000000000000aa", "version": "1", "os": "x", "slots": 2,
         "models": [{"name": "liar"}], "allow": "POST /open/*"}


@pytest.fixture(scope="module")
def stack():
    g = env.Gateway("test_pass_protocol", conf='DgonPass * /open/*\n<Location "/open">\nSetHandler dgon-pass\n</Location>\n').start()
    g.expect("DGON0050")
    g.gateway = g
    yield g
    g.stop()


def talk(stack, path, body, answers):
    """One request to an agent that answers its job with these records: (the client's answer, how the link was closed)."""

    async def agent():
        async with websockets.connect(f"ws://127.0.0.1:{stack.port}/dgon/agent", subprotocols=["dgon.v1"], proxy=None, compression=None,
                                      additional_headers={"Authorization": f"Bearer {env.TOKEN}"}) as ws:
            await ws.send(json.dumps(HELLO))
            assert json.loads(await ws.recv())["type"] == "welcome"
            ask = asyncio.ensure_future(request())
            try:
                job = json.loads(await asyncio.wait_for(ws.recv(), 5))
                for kind, payload in answers:
                    await ws.send(record(job["job"], kind, payload, job["attempt"]))
                r = await ask
                while True:
                    await asyncio.wait_for(ws.recv(), 0.3)
            except websockets.ConnectionClosed:
                return await ask, ws.close_code
            except TimeoutError:
                return r, None

    async def request():
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=10) as c:
            try:
                return await c.post(path, json=body)
            except httpx.HTTPError as e:
                return e

    return asyncio.run(agent())


def credit(n):
    return CREDIT, struct.pack(">I", n)


DONE = (END, b"{}")


@pytest.mark.parametrize("answers, status, closed", [
    ([(HEAD, GOOD), (RAW, b"x"), DONE], 200, None),
    ([(STATUS, b"\0\x66"), (HEAD, GOOD), DONE], 200, None),
    ([(RAW, b"x"), DONE], 502, None),
    ([DONE], 502, None),
    ([(HEAD, b""), DONE], 502, None),
    ([(HEAD, b'{"status": 99}'), DONE], 502, None),
    ([(HEAD, b'{"status": 200, "headers": [["Content-Type", "a\\r\\nX: y"]]}'), DONE], 502, None),
    ([(HEAD, b"[" * 8000), DONE], 502, None),
    ([(HEAD, GOOD), (RAW, b"x"), (HEAD, GOOD), DONE], "broken", None),
    ([(HEAD, GOOD), (FAIL, b'{"status": 502, "message": "x"}')], "broken", None),
    ([(HEAD, GOOD), (RAW, b"x"), (FAIL, b'{"status": 502, "message": "x"}')], "broken", None),
    ([(HEAD, json.dumps({"status": 200, "length": 5}).encode()), (RAW, b"x"), DONE], "broken", None),
    ([(HEAD, json.dumps({"status": 200, "length": 1}).encode()), (RAW, b"xyz"), DONE], "broken", None),
    ([(HEAD, json.dumps({"status": 200, "length": 0}).encode()), DONE], 200, None),
    ([(EVENT, b"{}"), DONE], 502, None),
    ([credit(0), (HEAD, GOOD), DONE], 200, None),
    ([credit(100)], 503, 4400),  # more than the body was long
    ([credit(2**32 - 1)], 503, 4400)])
def test_agent_lies(stack, answers, status, closed):
    stack.expect("AH00574|AH01220")
    answer, code = talk(stack, "/open/x", {"model": "liar"}, answers)
    assert code == closed
    seen = answer.status_code if isinstance(answer, httpx.Response) else "broken"
    if status == "broken" and seen == 502:
        assert "etag" not in answer.headers and answer.json()["error"]  # nothing had gone out: an error, with nothing of the answer in it
    else:
        assert seen == status, answer


@pytest.mark.parametrize("answers, status, closed", [([(HEAD, GOOD), DONE], 502, None), ([credit(10)], 503, 4400)])
def test_agent_lies_about_a_chat(stack, answers, status, closed):
    """Records of requests that are passed on have no place in any other."""
    answer, code = talk(stack, "/v1/chat/completions", {"model": "liar", "messages": [{"role": "user", "content": "x"}]}, answers)
    assert (answer.status_code, code) == (status, closed)


class Pass:
    """A job as the gateway sends it; notes what comes back."""

    def __init__(self, link, http, **fields):
        link.numbers += 1
        self.link, self.number, self.attempt, self.final, self.got = link, link.numbers, 1, None, []
        link.jobs[self.number] = self
        message = {"type": "job", "job": self.number, "attempt": 1, "op": "pass", "id": "pass-1", "created": 1, "stream": False, "deadline": 1000,
                   "http": http, **fields}
        link.send_control({k: v for k, v in message.items() if v is not None})

    def take(self, kind, n, payload):
        self.got.append((kind, payload))
        if kind in (END, FAIL):
            self.final = kind, json.loads(payload)

    def body(self, payload):
        self.link.send_binary(record(self.number, BODY, payload))

    def wait(self):
        return env.wait_for(lambda: self.final, what="end of the job")


@pytest.fixture
def link(tmp_path):
    gateway, backend = Gateway().start(), pass_backend.Backend()
    agent = Agent(tmp_path, gateway.url(), backends=f'[backend "b"]\nkind = openai\nurl = {backend.url}\nallow = GET|PUT /open/*\n', agent="slots = 8\n").start()
    l = gateway.accept()
    l.backend = backend
    if not l.hello["models"]:
        l.expect("models")
    yield l
    agent.stop()
    gateway.stop()
    backend.stop()


def test_job_of_a_gateway(link):
    assert "allow" not in link.hello or link.hello["allow"] == "GET|PUT /open/*"
    job = Pass(link, {"method": "PUT", "path": "/open/a?b", "length": 3, "headers": [["Cookie", "no"], ["Content-Type", "a/b"]]})
    job.body(b"abc")
    job.body(b"")
    assert job.wait()[0] == END
    kinds = [k for k, _ in job.got]
    assert kinds[0] == STATUS and kinds[1] == HEAD and kinds[-1] == END
    head = json.loads(job.got[1][1])
    assert head["status"] == 200 and ["Content-Type", "application/json; charset=utf-8"] in head["headers"]
    seen = link.backend.last()
    assert seen["path"] == "/open/a?b" and seen["body"] == b"abc" and "cookie" not in seen["headers"]


@pytest.mark.parametrize("http, code", [
    ({"method": "GET", "path": "/closed"}, "not_opened"), ({"method": "DELETE", "path": "/open/x"}, "not_opened"), ({"method": "GET", "path": "/openx"}, "not_opened"),
    ({"method": "POST", "path": "/v1/chat/completions"}, "not_opened"), ({"method": "GET", "path": "/v1/audio/speech"}, "not_opened")])
def test_owner_has_not_opened_it(link, http, code):
    """Whatever a gateway asks for."""
    job = Pass(link, http, model="passer", public="passer")
    kind, e = job.wait()
    assert kind == FAIL and e["status"] == 403 and e["code"] == code and not link.backend.server.log


@pytest.mark.parametrize("http", [
    {"method": "GET"}, {"method": "get", "path": "/open/x"}, {"method": "GET", "path": "/open/../x"}, {"method": "GET", "path": "/open/x y"},
    {"method": "GET", "path": "/open/x\r\nHost: y"}, {"method": "GET", "path": "/open/x", "headers": [["Accept", "a\r\nb"]]}, [], "x"])
def test_broken_head(link, http):
    Pass(link, http)
    assert link.wait_closed() in (4400, 1002, 1008, 1000, 1006) and not link.backend.server.log


def test_more_than_the_window(link):
    job = Pass(link, {"method": "PUT", "path": "/open/x?drag=5"})
    for _ in range(3000):  # kernels hold some of it
        job.body(b"x" * 8000)
    assert link.wait_closed() is not None


def test_more_behind_the_end(link):
    job = Pass(link, {"method": "PUT", "path": "/open/x?do=silent", "length": 1})
    job.body(b"x")
    job.body(b"")
    job.body(b"y")
    assert link.wait_closed() is not None
