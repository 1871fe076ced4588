"""A gateway's side of the link protocol dgon.v1 (core/dgon/wire.h), scripted by a test: it accepts agents, says welcome,
hands out jobs and notes what comes back. Everything blocks with a timeout, so a test reads from top to bottom."""

import itertools
import json
import queue
import secrets
import socket
import struct
import threading
import time
from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

BODY, STATUS, EVENT, EVENT_PART, RAW, END, FAIL, CANCELLED, CREDIT, CANCEL = range(1, 11)
FINAL = (END, FAIL, CANCELLED)
OVERHEAD = 16
HEADER = struct.Struct(">IBBHI")


def record(job, kind, payload=b"", attempt=1, n=0):
    return HEADER.pack(job, kind, attempt, n, len(payload)) + payload


def records(message):
    at = 0
    while at < len(message):
        job, kind, attempt, n, size = HEADER.unpack_from(message, at)
        at += HEADER.size
        assert at + size <= len(message), "a record is cut"
        yield job, kind, attempt, n, message[at:at + size]
        at += size


class Job:
    def __init__(self, link, number, attempt, window, auto_credit):
        self.link, self.number, self.attempt = link, number, attempt
        self.credit_left, self.auto_credit = window, auto_credit
        self.events, self.raw, self.status, self.tokens = [], b"", None, 0
        self.part = b""
        self.final = None
        self.final_time = None
        self.times = []
        self.done, self.progress = threading.Event(), threading.Condition()

    def take(self, kind, n, payload):
        assert self.final is None, "a record came after the last one"
        if kind in (EVENT, EVENT_PART, RAW):
            self.credit_left -= len(payload) + OVERHEAD
            assert self.credit_left >= 0, "the agent sent more than its credit"
        if kind == STATUS:
            assert self.status is None and not self.events and not self.raw, "STATUS twice, or behind data"
            self.status = struct.unpack(">H", payload)[0]
            self.status_time = time.monotonic()
        elif kind == EVENT_PART:
            self.part += payload
        elif kind == EVENT:
            text, self.part = self.part + payload, b""
            assert min(text) >= 0x20, "a control character in an event"
            self.events.append(json.loads(text))
            self.times.append(time.monotonic())
            self.tokens += n
        elif kind == RAW:
            self.raw += payload
        elif kind in FINAL:
            assert len(payload) <= 2048
            self.final_time = time.monotonic()
            self.final = (kind, json.loads(payload) if payload else None)
            self.done.set()
        if self.auto_credit and kind in (EVENT, EVENT_PART, RAW):
            self.credit(len(payload) + OVERHEAD)
        with self.progress:
            self.progress.notify_all()

    def wait(self, timeout=10):
        assert self.done.wait(timeout), f"job {self.number} has no end: {len(self.events)} events"
        return self.final

    def wait_events(self, count, timeout=10):
        with self.progress:
            assert self.progress.wait_for(lambda: len(self.events) >= count, timeout), f"{len(self.events)} events only"

    def wait_status(self, timeout=10):
        with self.progress:
            assert self.progress.wait_for(lambda: self.status is not None or self.events or self.raw or self.final, timeout)
        return self.status

    def credit(self, n):
        self.credit_left += n
        self.link.send_binary(record(self.number, CREDIT, struct.pack(">I", n), self.attempt))

    def cancel(self):
        self.cancel_time = time.monotonic()
        self.link.send_binary(record(self.number, CANCEL, b"", self.attempt))

    def text(self):
        return "".join(c["delta"].get("content") or "" for e in self.events for c in e["choices"])

    def finish(self):
        return [c["finish_reason"] for e in self.events for c in e["choices"] if c.get("finish_reason")]


