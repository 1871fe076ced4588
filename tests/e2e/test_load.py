"""2,000 streams on 64 worker threads: none lost, doubled or out of order, and others are served meanwhile."""

import asyncio
import os
import pathlib
import re
import statistics
import time

import pytest

import client
import env

STREAMS = 2000


@pytest.mark.timeout(240)
def test_two_thousand_streams(make_stack):
    s = make_stack(slots=STREAMS + 10, children=2, threads=32)
    s.gateway.expect("AH00484")  # for a moment all workers read requests

    async def run():
        files = []
        gate = asyncio.Semaphore(100)
        started = 0

        async def one():
            nonlocal started
            c = client.Connection(s.url)
            async with gate:
                await c.open()
                c.send("POST", "/v1/chat/completions", client.question(tokens=12, gap=1.5))
            async with c:
                def first(a):
                    nonlocal started
                    started += len(a.events) == 2
                return await c.receive(first)

        tasks = [asyncio.ensure_future(one()) for _ in range(STREAMS)]
        most = 0
        while not all(t.done() for t in tasks):
            running = started - sum(t.done() for t in tasks)
            most = max(most, running)
            if running > STREAMS * 0.95:
                begin = time.monotonic()
                a = await client.fetch(s.url, "/")
                assert a.status == 200
                files.append(time.monotonic() - begin)
            await asyncio.sleep(0.25)
        return await asyncio.gather(*tasks), most, files

    answers, most, files = asyncio.run(run())
    for a in answers:
        a.check_done(12)
    print(f"{most} at once, static file: median {statistics.median(files) * 1000:.1f}, slowest {max(files) * 1000:.1f} ms")
    assert most >= STREAMS * 0.99, f"only {most} at once"
    assert len(files) >= 5 and statistics.median(files) < 0.05, files
    s.gateway.check_log()


WAITING, WINDOW = 600, 2.5


def test_agent_sleeps_between_timers(make_stack):
    """Each request has timers at the agent; hundreds that wait must not make it poll. Nothing else happens meanwhile, so the limits are
    shares of the time and of the timers that come due, not what some machine needs for some work."""
    s = make_stack(slots=WAITING + 100, children=2, threads=32, more="connect_timeout = 2\n")
    pid = s.agent.process.pid

    def used():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        wakes = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(wakes)

    async def one(i):
        await asyncio.sleep(i / 300)  # so that the timers are due one by one
        async with client.Connection(s.url) as c:
            c.send("POST", "/v1/chat/completions", client.question(tokens=1, first=60))
            await c.receive()

    async def run():
        tasks = [asyncio.ensure_future(one(i)) for i in range(WAITING)]
        await asyncio.to_thread(env.wait_for, lambda: len(s.backend.requests()) == WAITING, 60, "all requests at the backend", 0.1)
        before, begin = used(), time.monotonic()
        await asyncio.sleep(WINDOW)
        after, end = used(), time.monotonic()
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return after[0] - before[0], after[1] - before[1], end - begin

    busy, wakes, seconds = asyncio.run(run())
    print(f"the agent in {seconds:.1f} s: {busy:.2f} s of processor time, woken {wakes} times")
    assert all(not r["end"] for r in s.backend.requests()), "some did not wait"
    assert busy < seconds / 12, "it polls"
    assert wakes < 3 * WAITING + 100 * seconds, "it is woken for nothing"
