"""Requests that are passed on as they are: who may, what goes through, and what does not."""

import gzip
import hashlib
import json
import os
import socket
import subprocess
import time
from http.client import HTTPConnection

import httpx
import pytest

import env
import pass_backend

CONF = """DgonPass GET|POST|PUT|DELETE|HEAD /open/*
DgonPass POST /exact
DgonPass * /both /other/both
DgonPass GET /mapped/* /open/deep/*
DgonPass * /nobody
DgonPass POST /v1/extra
DgonAlias renamed passer
<LocationMatch "^/(open|exact|both|mapped|nobody|closed)">
    SetHandler dgon-pass
</LocationMatch>
"""
ALLOW = "allow = GET|POST|PUT|DELETE|HEAD /open/*, POST /exact,\n    * /other/both\nallow = POST /v1/extra\n"


@pytest.fixture(scope="module", params=["event", "worker"])
def stack(request, make_stack):
    s = make_stack(conf=CONF, mpm=request.param)
    s.one = pass_backend.Backend()
    s.two = pass_backend.Backend("two", ["closed-one"])
    s.add_agent(s.one, model="passer", more=ALLOW)
    s.add_agent(s.two, model="closed-one")
    yield s
    s.one.stop()
    s.two.stop()


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=20) as c:
        yield c


def form(model="passer", size=100, model_first=True):
    """A body of multipart/form-data and its type."""
    field = f'--b0und\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'.encode()
    file = b'--b0und\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + os.urandom(size) + b"\r\n"
    parts = [field, file] if model_first else [file, field]
    return b"".join(parts) + b"--b0und--\r\n", "multipart/form-data; boundary=b0und"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_as_it_is(stack, http, method):
    body = os.urandom(5000) if method in ("POST", "PUT") else None
    headers = {"Content-Type": "application/x-odd", "OpenAI-Beta": "a=b", "Accept-Language": "de", "Cookie": "secret=1", "Authorization": "Bearer me",
               "X-Odd": "1", "Accept": "x/y"}
    r = http.request(method, "/open/a%20b%2Fc/d?x=1&y=%20z", content=body, headers=headers if body else {k: v for k, v in headers.items() if k != "Content-Type"})
    assert r.status_code == 200 and r.headers["content-type"] == "application/json; charset=utf-8", r.text
    told, seen = r.json(), stack.one.last()
    assert told["method"] == method and told["path"] == "/open/a%20b%2Fc/d?x=1&y=%20z"
    assert told["sha"] == hashlib.sha256(body or b"").hexdigest()
    h = seen["headers"]
    assert h["openai-beta"] == "a=b" and h["accept-language"] == "de" and h["accept"] == "x/y"
    assert not {"cookie", "authorization", "x-odd", "expect"} & set(h) and h["user-agent"] == "dgon-agent"
    assert h.get("content-type") == ("application/x-odd" if body else None)
    assert "content-length" in h if body else not {"content-length", "transfer-encoding"} & set(h)


def test_head(stack, http):
    r = http.head("/open/x")
    assert r.status_code == 200 and r.headers["content-length"] != "0" and not r.content and stack.one.last()["method"] == "HEAD"


@pytest.mark.parametrize("status", [200, 201, 204, 299, 304, 400, 404, 409, 418, 429, 500, 503, 599])
def test_status(stack, http, status):
    """Status, type, safe headers and body come back; one failing answer is an answer, and not tried again."""
    before = len(stack.one.server.log)
    r = http.get(f"/open/x?do=status&n={status}")
    assert r.status_code == status and len(stack.one.server.log) == before + 1
    assert r.headers["etag"] == '"x"' and not {"x-secret", "set-cookie", "location"} & set(r.headers)
    if status not in (204, 304):
        assert r.text == "as it is\n" and r.headers["content-type"] == "text/plain" and r.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 407])
def test_our_own_fault(stack, http, status):
    """What the backend says about the agent is no answer for a client."""
    r = http.get(f"/open/x?do=status&n={status}")
    assert r.status_code == 502 and r.json()["error"]["code"] == "upstream_error" and r.headers["x-should-retry"] == "false"
    assert str(status) in stack.agents[1].log.read_text()


