"""ldap.conf: users and groups of a directory, and a directory that is lost or hangs."""

import asyncio
import os
import pathlib
import time

import pytest

import client
import directory
import sdk
import served

PEOPLE = {u: f"canary-{u}-51" for u in ("ada", "bob", "cyd", "dan", "eve")}
READER = "canary-reader-52"


@pytest.fixture(scope="module")
def site():
    site = served.Site("ldap", replace={"ldap.example.org/ou": "127.0.0.1:{ldap}/ou", "/etc/ssl/certs/ldap-ca.pem": "{ca}"})
    slapd = directory.Directory(site.dir, site.authority, PEOPLE, {"llm": ["ada", "bob", "cyd", "dan"], "others": ["eve"]}, READER)
    site.replace = {k: v.replace("{ldap}", str(slapd.port)).replace("{ca}", str(site.authority.crt)) for k, v in site.replace.items()}
    site.etc("ldap.password", site.secret(READER) + "\n")
    site.expect("AH01617|AH01618|AH01631")  # wrong password, unknown user, wrong group
    site.expect("AH00488")  # after a graceful restart: the program that printed the password has ended
    site.directory = site.beside(slapd).start()
    with served.running(site):
        yield site


@pytest.fixture
def alone(site):
    """The directory is back after the test."""
    yield site.directory
    if site.directory.server:
        site.directory.go_on()
    else:
        site.directory.start()


def login(site, user, password=None):
    return site.basic(user, password or PEOPLE[user])


def ask(site, user, **plan):
    return client.ask(site.site, headers={"Host": f"{site.host}:{site.port}", **login(site, user)}, **plan)


def cpu(site):
    """Seconds of processor time that httpd's children have used."""
    fields = [pathlib.Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in site.worker_pids()]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def test_right_user(site):
    sdk.check_user(site, "ada", headers=login(site, "ada"))


def test_the_directorys_spelling_counts(site):
    before = site.lines()
    assert sdk.program(site, headers=login(site, "ADA", PEOPLE["ada"])).models.list()
    site.logged("ada", 200, before)


def test_wrong_group(site):
    sdk.check_user(site, "eve", status=403, headers=login(site, "eve"))


@pytest.mark.parametrize("user, password", [("ada", "canary-wrong-53"), ("nobody", "canary-wrong-54"), ("*", PEOPLE["ada"]), ("a*)(uid=ada", PEOPLE["ada"])])
def test_wrong_password(site, user, password):
    sdk.check_out(sdk.program(site, headers=login(site, user, password)), 401)


def test_no_credential(site):
    sdk.check_nobody(site, "Basic realm=")


def test_a_directory_that_hangs(site, alone):
    """It holds up who is not known yet, for some seconds; no stream that runs, and nobody who is in."""
    asyncio.run(ask(site, "ada", tokens=1)).check_done(1)

    async def run():
        running = asyncio.ensure_future(ask(site, "ada", tokens=30, gap=0.2))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(alone.hang)
        begin, busy = time.monotonic(), cpu(site)
        strangers = [asyncio.ensure_future(ask(site, "bob", tokens=1)) for _ in range(10)]
        await asyncio.sleep(0.3)
        for _ in range(5):
            a = await ask(site, "ada", tokens=1)
            a.check_done(1)
            assert a.ended - a.started < 2, "who is in had to wait for the directory"
        refused = await asyncio.gather(*strangers)
        waited, busy = time.monotonic() - begin, cpu(site) - busy
        return await running, refused, waited, busy

    site.expect("AH01618|AH01617|auth_ldap authenticate: user bob|LDAP")
    stream, refused, waited, busy = asyncio.run(run())
    stream.check_done(30)
    times = [t for t, _ in stream.events]
    assert max(b - a for a, b in zip(times, times[1:])) < 2, "a stream stood still"
    print(f"ten unknown users waited {waited:.1f} s, {busy:.2f} s of a processor")
    assert busy < waited / 2, f"{busy:.2f} s of a processor in {waited:.1f} s: it does not sleep while it waits"
    for a in refused:
        client.check_error(a, 500)
    assert waited < 8
    alone.go_on()
    asyncio.run(ask(site, "bob", tokens=1)).check_done(1)


def test_a_lost_directory(site, alone):
    asyncio.run(ask(site, "ada", tokens=1)).check_done(1)
    site.expect("AH01618|AH01617|auth_ldap authenticate: user cyd|LDAP")
    alone.stop()
    begin = time.monotonic()
    client.check_error(asyncio.run(ask(site, "cyd", tokens=1)), 500)
    assert time.monotonic() - begin < 10
    sdk.check_in(sdk.program(site, headers=login(site, "ada")))
    alone.start()
    asyncio.run(ask(site, "cyd", tokens=1)).check_done(1)


def test_a_restart_forgets(site, alone):
    """As the example says: after a graceful restart the directory is asked again."""
    asyncio.run(ask(site, "ada", tokens=1)).check_done(1)
    site.expect("AH01618|AH01617|auth_ldap authenticate: user ada|LDAP")
    stream = None

    async def run():
        nonlocal stream
        running = asyncio.ensure_future(ask(site, "ada", tokens=20, gap=0.1))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(alone.stop)
        site.graceful()
        for _ in range(100):
            await asyncio.sleep(0.1)
            a = await ask(site, "ada", tokens=1)
            if a.status == 500:
                break
        else:
            raise AssertionError("still remembered")
        stream = await running

    asyncio.run(run())
    stream.check_done(20)
    alone.start()
    asyncio.run(ask(site, "ada", tokens=1)).check_done(1)
