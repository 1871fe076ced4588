"""Agents join with a code, log in with a key of their own, are renamed, change keys and are revoked."""

import asyncio
import json
import os
import re
import subprocess
import time

import pytest

import client
import enrol
import env
from enrol import ADMIN, Key, Link


@pytest.fixture(scope="module", params=["event"])
def site(request):
    s = enrol.Site(f"{__name__}-{request.param}", mpm=request.param, conf="DgonJoinFailuresPerAddress 1000\n", threads=32)
    s.gateway.expect("AH01617|DGON0271|DGON0274|DGON0060|DGON0050: .*(4400|4401|4403)")
    with enrol.running(s):
        yield s


# Where links live and die; what joins and administers is an ordinary handler, to which the MPM makes no difference.
on_both = pytest.mark.parametrize("site", ["event", "worker"], indirect=True, scope="module")


def ask(site, **options):
    return asyncio.run(client.ask(site.url, **options))


def error_code(answer):
    return answer[0], answer[1]["error"]["code"]


# ---- joining ----

@on_both
def test_from_invitation_to_answer(site):
    agent = site.add_agent()
    assert agent.out.returncode == 0, agent.out
    assert f"Joined as {agent.id}." in agent.out.stdout and f"dgon-agent --config {agent.conf}" in agent.out.stdout
    assert agent.credential.stat().st_mode & 0o777 == 0o600
    keys = agent.keys()
    assert keys["id"] == agent.id and len(keys["key"]) == 64
    assert keys["key"] not in site.file.read_text() + agent.conf.read_text()
    agent.start("fault")
    ask(site, tokens=3).check_done(3)
    [entry] = [a for a in site.list()["agents"] if a["id"] == agent.id]
    assert entry["by"] and entry["os"] == "linux" and re.fullmatch("[0-9a-f]{64}", entry["fingerprint"])
    assert agent.id in site.ctl("list") and entry["fingerprint"][:16] in site.ctl("list")
    assert f"DGON0272: agent {agent.id} has joined" in site.gateway.log.read_text()
    assert f" as {agent.id}, child" in agent.lines()
    if os.getuid() == 0:
        assert site.file.owner() == "www-data" and site.file.stat().st_mode & 0o777 == 0o640


@on_both
def test_list_says_who_is_connected(site):
    agent = site.add_agent()
    agent.start("fault")

    def entry():
        return next(a for a in site.list()["agents"] if a["id"] == agent.id)

    def line():
        return next(line for line in site.ctl("list").splitlines() if line.startswith(agent.id + " "))

    env.wait_for(lambda: entry()["links"] == 2, what="both links")
    assert entry()["connected"] is True and abs(entry()["since"] - time.time()) < 60 and entry()["last_seen"] is None
    assert re.search(r" 2 links for \d+ s ", line()) and re.search("AGENT +CONNECTED +JOINED ", site.ctl("list"))
    agent.stop()
    site.agents.remove(agent)
    env.wait_for(lambda: entry()["connected"] is False, what="closed links")
    assert entry()["links"] == 0 and entry()["since"] is None and abs(entry()["last_seen"] - time.time()) < 60
    assert re.search(r" away, seen \d+ s ago ", line())
    site.join(Key(), name="never-there")
    never = next(a for a in site.list()["agents"] if a["id"] == "never-there")
    assert (never["connected"], never["links"], never["since"], never["last_seen"]) == (False, 0, None, None)


@pytest.mark.parametrize("where", ["--socket", "--url"])
def test_list_without_the_gateway(site, where):
    """The file is told, with a note; of the rest nothing is known."""
    site.join(Key(), name="unknown")
    at = [enrol.CTL, where, "/nowhere/at/all" if where == "--socket" else site.url + "/dgon/admin", "agent", "list", "--file", site.file]
    out = subprocess.run(at, capture_output=True, text=True, env=env.environment())
    assert out.returncode == 0 and "so it is not shown which agents are connected" in out.stderr
    assert ("no gateway answers" if where == "--socket" else "AuthType") in out.stderr
    assert re.search(r"^unknown\S* +-  +\d", out.stdout, re.M)
    told = json.loads(subprocess.run([*at, "--json"], capture_output=True, text=True, env=env.environment()).stdout)
    assert all((a["connected"], a["links"], a["since"], a["last_seen"]) == (None,) * 4 for a in told["agents"])


