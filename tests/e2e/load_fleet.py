"""A gateway whose agents load models, and model servers that do so in their own ways."""

import contextlib
import json
import threading
import time

import httpx
import pytest

import env
import logins
from agent_backend_double import Backend

CONF = """DgonQueueTimeout 2s
DgonDrainTimeout 2s
DgonTokenGapTimeout 3s
DgonAlias public cold
"""
JSON_LINES = {"Accept": "application/x-ndjson"}


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
                    return self.gone(x)
            except TimeoutError:
                pass
            except OSError:
                return self.gone(x)
            finally:
                x.sock.settimeout(None)
        return True

    def gone(self, x):
        self.ended.append(x.path)
        x.keep = False
        return False

    def answer(self, x):
        if x.path == "/api/ps":
            x.whole(dict(models=[dict(name=m, model=m) for m in sorted(self.loaded)]))
        elif x.path in ("/api/pull", "/api/generate", "/api/embed"):
            try:
                (self.pull if x.path == "/api/pull" else self.load)(x)
            except OSError:  # gone before it was answered at all
                self.gone(x)
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


@pytest.fixture(scope="module")
def fleet(request, users):
    """With mpm_event only: who loads holds a thread whatever the MPM (test_other_mpms)."""
    f = Fleet(request.module.__name__, users, threads=24)
    yield f
    f.stop()


@pytest.fixture(autouse=True)
def leave(request):
    yield
    if "fleet" in request.fixturenames:
        request.getfixturevalue("fleet").remove()
