"""A newer module under running streams, and the way back: only the file and a graceful restart."""

import asyncio
import os
import re
import shutil

import pytest

import client
import env
from test_lifecycle import Crowd, summary

STREAMS = 100


def other_build(module, to):
    """The same module as another build: its version, from which the id of the segment's users is made, reads otherwise."""
    version = re.search(r"^AC_INIT\(\[mod_dgon\], \[(.*)\]\)", (env.TOP / "configure.ac").read_text(), re.M)[1].encode() + b"\0"
    code = module.read_bytes()
    assert version in code
    to.write_bytes(code.replace(version, b"9" * (len(version) - 1) + b"\0"))


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


def test_who_waits_for_a_slot_during_an_upgrade(make_stack, files):
    """Running answers end well. Requests that wait do so in the old registry, which agents leave: they are told, and may ask again."""
    installed, put = files
    s = make_stack(slots=10, children=2, threads=32, module=installed)

    async def run():
        running = [asyncio.ensure_future(client.ask(s.url, tokens=20, gap=0.1)) for _ in range(10)]
        await asyncio.sleep(0.5)
        waiting = [asyncio.ensure_future(client.ask(s.url, tokens=20, gap=0.1)) for _ in range(10)]
        await asyncio.sleep(0.5)
        put(lambda to: other_build(env.MODULE, to))
        s.gateway.graceful()
        return await asyncio.gather(*running), await asyncio.gather(*waiting)

    running, waiting = asyncio.run(run())
    print("waiting during an upgrade:", summary(waiting))
    for a in running:
        a.check_done(20)
    for a in waiting:
        code = (a.error or (a.json["error"] if a.outcome == "json" else {})).get("code")
        assert a.outcome == "done" or code == "no_capacity", (a, "not told honestly")
    asyncio.run(client.ask(s.url, tokens=2)).check_done(2)