def test_joining_twice_on_one_machine(site):
    agent = site.agents[0]
    out = agent.join(site, site.invite())
    assert out.returncode == 78 and "has joined already" in out.stderr


def test_existing_configuration_stays(site):
    agent = site.add_agent(code="00000-00000-00000-00000")
    assert agent.out.returncode == 77 and "wrong, used or expired" in agent.out.stderr
    before = agent.keys()["key"]
    agent.conf.write_text("[gateway]\n# mine\n")
    out = agent.join(site, site.invite().lower().replace("-", " "))
    assert out.returncode == 0 and agent.keys()["key"] == before, "the key that was made is used"
    assert agent.conf.read_text() == "[gateway]\n# mine\n" and f"credential_file = {agent.credential}" in out.stdout
    site.agents.remove(agent)


def test_codes(site):
    assert error_code(site.join(Key(), "ABCDE-ABCDE-ABCDE-ABCDE")) == (403, "invalid_join_code")
    assert error_code(site.join(Key(), "no code")) == (403, "invalid_join_code")
    code, first = site.invite(), Key()
    status, answer, _ = site.join(first, code, name="one")
    assert status == 200 and answer == {"id": "one", "link": site.url.replace("http", "ws") + "/dgon/agent"}
    assert error_code(site.join(Key(), code)) == (403, "invalid_join_code")
    assert site.join(first, code)[:2] == (200, answer), "an answer that was lost comes again"
    assert site.ids().count("one") == 1
    code = site.invite("--uses", "2")
    assert site.join(Key(), code, name="one")[1]["id"] == "one-2"
    assert site.join(Key(), code, name="one")[1]["id"] == "one-3"
    assert error_code(site.join(Key(), code)) == (403, "invalid_join_code")
    code = site.invite("--name", "gpu-x")
    assert site.join(Key(), code, name="other")[1]["id"] == "gpu-x"
    assert site.ctl("invite", "--name", "gpu-x", ok=False)[0] == 1


def test_expired_code(site):
    code = site.invite("--expires", "1s")
    time.sleep(1.1)
    assert error_code(site.join(Key(), code)) == (403, "invalid_join_code")
    assert all(i["expires"] > "2020" for i in site.list()["invitations"])


@pytest.mark.parametrize("body,headers,status,code", [
    (b"{", {}, 400, "invalid_json"), (b"[]", {}, 400, "invalid_json"), ({"code": "x"}, {}, 400, "invalid_value"),
    ({"code": "x", "key": "00"}, {}, 400, "invalid_value"), ({"code": 1, "key": "0" * 64}, {}, 400, "invalid_value"),
    ({"code": "x", "key": "0" * 64, "name": "a b"}, {}, 400, "invalid_value"), ({"code": "x", "key": "0" * 64, "os": "\n" * 99}, {}, 400, "invalid_value"),
    (b" " * 5000, {}, 413, "request_too_large"), ({}, {"Origin": "http://127.0.0.1"}, 403, "origin_not_allowed"),
    ({}, {"Content_Type": "text/plain"}, 415, "unsupported_media_type"), ({}, {"Content_Type": "application/jsonp"}, 415, "unsupported_media_type"),
])
def test_bodies(site, body, headers, status, code):
    assert error_code(site.post(body, **headers)) == (status, code)


def test_only_post_joins(site):
    status, answer, headers = site.post(None, method="GET")
    assert (status, answer["error"]["code"], headers["Allow"]) == (405, "method_not_supported", "POST")


# ---- inviting over HTTP ----

def command(site, method="GET", body=None, path="/node/join/command", user=ADMIN, **headers):
    return site.post(body, path, method, user, **headers)


def test_command_for_an_admin(site):
    status, text, headers = command(site)
    code = re.search(r"^  sudo dgon-agent join (\S+) (\S+)$", text, re.M)
    assert status == 200 and code[1] == site.url and headers["Content-Type"].startswith("text/plain") and headers["Cache-Control"] == "no-store"
    assert f"dgon-agent.exe join {site.url} {code[2]}" in text
    key = Key()
    assert site.join(key, code[2], name="by-command")[0] == 200
    assert [a["by"] for a in site.list()["agents"] if a["id"] == "by-command"] == ["admin"]
    status, answer, headers = command(site, Accept="application/json", Sec_Fetch_Site="same-origin")
    assert status == 200 and answer["command"] == f"sudo dgon-agent join {site.url} {answer['code']}" and answer["uses"] == 1
    status, answer, _ = command(site, "POST", {"name": "gpu-post", "expires": "2h"}, Accept="application/json", Origin=site.url)
    assert status == 200 and site.join(Key(), answer["code"])[1]["id"] == "gpu-post"


