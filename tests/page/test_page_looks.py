"""Every main view as people see it: axe finds nothing in light and dark, on a desktop and a phone, and a picture of each is kept in build/page."""

import re
import time

import pytest
from playwright.sync_api import expect

import model
import visits
from talk import Talk

PICTURES = visits.SHOTS / "pictures"

ANSWER = """Here is the **whole** of it, with `code`, a [link](https://example.org/page) and a note.[^1]

```python
def area(r: float) -> float:
    \"\"\"Of a circle.\"\"\"
    return 3.14159 * r ** 2  # nearly
```

| Model | Tokens/s | Remark |
|:---|---:|---|
| small | 120.5 | fast, and good enough for most of what people ask |
| large | 18.2 | for the rest |

The area is $A = \\pi r^2$, and

$$\\int_0^R 2\\pi r\\,dr = \\pi R^2 .$$

- [x] done
- [ ] to do
  1. first
  2. second

> A quote that somebody said.

[^1]: The note itself.
"""


@pytest.fixture(scope="module")
def stack(make_stack):
    s = make_stack()
    s.add_agent()
    return s


@pytest.fixture
def talk(stack, page):
    page.page.get_by_role("button", name="fault").first.wait_for()
    yield Talk(page.page)
    model.obeys(stack)


def test_an_answer(stack, page, talk):
    model.says(stack, {"reasoning": "First I think."}, ANSWER, usage={"prompt_tokens": 12, "completion_tokens": 240, "total_tokens": 252})
    talk.asks("What is the area of a circle? Show it in code, in a table and as a formula.")
    page.page.locator(".code-keyword").first.wait_for()
    page.page.locator("math").first.wait_for()
    page.check_looks("answer")
    # Buttons that are not seen leave no hole; they are beside the question when the mouse is.
    gap = page.page.evaluate("""() => {
        const [bubble, answer] = [".bubble", ".answer > .reasoning"].map(s => document.querySelector(s).getBoundingClientRect());
        return answer.top - bubble.bottom;
    }""")
    assert 8 <= gap <= 40, gap
    copy = talk.questions.last.get_by_role("button", name="Copy")
    expect(copy.locator("xpath=..")).to_have_css("opacity", "0")
    talk.questions.last.hover()
    expect(copy.locator("xpath=..")).to_have_css("opacity", "1")
    page.page.emulate_media(color_scheme="light")
    page.page.emulate_media(media="print")
    page.page.screenshot(path=visits.SHOTS / "print.png", full_page=True)
    hidden = page.page.evaluate("() => ['.sidebar', '.dock', '.topbar'].map(s => getComputedStyle(document.querySelector(s)).display)")
    assert hidden == ["none"] * 3, "the page's own parts are on paper"
    page.page.emulate_media(color_scheme="dark")
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.page.evaluate("() => getComputedStyle(document.body).color.match(/\\d+/g).every(c => c < 80)"), "light letters on white paper"
    assert page.page.evaluate("() => { const s = document.querySelector('.scroller'); return s.scrollHeight - s.clientHeight; }") <= 1, "the paper ends where the window did"


WIDE = """
| Name of the model | Tokens per second | Context | Machines that have it | What people say of it | For whom it is |
|---|---:|---:|---|---|---|
| small | 120.5 | 4096 | one, two, three, four | fast, and good enough for most of what people ask | everybody |
| large | 18.2 | 131072 | five | for the rest | the patient |
"""


def test_a_wide_table(stack, page, talk):
    """Its head has a line or two instead of making it wider still, and nothing but the table itself scrolls sideways."""
    model.says(stack, WIDE)
    table = talk.asks("Compare them").locator(".md-table")
    page.check_looks("table")
    page.page.set_viewport_size(visits.DEVICES["phone"])
    lines = table.locator("th").evaluate_all("""all => all.map(x => {
        const words = document.createRange();
        words.selectNodeContents(x);
        return new Set([...words.getClientRects()].map(r => Math.round(r.top))).size;
    })""")
    assert max(lines) == 2 and min(lines) == 1, lines
    assert table.evaluate("e => e.scrollWidth > e.clientWidth")
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    table.focus()
    page.page.keyboard.press("End")
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_function("e => e.scrollLeft > 0", arg=table.element_handle())


