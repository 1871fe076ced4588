"""The agent between a gateway's double and a scripted model server: mapping, connections, faults, cancel."""

import json
import queue
import signal
import socket
import threading
import time

import pytest

from agent_backend_double import Backend, ollama_stream, openai_stream
from agent_process import Agent
from gateway_double import CANCELLED, END, FAIL, gateway  # noqa: F401


@pytest.fixture
def make(tmp_path, gateway):
    """make(backend, ...) -> (agent, link); everything is stopped and checked at the end."""
    made = []

    def start(*backends, more="", agent="models_interval = 1\nslots = 8\n"):
        for b in backends:
            b.start()
        a = Agent(tmp_path, gateway.url(), backends="".join(b.section(f"b{i}", more=more) for i, b in enumerate(backends)), agent=agent).start()
        made.append((a, backends))
        return a, gateway.accept()

    yield start
    for a, backends in made:
        a.stop()
        for b in backends:
            b.stop()


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_stream(make, kind):
    backend = Backend(kind, models=["m", "other/one:7b"], slots=3)
    a, link = make(backend)
    models = {m["name"]: m for m in link.hello["models"]}
    assert set(models) == {"m", "other/one:7b"} and models["m"]["backend"] == kind
    assert models["m"]["context"] == (2048 if kind == "openai" else 4096)
    job = link.job("hi", model="m", stream_options={"include_usage": True}, temperature=0.7)
    end = job.wait()
    assert end[0] == END and job.text() == "Hello world" and job.finish() == ["stop"] and job.tokens == 2
    assert end[1]["usage"]["completion_tokens"] == 2
    assert job.events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {e["model"] for e in job.events} == {"m-public"}
    assert job.events[-1]["usage"]["prompt_tokens"] == 3
    asked = backend.chats()[0]
    assert asked.path == ("/v1/chat/completions" if kind == "openai" else "/api/chat")
    assert asked.json["model"] == "m" and asked.headers["host"] == f"127.0.0.1:{backend.port}"
    if kind == "openai":
        assert b'"temperature": 0.7' in asked.body


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_not_streamed(make, kind):
    def script(x):
        assert x.json["stream"] is False
        if kind == "openai":
            x.whole(dict(id="x", object="chat.completion", created=1, model="m", choices=[dict(index=0, message=dict(role="assistant", content="Hello"), finish_reason="stop")],
                         usage=dict(prompt_tokens=1, completion_tokens=1, total_tokens=2)))
        else:
            x.whole(dict(model="m", message=dict(role="assistant", content="Hello"), done=True, done_reason="stop", prompt_eval_count=1, eval_count=1))
    a, link = make(Backend(kind, script=script))
    job = link.job("hi", model="m", stream=False)
    assert job.wait()[0] == END
    answer = json.loads(job.raw)
    assert answer["choices"][0]["message"]["content"] == "Hello" and answer["model"] == "m-public" and answer["id"].startswith("chatcmpl-")


def test_accepted_is_said_by_the_answer_or_soon_by_status(make):
    def late(x):
        time.sleep(0.3)
        openai_stream()(x)

    backend = Backend(script=openai_stream())
    a, link = make(backend)
    at_once = [link.job("hi", model="m") for _ in range(3)]
    for job in at_once:
        assert job.wait()[0] == END and job.status is None
    backend.script = late
    waiting = [link.job("hi", model="m") for _ in range(3)]
    for job in waiting:
        assert job.wait_status() == 102 and 0.02 < job.status_time - job.start_time < 0.2
        assert job.wait()[0] == END


def test_connections_are_kept_alive(make):
    backend = Backend()
    a, link = make(backend, agent="models_interval = 60\nslots = 8\n")
    before = backend.connections
    for _ in range(10):
        assert link.job("hi", model="m").wait()[0] == END
    assert backend.connections - before <= 1


def test_stale_kept_connection_costs_nobody_an_error(make):
    """A backend that takes a request on a reused connection and closes it: one try on a fresh one."""
    seen = {}

    def script(x):
        n = seen[x.sock] = seen.get(x.sock, 0) + 1
        if n > 1:
            x.close()
        else:
            openai_stream()(x)
    backend = Backend(script=script)
    a, link = make(backend, agent="models_interval = 60\nslots = 8\n")
    jobs = [link.job("hi", model="m") for _ in range(4)]
    for j in jobs:
        assert j.wait()[0] == END
    for _ in range(20):
        assert link.job("hi", model="m").wait()[0] == END


