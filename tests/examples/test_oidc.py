"""oidc.conf: people log in with a browser, programs send access tokens; a provider that is lost or hangs."""

import asyncio
import base64
import json
import time

import pytest

import browser
import client
import login_server
import sdk
import served

PEOPLE = {"ada": {"password": "canary-ada-61", "groups": ["llm"]}, "eve": {"password": "canary-eve-62", "groups": ["others"]}}
PROGRAMS = {"robot": {"secret": "canary-robot-63", "groups": ["llm"]}, "stranger": {"secret": "canary-stranger-64", "groups": ["others"]},
            "brief": {"secret": "canary-brief-65", "groups": ["llm"], "seconds": 1}}
SECRET, PASSPHRASE = "canary-client-66", "canary-phrase-67-0123456789"


@pytest.fixture(scope="module")
def site():
    def prepare():
        site.provider = site.beside(login_server.LoginServer(site, PEOPLE, PROGRAMS, SECRET)).start()
        site.replace = {"https://login.example.org/": site.provider.url + "/",
                        "OIDCRedirectURI https://gateway.example.org/": "OIDCRedirectURI https://gateway.example.org:{port}/"}

    site = served.Site("oidc", prepare=prepare)
    site.more = f"OIDCCABundlePath {site.authority.crt}\n"
    site.secret(SECRET, PASSPHRASE, *(p.get("password") or p["secret"] for p in [*PEOPLE.values(), *PROGRAMS.values()]))
    site.etc("oidc.secrets", f"OIDCClientSecret {SECRET}\nOIDCCryptoPassphrase {PASSPHRASE}\n")
    site.expect("AH01631|oidc_check_config_oauth|oidc_oauth_validate|oidc_proto_|oidc_util_http_call")  # wrong group, wrong tokens, lost provider
    with served.running(site):
        yield site


@pytest.fixture(scope="module")
def provider(site):
    return site.provider


@pytest.fixture
def alone(provider):
    """The provider is back after the test."""
    yield provider
    provider.go_on() if provider.server else provider.start()


def log_in(page, site, user, password=None):
    page.goto(site.site + "/")
    assert page.url.startswith(site.provider.url + "/login/"), page.url
    page.fill("input[name=user]", user)
    page.fill("input[name=password]", password or PEOPLE[user]["password"])
    with page.expect_navigation():
        page.click("button")


def fetch(site, headers, path="/v1/models", **more):
    return asyncio.run(client.fetch(site.site, path, headers={"Host": f"{site.host}:{site.port}", **headers}, **more))


def test_program(site, provider):
    sdk.check_user(site, "robot", key=provider.token("robot"))


def test_program_of_another_group(site, provider):
    sdk.check_user(site, "stranger", status=403, key=provider.token("stranger"))


def test_token_for_another_server(site, provider):
    sdk.check_out(sdk.program(site, key=provider.token("robot", resource="https://other.example.org/api")), 403)


def test_expired_token(site, provider):
    token = provider.token("brief")
    assert sdk.program(site, key=token).models.list()
    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    time.sleep(max(0, payload["exp"] - time.time()) + 1.1)
    sdk.check_out(sdk.program(site, key=token), 401)


def changed(token, **claims):
    head, payload, signature = token.split(".")
    payload = json.loads(base64.urlsafe_b64decode(payload + "==")) | claims
    return ".".join([head, base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("="), signature])


@pytest.mark.parametrize("spoil", [
    lambda t: changed(t, sub="ada"), lambda t: t[:-8] + "AAAAAAAA", lambda t: t.rpartition(".")[0] + ".", lambda t: "canary-no-token-68",
    lambda t: base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + "." + t.split(".")[1] + "."],
    ids=["other claims", "other signature", "no signature", "no token", "alg none"])
def test_wrong_token(site, provider, spoil):
    sdk.check_out(sdk.program(site, key=site.secret(spoil(provider.token("robot")))), 401)


