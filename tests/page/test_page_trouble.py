"""What goes wrong on the way to a model: each thing has its words and a way on, and neither draft nor conversation is lost."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import threading
import time

import pytest
from playwright.sync_api import expect

import client
import env
import model
import visits
from agent_backend_double import Backend, ollama_stream
from records import damage
from talk import Talk

CHAT = "**/v1/chat/completions"
FAILED = "console error: Failed to load resource"
HTML = "<!doctype html><title>Proxy</title><h1>It is the proxy who speaks</h1>"
SLOW = [(0.03, f"w{i} ") for i in range(200)]


def error(message, code="x"):
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}})


@pytest.fixture
def talk(stack, talk):
    model.says(stack, "all is well")
    return talk


def once(page, **answer):
    """The next question is answered so, those after it by the stack."""
    page.route(CHAT, lambda r: r.fulfill(**answer), times=1)


def way_on(talk, failed, question, reload=True):
    """Question and draft are there, also after a reload, and the next try works."""
    talk.box.fill("a draft")
    versions = 1 if failed.get_attribute("data-state") == "failed" else 2
    talk.press("Try again", within=failed)
    expect(talk.ended()).to_contain_text("all is well")
    expect(talk.answers.last.get_by_role("group", name="Versions")).to_have_count(versions - 1)
    expect(talk.questions.last).to_contain_text(question)
    expect(talk.box).to_have_value("a draft")
    if not reload:
        return
    talk.page.reload()
    expect(talk.questions.last).to_contain_text(question)
    expect(talk.ended()).to_contain_text("all is well")
    expect(talk.box).to_have_value("a draft")


ANSWERS = {
    "401": (dict(status=401, body=error("no key")), "Your login has ended. Sign in again; what you wrote is kept."),
    "403": (dict(status=403, body=error("not for you")), "You may not use this model."),
    "404": (dict(status=404, body=error("no such model", "model_not_found")), "This model is not there at the moment."),
    "413": (dict(status=413, body=error("too large")), "This message is larger than the server takes."),
    "429": (dict(status=429, body=error("slowly")), "Too many requests at the moment."),
    "500": (dict(status=500, body=error("a trace of ours")), "Something went wrong on the server."),
    "503": (dict(status=503, body=error("queue full")), "All models are busy, and so is the queue."),
    "504": (dict(status=504, body=error("late")), "The model did not answer in time."),
    "400": (dict(status=400, body=error("temperature must be a number")), "The server did not accept this message."),
    "html": (dict(status=200, body=HTML, content_type="text/html"), "Perhaps a proxy is in between"),
    "html-502": (dict(status=502, body=HTML, content_type="text/html"), "Something went wrong on the server."),
    "half": (dict(status=200, body='{"choices": [{"mess', content_type="application/json"), "Perhaps a proxy is in between"),
    "half-event": (dict(status=200, body='data: {"choices": [{"del\n\n', content_type="text/event-stream"), "Perhaps a proxy is in between"),
    "empty": (dict(status=200, body="", content_type="text/event-stream"), "The model answered nothing."),
    "nothing-said": (dict(status=200, body="data: [DONE]\n\n", content_type="text/event-stream"), "The model answered nothing."),
}


def test_answers_that_are_none(page, talk):
    """One after the other, in one conversation."""
    for name, (answer, words) in ANSWERS.items():
        if answer["status"] >= 400:
            page.watch.expect(f"{FAILED}.*status of {answer['status']}")
        once(page.page, **answer)
        talk.ask(f"What is {name}?")
        failed = talk.ended("failed")
        expect(failed).to_contain_text(words)
        text = failed.inner_text()
        assert not any(x in text for x in ("<", "proxy who", "a trace", "queue full", "{")), text
        assert ("temperature must be" in text) == (name == "400"), text
        way_on(talk, failed, f"What is {name}?", reload=name == "empty")
    expect(talk.questions).to_have_count(len(ANSWERS))


def test_what_stays_of_a_failure(stack, page, talk):
    """An answer with nothing in it is replaced by the next try, however often, and keeps its place; one that had begun stays as a version,
    as does one from which the conversation went on."""
    page.watch.expect(f"{FAILED}.*status of 503", *BROKEN)
    model.says(stack, "The beginning ", (0.2, "of it"), (0.2, ""), at=2, do="rst")
    talk.ask("Tell")
    talk.ended("cut")
    for _ in range(2):
        once(page.page, status=503, body=error("queue full"))
        talk.press("Try again")
        failed = talk.ended("failed")
        expect(failed).to_contain_text("2 / 2")
    page.page.reload()
    talk.ended("failed")
    model.says(stack, "the whole")
    talk.press("Try again")
    expect(talk.ended()).to_contain_text("the whole")
    expect(talk.answers.last).to_contain_text("2 / 2")
    expect(talk.answers.last).not_to_contain_text("All models are busy")
    talk.press("Previous version")
    expect(talk.answers.last).to_contain_text("The beginning")
    talk.press("Next version")
    once(page.page, status=503, body=error("queue full"))
    talk.ask("And on")
    talk.ended("failed")
    talk.asks("Never mind")
    talk.press("Another answer", within=talk.answers.nth(1))
    expect(talk.answers).to_have_count(2)
    expect(talk.ended()).to_contain_text("2 / 2")
    talk.press("Previous version", within=talk.answers.last)
    expect(talk.questions.last).to_contain_text("Never mind")
    page.page.reload()
    expect(talk.answers).to_have_count(3)


def at_once(tabs, name):
    """Presses a button of the last answer in each tab, by a clock that all have: a hand is slower than the news from one to the other."""
    at = time.time() * 1000 + 500
    for t in tabs:
        t.page.evaluate("""([at, name]) => setTimeout(() => [...document.querySelectorAll("article:last-of-type button")]
            .find(b => b.textContent === name || b.ariaLabel === name).click(), at - Date.now())""", [at, name])


def test_two_tabs_try_again_at_once(stack, page, talk):
    """Each gets its answer, the slow one too, and both stay as versions in the place of the failure, in both tabs and after a reload."""
    page.watch.expect(f"{FAILED}.*status of 503")
    once(page.page, status=503, body=error("queue full"))
    talk.ask("Which one?")
    talk.ended("failed")
    other = Talk(page.tab(page.page.url.removeprefix(page.url)))
    other.ended("failed")
    other.page.get_by_role("button", name="fault").first.wait_for()
    quick = {"choices": [{"index": 0, "delta": {"content": "the quick one"}, "finish_reason": "stop"}]}
    once(other.page, status=200, body=f"data: {json.dumps(quick)}\n\ndata: [DONE]\n\n", content_type="text/event-stream")
    model.says(stack, *SLOW[:60])
    slow = " ".join(f"w{i}" for i in range(60))
    at_once((talk, other), "Try again")
    for t in (talk, other):
        expect(t.answers.last.get_by_role("group", name="Versions")).to_contain_text("/ 2")
    page.page.wait_for_function("() => navigator.locks.query().then(x => x.held.length === 0)")
    shown = talk.ended().locator(".md").text_content()
    expect(other.ended().locator(".md")).to_have_text(shown)
    other.page.close()
    for reload in (False, True):
        if reload:
            talk.page.reload()
        expect(talk.questions).to_have_count(1)
        words = set()
        for press in ("Previous version", "Next version"):
            button = talk.page.get_by_role("button", name=press)
            button.wait_for()
            if button.is_enabled():
                button.click()
                expect(button).to_be_disabled()
            words.add(talk.answers.last.locator(".md").text_content().strip())
        assert words == {slow, "the quick one"}


def test_two_tabs_go_on_at_once(stack, page, talk):
    """One of them does, and the other shows it: nothing that was written is overwritten."""
    model.says(stack, "The beginning ", (0.2, "of it"), (0.2, ""), at=2, do="error")
    talk.ask("Tell")
    talk.ended("cut")
    other = Talk(page.tab(page.page.url.removeprefix(page.url)))
    other.ended("cut")
    other.page.get_by_role("button", name="fault").first.wait_for()
    model.says(stack, *SLOW[:30])
    before = sum(r.endswith("/v1/chat/completions") for r in page.watch.requests)
    at_once((talk, other), "Continue")
    whole = "The beginning of it" + "".join(f"w{i} " for i in range(30)).strip()
    for t in (talk, other):
        expect(t.ended().locator(".md")).to_have_text(whole)
    page.page.wait_for_function("() => navigator.locks.query().then(x => x.held.length + x.pending.length === 0)")
    assert sum(r.endswith("/v1/chat/completions") for r in page.watch.requests) == before + 1
    talk.page.reload()
    expect(talk.ended().locator(".md")).to_have_text(whole)
    expect(talk.answers.last.get_by_role("group", name="Versions")).to_have_count(0)


def test_words_in_every_language(visit, stack):
    """The words of a trouble are the reader's."""
    v = visit(stack.url, locale="de-DE")
    v.watch.expect(f"{FAILED}.*status of 504")
    once(v.page, status=504, body=error("late"))
    v.page.get_by_role("button", name="fault").first.wait_for()
    v.page.get_by_role("textbox").fill("Was?")
    v.page.keyboard.press("Enter")
    expect(v.page.locator("article[data-state=failed]")).to_contain_text("nicht rechtzeitig")


