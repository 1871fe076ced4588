"""Everything wrong that can be sent gets its right answer, at once, and does no harm."""

import asyncio
import json
import statistics
import struct
import time

import pytest
import websockets

import client
import env

TOKEN = {"Authorization": f"Bearer {env.TOKEN}"}
MESSAGES = [{"role": "user", "content": "x"}]


def body(**wish):
    return json.dumps({"model": "fault", "messages": MESSAGES, **wish}).encode()


BAD_BODIES = {
    "empty": b"",
    "not JSON": b"hello",
    "cut JSON": b'{"model": "fault", "messages": [',
    "list": b"[]",
    "string": b'"x"',
    "null": b"null",
    "two objects": body() + body(),
    "too deep": b'{"model": "fault", "messages": ' + b"[" * 70 + b"]" * 70 + b"}",
    "very deep": b"[" * 100_000,
    "invalid UTF-8": b'{"model": "fault", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "overlong UTF-8": b'{"model": "fault", "messages": [{"role": "user", "content": "\xc0\xaf"}]}',
    "NUL": b'{"model": "fault", "messages": [{"role": "user", "content": "a\x00b"}]}',
    "escaped NUL as name": b'{"model": "fa\\u0000ult", "messages": [{"role": "user", "content": "x"}]}',
    "no messages": b'{"model": "fault"}',
    "empty messages": body(messages=[]),
    "messages not a list": body(messages="hello"),
    "message not an object": body(messages=["hello"]),
    "message without role": body(messages=[{"content": "x"}]),
    "unknown role": body(messages=[{"role": "wizard", "content": "x"}]),
    "no model": json.dumps({"messages": MESSAGES}).encode(),
    "model not a string": body(model=5),
    "model empty": body(model=""),
    "stream not a bool": body(stream="yes"),
    "temperature not a number": body(temperature="hot"),
    "stream_options without stream": body(stream_options={"include_usage": True}),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_body(stack, name):
    async def timed():
        times = []
        async with client.Connection(stack.url) as c:
            for _ in range(9):
                begin = time.monotonic()
                c.send("POST", "/v1/chat/completions", BAD_BODIES[name], {"Content-Type": "application/json"})
                a = await c.receive()
                times.append(time.monotonic() - begin)
                if a.status == 404:
                    assert name in ("model empty", "escaped NUL as name")
                    client.check_error(a, 404, "model_not_found")
                else:
                    client.check_error(a, 400)
                if a.headers.get("connection") == "close":
                    c.close()
                    await c.open()
        return times

    times = asyncio.run(timed())
    assert statistics.median(times) < 0.005, times


def test_unknown_model(stack):
    for stream in (True, False):
        e = client.check_error(asyncio.run(client.ask(stack.url, model="nobody", stream=stream)), 404, "model_not_found")
        assert e["param"] == "model" and "nobody" in e["message"]


@pytest.mark.parametrize("method,path,status,code", [
    ("GET", "/v1/chat/completions", 405, "method_not_supported"),
    ("PUT", "/v1/chat/completions", 405, "method_not_supported"),
    ("DELETE", "/v1/models", 405, "method_not_supported"),
    ("POST", "/v1/models", 405, "method_not_supported"),
    ("POST", "/v1/nothing", 404, "unknown_url"),
    ("GET", "/v1/", 404, "unknown_url"),
    ("GET", "/v1", 404, "unknown_url"),
    ("POST", "/v1/chat/completions/extra", 404, "unknown_url"),
    ("GET", "/v1/models/nobody", 404, "model_not_found"),
    ("GET", "/v1/models/%00", 404, ...),
    ("GET", "/v1/models/%ff%fe", 404, ...),
])
def test_wrong_method_or_path(stack, method, path, status, code):
    a = asyncio.run(client.fetch(stack.url, path, method))
    if "%00" in path and a.status in (400, 404) and "json" not in a.headers["content-type"]:
        return  # httpd itself refuses such a path before any handler is asked
    client.check_error(a, status, code)
    if status == 405:
        assert a.headers["allow"]


def test_wrong_content_type(stack):
    a = asyncio.run(client.ask(stack.url, body=body(), headers={"Content-Type": "text/xml"}))
    client.check_error(a, 415)


def test_too_large_by_length_and_by_chunks(stack):
    async def both():
        async with client.Connection(stack.url) as c:
            begin = time.monotonic()
            c.send("POST", "/v1/chat/completions", b"", {"Content-Length": str(40 << 20), "Content-Type": "application/json"})
            a = await c.receive()
            client.check_error(a, 413, "request_too_large")
            assert time.monotonic() - begin < 0.5, "the body was waited for"
        async with client.Connection(stack.url) as c:
            c.send("POST", "/v1/chat/completions", b"", {"Content-Length": None, "Transfer-Encoding": "chunked", "Content-Type": "application/json"})
            piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
            try:
                for _ in range(40):
                    c.writer.write(piece)
                    await c.writer.drain()
            except ConnectionError:
                pass
            a = await c.receive()
            assert a.outcome == "broken" or a.status == 413, a.status

    asyncio.run(both())


def test_large_body_is_fine(stack):
    a = asyncio.run(client.ask(stack.url, tokens=3, label="x" * (8 << 20)))
    a.check_done(3)


def test_half_a_request(stack):
    async def half():
        for text in (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{", b"GE", b"\x16\x03\x01\x02\x00"):
            async with client.Connection(stack.url) as c:
                c.send("", "", raw=text)
                await asyncio.sleep(0.05)

    asyncio.run(half())
    asyncio.run(client.ask(stack.url, tokens=2)).check_done(2)


# ---- the agents' endpoint -----------------------------------------------------------------------


def upgrade(**more):
    return {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "dgon.v1", **TOKEN, **more}


@pytest.mark.parametrize("name,headers,status", [
    ("no token", upgrade(Authorization=None), 401),
    ("wrong token", upgrade(Authorization="Bearer " + "f" * 32), 401),
    ("half a token", upgrade(Authorization="Bearer " + env.TOKEN[:16]), 401),
    ("other scheme", upgrade(Authorization="Basic eDp5"), 401),
    ("an Origin", upgrade(Origin="https://evil.example"), 403),
    ("no upgrade", {**TOKEN}, 426),
    ("wrong upgrade", upgrade(Upgrade="h2c"), 426),
    ("old version", upgrade(**{"Sec-WebSocket-Version": "8"}), 426),
    ("no subprotocol", upgrade(**{"Sec-WebSocket-Protocol": None}), 400),
    ("other subprotocol", upgrade(**{"Sec-WebSocket-Protocol": "chat"}), 400),
    ("bad key", upgrade(**{"Sec-WebSocket-Key": "short"}), 400),
    ("no key", upgrade(**{"Sec-WebSocket-Key": None}), 400),
])
def test_refused_upgrade(stack, name, headers, status):
    stack.gateway.expect("DGON0060")
    times = []
    for _ in range(9):
        a = asyncio.run(client.fetch(stack.url, "/dgon/agent", headers=headers))
        client.check_error(a, status)
        times.append(a.ended - a.started)
    assert statistics.median(times) < 0.005, times


@pytest.mark.parametrize("headers", [upgrade(), upgrade(**{"Content-Length": "0"}), upgrade(Upgrade="WebSocket", Connection="keep-alive, upgrade")])
def test_good_upgrades(stack, headers):
    async def run():
        async with client.Connection(stack.url) as c:
            c.send("GET", "/dgon/agent", headers=headers)
            return (await c.reader.readuntil(b"\r\n\r\n")).decode()

    head = asyncio.run(run())
    assert head.startswith("HTTP/1.1 101 ") and "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head


HELLO = {"type": "hello", "protocol": [1, 1], "agent": "liar", "instance": "0123456789abcdef", "version": "0",
         "os": "linux", "slots": 1, "labels": {}, "models": [{"name": "liar", "backend": "x"}]}


def record(job=1, type=3, attempt=1, n=0, payload=b"{}", length=None):
    return struct.pack(">IBBHI", job, type, attempt, n, len(payload) if length is None else length) + payload


@pytest.mark.parametrize("name,frames,codes", [
    ("no hello but a record", [record()], {4400}),
    ("hello is no JSON", ["hello"], {4400}),
    ("hello is a list", ["[]"], {4400}),
    ("a lie: no slots", [json.dumps({**HELLO, "slots": 10 ** 9})], {4400}),
    ("a lie: bad agent id", [json.dumps({**HELLO, "agent": "../../x y"})], {4400}),
    ("a lie: bad model name", [json.dumps({**HELLO, "models": [{"name": "a\nb"}]})], {4400}),
    ("a lie: too many models", [json.dumps({**HELLO, "models": [{"name": f"m{i}"} for i in range(300)]})], {4400, 4413}),
    ("no common version", [json.dumps({**HELLO, "protocol": [7, 9]})], {4426}),
    ("hello twice", [json.dumps(HELLO), json.dumps(HELLO)], {4400}),
    ("unknown record type", [json.dumps(HELLO), record(type=77)], {4400}),
    ("record cut", [json.dumps(HELLO), record(length=500)], {4400, 4413}),
    ("record too long", [json.dumps(HELLO), record(payload=b"x" * 9000)], {4400, 4413}),
    ("oversize message", [json.dumps(HELLO), b"\0" * 300_000], {4413, 1009}),
    ("oversize control", ["{" + " " * 300_000 + "}"], {4413, 1009}),
    ("text that is no UTF-8", [json.dumps(HELLO), b"\xff"], {1007, 4400}),
])
def test_lying_agent_is_closed(stack, name, frames, codes):
    stack.gateway.expect("DGON00.*liar|DGON.*link")

    async def talk():
        async with websockets.connect(
            stack.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], additional_headers=TOKEN,
            proxy=None, compression=None, max_size=None) as ws:
            try:
                for f in frames:
                    begin = time.monotonic()
                    await ws.send(f)
                while True:
                    await asyncio.wait_for(ws.recv(), 5)
            except websockets.ConnectionClosed:
                pass
            return ws.close_code, time.monotonic() - begin

    times = []
    for _ in range(5):
        code, took = asyncio.run(talk())
        assert code in codes, code
        times.append(took)
    assert statistics.median(times) < 0.005, times
    asyncio.run(client.ask(stack.url, tokens=2)).check_done(2)


def test_records_for_strange_jobs_do_no_harm(stack):
    """A second agent sends records for jobs that are not its own, while the first one answers."""
    stack.gateway.expect("DGON00.*liar|DGON.*link")

    async def talk():
        answer = asyncio.ensure_future(client.ask(stack.url, tokens=30, gap=0.01))
        async with websockets.connect(
            stack.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], additional_headers=TOKEN,
            proxy=None, compression=None) as ws:
            await ws.send(json.dumps({**HELLO, "slots": 1}))
            await asyncio.wait_for(ws.recv(), 5)
            try:
                for job in range(40):
                    await ws.send(record(job=job, payload=b'{"evil":1}') + record(job=job, type=6, payload=b"{}"))
                await asyncio.sleep(0.2)
            except websockets.ConnectionClosed:
                pass
        return await answer

    asyncio.run(talk()).check_done(30)


def test_fragmented_control_is_read_whole(stack):
    async def talk():
        async with websockets.connect(
            stack.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], additional_headers=TOKEN,
            proxy=None, compression=None) as ws:
            text = json.dumps({**HELLO, "agent": "in-pieces", "models": []})
            await ws.send([text[i:i + 7] for i in range(0, len(text), 7)])
            return json.loads(await asyncio.wait_for(ws.recv(), 5))

    assert asyncio.run(talk())["type"] == "welcome"


def test_nothing_leaked(stack):
    """After everything above: all slots of the agent work, and the children hold no more files than at rest."""
    def fds():
        return sum(env.open_fds(p) for p in stack.gateway.worker_pids())

    env.check_slots_free(stack.gateway, 64)
    time.sleep(0.5)
    first = fds()
    for name in BAD_BODIES:
        asyncio.run(client.ask(stack.url, body=BAD_BODIES[name]))
    env.wait_for(lambda: fds() <= first + 4, 8, f"at most {first} open files again")
