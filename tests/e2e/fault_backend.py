"""A model server that does what the question says: speaks OpenAI's, Anthropic's and Ollama's API, and fails on demand.

The last user message (prompt, input) is a JSON object (anything else means {}), see `Plan`. What happened to each request
is told by GET /control/requests, in CLOCK_MONOTONIC seconds, which every process of a machine shares.
    fault_backend.py [--ollama] [--models a,b]      prints the port on its first line
"""

import argparse
import asyncio
import hashlib
import json
import socket
import struct
import sys
import time
from base64 import b64encode
from dataclasses import dataclass, field, fields, replace

RUBBISH = b"\x00\xff\xfe<<<not a line of anything>>>\r\n\r\n"


def capabilities_of(model):
    """What the API tells, if it tells: only `fault` sees images."""
    return ["completion", "tools", "thinking"] + ["vision"] * (model == "fault")


@dataclass
class Plan:
    tokens: int = 5  # how many, each "<number>:<microseconds of sending> "
    gap: float = 0.0  # seconds between two tokens
    head: float = 0.0  # seconds before the status line
    first: float = 0.0  # seconds between the head and the first token
    status: int = 200
    answer: str = ""  # body of an answer that is not 200
    retry_after: int = 0
    at: int = -1  # after so many tokens `do` happens; 0 is before the first one
    do: str = ""  # silent fin rst half rubbish bad_line bad_lines error eof unknown_finish
    before_head: str = ""  # fin, rst or silent instead of any answer
    think: int = 0  # tokens of reasoning before the text
    tool: bool = False  # one tool call instead of text
    pad: int = 0  # bytes of filling in each token
    fill: str = ""  # that filling, in hexadecimal, instead of x: any bytes
    piece: int = 0  # a stream is sent in chunks of so many bytes, wherever that cuts it
    location: str = ""  # where an answer of 3xx says to go
    nth: int = 0  # status, do and before_head only from the request number `nth` with this label on
    form: str = ""  # of vectors: float or base64, whatever was asked for
    vectors: int = 0  # more (or less) than inputs
    script: list = field(default_factory=list)  # OpenAI's chat: [seconds, delta] one after the other, instead of tokens
    finish: str = ""  # its finish_reason
    usage: dict = field(default_factory=dict)
    label: str = ""  # found again in /control/requests

    @classmethod
    def of(cls, text):
        try:
            wish = json.loads(text)
        except (ValueError, TypeError):
            wish = {}
        names = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in wish.items() if k in names}) if isinstance(wish, dict) else cls()


@dataclass
class Record:
    """One request, as a test reads it."""

    path: str
    label: str
    stream: bool
    body: dict
    headers: dict
    start: float = field(default_factory=time.monotonic)
    first: float = 0.0
    end: float = 0.0  # the answer was sent as planned
    aborted: float = 0.0  # the other side closed before
    sent: int = 0


