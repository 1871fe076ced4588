"""Restarts lose nothing, kills leave nothing behind. Under 200 streams."""

import asyncio
import contextlib
import os
import random
import signal
import time

import pytest

import client
import env

STREAMS = 200
KILLS = 100
REST = 5  # seconds after which nothing is stuck any more
KEPT = 5  # seconds for which the model server keeps a connection without a request


class Crowd:
    """So many streams at once, a new one for each that ends, until stop()."""

    def __init__(self, url, n=STREAMS, models=("fault",), **plan):
        self.url, self.n, self.models, self.plan = url, n, models, plan
        self.answers = []
        self.stopping = False

    async def __aenter__(self):
        self.tasks = [asyncio.ensure_future(self._one(i)) for i in range(self.n)]
        await asyncio.sleep(1)
        return self

    async def _one(self, i):
        await asyncio.sleep(i * 0.003)
        k = 0
        while not self.stopping:
            begin = time.monotonic()
            label, model = f"s{i}.{k}", self.models[i % len(self.models)]
            a = await client.ask(self.url, model=model, label=label, **self.plan)
            a.label, a.model = label, model
            self.answers.append(a)
            k += 1
            if a.outcome != "done":  # as a client does that tries again
                await asyncio.sleep(max(0, 0.2 - (time.monotonic() - begin)))

    async def __aexit__(self, *_):
        self.stopping = True
        await asyncio.wait_for(asyncio.gather(*self.tasks), 60)
        self.ended = time.monotonic()

    def bad(self):
        return [a for a in self.answers if a.outcome != "done"]


def summary(answers):
    out = {}
    for a in answers:
        key = (a.outcome, a.status, (a.error or {}).get("code") or ((a.json["error"]["code"]) if a.outcome == "json" and a.status != 200 else None))
        out[key] = out.get(key, 0) + 1
    return out


def at_rest(s, slots):
    """No stuck slot, no stuck file, the model is offered."""
    env.wait_for(lambda: "fault" in s.gateway.models(), 10, "model")
    env.check_slots_free(s.gateway, slots)


@pytest.mark.parametrize("gap", [1, 0.3])
def test_graceful_restarts(make_stack, gap):
    """gap 0.3 s: each generation is told to go before its successor is there."""
    s = make_stack(slots=STREAMS + 50, children=2, threads=32)
    old = set(s.gateway.worker_pids())

    async def run():
        async with Crowd(s.url, tokens=25, gap=0.1) as crowd:
            for _ in range(20):
                s.gateway.graceful()
                await asyncio.sleep(gap)
        return crowd

    crowd = asyncio.run(run())
    print("20 restarts:", summary(crowd.answers))
    assert len(crowd.answers) > STREAMS * (3 if gap == 1 else 1)
    assert not crowd.bad(), summary(crowd.answers)
    for a in crowd.answers:
        a.check_done(25)
    env.wait_for(lambda: not old & set(s.gateway.worker_pids()), 35, "end of the old children")
    env.wait_for(lambda: len(s.gateway.worker_pids()) <= 4, 35, "end of all old children")
    at_rest(s, STREAMS + 50)


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_new_requests_during_a_graceful_restart(make_stack, mpm):
    """They do not wait for the second that httpd's parent sleeps while its old children hold streams.
    (worker has no slot free for new children until old ones have ended.)"""
    s = make_stack(slots=60, mpm=mpm, children=4, threads=16)
    held = 3 if mpm == "prefork" else 30

    async def run():
        running = [asyncio.ensure_future(client.ask(s.url, tokens=40, gap=0.1)) for _ in range(held)]
        await asyncio.sleep(1)
        slowest = 0
        for _ in range(2):
            s.gateway.graceful()
            until = time.monotonic() + 0.7
            while time.monotonic() < until:
                begin = time.monotonic()
                (await client.ask(s.url, tokens=1)).check_done(1)
                slowest = max(slowest, time.monotonic() - begin)
        return slowest, await asyncio.gather(*running)

    slowest, running = asyncio.run(run())
    print(f"{mpm}: slowest answer {slowest * 1000:.0f} ms")
    for a in running:
        a.check_done(40)
    assert slowest < 0.5


