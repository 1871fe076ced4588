"""What somebody can do to the gateway before it is known who that is: little, and counted over all children."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time

import pytest
import websockets

import client
import enrol
import env
from enrol import Key, Link

LIMITS = "DgonAgentHandshakes 6\nDgonAgentHandshakesPerAddress 4\nDgonJoinFailuresPerAddress 5\nDgonJoinFailures 8\n"
REMOTE = """LoadModule remoteip_module {modules}/mod_remoteip.so
RemoteIPHeader X-From
RemoteIPInternalProxy 127.0.0.1
"""


@pytest.fixture(scope="module")
def site():
    s = enrol.Site(__name__, conf=LIMITS + REMOTE.format(modules=env.modules_dir()), children=3)
    s.gateway.expect("DGON0260|DGON0271|DGON0050: .*(4400|4401)|exit signal Kill|AH00052|AH10392|DGON0030")
    with enrol.running(s):
        yield s


async def knock(site, address="10.0.0.1"):
    return await websockets.connect(site.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], proxy=None, compression=None,
                                    additional_headers={"X-From": address}, close_timeout=1)


async def refused(site, address="10.0.0.1"):
    with pytest.raises(websockets.InvalidStatus) as e:
        await knock(site, address)
    return e.value.response.status_code, int(e.value.response.headers["Retry-After"])


def test_places_before_login(site):
    async def run():
        async with contextlib.AsyncExitStack() as stack:
            links = [await stack.enter_async_context(await knock(site)) for _ in range(4)]
            assert await refused(site) == (429, 2), "one address"
            others = [await stack.enter_async_context(await knock(site, "10.0.0.2")) for _ in range(2)]
            assert await refused(site, "10.0.0.3") == (503, 2), "all together"
            assert await refused(site) == (503, 2)
            await others[0].close()
            await asyncio.sleep(0.2)
            await stack.enter_async_context(await knock(site, "10.0.0.3"))
            assert await refused(site, "10.0.0.3") == (503, 2)
            await links[0].close()

    asyncio.run(run())


def test_who_logs_in_gives_the_place_back(site):
    keys = [Key() for _ in range(6)]
    for key in keys:
        assert site.join(key)[0] == 200

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            for key in keys:
                link = await stack.enter_async_context(Link(site))
                await link.login(key)
            for _ in range(4):
                await stack.enter_async_context(await knock(site))
            assert (await refused(site))[0] == 429

    asyncio.run(run())


def test_many_at_once_are_never_too_many(site):
    async def run():
        async with contextlib.AsyncExitStack() as stack:
            got = await asyncio.gather(*(knock(site) for _ in range(40)), return_exceptions=True)
            links = [g for g in got if not isinstance(g, Exception)]
            for link in links:
                stack.push_async_callback(link.close)
            assert 1 <= len(links) <= 4
            assert all(g.response.status_code in (429, 503) for g in got if isinstance(g, Exception))

    asyncio.run(run())


def test_places_of_killed_children_are_free(site):
    async def run():
        await asyncio.sleep(0.3)
        links = [await knock(site) for _ in range(4)]
        assert (await refused(site))[0] == 429
        for pid in site.gateway.worker_pids():
            os.kill(pid, signal.SIGKILL)
        for link in links:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(link.close(), 2)
        env.wait_for(lambda: site.gateway.models() == [] and env.listening(site.gateway.port), 10, "httpd again")
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(4):
                await stack.enter_async_context(await knock(site))
            assert (await refused(site))[0] == 429, "exactly as many as before"

    asyncio.run(run())


def test_a_flood_does_not_hold_up_clients(site):
    """Unknown links at their limit, dialled again and again, while an agent's stream runs."""
    agent = site.add_agent().start("fault")

    async def flood(end):
        while time.monotonic() < end:
            got = await asyncio.gather(*(knock(site, f"10.1.0.{i}") for i in range(12)), return_exceptions=True)
            for g in got:
                if not isinstance(g, Exception):
                    with contextlib.suppress(Exception):
                        await g.close()

    async def run():
        task = asyncio.create_task(flood(time.monotonic() + 3))
        answers = await asyncio.gather(*(client.ask(site.url, tokens=20, gap=0.1, label="flood") for _ in range(5)))
        await task
        return answers

    for a in asyncio.run(run()):
        a.check_done(20)
    agent.stop()