def test_fresh_connection_closed_is_an_error(make):
    backend = Backend(script=lambda x: x.close())
    a, link = make(backend, agent="models_interval = 60\nslots = 8\n")
    kind, why = link.job("hi", model="m").wait()
    assert kind == FAIL and why["status"] == 502 and why["retryable"] is True
    assert len(backend.chats()) <= 2


def half(x):
    x.head()
    x.delta(dict(role="assistant", content=""))
    x.delta(dict(content="half"))


def broken_eof(x):
    half(x)
    x.end()


def broken_reset(x):
    half(x)
    x.reset()


def broken_error_event(x):
    half(x)
    x.sse(dict(error=dict(message="GPU lost", type="server_error", code=500)))
    x.end()


def broken_rubbish(x):
    half(x)
    for _ in range(3):
        x.sse("{rubbish")
    x.wait_abort()


def broken_endless_line(x):
    half(x)
    try:
        while True:
            x.chunk("y" * 65536)
    except OSError:
        pass


@pytest.mark.parametrize("script", [broken_eof, broken_reset, broken_error_event, broken_rubbish, broken_endless_line])
def test_broken_streams_end_in_an_error(make, script):
    backend = Backend(script=script)
    a, link = make(backend)
    job = link.job("hi", model="m")
    kind, why = job.wait()
    assert kind == FAIL and why["status"] == 502, why
    assert job.text() == "half" and not job.finish()
    backend.script = openai_stream()
    assert link.job("hi", model="m").wait()[0] == END


def test_one_bad_line_is_skipped(make):
    def script(x):
        half(x)
        x.sse("{rubbish")
        x.delta(dict(content=" more"))
        x.delta({}, "stop")
        x.sse("[DONE]")
        x.end()
    a, link = make(Backend(script=script))
    job = link.job("hi", model="m")
    assert job.wait()[0] == END and job.text() == "half more"


@pytest.mark.parametrize("status,body,expected,retryable", [
    (400, dict(error=dict(message="bad field", type="invalid_request_error", code=400, param=None)), 400, False),
    (400, dict(error=dict(message="the request exceeds the available context size", type="exceed_context_size_error", code=400)), 400, False),
    (500, dict(error=dict(message="boom")), 502, True),
    (503, dict(error="server busy"), 503, True),
    (401, dict(error="key"), 502, None),
    (302, b"moved", 502, None),
    (500, b"\xff\x00<html>" * 20000, 502, True),
], ids=["400", "too long", "500", "503", "401", "302", "rubbish"])
def test_status_of_the_backend(make, status, body, expected, retryable):
    a, link = make(Backend(script=lambda x: x.whole(body, status)))
    for stream in (True, False):
        kind, why = link.job("hi", model="m", stream=stream).wait()
        assert kind == FAIL and why["status"] == expected, why
        if retryable is not None:
            assert why["retryable"] is retryable
        if "exceeds" in str(body):
            assert why["code"] == "context_length_exceeded"


def test_redirects_are_not_followed(make):
    other = Backend().start()

    def script(x):
        x.send(f"HTTP/1.1 307 X\r\nLocation: {other.url()}/v1/chat/completions\r\nContent-Length: 0\r\n\r\n")
    a, link = make(Backend(script=script))
    assert link.job("hi", model="m").wait()[0] == FAIL
    assert not other.requests
    other.stop()


def silent(x):
    x.wait_abort()


def headers_only(x):
    x.head()
    x.wait_abort()


def streaming(x):
    half(x)
    x.wait_abort()


def flooding(x):
    half(x)
    try:
        while True:
            x.delta(dict(content="flood " * 10))
    except OSError:
        x.backend.aborts.put(time.monotonic())
    x.keep = False


@pytest.mark.parametrize("script,stream,credit", [(silent, True, True), (silent, False, True), (headers_only, True, True), (streaming, True, True),
                                                  (streaming, True, False), (flooding, True, True), (flooding, True, False)])
def test_cancel_reaches_the_backend(make, script, stream, credit):
    """Median under 50 ms; a single one may meet a busy machine."""
    backend = Backend(script=script)
    a, link = make(backend)
    confirmed, aborted = [], []
    for _ in range(5):
        job = link.job("hi", model="m", stream=stream, auto_credit=credit)
        assert backend.started.acquire(timeout=5)
        time.sleep(0.1)
        job.cancel()
        assert job.wait(2)[0] == CANCELLED
        aborted.append(backend.aborts.get(timeout=2) - job.cancel_time)
        confirmed.append(job.final_time - job.cancel_time)
    for times in (confirmed, aborted):
        assert sorted(times)[2] < 0.05 and max(times) < 0.5, times
    assert len(backend.chats()) == 5


