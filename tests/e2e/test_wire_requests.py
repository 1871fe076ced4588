"""Every way in which a request may come over the wire, and what the connection is good for afterwards."""

import gzip
import json
import time

import pytest

import env
import raw
import wires

LAST = raw.request("/v1/models", method="GET", fields=[("Connection", "close")])


@pytest.fixture(scope="module", params=["plain", "tls"])
def stack(request, make_stack):
    s = make_stack(slots=16, tls=request.param == "tls")
    s.gateway.expect("DGON0040")
    return s


@pytest.fixture(params=wires.ALL, ids=wires.name)
def wire(request):
    return request.param


def count(wire, answer):
    """The tokens of a stream, which must be numbered from 0."""
    assert answer.status == 200, answer.body
    numbers = [int(t.split(":")[0]) for t in wire.said(answer.body)]
    assert numbers == list(range(len(numbers)))
    return len(numbers)


def check_still_good(s):
    """One more request on the connection gets one answer, and behind it there is nothing."""
    s.send(LAST)
    assert s.read_answer().status == 200
    assert s.rest() == b""


# ---- bodies ----


def test_continue(stack, wire):
    """100 at once, the body, one answer."""
    body = wire.body(tokens=2)
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wire.path, fields=[("Expect", "100-continue"), ("Content-Length", len(body))], length=False))
        assert s.exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n" and s.is_silent(0.05)
        s.send(body)
        assert count(wire, s.read_answer()) == 2
        check_still_good(s)


def test_continue_of_http_1_0_is_no_expectation(stack):
    body = wires.CHAT.body(tokens=2)
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wires.CHAT.path, body, [("Expect", "100-continue")], version="1.0"))
        assert s.read_answer().status == 200


@pytest.mark.parametrize("path, fields, status", [
    ("/v1/none", [], 404), ("/v1/models", [], 405), ("/api/tags", [], 405), ("/api/pull", [], 403), ("/v1/chat/completions", [("Content-Length", 1 << 30)], 413),
    ("/v1/messages", [("Content-Length", 1 << 30)], 413), ("/api/chat", [("Content-Length", 1 << 30)], 413), ("/api/show", [("Content-Length", 1 << 30)], 413),
    ("/v1/chat/completions", [("Content-Encoding", "gzip")], 415),])
def test_refused_before_the_body(stack, path, fields, status):
    """The answer instead of 100; the body is never asked for, so the connection ends."""
    fields = [("Expect", "100-continue"), *fields] + [("Content-Length", 500)] * ("Content-Length" not in dict(fields))
    with raw.Socket(stack.url) as s:
        begin = time.monotonic()
        s.send(raw.request(path, fields=fields, length=False))
        a = s.read_answer()
        assert a.status == status and a.closes and a.one("content-type") == "application/json" and json.loads(a.body)["error"]
        assert time.monotonic() - begin < 0.5
        assert s.rest() == b""


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_chunked(stack, wire, size):
    """The backend gets the same request, however the client cut it."""
    label = f"chunked-{wire.path}-{size}"
    body = wire.body(tokens=2, label=label)
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wire.path, raw.chunked(body, size), [("Transfer-Encoding", "chunked")], length=False))
        assert count(wire, s.read_answer()) == 2
        check_still_good(s)
    assert len(stack.backend.requests(label)) == 1


def test_chunk_extensions_and_trailers(stack, wire):
    body = wire.body(tokens=2)
    sent = b"%x;a;b=c;d=\"e;f\"\r\n%b\r\n3 ;x\r\n   \r\n000;last\r\nX-Trailer: 1\r\nAuthorization: none\r\n\r\n" % (len(body), body)
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wire.path, sent, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Trailer")], length=False))
        assert count(wire, s.read_answer()) == 2
        check_still_good(s)


@pytest.mark.parametrize("chunks", [False, True], ids=["length", "chunked"])
def test_a_byte_at_a_time(stack, wire, chunks):
    body = wire.body(tokens=2)
    sent = raw.request(wire.path, raw.chunked(body), [("Transfer-Encoding", "chunked")], length=False) if chunks else raw.request(wire.path, body)
    with raw.Socket(stack.url) as s:
        for _ in range(2):  # also on the connection that the engine keeps after the first stream
            s.send_bytewise(sent)
            assert count(wire, s.read_answer()) == 2
        check_still_good(s)


# ---- several requests ----


def test_pipelined(stack):
    """In one write: streams of every wire, whole answers, errors; answered one by one in their order."""
    asked = [(w, n) for n, w in enumerate(wires.ALL + wires.ALL, 1)]
    sent = b"".join(
        raw.request(w.path, w.body(tokens=n, gap=0.005)) + raw.request(w.path, w.body(stream=False, tokens=n)) + raw.request(f"/v1/none/{n}") for w, n in asked)
    with raw.Socket(stack.url) as s:
        s.send(sent + LAST)
        for w, n in asked:
            assert count(w, s.read_answer()) == n
            whole = s.read_answer()
            assert whole.status == 200 and str(n) in whole.body.decode()
            if w is not wires.RESPONSES:
                assert w.whole(whole.body) == "".join(f"{i}:0 " for i in range(n))
            assert s.read_answer().status == 404
        assert s.read_answer().status == 200
        assert s.rest() == b""


def test_pipelined_behind_a_running_stream(stack, wire):
    """The second request is cut in two: its rest comes while the first one's stream runs."""
    first, second = raw.request(wire.path, wire.body(tokens=5, gap=0.02)), raw.request(wire.path, wire.body(tokens=3))
    for cut in (1, 20, len(second) - 1):
        with raw.Socket(stack.url) as s:
            s.send(first + second[:cut])
            head = s.read_head()
            s.send(second[cut:])
            s.read_chunks(head)
            assert count(wire, head) == 5
            assert count(wire, s.read_answer()) == 3
            check_still_good(s)