class Server:
    def __init__(self, ollama, models):
        self.ollama = ollama
        self.models = models
        self.records = []
        self.force = None  # a Plan that goes before the one in the question
        self.connections = 0


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.buffer = b""
        self.record = None
        self.task = None
        self.gone = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections += 1
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pause_writing(self):
        self.room.clear()

    def resume_writing(self):
        self.room.set()

    def eof_received(self):
        self.closed_by_peer()
        return False

    def connection_lost(self, exc):
        self.server.connections -= 1
        self.closed_by_peer()
        if self.task:
            self.task.cancel()

    def closed_by_peer(self):
        if self.record and not self.record.end and not self.record.aborted:
            self.record.aborted = time.monotonic()
        self.room.set()
        self.gone.set()

    def data_received(self, data):
        self.buffer += data
        if self.task is None or self.task.done():
            self.next_request()

    def next_request(self):
        head, sep, rest = self.buffer.partition(b"\r\n\r\n")
        if not sep:
            return
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        self.task = asyncio.ensure_future(self.serve(method, path, headers, rest[:length]))
        self.task.add_done_callback(self.served)

    def served(self, task):
        if not task.cancelled() and task.exception():
            print("fault_backend:", repr(task.exception()), file=sys.stderr, flush=True)
            self.transport.abort()
        self.record = None
        if self.buffer and not self.gone.is_set():
            self.next_request()

    def answer(self, status, body, extra=""):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.transport.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(data)}\r\n\r\n".encode()
            + data
        )

    async def serve(self, method, path, headers, body):
        s = self.server
        if method == "HEAD":
            return self.transport.write(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n")
        if path.startswith("/control/"):
            return self.control(path, body)
        if path == "/v1/models":
            return self.answer(200, {"object": "list", "data": [{"id": m, "object": "model"} for m in s.models]})
        if s.ollama and path == "/api/version":
            return self.answer(200, {"version": "0.32.15"})
        if s.ollama and path == "/api/tags":
            return self.answer(200, {"models": [{"name": m, "model": m, "details": {}, "capabilities": capabilities_of(m)} for m in s.models]})
        if s.ollama and path == "/api/ps":
            return self.answer(200, {"models": []})
        if s.ollama and path == "/api/show":
            return self.answer(200, {"details": {}, "model_info": {}, "capabilities": capabilities_of(json.loads(body).get("model", ""))})
        if path in SPEAKERS or (s.force and s.force.status != 200):
            return await self.speak(path, headers, json.loads(body))
        return self.answer(404, {"error": "not found"})

    def control(self, path, body):
        s = self.server
        if path == "/control/requests":
            return self.answer(200, [r.__dict__ for r in s.records])
        if path == "/control/set":
            wish = json.loads(body)
            s.models = wish.get("models", s.models)
            if "force" in wish:
                s.force = None if wish["force"] is None else Plan(**wish["force"])
            if wish.get("forget"):
                s.records = []
            return self.answer(200, {"connections": s.connections})
        return self.answer(404, {})

    async def speak(self, path, headers, body):
        messages = body.get("input", body.get("messages", []))
        text = body.get("prompt", messages)
        if path in EMBEDDERS:
            text = next((t for t in text if isinstance(t, str) and t.startswith("{")), "") if isinstance(text, list) else text
        elif isinstance(text, list):
            text = next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), "")
        if isinstance(text, list):
            text = "".join(part.get("text", "") for part in text)
        plan = self.server.force or Plan.of(text)
        stream = body.get("stream", path.startswith("/api/")) and path not in EMBEDDERS
        if sum(r.label == plan.label for r in self.server.records) < plan.nth:
            plan = replace(plan, status=200, do="", at=-1, before_head="")
        r = self.record = Record(path, plan.label, stream, body, headers)
        self.server.records.append(r)
        if plan.before_head:
            return await self.misbehave(plan.before_head)
        await asyncio.sleep(plan.head)
        if plan.status != 200:
            extra = f"Retry-After: {plan.retry_after}\r\n" if plan.retry_after else ""
            extra += f"Location: {plan.location}\r\n" if plan.location else ""
            self.answer(plan.status, plan.answer.encode(), extra)
        else:
            await SPEAKERS[path](self, plan, body).run(stream)
        if not r.aborted and not self.gone.is_set():
            r.end = time.monotonic()

    async def misbehave(self, how):
        if how == "silent":
            await self.gone.wait()
        elif how == "rst":
            s = self.transport.get_extra_info("socket")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.record.end = time.monotonic()
            self.transport.abort()
        else:
            self.record.end = time.monotonic()
            self.transport.close()


