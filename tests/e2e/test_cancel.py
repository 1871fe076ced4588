"""A client that goes away stops its work at the backend, in each phase, and its slot is free again."""

import asyncio
import statistics
import time

import pytest

import client
import env


@pytest.fixture(scope="module", params=["event", "worker"])
def fleet(make_stack, request):
    return make_stack(slots=4, mpm=request.param)


async def leave(url, label, when, stream=True, **plan):
    """Asks, waits for when(answer connection), goes away; returns the moment of going."""
    c = await client.Connection(url).open()
    c.send("POST", "/v1/chat/completions", client.question(stream=stream, label=label, **plan))
    await when(c)
    gone = time.monotonic()
    c.close()
    return gone


def at_backend(fleet, label):
    async def when(_):
        await asyncio.to_thread(fleet.backend.wait_request, label)
    return when


async def after_tokens(c):
    await c.receive(limit=4)


def check_abort(fleet, label, gone, bound=0.25):
    r = fleet.backend.wait_request(label, lambda r: r["aborted"] or r["end"])
    assert r["aborted"], "the backend was let run to its end"
    assert r["aborted"] - gone < bound, f"{r['aborted'] - gone:.3f} s"
    return r["aborted"] - gone


@pytest.mark.parametrize("stream", [True, False])
def test_before_the_first_token(fleet, stream):
    label = f"first-{stream}"
    gone = asyncio.run(leave(fleet.url, label, at_backend(fleet, label), stream, head=30))
    check_abort(fleet, label, gone)


def test_silent_backend_after_its_head(fleet):
    gone = asyncio.run(leave(fleet.url, "mute", at_backend(fleet, "mute"), first=30))
    check_abort(fleet, "mute", gone)


def test_in_mid_stream(fleet):
    gone = asyncio.run(leave(fleet.url, "mid", after_tokens, tokens=1000, gap=0.02))
    check_abort(fleet, "mid", gone)


def test_in_mid_stream_of_a_silent_backend(fleet):
    gone = asyncio.run(leave(fleet.url, "quiet", after_tokens, tokens=1000, at=5, do="silent"))
    check_abort(fleet, "quiet", gone)


def test_half_closed_client(fleet):
    """A client that has only ended its sending gets its whole answer."""
    async def run():
        async with client.Connection(fleet.url) as c:
            c.send("POST", "/v1/chat/completions", client.question(tokens=30, gap=0.02, label="half"))
            await at_backend(fleet, "half")(c)
            await c.finish_sending()
            return await c.receive()

    asyncio.run(run()).check_done(30)


def test_queued_job_never_reaches_the_backend(fleet):
    async def run():
        busy = [asyncio.ensure_future(client.ask(fleet.url, tokens=1, first=1.5, label="busy")) for _ in range(4)]
        while len(await asyncio.to_thread(fleet.backend.requests, "busy")) < 4:
            await asyncio.sleep(0.02)

        async def waiting(_):
            await asyncio.sleep(0.2)
        await leave(fleet.url, "never", waiting, tokens=3)
        last = asyncio.ensure_future(client.ask(fleet.url, tokens=2, label="last"))
        for a in await asyncio.gather(*busy):
            a.check_done(1)
        (await last).check_done(2)

    asyncio.run(run())
    assert fleet.backend.requests("never") == []


def test_latency_and_no_stuck_slot(fleet):
    """Many cancels in a row on four slots, in every phase: a stuck slot would stop it."""
    phases = {"head": dict(head=30), "mute": dict(first=30), "mid": dict(tokens=1000, gap=0.01),
              "quiet": dict(tokens=1000, at=5, do="silent"), "whole": dict(head=30, stream=False)}

    def leave_often(turn):
        took = {phase: [] for phase in phases}
        for i in range(30):
            for phase, plan in phases.items():
                label = f"many-{turn}-{phase}-{i}"
                when = after_tokens if phase in ("mid", "quiet") else at_backend(fleet, label)
                took[phase].append(check_abort(fleet, label, asyncio.run(leave(fleet.url, label, when, **plan))))
        return took, sorted(x for t in took.values() for x in t)[148]

    # the machine may hold up two of 150 by itself, but not each time
    took, p99 = leave_often(0)
    slower = 10 if env.SANITIZED else 1
    for turn in (1, 2):
        if p99 > 0.05 * slower:
            took, p99 = min((took, p99), leave_often(turn), key=lambda r: r[1])
    print("client's close to the backend's, median ms:", {p: round(statistics.median(t) * 1000, 2) for p, t in took.items()}, f"p99 of all: {p99 * 1000:.1f} ms")
    for phase, t in took.items():
        assert statistics.median(t) <= 0.005 * slower, (phase, t)
    assert p99 <= 0.05 * slower, took
    env.check_slots_free(fleet.gateway, 4)


def test_a_crowd_that_leaves_at_once(fleet):
    fleet.gateway.expect("AH00286")  # worker has fewer threads than there are clients

    async def crowd():
        await asyncio.gather(*(leave(fleet.url, "crowd", lambda c: asyncio.sleep(0.2 + i * 0.002), tokens=1000, gap=0.02) for i in range(60)))

    asyncio.run(crowd())
    env.wait_for(lambda: all(r["aborted"] or r["end"] for r in fleet.backend.requests("crowd")), 5, "end of all at the backend")
    env.check_slots_free(fleet.gateway, 4)


def test_slow_reader_stops_its_own_stream_only(fleet):
    """A client that does not read pauses its backend by credit; others go on; when it leaves, its slot is free."""
    async def run():
        c = await client.Connection(fleet.url).open()
        c.writer.transport.pause_reading()
        c.send("POST", "/v1/chat/completions", client.question(label="lazy", tokens=100_000, pad=2000))
        await asyncio.sleep(1.0)
        before = time.monotonic()
        (await client.ask(fleet.url, tokens=50, gap=0.005)).check_done(50)
        assert time.monotonic() - before < 1.5
        sent = (await asyncio.to_thread(fleet.backend.requests, "lazy"))[0]["sent"]
        await asyncio.sleep(0.5)
        assert (await asyncio.to_thread(fleet.backend.requests, "lazy"))[0]["sent"] <= sent + 100, "the backend was not stopped"
        gone = time.monotonic()
        c.close()
        return gone

    check_abort(fleet, "lazy", asyncio.run(run()), 1.0)
    env.check_slots_free(fleet.gateway, 4)