def test_command_for_nobody_else(site):
    assert command(site, user=None)[0] == 401
    assert command(site, user=("admin", "wrong"))[0] == 401
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "none"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert error_code(command(site, **headers)) == (403, "origin_not_allowed"), headers
    assert command(site, "POST", b"name=x", Content_Type="application/x-www-form-urlencoded")[0] == 415
    assert error_code(command(site, "POST", {"expires": "99d"})) == (400, "invalid_value")
    assert error_code(command(site, path="/open/command", user=None)) == (403, "not_opened"), "a handler without a login before it"


# ---- logging in ----

def joined(site, name):
    key = Key()
    return key, site.join(key, name=name)[1]["id"]


@on_both
def test_login(site):
    key, id = joined(site, "py")

    async def run():
        async with Link(site) as a:
            welcome = await a.login(key, agent="somebody-else")
            assert welcome["agent"] == id, "the id follows from the key"

    asyncio.run(run())


@on_both
def test_logins_that_fail(site):
    key, _ = joined(site, "victim")
    other, _ = joined(site, "attacker")

    async def attempt(**how):
        async with Link(site) as a:
            nonce = (await a.read("challenge"))["nonce"]
            how = {k: v(nonce) if callable(v) else v for k, v in how.items()}
            await a.hello(nonce=nonce, **how)
            code, reason = await a.closed()
            assert code == 4401, (how, code, reason)
            return reason

    async def run():
        assert "no agent with this key" in await attempt(key=Key())
        assert "signature" in await attempt(key=key, signer=other)
        assert "signature" in await attempt(key=key, version="2")
        assert "signed" in await attempt(key=None)
        # what one link has signed is of no use on another one, nor for another instance
        async with Link(site) as a:
            nonce = (await a.read("challenge"))["nonce"]
            instance = "0123456789abcdef"
            old = key.login(nonce, instance)
            async with Link(site) as b:
                await b.read("challenge")
                await b.hello(key, nonce, instance, signature=old)
                assert (await b.closed())[0] == 4401
            await a.hello(key, nonce, "fedcba9876543210", signature=old)
            assert (await a.closed())[0] == 4401

    asyncio.run(run())


def test_a_token_takes_no_joined_name(site):
    _, id = joined(site, "named")

    async def run():
        async with Link(site, token=env.TOKEN) as a:
            await a.hello(agent=id)
            assert (await a.closed())[0] == 4401
        async with Link(site, token=env.TOKEN) as a:
            await a.hello(agent="free-name")
            assert (await a.read("welcome"))["agent"] == "free-name"
            assert site.join(Key(), name="free-name")[0] == 200
            assert (await a.read("goaway"))["reason"] == "joined"

    asyncio.run(run())


def test_a_second_instance_does_not_throw_out_the_first(site):
    """The first one is asked whether it lives; it answers, within the same millisecond here."""
    site.gateway.expect("DGON0050: .*4409")
    key, _ = joined(site, "twin")

    async def run():
        async with Link(site) as a:
            await a.login(key)
            reading = asyncio.create_task(a.closed(4))
            for _ in range(3):
                async with Link(site) as b:
                    await b.hello(key, (await b.read("challenge"))["nonce"])
                    assert (await b.closed())[0] == 4409
                await asyncio.sleep(0.9)
            with pytest.raises(asyncio.TimeoutError):
                await reading

    asyncio.run(run())


@on_both
def test_nothing_much_is_read_before_login(site):
    key, _ = joined(site, "long")

    async def run():
        async with Link(site) as a:
            nonce = (await a.read("challenge"))["nonce"]
            await a.hello(key, nonce, padding="x" * 17000)
            assert (await a.closed())[0] in (1009, 1006)
        async with Link(site) as a:  # unknown messages do not count as hello, but their bytes do
            await a.read("challenge")
            with pytest.raises(Exception):
                for _ in range(200):
                    await a.send(type="alive", padding="x" * 1000)
                    await asyncio.sleep(0.001)
        async with Link(site) as a:
            begin = time.monotonic()
            code, reason = await a.closed()
            assert code == 4400 and "hello" in reason and 4 < time.monotonic() - begin < 6.5

    asyncio.run(run())


