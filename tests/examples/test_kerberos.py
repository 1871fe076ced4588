"""kerberos.conf: a ticket instead of a password."""

import base64
import json
import os
import secrets
import subprocess
import time

import gssapi
import httpx2
import pytest

import realm
import sdk
import served

PEOPLE = {"ada": "canary-ada-72", "eve": "canary-eve-73"}


@pytest.fixture(scope="module")
def site():
    site = served.Site("kerberos")
    kdc = realm.Realm(site.home, PEOPLE)  # where httpd can read krb5.conf
    site.wrapper = ["env", f"KRB5_CONFIG={kdc.conf}", f"KRB5RCACHENAME=dfl:{site.home}/cache"]
    site.realm = site.beside(kdc).start()
    keytab = site.etc("http.keytab", "")
    keytab.write_bytes((kdc.home / "http.keytab").read_bytes())
    site.etc("session.key", "key:" + site.secret(base64.b64encode(secrets.token_bytes(32)).decode()) + "\n")
    site.etc("groups", "llm: ada\nothers: eve\n")
    site.secret(*PEOPLE.values())
    site.expect("AH01631|auth_gssapi")  # wrong group; the module's own words
    before = os.environ.get("KRB5_CONFIG")
    os.environ["KRB5_CONFIG"] = str(kdc.conf)
    try:
        with served.running(site):
            yield site
    finally:
        if before is None:
            del os.environ["KRB5_CONFIG"]
        else:
            os.environ["KRB5_CONFIG"] = before


class Negotiate(httpx2.Auth):
    """As in the example."""

    def __init__(self, site, ticket, service=None):
        self.site, self.service = site, service
        self.credentials = gssapi.Credentials(usage="initiate", store={"ccache": f"FILE:{ticket}"})

    def token(self, host):
        name = gssapi.Name("HTTP@" + (self.service or host), gssapi.NameType.hostbased_service)
        return base64.b64encode(gssapi.SecurityContext(name=name, creds=self.credentials, usage="initiate").step()).decode()

    def auth_flow(self, request):
        request.headers["Authorization"] = "Negotiate " + self.site.secret(self.token(request.url.host))
        yield request


@pytest.fixture(scope="module")
def tickets(site):
    return {name: site.realm.ticket(name, password) for name, password in PEOPLE.items()}


def test_right_ticket(site, tickets):
    sdk.check_user(site, "ada", auth=Negotiate(site, tickets["ada"]))


def test_wrong_group(site, tickets):
    sdk.check_user(site, "eve", status=403, auth=Negotiate(site, tickets["eve"]))


def test_no_credential(site):
    sdk.check_nobody(site, "Negotiate")
    sdk.check_out(sdk.program(site), 401)


@pytest.mark.parametrize("value", ["Negotiate", "Negotiate AAAA", "Negotiate " + base64.b64encode(b"canary-no-ticket-74" * 9).decode(), "Basic YWRhOmNhbmFyeS1hZGEtNzI="])
def test_no_ticket_at_all(site, value):
    sdk.check_out(sdk.program(site, headers={"Authorization": value}), 401)


def test_ticket_for_another_server(site, tickets):
    sdk.check_out(sdk.program(site, auth=Negotiate(site, tickets["ada"], "other.example.org")), 401)


def test_expired_ticket(site):
    ticket = site.realm.ticket("ada", PEOPLE["ada"], "3s")
    auth = Negotiate(site, ticket)
    assert sdk.program(site, auth=auth).models.list()
    late = [site.secret(auth.token(site.host)) for _ in range(2)]  # made in time, used too late: clockskew is 2 s here
    time.sleep(6)
    for token in late:
        assert fetch(site, {"Authorization": f"Negotiate {token}"}).status_code == 401


def fetch(site, headers):
    with httpx2.Client(verify=site.context, trust_env=False) as c:
        return c.get(f"{site.site}/v1/models", headers=headers)


def test_a_ticket_is_good_once(site, tickets):
    token = site.secret(Negotiate(site, tickets["ada"]).token(site.host))
    assert [fetch(site, {"Authorization": f"Negotiate {token}"}).status_code for _ in range(2)] == [200, 401]


def test_curl(site, tickets):
    """Three requests over one connection, a stream among them."""
    one = [f"{site.site}/v1/models", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", "-sS", "--negotiate", "-u", ":", "--cacert", str(site.authority.crt),
           "--resolve", f"{site.host}:{site.port}:127.0.0.1", "--noproxy", "*"]
    ask = [f"{site.site}/v1/chat/completions", *one[1:], "-H", "Content-Type: application/json", "-d",
           json.dumps({"model": "fault", "stream": True, "messages": sdk.plan(tokens=3)})]
    out = subprocess.run(["curl", *one, "--next", *ask, "--next", *one], capture_output=True, text=True,
                         env=served.env.environment(KRB5CCNAME=f"FILE:{tickets['ada']}"))
    assert [line.split()[0] for line in out.stdout.splitlines()] == ["200"] * 3, (out.stdout, out.stderr)
    out = subprocess.run(["curl", *one], capture_output=True, text=True, env=served.env.environment(KRB5CCNAME="FILE:/nonexistent"))
    assert out.stdout.startswith("401"), out


def test_session(site, tickets):
    """The first answer brings a cookie that stands for the ticket, over a graceful restart too. Another one is nothing."""
    token = site.secret(Negotiate(site, tickets["ada"]).token(site.host))
    first = fetch(site, {"Authorization": f"Negotiate {token}"})
    cookie = first.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=Strict")), cookie
    value = site.secret(cookie.split(";")[0].partition("=")[2])
    assert fetch(site, {"Cookie": f"dgon_session={value}"}).status_code == 200
    old = set(site.worker_pids())
    site.graceful()
    served.env.wait_for(lambda: not old & set(site.worker_pids()), 10, "new children")
    before = site.lines()
    assert fetch(site, {"Cookie": f"dgon_session={value}"}).status_code == 200
    site.logged("ada", 200, before)
    for wrong in (value[:-6] + "AAAAAA", "canary-cookie-75", ""):
        assert fetch(site, {"Cookie": f"dgon_session={wrong}"}).status_code == 401


def test_a_lost_kdc(site, tickets):
    """Nobody asks it who has a ticket already: neither the client nor httpd."""
    auth = Negotiate(site, tickets["ada"])
    sdk.check_in(sdk.program(site, auth=auth))
    site.realm.stop()
    try:
        sdk.check_in(sdk.program(site, auth=auth))
    finally:
        site.realm.start()
