"""POST /scheduler/init: so many agents load a model, pull it first where its owner allows that, and say how far they are."""

import json
import threading
import time

import httpx
import pytest

import env
import logins
import real_servers
from agent_backend_double import Backend, openai_stream
from load_fleet import Fleet, Ollama, Router, Studio, fleet, leave, states, users  # noqa: F401


def test_who_may_ask_and_what(fleet):
    fleet.add("a", Ollama(["cold"]))
    with httpx.Client(base_url=fleet.url, trust_env=False, timeout=10) as c:
        ask = dict(model_name="cold", init_nodes_num=1)
        assert c.post("/scheduler/init", json=ask).status_code == 401
        r = c.post("/cluster/scheduler/init", json=ask)  # a location without authentication
        assert r.status_code == 403 and "AuthType" in r.json()["error"]["message"]
        c.auth = logins.USER
        r = c.get("/scheduler/init")
        assert r.status_code == 405 and r.headers["allow"] == "POST"
        r = c.post("/scheduler/init", content=json.dumps(ask), headers={"Content-Type": "text/plain"})
        assert r.status_code == 415
        for body, param in (("", None), ("[]", None), ('{"model_name": "cold", "init_nodes_num": 65}', "init_nodes_num"),
                            ('{"model_name": "cold", "init_nodes_num": 0}', "init_nodes_num"), ('{"model_name": "!"}', "model_name"),
                            ('{"model_name": "public"}', "model_name"), ('{"init_nodes_num": 1}', "model_name")):
            r = c.post("/scheduler/init", content=body, headers={"Content-Type": "application/json"})
            assert r.status_code == 400 and r.json()["error"]["param"] == param, (body, r.text)
        r = c.post("/scheduler/init", content=" " * 5000, headers={"Content-Type": "application/json"})
        assert r.status_code == 413
    assert not fleet.backends["a"].chats()


def test_one_answer(fleet):
    """As Parallax's scripts ask; nothing is said before the end."""
    b = fleet.add("a", Ollama(["cold"]))
    r = fleet.post(is_local_network=True)
    assert r.status_code == 200 and r.headers["content-type"] == "application/json"
    told = r.json()
    assert told == {"type": "scheduler_init", "data": {"model_name": "cold", "wanted": 1, "loaded": 1, "done": True,
                                                       "agents": [{"agent": "a", "state": "loaded"}]}}
    assert b.loaded == {"cold"} and b.chats()[0].json == {"model": "cold", "stream": False}
    env.wait_for(lambda: fleet.agent("a")["models"][0]["loaded"], what="the list says so")
    assert "!" not in fleet.gateway.models() and "!" not in json.dumps(fleet.gateway.get("/cluster/status"))
    text = (fleet.gateway.dir / "error.log").read_text()
    assert "DGON0330: root asks 1 of 1 agents to load model cold" in text and "DGON0331" in text


def test_loaded_first_then_cold_then_pull(fleet):
    """Each is asked for what it has to do only; fewer than wanted is said."""
    hot = fleet.add("z-hot", Ollama(["m"], loaded=["m"]))
    cold = fleet.add("y-cold", Ollama(["m"]), more="keep_alive = 2h\n")
    get = fleet.add("x-pull", Ollama(["other"], registry=["m"]), more="pull = yes\n")
    fleet.add("w-not", Ollama(["other"], registry=["m"]))
    of, last = fleet.load("m")
    assert last["loaded"] == 1 and set(of) == {"z-hot"} and "reason" not in last and not hot.chats()
    of, last = fleet.load("m", 4)
    assert {a: d[-1]["state"] for a, d in of.items()} == {"z-hot": "loaded", "y-cold": "loaded", "x-pull": "loaded", "w-not": "cannot"}
    assert last["loaded"] == 3 and "Only 3" in last["reason"] and "owner" in of["w-not"][0]["reason"]
    assert [r.json.get("keep_alive") for r in cold.chats()] == ["2h"]
    assert [r.path for r in get.chats()] == ["/api/pull", "/api/generate"]
    env.wait_for(lambda: fleet.has("x-pull", ["m:latest"]), what="the new model")


