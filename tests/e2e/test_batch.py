"""A list to embed, split over idle agents: every backend notes which inputs it got."""

import asyncio
import base64
import json
import os
import re
import signal
import struct

import httpx
import pytest

import client
import env
import fault_backend
import real_servers

PART = 8  # DgonEmbedPart of these tests
TEXTS = [f"text number {i}, with a comma, a ] and \"quotes\"" for i in range(50)]


def wait_for_agents(gateway, model, n):
    env.wait_for(lambda: [m for m in gateway.get("/v1/models")["data"] if m["id"] == model and m["dgon"]["agents"] == n], 10, f"{n} agents")


class Fleet:
    """A gateway and some agents, each with a backend of its own."""

    def __init__(self, make_stack, agents=2, ollama=False, slots=2, **options):
        options["conf"] = f"DgonEmbedPart {PART}\n" + options.get("conf", "")
        self.stack = make_stack(ollama=ollama, slots=slots, **options)
        self.gateway, self.url, self.agents = self.stack.gateway, self.stack.url, self.stack.agents
        self.backends = [self.stack.backend]
        for _ in range(agents - 1):
            self.backends.append(env.Backend(ollama=ollama).start())
            self.stack.add_agent(self.backends[-1], kind=self.stack.backend.kind, slots=slots)
        wait_for_agents(self.gateway, "fault", agents)

    def wait_for_links(self):
        """Each agent has a link to each of httpd's processes: then all that are idle are equal, also when one has done its part at once."""

        def has_all(agent):
            seen = re.findall(r"child (\d+) of (\d+)", agent.log.read_text())
            return seen and len({child for child, _ in seen}) == int(seen[-1][1])

        env.wait_for(lambda: all(has_all(a) for a in self.agents), 90, "links to all processes")  # after some tries in vain the next one is 30 s later

    def forget(self):
        for b in self.backends:
            b.set(forget=True)

    def got(self):
        """The inputs of each request, backend by backend."""
        return [[r["body"]["input"] for r in b.requests()] for b in self.backends]

    def records(self):
        return [r for b in self.backends for r in b.requests()]

    def stop(self):
        for b in self.backends[1:]:
            b.stop()


@pytest.fixture(scope="module")
def make_fleet(make_stack):
    fleets = []

    def make(*args, **options):
        fleets.append(Fleet(make_stack, *args, **options))
        return fleets[-1]

    yield make
    for f in fleets:
        f.stop()


@pytest.fixture(scope="module", params=["openai", "ollama"])
def fleet(make_fleet, request):
    f = make_fleet(agents=3, ollama=request.param == "ollama")
    f.wait_for_links()
    return f


@pytest.fixture
def clean(fleet):
    fleet.forget()
    return fleet


def body(input, **more):
    return json.dumps({"model": "fault", "input": input, **more}).encode()


def embed(fleet, input, path="/v1/embeddings", **more):
    return asyncio.run(client.ask(fleet.url, path=path, body=body(input, **more)))


def check_answer(a, inputs, as_base64=False):
    assert a.status == 200, a.body[:300]
    assert "content-length" in a.headers and a.headers["content-type"].startswith("application/json")
    answer = a.json
    assert list(answer) == ["object", "data", "model", "usage"] and answer["object"] == "list" and answer["model"] == "fault"
    assert [d["index"] for d in answer["data"]] == list(range(len(inputs)))
    for text, d in zip(inputs, answer["data"], strict=True):
        v = d["embedding"]
        assert isinstance(v, str) == as_base64 and set(d) == {"object", "index", "embedding"}
        assert (list(struct.unpack("<8f", base64.b64decode(v))) if as_base64 else v) == fault_backend.vector_of(text)
    tokens = sum(len(t) for t in inputs)
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


@pytest.mark.parametrize("format", [None, "float", "base64"])
@pytest.mark.parametrize("form", ["", "float", "base64"])
def test_order(clean, format, form):
    if clean.backends[0].kind == "ollama":
        form = ""  # numbers alone
    texts = [json.dumps({"form": form, "i": i}) for i in range(50)] if form else TEXTS
    more = {"encoding_format": format} if format else {}
    a = embed(clean, texts, **more)
    check_answer(a, texts, format == "base64")
    parts = sorted((p for got in clean.got() for p in got), key=lambda p: texts.index(p[0]))
    assert [len(p) for p in parts] == [17, 17, 16] and sum(parts, []) == texts
    assert [len(got) for got in clean.got()] == [1, 1, 1], "each idle agent has one part"


def test_as_if_it_were_not_split(clean):
    """Byte by byte: the same in one part (fewer inputs than two parts need) and in three."""
    whole = embed(clean, TEXTS[: 2 * PART - 1])
    assert sum(len(g) for g in clean.got()) == 1
    split = embed(clean, TEXTS[: 3 * PART])
    assert sum(len(g) for g in clean.got()) == 4
    cut = whole.body.index(b'],"model"')
    assert split.body.startswith(whole.body[:cut] + b",") and split.headers.keys() == whole.headers.keys()


