"""one-location.conf: a browser's cookie and programs' keys at the same address."""

import time

import openai
import playwright.sync_api
import pytest

import browser
import client
import env
import keyring
import login_server
import sdk
import served
from test_oidc import log_in

PEOPLE = {"ada": {"password": "canary-ada-91", "groups": ["llm"]}, "eve": {"password": "canary-eve-92", "groups": ["others"]}}
SECRET, PASSPHRASE = "canary-client-93", "canary-phrase-94-0123456789"


@pytest.fixture(scope="module")
def site():
    def prepare():
        site.provider = site.beside(login_server.LoginServer(site, PEOPLE, {}, SECRET)).start()
        site.replace = {"https://login.example.org/": site.provider.url + "/",
                        "OIDCRedirectURI https://gateway.example.org/": "OIDCRedirectURI https://gateway.example.org:{port}/"}

    site = served.Site("one-location", prepare=prepare)
    site.more = f"OIDCCABundlePath {site.authority.crt}\n"
    site.secret(SECRET, PASSPHRASE, *(p["password"] for p in PEOPLE.values()))
    site.etc("oidc.secrets", f"OIDCClientSecret {SECRET}\nOIDCCryptoPassphrase {PASSPHRASE}\n")
    site.keys = site.etc("keys", "")
    site.expect("AH01631|oidc_|DGON020")  # wrong group; logins; keys that are refused
    with served.running(site):
        yield site


def key(site, *command):
    """The key that dgonctl prints."""
    text = keyring.dgonctl("key", *command, "--file", str(site.keys)).stdout.strip()
    return site.secret(text, text.partition(".")[2]) if text else ""


def takes(site, text):
    """Whether a program gets in with this key, at any child of httpd: each looks at the file by itself."""
    answers = set()
    for _ in range(8):
        try:
            answers.add(bool(sdk.program(site, key=text).models.list()))
        except openai.AuthenticationError:
            answers.add(False)
    return answers


def is_in(site, text):
    env.wait_for(lambda: takes(site, text) == {True}, 4, "key let in")


def is_out(site, text):
    """Within two seconds."""
    time.sleep(2)
    assert takes(site, text) == {False}
    sdk.check_out(sdk.program(site, key=text), 401)


def test_program(site):
    robot = key(site, "add", "robot")
    is_in(site, robot)
    sdk.check_user(site, "robot", key=robot)
    headers = {"Host": f"{site.host}:{site.port}", "x-api-key": robot}  # as Anthropic's SDKs send it
    assert sdk.wait(client.fetch(site.site, "/v1/models", headers=headers)).status == 200
    sdk.wait(client.ask(site.site, headers=headers, tokens=2)).check_done(2)
    sdk.check_out(sdk.program(site, key=site.secret(robot[:-4] + "AAAA")), 401)
    sdk.check_nobody(site, "Bearer realm=")
    key(site, "revoke", "robot")
    is_out(site, robot)


def test_expired_key(site):
    old = key(site, "add", "brief", "--expires", "90d")
    is_in(site, old)
    lines = [line.split(" ") for line in site.keys.read_text().splitlines()]
    for fields in lines:
        if fields[0] == "brief":
            fields[2] = "2001-01-01T00:00:00Z"
    site.etc("keys", "\n".join(" ".join(fields) for fields in lines) + "\n")
    is_out(site, old)


def test_browser_and_key(site):
    robot = key(site, "add", "second")
    is_in(site, robot)
    before = site.lines()
    with browser.person(site) as page:
        log_in(page, site, "ada", PEOPLE["ada"]["password"])
        assert page.url == site.site + "/"
        browser.check_stream(page)
        site.logged("ada", 200, before)
        site.secret(*(c["value"] for c in page.context.cookies(site.site)))
        # The same page with a key is the key's user, and a wrong key is refused although the cookie is good.
        before = site.lines()
        browser.check_stream(page, headers={"Authorization": f"Bearer {robot}"})
        site.logged("second", 200, before)
        browser.check_refused(page, 401, headers={"Authorization": f"Bearer {site.secret(robot[:-4] + 'AAAA')}"})
        # A page of another site with the user's cookie in the same browser: nothing reaches a model.
        page.route("https://evil.example.org/", lambda route: route.fulfill(body="<!doctype html><title>evil</title>", content_type="text/html"))
        page.goto("https://evil.example.org/")
        before = len(site.backend.requests())
        for mode in ("no-cors", "cors"):
            script = f"([url, body]) => fetch(url, {{method: 'POST', mode: '{mode}', credentials: 'include', body}}).then(r => r.type)"
            try:
                assert page.evaluate(script, [f"{site.site}/v1/chat/completions", '{"model": "fault", "messages": []}']) == "opaque"
            except playwright.sync_api.Error as e:
                assert "Failed to fetch" in str(e), e
        assert len(site.backend.requests()) == before
        # The login is over.
        page.context.clear_cookies(domain=site.host)
        page.goto(site.site + "/")
        assert page.url == site.site + "/"
        page.context.clear_cookies(domain=site.host)
        browser.check_refused(page, 401)


def test_browser_of_another_group(site):
    with browser.person(site) as page:
        log_in(page, site, "eve", PEOPLE["eve"]["password"])
        browser.check_refused(page, 403)
        site.secret(*(c["value"] for c in page.context.cookies(site.site)))
