"""A client that believes nothing: HTTP/1.1 over asyncio, chunked and SSE parsed strictly.

It tells a finished answer, an error event and a broken transfer apart, and checks the numbers of the
fault backend's tokens for loss, doubles and order."""

import asyncio
import json
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class Broken(Exception):
    """The transfer ended before its own end."""


@dataclass
class Answer:
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    events: list = field(default_factory=list)  # (monotonic arrival, payload object)
    comments: list = field(default_factory=list)
    outcome: str = ""  # done, error, json, broken
    error: dict | None = None
    started: float = 0.0
    head_at: float = 0.0
    ended: float = 0.0
    port: int = 0  # our own

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def deltas(self):
        return [c["delta"] for _, e in self.events for c in e.get("choices", [])]

    @property
    def text(self):
        if not self.events and self.body:
            return self.json["choices"][0]["message"]["content"]
        return "".join(d.get("content") or "" for d in self.deltas)

    @property
    def finish(self):
        return next((c["finish_reason"] for _, e in self.events for c in e.get("choices", []) if c.get("finish_reason")), None)

    @property
    def numbers(self):
        return [int(t.split(":")[0]) for t in self.text.split()]

    def check_tokens(self, count=None):
        """0, 1, 2 …: nothing lost, doubled or out of order."""
        assert self.numbers == list(range(len(self.numbers))), self.numbers
        if count is not None:
            assert len(self.numbers) == count, f"{len(self.numbers)} of {count} tokens, {self.outcome} {self.error}"

    def check_done(self, count=None):
        assert self.outcome == "done", (self.outcome, self.status, self.error, self.body[:300])
        self.check_tokens(count)

    def check_not_silent(self):
        """A cut answer shows an error event or a broken transfer; a refusal has an error object."""
        if self.outcome == "json" and self.status != 200:
            check_error(self, self.status)
        assert self.outcome in ("done", "error", "broken") or self.status != 200, self.outcome


def check_error(answer, status, code=...):
    """The one form in which a client sees a failure."""
    assert answer.status == status, (answer.status, answer.body[:300])
    assert answer.headers.get("content-type", "").split(";")[0] == "application/json", answer.headers
    e = answer.json["error"]
    assert set(e) == {"message", "type", "param", "code"}, e
    assert isinstance(e["message"], str) and e["message"] and isinstance(e["type"], str)
    if code is not ...:
        assert e["code"] == code, e
    assert "x-request-id" in answer.headers
    return e


class Connection:
    """One TCP or TLS connection; requests one after the other."""

    def __init__(self, url, source=None):
        """source: the address to come from, 127.0.0.2 say."""
        self.url, self.source = urlsplit(url), source and (source, 0)
        self.writer = None

    async def open(self):
        context = None
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.reader, self.writer = await asyncio.open_connection(
            self.url.hostname, self.url.port, ssl=context, limit=1 << 24, local_addr=self.source
        )
        return self

    async def __aenter__(self):
        return self if self.writer else await self.open()

    async def __aexit__(self, *_):
        self.close()

    def close(self):
        if self.writer:
            self.writer.transport.abort()

    async def finish_sending(self):
        self.writer.write_eof()

    def send(self, method, path, body=b"", headers=None, raw=None):
        lines = {"Host": "127.0.0.1"}
        if body or method not in ("GET", "DELETE"):
            lines["Content-Length"] = str(len(body))
        if body:
            lines["Content-Type"] = "application/json"
        lines.update(headers or {})
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
        self.writer.write(head.encode("latin-1") + b"\r\n" + body if raw is None else raw)

    async def receive(self, on_event=None, limit=None):
        """Reads one answer; `limit` stops after so many events. on_event may be a coroutine function."""
        a = Answer(started=time.monotonic())
        try:
            await self._receive(a, on_event, limit)
        except (Broken, asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            a.outcome = "broken"
        a.ended = time.monotonic()
        return a

    async def _receive(self, a, on_event, limit):
        head = await self.reader.readuntil(b"\r\n\r\n")
        a.head_at = time.monotonic()
        lines = head.decode("latin-1").split("\r\n")
        a.status = int(lines[0].split(" ")[1])
        for line in lines[1:]:
            if line:
                k, _, v = line.partition(":")
                a.headers[k.lower()] = v.strip()
        if a.headers.get("content-type", "").startswith("text/event-stream"):
            return await self._events(a, on_event, limit)
        async for data in self._body(a.headers):
            a.body += data
        a.outcome = "json"

    async def _body(self, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while True:
                line = await self.reader.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                data = await self.reader.readexactly(size + 2)
                if data[-2:] != b"\r\n":
                    raise AssertionError("chunk without its end")
                if size == 0:
                    return
                yield data[:-2]
        elif "content-length" in headers:
            yield await self.reader.readexactly(int(headers["content-length"]))
        else:
            raise AssertionError("an answer without a length cannot be told from a cut one")

    async def _events(self, a, on_event, limit):
        buffer, done = b"", False
        async for data in self._body(a.headers):
            now = time.monotonic()
            buffer += data
            *blocks, buffer = buffer.split(b"\n\n")
            for block in blocks:
                assert not done, f"after [DONE]: {block[:80]!r}"
                done = self._event(a, now, block)
                if on_event:
                    result = on_event(a)
                    if asyncio.iscoroutine(result):
                        await result
                if limit and len(a.events) >= limit:
                    a.outcome = "left"
                    return
        assert buffer == b"", f"half a line at the end: {buffer[:80]!r}"
        if a.error is not None:
            a.outcome = "error"
            assert done, "error without [DONE]"
        elif done and a.finish:
            a.outcome = "done"
        else:
            raise AssertionError("SILENT TRUNCATION: a clean end without finish_reason and [DONE]")

    @staticmethod
    def _event(a, now, block):
        assert b"\r" not in block and b"\n" not in block, f"more than one line: {block[:80]!r}"
        if block.startswith(b":"):
            a.comments.append((now, block[1:].strip().decode()))
            return False
        assert block.startswith(b"data: ") and len(block) > 6, f"neither data nor comment: {block[:80]!r}"
        payload = block[6:].decode("utf-8")
        if payload == "[DONE]":
            return True
        event = json.loads(payload)
        if "error" in event:
            assert set(event["error"]) == {"message", "type", "param", "code"}, event
            a.error = event["error"]
        else:
            assert event["object"] == "chat.completion.chunk", event
            a.events.append((now, event))
        return False


def question(model="fault", stream=True, headers=None, more=None, content=None, **plan):
    """The body for a question to the fault backend; `plan` is what it is to do."""
    content = json.dumps(plan) if content is None else content
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    if stream:
        body["stream"] = True
    body.update(more or {})
    return json.dumps(body).encode()


async def ask(url, headers=None, on_event=None, limit=None, body=None, path="/v1/chat/completions", source=None, **plan):
    """One question on a connection of its own."""
    begin = time.monotonic()
    c = Connection(url, source)
    try:
        await c.open()
    except OSError:
        return Answer(outcome="broken", started=begin, ended=time.monotonic())
    async with c:
        c.send("POST", path, question(**plan) if body is None else body, headers)
        port = c.writer.get_extra_info("sockname")[1]
        a = await c.receive(on_event, limit)
        a.started, a.port = begin, port
        return a


async def fetch(url, path, method="GET", body=b"", headers=None):
    begin = time.monotonic()
    async with Connection(url) as c:
        c.send(method, path, body, headers)
        a = await c.receive()
        a.started = begin
        return a