@pytest.mark.parametrize("n, parts", [(1, 1), (2 * PART - 1, 1), (2 * PART, 2), (3 * PART - 1, 2), (3 * PART, 3), (500, 3)])
def test_number_of_parts(clean, n, parts):
    texts = [f"t{i}" for i in range(n)]
    check_answer(embed(clean, texts), texts)
    assert sum(len(g) for g in clean.got()) == parts


def test_lists_of_tokens(clean):
    lists = [[i, i + 1, 7] for i in range(40)]
    a = embed(clean, lists)
    if clean.backends[0].kind == "ollama":
        assert client.check_error(a, 400)["param"] == "input"
        return
    check_answer(a, lists)
    assert [len(got) for got in clean.got()] == [1, 1, 1]
    clean.forget()
    tokens = list(range(100))  # one input
    a = embed(clean, tokens)
    assert a.status == 200 and len(a.json["data"]) == 1 and sum(len(g) for g in clean.got()) == 1


def test_the_rest_of_the_body_stays(clean):
    raw = b'{"user":"\\u00e9\\u00e9", "input" :[' + b" , ".join(json.dumps(t).encode() for t in TEXTS) + b'],\n"model":"fault","dimensions":8}'
    a = asyncio.run(client.ask(clean.url, path="/v1/embeddings", body=raw))
    check_answer(a, TEXTS)
    if clean.backends[0].kind == "openai":
        assert all(r["body"]["user"] == "\u00e9\u00e9" and r["body"]["dimensions"] == 8 for r in clean.records())


def test_ollamas_own_api(clean):
    a = embed(clean, TEXTS, path="/api/embed", options={"seed": 1})
    assert a.status == 200, a.body
    answer = a.json
    assert answer["embeddings"] == [fault_backend.vector_of(t) for t in TEXTS]
    assert answer["prompt_eval_count"] == sum(len(t) for t in TEXTS) and answer["model"] == "fault" and answer["total_duration"] > 0
    assert [len(got) for got in clean.got()] == [1, 1, 1]


def test_only_idle_agents_count(clean):
    """Two of three agents have all their slots busy: one part."""

    async def run():
        plans = [json.dumps({"label": f"busy {i}", "first": 1.5}) for i in range(4)]
        busy = [asyncio.create_task(client.ask(clean.url, path="/v1/embeddings", body=body(p))) for p in plans]
        await asyncio.to_thread(lambda: env.wait_for(lambda: len(clean.records()) == 4, 5, "busy slots"))
        free = [2 - len(got) for got in clean.got()]
        a = await client.ask(clean.url, path="/v1/embeddings", body=body(TEXTS))
        seen = [len(got) for got in clean.got()]
        await asyncio.gather(*busy)
        return a, free, seen

    a, free, seen = asyncio.run(run())
    check_answer(a, TEXTS)
    idle = sum(f > 0 for f in free)
    assert sum(seen) == 4 + idle, (free, seen)


def with_plan(at, **plan):
    """TEXTS, of which one tells its backend what to do."""
    texts = list(TEXTS)
    texts[at] = json.dumps(plan)
    return texts


@pytest.mark.parametrize("at", [3, 20, 45])
def test_error_of_one_part(clean, at):
    a = embed(clean, with_plan(at, status=400, answer='{"error": {"message": "input too long", "code": "context_length_exceeded", "param": "input"}}'))
    e = client.check_error(a, 400)
    assert "too long" in e["message"]
    check_answer(embed(clean, TEXTS), TEXTS)


def test_error_of_one_part_stops_the_others(clean):
    texts = with_plan(20, status=400, answer='{"error": "no"}', head=0.3)
    for at in (3, 45):
        texts[at] = json.dumps({"first": 30, "label": "slow"})
    a = embed(clean, texts)
    client.check_error(a, 400)
    assert a.ended - a.started < 5
    env.wait_for(lambda: len([r for r in clean.records() if r["label"] == "slow" and r["aborted"]]) == 2, 5, "two cancelled parts")
    check_answer(embed(clean, TEXTS), TEXTS)


@pytest.mark.parametrize("vectors", [-1, 1])
def test_answer_that_does_not_fit(clean, vectors):
    """A backend gives another number of vectors than it got inputs: no client may get them in the wrong order."""
    client.check_error(embed(clean, with_plan(20, vectors=vectors)), 502, "upstream_error")
    check_answer(embed(clean, TEXTS), TEXTS)


