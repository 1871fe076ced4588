"""The agent with its built-in backend against a scripted gateway: hello, a job, credit, cancel, bad messages."""

import json
import time

import pytest

from agent_process import Agent
from gateway_double import BODY, CANCELLED, CREDIT, END, FAIL, STATUS, gateway, record  # noqa: F401


@pytest.fixture
def agent(tmp_path, gateway):
    a = Agent(tmp_path, gateway.url())
    a.start()
    yield a
    a.stop()


def test_hello_says_who_and_what(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), agent="slots = 7\nlabels = room=b, gpu=none\n").start()
    link = gateway.accept()
    hello = link.hello
    assert hello["protocol"] == [1, 1] and hello["agent"] == "test-agent" and hello["slots"] == 7 and hello["os"] == "linux"
    assert hello["labels"] == {"room": "b", "gpu": "none"}
    assert len(hello["instance"]) == 16 and int(hello["instance"], 16) >= 0
    assert [m["name"] for m in hello["models"]] == ["echo"] and hello["models"][0]["backend"] == "echo"
    headers = {k.lower(): v for k, v in gateway.dials[0][1].items()}
    assert "origin" not in headers and headers["authorization"] == "Bearer secret-token"
    a.stop()
    assert link.wait_closed() == 1000


def test_stream(gateway, agent):
    link = gateway.accept()
    job = link.job("one two three", stream_options={"include_usage": True})
    kind, payload = job.wait()
    assert kind == END
    assert job.text() == "one two three" and job.finish() == ["stop"]
    assert job.events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert job.events[-1]["choices"] == [] and job.events[-1]["usage"]["completion_tokens"] == 3
    for e in job.events:
        assert e["id"] == "chatcmpl-" + "0" * 31 + "1" and e["model"] == "echo-public" and e["created"] == 1700000000
    assert job.tokens == 3
    assert payload["finish"] == "stop" and payload["usage"]["completion_tokens"] == 3


def test_not_streamed(gateway, agent):
    job = gateway.accept().job("one two three", stream=False)
    assert job.wait()[0] == END
    answer = json.loads(job.raw)
    assert answer["object"] == "chat.completion" and answer["model"] == "echo-public"
    assert answer["choices"][0]["message"]["content"] == "one two three"
    assert not job.events


def test_large_body_and_long_event(gateway, agent):
    """A body of many records comes in; one word of 100 KB goes out as parts."""
    word = "x" * 100_000
    job = gateway.accept().job(word)
    assert job.wait()[0] == END
    assert job.text() == word


def test_large_answer_not_streamed_stays_within_credit(gateway, agent):
    job = gateway.accept().job("y" * 500_000, stream=False)
    assert job.wait()[0] == END
    assert json.loads(job.raw)["choices"][0]["message"]["content"] == "y" * 500_000


def test_credit_stops_and_goes_on(gateway, agent):
    link = gateway.accept()
    job = link.job(" ".join(["word"] * 2000), auto_credit=False)
    job.wait_events(20)
    time.sleep(0.3)
    held = len(job.events)
    assert job.final is None and held < 2000
    other = link.job("free")
    assert other.wait(2)[0] == END, "a job without credit holds up another one"
    assert len(job.events) == held
    for _ in range(100):
        job.credit(12288)
    assert job.wait()[0] == END
    assert job.text() == " ".join(["word"] * 2000)


def test_cancel_in_every_phase(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends='[backend "e"]\nkind = echo\ndelay_ms = 20\ntokens = 1000\n').start()
    link = gateway.accept()
    body = link.job("never whole", send_body=False)
    body.cancel()
    assert body.wait(2) == (CANCELLED, None)
    running = link.job("run")
    running.wait_events(3)
    running.cancel()
    assert running.wait(2)[0] == CANCELLED
    choked = link.job("long " * 40, auto_credit=False)
    choked.wait_status()
    choked.cancel()
    assert choked.wait(2)[0] == CANCELLED
    for job in (body, running, choked):
        assert job.final_time - job.cancel_time < (0.25 if a.wrapper else 0.05)  # valgrind
    done = link.job("x", stream=False)
    done.cancel()
    assert done.wait(2)[0] == CANCELLED
    a.stop()