def test_kept_after_streams(stack):
    with raw.Socket(stack.url) as s:
        for n in range(1, 5):
            for w in wires.ALL:
                s.send(raw.request(w.path, w.body(tokens=n)))
                assert count(w, s.read_answer()) == n
        check_still_good(s)


@pytest.mark.parametrize("asked", [False, True], ids=["kept", "close"])
def test_after_a_fault_in_mid_stream(stack, wire, asked):
    """The error is in the stream, which ends as it should: the next request finds a good connection, unless close was asked for."""
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wire.path, wire.body(tokens=9, at=2, gap=0.01, do="error"), [("Connection", "close")] * asked))
        a = s.read_answer()
        assert len(wire.fault(a.body)) == 2 and a.closes == asked
        if asked:
            assert s.rest() == b""
        else:
            check_still_good(s)


# ---- HTTP/1.0 and HEAD ----


def test_http_1_0_stream(stack, wire):
    """No chunks; its own end mark tells that it is whole, then the connection closes whatever was asked for."""
    for fields in ([], [("Connection", "keep-alive")]):
        with raw.Socket(stack.url) as s:
            s.send(raw.request(wire.path, wire.body(tokens=3, gap=0.01), fields, version="1.0"))
            a = s.read_answer()
            assert not a.has("transfer-encoding") and not a.has("content-length") and a.closes
            assert count(wire, a) == 3


def test_http_1_0_whole_answer(stack, wire):
    with raw.Socket(stack.url) as s:
        for _ in range(3):
            s.send(raw.request(wire.path, wire.body(stream=False, tokens=2), [("Connection", "keep-alive")], version="1.0"))
            a = s.read_answer()
            assert a.status == 200 and a.has("content-length") and a.one("connection").lower() == "keep-alive"
        check_still_good(s)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/fault", "/v1/models/nobody", "/v1/none", "/v1/messages/none", "/v1/chat/completions", "/v1/messages",
                                  "/api/tags", "/api/ps", "/api/version", "/api/none", "/api/chat"])
def test_head_is_get_without_its_body(stack, path):
    def same(a):
        return [(n, v) for n, v in a.fields if n not in ("date", "x-request-id")]

    with raw.Socket(stack.url) as s:
        s.send(raw.request(path, method="GET"))
        get = s.read_answer()
        s.send(raw.request(path, method="HEAD"))
        head = s.read_answer(head_only=True)
        assert head.line == get.line
        if get.status != 405:  # its text names the method
            assert same(head) == same(get) and int(head.one("content-length")) == len(get.body) > 0
        check_still_good(s)


# ---- half a connection ----


def test_half_close(stack, wire):
    """A stream of events goes on: a comment proves that somebody listens. Where there are no comments the client counts as gone."""
    if stack.gateway.tls:
        return  # over TLS a close is a close
    label = f"half-{wire.path}"
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wire.path, wire.body(tokens=10, gap=0.05, label=label)))
        stack.backend.wait_request(label)
        s.finish_sending()
        if wire is not wires.OLLAMA:
            a = s.read_answer()
            assert count(wire, a) == 10 and b": ping\n\n" in a.body
            assert s.rest() == b""
        else:
            assert not s.rest().endswith(b"0\r\n\r\n"), "a stream that was given up must not look whole"
    if wire is wires.OLLAMA:
        stack.backend.wait_request(label, lambda r: r["aborted"])


def test_half_close_without_a_stream(stack):
    if stack.gateway.tls:
        return
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wires.CHAT.path, wires.CHAT.body(stream=False, tokens=10, gap=0.05, label="half-whole")))
        stack.backend.wait_request("half-whole")
        s.finish_sending()
        assert s.rest() == b""
    stack.backend.wait_request("half-whole", lambda r: r["aborted"])


# ---- encodings ----


@pytest.fixture(scope="module")
def deflating(make_stack):
    return make_stack(slots=16, conf='<LocationMatch "^/(v1|api)">\nSetOutputFilter DEFLATE\n</LocationMatch>\n')


@pytest.mark.parametrize("accept", ["gzip", "gzip, deflate, br, zstd", "*", "identity;q=0, gzip"])
def test_a_stream_stays_one_behind_mod_deflate(deflating, wire, accept):
    with raw.Socket(deflating.url) as s:
        s.send(raw.request(wire.path, wire.body(tokens=5, gap=0.05), [("Accept-Encoding", accept)]))
        begin = time.monotonic()
        a = s.read_head()
        assert time.monotonic() - begin < 0.1, "the first token waited for others"
        assert not a.has("content-encoding")
        s.read_chunks(a)
        assert count(wire, a) == 5 and len(a.chunks) >= 5 and time.monotonic() - begin > 0.2


def test_what_is_no_stream_may_be_compressed(deflating, wire):
    with raw.Socket(deflating.url) as s:
        s.send(raw.request(wire.path, wire.body(stream=False, tokens=500), [("Accept-Encoding", "gzip")]))
        a = s.read_answer()
        assert a.status == 200 and a.one("content-encoding") == "gzip" and a.one("vary") == "Accept-Encoding"
        assert isinstance(json.loads(gzip.decompress(a.body)), dict)
        s.send(raw.request(wire.path, b"[]", [("Accept-Encoding", "gzip")]))
        a = s.read_answer()
        assert a.status == 400 and json.loads(gzip.decompress(a.body) if a.has("content-encoding") else a.body)["error"]
