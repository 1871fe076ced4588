"""two-hosts.conf: the page on one host, the API on another."""

import playwright.sync_api
import pytest

import browser
import members
import served


@pytest.fixture(scope="module")
def site():
    site = members.files(served.Site("two-hosts", replace={
        "DgonCorsOrigin https://chat.example.org": "DgonCorsOrigin https://chat.example.org:{port}",
        "'self' https://gateway.example.org\"": "'self' https://gateway.example.org:{port}\""}))
    with served.running(site):
        yield site


def test_programs(site):
    members.check(site)


def test_browser(site):
    api = f"{site.site}/v1/chat/completions"
    with browser.person(site) as page:
        assert page.goto(f"https://chat.example.org:{site.port}/").status == 200
        browser.check_stream(page, api, members.headers(site))
        # What went wrong can be read by the page, which is on another host.
        browser.check_refused(page, 403, api, members.headers(site, "eve"))
        browser.check_refused(page, 401, api, members.headers(site, "ada", "canary-wrong-84"))
        browser.check_refused(page, 401, api)
        # The page's own policy lets it talk to nobody else.
        with pytest.raises(playwright.sync_api.Error, match="Failed to fetch"):
            browser.ask(page, f"https://other.example.org:{site.port}/v1/chat/completions", tokens=1)


def test_a_third_page(site):
    """It may not, even where it knows a password: the browser keeps the answer from it, and does not send what costs."""
    with browser.person(site) as page:
        page.route("https://evil.example.org/", lambda route: route.fulfill(body="<!doctype html><title>evil</title>", content_type="text/html"))
        page.goto("https://evil.example.org/")
        before = len(site.backend.requests())
        with pytest.raises(playwright.sync_api.Error, match="Failed to fetch"):
            browser.ask(page, f"{site.site}/v1/chat/completions", members.headers(site), tokens=1)
        assert len(site.backend.requests()) == before
