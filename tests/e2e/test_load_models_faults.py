"""POST /scheduler/init when somebody goes, dies, hangs or lies, and when the gateway is restarted meanwhile."""

import contextlib
import json
import os
import signal
import struct
import threading
import time

import httpx
import pytest
import websockets
import websockets.sync.client

import env
from load_fleet import Fleet, Ollama, Router, fleet, leave, states, users  # noqa: F401


def test_client_goes(fleet):
    """Everything that was begun ends: at the model server, and in the agent's slots."""
    a = fleet.add("a", Ollama(["x"], registry=["cold"], pull_s=20), more="pull = yes\n")
    b = fleet.add("b", Ollama(["cold"], load_s=20))
    with fleet.live("cold", 2) as lines:
        seen = set()
        while seen != {("a", "pulling"), ("b", "loading")}:
            d = next(lines)[1]
            seen |= {(d["agent"], d["state"])} - {("a", "waiting"), ("b", "waiting")}
        env.wait_for(lambda: a.chats() and b.chats(), what="requests at the model servers")
        begin = time.monotonic()
    env.wait_for(lambda: a.ended == ["/api/pull"] and b.ended == ["/api/generate"], 3, "aborts at the model servers")
    assert time.monotonic() - begin < 2
    fleet.idle()


def test_agent_dies_in_the_middle(fleet):
    fleet.add("a", Ollama(["cold"], load_s=10))
    fleet.add("b", Ollama(["cold"], load_s=1.5))
    with fleet.live("cold", 2) as lines:
        of = {}
        for _, d in lines:
            of.setdefault(d.get("agent"), []).append(d)
            if len(of) == 2 and all(x[-1]["state"] == "loading" for x in of.values()) and fleet.agents["a"].process.poll() is None:
                fleet.agents["a"].kill(signal.SIGKILL)
    assert of["a"][-1]["state"] == "failed" and "lost" in of["a"][-1]["reason"]
    assert of["b"][-1]["state"] == "loaded" and of[None][-1]["loaded"] == 1
    fleet.agents["a"].process = None
    fleet.idle()


def test_a_server_that_says_nothing_for_long(fleet):
    """Longer than DgonTokenGapTimeout: the agent is heard, so nobody gives up."""
    fleet.add("a", Ollama(["cold"], load_s=5))
    of, last = fleet.load("cold")
    assert last["loaded"] == 1 and states(of["a"])[-2:] == ["loading", "loaded"]


@pytest.mark.parametrize("backend", [Ollama, Router])
def test_a_server_that_hangs(fleet, backend):
    """stall_timeout bounds it, although the agent goes on telling that it lives."""
    b = fleet.add("a", backend(["cold"]), more="stall_timeout = 3\n")
    b.load_s, b.start_model = 20, lambda name: None
    begin = time.monotonic()
    of, last = fleet.load("cold")
    assert of["a"][-1]["state"] == "failed" and last["loaded"] == 0 and 2 < time.monotonic() - begin < 8
    fleet.idle()


def test_graceful_restart_in_between(users):
    """What ends within DgonDrainTimeout ends well; the rest is told why."""
    f = Fleet("test_load_models_faults-graceful", users)
    try:
        f.add("quick", Ollama(["cold"], load_s=1.2))
        slow = f.add("slow", Ollama(["cold"], load_s=30))
        with f.live("cold", 2) as lines:
            of = {}
            restarted = False
            for _, d in lines:
                of.setdefault(d.get("agent"), []).append(d)
                if not restarted and len(of) == 2 and all(x[-1]["state"] == "loading" for x in of.values()):
                    f.gateway.graceful()
                    restarted = True
        assert restarted and of["quick"][-1]["state"] == "loaded"
        assert of["slow"][-1]["state"] == "failed" and "restart" in of["slow"][-1]["reason"] and of[None][-1]["loaded"] == 1
        env.wait_for(lambda: slow.ended == ["/api/generate"], what="its end at the model server")
        env.wait_for(lambda: f.has("quick", ["cold"]), what="the new generation's links")
        assert f.load("cold")[1]["loaded"] == 1
        f.gateway.check_log()
    finally:
        f.stop()


