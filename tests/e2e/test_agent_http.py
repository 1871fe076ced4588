"""HTTP/1.1 between the agent and a model server: how answers may come, which ones are none, what becomes of connections; all of it through TLS, too."""

import json
import socket
import ssl
import subprocess
import time

import pytest

from agent_backend_double import Backend, openai_stream
from agent_process import Agent
from gateway_double import CANCELLED, END, FAIL, gateway  # noqa: F401

QUIET = "models_interval = 60\nslots = 8\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """(context of a server, file with its certificate)"""
    d = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", d / "key.pem", "-out", d / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(d / "cert.pem", d / "key.pem")
    return context, d / "cert.pem"


@pytest.fixture(params=["plain", "tls"])
def make(request, tmp_path, gateway, keys):
    """make(script) -> (backend, link)"""
    made = []

    def start(script=None, more=""):
        tls = request.param == "tls"
        b = Backend(script=script, tls=keys[0] if tls else None).start()
        a = Agent(tmp_path, gateway.url(), backends=b.section(kind="openai", more=(f"ca_file = {keys[1]}\n" if tls else "") + more), agent=QUIET).start()
        made.append((a, b))
        return b, gateway.accept()

    yield start
    for a, b in made:
        a.stop()
        b.stop()


def event(content=None, finish=None):
    delta = {} if content is None else dict(content=content)
    return b"data: " + json.dumps(dict(id="x", object="chat.completion.chunk", created=1, model="m", choices=[dict(index=0, delta=delta, finish_reason=finish)])).encode() + b"\n\n"


BODY = event("Hello") + event(" world") + event(finish="stop") + b"data: [DONE]\n\n"


def chunked(data, size, extension=b""):
    return b"".join(b"%X%s\r\n%s\r\n" % (len(data[i:i + size]), extension, data[i:i + size]) for i in range(0, len(data), size))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "chunks": CHUNKED + chunked(BODY, 7) + b"0\r\n\r\n",
    "extensions and trailers": CHUNKED + chunked(BODY, 50, b";a=b; c") + b"000\r\nA: b\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + CHUNKED + chunked(BODY, 1000) + b"0\r\n\r\n",
    "bare line feeds": (CHUNKED + chunked(BODY, 1000) + b"0\r\n\r\n").replace(b"\r\n", b"\n"),
    "no reason": (HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY)).replace(b" OK", b"") + BODY,
}
UNTIL_END = {
    "until its end": HEAD + b"\r\n" + BODY,
    "HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"\r\n" + BODY,
    "close": HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "more than it says": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + b"HTTP/1.1 200 OK\r\n",
}


@pytest.mark.parametrize("piece", [1, 100, 100_000])
@pytest.mark.parametrize("name", [*ANSWERS, *UNTIL_END])
def test_answers(make, name, piece):
    """In pieces of any size. The connection is used again if it may be."""
    raw = {**ANSWERS, **UNTIL_END}[name]

    def script(x):
        for i in range(0, len(raw), piece):
            x.send(raw[i:i + piece])
        if name in UNTIL_END:
            if name != "more than it says":
                x.sock.shutdown(socket.SHUT_WR) if not x.backend.tls else x.sock.unwrap()
            x.keep = False
            time.sleep(0.1)

    backend, link = make(script)
    before = backend.connections
    for _ in range(3):
        job = link.job("hi", model="m")
        assert job.wait(20)[0] == END
        assert job.text() == "Hello world" and job.finish() == ["stop"]
    assert backend.connections - before <= (3 if name in UNTIL_END else 1)


@pytest.mark.parametrize("raw", [
    b"SSH-2.0-OpenSSH_9.2\r\n", b"<html>\n", b"HTTP/2 200\r\n\r\n", b"\x15\x03\x03\0\2\2\x46\n",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HEAD + b"no colon\r\n\r\n",
    HEAD + b"A: " + b"x" * 70_000, HEAD + b"A: b\r\n" * 12_000, b"HTTP/1.1 100 Continue\r\n\r\n" * 3000, b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    CHUNKED + b"5\r\nhello!\r\n", CHUNKED + b"x\r\n", CHUNKED + b"1;" + b"x" * 5000, CHUNKED + b"ffffffffffffffff\r\n"], ids=lambda raw: repr(raw[-16:]))
def test_no_answers(make, raw):
    """Told within moments, though the server keeps the connection open."""
    def script(x):
        try:
            x.send(raw)
            x.wait_abort()
        except OSError:
            pass

    backend, link = make(script)
    begin = time.monotonic()
    kind, why = link.job("hi", model="m").wait(5)
    assert kind == FAIL and why["status"] == 502, why
    assert time.monotonic() - begin < 2
    backend.script = openai_stream()
    assert link.job("hi", model="m").wait()[0] == END


def test_what_is_asked(make):
    """Host, key and length; one of each header."""
    backend, link = make()
    job = link.job("hi", model="m")
    assert job.wait()[0] == END
    asked = backend.chats()[0]
    assert asked.headers == {"host": f"127.0.0.1:{backend.port}", "user-agent": "dgon-agent", "accept": "*/*", "content-type": "application/json",
                             "content-length": str(len(asked.body))}


def test_idle_connection_that_speaks_is_not_used(make):
    def script(x):
        openai_stream()(x)
        time.sleep(0.05)
        x.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    backend, link = make(script)
    for _ in range(5):
        assert link.job("hi", model="m").wait()[0] == END
        time.sleep(0.15)
    assert len(backend.chats()) == 5


def test_idle_connection_is_left_in_time(make):
    backend, link = make()
    assert link.job("hi", model="m").wait()[0] == END
    before = backend.connections
    time.sleep(5)
    assert not backend.open, "llama-server would end it now"
    assert link.job("hi", model="m").wait()[0] == END
    assert backend.connections == before + 1


def test_paused_and_resumed(make):
    """Without credit the backend is held up; nothing is lost when it goes on, whatever the place at which it stopped."""
    words = [f" {n}" + "x" * (n % 50) for n in range(20_000)]
    backend, link = make(openai_stream(words))
    job = link.job("hi", model="m", auto_credit=False)
    job.wait_status()
    seen = -1
    while not job.final:
        if len(job.events) == seen:
            job.credit(7000 + seen % 1000)
        seen = len(job.events)
        time.sleep(0.002)
        if seen > 5000:
            job.auto_credit = True
    assert job.wait()[0] == END and job.text() == "".join(words)


def test_cancel_ends_the_connection(make):
    def script(x):
        x.head()
        x.delta(dict(content="a"))
        x.wait_abort()

    backend, link = make(script)
    for _ in range(3):
        job = link.job("hi", model="m")
        job.wait_events(1)
        job.cancel()
        assert job.wait(2)[0] == CANCELLED
        assert backend.aborts.get(timeout=2) - job.cancel_time < 1


def test_answer_before_the_request_is_read(make):
    """A refusal while most of the request is on its way; the server reads no more of it."""
    backend, link = make()
    original = backend.serve

    def early(plain):
        sock = backend.tls.wrap_socket(plain, server_side=True) if backend.tls else plain
        try:
            if sock.recv(4).startswith(b"GET"):
                return
            sock.recv(65536)
            sock.sendall(b'HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 33\r\nConnection: close\r\n\r\n{"error":{"message":"too large."}}'[:-1])
            time.sleep(0.5)
        except OSError:
            pass
        finally:
            backend.open.discard(plain)
            sock.close()

    backend.drop()
    backend.serve = early
    time.sleep(0.1)
    kind, why = link.job("x" * 900_000, model="m").wait()
    assert kind == FAIL and why["status"] == 413, why
    backend.serve = original
    assert link.job("hi", model="m").wait()[0] == END