def test_recycled_children(make_stack):
    s = make_stack(slots=STREAMS + 50, children=2, threads=32, conf="MaxConnectionsPerChild 300\n")

    async def run():
        async with Crowd(s.url, tokens=5, gap=0.05) as crowd:
            seen = set()

            def recycled():
                seen.update(s.gateway.worker_pids())
                return len(crowd.answers) > 1500 and len(seen) >= 8

            await asyncio.to_thread(env.wait_for, recycled, 60, "eight children and 1500 answers")
        return crowd

    crowd = asyncio.run(run())
    assert not crowd.bad(), summary(crowd.answers)
    for a in crowd.answers:
        a.check_done(5)
    at_rest(s, STREAMS + 50)


def test_agent_drains(make_stack):
    """SIGTERM to one of two agents: its running jobs end well, new ones go to the other."""
    s = make_stack(slots=STREAMS, children=2, threads=32)
    s.add_agent(slots=STREAMS)

    async def run():
        async with Crowd(s.url, tokens=20, gap=0.1) as crowd:
            for agent in s.agents:
                await asyncio.sleep(1)
                agent.process.terminate()
                await asyncio.to_thread(agent.process.wait, 12)
                agent.start()
                await asyncio.sleep(1.5)
        return crowd

    crowd = asyncio.run(run())
    assert not crowd.bad(), summary(crowd.answers)