class Speaker:
    """What the two dialects share: head, order, faults. A subclass gives the lines."""

    def __init__(self, connection, plan, body):
        self.c, self.plan, self.body = connection, plan, body
        self.model = body.get("model", "")

    async def run(self, stream):
        if not stream:
            await asyncio.sleep(self.plan.first + self.plan.gap * self.plan.tokens)
            if self.plan.do in ("silent", "fin", "rst"):
                return await self.c.misbehave(self.plan.do)
            if self.plan.do == "rubbish":
                return self.c.answer(200, RUBBISH)
            whole = json.dumps(self.whole()).encode()
            return self.c.answer(200, whole.replace(b"0:0 ", b"0:0 " + bytes.fromhex(self.plan.fill)))
        self.c.transport.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: {self.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        await asyncio.sleep(self.plan.first)
        due = time.monotonic()
        self.send(self.opening())
        for i in range(self.plan.think):
            self.send(self.thought(i))
        script = self.plan.script
        for i in range(len(script) or (0 if self.plan.tool else self.plan.tokens)):
            if i == self.plan.at and await self.fault():
                return
            if script:
                await asyncio.sleep(script[i][0])
            now = time.monotonic()
            self.c.record.first = self.c.record.first or now
            self.send(self.chunk(script[i][1]) if script else self.filled(f"{i}:{int(now * 1e6)} "))
            self.c.record.sent = i + 1
            await self.c.room.wait()
            if self.c.gone.is_set():
                return
            if self.plan.gap:
                due += self.plan.gap
                await asyncio.sleep(max(0, due - time.monotonic()))
        if self.plan.tool:
            self.send(self.tool_call())
        if self.plan.at >= (len(script) or self.plan.tokens) and await self.fault():
            return
        self.send(self.ending())
        self.c.transport.write(b"0\r\n\r\n")

    def filled(self, text):
        if not self.plan.fill:
            return self.token(text + "x" * self.plan.pad)
        return self.token(text + "FILL").replace(b"FILL", bytes.fromhex(self.plan.fill))

    def send(self, data):
        size = self.plan.piece or len(data) or 1
        for i in range(0, 0 if self.c.gone.is_set() else len(data), size):
            part = data[i:i + size]
            self.c.transport.write(b"%x\r\n%b\r\n" % (len(part), part))

    async def fault(self):
        """True when the answer ends here."""
        do = self.plan.do
        if do in ("silent", "fin", "rst"):
            await self.c.misbehave(do)
        elif do == "half":
            self.send(self.token("half a line")[:-12])
            await self.c.misbehave("fin")
        elif do == "rubbish":
            self.send(RUBBISH * 8)
            await self.c.misbehave("fin")
        elif do in ("bad_line", "bad_lines"):
            for _ in range(1 if do == "bad_line" else 4):
                self.send(self.frame(b'{"choices": [{"delta": {"content": "cut'))
            return False
        elif do == "error":
            self.send(self.frame(self.error()))
            self.c.transport.write(b"0\r\n\r\n")
        elif do == "eof":
            self.c.transport.write(b"0\r\n\r\n")
        return True


class OpenAI(Speaker):
    content_type = "text/event-stream"

    def frame(self, data):
        return b"data: " + data + b"\n\n"

    def chunk(self, delta, finish=None):
        return self.frame(json.dumps({
            "id": "cmpl-of-the-backend", "object": "chat.completion.chunk", "created": 1, "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }).encode())

    def opening(self):
        return self.chunk({"role": "assistant", "content": ""})

    def thought(self, i):
        return self.chunk({"reasoning": f"thought{i} "})

    def token(self, text):
        return self.chunk({"content": text})

    def tool_call(self):
        return self.chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}]})

    def usage(self):
        return self.plan.usage or {"prompt_tokens": 7, "completion_tokens": self.plan.tokens, "total_tokens": 7 + self.plan.tokens}

    def ending(self):
        finish = self.plan.finish or ("tool_calls" if self.plan.tool else "stop")
        out = self.chunk({}, finish)
        if (self.body.get("stream_options") or {}).get("include_usage"):
            out += self.frame(json.dumps({
                "id": "cmpl-of-the-backend", "object": "chat.completion.chunk", "created": 1, "model": self.model,
                "choices": [], "usage": self.usage(),
            }).encode())
        return out + b"data: [DONE]\n\n"

    def error(self):
        return b'{"error": {"message": "the backend ran out of memory", "type": "server_error", "code": 500}}'

    def whole(self):
        text = "".join(f"{i}:0 " for i in range(self.plan.tokens))
        message = {"role": "assistant", "content": text}
        if self.plan.tool:
            message = {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}]}
        return {"id": "x", "object": "chat.completion", "created": 1, "model": self.model, "usage": self.usage(),
                "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if self.plan.tool else "stop"}]}


class Completion(OpenAI):
    """OpenAI's text completions."""

    def chunk(self, text, finish=None):
        return self.frame(json.dumps({
            "id": "cmpl-of-the-backend", "object": "text_completion", "created": 1, "model": self.model,
            "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]}).encode())

    def opening(self):
        return b""

    def token(self, text):
        return self.chunk(text)

    def ending(self):
        return super().ending().replace(b'"text": {}', b'"text": ""')

    def whole(self):
        return {"id": "x", "object": "text_completion", "created": 1, "model": self.model, "usage": self.usage(),
                "choices": [{"index": 0, "text": "".join(f"{i}:0 " for i in range(self.plan.tokens)), "finish_reason": "stop", "logprobs": None}]}


class Responses(Speaker):
    """OpenAI's Responses."""

    content_type = "text/event-stream"
    name = "response.output_text.delta"

    def frame(self, data, name=None):
        return b"event: " + (name or self.name).encode() + b"\ndata: " + data + b"\n\n"

    def event(self, name, **more):
        return self.frame(json.dumps({"type": name, **more}).encode(), name)

    def response(self, status, **more):
        return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": self.model, "output": [],
                "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], **more}

    def item(self, text, status):
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [part] if text else []}

    def done(self):
        text = "".join(f"{i}:0 " for i in range(self.plan.tokens))
        return self.response("completed", output=[self.item(text, "completed")], usage={"input_tokens": 7, "output_tokens": self.plan.tokens, "total_tokens": 7 + self.plan.tokens})

    def opening(self):
        return self.event("response.created", sequence_number=0, response=self.response("in_progress")) + self.event(
            "response.output_item.added", sequence_number=1, output_index=0, item=self.item("", "in_progress"))

    def token(self, text):
        return self.event(self.name, sequence_number=1, item_id="msg_1", output_index=0, content_index=0, delta=text, logprobs=[])

    def ending(self):
        done = self.done()
        return self.event("response.output_item.done", sequence_number=2, output_index=0, item=done["output"][0]) + self.event(
            "response.completed", sequence_number=3, response=done)

    def error(self):
        return b'{"type": "error", "code": "server_error", "message": "the backend ran out of memory", "param": null}'

    def whole(self):
        return self.done()


class Messages(Responses):
    """Anthropic's messages."""

    name = "content_block_delta"

    def message(self, **more):
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": [], "stop_reason": None, "stop_sequence": None,
                "usage": {"input_tokens": 7, "output_tokens": 0}, **more}

    def opening(self):
        return self.event("message_start", message=self.message()) + self.event(
            "content_block_start", index=0, content_block={"type": "text", "text": ""})

    def token(self, text):
        return self.event(self.name, index=0, delta={"type": "text_delta", "text": text})

    def ending(self):
        return self.event("content_block_stop", index=0) + self.event(
            "message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": self.plan.tokens}) + self.event("message_stop")

    def error(self):
        return b'{"type": "error", "error": {"type": "api_error", "message": "the backend ran out of memory"}}'

    def whole(self):
        text = "".join(f"{i}:0 " for i in range(self.plan.tokens))
        return self.message(content=[{"type": "text", "text": text}], stop_reason="end_turn", usage={"input_tokens": 7, "output_tokens": self.plan.tokens})


class Ollama(Speaker):
    content_type = "application/x-ndjson"

    def frame(self, data):
        return data + b"\n"

    def line(self, message, **more):
        return self.frame(json.dumps({"model": self.model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False, **more}).encode())

    def opening(self):
        return b""

    def thought(self, i):
        return self.line({"role": "assistant", "content": "", "thinking": f"thought{i} "})

    def token(self, text):
        return self.line({"role": "assistant", "content": text})

    def tool_call(self):
        return self.line({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]})

    def ending(self):
        return self.line({"role": "assistant", "content": ""}, **self.last())

    def last(self):
        return {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": self.plan.tokens,
                "total_duration": 5_000_000, "eval_duration": 3_000_000}

    def error(self):
        return b'{"error": "the backend ran out of memory"}'

    def whole(self):
        message = {"role": "assistant", "content": "".join(f"{i}:0 " for i in range(self.plan.tokens))}
        if self.plan.tool:
            message = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]}
        return {"model": self.model, "created_at": "2026-01-01T00:00:00Z", "message": message, **self.last()}