def test_slots_are_counted(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), agent="slots = 2\n", backends='[backend "e"]\nkind = echo\ndelay_ms = 10\ntokens = 1000\n').start()
    link = gateway.accept()
    first, second = link.job("a"), link.job("b")
    first.wait_events(2)
    third = link.job("c")
    kind, why = third.wait(2)
    assert kind == FAIL and why["requeue"] is True and why["status"] == 503 and third.status is None
    first.cancel()
    first.wait(2)
    fourth = link.job("d")
    fourth.wait_events(2)
    for j in (second, fourth):
        j.cancel()
        j.wait(2)
    a.stop()


@pytest.mark.parametrize("fields,status,retryable", [
    (dict(op="paint"), 400, True),
    (dict(model="absent"), 404, True),
])
def test_refused_jobs(gateway, agent, fields, status, retryable):
    kind, why = gateway.accept().job("x", **fields).wait(2)
    assert kind == FAIL and why["status"] == status and why["retryable"] is retryable and not why["requeue"]


def test_body_that_is_no_json(gateway, agent):
    link = gateway.accept()
    kind, why = link.job(body=b"{]").wait(2)
    assert kind == FAIL and why["status"] == 400 and not why["retryable"]
    assert link.job("still alive").wait(2)[0] == END


def test_late_records_are_dropped(gateway, agent):
    link = gateway.accept()
    job = link.job("x")
    assert job.wait(2)[0] == END
    link.send_binary(record(9, BODY, b"never was") + record(1, CREDIT, b"\0\0\1\0") + record(1, BODY, b"late") + record(1, CREDIT, b"\0\0\1\0", attempt=2))
    job.cancel()
    assert link.job("y").wait(2)[0] == END


@pytest.mark.parametrize("data,code", [
    (b"\0\0\0\1", 4400),                                 # cut header
    (record(1, STATUS, b"\0f"), 4400),                   # not the gateway's to send
    (record(1, 99, b""), 4400),                          # no such type
    (b"\0\0\0\1\1\1\0\0\0\1\0\0" + b"x" * 65536, 4413),  # longer than a record may be
    (b"z" * 300_000, 4413),                              # longer than a message may be
    ("{\"type\":", 4400),
    ("[]", 4400),
    ("{\"type\":\"job\",\"job\":0}", 4400),
    ("{\"type\":\"welcome\"}", 4400),
], ids=["cut", "not yours", "no such type", "long record", "long message", "half JSON", "a list", "bad job", "bad welcome"])
def test_broken_protocol_closes_the_link(gateway, agent, data, code):
    link = gateway.accept()
    link.ws.send(data)
    assert link.wait_closed() == code
    again = gateway.accept()
    assert again.job("x").wait(2)[0] == END


def test_number_of_a_running_job_cannot_be_given_again(gateway, agent):
    link = gateway.accept()
    job = link.job("never whole", send_body=False)
    link.send_control(dict(type="job", job=job.number, attempt=1, op="chat", model="echo", public="echo", id="chatcmpl-1", created=1,
                           stream=True, body=1, deadline=1))
    assert link.wait_closed() == 4400
    gateway.accept()


def test_unknown_messages_are_ignored(gateway, agent):
    link = gateway.accept()
    link.send_control({"type": "from-the-future", "x": 1})
    link.send_control({"type": "pull", "model": "x"})
    assert link.job("x").wait(2)[0] == END


def test_fragmented_messages_are_joined(gateway, agent):
    link = gateway.accept()
    job = link.job("fragments", send_body=False)
    whole = record(job.number, BODY, job.body)
    link.ws.send(whole[i:i + 1] for i in range(len(whole)))
    assert job.wait(2)[0] == END and job.text() == "fragments"


def test_nothing_of_a_prompt_or_token_is_logged(gateway, agent):
    link = gateway.accept()
    job = link.job("canary-prompt-4711")
    assert job.wait(2)[0] == END
    link.job(body=b'{"canary-broken-4712').wait(2)
    assert "canary" not in agent.lines() and "secret-token" not in agent.lines()
    assert "canary" not in (agent.folder / "stderr").read_text()
