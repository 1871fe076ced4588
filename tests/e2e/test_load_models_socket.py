"""dgonctl load: a model is loaded from the command line, by the administrators' socket or a path with a login."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time

import pytest

import env
import logins
from load_fleet import Fleet, Ollama, fleet, leave, states, users  # noqa: F401

CTL = env.OBJ / "mod_dgon/ctl/dgonctl"


def ctl_line(fleet, place, *args, path="socket", json=False):
    """What runs dgonctl load: at the administrators' socket, or at a path with a login."""
    at = ["--socket", fleet.gateway.dir / "admin.sock"] if path == "socket" else ["--url", fleet.url + path]
    return dict(args=[CTL, *(["--json"] if json else []), *at, "load", *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=env.environment(NETRC=str(logins.netrc(place)), **env.sanitizer()))


def ctl(fleet, place, *args, code=0, **how):
    run = subprocess.run(**ctl_line(fleet, place, *args, **how), timeout=30)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run.stdout if code in (0, 1) and run.stdout else run.stderr


@contextlib.contextmanager
def running(fleet, place, *args, **how):
    with subprocess.Popen(**ctl_line(fleet, place, *args, json=True, **how)) as p:
        try:
            yield p
        finally:
            p.kill()


def ask_socket(fleet, raw, half_close=False):
    """Every line of the answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(fleet.gateway.dir / "admin.sock"))
        s.sendall(raw)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in s.makefile("rb")]


# What a line of the error log may tell of a request and its connection, which at the socket are not httpd's.
EVERYTHING = r'ErrorLogFormat "[%{u}t] [%-m:%l] [pid %P:tid %T] [client %a] [at %A] %L %{c}L %{C}L %k %v %V %{Referer}i %{x}e %{x}n %E %F %M"' + "\n"


@pytest.mark.parametrize("path", ["socket", "/dgon/admin", "/scheduler/init"])
def test_dgonctl(fleet, tmp_path, path):
    fleet.add("a", Ollama(["cold"]))
    fleet.add("b", Ollama(["cold"], fails="no room"))
    out = ctl(fleet, tmp_path, "cold", path=path)
    told = [line.split() for line in out.splitlines()]
    if told[0] == ["a", "waiting"]:  # an agent that is quick has begun before the first line
        del told[0]
    assert told[:2] == [["a", "loading"], ["a", "loaded"]]
    assert "cold is loaded by 1 of 1 agents" in out
    out = ctl(fleet, tmp_path, "cold", "--agents", "3", path=path, code=1)
    assert ": no room" in out and "loaded by 1 of 3 agents. Only 2" in out
    lines = [json.loads(line) for line in ctl(fleet, tmp_path, "cold", "--agents", "2", path=path, code=1, json=True).splitlines()]
    assert lines[-1]["data"]["done"] and lines[-1]["data"]["loaded"] == 1 and all(line["type"] == "scheduler_init" for line in lines)
    assert "No agent has the model" in ctl(fleet, tmp_path, "nothing", path=path, code=4)
    assert "--agents is a number" in ctl(fleet, tmp_path, "cold", "--agents", "x", path=path, code=2)


def test_socket_refuses_and_says_why(fleet):
    for raw, param in ((b'{"do": "load"}', "model_name"), (b'{"do": "load", "model_name": "cold", "init_nodes_num": 65}', "init_nodes_num"),
                       (b'{"do": "load", "model_name": "public"}', "model_name"), (b'{"do": "load", "model_name": "cold"}', "model_name")):
        [told] = ask_socket(fleet, raw + b"\n")
        assert told["error"]["param"] == param and told["error"]["message"], raw


def test_socket_client_that_ends_its_side_only(fleet):
    """As pipes into socat do: it still reads."""
    fleet.add("a", Ollama(["cold"], load_s=0.5))
    lines = ask_socket(fleet, b'{"do": "load", "model_name": "cold"}\n', half_close=True)
    assert states(d["data"] for d in lines[:-1])[-2:] == ["loading", "loaded"] and lines[-1]["data"]["done"]
    uid = f"uid {os.getuid()}"
    assert f"DGON0330: {uid} asks 1 of 1 agents to load model cold" in (fleet.gateway.dir / "error.log").read_text()


def test_socket_client_goes(fleet, tmp_path):
    b = fleet.add("a", Ollama(["cold"], load_s=20))
    with running(fleet, tmp_path, "cold") as p:
        while '"loading"' not in p.stdout.readline():
            pass
        env.wait_for(lambda: b.chats(), what="a request at the model server")
        begin = time.monotonic()
        p.kill()
        env.wait_for(lambda: b.ended == ["/api/generate"], 3, "its end at the model server")
        assert time.monotonic() - begin < 2
    fleet.idle()


def test_socket_leaves_nothing_open(fleet):
    fleet.add("a", Ollama(["cold"], loaded=["cold"]))
    ask = b'{"do": "load", "model_name": "cold"}\n'
    assert all(ask_socket(fleet, ask)[-1]["data"]["loaded"] == 1 for _ in range(20))
    env.wait_for(lambda: fleet.agent("a")["links"] == 2, what="both links")
    before = {pid: env.open_fds(pid) for pid in fleet.gateway.worker_pids()}
    for _ in range(100):
        ask_socket(fleet, ask)
    # a thread keeps the one descriptor by which it is woken
    env.wait_for(lambda: all(env.open_fds(pid) <= n + 5 for pid, n in before.items()), what=f"no more descriptors than {before}")


def test_socket_serves_others_meanwhile(users, tmp_path):
    """As many loads as there may be, by both ways; one more is refused, and every other question is answered."""
    f = Fleet("test_load_models_socket-others", users, EVERYTHING, children=1)
    try:
        b = f.add("a", Ollama(["cold"], load_s=4), slots=8)
        with contextlib.ExitStack() as stack:
            by_http = threading.Thread(target=lambda: results.append(f.post("cold").json()["data"]["loaded"]))
            results = []
            by_http.start()
            running_now = [stack.enter_context(running(f, tmp_path, "cold")) for _ in range(3)]
            env.wait_for(lambda: len(b.chats()) == 4, what="four loads at the model server")
            begin = time.monotonic()
            for _ in range(5):
                assert ask_socket(f, b'{"do": "status"}\n')[0]["slots"]["busy"] == 4
            assert time.monotonic() - begin < 1
            assert "already" in ctl(f, tmp_path, "cold", code=1)
            assert f.post("cold").status_code == 503
            for p in running_now:
                out, err = p.communicate(timeout=20)
                assert p.returncode == 0 and json.loads(out.splitlines()[-1])["data"]["loaded"] == 1, err
            by_http.join()
            assert results == [1]
        f.idle()
        assert "1 of 1" in ctl(f, tmp_path, "cold")
        assert "[client socket:0] [at socket:0]" in f.gateway.log.read_text()
    finally:
        f.stop()


def test_socket_and_a_graceful_restart(users, tmp_path):
    """What ends within DgonDrainTimeout ends well; the rest is told why, and the new children answer meanwhile."""
    f = Fleet("test_load_models_socket-graceful", users)
    try:
        f.add("quick", Ollama(["cold"], load_s=1.2))
        slow = f.add("slow", Ollama(["cold"], load_s=30))
        with running(f, tmp_path, "cold", "--agents", "2") as p:
            of = {}
            while not (len(of) == 2 and all(x[-1]["state"] == "loading" for x in of.values())):
                d = f.data(p.stdout.readline())
                of.setdefault(d["agent"], []).append(d)
            old = f.gateway.worker_pids()
            f.gateway.graceful()
            env.wait_for(lambda: len(set(f.gateway.worker_pids()) - set(old)) == 2, what="new children")
            assert ask_socket(f, b'{"do": "jobs"}\n')[0]["jobs"] and p.poll() is None
            out, _ = p.communicate(timeout=20)
            for d in map(f.data, out.splitlines()):
                of.setdefault(d.get("agent"), []).append(d)
        assert p.returncode == 1 and of["quick"][-1]["state"] == "loaded" and of[None][-1]["loaded"] == 1
        assert of["slow"][-1]["state"] == "failed" and "restart" in of["slow"][-1]["reason"]
        env.wait_for(lambda: slow.ended == ["/api/generate"], what="its end at the model server")
        env.wait_for(lambda: not any(env.alive(pid) for pid in old), what="end of the old children")
        f.gateway.check_log()
    finally:
        f.stop()


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_socket_and_a_hard_stop(users, tmp_path, mpm):
    """At once, in any case."""
    f = Fleet(f"test_load_models_socket-stop-{mpm}", users, mpm=mpm)
    try:
        b = f.add("a", Ollama(["cold"], load_s=30))
        with running(f, tmp_path, "cold") as p:
            env.wait_for(lambda: b.chats(), what="a request at the model server")
            begin = time.monotonic()
            f.gateway.stop()
            assert time.monotonic() - begin < 3
            out, _ = p.communicate(timeout=5)
            assert p.returncode in (1, 3), out
    finally:
        f.stop()
