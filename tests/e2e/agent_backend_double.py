"""A model server that does what a test tells it: lists models, answers chats by a script, notes connections and aborts."""

import json
import queue
import select
import socket
import struct
import threading
import time


class Exchange:
    """One chat request in the hands of a script."""

    def __init__(self, backend, sock, method, path, headers, body):
        self.backend, self.sock = backend, sock
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.json = json.loads(body) if body else None
        self.keep = True
        self.chunked = False

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def head(self, status=200, kind="text/event-stream", length=None):
        self.chunked = length is None
        size = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {length}"
        self.send(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{size}\r\n\r\n")

    def chunk(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self):
        self.send("0\r\n\r\n")

    def whole(self, value, status=200):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.head(status, "application/json", len(data))
        self.send(data)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.keep = False
        self.sock.close()

    def wait_abort(self, timeout=10):
        """Until the agent closes the connection; puts the time into backend.aborts."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if select.select([self.sock], [], [], 0.5)[0]:
                try:
                    data = self.sock.recv(1)
                except ConnectionResetError:
                    data = b""
                    self.backend.resets += 1
                if not data:
                    self.backend.aborts.put(time.monotonic())
                    break
        self.keep = False

    # what the two kinds send for a piece of text
    def sse(self, value):
        self.chunk("data: " + (value if isinstance(value, str) else json.dumps(value)) + "\n\n")

    def delta(self, delta, finish=None, **more):
        self.sse(dict(id="x", object="chat.completion.chunk", created=1, model="m", choices=[dict(index=0, delta=delta, finish_reason=finish)], **more))

    def line(self, **value):
        self.chunk(json.dumps(dict(model="m", created_at="2026-01-01T00:00:00Z", **value)) + "\n")


def openai_stream(words=("Hello", " world")):
    def script(x):
        x.head()
        x.delta(dict(role="assistant", content=None))
        for w in words:
            x.delta(dict(content=w))
        x.delta({}, "stop")
        x.sse(dict(id="x", object="chat.completion.chunk", created=1, model="m", choices=[],
                   usage=dict(prompt_tokens=3, completion_tokens=len(words), total_tokens=3 + len(words))))
        x.sse("[DONE]")
        x.end()
    return script


def ollama_stream(words=("Hello", " world")):
    def script(x):
        x.head(kind="application/x-ndjson")
        for w in words:
            x.line(message=dict(role="assistant", content=w), done=False)
        x.line(message=dict(role="assistant", content=""), done=True, done_reason="stop", prompt_eval_count=3, eval_count=len(words),
               eval_duration=5000, prompt_eval_duration=6000, load_duration=7)
        x.end()
    return script


class Backend:
    def __init__(self, kind="openai", models=("m",), slots=None, script=None, tls=None, address="127.0.0.1"):
        """tls: an ssl context."""
        self.kind, self.models, self.slots, self.tls, self.address = kind, list(models), slots, tls, address
        self.can, self.loaded = {}, list(models)[:1]  # of Ollama: a model's capabilities, where they are not the usual ones, and which are loaded
        self.script = script or (openai_stream() if kind == "openai" else ollama_stream())
        self.requests, self.aborts, self.resets = [], queue.Queue(), 0
        self.connections = 0
        self.open = set()
        self.port = 0
        self.lists_status = 200
        self.started = threading.Semaphore(0)

    def start(self):
        self.listen(100)
        self.accept()
        return self

    def listen(self, backlog):
        self.listener = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.address, self.port))
        self.listener.listen(backlog)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        threading.Thread(target=self.accept_all, args=(self.listener,), daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()

    def drop(self):
        """Closes every connection, idle or not."""
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept_all(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.open.add(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, plain):
        sock = plain
        try:
            if self.tls:
                sock = self.tls.wrap_socket(plain, server_side=True)
                self.open.add(sock)
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = sock.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                lines = head.decode().split("\r\n")
                method, path, _ = lines[0].split(" ")
                headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
                size = int(headers.get("content-length", 0))
                while len(data) < size:
                    data += sock.recv(65536)
                body, data = data[:size], data[size:]
                x = Exchange(self, sock, method, path, headers, body)
                self.requests.append(x)
                self.answer(x)
                if not x.keep:
                    return
        except OSError:
            pass
        finally:
            self.open -= {plain, sock}
            sock.close()

    def answer(self, x):
        openai = {"/v1/models": dict(object="list", data=[dict(id=m, object="model", created=1, owned_by="x", meta=dict(n_ctx_train=2048)) for m in self.models])}
        if self.slots:
            openai["/props"] = dict(total_slots=self.slots)
        ollama = {"/api/version": dict(version="0.32.15"),
                  "/api/tags": dict(models=[dict(name=m, model=m, details=dict(context_length=4096), capabilities=self.can.get(m, ["completion", "tools"])) for m in self.models]),
                  "/api/ps": dict(models=[dict(name=m, model=m) for m in self.loaded])}
        if x.method == "POST":
            self.started.release()
            self.script(x)
            return
        value = (openai if self.kind == "openai" else ollama).get(x.path)
        if value is None:
            x.whole(dict(error="not found"), 404)
        else:
            x.whole(value, self.lists_status)

    def chats(self):
        return [r for r in self.requests if r.method == "POST"]

    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def section(self, name="b", kind="auto", more=""):
        return f'[backend "{name}"]\nkind = {kind}\nurl = {self.url()}\n{more}\n'
