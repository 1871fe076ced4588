"""What goes wrong where the page keeps things: a full or forbidden storage, damaged records, files that are none."""

import io
import json
import zipfile

import pytest
from playwright.sync_api import expect

import model
from records import damage
from talk import Talk


@pytest.fixture
def talk(stack, talk):
    model.says(stack, "all is well")
    return talk


FULL = "This browser's storage is full"
UNKEPT = "This browser does not let the page keep anything"


def test_a_full_storage(stack, page, talk):
    """It is said; the conversation goes on, here and after a look at another one; it is kept as soon as there is room."""
    page.watch.expect("console error: .*(Full|storage is full|Quota)")
    cdp = page.context.new_cdp_session(page.page)
    cdp.send("Storage.overrideQuotaForOrigin", {"origin": page.url, "quotaSize": 300_000})  # Chromium looks at it before the first write
    talk.asks("Before")
    talk.press("New chat")
    banner = page.page.get_by_role("status").filter(has_text=FULL)
    model.says(stack, "not kept, but here")
    talk.asks("While it is full " + "x" * 400_000)
    expect(banner).to_be_visible()
    expect(talk.answers.last).to_contain_text("not kept, but here")
    talk.rows().last.click()
    expect(talk.answers.last).to_contain_text("all is well")
    talk.rows().first.click()
    expect(talk.answers.last).to_contain_text("not kept, but here")
    cdp.send("Storage.overrideQuotaForOrigin", {"origin": page.url})
    model.says(stack, "kept again")
    talk.asks("There is room")
    expect(talk.answers.last).to_contain_text("kept again")
    expect(talk.answers.last).to_have_attribute("data-state", "done")
    expect(banner).to_have_count(0)
    page.page.reload()
    expect(talk.answers).to_have_count(2)
    expect(talk.answers.first).to_contain_text("not kept, but here")
    expect(talk.answers.last).to_contain_text("kept again")