def test_wait_before_the_next_try(page, talk):
    """429 with Retry-After: the button counts down, and works then."""
    page.watch.expect(f"{FAILED}.*status of 429")
    once(page.page, status=429, headers={"Retry-After": "3"}, body=error("slowly", "rate_limit_exceeded"))
    talk.ask("Quick")
    failed = talk.ended("failed")
    seen = []
    for n in (3, 2, 1):
        button = failed.get_by_role("button", name=f"Try again in {n} s")
        expect(button).to_be_disabled()
        seen.append(n)
    assert seen == [3, 2, 1]
    way_on(talk, failed, "Quick")


def test_a_model_that_is_gone(stack, page, talk):
    """An old conversation's model: the gateway knows none of that name; another one answers."""
    page.watch.expect(f"{FAILED}.*status of 404")
    talk.asks("Long ago")
    damage(page.page, "conversations", {"model": "gone:7b"})
    page.page.reload()
    picker = page.page.get_by_role("button", name="Model: gone:7b")
    picker.wait_for()
    talk.box.fill("Are you there?")
    page.page.keyboard.press("Enter")
    failed = talk.ended("failed")
    expect(failed).to_contain_text("This model is not there at the moment. Choose another one.")
    picker.click()
    page.page.get_by_role("option", name="fault").click()
    way_on(talk, failed, "Are you there?")
    expect(talk.answers.last).to_contain_text("fault")


