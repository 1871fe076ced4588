"""Every main view as people see it: axe finds nothing in light and dark, on a desktop and a phone, and a picture of each is kept in build/page."""

import re

import pytest
from playwright.sync_api import expect

import model
import visits
from talk import Talk

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
    page.page.emulate_media(color_scheme="light")
    page.page.emulate_media(media="print")
    page.page.screenshot(path=visits.SHOTS / "print.png", full_page=True)
    hidden = page.page.evaluate("() => ['.sidebar', '.dock', '.topbar'].map(s => getComputedStyle(document.querySelector(s)).display)")
    assert hidden == ["none"] * 3, "the page's own parts are on paper"
    page.page.emulate_media(color_scheme="dark")
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.page.evaluate("() => getComputedStyle(document.body).color.match(/\\d+/g).every(c => c < 80)"), "light letters on white paper"
    assert page.page.evaluate("() => { const s = document.querySelector('.scroller'); return s.scrollHeight - s.clientHeight; }") <= 1, "the paper ends where the window did"


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