def test_who_may(stack, http):
    def error(method, path, **more):
        r = http.request(method, path, **more)
        assert r.headers["content-type"] == "application/json", r.text
        return r.status_code, r.json()["error"]["code"], r.headers.get("allow")

    n = len(stack.one.server.log)
    assert error("GET", "/closed") == (404, "unknown_url", None)
    assert error("GET", "/open") == (404, "unknown_url", None)
    assert error("GET", "/exact") == (405, "method_not_supported", "POST")
    assert error("PATCH", "/open/x") == (405, "method_not_supported", "GET, POST, PUT, DELETE, HEAD")
    assert error("GET", "/nobody") == (403, "not_opened", None)  # the admin has, no owner
    assert error("POST", "/exact", headers={"X-Dgon-Model": "closed-one"}) == (403, "not_opened", None)
    assert error("POST", "/exact", headers={"X-Dgon-Model": "nothing"}) == (404, "model_not_found", None)
    assert error("POST", "/v1/audio/transcriptions", content=b"x") == (400, "missing_required_parameter", None)
    assert error("GET", "/v1/audio/transcriptions")[0] == 405
    for path in ("/open/../closed", "/open/%2e%2e/closed", "/open/x/../../exact"):
        assert http.get(path).status_code in (400, 404, 405)
    assert len(stack.one.server.log) == n and not stack.two.server.log
    assert "*" not in http.get("/v1/models").text


def test_mapped(stack, http):
    assert http.get("/mapped/a/b?c=d").json()["path"] == "/open/deep/a/b?c=d"
    assert http.post("/both", content=b"x").json()["path"] == "/other/both"
    assert http.post("/v1/extra", json={"model": "passer"}).json()["path"] == "/v1/extra"


@pytest.mark.parametrize("where", ["header", "query", "json", "form"])
@pytest.mark.parametrize("name, at", [("passer", "passer"), ("renamed", "passer")])
def test_model(stack, http, where, name, at):
    """Wherever it is named; a public name becomes the backend's own on the way."""
    if where == "header":
        r = http.post("/exact", content=b"abc", headers={"X-Dgon-Model": name})
    elif where == "query":
        r = http.post(f"/open/x?model={name}", content=b"abc")
    elif where == "json":
        r = http.post("/v1/images/generations", content=b'{"prompt": "a", "model" : "%s","n":1.50}' % name.encode(), headers={"Content-Type": "application/json"})
        assert stack.one.last()["body"] == b'{"prompt": "a", "model" : "%s","n":1.50}' % at.encode()
    else:
        body, kind = form(name)
        r = http.post("/v1/audio/transcriptions", content=body, headers={"Content-Type": kind})
        assert stack.one.last()["body"] == body.replace(name.encode(), at.encode(), 1)
        assert stack.one.last()["headers"]["content-type"] == kind
    assert r.status_code == 200, r.text


@pytest.mark.parametrize("body, status, code", [
    (b'{"model": "passer", "model": "closed-one"}', 400, None), (b'{"model": "passer", "mod\\u0065l": "closed-one"}', 400, None), (b'{"model": 5}', 400, None),
    (b'{"model": "p\\u0061sser"}', 200, None), (b"{", 400, "missing_required_parameter"), (b"[]", 400, "missing_required_parameter"),
    (b'{"model": "nothing"}', 404, "model_not_found"), (b'{"model": "a\\u0000b"}', 404, "model_not_found"), (b'{"model": "%s"}' % (b"x" * 300), 404, "model_not_found")])
def test_model_in_json(stack, http, body, status, code):
    r = http.post("/v1/audio/speech", content=body, headers={"Content-Type": "application/json"})
    assert r.status_code == status and (status == 200 or r.json()["error"]["code"] == code), r.text


@pytest.mark.parametrize("size", [1000, 70_000, 5_000_000])
@pytest.mark.parametrize("name", ["passer", "renamed"])
@pytest.mark.parametrize("chunked", [False, True])
def test_upload(stack, http, size, name, chunked):
    body, kind = form(name, size)
    content = (body[i : i + 40_000] for i in range(0, len(body), 40_000)) if chunked else body
    r = http.post("/v1/audio/transcriptions", content=content, headers={"Content-Type": kind})
    want = body.replace(name.encode(), b"passer", 1)
    assert r.status_code == 200 and r.json()["n"] == len(want) and r.json()["sha"] == hashlib.sha256(want).hexdigest()


def test_file_before_model(stack, http):
    body, kind = form(size=300_000, model_first=False)
    r = http.post("/v1/audio/transcriptions", content=body, headers={"Content-Type": kind})
    assert r.status_code == 200 and r.json()["sha"] == hashlib.sha256(body).hexdigest()