def test_part_that_fails_goes_to_another_agent(clean):
    texts = with_plan(20, do="rst", label="dies", nth=0)
    client.check_error(embed(clean, texts), 502)  # on every agent
    assert len([r for r in clean.records() if r["label"] == "dies"]) >= 3
    clean.forget()
    clean.backends[0].set(force={"status": 503, "answer": "{}"})
    try:
        check_answer(embed(clean, TEXTS), TEXTS)
    finally:
        clean.backends[0].set(force=None)


def test_client_gone(clean):
    texts = list(TEXTS)
    for at in (3, 20, 45):
        texts[at] = json.dumps({"first": 30, "label": "gone"})

    async def run():
        async with client.Connection(clean.url) as c:
            c.send("POST", "/v1/embeddings", body(texts))
            await asyncio.to_thread(lambda: env.wait_for(lambda: len(clean.records()) == 3, 5, "three parts"))

    asyncio.run(run())
    env.wait_for(lambda: all(r["aborted"] for r in clean.records()), 5, "end of all parts")
    check_answer(embed(clean, TEXTS), TEXTS)


def test_kept_connection(clean):
    """Short and long ones in turn: a long one is never the business of the engine's own thread."""

    async def run():
        async with client.Connection(clean.url) as c:
            for n in (1, 30, 1, 30, 30, 2, 2, 2, 40):
                texts = [f"t{i}" for i in range(n)]
                c.send("POST", "/v1/embeddings", body(texts))
                check_answer(await c.receive(), texts)

    asyncio.run(run())


def test_many_at_once(clean):
    async def run():
        return await asyncio.gather(*(client.ask(clean.url, path="/v1/embeddings", body=body(TEXTS[i:])) for i in range(20)))

    for i, a in enumerate(asyncio.run(run())):
        check_answer(a, TEXTS[i:])


def test_long_answer(clean):
    """Longer than what the gateway holds of other answers, and of both rings."""
    texts = [f"{i} " + "x" * 100 for i in range(6000)]
    check_answer(embed(clean, texts), texts)


def test_agent_killed_in_the_middle(make_fleet):
    f = make_fleet(agents=3)
    texts = list(TEXTS)
    for at in (3, 20, 45):
        texts[at] = json.dumps({"first": 2})

    async def run():
        task = asyncio.create_task(client.ask(f.url, path="/v1/embeddings", body=body(texts)))
        await asyncio.to_thread(lambda: env.wait_for(lambda: len(f.records()) == 3, 5, "three parts"))
        f.agents[1].kill()
        return await task

    check_answer(asyncio.run(run()), texts)
    assert len(f.records()) == 4


def test_last_agent_killed(make_fleet):
    f = make_fleet(agents=2, conf="DgonAgentWait 1s\n")
    texts = with_plan(3, first=30)
    texts[45] = texts[3]

    async def run():
        task = asyncio.create_task(client.ask(f.url, path="/v1/embeddings", body=body(texts)))
        await asyncio.to_thread(lambda: env.wait_for(lambda: len(f.records()) == 2, 5, "two parts"))
        for a in f.agents:
            a.kill()
        return await task

    client.check_error(asyncio.run(run()), 503, "no_capacity")


def test_no_queue(make_fleet):
    """No place to wait: a request in parts is refused no more often than a whole one, also when several come at once."""
    f = make_fleet(agents=2, slots=1, conf="DgonQueueMax 0\n")

    async def run():
        return await asyncio.gather(*(client.ask(f.url, path="/v1/embeddings", body=body(with_plan(0, first=0.1))) for _ in range(4)))

    for _ in range(20):
        answers = asyncio.run(run())
        assert any(a.status == 200 for a in answers)
        for a in answers:
            if a.status != 200:
                client.check_error(a, 503, "server_is_overloaded")


def test_never(make_fleet):
    f = make_fleet(agents=2, conf="DgonEmbedPart 0\n")
    check_answer(embed(f, TEXTS), TEXTS)
    assert len(f.records()) == 1


def test_alias(make_fleet):
    """Vectors of two models do not fit together: an alias that may mean either is never split."""
    f = make_fleet(agents=2, conf="DgonAlias one fault\nDgonAlias several fault,other\nDgonAlias steps fault other\n")
    for name, parts in (("one", 2), ("several", 1), ("steps", 1)):
        f.forget()
        for path in ("/v1/embeddings", "/api/embed"):
            a = asyncio.run(client.ask(f.url, path=path, body=json.dumps({"model": name, "input": TEXTS}).encode()))
            assert a.status == 200 and a.json["model"] == name, a.body[:200]
            assert len(a.json.get("data", a.json.get("embeddings"))) == len(TEXTS)
        assert len(f.records()) == 2 * parts, name


def test_deadline(make_fleet):
    f = make_fleet(agents=2, conf="DgonFirstTokenTimeout 1s\nDgonAttempts 1\n")
    client.check_error(embed(f, with_plan(45, first=20, label="late")), 504, "timeout")
    env.wait_for(lambda: all(r["aborted"] for r in f.records() if r["label"] == "late"), 5, "end of the part")


