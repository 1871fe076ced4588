"""The fleet view, live; and an administrator who adds a machine by the command that it shows."""

import re

import pytest
from playwright.sync_api import expect

import enrol


@pytest.fixture
def empty():
    site = enrol.Site("test_page_fleet").start()
    yield site
    site.stop()


def test_a_machine_is_added(empty, visit):
    """The command as it stands on the page, with its code, is all that the machine needs: it appears without a reload."""
    site = empty
    v = visit(site.url, "/#/fleet", http_credentials={"username": enrol.ADMIN[0], "password": enrol.ADMIN[1]})
    page = v.page
    expect(page.get_by_text("No machine has joined yet.")).to_be_visible()
    page.get_by_role("button", name="Add a machine").first.click()
    dialog = page.get_by_role("dialog")
    bash = dialog.locator("code, pre").filter(has_text="dgon-agent join").first
    expect(bash).to_be_visible()
    url, code = re.search(r"dgon-agent join (\S+) (\S+)", bash.inner_text()).groups()
    assert url == site.url
    enrol.SECRETS.add(code)
    expect(dialog).to_contain_text(re.compile("PowerShell"))
    v.axe()
    page.keyboard.press("Escape")
    agent = site.add_agent(code=code, name="gpu", slots=3)
    assert agent.out.returncode == 0, agent.out.stderr
    agent.start()
    card = page.get_by_text(agent.id, exact=True)
    expect(card).to_be_visible(timeout=10000)
    expect(page.get_by_text("1 machine is up, 0 of 3 slots are busy, nobody waits.")).to_be_visible()
    v.check_looks("fleet")
    agent.kill()
    expect(page.get_by_text(re.compile("No machine is up|0 machines are up|none is up", re.I)).first).to_be_visible(timeout=10000)


def test_who_is_no_administrator(page):
    """The fleet is seen, a code is not to be had here: a sentence says who can."""
    page.watch.expect("console error: .*status of 404 .*node/join/command")
    page.page.goto(page.url + "/#/fleet")
    expect(page.page.get_by_text("1 machine is up, 0 of 64 slots are busy, nobody waits.")).to_be_visible()
    page.page.get_by_role("button", name="Add a machine").first.click()
    expect(page.page.get_by_role("dialog")).to_contain_text("administrator")
