"""Fixtures: one Chromium for all tests, a fresh context for each visit of the page, and a watch that fails the test for what a
person or an administrator would rather not see there."""

import asyncio
import concurrent.futures
import contextlib
import os
import re
from urllib.parse import urlsplit

import pytest

import browser
import env
import model
from talk import Talk

SHOTS = env.TOP / "build" / "page"
AXE = env.TOP / "htdocs" / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES = ("light", "dark")
DEVICES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
ON_VIOLATION = """addEventListener("securitypolicyviolation", e =>
    pageTestViolation([e.effectiveDirective, e.blockedURI, e.sourceFile, e.lineNumber, e.sample].join(" ")));"""
# Colours and places that are on their way elsewhere are judged when they have arrived.
SETTLED = """async () => {
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame); // the theme follows the system's by a frame
    await Promise.allSettled(document.getAnimations().filter(a => a.effect.getComputedTiming().endTime < 5000).map(a => a.finished));
}"""
# Nothing says whether there is a config.json but the question for it.
ALWAYS = (r"console error: .*status of 404.* \S*/config\.json$",)


def apart(coroutine):
    """asyncio.run for the helpers of tests/e2e: in this thread Playwright's own loop forbids it."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


class Watch:
    """Notes of one context: errors and warnings on the console, uncaught errors, dialogs, violations of the policy, requests to
    other hosts. `expect` names, as regular expressions, those that the test means to cause."""

    def __init__(self, context, url):
        self.host, self.notes, self.requests, self.expected = urlsplit(url).netloc, [], [], [re.compile(p) for p in ALWAYS]
        context.expose_function("pageTestViolation", lambda text: self.note(f"violation: {text}"))
        context.add_init_script(ON_VIOLATION)
        context.on("console", self.on_console)
        context.on("weberror", lambda e: self.note(f"uncaught: {e.error}"))
        context.on("dialog", self.on_dialog)
        context.on("request", self.on_request)

    def note(self, text):
        self.notes.append(text)

    def on_console(self, message):
        if message.type in ("error", "warning", "assert"):
            self.note(f"console {message.type}: {message.text} {(message.location or {}).get('url', '')}")

    def on_dialog(self, dialog):
        self.note(f"dialog: {dialog.type} {dialog.message}")
        with contextlib.suppress(Exception):  # the page is gone already
            dialog.dismiss()

    def on_request(self, request):
        where = urlsplit(request.url)
        self.requests.append(request.url)
        if where.scheme not in ("data", "blob") and where.netloc != self.host:
            self.note(f"request to another host: {request.url}")

    def expect(self, *patterns):
        self.expected += [re.compile(p) for p in patterns]

    def unexpected(self):
        return [n for n in self.notes if not any(p.search(n) for p in self.expected)]

    def check(self):
        bad = self.unexpected()
        assert not bad, "the page was not silent:\n" + "\n".join(bad[:20])


class Visit:
    """A person's browser: `page` is Playwright's, `watch` the notes. A second tab is `tab()`."""

    def __init__(self, program, url, path="/", wait="load", **options):
        self.url = url
        self.context = program.new_context(**{"viewport": DEVICES["desktop"], "ignore_https_errors": True, **options})
        self.context.set_default_timeout(10000)
        self.watch = Watch(self.context, url)
        self.page = self.tab(path, wait)

    def tab(self, path="/", wait="load"):
        page = self.context.new_page()
        page.goto(self.url + path, wait_until=wait)
        return page

    def axe(self, page=None, **options):
        """axe-core finds nothing: WCAG 2.2 AA and its own best practices."""
        page = page or self.page
        assert AXE.exists(), "axe-core is missing: npm ci in htdocs"
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(AXE.read_text() + "; undefined")
        found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **options})
        lines = [f"{v['id']}: {v['help']}: {n['target']} {n.get('failureSummary', '')}" for v in found["violations"] for n in v["nodes"]]
        assert found["passes"] and not lines, "\n".join(lines)

    def looks(self, name, page=None):
        """In light and dark, on a desktop and a phone: yields after each change, then build/page/NAME-SCHEME-DEVICE.png is made."""
        page = page or self.page
        SHOTS.mkdir(parents=True, exist_ok=True)
        for device, size in DEVICES.items():
            page.set_viewport_size(size)
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.evaluate(SETTLED)
                yield f"{scheme}-{device}"
                page.screenshot(path=SHOTS / f"{name}-{scheme}-{device}.png", animations="disabled")
        page.set_viewport_size(DEVICES["desktop"])
        page.emulate_media(color_scheme=None)

    def check_looks(self, name, page=None):
        """A view: axe finds nothing in any of its four looks, and a picture of each is kept."""
        for _ in self.looks(name, page):
            self.axe(page)

    def close(self):
        self.context.close()


@pytest.fixture(scope="session")
def chromium():
    # It outlives the servers of a test module, so it does not bear the mark by which theirs are counted.
    with browser.chromium(environ={**os.environ}) as program:
        yield program


@pytest.fixture
def visit(chromium):
    """visit(url, path="/", **options of a context): a Visit. After the test each of them must have been silent."""
    visits = []

    def make(url, path="/", **options):
        visits.append(Visit(chromium, url, path, **options))
        return visits[-1]

    yield make
    for v in visits:
        v.close()
    for v in visits:
        v.watch.check()


@pytest.fixture
def page(stack, visit):
    """The page of the module's stack in a fresh browser: a Visit."""
    return visit(stack.url)


@pytest.fixture
def talk(stack, page):
    """What a person does with that page. The model does again what it is asked afterwards."""
    yield Talk(page.page)
    model.obeys(stack)
