"""All slots busy: first come first served over all children, then 503 or 429 with Retry-After."""

import asyncio
import time

import pytest

import client
import env


@pytest.fixture(scope="module")
def fleet(make_stack):
    return make_stack(slots=1, children=3, conf="DgonQueueMax 10\nDgonQueueTimeout 2\nDgonPingInterval 1\nDgonHeaderHold 500ms\n")


async def occupy(fleet, seconds):
    """The only slot is busy for so long."""
    before = len(fleet.backend.requests("busy"))
    task = asyncio.ensure_future(client.ask(fleet.url, tokens=1, first=seconds, label="busy"))
    while len(await asyncio.to_thread(fleet.backend.requests, "busy")) == before:
        await asyncio.sleep(0.01)
    return [task]


def test_first_come_first_served(fleet):
    async def run():
        fleet.backend.set(forget=True)
        busy = await occupy(fleet, 0.8)
        waiting = []
        for i in range(8):
            waiting.append(asyncio.ensure_future(client.ask(fleet.url, tokens=2, label=f"q{i}")))
            await asyncio.sleep(0.04)
        for a in await asyncio.gather(*busy, *waiting):
            assert a.outcome == "done", (a.status, a.error)

    asyncio.run(run())
    order = [r["label"] for r in fleet.backend.requests() if r["label"].startswith("q")]
    assert order == [f"q{i}" for i in range(8)]


def test_users_take_turns(fleet):
    """Nine of one address, then one of another: that one is served first or second."""

    async def run():
        fleet.backend.set(forget=True)
        busy = await occupy(fleet, 0.8)
        waiting = [asyncio.ensure_future(client.ask(fleet.url, tokens=1, label=f"q{i}")) for i in range(9)]
        await asyncio.sleep(0.2)
        waiting.append(asyncio.ensure_future(client.ask(fleet.url, tokens=1, label="other", source="127.0.0.2")))
        for a in await asyncio.gather(*busy, *waiting):
            a.check_done(1)

    asyncio.run(run())
    order = [r["label"] for r in fleet.backend.requests() if r["label"] != "busy"]
    assert order.index("other") <= 1, order


def test_full_queue_is_refused_at_once(fleet):
    async def run():
        busy = await occupy(fleet, 1.0)
        waiting = [asyncio.ensure_future(client.ask(fleet.url, tokens=1)) for _ in range(10)]
        await asyncio.sleep(0.3)
        refused = await client.ask(fleet.url, tokens=1)
        e = client.check_error(refused, refused.status)
        assert refused.status in (503, 429) and e["code"]
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert refused.ended - refused.started < 0.1
        for a in await asyncio.gather(*busy, *waiting):
            a.check_done(1)

    asyncio.run(run())


def test_queue_timeout(fleet):
    async def run():
        busy = await occupy(fleet, 3.5)
        late, plain = await asyncio.gather(client.ask(fleet.url, tokens=1), client.ask(fleet.url, tokens=1, stream=False))
        # A stream has its head after 0.5 s, so the end of its patience is an error event; the other has its status left.
        assert late.outcome == "error" or late.status in (503, 504), (late.outcome, late.status)
        assert 1.8 < late.ended - late.started < 3.2
        client.check_error(plain, plain.status)
        assert plain.status in (503, 504)
        (await busy[0]).check_done(1)

    asyncio.run(run())


def test_place_in_the_queue_is_told(fleet):
    async def run():
        busy = await occupy(fleet, 1.8)
        first = asyncio.ensure_future(client.ask(fleet.url, tokens=1))
        await asyncio.sleep(0.1)
        second = asyncio.ensure_future(client.ask(fleet.url, tokens=1))
        a, b = await first, await second
        a.check_done(1)
        b.check_done(1)
        assert any(t.startswith("queued 1") for _, t in a.comments), a.comments
        assert any(t.startswith("queued 2") for _, t in b.comments), b.comments
        (await busy[0]).check_done(1)

    asyncio.run(run())


def test_pings_while_silent(fleet):
    a = asyncio.run(client.ask(fleet.url, tokens=2, first=2.5))
    a.check_done(2)
    assert sum(t == "ping" for _, t in a.comments) >= 1, a.comments
    assert a.head_at - a.started < 1.2, "the head was held longer than DgonHeaderHold"


def test_two_agents_share_the_load(make_stack):
    s = make_stack(slots=2)
    second = env.Backend().start()
    try:
        s.add_agent(backend=second, slots=2)
        env.wait_for(lambda: len(s.gateway.models()) >= 1, 5)

        async def run():
            return await asyncio.gather(*(client.ask(s.url, tokens=3, gap=0.2) for _ in range(4)))

        time.sleep(0.5)
        begin = time.monotonic()
        for a in asyncio.run(run()):
            a.check_done(3)
        assert time.monotonic() - begin < 1.5, "four jobs did not fit into two times two slots"
        assert len(s.backend.requests()) == 2 and len(second.requests()) == 2
        # The slots of the first are busy: the next two go to the other one.
        async def uneven():
            return await asyncio.gather(*(client.ask(s.url, tokens=2, first=0.5) for _ in range(4)))
        for a in asyncio.run(uneven()):
            a.check_done(2)
        assert len(s.backend.requests()) == 4 and len(second.requests()) == 4
    finally:
        s.agents[-1].stop()
        second.stop()
        s.agents.pop()


def test_no_agent_left_is_told(make_stack):
    s = make_stack(slots=2, conf="DgonAgentWait 1\n")
    asyncio.run(client.ask(s.url, tokens=1)).check_done(1)
    s.agent.stop()
    a = asyncio.run(client.ask(s.url, tokens=1))
    client.check_error(a, a.status)
    assert a.status in (503, 404)
    assert a.ended - a.started < 3
