"""basic.conf: names and passwords in a file."""

import subprocess

import pytest

import browser
import sdk
import served

PASSWORDS = {"ada": "canary-ada-41", "eve": "canary-eve-42"}


@pytest.fixture(scope="module")
def site():
    site = served.Site("basic")
    htpasswd = (subprocess.run(["htpasswd", "-n", "-b", "-B", *one], capture_output=True, text=True, check=True).stdout for one in PASSWORDS.items())
    site.etc("users", "".join(text.strip() + "\n" for text in htpasswd))
    site.etc("groups", "llm: ada\nothers: eve\n")
    site.expect("AH01614|AH01617|AH01618|AH01631")  # another scheme, wrong password, unknown user, wrong group
    with served.running(site):
        yield site


def test_right_user(site):
    sdk.check_user(site, "ada", headers=site.basic("ada", PASSWORDS["ada"]))


def test_wrong_group(site):
    sdk.check_user(site, "eve", status=403, headers=site.basic("eve", PASSWORDS["eve"]))


@pytest.mark.parametrize("user, password", [("ada", "canary-wrong-43"), ("ada", PASSWORDS["eve"]), ("nobody", "canary-wrong-44"), ("", "")])
def test_wrong_password(site, user, password):
    sdk.check_out(sdk.program(site, headers=site.basic(user, password)), 401)


def test_no_credential(site):
    sdk.check_nobody(site, "Basic realm=")
    sdk.check_out(sdk.program(site, key=site.secret("canary-key-45")), 401)


def test_browser(site):
    """A person is asked by the browser itself; its pages then use the API without another word."""
    with browser.person(site, password=("ada", PASSWORDS["ada"])) as page:
        assert page.goto(site.site + "/").status == 200
        browser.check_stream(page)
    with browser.person(site, password=("ada", "canary-wrong-46")) as page:
        site.secret("canary-wrong-46")
        browser.check_refused_page(page, site.site + "/", 401)
