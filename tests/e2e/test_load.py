"""2,000 streams on 64 worker threads: none lost, doubled or out of order, and others are served meanwhile."""

import asyncio
import os
import pathlib
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


def test_agent_sleeps_between_timers(make_stack):
    """Each request has timers at the agent; waiting for hundreds of them must not be polling."""
    s = make_stack(slots=700, children=2, threads=32)
    pid = s.agent.process.pid

    def used():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def one(i):
        await asyncio.sleep(i / 300)
        return await client.ask(s.url, tokens=4, gap=1.5)

    async def run():
        return await asyncio.gather(*(one(i) for i in range(600)))

    before = used()
    for a in asyncio.run(run()):
        a.check_done(4)
    print(f"processor time of the agent: {used() - before:.2f} s")
    assert used() - before < (0.6 if not env.SANITIZED else 5)
