"""Requests whose end two servers might see in different places: refused with one 4xx and a close, or read as RFC 9112 says. A request inside of
another one's body is never run."""

import json

import pytest

import raw
import wires

LAST = raw.request("/v1/models", method="GET", fields=[("Connection", "close")])
INNER_BODY = wires.CHAT.body(stream=False, tokens=1, label="inner")
INNER = raw.request(wires.CHAT.path, INNER_BODY)  # what an attacker would like to have run
BODY = wires.CHAT.body(stream=False, tokens=2, label="outer")
N = len(BODY)
CHUNKED = raw.chunked(BODY, 50)

# What is to happen. The request that stands behind the first one is the inner one:
REFUSED = "one 4xx, close, neither is run"
ALONE = "the first is run, then close"
BOTH = "both are run, they are two"
INSIDE = "the inner one is body: the first is answered, the connection stays"


def head(*fields, line="POST /v1/chat/completions HTTP/1.1", host="Host: 127.0.0.1"):
    return "\r\n".join([line, *([host] if host else []), "Content-Type: application/json", *fields]).encode("latin-1") + b"\r\n\r\n"


def length(n=N, *fields, **more):
    return head(f"Content-Length: {n}", *fields, **more)


def coding(value, *fields, **more):
    return head(f"Transfer-Encoding: {value}", *fields, **more)


def size(line, data=BODY, rest=b"\r\n0\r\n\r\n"):
    return coding("chunked") + line + data + rest


