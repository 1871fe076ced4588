"""POST /scheduler/init: so many agents load a model, pull it first where its owner allows that, and say how far they are."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import httpx
import pytest
import websockets
import websockets.sync.client

import env
import logins
import real_servers
from agent_backend_double import Backend, openai_stream

CONF = """DgonQueueTimeout 2s
DgonDrainTimeout 2s
DgonTokenGapTimeout 5s
DgonAlias public cold
"""
JSON_LINES = {"Accept": "application/x-ndjson"}
CTL = env.OBJ / "mod_dgon/ctl/dgonctl"


class Ollama(Backend):
    """Lists what it has and what is loaded; loads in `load_s`; pulls the models of `registry` in `pull_s`."""

    def __init__(self, models, loaded=(), registry=(), load_s=0.3, pull_s=1.5, fails=None):
        super().__init__("ollama", models)
        self.loaded, self.registry, self.load_s, self.pull_s, self.fails = set(loaded), set(registry), load_s, pull_s, fails
        self.ended = []  # paths whose connection the agent closed before the answer

    def wait(self, x, seconds):
        """False: the agent has gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            x.sock.settimeout(0.05)
            try:
                if not x.sock.recv(1):
                    self.ended.append(x.path)
                    x.keep = False
                    return False
            except TimeoutError:
                pass
            except OSError:
                self.ended.append(x.path)
                x.keep = False
                return False
            finally:
                x.sock.settimeout(None)
        return True

    def answer(self, x):
        if x.path == "/api/ps":
            x.whole(dict(models=[dict(name=m, model=m) for m in sorted(self.loaded)]))
        elif x.path == "/api/pull":
            self.pull(x)
        elif x.path in ("/api/generate", "/api/embed"):
            self.load(x)
        else:
            super().answer(x)

    def load(self, x):
        name = x.json["model"]
        if "embed" in name and x.path == "/api/generate":
            x.whole(dict(error=f'"{name}" does not support generate'), 400)
        elif self.fails:
            x.whole(dict(error=self.fails), 500)
        elif self.wait(x, self.load_s):
            self.loaded.add(name)
            x.whole(dict(model=name, done=True, done_reason="load"))

    def pull(self, x):
        name = x.json["model"]
        x.head(kind="application/x-ndjson")
        x.chunk(json.dumps(dict(status="pulling manifest")) + "\n")
        if name not in self.registry:
            x.chunk(json.dumps(dict(error="pull model manifest: file does not exist")) + "\n")
            x.end()
            return
        for k in range(1, 31):
            if not self.wait(x, self.pull_s / 30):
                return
            layer = dict(digest="sha256:a", total=2000, completed=100 * k) if k <= 20 else dict(digest="sha256:b", total=10, completed=k - 20)
            x.chunk(json.dumps(dict(status="pulling " + layer["digest"], **layer)) + "\n")
        self.models.append(name + ":latest" if ":" not in name else name)
        x.chunk(json.dumps(dict(status="success")) + "\n")
        x.end()


class Router(Backend):
    """llama-server that starts a process for each model."""

    def __init__(self, models, works=True):
        super().__init__("openai", models)
        self.status, self.works = {m: dict(value="unloaded") for m in models}, works

    def start_model(self, name):
        time.sleep(0.8)
        self.status[name] = dict(value="loaded") if self.works else dict(value="unloaded", exit_code=1, failed=True)

    def answer(self, x):
        if x.path == "/v1/models":
            x.whole(dict(object="list", data=[dict(id=m, object="model", status=s) for m, s in self.status.items()]))
        elif x.path == "/models/load":
            self.status[x.json["model"]] = dict(value="loading")
            threading.Thread(target=self.start_model, args=(x.json["model"],), daemon=True).start()
            x.whole(dict(success=True))
        else:
            super().answer(x)


class Studio(Backend):
    """LM Studio; without `loads` some server that cannot."""

    def __init__(self, models, loads=True):
        super().__init__("openai", models)
        self.state, self.loads = dict.fromkeys(models, "not-loaded"), loads

    def answer(self, x):
        if x.path == "/v1/models":
            x.whole(dict(object="list", data=[dict(id=m, object="model", state=s) for m, s in self.state.items()]))
        elif x.path == "/api/v1/models/load" and self.loads:
            self.state[x.json["model"]] = "loaded"
            x.whole(dict(type="llm", instance_id="x", load_time_seconds=0.1, status="loaded"))
        elif x.method == "POST" and "/load" in x.path:
            x.whole(dict(error="not found"), 404)
        else:
            super().answer(x)


