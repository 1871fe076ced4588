"""HTTP/2: an answer given before the body came is whole, and its stream ends behind the body: curl 7.88 loses it otherwise."""

import json
import socket
import subprocess
import time

import h2.connection
import h2.events
import pytest

import logins
import pass_backend

CONF = """DgonMaxRequestBody 1M
DgonPass POST /open/*
<Location "/open">
    SetHandler dgon-pass
</Location>
<Location "/v1/completions">
    AuthType Basic
    AuthName keys
    AuthBasicProvider file
    AuthUserFile /dev/null
    Require valid-user
</Location>
"""
SIZE = 2_000_000
# path: (its status, the length that the request states)
EARLY = {"/v1/completions": (401, 5000), "/v1/chat/completions": (413, SIZE), "/v1/responses": (413, SIZE), "/v1/nothing": (404, 5000)}
ALL = EARLY | {"/open/x?early=linger": (413, 500_000)}  # a backend's own, once it had some of the body


@pytest.fixture(scope="module")
def gateway(make_stack):
    s = make_stack(conf=logins.modules("auth_basic", "authn_file", "authz_user") + CONF, http2=True)
    one = pass_backend.Backend()
    s.add_agent()
    s.add_agent(one, model="passer", more="allow = POST /open/*\n")
    yield s.gateway
    one.stop()


class Stream:
    """One request whose body comes when the test says so."""

    def __init__(self, gateway, path, length):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), 5)
        self.h2 = h2.connection.H2Connection()
        self.h2.initiate_connection()
        self.h2.send_headers(1, [(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "x"), ("dgon-model", "passer"),
                                 ("content-type", "application/json"), ("content-length", str(length))])
        self.send()
        self.status, self.body, self.ended, self.reset = None, b"", False, None

    def send(self):
        self.socket.sendall(self.h2.data_to_send())

    def read(self, seconds, done):
        end = time.monotonic() + seconds
        while not done() and (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return
            assert data, "the connection was closed"
            for e in self.h2.receive_data(data):
                if isinstance(e, h2.events.ResponseReceived):
                    self.status = int(dict(e.headers)[b":status"])
                elif isinstance(e, h2.events.DataReceived):
                    self.body += e.data
                elif isinstance(e, h2.events.StreamEnded):
                    self.ended = True
                elif isinstance(e, h2.events.StreamReset):
                    self.reset = e.error_code
            self.send()

    def is_whole(self):
        try:
            return self.status is not None and bool(json.loads(self.body))
        except ValueError:
            return False


@pytest.mark.parametrize("path", EARLY)
def test_stream_ends_behind_the_body(gateway, path):
    status, length = EARLY[path]
    s = Stream(gateway, path, length)
    s.read(2, s.is_whole)
    assert s.status == status and s.is_whole(), (s.status, s.body)
    s.read(0.1, lambda: s.ended)
    assert not s.ended and s.reset is None
    while length:
        n = min(length, 16384, s.h2.local_flow_control_window(1))
        if n:
            s.h2.send_data(1, b"x" * n, end_stream=n == length)
            s.send()
            length -= n
        else:
            s.read(0.5, lambda: s.h2.local_flow_control_window(1) or s.reset is not None)
            assert s.reset is None, "the body was not read to its end"
    s.read(2, lambda: s.ended)
    assert s.ended and s.reset is None


ASKED = {"plain": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
         "stream": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "stream": True}),
         "list to embed, on two agents": ("/v1/embeddings", {"input": ["x"] * 64})}


@pytest.mark.parametrize("what", ASKED)
def test_end_may_come_by_itself(gateway, what):
    """httpx sends a body that Content-Length says is whole, and the end of its stream later."""
    path, asked = ASKED[what]
    body = json.dumps(asked | {"model": "fault"}).encode()
    s = Stream(gateway, path, len(body))
    s.h2.send_data(1, body)
    s.send()
    s.read(5, lambda: s.is_whole() or b"[DONE]" in s.body)
    assert s.status == 200 and (s.is_whole() or b"[DONE]" in s.body), s.body
    s.read(0.05, lambda: s.ended)
    assert not s.ended and s.reset is None
    s.h2.end_stream(1)
    s.send()
    s.read(0.2, lambda: s.ended)
    assert s.ended and s.reset is None


@pytest.mark.parametrize("path", EARLY)
def test_silent_client_holds_no_thread(gateway, path):
    s = Stream(gateway, path, EARLY[path][1])
    begun = time.monotonic()
    s.read(3, lambda: s.ended)
    assert s.ended and 0.2 < time.monotonic() - begun < 1


def test_endless_body_is_not_read_for_ever(gateway):
    s = Stream(gateway, "/v1/nothing", 500_000_000)
    begun = time.monotonic()
    while s.reset is None and not s.ended and time.monotonic() - begun < 6:
        if s.h2.local_flow_control_window(1) >= 1000:
            s.h2.send_data(1, b"x" * 1000)
            s.send()
        s.read(0.02, lambda: s.ended)
    assert s.ended and 1.5 < time.monotonic() - begun < 4


@pytest.mark.parametrize("path", ALL)
def test_curl_tells_what_was_answered(gateway, path, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x" * ALL[path][1])
    argv = ["curl", "-sS", "--http2-prior-knowledge", "-H", "dgon-model: passer", "-H", "Content-Type: application/json", "--data-binary", f"@{body}",
            "-w", "%{stderr}%{http_code}", gateway.url + path]
    for _ in range(30):
        run = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        assert (run.returncode, run.stderr) == (0, str(ALL[path][0])), run.stderr
        assert json.loads(run.stdout)