# ---- revoke, rename, rotate ----

@on_both
def test_revoked_in_mid_stream(site):
    agent = site.agents[0]
    other = site.add_agent().start("fault")
    env.wait_for(lambda: site.gateway.offers(["fault"], 2), what="two agents")

    async def run():
        # both agents are at work: some streams break off, and none ends well without all its tokens
        streams = [asyncio.create_task(client.ask(site.url, tokens=60, gap=0.1, label=f"revoke-{i}")) for i in range(8)]
        await asyncio.sleep(1)
        begin = time.monotonic()
        site.ctl("revoke", agent.id)
        revoked = time.monotonic()
        agent.wait_line("has revoked this agent", 4)
        took = time.monotonic() - revoked
        answers = await asyncio.gather(*streams)
        return took, answers, begin

    took, answers, _ = asyncio.run(run())
    outcomes = [a.outcome for a in answers]
    assert "error" in outcomes and "done" in outcomes, outcomes
    print(f"revoked: out after {took:.2f} s")
    assert took < 2
    env.wait_for(lambda: site.gateway.offers(["fault"], 1) and not site.gateway.offers(["fault"], 2), what="one agent")
    assert agent.id not in site.ids()
    ask(site, tokens=3).check_done(3)
    assert other.process.poll() is None
    agent.stop()
    assert site.ctl("revoke", agent.id, ok=False)[0] == 4


@on_both
def test_renamed_under_a_stream(site):
    agent = site.agents[-1]

    async def run():
        stream = asyncio.create_task(client.ask(site.url, tokens=40, gap=0.1, label="rename"))
        await asyncio.sleep(1)
        begin = time.monotonic()
        site.ctl("rename", agent.id, "gpu-new")
        agent.wait_line("as gpu-new,", 4)
        print(f"renamed: there under its new name after {time.monotonic() - begin:.2f} s")
        return await stream

    asyncio.run(run()).check_done(40)
    assert "gpu-new" in site.ids() and agent.id not in site.ids()
    assert site.ctl("rename", "nobody", "x", ok=False)[0] == 4
    assert site.ctl("rename", "gpu-new", "a b", ok=False)[0] == 2
    site.ctl("rename", "gpu-new", agent.id)
    agent.wait_line(f"as {agent.id}, child", 6, count=3)


@on_both
def test_graceful_restart(site):
    agent = site.agents[-1]
    ups = agent.lines().count(" up: ")

    async def run():
        stream = asyncio.create_task(client.ask(site.url, tokens=30, gap=0.1, label="graceful"))
        await asyncio.sleep(0.5)
        site.gateway.graceful()
        return await stream

    asyncio.run(run()).check_done(30)
    agent.wait_line(" up: ", 10, count=ups + 1)
    env.wait_for(lambda: "fault" in site.gateway.models(), what="model")
    ask(site, tokens=3).check_done(3)


def fingerprint(site, id):
    return next(a for a in site.list()["agents"] if a["id"] == id)


def test_rotated_under_a_stream(site):
    agent = site.agents[-1]
    before, key = fingerprint(site, agent.id), agent.keys()["key"]

    async def run():
        stream = asyncio.create_task(client.ask(site.url, tokens=40, gap=0.1, label="rotate"))
        await asyncio.sleep(0.5)
        site.ctl("rotate", agent.id)
        agent.wait_line("the new key is in use", 8)
        return await stream

    asyncio.run(run()).check_done(40)
    env.wait_for(lambda: not fingerprint(site, agent.id)["rotating"], 5, "end of the rotation")
    assert fingerprint(site, agent.id)["fingerprint"] != before["fingerprint"]
    assert agent.keys()["key"] != key and "next" not in agent.keys()
    agent.stop()
    agent.start("fault")


def test_killed_while_it_rotates(site):
    """kill -9 of the agent and of httpd's children at any step: one of the two keys is good."""
    agent = site.agents[-1]
    site.gateway.expect("AH00052|exit signal Kill|DGON0030")
    for step in range(12):
        site.ctl("rotate", agent.id)
        time.sleep(step * 0.13)
        if step % 3 == 2:
            for pid in site.gateway.worker_pids():
                os.kill(pid, 9)
        agent.kill()
        agent.keys()
        agent.start("fault")
        env.wait_for(lambda: not fingerprint(site, agent.id)["rotating"], 20, f"end of the rotation after step {step}")
    env.wait_for(lambda: "next" not in agent.keys(), 5, "one key only")


