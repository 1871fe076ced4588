"""The whole page by keyboard alone, and for those who hear it or want it still. After each step the focus is somewhere that a person
can see: it is never lost to the body."""

import json
import re

import pytest
from playwright.sync_api import expect

import model
from talk import Talk

FOCUS = """() => {
    const el = document.activeElement, box = el.getBoundingClientRect(), style = getComputedStyle(el);
    const ring = e => { const s = getComputedStyle(e); return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none"; };
    return {name: el === document.body ? "body" : `${el.localName} ${el.getAttribute("aria-label") ?? el.textContent.trim().slice(0, 40)}`,
            seen: box.width > 0 && box.height > 0 && style.visibility === "visible",
            ring: el.matches(":focus-visible") && (ring(el) || (el.parentElement && ring(el.parentElement)))};
}"""


class Hands(Talk):
    """Keys only, and a look at where the focus is after each of them."""

    def key(self, *names):
        for name in names:
            self.page.keyboard.press(name)
        return self

    def type(self, text):
        self.page.keyboard.type(text)
        return self

    def focus(self):
        # Where a step takes the focus with it, this is after the next frame.
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        return self.page.evaluate(FOCUS)

    def held(self, after):
        at = self.focus()
        assert at["name"] != "body" and at["seen"], f"after {after}: the focus is on {at['name']}"
        return at

    def palette(self):
        self.key("Control+k")
        expect(self.page.get_by_role("combobox", name="Search")).to_be_focused()  # its code has come
        return self

    def tab_to(self, role, name, back=False, most=60, exact=True):
        """As a person does it: Tab until it is there. Every stop can be seen."""
        want = self.page.get_by_role(role, name=name, exact=exact)
        for _ in range(most):
            self.key("Shift+Tab" if back else "Tab")
            at = self.page.evaluate(FOCUS)
            assert at["name"] == "body" or (at["seen"] and at["ring"]), f"no sign of the focus on {at}"
            if want.count() and any(el.evaluate("e => e === document.activeElement") for el in want.all()):
                return self
        raise AssertionError(f"Tab does not reach {role} {name}")


@pytest.fixture
def hands(stack, page):
    page.context.grant_permissions(["clipboard-write"])
    page.page.get_by_role("button", name="fault").first.wait_for()
    yield Hands(page.page)
    model.obeys(stack)


def test_a_conversation(stack, page, hands):
    """Ask, stop, another answer, versions, edit, copy, delete and undo."""
    expect(hands.box).to_be_focused()
    model.says(stack, *[(0.03, f"w{i} ") for i in range(300)])
    hands.type("First").key("Enter")
    expect(hands.answers.last).to_contain_text("w3 ")
    hands.key("Escape")
    hands.ended("stopped")
    assert "Message" in hands.held("stop")["name"]
    model.says(stack, "The **second** answer.")
    hands.key("Control+Shift+L")
    expect(hands.answers.last).to_contain_text("The second answer.")
    hands.ended()
    hands.held("another answer")
    # By its own button: it goes while the answer comes, and the focus may not go with it.
    hands.tab_to("button", "Another answer", back=True).key("Enter")
    expect(hands.answers.last).to_contain_text("3 / 3")
    hands.held("the button of another answer")
    hands.box.focus()
    hands.tab_to("button", "Previous version", back=True).key("Enter")
    expect(hands.answers.last).to_contain_text("2 / 3")
    hands.held("the version before")
    hands.key("Enter")
    expect(hands.answers.last).to_contain_text("1 / 3")
    hands.held("the first version, whose button to go back further is disabled")
    hands.box.focus()
    hands.key("Control+Shift+E")
    expect(hands.page.get_by_role("textbox", name="Edit")).to_be_focused()
    hands.key("Escape")
    hands.held("an edit given up")
    hands.key("Control+Shift+E")
    expect(hands.page.get_by_role("textbox", name="Edit")).to_be_focused()
    hands.key("Control+a").type("Edited").key("Control+Enter")
    expect(hands.questions.last).to_contain_text("2 / 2")
    hands.ended()
    hands.held("an edit that was sent")
    hands.key("Control+Shift+C")
    expect(hands.page.get_by_text("Answer copied.")).to_be_visible()
    hands.box.focus()
    hands.key("Control+v")
    expect(hands.box).to_have_value("The **second** answer.")
    hands.key("Control+a", "Backspace")
    hands.tab_to("button", "Delete from here", back=True).key("Enter")
    expect(hands.questions).to_have_count(1)  # the other version of the question is shown
    hands.held("delete")
    hands.tab_to("button", "Undo").key("Enter")
    expect(hands.questions.last).to_contain_text("Edited")
    hands.held("undo")


