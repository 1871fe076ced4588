"""User-space instructions that a token costs httpd and the agent: the same on a busy machine as on a quiet one.

Counted by callgrind while tokens come one by one. instructions.json holds what it cost when somebody last looked; more than
a tenth above that fails. If the rise is meant, write the new figure there, and why."""

import asyncio
import json
import pathlib
import platform
import re
import tempfile

import pytest

import client
import env

STORED = pathlib.Path(__file__).with_name("instructions.json")
STREAMS, FEW, MANY, GAP = 4, 200, 1200, 0.01


def machine():
    """Figures differ with the versions of the libraries, so with the distribution."""
    info = platform.freedesktop_os_release()
    return f"{info['ID']} {info.get('VERSION_ID', '')} {platform.machine()}".strip()


async def streams(url, tokens):
    async def one(i):
        await asyncio.sleep(GAP * i / STREAMS)
        (await client.ask(url, tokens=tokens, gap=GAP)).check_done(tokens)

    await asyncio.gather(*(one(i) for i in range(STREAMS)))


def counted(make_stack, tokens):
    """Instructions of a whole life with that many tokens in each stream."""
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place)
        out.chmod(0o755)
        s = make_stack(children=1, single=True, wrapper=["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}/%p"], links=1)
        asyncio.run(streams(s.url, tokens))
        pids = {"httpd": s.gateway.pid, "agent": s.agent.process.pid}
        for pid in pids.values():
            (out / str(pid)).chmod(0o666)  # httpd gave its rights away, and writes at its end
        s.agent.stop()
        s.gateway.stop()
        return {name: int(re.search(r"^(?:totals|summary): (\d+)", (out / str(pid)).read_text(), re.M)[1]) for name, pid in pids.items()}


@pytest.mark.timeout(180)
def test_instructions_of_a_token(make_stack):
    if env.SANITIZED:
        pytest.fail("callgrind does not run a sanitized build")
    few, many = counted(make_stack, FEW), counted(make_stack, MANY)  # start, requests and stop fall out of the difference
    now = {name: round((many[name] - few[name]) / STREAMS / (MANY - FEW)) for name in few}
    print(f"instructions a token on {machine()}: {now}")
    assert all(v > 1000 for v in now.values()), f"{now} cannot be"
    stored = json.loads(STORED.read_text()).get(machine())
    if stored is None:
        assert "debian 12" not in machine(), f"no figure is stored for this machine: write {now} into {STORED.name}"
        return
    for name, v in now.items():
        assert v <= stored[name] * 1.1, f"a token costs {name} {v} instructions, {stored[name]} when {STORED.name} was written"
