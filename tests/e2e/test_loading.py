"""The comment "loading": an agent has the request, and has to load the model first."""

import asyncio
import time

import pytest

import client
import env
from agent_backend_double import Backend, ollama_stream


class Ollama(Backend):
    """Answers after `pause`; knows which models are loaded."""

    def __init__(self, models, loaded=(), pause=1.2):
        super().__init__("ollama", models, script=self.slowly)
        self.loaded, self.pause = loaded, pause

    def slowly(self, x):
        time.sleep(self.pause)
        ollama_stream()(x)

    def answer(self, x):
        if x.path == "/api/ps":
            x.whole(dict(models=[dict(name=m, model=m) for m in self.loaded]))
        else:
            super().answer(x)


@pytest.fixture(scope="module", params=["event", "worker"])
def fleet(request):
    gateway = env.Gateway(f"test_loading-{request.param}", mpm=request.param,
                          conf="DgonHeaderHold 500ms\nDgonPingInterval 400ms\nDgonAlias public cold\n").start()
    backend = Ollama(["cold", "warm"], loaded=["warm"]).start()
    agent = env.Agent(gateway, backend.url(), id="a", kind="auto", slots=1)
    agent.start()
    env.wait_for(lambda: {"cold", "warm"} <= {m["id"] for m in gateway.get("/v1/models")["data"]}, what="models")
    gateway.backend = backend
    yield gateway
    agent.stop()
    gateway.stop()
    backend.stop()


def ask(fleet, model):
    return client.ask(fleet.url, body=client.question(model=model, content="hello"))


def told(a):
    assert a.outcome == "done" and a.text == "Hello world", (a.outcome, a.error)
    return [text for _, text in a.comments]


@pytest.mark.parametrize("model", ["cold", "public"])
def test_told_once_and_first(fleet, model):
    comments = told(asyncio.run(ask(fleet, model)))
    assert comments[0] == "loading" and comments.count("loading") == 1 and "ping" in comments, comments


def test_a_loaded_model_is_not_loading(fleet):
    comments = told(asyncio.run(ask(fleet, "warm")))
    assert "loading" not in comments and "ping" in comments, comments


def test_a_quick_answer_has_no_comments(fleet):
    fleet.backend.pause = 0
    try:
        assert told(asyncio.run(ask(fleet, "cold"))) == []
    finally:
        fleet.backend.pause = 1.2


def test_after_the_queue(fleet):
    """Its place first, and at once when a slot is found that the model is loaded now."""
    async def run():
        first = asyncio.ensure_future(ask(fleet, "warm"))
        await asyncio.sleep(0.3)
        second = await ask(fleet, "cold")
        await first
        return second

    a = asyncio.run(run())
    comments = told(a)
    assert comments[0] == "queued 1" and comments.count("loading") == 1, comments
    at = next(t for t, text in a.comments if text == "loading")
    assert a.events[0][0] - at > 0.8, "told late"