def test_files_and_drafts_in_a_full_storage(stack, page, talk, tmp_path):
    """A file of conversations is refused with the reason; an image goes to the model all the same; the draft comes through a reload."""
    page.watch.expect("console error: .*(Full|storage is full|Quota)")
    cdp = page.context.new_cdp_session(page.page)
    cdp.send("Storage.overrideQuotaForOrigin", {"origin": page.url, "quotaSize": 300_000})
    talk.asks("Before")
    (tmp_path / "many.json").write_text(json.dumps([{"title": "T", "mapping": {"a": {"id": "a", "message": {"author": {"role": "user"}, "content": {"parts": ["x" * 1_000_000]}}}}}]))
    talk.press("Settings")
    dialog = page.page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(tmp_path / "many.json")
    expect(dialog.get_by_role("status").filter(has_text="The browser’s storage is full, so not all conversations could be imported.")).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(talk.rows()).to_have_count(1)
    (tmp_path / "long.txt").write_text("words " * 100_000)
    page.page.locator("input[type=file]").set_input_files(["htdocs/public/icon-192.png", tmp_path / "long.txt"])
    expect(page.page.get_by_role("list", name="Files for this message").get_by_role("listitem")).to_have_count(2)
    model.says(stack, "seen", label="full")
    talk.asks("Look")
    expect(talk.answers.last).to_contain_text("seen")
    heard = model.asked(stack, "full", lambda r: r["end"])["body"]["messages"][-1]["content"]
    assert heard[0]["text"].endswith("words \n```") and heard[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    talk.box.fill("not sent " * 1000)
    page.page.reload()
    expect(talk.box).to_have_value("not sent " * 1000)


def test_no_storage_at_all(stack, visit, tmp_path):
    v = visit(stack.url, "/login-of-nobody")
    v.watch.expect("console error: .*(404|forbidden)")
    v.context.add_init_script("IDBFactory.prototype.open = () => { throw new DOMException('forbidden', 'SecurityError'); }")
    v.page.goto(v.url)
    talk = Talk(v.page)
    expect(v.page.get_by_role("status").filter(has_text=UNKEPT)).to_be_visible()
    model.says(stack, "an answer", label="unkept")
    (tmp_path / "notes.txt").write_text("from a file")
    v.page.locator("input[type=file]").first.set_input_files(tmp_path / "notes.txt")
    talk.asks("First")
    assert "from a file" in model.asked(stack, "unkept", lambda r: r["end"])["body"]["messages"][0]["content"]
    talk.press("New chat")
    talk.asks("Second")
    talk.rows().last.click()
    expect(talk.questions.last).to_contain_text("First")
    expect(talk.answers.last).to_contain_text("an answer")
    model.says(stack, "and another")
    talk.asks("More")
    expect(talk.answers).to_have_count(2)
    model.obeys(stack)


DAMAGES = {
    "no-members": ("messages", {k: None for k in ("text", "reasoning", "calls", "files", "stats", "created", "model", "state", "touched", "finish")}),
    "other-kinds": ("messages", {"text": 5, "calls": [None, 5], "files": [None], "stats": "x", "trouble": {"kind": "toString"}, "created": "x", "model": {}}),
    "a-loop": ("messages", {"parent": "LAST"}),
    "conversation": ("conversations", {k: None for k in ("title", "updated", "created", "params", "draft", "folder", "system", "model")}),
    "no-leaf": ("conversations", {"leaf": "nobody", "title": 5, "updated": "x"}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record(page, talk, name):
    """The page works with it, and beside it."""
    talk.asks("To be damaged")
    store, change = DAMAGES[name]
    last = talk.answers.last.get_attribute("data-id")
    damage(page.page, store, {k: last if x == "LAST" else x for k, x in change.items()})
    page.page.reload()
    expect(talk.rows()).to_have_count(1)
    talk.asks("Does it work?")
    expect(talk.answers.last).to_contain_text("all is well")
    expect(talk.questions.last).to_contain_text("Does it work?")
    page.page.keyboard.press("Control+k")
    page.page.get_by_role("combobox").fill("well")
    expect(page.page.get_by_role("option").first).to_be_visible()
    page.page.keyboard.press("Escape")
    talk.press("New chat")
    talk.asks("And beside it?")
    talk.rows().last.click()
    expect(talk.questions.last).to_contain_text("Does it work?")


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        for name, data in members.items():
            z.writestr(name, data)
    return out.getvalue()


FILES = {
    "picture.json": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "This file is damaged, or it is no file of conversations."),
    "half.json": (b'[{"mapping": {"a": {"mess', "This file is damaged, or it is no file of conversations."),
    "package.json": (b'{"name": "x", "version": "1"}', "This file holds no conversations that can be read here."),
    "cut.zip": (b"PK\x03\x04" + bytes(64), "This ZIP file is damaged"),
    "pictures.zip": (lambda: zipped(**{"a.png": b"\x89PNG", "user.json": b'{"id": "u"}'}), "This ZIP file holds no conversations that can be read here."),
    "bomb.zip": (lambda: zipped(**{"conversations.json": b" " * (201 * 1024 * 1024)}), "This file is too large. 200 MB is the most."),
    "empty.json": (b"", "This file is damaged, or it is no file of conversations."),
}


def test_a_file_that_is_none(page, talk, tmp_path):
    talk.asks("Here before")
    talk.press("Settings")
    for name, (content, words) in FILES.items():
        (tmp_path / name).write_bytes(content() if callable(content) else content)
        page.page.get_by_role("dialog").locator("input[type=file]").set_input_files(tmp_path / name)
        expect(page.page.get_by_role("dialog").get_by_role("status").filter(has_text=f"{name}: {words}")).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(talk.rows()).to_have_count(1)
    talk.asks("And on")


# As a disk that is slow: nothing else is read while it goes on; long enough for a slow machine to open the page in it.
HELD_MS, AFTER_MS = 5000, 15000
HELD = """ms => new Promise(done => {
    indexedDB.open("dgon").onsuccess = ({target}) => {
        const store = target.result.transaction("conversations", "readwrite").objectStore("conversations"), end = Date.now() + ms;
        const go = () => Date.now() < end ? (store.count().onsuccess = go) : target.result.close();
        go();
        done();
    };
})"""


def test_a_question_before_all_is_read(stack, page, talk):
    """It is sent as soon as that is known to which it belongs, and what was said before goes with it."""
    talk.asks("Mine is 7")
    path = page.page.evaluate("() => location.hash")
    for to, before in ((path, ["Mine is 7", "all is well"]), ("#/", [])):
        page.page.evaluate(HELD, HELD_MS)
        second = Talk(page.tab("/" + to))
        second.page.get_by_role("button", name="fault").first.wait_for()
        assert second.rows().count() == 0  # it is not known yet
        second.page.keyboard.type("Typed early")
        model.says(stack, "in time", label="early")
        second.page.keyboard.press("Enter")
        expect(second.answers.last).to_contain_text("in time", timeout=AFTER_MS)
        second.ended()
        asked = model.asked(stack, "early")["body"]["messages"]
        assert [m["content"] for m in asked] == [*before, "Typed early"]
        expect(second.rows()).to_have_count(1 if before else 2)
        second.page.reload()
        expect(second.answers).to_have_count(len(before) // 2 + 1)
        second.page.close()


def test_words_before_all_is_read(stack, page, talk):
    """They stay in the box."""
    talk.asks("One")
    path = page.page.evaluate("() => location.hash")
    page.page.evaluate(HELD, HELD_MS)
    second = Talk(page.tab("/" + path))
    expect(second.box).to_be_focused()
    second.page.keyboard.type("Typed early")
    assert second.answers.count() == 0
    expect(second.answers.last).to_contain_text("all is well", timeout=AFTER_MS)
    expect(second.box).to_have_value("Typed early")
    second.press("New chat")
    expect(second.box).to_have_value("")