def then_silent(x):
    openai_stream()(x)
    x.wait_abort()


def test_a_cancel_resets_its_own_connection_only(make):
    backend = Backend(script=streaming)
    a, link = make(backend)
    job = link.job("hi", model="m")
    job.wait_events(2)
    job.cancel()
    assert job.wait(2)[0] == CANCELLED
    backend.aborts.get(timeout=2)
    assert backend.resets == 1
    backend.script = then_silent
    assert link.job("hi", model="m").wait()[0] == END
    a.stop()
    backend.aborts.get(timeout=2)
    assert backend.resets == 1


def test_lost_link_cancels_at_the_backend(make, gateway):
    backend = Backend(script=streaming)
    a, link = make(backend)
    jobs = [link.job("hi", model="m") for _ in range(3)]
    for j in jobs:
        j.wait_events(2)
    begin = time.monotonic()
    link.ws.socket.shutdown(2)
    for _ in jobs:
        assert backend.aborts.get(timeout=2) - begin < 0.1
    again = gateway.accept()
    backend.script = openai_stream()
    assert again.job("hi", model="m").wait()[0] == END


def test_flood_without_credit_is_held_at_the_backend(make):
    backend = Backend(script=flooding)
    a, link = make(backend)
    job = link.job("hi", model="m", auto_credit=False)
    job.wait_status()
    time.sleep(1)
    held = len(job.events)
    assert held > 10
    rss = [line for line in open(f"/proc/{a.process.pid}/status") if line.startswith("VmRSS")][0]
    if not a.wrapper:
        assert int(rss.split()[1]) < 60_000, rss
    job.credit(100_000)
    job.wait_events(held + 100)
    job.cancel()
    assert job.wait(2)[0] == CANCELLED


def test_no_stream_is_forgotten_when_the_gateway_reads_again(make, gateway):
    """While the gateway does not read, streams are told to wait. One that meets the free socket first must not cost the others their turn:
    more of them get a token in one moment than the agent looks at in one wake-up."""
    gateway.window = 64 * 1024 * 1024
    count, go = 300, threading.Event()

    def script(x):
        x.head()
        if b"flood" in x.body:
            for _ in range(2500):
                x.delta(dict(content="flood " * 1000))
        else:
            x.delta(dict(role="assistant", content=""))
            go.wait(30)
            x.delta(dict(content="one"))
        x.delta({}, "stop")
        x.sse("[DONE]")
        x.end()
    a, link = make(Backend(script=script), agent="models_interval = 60\nslots = 400\n")
    jobs = [link.job("hi", model="m", auto_credit=False) for _ in range(count)]
    for j in jobs:
        j.wait_events(1, 30)
    held, real = threading.Event(), link.ws.protocol.receive_data
    link.ws.protocol.receive_data = lambda data: (held.wait(20), real(data))
    jobs.append(link.job("flood", model="m", auto_credit=False))
    time.sleep(1.5)
    a.signal(signal.SIGSTOP)
    held.set()
    time.sleep(0.5)
    go.set()
    time.sleep(0.7)
    a.signal(signal.SIGCONT)
    for j in jobs:
        assert j.wait(20)[0] == END


def test_many_streams_at_once_in_order(make):
    words = [f" w{i}" for i in range(300)]
    backend = Backend(script=openai_stream(words))
    a, link = make(backend, agent="slots = 64\n")
    jobs = [link.job("hi", model="m") for _ in range(50)]
    for j in jobs:
        assert j.wait(30)[0] == END
        assert j.text() == "".join(words) and j.tokens == 300


def test_gap_limit_of_the_agent(make):
    backend = Backend(script=streaming)
    a, link = make(backend, more="stall_timeout = 1")
    job = link.job("hi", model="m")
    kind, why = job.wait()
    assert kind == FAIL and why["status"] == 504
    backend.aborts.get(timeout=2)


def test_models_come_and_go(make):
    backend = Backend("ollama", models=["m"])
    a, link = make(backend)
    backend.models.append("n")
    assert {m["name"] for m in link.expect("models")["models"]} == {"m", "n"}
    backend.models.remove("m")
    assert [m["name"] for m in link.expect("models")["models"]] == ["n"]
    kind, why = link.job("hi", model="m").wait()
    assert kind == FAIL and why["status"] == 404 and why["retryable"]


def test_backend_dies_and_comes_back(make):
    backend = Backend(models=["m"])
    a, link = make(backend)
    backend.stop()
    assert link.expect("models")["models"] == []
    backend.start()
    assert [m["name"] for m in link.expect("models")["models"]] == ["m"]
    assert link.job("hi", model="m").wait()[0] == END
    assert a.lines().count("backend b0 down") == 1