def test_pull_tells_how_far_it_is(fleet):
    fleet.add("a", Ollama(["other"], registry=["new"], pull_s=3), more="pull = yes\n")
    seen = []
    with fleet.live("new") as lines:
        for at, d in lines:
            seen.append((at, d))
    pulls = [(at, d) for at, d in seen if d.get("state") == "pulling" and "total" in d]
    assert len(pulls) >= 4 and pulls[0][0] < 2, seen
    assert all(b[0] - a[0] > 0.3 for a, b in zip(pulls, pulls[1:])), "more than twice a second"
    done = [d["completed"] for _, d in pulls]
    assert done == sorted(done) and 0 < done[0] < done[-1] <= 2010 and pulls[-1][1]["total"] == 2010
    assert [d for _, d in seen][-1]["loaded"] == 1 and states(d for _, d in seen[:-1])[-3:] == ["pulling", "loading", "loaded"]


def test_more_names_than_a_link_has_room_for(fleet):
    """What is left out are its last models: neither its aliases nor that it loads on request."""
    fleet.gateway.expect("DGON0350")
    models = ["cold", *(f"m{k:03}" for k in range(255))]
    b = fleet.add("a", Ollama(models), offers=models[:254])
    assert not fleet.has("a", ["m253"]) and not fleet.has("a", ["m254"]) and "public" in fleet.gateway.models()
    assert fleet.load("cold")[1]["loaded"] == 1 and b.loaded == {"cold"}
    assert "DGON0350: agent a: 258 names" in (fleet.gateway.dir / "error.log").read_text()


def test_a_model_that_embeds(fleet):
    b = fleet.add("a", Ollama(["embed:latest"]))
    of, last = fleet.load("embed")
    assert last["loaded"] == 1 and b.loaded == {"embed:latest"}
    assert [(r.path, r.json["model"]) for r in b.chats()] == [("/api/generate", "embed:latest"), ("/api/embed", "embed:latest")]


def test_failures_say_why(fleet):
    fleet.add("a", Ollama(["cold"], fails="model requires more system memory (40 GiB) than is available"))
    fleet.add("b", Ollama(["x"]), more="pull = yes\n")
    of, last = fleet.load("cold", 2)
    assert last["loaded"] == 0 and of["a"][-1]["state"] == of["b"][-1]["state"] == "failed"
    assert "40 GiB" in of["a"][-1]["reason"] and "file does not exist" in of["b"][-1]["reason"]
    for a in fleet.agents.values():
        assert "40 GiB" not in a.log.read_text() and "file does not" not in a.log.read_text()


def test_nobody_can(fleet):
    r = fleet.post("cold")
    assert r.status_code == 404 and "No agent is connected" in r.json()["error"]["message"]
    fleet.add("a", Ollama(["other"], registry=["cold"]))
    r = fleet.post("cold")
    assert r.status_code == 404 and r.json()["error"]["code"] == "model_not_found" and "pull = yes" in r.json()["error"]["message"]
    assert not fleet.backends["a"].chats()


def test_owner_names_models(fleet):
    """models = in the agent's file bounds what may be pulled."""
    fleet.add("a", Ollama(["other"], registry=["cold"]), more="pull = yes\nmodels = other\n")
    of, last = fleet.load("cold")
    assert last["loaded"] == 0 and of["a"][-1]["state"] == "cannot" and "other models only" in of["a"][-1]["reason"]
    assert not fleet.backends["a"].chats()


@pytest.mark.parametrize("works", [True, False])
def test_router_of_llama_server(fleet, works):
    fleet.add("a", Router(["cold"], works))
    of, last = fleet.load("cold")
    assert states(of["a"])[-2:] == ["loading", "loaded" if works else "failed"] and last["loaded"] == works
    assert works or "log says why" in of["a"][-1]["reason"]


@pytest.mark.parametrize("loads", [True, False])
def test_lm_studio_and_who_cannot(fleet, loads):
    fleet.add("a", Studio(["cold"], loads))
    of, last = fleet.load("cold")
    assert of["a"][-1]["state"] == ("loaded" if loads else "cannot") and last["loaded"] == loads
    assert loads or "started" in of["a"][-1]["reason"]