class Generate(Ollama):
    """/api/generate"""

    def line(self, message, **more):
        return self.frame(json.dumps({"model": self.model, "created_at": "2026-01-01T00:00:00Z", "response": message["content"], "done": False, **more}).encode())

    def whole(self):
        return {"model": self.model, "created_at": "2026-01-01T00:00:00Z", "response": super().whole()["message"]["content"], **self.last()}


def vector_of(text):
    """Eight numbers that float32 holds exactly, the same for the same input in every process."""
    digest = hashlib.sha256(json.dumps(text).encode()).digest()
    return [(b - 128) / 64 for b in digest[:8]]


class Embeddings(Speaker):
    """OpenAI's embeddings."""

    def texts(self):
        given = self.body["input"]
        given = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
        return (given + ["more"] * self.plan.vectors)[: len(given) + self.plan.vectors]

    def vectors(self):
        base64 = (self.plan.form or self.body.get("encoding_format", "float")) == "base64"
        return [b64encode(struct.pack("<8f", *vector_of(t))).decode() if base64 else vector_of(t) for t in self.texts()]

    def tokens(self):
        return sum(len(t) for t in self.texts())

    def whole(self):
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(self.vectors())]
        return {"object": "list", "data": data, "model": self.model, "usage": {"prompt_tokens": self.tokens(), "total_tokens": self.tokens()}}


class Embed(Embeddings):
    """Ollama's."""

    def whole(self):
        return {"model": self.model, "embeddings": self.vectors(), "total_duration": 1000 * self.tokens(), "load_duration": 7, "prompt_eval_count": self.tokens()}


EMBEDDERS = {"/v1/embeddings": Embeddings, "/api/embed": Embed}
SPEAKERS = {**EMBEDDERS, "/v1/chat/completions": OpenAI, "/v1/completions": Completion, "/v1/responses": Responses, "/v1/messages": Messages, "/api/chat": Ollama, "/api/generate": Generate}


async def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ollama", action="store_true")
    p.add_argument("--models", default="fault")
    p.add_argument("--port", type=int, default=0)
    a = p.parse_args()
    state = Server(a.ollama, a.models.split(","))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(state), "127.0.0.1", a.port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