def test_no_credential(site):
    sdk.check_nobody(site, "Bearer realm=")
    # A program that takes anything is not sent to a page for people either.
    sdk.check_nobody(site, "Bearer realm=", headers={"Accept": "*/*"})
    sdk.check_nobody(site, "Bearer realm=", headers={"Accept": "text/html"})


def test_browser(site):
    before = site.lines()
    with browser.person(site) as page:
        log_in(page, site, "ada", "canary-wrong-69")
        assert page.url.startswith(site.provider.url), "in with a wrong password"
        log_in(page, site, "ada")
        assert page.url == site.site + "/" and page.locator("#app").count() == 1
        browser.check_stream(page)
        site.logged("ada", 200, before)
        cookies = page.context.cookies(site.site)
        assert cookies and all(c["httpOnly"] and c["secure"] and c["sameSite"] in ("Lax", "Strict") for c in cookies), cookies
        site.secret(*(c["value"] for c in cookies))
        # The login is over: the page is told so by JSON, for requests of any number at once, and no cookie is left of them.
        page.context.clear_cookies(domain=site.host)
        page.evaluate("() => Promise.all([...Array(20).keys()].map(() => fetch('/v1/models')))")
        browser.check_refused(page, 401)
        assert page.context.cookies(site.site) == []
        # What the page does then: the provider still knows him, so he is in again.
        page.reload()
        assert page.url == site.site + "/"
        browser.check_stream(page)


def test_browser_of_another_group(site):
    before = site.lines()
    with browser.person(site) as page:
        log_in(page, site, "eve")
        assert page.url.startswith(site.site)
        browser.check_refused(page, 403)
        site.logged("eve", 403, before)
        site.secret(*(c["value"] for c in page.context.cookies(site.site)))


def test_a_cookie_that_is_not_ours(site):
    for value in ("canary-cookie-70", "", "x" * 4000):
        client.check_error(fetch(site, {"Cookie": f"mod_auth_openidc_session={value}"}), 401)


def test_id_token_is_no_access_token(site, provider):
    """The same provider has signed it, for this very gateway, but for the login."""
    token = provider.id_token("ada")
    sdk.check_out(sdk.program(site, key=token), 403)


def test_a_lost_provider(site, alone):
    """People and programs who are in stay in, over a graceful restart too."""
    token = alone.token("robot")
    assert sdk.program(site, key=token).models.list()
    with browser.person(site) as page:
        log_in(page, site, "ada")
        alone.stop()
        old = set(site.worker_pids())
        site.graceful()
        served.env.wait_for(lambda: not old & set(site.worker_pids()), 40, "new children")
        browser.check_stream(page)
        sdk.check_in(sdk.program(site, key=token))
        # Who is not in gets an answer: a page that says what is wrong, or 401.
        sdk.check_nobody(site, "Bearer realm=")
        page.context.clear_cookies(domain=site.host)
        browser.check_refused(page, 401)


def test_a_provider_that_hangs(site, alone):
    """It holds up only what needs it: a token with an unknown key."""
    token = alone.token("robot")
    head, rest = token.split(".", 1)
    unknown = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": "unknown"}).encode()).decode().rstrip("=") + "." + rest
    bearer = {"Host": f"{site.host}:{site.port}", "Authorization": f"Bearer {token}"}

    async def run():
        running = asyncio.ensure_future(client.ask(site.site, headers=bearer, tokens=40, gap=0.2))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(alone.hang)
        strangers = [asyncio.ensure_future(client.ask(site.site, headers={**bearer, "Authorization": f"Bearer {unknown}"}, tokens=1)) for _ in range(10)]
        await asyncio.sleep(0.3)
        for _ in range(3):
            a = await client.ask(site.site, headers=bearer, tokens=1)
            a.check_done(1)
            assert a.ended - a.started < 2
        for a in await asyncio.gather(*strangers):
            client.check_error(a, 401)
            assert a.ended - a.started < 12
            print(f"unknown key: {a.ended - a.started:.1f} s")
        return await running

    stream = asyncio.run(run())
    stream.check_done(40)
    times = [t for t, _ in stream.events]
    assert max(b - a for a, b in zip(times, times[1:])) < 2, "a stream stood still"
