"""A real browser: the distribution's Chromium."""

import contextlib
import os
import shutil

import playwright.sync_api

import env

# Reads a streamed answer as a page does. Result: status, error, times (ms) at which tokens came.
ASK = """async ([url, body, headers]) => {
    const answer = await fetch(url, {method: "POST", headers: {"Content-Type": "application/json", ...headers}, body, redirect: "error"});
    const type = answer.headers.get("content-type") || "";
    if (!type.startsWith("text/event-stream"))
        return {status: answer.status, type, answer: await answer.json()};
    const times = [];
    let rest = "", text = "", done = false;
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
        const events = (rest + chunk).split("\\n\\n");
        rest = events.pop();
        for (const event of events) {
            if (event === "data: [DONE]") { done = true; continue; }
            if (!event.startsWith("data: ")) continue;
            const token = JSON.parse(event.slice(6)).choices?.[0]?.delta?.content;
            if (token) { times.push(performance.now()); text += token; }
        }
    }
    return {status: answer.status, type, times, text, done};
}"""


@contextlib.contextmanager
def chromium(*args, environ=None):
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "chromium is missing"
    with playwright.sync_api.sync_playwright() as play:
        # No sandbox: it does not start as root. Only our own pages are opened.
        program = play.chromium.launch(
            executable_path=path, env=environ or env.environment(), timeout=60000,
            args=["--host-resolver-rules=MAP *.example.org 127.0.0.1", "--no-proxy-server", *(["--no-sandbox"] if os.getuid() == 0 else []), *args])
        try:
            yield program
        finally:
            program.close()


@contextlib.contextmanager
def person(site, password=None):
    """A page of a fresh browser that trusts the test's authority."""
    options = {"http_credentials": {"username": password[0], "password": password[1]}} if password else {}
    with chromium() as program:
        context = program.new_context(ignore_https_errors=True, **options)
        context.set_default_timeout(20000)
        yield context.new_page()
        context.close()


def ask(page, url="/v1/chat/completions", headers=None, **plan):
    from client import question
    return page.evaluate(ASK, [url, question(**plan).decode(), headers or {}])


def check_stream(page, url="/v1/chat/completions", headers=None, tokens=4, gap=0.15):
    a = ask(page, url, headers, tokens=tokens, gap=gap)
    assert a["status"] == 200 and a["done"], a
    assert [t.split(":")[0] for t in a["text"].split()] == [str(i) for i in range(tokens)]
    assert a["times"][-1] - a["times"][0] > gap * 1000 * (tokens - 1) * 0.7, "the answer came in one piece"


def check_refused(page, status, url="/v1/chat/completions", headers=None):
    """A page's own request that is refused: JSON that the page can act on, and no redirect (fetch would throw)."""
    a = ask(page, url, headers, tokens=1)
    assert a["status"] == status and a["type"].startswith("application/json"), a
    assert set(a["answer"]["error"]) == {"message", "type", "param", "code"}, a


def check_refused_page(page, url, status):
    try:
        answer = page.goto(url)
    except playwright.sync_api.Error as e:  # Chromium, which got no better password
        assert "ERR_INVALID_AUTH_CREDENTIALS" in str(e), e
    else:
        assert answer.status == status, answer.status