def test_trouble(stack, page, talk):
    page.watch.expect("status of 50.", "ERR_INCOMPLETE")
    model.says(stack, status=500, answer='{"error": {"message": "out of memory"}}')
    talk.ask("This one fails")
    talk.ended("failed")
    model.says(stack, "The beginning of ", (0.2, "it"), (0.2, ""), at=2, do="rst")
    talk.ask("This one is cut")
    talk.ended("cut")
    page.check_looks("trouble")


@pytest.mark.parametrize("name, key", [("palette", "Control+k"), ("help", "Control+/")])
def test_dialogs_of_keys(stack, page, talk, name, key):
    model.says(stack, "Hello.")
    talk.asks("A first question")
    page.page.keyboard.press(key)
    page.page.get_by_role("dialog").wait_for()
    page.check_looks(name)


@pytest.mark.parametrize("name, button", [("picker", re.compile("^Model: ")), ("panel", re.compile("^This chat's settings$")), ("settings", re.compile("^Settings$"))])
def test_dialogs_of_buttons(page, talk, name, button):
    page.page.get_by_role("button", name=button).last.click()
    page.page.get_by_role("dialog").wait_for()
    page.check_looks(name)


def test_fleet(stack, page, talk):
    model.says(stack, *[(0.05, f"w{i} ") for i in range(200)])
    talk.ask("Work")
    page.page.get_by_role("button", name="Machines").click()
    expect(page.page.get_by_text("agent-2").first).to_be_visible()
    page.check_looks("fleet")


def test_sidebar_on_a_phone(stack, visit):
    v = visit(stack.url, viewport=visits.DEVICES["phone"], has_touch=True, is_mobile=True)
    talk = Talk(v.page)
    model.says(stack, "Yes.")
    talk.asks("Is this a phone?")
    v.page.get_by_role("button", name="Show conversations").click()
    expect(talk.rows().first).to_be_visible()
    for scheme in visits.SCHEMES:
        v.page.emulate_media(color_scheme=scheme)
        v.axe()
        v.page.screenshot(path=visits.SHOTS / f"sidebar-{scheme}-phone.png", animations="disabled")
    model.obeys(stack)


def test_arabic(stack, visit):
    v = visit(stack.url, locale="ar")
    expect(v.page.locator("html")).to_have_attribute("dir", "rtl")
    v.page.get_by_role("button", name=re.compile("fault")).first.wait_for()
    model.says(stack, "مرحبا! هذا **جواب** قصير مع `code` وقائمة:\n\n- أولا\n- ثانيا\n\n```python\nprint('سلام')\n```\n")
    v.page.get_by_role("textbox").fill("اكتب لي شيئا")
    v.page.keyboard.press("Enter")
    v.page.locator("article[data-state=done]").wait_for()
    v.check_looks("arabic")
    model.obeys(stack)


def test_a_window_gets_narrow(page, talk):
    """The list, which would cover the conversation, goes, and is there again in a wide one."""
    listed = page.page.get_by_role("complementary", name="Conversations")
    expect(listed).to_be_visible()
    page.page.set_viewport_size(visits.DEVICES["phone"])
    expect(listed).to_be_hidden()
    page.page.set_viewport_size(visits.DEVICES["desktop"])
    expect(listed).to_be_visible()


def test_missing(stack, visit):
    v = visit(stack.url, "/#/c/nobody")
    v.page.get_by_text("This conversation is not in this browser.").wait_for()
    v.check_looks("missing")


def test_sign_in_page(stack, visit):
    v = visit(stack.url, "/signin.html")
    v.watch.expect("Scripts may close only the windows")  # it closes itself, when it can
    v.check_looks("signin")


TALK = """A *stream* holds no thread. Three facts:

1. It costs a few kilobytes
2. It is cancelled when you go
3. It waits in one queue

```python
def fib(n: int) -> int:
    \"\"\"Slow, but short.\"\"\"
    return n if n < 2 else fib(n - 1) + fib(n - 2)
```

| Model | Size | Speed |
|:---|---:|---:|
| llama3.2 | 3B | 82 tok/s |
| qwen3:32b | 32B | 14 tok/s |

The formula is $e^{i\\pi} + 1 = 0$, and

$$\\int_0^1 x^2\\,dx = \\frac{1}{3}$$
"""