def test_next_key_that_the_gateway_does_not_know(site):
    """The agent was killed between its own step and the gateway's."""
    agent = site.agents[-1]
    agent.stop()
    begin = len(agent.lines())
    with agent.credential.open("a") as f:
        f.write("next = " + os.urandom(32).hex() + "\n")
    next_key = agent.keys()["next"]
    start = time.monotonic()
    agent.start("fault")
    assert time.monotonic() - start < 5, "the old key is tried at once"
    site.ctl("rotate", agent.id)
    env.wait_for(lambda: "the new key is in use" in agent.lines()[begin:], 8, "new key")
    assert agent.keys()["key"] == next_key


def test_key_message_must_be_signed(site):
    key, id = joined(site, "rot")

    same = "00000000000000aa"

    async def run():
        async with Link(site) as a:
            await a.login(key, instance=same)
            site.ctl("rotate", id)
            await a.read("rotate")
            new = Key()
            await a.send(type="key", key=new.public, signature=key.sign(f"dgon.v1 new key\n{a.nonce}\n{new.public}\n"))
            assert (await a.closed())[0] == 4400
        async with Link(site) as a:  # not asked for
            await a.login(joined(site, "rot")[0])
            new = Key()
            await a.send(type="key", key=new.public, signature=new.sign(f"dgon.v1 new key\n{a.nonce}\n{new.public}\n"))
            assert (await a.closed())[0] == 4400
        async with Link(site) as a:
            await a.login(key, instance=same)
            await a.read("rotate")
            await a.send(type="key", key=new.public, signature=new.sign(f"dgon.v1 new key\n{a.nonce}\n{new.public}\n"))
            goaway = await a.read("goaway")
            assert goaway["reason"] == "rotate"
            async with Link(site) as b:  # both are good until the new one was used
                assert (await b.login(key, instance=same))["agent"] == id
            async with Link(site) as b:
                assert (await b.login(new, instance=same))["agent"] == id
        env.wait_for(lambda: not fingerprint(site, id)["rotating"], 5, "end of the rotation")
        async with Link(site) as b:
            nonce = (await b.read("challenge"))["nonce"]
            await b.hello(key, nonce)
            assert (await b.closed())[0] == 4401

    asyncio.run(run())


# ---- the file ----

@pytest.mark.parametrize("damage", ["cut", "rubbish", "open", "gone"])
def test_damaged_file(site, damage):
    agent, text = site.agents[-1], site.file.read_text()
    site.gateway.expect("DGON0255")
    count = site.gateway.log.read_text().count("DGON0255")
    good = site.file.with_name("good")
    if damage == "open":
        site.file.chmod(0o644)
    elif damage == "gone":
        site.file.rename(good)
    else:
        site.file.write_text(text[:len(text) // 2] if damage == "cut" else text + "agent x\n")
    env.wait_for(lambda: site.gateway.log.read_text().count("DGON0255") > count, 4, "a line about the file")
    time.sleep(1.5)
    new = site.gateway.log.read_text()
    children = len(site.gateway.worker_pids())
    assert 1 <= new.count("DGON0255") - count <= children, "each child says it once"
    assert str(site.file) in new
    ask(site, tokens=3).check_done(3)
    agent.stop()
    agent.start("fault")  # the last good one still lets it in
    if damage == "open":
        site.file.chmod(0o640)
    elif damage == "gone":
        good.rename(site.file)
    else:
        site.file.write_text(text)
    env.wait_for(lambda: "DGON0254" in site.gateway.log.read_text()[len(new):], 4, "the good word")
    ask(site, tokens=3).check_done(3)


def test_nothing_of_it_in_a_log(site):
    """Codes, keys, nonces' signatures: the logs of all that ran here, at their most talkative."""
    key, _ = joined(site, "quiet")
    assert site.join(Key(), "AAAAA-AAAAA-AAAAA-AAAAA")[0] == 403

    async def run():
        async with Link(site) as a:
            await a.login(key)

    asyncio.run(run())
    assert len(enrol.SECRETS) >= 4
    for path in site.dir.rglob("*.log"):
        text = path.read_text(errors="replace")
        assert not [s for s in enrol.SECRETS if s in text], path
    text = site.gateway.log.read_text()
    assert "DGON0272" in text and "DGON0271" in text
    assert not [s for s in enrol.SECRETS if s in site.file.read_text()]
