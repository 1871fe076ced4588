"""The model picker: what it tells of each model, what it remembers, and that it sees what comes and goes."""

import json
import re

import pytest
from playwright.sync_api import expect

import env
import model
from agent_backend_double import Backend
from talk import Talk

GONE = re.compile("Not there at the moment")
SEEN = {"timeout": 20000}  # agents look at their servers once a second, an open list asks every other second


class Beside:
    """Machines beside those of a stack, with servers that list what the test wants."""

    def __init__(self, stack):
        self.stack, self.backends, self.agents = stack, {}, []

    def add(self, name, *models, can=None, loaded=()):
        b = self.backends[name] = Backend("ollama", models).start()
        b.can, b.loaded = can or {}, list(loaded)
        agent = env.Agent(self.stack.gateway, b.url(), id=name, kind="auto", slots=2)
        self.agents.append(agent)
        agent.start(models[0])
        return agent

    def stop(self):
        for x in [*self.agents, *self.backends.values()]:
            x.stop()


@pytest.fixture(scope="module")
def stack(make_stack):
    return make_stack(conf="DgonAgentWait 500ms\n")


@pytest.fixture
def beside(stack):
    machines = Beside(stack)
    yield machines
    machines.stop()
    model.obeys(stack)
    env.wait_for(lambda: stack.gateway.models() == ["fault"], 10, "end of the other machines")


def picker(page):
    return page.get_by_role("button", name="Model: ")


def option(page, name):
    return page.get_by_role("option").filter(has_text=name)


def test_what_it_tells(stack, beside, visit):
    """Capabilities, context, whether it is loaded, and on how many machines."""
    beside.add("one", "seer:7b", "org/thinker", can={"seer:7b": ["completion", "vision"], "org/thinker": ["completion", "tools", "thinking"]}, loaded=["seer:7b"])
    beside.add("two", "seer:7b", "embedder", can={"seer:7b": ["completion", "vision"], "embedder": ["embedding"]})
    env.wait_for(lambda: {"embedder", "org/thinker"} <= set(stack.gateway.models()), 10, "all models")
    v = visit(stack.url)
    picker(v.page).click()
    expect(option(v.page, "seer:7b")).to_have_text(re.compile(r"^seer:7b\s*Ready\s*2 machines\s*4K\s*Images$"))
    expect(option(v.page, "thinker")).to_have_text(re.compile(r"^org/thinker\s*Loads first\s*1 machine\s*4K\s*Tools\s*Thinking$"))
    expect(option(v.page, "embedder")).to_have_count(0)  # nobody can talk with it
    v.axe()


def test_it_remembers_the_last(stack, beside, visit):
    """For the next conversation, in another tab and after a reload; an older conversation keeps its own."""
    beside.add("one", "another")
    v = visit(stack.url)
    talk = Talk(v.page)
    model.says(stack, "an answer")
    picker(v.page).click()
    option(v.page, "fault").click()
    talk.asks("With the first")
    talk.press("New chat")
    picker(v.page).click()
    option(v.page, "another").click()
    for page in (v.page, v.tab()):
        page.reload()
        expect(page.get_by_role("button", name="Model: another")).to_be_visible()
    talk.rows().first.click()
    expect(v.page.get_by_role("button", name="Model: fault")).to_be_visible()


def test_the_same_question_to_another_model(stack, beside, visit):
    """From the answer's own menu; each version says who wrote it, and the choice for the next question stays."""
    beside.add("one", "another")
    v = visit(stack.url)
    talk = Talk(v.page)
    picker(v.page).click()
    option(v.page, "fault").click()
    model.says(stack, "by the first")
    talk.asks("Who are you?")
    talk.press("More", within=talk.answers.last)
    v.check_looks("menu")
    v.page.get_by_role("menuitem", name="Answer with another").click()
    expect(talk.answers.last).to_contain_text("Hello world")
    expect(talk.ended().locator(".figures")).to_contain_text("another")
    expect(talk.answers.last).to_contain_text("2 / 2")
    talk.press("Previous version")
    expect(talk.answers.last.locator(".figures")).to_contain_text("fault")
    expect(v.page.get_by_role("button", name="Model: fault")).to_be_visible()


