"""WebSocket frames of an agent as the network and other libraries may cut them: what came whole, in pieces, between others or
in parts is the same answer, and what breaks RFC 6455 closes the link."""

import base64
import json
import random
import secrets
import struct
import threading
import time

import httpx
import pytest

import env
import raw
from client import Answer

TOKENS = 40
PAYLOAD_LIMIT = 125
EVENT, END = 3, 6
BINARY, TEXT, CLOSE, PING, PONG = 2, 1, 8, 9, 10


@pytest.fixture(scope="module", params=["plain", "tls"])
def site(make_stack, request):
    return make_stack(tls=request.param == "tls")


def frame(payload, opcode=BINARY, fin=True, masked=True, rsv=0, form=None):
    n = len(payload)
    size = (0 if n <= PAYLOAD_LIMIT else 2 if n < 65536 else 8) if form is None else form
    head = bytes([(fin << 7) | rsv << 4 | opcode, masked << 7 | (n if size == 0 else 126 if size == 2 else 127)])
    head += n.to_bytes(size, "big") if size else b""
    if not masked:
        return head + payload
    key = secrets.token_bytes(4)
    return head + key + bytes(c ^ key[i % 4] for i, c in enumerate(payload))


class Agent:
    """An agent that has one model and says what the test wants, byte by byte."""

    def __init__(self, url, model):
        self.s = raw.Socket(url)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.s.send(f"GET /dgon/agent HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: dgon.v1\r\n"
                    f"Authorization: Bearer {env.TOKEN}\r\n\r\n".encode())
        assert self.s.read_head().status == 101
        self.pongs = []
        hello = {"type": "hello", "protocol": [1, 1], "agent": model, "instance": secrets.token_hex(8), "version": "0", "os": "linux",
                 "slots": 1, "labels": {}, "models": [{"name": model, "backend": "x"}]}
        self.s.send(frame(json.dumps(hello).encode(), TEXT))
        self.text("welcome")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.s.close()

    def any_frame(self):
        """(opcode, payload) of the gateway's next one."""
        first, second = self.s.exactly(2)
        n = second & 127
        n = int.from_bytes(self.s.exactly(2 if n == 126 else 8), "big") if n > PAYLOAD_LIMIT else n
        assert second < 128, "a gateway masks nothing"
        return first & 15, self.s.exactly(n)

    def until_pong(self, payload):
        while payload not in self.pongs:
            opcode, got = self.any_frame()
            if opcode == PONG:
                self.pongs.append(got)

    def read(self):
        """The same, of the next that is no pong."""
        while (frame := self.any_frame())[0] == PONG:
            self.pongs.append(frame[1])
        return frame

    def text(self, kind):
        while True:
            opcode, payload = self.read()
            if opcode == TEXT and (m := json.loads(payload))["type"] == kind:
                return m

    def close_code(self):
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0]


def record(job, kind, payload):
    return struct.pack(">IBBHI", job["job"], kind, job["attempt"], 1 if kind == EVENT else 0, len(payload)) + payload


def messages(job):
    """An answer of TOKENS tokens, a message each."""
    def event(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return record(job, EVENT, json.dumps({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}, ensure_ascii=False).encode())

    yield from (event({"content": f"{i}:" + "ü" * (i % 7 * 9) + " "}) for i in range(TOKENS))
    yield event({}, "stop")
    yield record(job, END, b'{"usage":null,"finish":"stop"}')


def in_parts(payload, rng):
    """A message of several frames, with a ping between them."""
    cuts = sorted(rng.sample(range(len(payload) + 1), 3))
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)])]
    for i, p in enumerate(parts):
        yield frame(p, BINARY if i == 0 else 0, fin=i == len(parts) - 1)
        if i == 1:
            yield frame(b"between", PING)


def whole(job, rng):
    return [b"".join(frame(m) for m in messages(job))]


def single(job, rng):
    return [frame(m) for m in messages(job)]


def in_heads(job, rng):
    """Each write ends within the next frame's head."""
    data, pieces, at = b"", [], 0
    ends = []
    for m in messages(job):
        data += frame(m)
        ends.append(len(data))
    for end in ends[:-1]:
        cut = end + rng.randrange(1, 8)
        pieces.append(data[at:cut])
        at = cut
    return [*pieces, data[at:]]