# A stream that stays open, as the gateway's does.
OPEN_STREAM = """news => {
    const real = fetch;
    globalThis.fetch = (url, init) => !String(url).includes("cluster/status?stream=1") ? real(url, init) : Promise.resolve(new Response(
        new ReadableStream({start: c => c.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(news)}\\n\\n`))}), {headers: {"Content-Type": "text/event-stream"}}));
}"""


def scripted_fleet():
    """Machines for a picture."""
    def agent(id, busy, slots, address, since, models, os="linux"):
        return {"id": id, "state": "up", "slots": slots, "busy": busy, "version": "0.1.0", "os": os, "address": address, "since": time.time() - since, "done": 4200 + busy * 3,
                "failed": 3, "models": [{"id": m, "loaded": loaded, "context_length": 8192, "capabilities": ["completion"], "tokens_per_second": rate} for m, loaded, rate in models]}

    def offer(id, agents, slots, busy, context, *can):
        return {"id": id, "agents": agents, "slots": slots, "busy": busy, "queued": 0, "loaded": True, "context_length": context, "capabilities": ["completion", *can]}
    return {"type": "cluster_status", "data": {
        "agents": [agent("gpu-7", 5, 8, "10.20.0.15", 90000, [("llama3.3:70b", True, 32), ("qwen3:32b", False, 42)]), agent("gpu-8", 3, 8, "10.20.0.16", 3700, [("llama3.3:70b", True, 30)]),
                   agent("workstation-ada", 1, 4, "10.20.0.11", 1300, [("gemma3:12b", True, 55)], "windows")],
        "models": [offer("gemma3:12b", 1, 4, 1, 8192, "vision"), offer("llama3.3:70b", 2, 16, 8, 131072, "tools"), offer("qwen3:32b", 1, 8, 0, 40960, "tools", "thinking")],
        "slots": {"total": 20, "busy": 9}, "jobs": {"queued": 2, "ok": 12601, "failed": 9}}}


def test_pictures_of_the_readme(make_stack, visit):
    """Made anew by each run in build/page/pictures; those of htdocs/pictures are copies."""
    site = make_stack(conf="DgonAlias llama3.3:70b fault\n")
    PICTURES.mkdir(parents=True, exist_ok=True)
    listed = {"data": [{"id": "llama3.3:70b", "context_length": 32768, "capabilities": ["completion", "tools"], "dgon": {"agents": 2, "loaded": True}}]}
    for name, options in (("chat", {"viewport": {"width": 1280, "height": 860}}), ("phone", {"viewport": visits.DEVICES["phone"], "color_scheme": "dark", "has_touch": True, "is_mobile": True})):
        v = visit(site.url, **options)
        talk = Talk(v.page)
        v.page.route("**/v1/models", lambda r: r.fulfill(json=listed))
        v.page.reload()
        v.page.get_by_role("button", name="Model: llama3.3:70b").wait_for()
        for question in ("Plan a trip to Lisbon", "Explain this stack trace", "What does a stream cost?"):
            v.page.get_by_role("button", name="New chat").last.click()
            model.says(site, *[(0.015, piece) for piece in re.findall(r"(?s).{1,5}", TALK)], usage={"prompt_tokens": 812, "completion_tokens": 125, "total_tokens": 937})
            talk.box.fill(question)
            v.page.keyboard.press("Enter")
            talk.ended()
        v.page.locator(".code-keyword").first.wait_for()
        v.page.locator("math").first.wait_for()
        v.page.mouse.move(700, 40)
        v.page.evaluate(visits.SETTLED)
        v.page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
        if name == "chat":
            v.page.evaluate(OPEN_STREAM, scripted_fleet())
            v.page.get_by_role("button", name="Machines").click()
            expect(v.page.get_by_text("3 machines are up, 9 of 20 slots are busy, 2 requests wait.")).to_be_visible()
            v.page.evaluate(visits.SETTLED)
            v.page.screenshot(path=PICTURES / "fleet.png", animations="disabled")