def test_job_that_meets_a_dead_backend_reports_it_at_once(make):
    backend = Backend(models=["m"])
    a, link = make(backend, agent="models_interval = 60\nslots = 8\n")
    backend.stop()
    kind, why = link.job("hi", model="m").wait(2)
    assert kind == FAIL and why["status"] == 502 and why["retryable"]
    assert link.expect("models", timeout=2)["models"] == []
    backend.start()


def test_backend_that_takes_no_connection(make):
    """Nobody answers the SYN: the machine sleeps, or its listen queue is full."""
    backend = Backend(models=["m"])
    a, link = make(backend, agent="models_interval = 60\nslots = 8\n", more="connect_timeout = 1")
    backend.stop()
    with socket.socket() as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind(("127.0.0.1", backend.port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        begin = time.monotonic()
        kind, why = link.job("hi", model="m").wait(5)
        assert 0.9 < time.monotonic() - begin < 3.5
        assert kind == FAIL and why["status"] == 502 and why["retryable"] and "cannot be reached" in why["message"], why
        for s in waiting:
            s.close()
    backend.start()


def test_backend_that_never_says_hello(make):
    """It takes the connection and does not speak TLS."""
    lasted = queue.Queue()

    def take(silent):
        s, _ = silent.accept()
        begin = time.monotonic()
        s.settimeout(8)
        while s.recv(4096):
            pass
        lasted.put(time.monotonic() - begin)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=take, args=(silent,), daemon=True).start()
        port = silent.getsockname()[1]
        a, link = make(Backend(models=["m"]), more=f'[backend "silent"]\nkind = openai\nurl = https://127.0.0.1:{port}\nconnect_timeout = 1')
        assert 0.9 < lasted.get(timeout=10) < 3.5
        assert link.job("hi", model="m").wait()[0] == END


def test_backend_changes_its_kind(make):
    backend = Backend("openai")
    a, link = make(backend)
    backend.stop()
    link.expect("models")
    backend.kind, backend.script = "ollama", ollama_stream()
    backend.start()
    assert link.expect("models")["models"][0]["backend"] == "ollama"
    assert link.job("hi", model="m").wait()[0] == END


def test_slots_as_the_backend_says(make):
    a, link = make(Backend(slots=3), agent="")
    assert link.hello["slots"] == 3


def test_two_backends_are_one_list_and_share_a_model(make):
    one, two = Backend(models=["m", "a"], script=streaming), Backend(models=["m", "b"], script=streaming)
    a, link = make(one, two)
    assert {m["name"] for m in link.hello["models"]} == {"m", "a", "b"}
    jobs = [link.job("hi", model="m") for _ in range(4)]
    for j in jobs:
        j.wait_events(2)
    assert len(one.chats()) == 2 and len(two.chats()) == 2
    for j in jobs:
        j.cancel()
        j.wait(2)


def test_allow_list_and_key(make, tmp_path):
    key = tmp_path / "backend.key"
    key.write_text("backend-secret\n")
    key.chmod(0o600)
    backend = Backend(models=["m", "hidden"])
    a, link = make(backend, more=f"models = m, other\nkey_file = {key}")
    assert [m["name"] for m in link.hello["models"]] == ["m"]
    assert link.job("hi", model="m").wait()[0] == END
    assert all(r.headers["authorization"] == "Bearer backend-secret" for r in backend.requests)
    assert link.job("hi", model="hidden").wait()[1]["status"] == 404
    assert "backend-secret" not in a.lines()


def test_only_known_paths_are_asked(make):
    openai, ollama = Backend(), Backend("ollama")
    a, link = make(openai, ollama)
    link.job("hi", model="m").wait()
    link.job("hi", model="../../api/delete").wait()
    paths = {r.path for b in (openai, ollama) for r in b.requests}
    assert paths <= {"/api/version", "/api/tags", "/api/ps", "/api/chat", "/v1/models", "/props", "/v1/chat/completions"}


def test_descriptors_are_given_back(make):
    backend = Backend(script=streaming)
    a, link = make(backend, agent="models_interval = 60\nslots = 64\n")
    time.sleep(0.3)
    before = a.fds()
    for _ in range(3):
        jobs = [link.job("hi", model="m") for _ in range(40)]
        for j in jobs:
            j.wait_events(2)
        for j in jobs:
            j.cancel()
            assert j.wait(5)[0] == CANCELLED
    time.sleep(0.2)
    assert a.fds() <= before + 1
