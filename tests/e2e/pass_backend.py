"""A model server with many other paths: it tells what it was asked, or misbehaves as the path says. In the test's own process."""

import contextlib
import hashlib
import http.server
import json
import socket
import threading
import time
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def chunks(self):
        """Pieces of the request's body as they come."""
        left = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding"):
            while n := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
        while left > 0:
            try:
                piece = self.rfile.read1(min(left, 65536))
            except ConnectionResetError:
                piece = b""
            if not piece:
                self.server.log.append({"cut": True})
                return
            left -= len(piece)
            yield piece

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(n.lower() == "content-length" for n, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def any(self):
        url = urllib.parse.urlsplit(self.path)
        wish = dict(urllib.parse.parse_qsl(url.query))
        if self.command == "GET" and url.path == "/v1/models":
            return self.send(200, json.dumps({"data": [{"id": m} for m in self.server.models]}).encode(), [("Content-Type", "application/json")])
        if self.command == "GET" and url.path in ("/api/version", "/props") and not wish:
            return self.send(404, b"")
        seen = {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "at": time.monotonic()}
        self.server.log.append(seen)
        if wish.get("early"):
            self.send(413, b'{"early": true}', [("Content-Type", "application/json"), ("Connection", "close")])
            self.close_connection = True
            if wish["early"] == "linger":  # who closes with something unread resets, and may lose the answer
                for _ in self.chunks():
                    pass
            return None
        digest, n = hashlib.sha256(), 0
        for piece in self.chunks():
            digest.update(piece)
            n += len(piece)
            seen["first"] = seen.get("first") or time.monotonic()
            if n < 100_000:
                seen["body"] = seen.get("body", b"") + piece
            seen["n"] = n
            time.sleep(float(wish.get("drag", 0)))
        seen["sha"] = digest.hexdigest()
        seen["whole"] = time.monotonic()
        how = wish.get("do", "echo")
        if how == "sse":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for i in range(int(wish["n"])):
                self.wfile.write(f"data: {i}\n\n".encode())
                self.wfile.flush()
                time.sleep(float(wish.get("gap", 0)))
            self.close_connection = True
        elif how == "bytes":
            block = bytes(range(256)) * 256
            self.send_response(200)
            self.send_header("Content-Type", "audio/mpeg")
            self.send_header("Content-Length", wish["n"])
            self.end_headers()
            left, stop = int(wish["n"]), int(wish.get("cut", 0))
            while left > stop:
                self.wfile.write(block[: min(left - stop, len(block))])
                left -= min(left - stop, len(block))
            self.close_connection = stop > 0
        elif how == "silent":
            try:
                self.connection.settimeout(20)
                seen["gone"] = self.rfile.read(1) == b""
                seen["gone_at"] = time.monotonic()
            except ConnectionResetError:
                seen["gone"], seen["gone_at"] = True, time.monotonic()
            except TimeoutError:
                pass
            self.close_connection = True
        elif how == "status":
            headers = [("Content-Type", "text/plain"), ("X-Secret", "no"), ("Set-Cookie", "a=b"), ("ETag", '"x"'), ("Retry-After", "7")]
            self.send(int(wish["n"]), b"" if wish["n"] in ("204", "304") else b"as it is\n", headers + [("Location", "http://127.0.0.1:1/")])
        else:
            answer = {"method": self.command, "path": self.path, "n": n, "sha": seen["sha"], "server": self.server.name}
            self.send(200, json.dumps(answer).encode(), [("Content-Type", "application/json; charset=utf-8")])
        return None

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that go are what some tests are about."""

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)


class Backend:
    def __init__(self, name="one", models=("passer",)):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.connections = []
        self.server.log, self.server.models, self.server.name = [], list(models), name
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def last(self):
        return self.server.log[-1]

    def seen(self, part):
        return [r for r in self.server.log if part in r.get("path", "")]

    def stop(self):
        """The kept connections end too."""
        self.server.shutdown()
        self.server.server_close()
        for c in self.server.connections:
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)