def test_what_is_served_is_loaded(fleet):
    """A server that tells no state has its model loaded."""
    b = fleet.add("a", Backend("openai", ["m"]))
    assert fleet.load("m")[1]["loaded"] == 1 and not b.chats()


def test_busy_agents(fleet):
    """It waits for a slot of that agent, though another one is idle, for as long as any job."""
    hold = threading.Event()

    def slow(x):
        hold.wait(20)
        openai_stream()(x)

    busy = fleet.add("busy", Router(["cold"]), slots=1)
    idle = fleet.add("idle", Studio(["other"], loads=False))
    busy.script = slow
    held = threading.Thread(target=lambda: httpx.post(fleet.url + "/v1/chat/completions", trust_env=False, timeout=30,
                                                      json=dict(model="cold", stream=True, messages=[dict(role="user", content="x")])))
    held.start()
    try:
        env.wait_for(lambda: fleet.agent("busy")["busy"] == 1, what="a busy agent")
        begin = time.monotonic()
        of, last = fleet.load("cold")
        assert of["busy"][0]["state"] == "waiting" and of["busy"][-1]["state"] == "failed" and "DgonQueueTimeout" in of["busy"][-1]["reason"]
        assert 1.5 < time.monotonic() - begin < 5 and not [r for r in idle.chats() if "load" in r.path]
        with fleet.live("cold") as lines:
            assert next(lines)[1]["state"] == "waiting"
            hold.set()
            assert [d for _, d in lines][-1]["loaded"] == 1
    finally:
        hold.set()
        held.join()


@pytest.mark.parametrize("mpm", ["worker", "prefork"])
def test_other_mpms(users, mpm):
    """A whole answer, one that is told as it goes, and one whose client leaves."""
    f = Fleet(f"test_load_models-{mpm}", users, mpm=mpm, children=8 if mpm == "prefork" else 2, threads=24)

    def unload():
        """And the agent knows: before it has looked once, its list does not have it either."""
        for loaded in (True, False):
            env.wait_for(lambda: f.agent("a")["models"][0]["loaded"] == loaded, what=f"a list that says loaded: {loaded}")
            b.loaded.clear()

    try:
        b = f.add("a", Ollama(["cold"]))
        assert f.post("cold").json()["data"]["loaded"] == 1
        unload()
        of, last = f.load("cold")
        assert last["loaded"] == 1 and states(of["a"])[-2:] == ["loading", "loaded"]
        unload()
        b.load_s = 20
        with f.live("cold") as lines:
            while next(lines)[1]["state"] != "loading":
                pass
            env.wait_for(lambda: len(b.chats()) == 3, what="a request at the model server")
        env.wait_for(lambda: b.ended == ["/api/generate"], what="its end at the model server")
        f.idle()
    finally:
        f.stop()


@pytest.mark.timeout(400)
def test_a_real_ollama(users, tmp_path):
    """Cold, loaded by us and so said by Ollama; one it cannot get."""
    f = Fleet("test_load_models-ollama", users)
    server = None
    try:
        server = real_servers.start_ollama(tmp_path, "tiny-chat", "tiny-embed")
        f.agents["a"] = env.Agent(f.gateway, server.url, id="a", kind="auto", slots=4, more="pull = yes\nkeep_alive = -1\n")
        f.agents["a"].start("tiny-embed:latest")
        assert not any(m["loaded"] for m in f.agent("a")["models"])
        for model in ("tiny-chat", "tiny-embed"):
            of, last = f.load(model)
            assert last["loaded"] == 1 and states(of["a"]) in (["waiting", "loading", "loaded"], ["loading", "loaded"], ["waiting", "loaded"]), of
        loaded = {m["name"] for m in httpx.get(server.url + "/api/ps", trust_env=False).json()["models"]}
        assert loaded == {"tiny-chat:latest", "tiny-embed:latest"}
        env.wait_for(lambda: all(m["loaded"] for m in f.agent("a")["models"]), what="the list says so")
        of, last = f.load("127.0.0.1:1/nobody/nothing:1b")  # no such registry
        assert last["loaded"] == 0 and of["a"][-1]["state"] == "failed" and of["a"][-1]["reason"], of
    finally:
        f.stop()
        if server:
            server.stop()