def test_full_restart_with_500_streams(make_stack):
    s = make_stack(slots=600, children=2, threads=32)
    s.gateway.expect("DGON0040|AH00049|DGON0021")

    async def run():
        tasks = [asyncio.ensure_future(client.ask(s.url, tokens=1000, gap=0.2)) for _ in range(500)]
        await asyncio.sleep(3)
        begin = time.monotonic()
        s.gateway.restart()
        while True:
            try:
                a = await asyncio.wait_for(client.fetch(s.url, "/"), 0.5)
                if a.status == 200 and time.monotonic() - begin > 0.05:
                    break
            except (OSError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(0.02)
        served = time.monotonic() - begin
        answers = await asyncio.wait_for(asyncio.gather(*tasks), 10)
        return served, answers

    served, answers = asyncio.run(run())
    print(f"served again after {served:.2f} s:", summary(answers))
    assert served < 1.0, f"served again after {served:.2f} s"
    assert all(a.outcome in ("error", "broken") for a in answers), summary(answers)
    at_rest(s, 600)


@pytest.mark.timeout(240)
def test_kill_children(make_stack):
    """100 times kill -9 of a random child of four. Each model has an agent with one link, so that it is known
    for each stream which two children it goes through: if both live on, it ends well."""
    s = make_stack(slots=STREAMS, children=4, threads=16, links=1)
    s.gateway.expect("AH00052.*signal Killed|AH10392|DGON0030|DGON0040")
    other = env.Backend(models="other").start()
    s.add_agent(backend=other, model="other", slots=STREAMS, links=1)
    agents = dict(zip(("fault", "other"), s.agents))
    random.seed(7)
    before = {a.process.pid: env.open_fds(a.process.pid) for a in s.agents}
    kills = []  # (moment, ports of the clients of the killed child, models whose link it had)

    def kill():
        pids = [p for p in s.gateway.worker_pids() if env.alive(p)]
        if not pids:
            return
        pid = random.choice(pids)
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            env.stop_still(pid)  # nothing may change while we look
        ports = {remote for local, remote in env.sockets(pid).values() if local == s.gateway.port}
        links = {m for m, a in agents.items() if ports & {local for local, _ in env.sockets(a.process.pid).values()}}
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        kills.append((time.monotonic(), ports, links))

    async def run():
        async with Crowd(s.url, models=("fault", "other"), tokens=12, gap=0.1) as crowd:
            while len(kills) < KILLS:
                await asyncio.to_thread(kill)
                await asyncio.sleep(0.6)  # quicker, and httpd has too few children: it replaces one once a second
        return crowd

    try:
        crowd = asyncio.run(run())
        time.sleep(1)  # the last child has its successor, the agents their links
        at_rest(s, STREAMS)
        env.check_slots_free(s.gateway, STREAMS, "other")
        for b in (s.backend, other):
            assert all(r["end"] or r["aborted"] for r in b.requests()), "a job still runs at the backend"
        rest = time.monotonic() - crowd.ended
        for pid, n in before.items():  # the connections that the looks at the slots have left are kept for 5 s
            env.wait_for(lambda: env.open_fds(pid) <= n + 8, 2 * KEPT, "closed files of the agents")
        assert all(b.set()["connections"] <= 4 for b in (s.backend, other))
        untouched, harmed = 0, []
        for a in crowd.answers:
            a.check_not_silent()
            if a.events:
                a.check_tokens()
            near = [k for k in kills if a.started - 0.1 <= k[0] <= a.ended + 0.1]
            if a.port and not any(a.port in ports or a.model in links for _, ports, links in near):
                untouched += 1
                harmed += [a] * (a.outcome != "done")
        assert untouched > STREAMS and not harmed, (untouched, len(harmed), summary(harmed))
        assert sum(a.outcome == "done" for a in crowd.answers) > untouched / 2, summary(crowd.answers)
        print(f"{len(kills)} children killed, {untouched} streams untouched and unharmed, at rest after {rest:.1f} s:", summary(crowd.answers))
        assert rest < REST
    finally:
        s.agents.pop().stop()
        other.stop()


def test_stopped_child(make_stack):
    """A child that stands still (SIGSTOP) holds up its own streams only, and goes on with them afterwards."""
    s = make_stack(slots=40, children=2, threads=16)

    async def run():
        running = [asyncio.ensure_future(client.ask(s.url, tokens=60, gap=0.1)) for _ in range(20)]
        await asyncio.sleep(1)
        pid = s.gateway.worker_pids()[0]
        env.stop_still(pid)
        try:
            new = [await asyncio.wait_for(client.ask(s.url, tokens=5, gap=0.02), 3) for _ in range(10)]
        finally:
            os.kill(pid, signal.SIGCONT)
        return await asyncio.wait_for(asyncio.gather(*running), 20), new

    running, new = asyncio.run(run())
    for a in running:
        a.check_done(60)
    for a in new:
        a.check_done(5)
    at_rest(s, 40)


@pytest.mark.timeout(240)
def test_kill_agents(make_stack):
    """100 times kill -9 of one of three agents; who was served by another one notices nothing."""
    s = make_stack(slots=100, children=2, threads=32)
    s.gateway.expect("DGON0040|DGON0050: .*4409")  # a busy child may hear of the new agent before the end of the killed one
    backends = [s.backend]
    for _ in range(2):
        backends.append(env.Backend().start())
        s.add_agent(backend=backends[-1], slots=100)
    random.seed(11)
    killed = []

    try:
        async def run():
            async with Crowd(s.url, tokens=15, gap=0.1) as crowd:
                for _ in range(KILLS):
                    i = random.randrange(3)
                    killed.append((time.monotonic(), i))
                    s.agents[i].kill()
                    s.agents[i].start()
                    await asyncio.sleep(0.3)
            return crowd

        crowd = asyncio.run(run())
        where = {}
        for i, b in enumerate(backends):
            for r in b.requests():
                where.setdefault(r["label"], set()).add(i)
        untouched = harmed = 0
        for a in crowd.answers:
            a.check_not_silent()
            if a.events:
                a.check_tokens()
            mine = where.get(a.label, set())
            hit = any(i in mine and a.started - 0.1 <= t <= a.ended + 0.1 for t, i in killed)
            if mine and not hit:
                untouched += 1
                harmed += a.outcome != "done"
        assert untouched > STREAMS and harmed == 0, (untouched, harmed, summary(crowd.answers))
        time.sleep(2)  # all three are back
        at_rest(s, 300)
        for b in backends:
            env.wait_for(lambda: all(r["end"] or r["aborted"] for r in b.requests()), REST, "end of all jobs")
        rest = time.monotonic() - crowd.ended
        print(f"{len(killed)} agents killed, {untouched} streams untouched and unharmed, at rest after {rest:.1f} s:", summary(crowd.answers))
        assert rest < REST
    finally:
        for agent in s.agents[1:]:
            agent.stop()
        del s.agents[1:]
        for b in backends[1:]:
            b.stop()


def test_agent_killed_with_a_twin_left(make_stack):
    """What had no byte yet goes to the other agent; what had one ends in an error event."""
    s = make_stack(slots=20)
    s.gateway.expect("DGON0040")
    other = env.Backend().start()
    try:
        s.add_agent(backend=other, slots=20)
        time.sleep(0.5)

        async def run():
            waiting = [asyncio.ensure_future(client.ask(s.url, tokens=3, first=1.5, label="wait")) for _ in range(8)]
            running = [asyncio.ensure_future(client.ask(s.url, tokens=30, gap=0.1, label="run")) for _ in range(8)]
            await asyncio.sleep(0.8)
            s.agent.kill()
            return await asyncio.gather(*waiting), await asyncio.gather(*running)

        waiting, running = asyncio.run(run())
        for a in waiting:
            a.check_done(3)
        assert {a.outcome for a in running} == {"done", "error"}, summary(running)
    finally:
        s.agents.pop().stop()
        other.stop()