def test_the_list(stack, page, hands):
    """New chat, rename, pin, folder, delete and undo, from one conversation to the next."""
    model.says(stack, "An answer about zebras.")
    hands.type("One").key("Enter")
    hands.ended()
    hands.key("Control+Shift+O").held("new chat")
    expect(hands.answers).to_have_count(0)
    expect(hands.box).to_be_focused()
    hands.type("Two").key("Enter")
    hands.ended()

    def act(title, item, *keys):
        hands.box.focus()
        hands.tab_to("button", f"Actions for “{title}”", back=True).key("Enter")
        expect(page.page.get_by_role("menu")).to_be_visible()
        hands.held("a menu")
        while page.page.evaluate("() => document.activeElement.textContent.trim()") != item:
            hands.key("ArrowDown")
        hands.key("Enter")

    act("Two", "Rename")
    expect(page.page.get_by_role("textbox", name="Rename")).to_be_focused()
    hands.type("Deux").key("Enter")
    expect(hands.rows().first).to_contain_text("Deux")
    hands.held("rename")
    act("One", "Pin")
    expect(hands.rows().first).to_contain_text("One")
    hands.held("pin")
    act("Deux", "Folder")
    expect(page.page.get_by_role("combobox", name="Folder")).to_be_focused()
    hands.type("Numbers").key("Enter")
    expect(page.page.get_by_role("button", name="Numbers")).to_be_visible()
    hands.held("folder")
    act("One", "Delete")
    expect(hands.rows()).to_have_count(1)
    hands.held("delete")
    hands.tab_to("button", "Undo").key("Enter")
    expect(hands.rows()).to_have_count(2)
    hands.held("undo")
    hands.key("Alt+ArrowUp")
    expect(hands.questions.last).to_contain_text("One")
    hands.held("the conversation before")
    # The palette finds what was said.
    hands.key("Control+Shift+O").palette()
    hands.type("zebras")
    expect(page.page.get_by_role("option").filter(has_text="zebras").first).to_be_visible()
    hands.key("ArrowDown", "Enter")
    expect(hands.answers.last).to_contain_text("zebras")
    hands.held("a found conversation")


FIELD_AT_ONCE = """item => new Promise(done => {
    new MutationObserver(() => {
        const el = document.querySelector(".row-edit input");
        if (el) done([document.activeElement === el, el.value.slice(el.selectionStart, el.selectionEnd)]);
    }).observe(document.body, {subtree: true, childList: true});
    [...document.querySelectorAll("[role=menuitem]")].find(el => el.textContent.trim() === item).click();
})"""


def test_a_field_has_the_focus_before_the_next_key(stack, page, hands):
    """And what it holds is selected then: not a frame later, over what has been typed by then."""
    model.says(stack, "Yes.")
    hands.type("One").key("Enter")
    hands.ended()
    for item, held in (("Rename", "One"), ("Folder", "")):
        hands.box.focus()
        hands.tab_to("button", "Actions for “One”", back=True).key("Enter")
        expect(page.page.get_by_role("menu")).to_be_visible()
        assert page.page.evaluate(FIELD_AT_ONCE, item) == [True, held], item
        hands.key("Escape")


def test_dialogs(stack, page, hands):
    """The picker, the panel with its presets, the settings, help and the machines: each opens, is used, and gives the focus back."""
    hands.tab_to("button", re.compile("^Model: "), back=True, exact=False).key("Enter")
    expect(page.page.get_by_role("listbox")).to_be_focused()
    hands.key("Enter")
    assert "Model" in hands.held("the picker")["name"]
    hands.box.focus()
    hands.tab_to("button", "This chat's settings").key("Enter")
    dialog = page.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    hands.held("the panel")
    hands.tab_to("textbox", "Instructions for the model").type("Be brief.")
    hands.tab_to("textbox", "Name of the preset").type("Brief").key("Enter")
    expect(dialog.get_by_text("Brief", exact=True)).to_be_visible()
    hands.held("a preset")
    hands.tab_to("button", "Rename “Brief”", back=True, exact=False).key("Enter")
    hands.key("Control+a").type("Short").key("Enter")
    expect(dialog.get_by_role("list", name="Presets")).to_contain_text("Short")
    hands.held("the preset's new name")
    hands.key("Escape")
    expect(dialog).to_have_count(0)
    assert "settings" in hands.held("the panel has closed")["name"]
    hands.key("Control+/")
    expect(dialog).to_be_visible()
    hands.held("help")
    hands.key("Escape")
    hands.held("help has closed")
    hands.tab_to("button", "Machines", back=True).key("Enter")
    expect(page.page.get_by_role("heading", name="Machines and models")).to_be_visible()
    hands.held("the machines")
    hands.tab_to("button", "Settings").key("Enter")
    expect(dialog).to_be_visible()
    hands.held("the settings")
    hands.tab_to("switch", "Show figures below answers").key("Space")
    expect(page.page.get_by_role("switch", name="Show figures below answers")).not_to_be_checked()
    hands.held("a switch")
    hands.key("Escape")
    hands.held("the settings have closed")


