"""How the agent comes to connections to a model server: libcurl finds it, the next ones go straight there, and it is looked for again when that fails."""

import socket
import subprocess
import time

import pytest

from agent_backend_double import Backend
from agent_process import Agent
from gateway_double import END, FAIL, gateway  # noqa: F401

QUIET = "models_interval = 60\nslots = 8\n"


def anew(backend):
    """What was kept is gone: the next request needs a connection."""
    backend.drop()
    time.sleep(0.1)


@pytest.fixture
def made(tmp_path, gateway):
    """made(url) -> link; with a backend that has to be there by then"""
    agents = []

    def start(url, more=""):
        a = Agent(tmp_path, gateway.url(), backends=f'[backend "b"]\nkind = openai\nurl = {url}\n{more}\n', agent=QUIET).start()
        agents.append(a)
        link = gateway.accept()
        assert link.job("hi", model="m").wait()[0] == END
        return link

    yield start
    for a in agents:
        a.stop()


def test_many(made):
    backend = Backend().start()
    link = made(backend.url())
    for n in range(20):
        anew(backend)
        jobs = [link.job("hi", model="m") for _ in range(8)]
        assert all(j.wait()[0] == END and j.text() == "Hello world" for j in jobs), n
    assert backend.connections >= 20
    backend.stop()


@pytest.mark.parametrize("there", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_moves_to_another_address_of_its_name(made, there):
    """The address that is known is refused from one request to the next; none of them notices."""
    backend = Backend(address=there[0]).start()
    link = made(f"http://localhost:{backend.port}")
    for address in (there[1], there[0], there[1]):
        backend.stop()
        backend.address = address
        backend.start()
        for _ in range(2):
            assert link.job("hi", model="m").wait()[0] == END
            anew(backend)
    backend.stop()


def test_down_and_up_again(made):
    backend = Backend().start()
    link = made(backend.url())
    backend.stop()
    time.sleep(0.1)
    kind, why = link.job("hi", model="m").wait()
    assert kind == FAIL and why["status"] == 502, why
    backend.start()
    # the agent looks for it in a second; until then it has no model to offer
    end = time.monotonic() + 10
    while link.job("hi", model="m").wait()[0] != END:
        assert time.monotonic() < end
        time.sleep(0.2)
    backend.stop()


class Full:
    """Listens in place of a backend and has no room for another connection."""

    def __init__(self, backend):
        self.backend = backend
        backend.stop()
        backend.listen(0)
        self.others = []
        for _ in range(2):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", backend.port))
            self.others.append(s)
        time.sleep(0.1)

    def relent(self):
        for s in self.others:
            s.close()
        self.backend.accept()


def test_late_to_accept(made):
    """The connection is on its way for about a second; other requests are not held up by it."""
    backend, other = Backend().start(), Backend(models=["n"]).start()
    link = made(backend.url(), f'[backend "c"]\nkind = openai\nurl = {other.url()}\n')
    full = Full(backend)
    begin = time.monotonic()
    job = link.job("hi", model="m")
    for _ in range(20):
        assert link.job("hi", model="n").wait()[0] == END
    assert time.monotonic() - begin < 0.8 and not job.final
    full.relent()
    assert job.wait()[0] == END and job.text() == "Hello world"
    assert time.monotonic() - begin > 0.8, "it was not on its way at all"
    backend.stop()
    other.stop()


def test_never_accepts(made):
    backend = Backend().start()
    link = made(backend.url(), "connect_timeout = 1\n")
    full = Full(backend)
    begin = time.monotonic()
    kind, why = link.job("hi", model="m").wait(10)
    assert kind == FAIL and why["status"] in (502, 504), why
    assert 0.9 < time.monotonic() - begin < 4
    full.relent()
    time.sleep(0.1)
    assert link.job("hi", model="m").wait()[0] == END
    backend.stop()


def test_cancel_on_the_way(made):
    backend = Backend().start()
    link = made(backend.url())
    full = Full(backend)
    jobs = [link.job("hi", model="m") for _ in range(4)]
    time.sleep(0.2)
    begin = time.monotonic()
    for j in jobs:
        j.cancel()
    for j in jobs:
        assert j.wait(2)[0] != END
    assert time.monotonic() - begin < 0.5
    full.relent()
    assert link.job("hi", model="m").wait()[0] == END
    backend.stop()


def test_sessions_are_resumed(made, tmp_path):
    """Of TLS: a new connection costs no new key exchange with certificates."""
    import ssl
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    backend = Backend(tls=context).start()
    link = made(backend.url(), f"ca_file = {tmp_path}/cert.pem\n")
    for _ in range(5):
        anew(backend)
        assert link.job("hi", model="m").wait()[0] == END
    assert context.session_stats()["hits"] >= 4, context.session_stats()
    backend.stop()