def test_it_sees_what_comes_and_goes(stack, beside, visit):
    """While it is open, without being opened again; one that is chosen and goes stays named, and is there as soon as it is back."""
    v = visit(stack.url)
    picker(v.page).click()
    expect(option(v.page, "fault")).to_be_visible()
    agent = beside.add("one", "comes:1b")
    expect(option(v.page, "comes:1b")).to_contain_text("Loads first", **SEEN)
    beside.backends["one"].loaded = ["comes:1b"]
    expect(option(v.page, "comes:1b")).to_contain_text("Ready", **SEEN)
    beside.add("two", "comes:1b")
    expect(option(v.page, "comes:1b")).to_contain_text("2 machines", **SEEN)
    beside.agents[1].stop()
    expect(option(v.page, "comes:1b")).to_contain_text("1 machine", **SEEN)
    option(v.page, "comes:1b").click()
    picker(v.page).click()
    agent.stop()
    expect(v.page.get_by_role("button", name="Model: comes:1b, Not there at the moment")).to_be_visible(**SEEN)
    expect(v.page.get_by_role("dialog").get_by_text(GONE)).to_be_visible()
    v.page.keyboard.press("Escape")
    agent.start("comes:1b")
    expect(v.page.get_by_role("button", name="Model: comes:1b", exact=True)).to_be_visible(**SEEN)


def test_an_answer_tells_of_a_model_that_went(stack, beside, visit):
    """Nobody looks at the list, which is good for a minute: the refusal itself makes the page look."""
    agent = beside.add("one", "goes:1b")
    v = visit(stack.url)
    v.watch.expect("console error: .*status of (404|503)")
    talk = Talk(v.page)
    picker(v.page).click()
    option(v.page, "goes:1b").click()
    agent.stop()
    talk.box.fill("Are you there?")
    v.page.keyboard.press("Enter")
    talk.ended("failed")
    expect(v.page.get_by_role("button", name="Model: goes:1b, Not there at the moment")).to_be_visible(**SEEN)


def test_no_connection_is_held(stack, visit):
    """Open lists in several tabs leave a browser's six connections to answers: each question is short, and has ended before the next one."""
    v = visit(stack.url)
    pages = [v.page, *(v.tab() for _ in range(6))]
    open_now, most = {}, {}
    for p in pages:
        open_now[p], most[p] = set(), 0

        def begun(r, p=p):
            if "/v1/models" in r.url or "/cluster/" in r.url:
                open_now[p].add(r)
                most[p] = max(most[p], len(open_now[p]))

        p.on("request", begun)
        for event in ("requestfinished", "requestfailed"):
            p.on(event, lambda r, p=p: open_now[p].discard(r))
        picker(p).click()
    talk = Talk(pages[-1])
    pages[-1].keyboard.press("Escape")
    model.says(stack, "not held up")
    talk.asks("Is there a connection left?")
    expect(talk.answers.last).to_contain_text("not held up")
    env.wait_for(lambda: pages[0].wait_for_timeout(50) or all(most.values()) and not any(open_now.values()), 10, "end of the questions")
    assert set(most.values()) == {1}, most
    model.obeys(stack)


def test_a_model_that_cannot_see(stack, beside, visit):
    """An image for it: that is said before it is sent, and no longer once another one is chosen."""
    beside.add("one", "blind:1b", "seer:7b", can={"blind:1b": ["completion"], "seer:7b": ["completion", "vision"]})
    v = visit(stack.url)
    picker(v.page).click()
    option(v.page, "blind:1b").click()
    note = v.page.get_by_role("status").filter(has_text="blind:1b does not see images")
    v.page.locator("input[type=file]").set_input_files("htdocs/public/icon-192.png")
    expect(note).to_be_visible()
    v.axe()
    picker(v.page).click()
    option(v.page, "seer:7b").click()
    expect(v.page.get_by_role("list", name="Files for this message")).to_be_visible()
    expect(note).to_have_count(0)
    talk = Talk(v.page)
    v.page.keyboard.press("Escape")
    talk.box.fill("What is this?")
    v.page.keyboard.press("Enter")
    expect(talk.ended()).to_contain_text("Hello world")
    asked = beside.backends["one"].chats()[-1].json["messages"][-1]
    assert asked["images"][0].startswith("iVBOR") and asked["content"] == "What is this?", json.dumps(asked)[:200]