def test_upload_is_not_held(stack):
    """The backend has the beginning long before the end is sent, and nobody holds what it does not take."""
    whole = 100_000_000
    pids = [*stack.gateway.worker_pids(), stack.agents[1].process.pid]

    def held():
        return sum(int(line.split()[1]) for p in pids for line in open(f"/proc/{p}/smaps_rollup") if line.startswith("Private_Dirty"))

    c = HTTPConnection("127.0.0.1", stack.gateway.port, timeout=20)
    c.putrequest("PUT", "/open/big?drag=0.02")
    c.putheader("Content-Length", str(whole))
    c.endheaders()
    c.send(b"x" * 200_000)
    env.wait_for(lambda: stack.one.seen("big") and stack.one.seen("big")[0].get("n", 0) > 100_000, what="the beginning at the backend")
    before, most = held(), 0
    c.sock.settimeout(0.2)
    sent, block, end = 200_000, b"x" * 65536, time.monotonic() + 2
    while time.monotonic() < end:
        try:
            sent += c.sock.send(block[: whole - sent])
        except TimeoutError:
            pass
        most = max(most, held() - before)
    took = stack.one.seen("big")[0]["n"]
    assert took < sent < whole, (took, sent, stack.agents[1].log.read_text()[-500:], stack.gateway.log.read_text()[-500:])
    assert most < (40_000 if env.SANITIZED else 4000), f"{most} KiB more held"  # ASan keeps what was freed
    assert sent - took < 30_000_000  # kernels' buffers of three connections
    c.close()
    env.wait_for(lambda: any("cut" in r for r in stack.one.server.log), what="end at the backend")