def test_only_so_many_at_once(users):
    """Each holds a worker: the fifth of a child is refused."""
    f = Fleet("test_load_models_faults-many", users, children=1)
    try:
        f.add("a", Ollama(["cold"], load_s=4), slots=8)
        results = []
        threads = [threading.Thread(target=lambda: results.append(f.post("cold"))) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        codes = sorted(r.status_code for r in results)
        assert codes == [200] * 4 + [503] * 2
        assert all(r.headers["retry-after"] for r in results if r.status_code == 503)
        f.idle()
        assert f.post("cold").status_code == 200
    finally:
        f.stop()


LIES = {
    "no JSON": [(3, b"loading")],
    "no state": [(3, b'{"reason": "x"}')],
    "a state of its own": [(3, b'{"state": "exploded"}')],
    "too long": [(4, b'{"state": "failed", "reason": "' + b"x" * 8000), (3, b'"}')],
    "never an end": [(4, b"x" * 8000)] * 20,
    "bytes": [(5, b"{}")],
    "an end before it is loaded": [(3, b'{"state": "loading"}'), (6, b'{"usage": null, "finish": "stop"}')],
    "somebody else": [(3, b'{"state": "failed", "agent": "other", "reason": "it is me"}'), (6, b'{"usage": null, "finish": "stop"}')],
}


@pytest.mark.parametrize("name", LIES)
def test_an_agent_that_lies(fleet, name):
    """It spoils its own word only."""
    fleet.gateway.expect("DGON00.*liar|DGON.*link")
    fleet.add("good", Ollama(["cold"]))

    def lie(ws, job):
        assert job["op"] == "load" and "model" not in job and job["stream"]
        for kind, payload in LIES[name]:
            ws.send(struct.pack(">IBBHI", job["job"], kind, job["attempt"], 0, len(payload)) + payload)

    def liar():
        with websockets.sync.client.connect(fleet.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], proxy=None, compression=None,
                                            additional_headers={"Authorization": f"Bearer {env.TOKEN}"}) as ws, contextlib.suppress(websockets.ConnectionClosed):
            ws.send(json.dumps({"type": "hello", "protocol": [1, 1], "agent": "liar", "instance": "0123456789abcdef", "version": "0", "os": "linux",
                                "slots": 1, "labels": {}, "pull": False, "models": [{"name": "cold", "backend": "x", "loaded": False}]}))
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    message = ws.recv(timeout=0.1)
                    if isinstance(message, str) and json.loads(message)["type"] == "job":
                        lie(ws, json.loads(message))
                    elif isinstance(message, bytes) and message[4] == 10:  # CANCEL
                        ws.send(message[:4] + struct.pack(">BBHI", 8, message[5], 0, 0))

    done = threading.Event()
    thread = threading.Thread(target=liar)
    thread.start()
    try:
        env.wait_for(lambda: fleet.has("liar", ["cold"]), what="the liar's link")
        r = fleet.post("cold", 2).json()["data"]
    finally:
        done.set()
        thread.join()
    of = {a["agent"]: a for a in r["agents"]}
    assert r["loaded"] == 1 and of["good"]["state"] == "loaded" and of["liar"]["state"] == "failed" and of["liar"]["reason"]
    assert fleet.post("cold").json()["data"]["loaded"] == 1


def test_a_child_of_the_gateway_dies(users):
    """The one that waits, and the one with the link: nothing goes on behind anybody's back, no slot stays busy."""
    f = Fleet("test_load_models_faults-kill", users)
    f.gateway.expect("exit signal")
    try:
        b = f.add("a", Ollama(["cold"], load_s=20), slots=1)
        for k in (1, 2):
            with contextlib.suppress(httpx.HTTPError), f.live("cold") as lines:
                for _, d in lines:
                    if d.get("state") == "loading" and len(b.chats()) == k:
                        for pid in f.gateway.worker_pids():
                            os.kill(pid, signal.SIGKILL)
            env.wait_for(lambda: b.ended == ["/api/generate"] * k, what="its end at the model server")
            env.wait_for(lambda: f.has("a", ["cold"]), what="new links")
            f.idle()
        b.load_s = 0.1
        assert f.load("cold")[1]["loaded"] == 1
    finally:
        f.stop()