def small(job, rng):
    data = whole(job, rng)[0]
    cuts = sorted(rng.sample(range(len(data)), 150))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


def pings(job, rng):
    return [f for m in messages(job) for f in (frame(m), frame(b"still there?", PING))]


def parts(job, rng):
    return [b"".join(in_parts(m, rng)) for m in messages(job)]


def together(job, rng):
    """All records in two messages."""
    records = list(messages(job))
    return [frame(b"".join(records[:20])), frame(b"".join(records[20:]))]


def mixed(job, rng):
    data = b""
    for m in messages(job):
        way = rng.randrange(4)
        data += b"".join(in_parts(m, rng)) if way == 0 else frame(b"hm", PING) + frame(m) if way == 1 else frame(m)
    cuts = sorted(rng.sample(range(len(data)), 60))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


def asked(site, model):
    """A client that asks in a thread of its own; the function returns its Answer."""
    answer = Answer()

    def ask():
        with httpx.Client(verify=False, trust_env=False, timeout=20) as c:
            with c.stream("POST", site.url + "/v1/chat/completions",
                          json={"model": model, "stream": True, "messages": [{"role": "user", "content": "x"}]}) as r:
                for line in r.iter_lines():
                    if line == "data: [DONE]":
                        answer.outcome = "done"
                    elif line.startswith("data: "):
                        answer.events.append((time.monotonic(), json.loads(line[6:])))

    t = threading.Thread(target=ask)
    t.start()

    def wait():
        t.join(20)
        return answer

    return wait


@pytest.mark.parametrize("way", [whole, single, in_heads, small, pings, parts, together, mixed], ids=lambda f: f.__name__)
def test_ways_to_cut(site, way):
    rng = random.Random(way.__name__)
    model = f"cut-{way.__name__}"
    with Agent(site.url, model) as agent:
        for _ in range(3):
            client = asked(site, model)
            job = agent.text("job")
            pieces = way(job, rng)
            for p in pieces:
                agent.s.send(p)
                if len(pieces) > 2:
                    time.sleep(0.001)
            answer = client()
            assert answer.outcome == "done" and answer.finish == "stop", answer
            assert [t.split(":")[0] for t in answer.text.split()] == [str(i) for i in range(TOKENS)]
            assert answer.text.count("ü") == sum(i % 7 * 9 for i in range(TOKENS))
        agent.s.send(frame(b"the last", PING))
        agent.until_pong(b"the last")


FAULTS = {
    "not masked": frame(b"x", masked=False),
    "an extension's bit": frame(b"x", rsv=4),
    "a longer form of its length": frame(b"x", form=2),
    "the longest form of its length": frame(b"x" * 200, form=8),
    "a message within another's parts": frame(b"x", fin=False) + frame(b"y"),
    "a last part without a first": frame(b"x", 0),
    "an unknown opcode": frame(b"x", 3),
    "a ping in parts": frame(b"x", PING, fin=False),
    "a length of 2^63": bytes([0x82, 0xff, 0x80]) + bytes(7) + b"abcd",
    "a length of 2^64 - 1": bytes([0x82, 0xff]) + b"\xff" * 8 + b"abcd",
}

# wslay drops the connection where a head alone shows that what follows cannot be told apart
WITHOUT_A_WORD = {"a longer form of its length", "the longest form of its length", "a ping in parts", "a length of 2^63", "a length of 2^64 - 1"}


@pytest.mark.parametrize("name", FAULTS)
def test_what_breaks_the_protocol(site, name):
    """Behind a good message in the same write, and cut within its head."""
    site.gateway.expect("DGON00.*faulty|DGON.*link")
    idle = frame(json.dumps({"type": "capacity", "slots": 1}).encode(), TEXT)
    for pieces in ([idle + FAULTS[name]], [idle + FAULTS[name][:1], FAULTS[name][1:]]):
        with Agent(site.url, "faulty") as agent:
            for p in pieces:
                agent.s.send(p)
                time.sleep(0.02)
            if name in WITHOUT_A_WORD:
                with pytest.raises(raw.Closed):
                    agent.close_code()
            else:
                assert agent.close_code() == 1002