CASES = {
    # Transfer-Encoding beside Content-Length: the former counts, and the connection ends (RFC 9112 6.3)
    "CL.TE": (head(f"Content-Length: {len(CHUNKED + INNER)}", "Transfer-Encoding: chunked") + CHUNKED, ALONE),
    "CL.TE, short length": (head("Content-Length: 4", "Transfer-Encoding: chunked") + CHUNKED, ALONE),
    "TE.CL": (head("Transfer-Encoding: chunked", "Content-Length: 0") + CHUNKED, ALONE),
    "CL.TE, bad length": (head("Content-Length: x", "Transfer-Encoding: chunked") + CHUNKED, {REFUSED, ALONE}),
    "CL.TE, inner in the chunks' shadow": (head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", REFUSED),
    "HTTP/1.0 with chunks": (coding("chunked", line="POST /v1/chat/completions HTTP/1.0") + CHUNKED, ALONE),
    # codings
    "identity": (coding("identity", f"Content-Length: {N}") + BODY, REFUSED),
    "chunked, identity": (coding("chunked, identity") + CHUNKED, REFUSED),
    "identity, chunked": (coding("identity, chunked") + CHUNKED, REFUSED),
    "gzip, chunked": (coding("gzip, chunked") + CHUNKED, REFUSED),
    "chunked, chunked": (coding("chunked, chunked") + CHUNKED, REFUSED),
    "chunked twice": (coding("chunked", "Transfer-Encoding: chunked") + CHUNKED, REFUSED),
    "chunked and identity": (coding("chunked", "Transfer-Encoding: identity") + CHUNKED, REFUSED),
    "identity and chunked": (coding("identity", "Transfer-Encoding: chunked") + CHUNKED, REFUSED),
    "xchunked": (coding("xchunked", f"Content-Length: {N}") + BODY, REFUSED),
    "chunked with a parameter": (coding("chunked;q=1") + CHUNKED, REFUSED),
    "quoted": (coding('"chunked"', f"Content-Length: {N}") + BODY, REFUSED),
    "empty coding": (coding("", f"Content-Length: {N}") + BODY, REFUSED),
    "a comma": (coding(",chunked") + CHUNKED, {REFUSED, BOTH}),
    "vertical tab": (coding("\x0bchunked", f"Content-Length: {N}") + BODY, REFUSED),
    "upper case": (coding("CHUNKED") + CHUNKED, BOTH),
    "blanks around": (coding(" \t chunked \t") + CHUNKED, BOTH),
    "folded coding": (coding("\r\n chunked") + CHUNKED, BOTH),
    "space before the colon": (head("Transfer-Encoding : chunked", f"Content-Length: {N}") + BODY, REFUSED),
    "no colon": (head("Transfer-Encoding chunked", f"Content-Length: {N}") + BODY, REFUSED),
    # lengths
    "two equal lengths": (length(N, f"Content-Length: {N}") + BODY, REFUSED),
    "two lengths": (length(N, f"Content-Length: {N + len(INNER)}") + BODY, REFUSED),
    "list of lengths": (length(f"{N}, {N}") + BODY, REFUSED),
    "negative": (length(-1) + BODY, REFUSED),
    "minus zero": (length("-0"), REFUSED),
    "plus": (length(f"+{N}") + BODY, REFUSED),
    "hexadecimal": (length(hex(N)) + BODY, REFUSED),
    "two numbers": (length(f"{N} 1") + BODY, REFUSED),
    "a point": (length(f"{N}.0") + BODY, REFUSED),
    "a comma behind": (length(f"{N},") + BODY, REFUSED),
    "an exponent": (length("1e2") + BODY, REFUSED),
    "empty length": (length("") + BODY, REFUSED),
    "64 bit and more": (length(2**64 + N) + BODY, REFUSED),
    "far more": (length("9" * 40) + BODY, REFUSED),
    "underscore": (head(f"Content_Length: {N}") + BODY, REFUSED),
    "space before the length's colon": (head(f"Content-Length : {N}") + BODY, REFUSED),
    "leading zeros": (length(f"000{N}") + BODY, BOTH),
    "folded length": (length(f"\r\n {N}") + BODY, BOTH),
    # lines and names
    "folded header that looks like one": (length(N, "X-A: b\r\n Content-Length: 3") + BODY, BOTH),
    "fold behind the request line": (head(f"Content-Length: {N}", host="\r\n ").replace(b"1.1\r\n\r\n ", b"1.1\r\n X") + BODY, REFUSED),
    "bare LF": (length().replace(b"\r\n", b"\n") + BODY, REFUSED),
    "bare LF in a value": (head(f"X-A: b\nContent-Length: {N}") + BODY, REFUSED),
    "bare CR in a value": (length(N, "X-A: b\rContent-Length: 3") + BODY, REFUSED),
    "CR CR LF": (head(f"Content-Length: {N}\r") + BODY, REFUSED),
    "NUL in a value": (length(N, "X-A: b\0c") + BODY, REFUSED),
    "NUL in a name": (length(N, "X-\0A: b") + BODY, REFUSED),
    "NUL in the address": (length(line="POST /v1/chat/completions\0 HTTP/1.1") + BODY, REFUSED),
    "control character": (length(N, "X-A: b\x01c") + BODY, REFUSED),
    "no name": (length(N, ": x") + BODY, REFUSED),
    "space in a name": (length(N, "X A: b") + BODY, REFUSED),
    "bytes above 127 in a name": (length(N, "X-\xe4: b") + BODY, REFUSED),
    "too many headers": (length(N, *(f"X-{i}: b" for i in range(200))) + BODY, REFUSED),
    "too long a header": (length(N, "X-A: " + "b" * 20000) + BODY, REFUSED),
    "empty line first": (b"\r\n" + length() + BODY, BOTH),
    # the request line
    "absolute address": (length(line="POST http://127.0.0.1/v1/chat/completions HTTP/1.1") + BODY, BOTH),
    "absolute address of another host": (length(line="POST http://evil.example/v1/chat/completions HTTP/1.1") + BODY, BOTH),
    "authority as address": (length(line="POST 127.0.0.1:80 HTTP/1.1") + BODY, REFUSED),
    "asterisk": (length(line="POST * HTTP/1.1") + BODY, REFUSED),
    "too long an address": (length(line=f"POST /v1/{'x' * 20000} HTTP/1.1") + BODY, REFUSED),
    "protocol in lower case": (length(line="POST /v1/chat/completions http/1.1") + BODY, REFUSED),
    "two spaces": (length(line="POST  /v1/chat/completions HTTP/1.1") + BODY, REFUSED),
    "tab": (length(line="POST\t/v1/chat/completions\tHTTP/1.1") + BODY, REFUSED),
    "space in the address": (length(line="POST /v1/chat /completions HTTP/1.1") + BODY, REFUSED),
    "no host": (length(host=None) + BODY, REFUSED),
    "two hosts": (length(N, "Host: evil.example") + BODY, REFUSED),
    "bad host": (length(host="Host: a b") + BODY, REFUSED),
    "HTTP/1.2": (length(line="POST /v1/chat/completions HTTP/1.2") + BODY, BOTH),
    "unknown expectation": (length(N, "Expect: 200-ok") + BODY, REFUSED),
    "upgrade to h2c": (length(N, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA") + BODY, BOTH),
    # no length at all is no body: what follows is another request, which a 400 cuts off
    "no length": (head(), REFUSED),
    # chunks
    "extensions": (size(b'%x;a;b="c;d"\r\n' % N), BOTH),
    "extension with a bare LF": (size(b"%x;a\n" % N), REFUSED),
    "size with a bare LF": (size(b"%x\n" % N, rest=b"\n0\n\n"), REFUSED),
    "size with a bare CR": (size(b"%x\r" % N), REFUSED),
    "space before the size": (size(b" %x\r\n" % N), REFUSED),
    "0x": (size(b"0x%x\r\n" % N), REFUSED),
    "plus before the size": (size(b"+%x\r\n" % N), REFUSED),
    "minus before the size": (size(b"-%x\r\n" % N), REFUSED),
    "huge size": (size(b"ffffffffffffffff%x\r\n" % N), REFUSED),
    "size of 64 bits": (size(b"8000000000000000\r\n"), REFUSED),
    "size of more than 64 bits": (size(b"1%016x\r\n" % N), REFUSED),
    "no size": (size(b"\r\n"), REFUSED),
    "no digit": (size(b"%xg\r\n" % N), REFUSED),
    "underscore in the size": (size(b"%x_0\r\n" % N), REFUSED),
    "NUL behind the size": (size(b"%x\0\r\n" % N), REFUSED),
    "zeros before the size": (size(b"%032x\r\n" % N), {REFUSED, BOTH}),
    "capitals": (size(b"%X\r\n" % N), BOTH),
    "chunk without its end": (size(b"%x\r\n" % N, rest=b"0\r\n\r\n"), REFUSED),
    "chunk longer than told": (size(b"%x\r\n" % (N - 3)), REFUSED),
    "rubbish behind a chunk": (size(b"%x\r\n" % N, rest=b"XX\r\n0\r\n\r\n"), REFUSED),
    "trailers": (size(b"%x\r\n" % N, rest=b"\r\n0\r\nX-T: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), BOTH),
    "a request for a trailer": (size(b"%x\r\n" % N, rest=b"\r\n0\r\nGET /v1/models HTTP/1.1\r\n\r\n"), REFUSED),
    # the inner request is the body
    "a body that is a request": (length(len(INNER)), REFUSED),
    "a chunk that is a request": (coding("chunked") + b"%x\r\n" % len(INNER), REFUSED),
    "the request hidden in a good body": (length(len(BODY) + len(INNER) + 9) + BODY + b" " * 9, REFUSED),
    "body of a GET": (length(len(INNER), line="GET /v1/models HTTP/1.1"), INSIDE),
    "body of a DELETE": (length(len(INNER), line="DELETE /v1/models HTTP/1.1"), INSIDE),
    "body of a wrong method": (length(len(INNER), line="PUT /v1/chat/completions HTTP/1.1"), INSIDE),
    "body for an unknown address": (length(len(INNER), line="POST /v1/none HTTP/1.1"), INSIDE),
    "body for an unknown address of Ollama's": (length(len(INNER), line="POST /api/none HTTP/1.1"), INSIDE),
    "body of what is forbidden": (length(len(INNER), line="POST /api/pull HTTP/1.1"), INSIDE),
    "body of a question without a right": (length(len(INNER), "Origin: https://evil.example", line="OPTIONS /v1/chat/completions HTTP/1.1"), INSIDE),
    "body of another type": (length(len(INNER)).replace(b"application/json", b"text/plain"), INSIDE),
    "body of Ollama's list": (length(len(INNER), line="GET /api/tags HTTP/1.1"), INSIDE),
    "a body too long": (length(1 << 30), REFUSED),
    "a body too long for a small question": (length(1 << 20, line="POST /api/show HTTP/1.1") + b" " * 70000, REFUSED),
}


@pytest.fixture(scope="module", params=["plain", "tls"])
def stack(request, make_stack):
    s = make_stack(slots=16, tls=request.param == "tls")
    s.gateway.expect("AH00566")  # too many headers
    return s


def is_run(stack):
    """Which of the two the backend was asked for since the last time."""
    labels = {r["label"] for r in stack.backend.requests()}
    stack.backend.set(forget=True)
    return labels


def what_happened(answers, run):
    """The case's name for it; raises when it has none."""
    kinds = [a.status // 100 for a in answers]
    closed = answers[-1].closes
    if kinds == [4] and closed and not run:
        e = answers[0].body
        assert b"<html" in e.lower() or json.loads(e)["error"], e
        return REFUSED
    if kinds == [2] and closed and run == {"outer"}:
        return ALONE
    if kinds == [2, 2, 2] and run == {"outer", "inner"}:
        return BOTH
    if len(kinds) == 2 and kinds[1] == 2 and not run:
        return INSIDE
    raise AssertionError((kinds, closed, run, [a.body[:90] for a in answers]))


@pytest.mark.parametrize("name", CASES)
def test_smuggling(stack, name):
    """On a new connection; on one that the engine keeps after a stream; in one write with that stream's request."""
    data, expected = CASES[name]
    before = raw.request(wires.CHAT.path, wires.CHAT.body(tokens=1))
    for position in ("new", "kept", "pipelined"):
        with raw.Socket(stack.url) as s:
            if position == "kept":
                s.send(before)
                assert s.read_answer().status == 200
            s.send((before if position == "pipelined" else b"") + data + INNER + LAST)
            answers = raw.answers(s.rest())
        run = is_run(stack)
        if position == "pipelined":
            assert answers.pop(0).status == 200
        run.discard("")
        happened = what_happened(answers, run)
        assert happened in expected if isinstance(expected, set) else happened == expected, (position, happened)


@pytest.mark.parametrize("line, html", [("GET /v1/models HTTP/1.1", False), ("GET /api/tags HTTP/1.1", False), ("POST /v1/messages HTTP/1.1", False), ("GET / HTTP/1.1", True)])
def test_malformed_headers_are_told_in_the_apis_form(stack, line, html):
    """httpd refuses them before it knows whose address it is."""
    answer, = raw.answers(raw.one(stack.url, head("X A: b", line=line))[0])
    assert answer.status == 400 and answer.closes
    assert (answer.body.startswith(b"<!DOCTYPE") and not answer.has("x-request-id")) if html else answer.has("x-request-id")
    if not html:
        e = json.loads(answer.body)
        assert set(e) == ({"type", "error"} if "messages" in line else {"error"}) and isinstance(e["error"], str if "/api" in line else dict)


def test_http_0_9(stack):
    """A line without a protocol is answered without a head, and nothing behind it is run."""
    data = raw.one(stack.url, b"GET /v1/models\r\n" + INNER)[0]
    assert json.loads(data)["object"] == "list" and is_run(stack) == set()


def test_a_chunk_of_63_bits_is_waited_for(stack):
    """It may be meant: everything that comes is its data."""
    with raw.Socket(stack.url) as s:
        s.send(size(b"7fffffffffffffff\r\n") + INNER)
        assert s.is_silent(0.2)
    assert is_run(stack) == set()
