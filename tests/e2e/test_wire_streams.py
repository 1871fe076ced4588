"""The form of a stream, byte by byte, on every wire: head, chunks, blocks, end, faults, long tokens, cut characters."""

import re
import time

import pytest

import raw
import wires

SERVERS = {"event": {}, "tls": {"tls": True}, "worker": {"mpm": "worker"}, "ollama": {"ollama": True}}


@pytest.fixture(scope="module", params=SERVERS)
def stack(request, make_stack):
    s = make_stack(slots=16, **SERVERS[request.param])
    s.gateway.expect("DGON0040")
    return s


@pytest.fixture(params=wires.ALL, ids=wires.name)
def wire(request):
    return request.param


def ask(stack, wire, **plan):
    with raw.Socket(stack.url) as s:
        s.send(raw.request(wire.path, wire.body(**plan)))
        a = s.read_answer()
        assert s.is_silent(0.02), s.left
        return a


def numbers(texts):
    return [int(t.split(":")[0]) for t in texts]


def test_head(stack, wire):
    """Each header once, none that is not named here."""
    a = ask(stack, wire, tokens=3, gap=0.02)
    assert a.line == b"HTTP/1.1 200 OK\r\n"
    assert [n for n, _ in a.fields] == ["date", "server", "x-request-id", "cache-control", "x-accel-buffering", "transfer-encoding", "content-type"]
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", a.one("date")) and a.one("server").startswith("Apache")
    assert re.fullmatch("req_[0-9a-f]{32}", a.one("x-request-id"))
    assert (a.one("cache-control"), a.one("x-accel-buffering"), a.one("content-type")) == ("no-cache", "no", wire.content_type)


def test_body(stack, wire):
    """Every token in a chunk of its own as it comes, every chunk whole blocks, nothing behind the last chunk. Role, reason and [DONE] come with
    a token or with each other, unless something held up the process between them."""
    a = ask(stack, wire, tokens=5, gap=0.03)
    assert numbers(wire.said(a.body)) == list(range(5))
    assert all(c.endswith(wire.end) for c in a.chunks) and 5 <= len(a.chunks) <= 8, a.chunks


def test_at_once(stack, wire):
    """However the tokens fall into chunks, also when the whole stream is one write."""
    for n in (0, 1, 2, 40):
        a = ask(stack, wire, tokens=n)
        assert numbers(wire.said(a.body)) == list(range(n))
        assert all(c.endswith(wire.end) for c in a.chunks)


@pytest.mark.parametrize("wire", [wires.CHAT, wires.COMPLETIONS], ids=wires.name)
def test_usage_chunk(stack, wire):
    a = ask(stack, wire, tokens=2, more={"stream_options": {"include_usage": True}})
    assert numbers(wire.said(a.body, usage=True)) == [0, 1]


@pytest.mark.parametrize("do", ["error", "eof", "fin"])
def test_fault(stack, wire, do):
    """What came, then one error in the API's own form, then a proper end."""
    a = ask(stack, wire, tokens=9, at=3, do=do, gap=0.01)
    assert a.status == 200 and numbers(wire.fault(a.body)) == [0, 1, 2]


def test_long_tokens(stack, wire):
    """A megabyte each: more than a record, a ring and a write."""
    a = ask(stack, wire, tokens=3, pad=1 << 20)
    texts = wire.said(a.body)
    assert numbers(texts) == [0, 1, 2] and {t.split(" ")[1] for t in texts} == {"x" * (1 << 20)}


def test_characters_cut_by_the_backends_chunks(stack, wire):
    """€, a face, é and two escapes, a byte at a time."""
    a = ask(stack, wire, tokens=2, piece=1, fill="e282acf09f9880c3a95c75643833645c75646530305c6e")
    assert {t.split(" ")[1] for t in wire.said(a.body)} == {"€😀é😀\n"}


BROKEN = {"cut": "e282", "lone": "ff", "overlong": "c0af", "surrogate": "eda080", "beyond": "f4908080", "escaped half": "5c7564383364"}


@pytest.mark.parametrize("bad", BROKEN)
def test_broken_characters(stack, wire, bad):
    """No client ever gets bytes that are no UTF-8: what is broken is a replacement character."""
    a = ask(stack, wire, tokens=2, fill="61" + BROKEN[bad] + "62")
    texts = [t.split(" ")[1] for t in wire.said(a.body)]
    assert len(texts) == 2 and all(re.fullmatch("a\ufffd+b", t) for t in texts), texts
    if wire is not wires.RESPONSES:
        with raw.Socket(stack.url) as s:
            s.send(raw.request(wire.path, wire.body(stream=False, tokens=1, fill="61" + BROKEN[bad] + "62")))
            a = s.read_answer()
        assert re.fullmatch("0:0 a\ufffd+b", wire.whole(a.body.decode("utf-8"))), a.body


def test_whole_answer(stack, wire):
    """The same question without a stream: one JSON object with its length."""
    with raw.Socket(stack.url) as s:
        begin = time.monotonic()
        s.send(raw.request(wire.path, wire.body(stream=False, tokens=3)))
        a = s.read_answer()
        assert [n for n, _ in a.fields] == ["date", "server", "x-request-id", "content-length", "content-type"]
        assert a.one("content-type") == "application/json" and a.body.lstrip()[:1] == b"{" and a.body.rstrip()[-1:] == b"}"
        assert s.is_silent(0.02) and time.monotonic() - begin < 1