def test_codes_cannot_be_tried_out(site):
    def attempt(address, code="AAAAA-AAAAA-AAAAA-AAAAA"):
        status, _, headers = site.post({"code": code, "key": Key().public}, X_From=address)
        return status, int(headers.get("Retry-After") or 0)

    rest = 60 - time.monotonic() % 60  # failures are counted by the minute
    if rest < 10:
        time.sleep(rest + 0.5)
    assert [attempt("10.2.0.1")[0] for _ in range(5)] == [403] * 5
    status, wait = attempt("10.2.0.1")
    assert status == 429 and 1 <= wait <= 60
    assert attempt("10.2.0.1", site.invite())[0] == 429, "not even with a good one"
    assert attempt("10.2.0.2", site.invite())[0] == 200, "another address may"
    assert [attempt(f"2001:db8:1:2::{i}")[0] for i in range(3)] == [403] * 3
    assert attempt("10.2.0.3", site.invite())[0] == 429, "all together"


def start_refused(name, prepare, conf=""):
    """The error log of an httpd that does not start."""
    s = enrol.Site(name, conf=conf, loglevel="notice")
    try:
        prepare(s)
        with env.free_port() as port:
            s.gateway._write(port)
            out = subprocess.run([env.find_httpd(), "-DFOREGROUND", "-f", s.dir / "httpd.conf"], capture_output=True, text=True, timeout=10,
                                 env=env.environment(**env.sanitizer()))
        assert out.returncode != 0
        return s.gateway.log.read_text() + out.stderr
    finally:
        s.backend.stop()


def write(text, mode=0o640):
    def prepare(s):
        s.file.write_text(text)
        s.file.chmod(mode)

    return prepare


@pytest.mark.parametrize("prepare,says", [
    (write("agent gpu-7\nend\n"), "file line 1: agent gpu-7: key"),
    (write("# nothing\n"), 'file line 1: the last line, "end", is missing'),
    (write("end\n", 0o644), "chmod 0640"),
    (lambda s: s.file.parent.rmdir(), "install -d -o"),
    (lambda s: s.file.parent.chmod(0o777), "chmod 750"),
])
def test_start_with_a_file_that_cannot_be(prepare, says):
    assert says in start_refused(__name__ + "-start", prepare)


@pytest.mark.parametrize("line,says", [
    ("DgonAgentTrust passwords", "token, key, ssl"), ("DgonAgentUrl https://x/", "wss://gateway.example.org/dgon/agent"),
    ("DgonAgentUrl wss://x", "wss://gateway"), ("DgonAgentHandshakes 0", "1 to 1024"), ("DgonJoinFailuresPerAddress none", "whole number"),
])
def test_directives(line, says):
    assert says in env.refusal(__name__ + "-directive", line)


def test_wrong_certificate_of_the_gateway(tmp_path):
    """Joining verifies TLS: a gateway whose authority nobody trusts gets no code."""
    s = enrol.Site(__name__ + "-tls", tls=True, loglevel="notice")
    s.gateway.expect("AH02008|AH01998|SSL")
    try:
        s.start()
        untrusted = s.add_agent()
        assert untrusted.out.returncode == 69 and "certificate" in untrusted.out.stderr, untrusted.out
        trusted = s.add_agent("--ca", str(s.dir / "tls.crt"))
        assert trusted.out.returncode == 0, trusted.out
        assert f"ca_file = {s.dir}/tls.crt" in trusted.conf.read_text() and "url = wss://" in trusted.conf.read_text()
        plain = subprocess.run([env.AGENT, "join", "http://gateway.example", "x", "--config", tmp_path / "a.conf"], capture_output=True, text=True)
        assert plain.returncode == 64 and "--insecure" in plain.stderr and not list(tmp_path.iterdir())
        trusted.start()
        trusted.wait_line(f" as {trusted.id},")
    finally:
        s.stop()


def test_cli():
    def ctl(*args):
        return subprocess.run([enrol.CTL, "agent", *args], capture_output=True, text=True)

    for args in ((), ("fly",), ("rename", "a"), ("revoke",), ("invite", "--expires", "1y"), ("invite", "--uses", "0"), ("invite", "--name", "a b"),
                 ("invite", "--gateway", "ftp://x"), ("invite", "--name", "a", "--uses", "2"), ("--what",)):
        out = ctl(*args)
        assert out.returncode == 2 and out.stderr, (args, out)
    assert ctl("list", "--file", "/nowhere/at/all").returncode == 0
    assert ctl("invite", "--file", "/nowhere/at/all").returncode == 1