def test_out_and_in(stack, page, hands, tmp_path):
    """What is exported comes back the same."""
    page.page.on("filechooser", lambda _: None)  # from now on they come to the test: asked for in the last moment, that may be too late
    model.says(stack, {"reasoning": "hm"}, "An *answer*.", model.call("add", '{"a": 2}'))
    hands.type("A question").key("Enter")
    hands.ended()
    hands.palette().type("Export all")
    expect(page.page.get_by_role("option").first).to_contain_text("Export all")
    with page.page.expect_download() as first:
        hands.key("Enter")
    hands.held("export")
    first.value.save_as(tmp_path / "out.json")
    before = json.loads((tmp_path / "out.json").read_text())
    assert [m["text"] for m in sorted(before["conversations"][0]["messages"], key=lambda m: m["created"])] == ["A question", "An *answer*."]
    hands.tab_to("button", "Settings", back=True).key("Enter")
    expect(page.page.get_by_role("dialog")).to_be_visible()
    hands.tab_to("button", "Import")
    page.page.locator("dialog input[type=file]").dispatch_event("cancel")  # as when a person gives the chooser up
    expect(page.page.get_by_role("dialog")).to_be_visible()
    with page.page.expect_file_chooser() as chooser:
        hands.key("Enter")
    chooser.value.set_files(tmp_path / "out.json")
    expect(page.page.get_by_role("dialog")).to_contain_text("Conversations imported: 1.")
    hands.held("import")
    with page.page.expect_download() as second:
        hands.tab_to("button", "Export all", back=True).key("Enter")
    second.value.save_as(tmp_path / "again.json")
    after = json.loads((tmp_path / "again.json").read_text())["conversations"]

    def told(c):
        return {**{k: v for k, v in c.items() if k in ("title", "named", "model", "system", "params", "pinned", "folder")},
                "messages": sorted(({k: v for k, v in m.items() if k not in ("id", "parent")} for m in c["messages"]), key=lambda m: m["created"])}
    assert len(after) == 2 and {told(c)["title"] for c in after} == {"A question"}
    assert told(after[0])["messages"] == told(after[1])["messages"] == told(before["conversations"][0])["messages"]


def test_the_skip_link(page, hands):
    hands.tab_to("link", "Skip to the message box", back=True).key("Enter")
    expect(hands.box).to_be_focused()


def test_still(stack, visit):
    """Nothing moves for who does not want it, and something does for the others."""
    moving = {}
    for wish in ("no-preference", "reduce"):
        v = visit(stack.url, reduced_motion=wish)
        talk = Talk(v.page)
        model.says(stack, {"reasoning": "hm "}, *[(0.05, {"reasoning": f"r{i} "}) for i in range(20)], "done")
        talk.ask("Think")
        v.page.get_by_text("Thinking…").wait_for()
        moving[wish] = v.page.evaluate("() => document.getAnimations().filter(a => a.playState === 'running' && a.effect.getComputedTiming().activeDuration > 20).length")
        talk.ended()
        v.page.keyboard.press("Control+k")
        v.page.get_by_role("dialog").wait_for()
        moving[wish] += v.page.evaluate("() => document.getAnimations().filter(a => a.playState === 'running' && a.effect.getComputedTiming().activeDuration > 20).length") if wish == "reduce" else 0
    model.obeys(stack)
    assert moving["no-preference"] > 0 and moving["reduce"] == 0, moving


def test_typing_ahead(page, hands):
    """Ctrl+K and words at once, while the palette's code is on its way: they are the palette's, not the message's."""
    ways = []
    page.page.route("**/PaletteDialog*.js", lambda way: ways.append(way))
    expect(hands.box).to_be_focused()
    hands.key("Control+k").type("machinex").key("Backspace")
    for _ in range(200):
        page.page.wait_for_timeout(25)  # Playwright's events come while it waits
        if ways:
            break
    assert len(ways) == 1 and page.page.get_by_role("dialog").count() == 0
    ways[0].continue_()
    find = page.page.get_by_role("combobox", name="Search")
    expect(find).to_be_focused()
    expect(find).to_have_value("machine")
    expect(hands.box).to_have_value("")
    hands.type("s").key("Enter")
    expect(page.page).to_have_url(re.compile("#/fleet"))
    # Given up before it came: nothing opens, and nothing is left for the next time.
    hands.key("Control+k", "Escape")
    hands.palette()
    expect(find).to_have_value("")


def test_what_is_heard(stack, page, hands):
    """300 tokens are a few announcements, not 300."""
    page.page.evaluate("""() => {
        globalThis.heard = [];
        for (const el of document.querySelectorAll("[aria-live=polite]:not(.toasts)"))
            new MutationObserver(() => heard.push(el.textContent)).observe(el, {subtree: true, childList: true, characterData: true});
    }""")
    model.says(stack, *[(0.02, f"word{i} " + ("\n\n" if i % 20 == 19 else "")) for i in range(300)])
    hands.type("Speak").key("Enter")
    hands.ended()
    expect(page.page.locator("[aria-live=polite]").filter(has_text="The answer is complete.")).to_have_count(1)
    heard = page.page.evaluate("() => heard")
    print("\nannouncements:", [h[:40] for h in heard])
    assert 2 <= len(heard) <= 5 and heard[-1].endswith("The answer is complete.")
    assert page.page.locator(".scroller").get_attribute("aria-live") == "off"
