"""A backend that fails is a clear error before the first byte, an error event after it; never silence."""

import asyncio
import json

import pytest

import client
import env


@pytest.fixture(scope="module", params=["openai", "ollama"])
def fleet(make_stack, request):
    return make_stack(ollama=request.param == "ollama",
                      conf="DgonFirstTokenTimeout 2\nDgonTokenGapTimeout 2\nDgonHeaderHold 1\n")


@pytest.fixture(autouse=True)
def expected(fleet):
    fleet.gateway.expect("DGON0040")


def ask(fleet, **plan):
    return asyncio.run(client.ask(fleet.url, **plan))


@pytest.mark.parametrize("do", ["fin", "rst", "half", "rubbish", "error", "eof"])
@pytest.mark.parametrize("at", [0, 5])
def test_fault_in_a_stream(fleet, do, at):
    a = ask(fleet, tokens=20, gap=0.02, at=at, do=do)
    if at == 0 and a.status != 200:
        client.check_error(a, 502)
    else:
        assert a.outcome == "error", a.outcome
        assert a.error["message"]
        a.check_tokens()
        assert at - 1 <= len(a.numbers) <= at + 1


def test_fault_close_behind_the_first_tokens(fleet):
    """All of it in one read: an error status while nothing was sent, else an error event."""
    for _ in range(5):
        a = ask(fleet, tokens=20, at=5, do="rst")
        if a.status == 200:
            assert a.outcome == "error"
        else:
            client.check_error(a, 502)


@pytest.mark.parametrize("do", ["fin", "rst"])
def test_death_before_the_head(fleet, do):
    for stream in (True, False):
        a = ask(fleet, before_head=do, stream=stream)
        client.check_error(a, 502)


def test_silence_before_the_first_token(fleet):
    a = ask(fleet, before_head="silent", label="mute")
    assert a.outcome == "error" or a.status == 504, (a.outcome, a.status)
    assert 1.8 < a.ended - a.started < 4
    fleet.backend.wait_request("mute", lambda r: r["aborted"])
    b = ask(fleet, before_head="silent", stream=False)
    client.check_error(b, 504)


def test_silence_in_mid_stream(fleet):
    a = ask(fleet, tokens=20, at=4, do="silent", label="stall")
    assert a.outcome == "error" and a.numbers == [0, 1, 2, 3], (a.outcome, a.numbers)
    assert 1.8 < a.ended - a.started < 4
    fleet.backend.wait_request("stall", lambda r: r["aborted"])


def test_one_bad_line_is_survived(fleet):
    a = ask(fleet, tokens=10, at=4, do="bad_line")
    a.check_not_silent()
    if a.outcome == "done":
        a.check_tokens(10)
    assert ask(fleet, tokens=10, gap=0.02, at=4, do="bad_lines").outcome == "error"


@pytest.mark.parametrize("status,expected", [(400, 400), (422, 422), (401, 502), (403, 502), (500, 502), (502, 502), (503, 503), (429, 429)])
def test_status_of_the_backend(fleet, status, expected):
    body = json.dumps({"error": {"message": "says the backend", "type": "x", "code": status}} if fleet.backend.kind == "openai" else {"error": "says the backend"})
    for stream in (True, False):
        a = ask(fleet, status=status, answer=body, stream=stream)
        assert a.status == expected or (status in (429, 503) and a.status in (429, 503)), (a.status, a.body)
        client.check_error(a, a.status)


@pytest.mark.parametrize("body", ["", "<html>no</html>", "[1, 2", '{"error": 5}', '{"error": {"message": {}}}', "\x00\x01"])
def test_strange_error_bodies(fleet, body):
    client.check_error(ask(fleet, status=500, answer=body), 502)
    client.check_error(ask(fleet, status=400, answer=body), 400)


def test_context_too_long(fleet):
    text = "request (9000 tokens) exceeds the available context size (2048 tokens)"
    body = {"error": {"code": 400, "message": text, "type": "exceed_context_size_error"}} if fleet.backend.kind == "openai" else {"error": text}
    client.check_error(ask(fleet, status=400, answer=json.dumps(body)), 400, "context_length_exceeded")


@pytest.mark.parametrize("do", ["fin", "rst", "rubbish"])
def test_fault_without_a_stream(fleet, do):
    client.check_error(ask(fleet, stream=False, do=do, at=0), 502)


def test_other_agent_takes_over_before_the_first_byte(make_stack):
    s = make_stack(slots=4)
    s.gateway.expect("DGON0040")
    good = env.Backend().start()
    try:
        s.add_agent(backend=good, slots=4)
        s.backend.set(force={"before_head": "rst"})
        import time

        time.sleep(0.5)
        for i in range(6):
            a = asyncio.run(client.ask(s.url, tokens=4, stream=i % 2 == 0))
            assert a.status == 200 and a.numbers == [0, 1, 2, 3], (a.status, a.body)
        s.backend.set(force={"status": 503, "answer": "{}"})
        for _ in range(4):
            asyncio.run(client.ask(s.url, tokens=4)).check_done(4)
    finally:
        s.agents.pop().stop()
        good.stop()


def test_stale_connections_cost_nobody_an_error(fleet):
    """The backend closes kept connections; the next question meets a dead one and must not fail."""
    for _ in range(3):
        ask(fleet, tokens=1).check_done(1)
        port = fleet.backend.port
        fleet.backend.stop()
        fleet.backend.start(port)
        env.wait_for(lambda: "fault" in fleet.gateway.models(), 5, "model")
        ask(fleet, tokens=2).check_done(2)


def test_absent_backend(fleet):
    port = fleet.backend.port
    fleet.backend.stop()
    try:
        a = ask(fleet, tokens=1)
        assert a.status in (404, 502, 503), a.status
        client.check_error(a, a.status)
    finally:
        fleet.backend.start(port)
    env.wait_for(lambda: "fault" in fleet.gateway.models(), 8, "model again")
    ask(fleet, tokens=2).check_done(2)


def test_slots_are_free_after_all_that(fleet):
    env.check_slots_free(fleet.gateway, 64)
