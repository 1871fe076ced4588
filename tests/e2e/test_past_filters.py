"""Tokens go past httpd's filters: its log has every byte all the same, a slow client gets all of them in their order, and a filter that
wants to see the pieces sees them."""

import re
import subprocess
import time

import pytest

import env
import raw
import wires

WIRE = next(w for w in wires.ALL if w.path == "/v1/chat/completions")
MODULES = subprocess.run(["apxs", "-q", "LIBEXECDIR"], capture_output=True, text=True, check=True).stdout.strip()
SUBSTITUTE = f"""LoadModule substitute_module {MODULES}/mod_substitute.so
<Location "/other/v1">
SetHandler dgon-api
SetOutputFilter SUBSTITUTE
Substitute s/chat.completion.chunk/a.piece.of.it/
</Location>
"""


class Sizes:
    """The bytes of a body and of all that was sent, of one request, as httpd logs them."""

    def __init__(self, name):
        self.path = env.RUNS / name / "sizes.log"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.conf = f'LogFormat "%B %O %{{x-request-id}}o" sizes\nCustomLog "{self.path}" sizes\n'

    def of(self, answer):
        line = env.wait_for(lambda: re.search(rf"^(\d+) (\d+) {answer.one('x-request-id')}$", self.path.read_text(), re.M), what="the line of the log")
        return int(line[1]), int(line[2])


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def stack(request, make_stack):
    sizes = Sizes(f"test_past_filters-{request.param}")
    s = make_stack(slots=16, tls=request.param, conf=sizes.conf + SUBSTITUTE)
    s.sizes, s.tls = sizes, request.param
    s.gateway.expect("DGON0040")
    return s


def check_sizes(stack, answer, data):
    """%O counts what TLS makes of it too, so there it is only more."""
    body, sent = stack.sizes.of(answer)
    assert body == len(answer.body)
    assert sent > len(data) if stack.tls else sent == len(data), (sent, len(data))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/other/v1/chat/completions"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_log_has_every_byte(stack, version, path):
    with raw.Socket(stack.url) as s:
        s.send(raw.request(path, WIRE.body(tokens=20, gap=0.01), [("Connection", "close")], version=version))
        data = s.rest()
    [answer] = raw.answers(data)
    assert answer.has("transfer-encoding") == (version == "1.1")
    assert answer.body.count(b"data: ") == 20 + 3, answer.body
    check_sizes(stack, answer, data)


def test_several_answers_of_one_connection(stack):
    with raw.Socket(stack.url) as s:
        for n in (3, 8, 1):
            s.send(raw.request(WIRE.path, WIRE.body(tokens=n, gap=0.02)))
            answer = s.read_answer()
            assert len(WIRE.said(answer.body)) == n and stack.sizes.of(answer)[0] == len(answer.body)


def test_slow_reader_gets_all(stack):
    """Its socket is full in mid-piece, over and over."""
    with raw.Socket(stack.url) as s:
        s.send(raw.request(WIRE.path, WIRE.body(tokens=3000, pad=2000), [("Connection", "close")]))
        data = b""
        for _ in range(20):
            data += s.s.recv(1 << 16)
            time.sleep(0.05)
        data += s.rest()
    [answer] = raw.answers(data)
    assert [int(t.split(":")[0]) for t in WIRE.said(answer.body)] == list(range(3000))
    check_sizes(stack, answer, data)


def test_stream_that_breaks_off_is_counted(stack):
    """The end goes through the filters, behind pieces that did not."""
    with raw.Socket(stack.url) as s:
        s.send(raw.request(WIRE.path, WIRE.body(tokens=20, gap=0.01, at=8, do="rst"), [("Connection", "close")]))
        data = s.rest()
    [answer] = raw.answers(data)
    assert len(WIRE.fault(answer.body)) == 8
    check_sizes(stack, answer, data)


def test_client_that_leaves_is_counted(stack):
    with raw.Socket(stack.url) as s:
        s.send(raw.request(WIRE.path, WIRE.body(tokens=1000, gap=0.01, label=f"leaves-{stack.tls}")))
        answer = s.read_head()
        data = s.exactly(4000)
    body, sent = stack.sizes.of(answer)
    assert sent > body > 0.8 * len(data), (body, sent)
    stack.backend.wait_request(f"leaves-{stack.tls}", lambda r: r["aborted"])


def test_filter_that_wants_the_pieces_has_them(stack):
    with raw.Socket(stack.url) as s:
        begin = time.monotonic()
        s.send(raw.request("/other/v1/chat/completions", WIRE.body(tokens=10, gap=0.05)))
        answer = s.read_answer()
    assert time.monotonic() - begin > 0.4 and len(answer.chunks) >= 10
    assert answer.body.count(b"a.piece.of.it") == 10 + 2 and b"chat.completion.chunk" not in answer.body
