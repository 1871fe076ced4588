"""HTTP/1.1 on a plain socket, byte by byte: what was sent is what the test wrote, and nothing of an answer is forgiven."""

import re
import socket
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK_LINE = re.compile(rb"([0-9a-f]+)\r\n\Z")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?\r\n\Z")


@dataclass
class Answer:
    line: bytes = b""
    fields: list = field(default_factory=list)  # (name in lower case, value), in their order
    chunks: list = field(default_factory=list)
    body: bytes = b""

    @property
    def status(self):
        return int(self.line.split(b" ")[1])

    def one(self, name):
        """The value of a header that must be there exactly once."""
        values = [v for n, v in self.fields if n == name]
        assert len(values) == 1, (name, self.fields)
        return values[0]

    def has(self, name):
        return any(n == name for n, _ in self.fields)

    @property
    def closes(self):
        return ("connection", "close") in self.fields


class Closed(Exception):
    """The other side closed where something had to come."""


class Socket:
    """One connection. read_answer() reads exactly one answer and leaves what follows it."""

    def __init__(self, url, timeout=10):
        at = urlsplit(url)
        self.s = socket.create_connection((at.hostname, at.port), timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if at.scheme == "https":
            self.s = ssl._create_unverified_context().wrap_socket(self.s)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def send_bytewise(self, data):
        for i in range(len(data)):
            self.s.sendall(data[i:i + 1])

    def finish_sending(self):
        self.s.shutdown(socket.SHUT_WR)

    def more(self):
        got = self.s.recv(1 << 18)
        if not got:
            raise Closed(self.left[:200])
        self.left += got

    def line(self):
        while b"\n" not in self.left:
            self.more()
        end = self.left.index(b"\n") + 1
        line, self.left = self.left[:end], self.left[end:]
        assert line.endswith(b"\r\n") and b"\r" not in line[:-2], line
        return line

    def exactly(self, n):
        parts = [self.left[:n]]
        self.left = self.left[n:]
        missing = n - len(parts[0])
        while missing:
            got = self.s.recv(min(missing, 1 << 20))
            if not got:
                raise Closed(f"{missing} of {n} bytes missing")
            parts.append(got)
            missing -= len(got)
        return b"".join(parts)

    def read_head(self):
        a = Answer(line=self.line())
        assert re.fullmatch(rb"HTTP/1\.[01] [1-5][0-9][0-9] [\x20-\x7e]+\r\n", a.line), a.line
        while (line := self.line()) != b"\r\n":
            found = FIELD_LINE.match(line)
            assert found, line
            a.fields.append((found[1].decode().lower(), (found[2] or b"").decode()))
        return a

    def read_chunks(self, a):
        while True:
            found = CHUNK_LINE.match(self.line())
            assert found, "not the line of a chunk"
            size = int(found[1], 16)
            data = self.exactly(size + 2)
            assert data[-2:] == b"\r\n", "a chunk without its end"
            if size == 0:
                return
            a.chunks.append(data[:-2])
            a.body += data[:-2]

    def read_answer(self, head_only=False):
        """With head_only, the answer to a HEAD."""
        a = self.read_head()
        assert not (a.has("transfer-encoding") and a.has("content-length")), a.fields
        if a.status < 200 or a.status in (204, 304) or head_only:
            return a
        if a.has("transfer-encoding"):
            assert a.one("transfer-encoding") == "chunked"
            self.read_chunks(a)
        elif a.has("content-length"):
            a.body = self.exactly(int(a.one("content-length")))
        else:
            assert a.closes, "an answer without a length on a connection that stays"
            a.body = self.rest()
        return a

    def rest(self, seconds=10):
        """Everything until the other side closes; a reset ends it as well."""
        self.s.settimeout(seconds)
        parts, self.left = [self.left], b""
        try:
            while got := self.s.recv(1 << 18):
                parts.append(got)
        except (ConnectionError, ssl.SSLError):
            pass
        return b"".join(parts)

    def is_silent(self, seconds=0.15):
        """Nothing comes and the connection stays open for so long."""
        if self.left:
            return False
        before = self.s.gettimeout()
        self.s.settimeout(seconds)
        try:
            self.left = self.s.recv(1 << 16)
            return False
        except TimeoutError:
            return True
        finally:
            self.s.settimeout(before)


def answers(data):
    """All answers in what came until the close; fails on anything else between or behind them."""
    found = []
    while data:
        s = Socket.__new__(Socket)
        s.left = data
        s.more = lambda: (_ for _ in ()).throw(Closed("cut"))
        a = s.read_head()
        if a.has("transfer-encoding"):
            s.read_chunks(a)
        elif a.has("content-length"):
            n = int(a.one("content-length"))
            assert len(s.left) >= n, "cut"
            a.body, s.left = s.left[:n], s.left[n:]
        elif a.status >= 200:
            assert a.closes, a.fields
            a.body, s.left = s.left, b""
        found.append(a)
        data = s.left
    return found


def request(path, body=b"", fields=(), method="POST", version="1.1", length=True, kind="application/json"):
    """A request as bytes; fields: (name, value) behind the usual ones."""
    head = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1"]
    if body or method == "POST":
        head += [f"Content-Type: {kind}"] * (kind is not None)
        if length:
            head.append(f"Content-Length: {len(body)}")
    head += [f"{n}: {v}" for n, v in fields]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def chunked(data, size=7):
    """data as chunks of that size, and the last one."""
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def one(url, data, seconds=10):
    """What comes until the other side closes for these bytes, sending ended or not."""
    with Socket(url, seconds) as s:
        begin = time.monotonic()
        try:
            s.send(data)
        except ConnectionError:
            pass
        return s.rest(seconds), time.monotonic() - begin
