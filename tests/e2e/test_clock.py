"""The clock of the day jumps, by hours and back: what runs and waits does not notice, what ends at a date does."""

import asyncio
import pathlib
import time

import httpx
import pytest

import client
import env
import keyring

LIB = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture(scope="module")
def clock():
    """A file that says how far httpd's clock of the day is off; its monotonic clock is real."""
    assert LIB, "libfaketime is missing"
    file = env.RUNS / "test_clock.offset"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("+0\n")
    file.parent.chmod(0o755)
    return file


@pytest.fixture(scope="module")
def ring():
    return keyring.Keyring("test_clock")


@pytest.fixture(scope="module")
def stack(make_stack, clock, ring):
    # Not the agent: libfaketime moves its timerfd along, though that is of the monotonic clock. It has the day's clock for its log only.
    preload = f"LD_PRELOAD={LIB} FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
    wrapper = ["sh", "-c", f'case $0 in *dgon-agent*) ;; *) export {preload} ;; esac; exec "$0" "$@"']
    return make_stack(slots=1, links=1, wrapper=wrapper, conf=keyring.modules("authz_user") + keyring.locations(ring.path))


def jump(clock, seconds):
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+d}\n")
    new.replace(clock)


@pytest.mark.parametrize("seconds", [86400, -86400])
def test_a_jump(stack, clock, ring, seconds):
    """In the middle of a stream and of a request that waits for its slot."""
    jump(clock, 0)
    before = connects(stack)
    soon, later = ring.add(f"soon{seconds}", expires="2h"), ring.add(f"later{seconds}", expires="365d")
    env.wait_for(lambda: ask(stack, soon) == ask(stack, later) == 200, 5, "keys that are read")

    async def both():
        first = asyncio.create_task(client.ask(stack.url, tokens=40, gap=0.05))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(client.ask(stack.url, tokens=3))
        await asyncio.sleep(0.3)
        assert not second.done(), "it does not wait"
        jump(clock, seconds)
        return await first, await second

    for answer, tokens in zip(asyncio.run(both()), (40, 3)):
        answer.check_done(tokens)
    assert connects(stack) == before, "the link was dropped"
    assert ask(stack, later) == 200
    assert ask(stack, soon) == (401 if seconds > 0 else 200)
    jump(clock, 0)
    assert ask(stack, soon) == 200
    began = time.monotonic()
    asyncio.run(client.ask(stack.url, tokens=3)).check_done(3)
    assert time.monotonic() - began < 3


def ask(stack, key):
    return httpx.get(stack.url + "/key/v1/models", headers=keyring.bearer(key), timeout=10).status_code


def connects(stack):
    agents = httpx.get(stack.url + "/cluster/status", timeout=10).json()["data"]["agents"]
    return max(a["connects"] for a in agents)