class Fleet:
    """A gateway; agents come with their backends."""

    def __init__(self, name, users, conf="", **options):
        self.gateway = env.Gateway(name, conf=conf + CONF + logins.basic(users, dgon_status="/scheduler", dgon_admin="/dgon/admin"), **options).start()
        self.agents, self.backends = {}, {}

    @property
    def url(self):
        return self.gateway.url

    def add(self, id, backend, more="", slots=4, offers=None, **options):
        backend.start()
        self.backends[id] = backend
        agent = self.agents[id] = env.Agent(self.gateway, backend.url(), id=id, kind="auto", slots=slots, more=more, **options)
        agent.start()
        env.wait_for(lambda: self.has(id, offers or backend.models), what=f"{id}'s models")
        return backend

    def agent(self, id):
        return next((a for a in self.gateway.get("/cluster/status")["data"]["agents"] if a["id"] == id), None)

    def has(self, id, models):
        agent = self.agent(id)
        return agent and agent["state"] == "up" and {m["id"] for m in agent["models"]} >= set(models)

    def remove(self, *ids):
        """Gone, and forgotten by the next test."""
        for id in ids or list(self.agents):
            self.agents.pop(id).stop()
            self.backends.pop(id).stop()
        env.wait_for(lambda: not any(a["state"] == "up" and a["id"] not in self.agents for a in self.gateway.get("/cluster/status")["data"]["agents"]), what="links closed")

    def stop(self):
        with contextlib.ExitStack() as stack:
            for s in [*self.backends.values(), self.gateway, *self.agents.values()]:
                stack.callback(s.stop)

    def post(self, model="cold", n=1, headers=None, **more):
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30, auth=logins.USER) as c:
            return c.post("/scheduler/init", json=dict(model_name=model, init_nodes_num=n, **more), headers=headers)

    @contextlib.contextmanager
    def live(self, model="cold", n=1):
        """Lines as they come: (seconds since the request, data)."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30, auth=logins.USER) as c:
            begin = time.monotonic()
            with c.stream("POST", "/scheduler/init", json=dict(model_name=model, init_nodes_num=n), headers=JSON_LINES) as r:
                assert r.status_code == 200 and r.headers["content-type"] == "application/x-ndjson", (r.status_code, r.read())
                yield ((time.monotonic() - begin, self.data(line)) for line in r.iter_lines())

    @staticmethod
    def data(line):
        told = json.loads(line)
        assert set(told) == {"type", "data"} and told["type"] == "scheduler_init"
        return told["data"]

    def load(self, model="cold", n=1):
        """(lines of each agent, the last line)"""
        with self.live(model, n) as lines:
            all = [d for _, d in lines]
        of = {}
        for d in all[:-1]:
            of.setdefault(d["agent"], []).append(d)
        assert all[-1]["done"] is True and all[-1]["model_name"] == model and all[-1]["wanted"] == n
        assert all[-1]["loaded"] == sum(d[-1]["state"] == "loaded" for d in of.values())
        return of, all[-1]

    def idle(self):
        env.wait_for(lambda: self.gateway.get("/cluster/status")["data"]["slots"]["busy"] == 0, what="free slots")


def states(lines):
    """Each state once, in the order in which they came."""
    return list(dict.fromkeys(d["state"] for d in lines))


@pytest.fixture(scope="module")
def users():
    with logins.users_file() as file:
        yield file


@pytest.fixture(scope="module", params=["event", "worker"])
def fleet(request, users):
    f = Fleet(f"test_load_models-{request.param}", users, mpm=request.param, threads=24)
    yield f
    f.stop()


@pytest.fixture(autouse=True)
def leave(request):
    yield
    if "fleet" in request.fixturenames:
        request.getfixturevalue("fleet").remove()


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
    fleet.add("a", Ollama(["cold"], load_s=8))
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
    f = Fleet("test_load_models-graceful", users)
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
    f = Fleet("test_load_models-many", users, children=1)
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
    assert [line.split() for line in out.splitlines()[:3]] == [["a", "waiting"], ["a", "loading"], ["a", "loaded"]]
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
    f = Fleet("test_load_models-socket", users, EVERYTHING, children=1)
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
    f = Fleet("test_load_models-socket-graceful", users)
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
    f = Fleet(f"test_load_models-socket-stop-{mpm}", users, mpm=mpm)
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


def test_a_child_of_the_gateway_dies(users):
    """The one that waits, and the one with the link: nothing goes on behind anybody's back, no slot stays busy."""
    f = Fleet("test_load_models-kill", users)
    f.gateway.expect("exit signal")
    try:
        b = f.add("a", Ollama(["cold"], load_s=20), slots=1)
        for k in range(1, 4):
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
