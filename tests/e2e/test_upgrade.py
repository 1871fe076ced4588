"""A newer module under running streams, and the way back: only the file and a graceful restart."""

import asyncio
import json
import os
import re
import shutil
import signal
import time

import pytest

import client
import env
from test_lifecycle import Crowd, summary
from test_status import ctl

STREAMS = 100


def other_build(module, to):
    to.write_bytes(env.other_build(module.read_bytes()))


@pytest.fixture(scope="module")
def files():
    """The module at a place of its own, where the upgrade replaces it as a package does: by a rename."""
    place = env.RUNS / "test_upgrade-module"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    installed = place / "mod_dgon.so"
    shutil.copy(env.MODULE, installed)

    def put(new):
        copy = place / "mod_dgon.so.dpkg-new"
        new(copy)
        os.replace(copy, installed)

    return installed, put


def test_upgrade_and_rollback_under_streams(make_stack, files):
    installed, put = files
    s = make_stack(slots=STREAMS * 3, children=2, threads=32, module=installed)

    def registries():
        return s.gateway.log.read_text().count("DGON0021")

    async def run():
        async with Crowd(s.url, n=STREAMS, tokens=30, gap=0.1) as crowd:
            put(lambda to: other_build(env.MODULE, to))
            s.gateway.graceful()
            await asyncio.sleep(4)
            assert registries() == 1, "the newer module has a registry of its own"
            put(lambda to: shutil.copy(env.MODULE, to))
            s.gateway.graceful()
            await asyncio.sleep(4)
            assert registries() == 2, "so has the older one again"
        return crowd

    crowd = asyncio.run(run())
    print("upgrade and rollback:", summary(crowd.answers))
    assert len(crowd.answers) > 2 * STREAMS and not crowd.bad(), summary(crowd.answers)
    for a in crowd.answers:
        a.check_done(30)
    # The same build again: nothing is made anew.
    s.gateway.graceful()
    asyncio.run(client.ask(s.url, tokens=2)).check_done(2)
    assert registries() == 2
    env.check_slots_free(s.gateway, 50)


def registries(s):
    return s.gateway.log.read_text().count("DGON0021")


def other_sizes(s, jobs):
    """A graceful restart after which the registry is another one."""
    conf, before = s.gateway.dir / "httpd.conf", registries(s)
    text, n = re.subn(r"^DgonMaxJobs .*", f"DgonMaxJobs {jobs}", conf.read_text(), flags=re.M)
    assert n
    conf.write_text(text)
    s.gateway.graceful()
    return lambda: registries(s) > before


async def come_true(check, seconds=10):
    await asyncio.to_thread(env.wait_for, check, seconds, "another registry")


def ask_many(s, label, n, **plan):
    return [asyncio.ensure_future(client.ask(s.url, label=f"{label}{i}", **plan)) for i in range(n)]


async def in_line(s, n, runs=30, **plan):
    """One runs, then n wait behind it: (the one, those that wait)."""
    long = ask_many(s, "long", 1, tokens=runs, gap=0.1)
    await asyncio.sleep(0.5)
    old = ask_many(s, "old", n, gap=0.1, **plan)
    await asyncio.sleep(0.5)
    return long, old


def served(s, label):
    """When each began, at the backend."""
    return sorted(r["start"] for r in s.backend.requests() if r["label"].startswith(label))


@pytest.mark.parametrize("change,links,mpm", [("module", 4, "event"), ("sizes", 1, "event"), ("sizes", 4, "prefork")])
def test_who_waits_for_the_only_slot(make_stack, files, change, links, mpm):
    """One request runs, five wait in the old registry and five in the new one: all are served, the older ones first."""
    installed, put = files
    put(lambda to: shutil.copy(env.MODULE, to))
    s = make_stack(slots=1, links=links, mpm=mpm, children=2 if mpm == "event" else 8, threads=16, module=installed, conf="DgonMaxJobs 2000\n")

    async def run():
        begin = time.monotonic()
        long, old = await in_line(s, 5, tokens=5)
        if change == "sizes":
            await come_true(other_sizes(s, 1500))
        else:
            put(lambda to: other_build(env.MODULE, to))
            s.gateway.graceful()
            await come_true(lambda: registries(s) == 1)
        new = ask_many(s, "new", 5, tokens=5, gap=0.1)
        return await asyncio.gather(*long, *old, *new), time.monotonic() - begin

    answers, seconds = asyncio.run(run())
    print(f"{change}, {links} links, {mpm}: {seconds:.1f} s,", summary(answers))
    for a in answers:
        a.check_done(30 if a is answers[0] else 5)
    assert served(s, "old")[-1] < served(s, "new")[0], "who came first is served first"
    assert seconds < 3 + 10 * 0.5 + 3, "the slot was not idle for long"
    asyncio.run(client.ask(s.url, tokens=2)).check_done(2)


def test_free_slots_during_an_upgrade(make_stack):
    """The new generation does not wait for what runs on the old one."""
    s = make_stack(slots=10, children=2, threads=32, conf="DgonMaxJobs 2000\n")

    async def run():
        running = ask_many(s, "long", 4, tokens=40, gap=0.1)
        await asyncio.sleep(1)
        is_new, slowest, first = other_sizes(s, 1500), 0, None
        restart = time.monotonic()
        while time.monotonic() < restart + 2:
            begin = time.monotonic()
            (await client.ask(s.url, tokens=1)).check_done(1)
            slowest = max(slowest, time.monotonic() - begin)
            if first is None and is_new():
                first = time.monotonic() - restart
        return await asyncio.gather(*running), slowest, first

    running, slowest, first = asyncio.run(run())
    print(f"first answer after another registry {first * 1000:.0f} ms after the restart, slowest answer {slowest * 1000:.0f} ms")
    for a in running:
        a.check_done(40)
    assert slowest < 0.5