class Link:
    def __init__(self, gateway, ws):
        self.gateway, self.ws = gateway, ws
        self.jobs, self.numbers = {}, 0
        self.hello = None
        self.control = queue.Queue()
        self.closed = threading.Event()
        self.close_code = None
        self.errors = []

    def send_control(self, message):
        self.ws.send(json.dumps(message))

    def send_binary(self, data):
        try:
            self.ws.send(data)
        except ConnectionClosed:
            pass

    def welcome(self, **other):
        fields = dict(type="welcome", protocol=1, link=1, child=next(self.gateway.child), children=self.gateway.children, window=self.gateway.window, ping=20, hangup=35, gateway="00ff")
        if self.gateway.registry:
            fields["registry"] = self.gateway.registry
        fields.update(other)
        self.send_control(fields)

    def goaway(self, reason="restart", drain=30, **other):
        self.send_control(dict(type="goaway", reason=reason, drain=drain, **other))

    def job(self, content="one two three", model="echo", stream=True, op="chat", body=None, attempt=1, auto_credit=True, send_body=True,
            number=None, unsent=False, **fields):
        if body is None:
            body = json.dumps(dict(model=model, stream=stream, messages=[dict(role="user", content=content)], **fields)).encode()
        self.numbers = number or self.numbers + 1
        job = Job(self, self.numbers, attempt, self.gateway.window, auto_credit)
        job.body = body
        job.start_time = time.monotonic()
        self.jobs[job.number] = job
        job.message = dict(type="job", job=job.number, attempt=attempt, op=op, model=model, public=model + "-public",
                           id=f"chatcmpl-{job.number:032x}", created=1700000000, stream=stream, body=len(body), deadline=120000)
        if not unsent:
            self.send_control(job.message)
        if send_body and not unsent:
            self.send_body(job)
        return job

    def send_body(self, job):
        pieces = [job.body[i:i + 8192] for i in range(0, len(job.body), 8192)]
        for i in range(0, len(pieces), 16):
            self.send_binary(b"".join(record(job.number, BODY, p, job.attempt) for p in pieces[i:i + 16]))

    def expect(self, kind, timeout=10):
        """The next control message of this type; others before it are dropped."""
        end = time.monotonic() + timeout
        while True:
            message = self.control.get(timeout=max(0.001, end - time.monotonic()))
            if message["type"] == kind:
                return message

    def expect_none(self, kind, seconds):
        """No control message of this type comes for so long; others are dropped."""
        try:
            message = self.expect(kind, seconds)
        except queue.Empty:
            return
        raise AssertionError(f"unexpected: {message}")

    def close(self, code=1000, reason=""):
        self.ws.close(code, reason)

    def wait_closed(self, timeout=10):
        assert self.closed.wait(timeout), "the link stays open"
        assert not self.errors, self.errors
        return self.close_code

    def challenge(self):
        self.nonce = secrets.token_hex(32)
        self.send_control(dict(type="challenge", nonce=self.nonce))

    def check_login(self):
        """hello is signed as wire.h says; False: by a key that is not known here."""
        h = self.hello
        text = f"dgon.v1 login\n{self.nonce}\n{h['instance']}\n{h['version']}\n"
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(h["key"])).verify(bytes.fromhex(h["signature"]), text.encode())
        return h["key"] in self.gateway.keys

    def run(self):
        try:
            if self.gateway.keys is not None:
                self.challenge()
            first = json.loads(self.ws.recv(timeout=5))
            assert first["type"] == "hello"
            self.hello = first
            if self.gateway.keys is not None and not self.check_login():
                self.gateway.refused.append(first["key"])
                self.close(self.gateway.unknown, "not known here")
                self.closed.set()
                return
            if self.gateway.auto_welcome:
                self.welcome()
            self.gateway.links.put(self)
            for message in self.ws:
                if isinstance(message, str):
                    self.control.put(json.loads(message))
                    continue
                for number, kind, attempt, n, payload in records(message):
                    job = self.jobs[number]
                    assert attempt == job.attempt
                    job.take(kind, n, payload)
        except ConnectionClosed:
            pass
        except Exception as e:  # noqa: BLE001 - shown by the test that waits
            self.errors.append(repr(e))
        self.close_code = self.ws.close_code
        self.closed.set()


class Gateway:
    """`refuse`: an HTTP status instead of the upgrade. Restart: stop() and start() keep the port."""

    def __init__(self, token="secret-token", window=12288, auto_welcome=True, ssl=None):
        self.token, self.window, self.auto_welcome, self.ssl = token, window, auto_welcome, ssl
        self.children, self.child = 1, itertools.cycle([0])  # processes, and which of them takes the next link
        self.registry = None
        self.keys, self.refused, self.unknown = None, [], 4401  # public keys, in hex, that may log in; None: tokens do
        self.refuse = None
        self.links = queue.Queue()
        self.dials = []
        self.port = 0
        self.server = None
        self.all = []

    def check(self, ws, request):
        self.dials.append((time.monotonic(), dict(request.headers.raw_items())))
        if self.refuse:
            return ws.respond(HTTPStatus(self.refuse), "no\n")
        if self.keys is None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return ws.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    def handle(self, ws):
        link = Link(self, ws)
        self.all.append(link)
        link.run()

    def start(self):
        self.server = serve(self.handle, "127.0.0.1", self.port, subprotocols=["dgon.v1"], process_request=self.check, compression=None,
                            max_size=1 << 20, ping_interval=None, ssl=self.ssl)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self, hard=True):
        """Hard: connections break off, as when the process is killed. Else each gets 1012."""
        for link in self.all:
            if not hard:
                link.close(1012)
                continue
            try:
                link.ws.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server.shutdown()
        self.all = []

    def stop_listening(self):
        """Links stay as they are; a dial is refused."""
        self.server.socket.shutdown(socket.SHUT_RDWR)

    def accept(self, timeout=10):
        return self.links.get(timeout=timeout)

    def url(self, host="127.0.0.1"):
        return f"{'wss' if self.ssl else 'ws'}://{host}:{self.port}/dgon/agent"


@pytest.fixture
def gateway():
    g = Gateway().start()
    yield g
    g.stop()