@pytest.mark.parametrize("mpm, h2", [("event", True), ("worker", False), ("prefork", False)])
def test_other_ways(make_fleet, mpm, h2):
    f = make_fleet(agents=2, mpm=mpm, http2=h2, threads=24)

    async def run():
        async with httpx.AsyncClient(http2=h2, http1=not h2, base_url=f.url, timeout=20, trust_env=False) as c:
            headers = {"content-type": "application/json"}
            for r in await asyncio.gather(*(c.post("/v1/embeddings", content=body(TEXTS), headers=headers) for _ in range(4))):
                assert r.status_code == 200 and r.http_version == ("HTTP/2" if h2 else "HTTP/1.1")
                assert [d["embedding"] for d in r.json()["data"]] == [fault_backend.vector_of(t) for t in TEXTS]
            r = await c.post("/v1/embeddings", content=body(with_plan(45, status=400, answer='{"error": "no"}')), headers=headers)
            assert r.status_code == 400 and r.json()["error"]["message"]
            f.forget()
            with pytest.raises(httpx.TimeoutException):
                slow = list(with_plan(3, first=30))
                slow[45] = slow[3]
                await c.post("/v1/embeddings", content=body(slow), headers=headers, timeout=1)

    asyncio.run(run())
    env.wait_for(lambda: f.records() and all(r["aborted"] for r in f.records()), 5, "cancelled parts")


async def restarted(f, texts):
    """The answer of a request in two parts at the backends when the gateway restarts."""
    task = asyncio.create_task(client.ask(f.url, path="/v1/embeddings", body=body(texts)))
    await asyncio.to_thread(lambda: env.wait_for(lambda: len(f.records()) == 2, 5, "two parts"))
    f.gateway.graceful()
    return await task


@pytest.mark.parametrize("mpm", ["event", "worker"])
def test_graceful_restart(make_fleet, mpm):
    f = make_fleet(agents=2, mpm=mpm, threads=24)
    texts = with_plan(3, first=1.5)

    check_answer(asyncio.run(restarted(f, texts)), texts)
    f.gateway.check_log()


def test_restart_that_does_not_wait(make_fleet):
    """The drain timeout ends it with an error in the API's form."""
    f = make_fleet(agents=2, conf="DgonDrainTimeout 1s\n")
    texts = with_plan(3, first=30)

    a = asyncio.run(restarted(f, texts))
    client.check_error(a, 503, "server_restarting")
    assert a.ended - a.started < 8


def test_child_killed(make_fleet):
    """The child that holds the client dies: the parts end at their backends."""
    f = make_fleet(agents=2)
    f.gateway.expect("exit signal")
    texts = with_plan(3, first=30)
    texts[45] = texts[3]

    async def run():
        task = asyncio.create_task(client.ask(f.url, path="/v1/embeddings", body=body(texts)))
        await asyncio.to_thread(lambda: env.wait_for(lambda: len(f.records()) == 2, 5, "two parts"))
        for pid in f.gateway.worker_pids():
            os.kill(pid, signal.SIGKILL)
        return await task

    assert asyncio.run(run()).outcome == "broken"
    env.wait_for(lambda: all(r["aborted"] for r in f.records()), 10, "end of both parts")


def test_real_servers(make_stack, tmp_path):
    """Two llama-servers: to the last bit what one of them says by itself."""
    stack = make_stack(conf="DgonEmbedPart 4\n")
    servers = []
    try:
        for i in range(2):
            servers.append(real_servers.start_llama("tiny-embed", tmp_path / f"{i}.log", "--embeddings"))
            stack.add_agent(servers[-1], model="tiny-embed", kind="auto", slots=4, level="debug")
        wait_for_agents(stack.gateway, "tiny-embed", 2)
        texts = ["Hello", "green door seven wolf", "x", "Count from 1 to 20."] * 6
        for format in ("float", "base64"):
            ask = json.dumps({"model": "tiny-embed", "input": texts, "encoding_format": format}).encode()
            direct, ours = (asyncio.run(client.ask(url, path="/v1/embeddings", body=ask)) for url in (servers[0].url, stack.url))
            assert ours.status == direct.status == 200, (ours.body, direct.body)
            got = [d["embedding"] for d in ours.json["data"]]
            want = [d["embedding"] for d in direct.json["data"]]
            assert got == want and len(got) == 24
            assert ours.json["usage"]["prompt_tokens"] == direct.json["usage"]["prompt_tokens"]
        asked = [len([line for line in a.log.read_text().splitlines() if " done: " in line]) for a in stack.agents[1:]]
        assert asked == [2, 2], asked
    finally:
        for a in stack.agents[1:]:
            a.stop()
        for s in servers:
            s.stop()