def test_full_slots_during_an_upgrade(make_stack):
    """More waits in the old registry than there are slots; slots that come free go on being used."""
    s = make_stack(slots=4, children=2, threads=32, conf="DgonMaxJobs 2000\n")

    async def run():
        answers = ask_many(s, "old", 16, tokens=10, gap=0.1)
        await asyncio.sleep(0.5)
        begin = time.monotonic()
        await come_true(other_sizes(s, 1500))
        answers += ask_many(s, "new", 8, tokens=10, gap=0.1)
        return await asyncio.gather(*answers), time.monotonic() - begin

    answers, seconds = asyncio.run(run())
    print(f"24 requests of 1 s, 4 slots: {seconds:.1f} s,", summary(answers))
    for a in answers:
        a.check_done(10)
    assert seconds < 6 + 3


def test_drain_timeout_while_somebody_waits(make_stack):
    s = make_stack(slots=1, children=2, threads=16, conf="DgonMaxJobs 2000\nDgonDrainTimeout 2\n")
    s.gateway.expect("DGON0040")

    async def run():
        long, waiting = await in_line(s, 5, runs=100, tokens=5)
        waiting.append(asyncio.ensure_future(client.ask(s.url, stream=False, tokens=1, label="old")))
        await asyncio.sleep(0.3)
        begin = time.monotonic()
        await come_true(other_sizes(s, 1500))
        new = ask_many(s, "new", 5, tokens=5, gap=0.1)
        old = await asyncio.gather(*long, *waiting)
        told = time.monotonic() - begin
        return old, told, await asyncio.gather(*new), time.monotonic() - begin

    old, told, new, seconds = asyncio.run(run())
    print(f"told after {told:.1f} s:", summary(old), f"; new after {seconds:.1f} s")
    for a in old:
        error = a.error or client.check_error(a, 503)
        assert error["code"] == "server_restarting", error
    assert told < 2 + 1.5
    for a in new:
        a.check_done(5)
    assert seconds < 2 + 5 * 0.5 + 3


def test_old_child_is_killed_while_others_wait(make_stack):
    """Its own clients are cut; those of the others lose nothing, though the agent had a link to it."""
    s = make_stack(slots=1, children=3, threads=16, conf="DgonMaxJobs 2000\n")
    s.gateway.expect("AH00052.*signal Killed|AH10392|DGON0030|DGON0040")

    async def run():
        long, waiting = await in_line(s, 12, tokens=2)
        old = s.gateway.worker_pids()
        await come_true(other_sizes(s, 1500))
        new = ask_many(s, "new", 4, tokens=2, gap=0.1)
        await asyncio.sleep(0.7)
        pid = next(p for p in old if env.alive(p))
        env.stop_still(pid)
        mine = {remote for local, remote in env.sockets(pid).values() if local == s.gateway.port}
        os.kill(pid, signal.SIGKILL)
        return await asyncio.gather(*long, *waiting, *new), mine

    answers, mine = asyncio.run(run())
    print("one of three old children killed:", summary(answers), sum(a.port in mine for a in answers), "were its")
    lost = [a for a in answers if a.outcome != "done" and a.port not in mine]
    # the one that ran may have done so over the child's link: it is told
    assert len(lost) <= 1 and all(a.outcome == "error" for a in lost), summary(lost)
    asyncio.run(client.ask(s.url, tokens=2)).check_done(2)


def test_a_held_agent_stays_held(make_stack):
    """What an administrator has said of an agent is no younger than the registry: it gets nothing there either, until he says otherwise."""
    s = make_stack(slots=4, conf="DgonMaxJobs 100\n")

    def state(agent):
        found = [a["state"] for a in json.loads(ctl(s, "--json", "status"))["agents"] if a["id"] == agent]
        return found[0] if found else None

    s.add_agent(model="fault")
    ctl(s, "drain", "agent-1")
    env.wait_for(other_sizes(s, 200), 10, "another registry")
    env.wait_for(lambda: state("agent-1") == "held" and state("agent-2") == "up", 10, "both agents in the new registry")

    async def all_at_once():
        return await asyncio.gather(*ask_many(s, "held", 6, tokens=3))

    for a in asyncio.run(all_at_once()):
        a.check_done(3)
    at = {a["id"]: a["done"] for a in json.loads(ctl(s, "--json", "status"))["agents"]}
    assert at == {"agent-1": 0, "agent-2": 6}
    ctl(s, "undrain", "agent-1")
    env.wait_for(other_sizes(s, 300), 10, "another registry")
    env.wait_for(lambda: state("agent-1") == state("agent-2") == "up", 10, "nobody held")


def test_ten_upgrades_under_load(make_stack):
    """Half of the streams wait at any time, in up to three registries."""
    s = make_stack(slots=20, children=2, threads=32, conf="DgonMaxJobs 2000\n")

    async def run():
        async with Crowd(s.url, n=40, tokens=10, gap=0.1) as crowd:
            for i in range(10):
                await come_true(other_sizes(s, 1500 + i))
                await asyncio.sleep(1)
        return crowd

    crowd = asyncio.run(run())
    print("10 upgrades:", summary(crowd.answers), f"slowest {max(a.ended - a.started for a in crowd.answers):.1f} s")
    assert len(crowd.answers) > 100 and not crowd.bad(), summary(crowd.answers)
    for a in crowd.answers:
        a.check_done(10)
    env.check_slots_free(s.gateway, 20)