class Endless:
    """A server that answers the next question with a head, and then the same bytes without end, as fast as they are taken."""

    def __init__(self, status, kind, begin, again):
        self.head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode() + begin
        self.again, self.sent = again, 0
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            s, _ = self.listener.accept()
            with s:
                s.settimeout(20)
                s.recv(65536)
                s.sendall(self.head)
                while True:
                    self.sent += s.send(self.again)
        self.over.set()

    def ended(self, page):
        """The page has let go of it."""
        env.wait_for(lambda: page.wait_for_timeout(20) or self.over.is_set(), 10, "end of the endless answer")
        self.listener.close()


ENDLESS = {
    "no-newline": (200, "text/event-stream", b"data: ", b"x" * 65536, "failed", "Perhaps a proxy is in between"),
    "no-event": (200, "text/event-stream", b"", b"data: xxxxxxxxxxxxxxxxxxxxxxxxx\n" * 2048, "failed", "Perhaps a proxy is in between"),
    "after-a-word": (200, "text/event-stream", b'data: {"choices":[{"delta":{"content":"a word"}}]}\n\n', b": x\nid: 1\ndata: xxxxxxxxxxxxxxxx\n" * 2048, "cut", "a word"),
    "html": (200, "text/html", b"<!doctype html>", b"<p>and on</p>\n" * 4096, "failed", "Perhaps a proxy is in between"),
    "html-502": (502, "text/html", b"<!doctype html>", b"<p>and on</p>\n" * 4096, "failed", "Something went wrong on the server."),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end(page, talk, name):
    """It ends by our will, before it fills the memory, and its connection with it."""
    status, kind, begin, again, state, words = ENDLESS[name]
    if status >= 400:
        page.watch.expect(f"{FAILED}.*status of {status}")
    server = Endless(status, kind, begin, again)
    page.page.route(CHAT, lambda r: r.continue_(url=server.url + "/v1/chat/completions"), times=1)
    talk.ask("Go on")
    ended = talk.ended(state)
    expect(ended).to_contain_text(words)
    server.ended(page.page)
    assert server.sent < 32 * 1024 * 1024, server.sent
    way_on(talk, ended, "Go on")


# ---- the network ----

BROKEN = (f"{FAILED}: net::ERR_INTERNET_DISCONNECTED", f"{FAILED}: net::ERR_CONNECTION", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_EMPTY_RESPONSE",
          "net::ERR_SOCKET_NOT_CONNECTED", "net::ERR_NETWORK_CHANGED")
NO_CONNECTION = "No connection to the server. What you write is kept."


def test_an_error_in_mid_stream(stack, page, talk):
    """What had come is kept; the server's own words are for those who look closer."""
    model.says(stack, "The first", (0.3, " half"), (0.3, ""), at=2, do="error")
    talk.ask("Tell")
    cut = talk.ended("cut")
    expect(cut).to_contain_text("The first half")
    expect(cut).to_contain_text("The answer was cut off. What had come is kept.")
    model.says(stack, " and the second")
    talk.press("Continue", within=cut)
    expect(talk.ended()).to_contain_text("The first half and the second")


def test_offline_before_asking(page, talk):
    page.watch.expect(*BROKEN)
    talk.asks("Something")
    page.context.set_offline(True)
    expect(page.page.get_by_text(NO_CONNECTION)).to_be_visible()  # before anything is asked
    talk.ask("Nobody hears it")
    failed = talk.ended("failed")
    expect(failed).to_contain_text("The server cannot be reached. Check your connection, then try again.")
    page.page.emulate_media(reduced_motion="reduce")  # colours that are still changing have no contrast yet
    page.check_looks("offline")
    page.context.set_offline(False)
    expect(page.page.get_by_text(NO_CONNECTION)).not_to_be_visible()
    way_on(talk, failed, "Nobody hears it")


class Wire:
    """Between the browser and the gateway; it can be cut and mended."""

    def __init__(self, port):
        self.to, self.open, self.up = port, [], True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if not self.up:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.to))
                self.open += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    def carry(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        self.end(a, b)

    def end(self, *sockets):
        for s in sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.up = False
        self.end(*self.open)

    def close(self):
        self.cut()
        self.end(self.listener)
        self.listener.close()


@pytest.fixture
def wire(stack):
    wire = Wire(stack.gateway.port)
    yield wire
    wire.close()


def test_the_network_goes_in_mid_answer(stack, visit, wire):
    v = visit(wire.url)
    v.watch.expect(*BROKEN)
    talk = Talk(v.page)
    model.says(stack, *SLOW, label="wire")
    expect(talk.ask("Count")).to_contain_text("w5 ")
    wire.cut()
    v.context.set_offline(True)
    cut = talk.ended("cut")
    expect(cut).to_contain_text("w5 ")
    expect(cut).to_contain_text("The answer was cut off. What had come is kept.")
    expect(v.page.get_by_text(NO_CONNECTION)).to_be_visible()
    model.asked(stack, "wire", lambda r: r["aborted"])
    wire.up = True
    v.context.set_offline(False)
    expect(v.page.get_by_text(NO_CONNECTION)).not_to_be_visible()
    model.says(stack, "and on")
    talk.press("Continue", within=cut)
    expect(talk.ended()).to_contain_text(re.compile("w5 .*and on"))
    model.obeys(stack)


def test_a_server_that_is_gone_and_back(stack, visit, wire):
    """The page finds out by itself that it is back."""
    v = visit(wire.url)
    v.watch.expect(*BROKEN)
    talk = Talk(v.page)
    model.says(stack, "all is well")
    talk.asks("First")
    wire.cut()
    talk.ask("Second")
    failed = talk.ended("failed")
    expect(failed).to_contain_text("The server cannot be reached.")
    expect(v.page.get_by_text(NO_CONNECTION)).to_be_visible()
    wire.up = True
    expect(v.page.get_by_text(NO_CONNECTION)).not_to_be_visible(timeout=15000)
    way_on(talk, failed, "Second")
    model.obeys(stack)


def test_a_slow_network(stack, page, talk):
    """The question is seen at once, and that something is waited for; typing goes on meanwhile."""
    cdp = page.context.new_cdp_session(page.page)
    cdp.send("Network.enable")
    cdp.send("Network.emulateNetworkConditions", {"offline": False, "latency": 1500, "downloadThroughput": 4000, "uploadThroughput": 4000})
    answer = talk.ask("Slow?")
    expect(talk.questions.last).to_contain_text("Slow?")
    expect(answer).to_contain_text("Waiting for the answer")
    talk.box.press_sequentially("meanwhile")
    assert answer.get_attribute("data-state") == "streaming"
    expect(talk.ended()).to_contain_text("all is well")
    expect(talk.box).to_have_value("meanwhile")


# ---- the servers ----


def test_agent_killed_in_mid_answer(stack, page, talk):
    """The answer is cut; while nobody has the model that is said; when the agent is back it goes on."""
    stack.gateway.expect("DGON0040")
    page.watch.expect(f"{FAILED}.*status of (404|503)", *BROKEN)
    model.says(stack, *SLOW)
    expect(talk.ask("Count")).to_contain_text("w5 ")
    stack.agent.kill()
    cut = talk.ended("cut")
    expect(cut).to_contain_text("w5 ")
    expect(cut).to_contain_text("The answer was cut off. What had come is kept.")
    talk.box.fill("a draft")
    talk.press("Try again", within=cut)
    expect(talk.ended("failed")).to_contain_text(re.compile("This model is not there at the moment|All models are busy"))
    model.says(stack, "the whole")
    stack.agent.start("fault")
    talk.press("Try again")
    expect(talk.ended()).to_contain_text("the whole")
    talk.press("Previous version")
    model.says(stack, "and on")
    talk.press("Continue")
    expect(talk.ended()).to_contain_text(re.compile("w5 .*and on"))
    expect(talk.box).to_have_value("a draft")


def test_gateway_restarted_in_mid_answer(stack, talk):
    """Gracefully: the answer ends whole, and so does the next one."""
    stack.gateway.expect("AH00493|DGON0021")
    model.says(stack, *SLOW[:80])
    expect(talk.ask("Count")).to_contain_text("w5 ")
    stack.gateway.graceful()
    done = talk.ended()
    assert done.locator(".markdown, .md").first.inner_text().split() == [f"w{i}" for i in range(80)]
    model.says(stack, "after it")
    env.wait_for(lambda: "fault" in stack.gateway.models(), 10, "agent")
    talk.asks("And now?")
    expect(talk.answers.last).to_contain_text("after it")


def test_gateway_gone_in_mid_answer(stack, page, talk, monkeypatch):
    """Killed with all its children: cut. While it is away that is said, also to who opens another conversation; it comes back by itself."""
    stack.gateway.expect("AH00098")
    page.watch.expect(*BROKEN)
    talk.asks("An old one")
    talk.press("New chat")
    model.says(stack, *SLOW)
    expect(talk.ask("Count")).to_contain_text("w5 ")
    port = stack.gateway.port
    os.killpg(stack.gateway.pid, signal.SIGKILL)
    cut = talk.ended("cut")
    expect(cut).to_contain_text("w5 ")
    stack.gateway.stop()
    talk.press("Try again", within=cut)
    expect(talk.ended("failed")).to_contain_text("The server cannot be reached.")
    expect(page.page.get_by_text(NO_CONNECTION)).to_be_visible()
    talk.rows().last.click()
    expect(talk.questions.last).to_contain_text("An old one")
    expect(talk.answers.last).to_contain_text("all is well")
    talk.rows().first.click()
    monkeypatch.setattr(env, "free_port", lambda: contextlib.nullcontext(port))
    stack.gateway.start()
    env.wait_for(lambda: "fault" in stack.gateway.models(), 20, "agent")
    expect(page.page.get_by_text(NO_CONNECTION)).not_to_be_visible(timeout=15000)
    model.says(stack, "back again")
    talk.press("Try again")
    expect(talk.ended()).to_contain_text("back again")


@pytest.fixture(scope="module")
def fleet(make_stack):
    """One slot, and a server that loads its model first."""
    return make_stack(slots=1, ollama=True, conf="DgonHeaderHold 200ms\nDgonPingInterval 1\n")


def test_place_in_the_queue(fleet, visit):
    """It counts down while those before it end, and then the answer comes."""
    v = visit(fleet.url)
    talk = Talk(v.page)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        others = []
        for i in range(3):
            others.append(pool.submit(visits.apart, client.ask(fleet.url, tokens=2, first=1.2, label=f"before{i}")))
            if i == 0:
                fleet.backend.wait_request("before0")
            else:
                env.wait_for(lambda n=i: fleet.gateway.get("/cluster/status")["data"]["jobs"]["queued"] == n, 5, "queue")
        answer = talk.ask('{"tokens": 3, "label": "mine"}')
        for n in (3, 2, 1):
            expect(answer).to_contain_text(f"All models are busy. You are number {n} in the queue.")
            if n == 2:
                talk.box.fill("meanwhile")
        for o in others:
            o.result().check_done(2)
    expect(talk.ended()).to_contain_text("2:")
    expect(talk.box).to_have_value("meanwhile")


def test_a_cold_model(fleet, visit):
    """The list of models knows nothing of it here: it is the stream that tells."""
    backend = Backend("ollama", ["warm", "cold"], script=lambda x: (time.sleep(1.5), ollama_stream()(x))).start()
    agent = env.Agent(fleet.gateway, backend.url(), id="cold", kind="auto", slots=1)
    try:
        agent.start("cold")
        v = visit(fleet.url)
        talk = Talk(v.page)

        def loaded(route):
            answer = route.fetch()
            body = answer.json()
            for m in body["data"]:
                m["dgon"]["loaded"] = True
            route.fulfill(response=answer, json={**body, "data": [m for m in body["data"] if m["id"] == "cold"]})

        v.page.route("**/v1/models", loaded)
        v.page.reload()
        v.page.get_by_role("button", name="Model: cold").wait_for()
        talk.box.fill("Hi")
        v.page.keyboard.press("Enter")
        expect(talk.answers.last).to_contain_text("The model is being loaded. The first answer takes longer.")
        expect(talk.ended()).to_contain_text("Hello world")
    finally:
        agent.stop()
        backend.stop()