def test_early_answer(stack):
    """The backend has heard enough: its answer comes although the upload has not ended."""
    with socket.create_connection(("127.0.0.1", stack.gateway.port)) as s:
        s.settimeout(10)
        s.sendall(b"POST /exact?early=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 100_000)
        assert s.recv(4096).startswith(b"HTTP/1.1 413")


def test_download(stack, http):
    n = 20_000_000
    with http.stream("GET", f"/open/x?do=bytes&n={n}") as r:
        assert r.headers["content-type"] == "audio/mpeg" and int(r.headers["content-length"]) == n
        h = hashlib.sha256()
        for piece in r.iter_bytes():
            h.update(piece)
    assert h.hexdigest() == hashlib.sha256((bytes(range(256)) * (n // 256 + 1))[:n]).hexdigest()


def test_stream_comes_as_it_is_made(stack, http):
    with http.stream("POST", "/exact?do=sse&n=5&gap=0.2", content=b"") as r:
        assert r.headers["content-type"] == "text/event-stream"
        times = [time.monotonic() for line in r.iter_lines() if line]
    assert len(times) == 5 and times[-1] - times[0] > 0.6


def test_honest_end(stack, http):
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/open/x?do=bytes&n=3000000&cut=1000000")


@pytest.mark.parametrize("upload", [0, 500_000])
def test_cancel(stack, upload):
    with socket.create_connection(("127.0.0.1", stack.gateway.port)) as s:
        s.sendall(b"PUT /open/c%d?do=silent HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (upload, upload) + b"x" * upload)
        env.wait_for(lambda: stack.one.seen(f"/c{upload}?") and "sha" in stack.one.seen(f"/c{upload}?")[0], what="request at the backend")
        begin = time.monotonic()
    seen = stack.one.seen(f"/c{upload}?")[0]
    env.wait_for(lambda: "gone_at" in seen, what="cancel at the backend")
    assert seen["gone"] and seen["gone_at"] - begin < 0.5


@pytest.fixture(scope="module", params=["event", "prefork"])
def hasty(request, make_stack):
    """A gateway that waits for nothing longer than a second."""
    s = make_stack(conf=CONF + "DgonFirstTokenTimeout 1s\nDgonTokenGapTimeout 1s\nTimeout 1\n", mpm=request.param)
    s.one = pass_backend.Backend()
    s.add_agent(s.one, model="passer", more=ALLOW)
    yield s
    s.one.stop()


def test_backend_without_an_answer(hasty):
    begin = time.monotonic()
    r = httpx.put(hasty.url + "/open/x?do=silent", content=b"x" * 200_000, trust_env=False)
    assert r.status_code == 504 and r.json()["error"]["code"] == "timeout" and 0.9 < time.monotonic() - begin < 3
    env.wait_for(lambda: "gone_at" in hasty.one.last(), what="cancel at the backend")


def test_answer_that_falls_silent(hasty):
    """An answer of unknown length breaks off: it must not look like a whole one."""
    begin = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", hasty.url + "/open/x?do=sse&n=2&gap=3", trust_env=False) as r:
        assert r.status_code == 200 and [line for line in r.iter_lines() if line] == ["data: 0"]
    assert 0.9 < time.monotonic() - begin < 2.9


def test_client_that_stops_sending(hasty):
    """It holds a slot for httpd's Timeout, not for ever."""
    with socket.create_connection(("127.0.0.1", hasty.gateway.port)) as s:
        s.settimeout(10)
        s.sendall(b"PUT /open/stops HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000)
        begin = time.monotonic()
        answer = s.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 408 ") and b"Connection: close" in answer and 0.9 < time.monotonic() - begin < 3
    env.wait_for(lambda: hasty.one.server.log[-1].get("cut"), what="end at the backend")


def test_body_that_stays_out(stack):
    """A client that leaves in the middle of its body leaves no slot behind."""
    with socket.create_connection(("127.0.0.1", stack.gateway.port)) as s:
        s.sendall(b"PUT /open/half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000)
        env.wait_for(lambda: stack.one.seen("/half"), what="request at the backend")
    env.wait_for(lambda: stack.one.server.log[-1].get("cut"), what="end at the backend")


def test_compressed(stack, http):
    body = gzip.compress(b'{"model": "closed-one"}')
    r = http.put("/open/x", content=body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert r.json()["sha"] == hashlib.sha256(body).hexdigest() and stack.one.last()["headers"]["content-encoding"] == "gzip"


def test_backend_without_the_path(stack, http):
    r = http.post("/v1/images/edits?do=status&n=404", json={"model": "passer"})
    assert r.status_code == 400 and r.json()["error"]["code"] == "unsupported_operation"


def test_retry_on_another_agent(make_stack):
    """A body that was read whole goes to another agent when the first one's backend is gone; one that was streamed cannot."""
    s = make_stack(conf=CONF)
    backends = [pass_backend.Backend(n, ["same"]) for n in ("a", "b")]
    for b in backends:
        s.add_agent(b, model="same", more=ALLOW)
    backends[0].stop()
    with httpx.Client(base_url=s.url, trust_env=False, timeout=20) as c:
        for _ in range(4):
            body, kind = form("same", 3000)
            r = c.post("/v1/audio/transcriptions", content=body, headers={"Content-Type": kind})
            assert r.status_code == 200 and r.json()["server"] == "b"
    backends[1].stop()


def test_http2(make_stack):
    """A thread waits for each stream in any case: both ways at once, and a client that goes."""
    s = make_stack(conf=CONF, tls=True, http2=True)
    one = pass_backend.Backend()
    s.add_agent(one, model="passer", more=ALLOW)
    body, kind = form(size=5_000_000)
    with httpx.Client(base_url=s.url, verify=False, http1=False, http2=True, trust_env=False, timeout=20) as c:
        r = c.post("/v1/audio/transcriptions", content=body, headers={"Content-Type": kind})
        assert r.http_version == "HTTP/2" and r.json()["sha"] == hashlib.sha256(body).hexdigest()
        r = c.post("/v1/audio/transcriptions", content=(body[i : i + 10_000] for i in range(0, len(body), 10_000)), headers={"Content-Type": kind})
        assert r.json()["sha"] == hashlib.sha256(body).hexdigest()
        assert len(c.get("/open/x?do=bytes&n=5000000").content) == 5_000_000
        assert c.head("/open/x").status_code == 200 and c.get("/open/x?do=status&n=204").status_code == 204
        with pytest.raises(httpx.HTTPError):
            c.get("/open/x?do=bytes&n=3000000&cut=1000000")
        with c.stream("GET", "/open/gone?do=sse&n=1000&gap=0.05") as r:
            next(r.iter_lines())
    one.stop()


@pytest.mark.parametrize("line", [
    "DgonPass GET", "DgonPass get /x", "DgonPass GET x", "DgonPass GET /x?y", "DgonPass GET| /x", "DgonPass GET /a*b", "DgonPass GET /x/* /y",
    "DgonPass GET,POST /x", "\n".join(f"DgonPass GET /x{i}" for i in range(33)), "<VirtualHost *>\nDgonPass GET /x\n</VirtualHost>"])
def test_wrong_line_is_refused_at_start(line):
    assert "DgonPass" in env.refusal("test_pass-refused", line)


def test_wrong_key_is_refused_by_the_agent(tmp_path):
    conf = tmp_path / "agent.conf"
    for allow in ("GET", "get /x", "GET /x?y", "GET /x,"):
        conf.write_text(f"[gateway]\nurl = ws://127.0.0.1:1/\n[agent]\nid = a\n[backend \"b\"]\nurl = http://127.0.0.1:1\nallow = {allow}\n")
        out = subprocess.run([env.AGENT, "--check-config", "--config", conf], capture_output=True, text=True, env=env.environment(DGON_AGENT_TOKEN="x" * 20))
        good = allow == "GET /x,"
        assert (out.returncode == 0) == good and (good or ":7: allow" in out.stderr + out.stdout), (allow, out)
