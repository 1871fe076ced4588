"""Talking with a model: as it streams, stop, versions, and what is kept."""

import re

from playwright.sync_api import expect

import model
from talk import Talk

SLOW = [(0.03, f"w{i} ") for i in range(200)]


def test_the_answer_grows(stack, page, talk):
    """It is seen as it comes: the text grows between two looks, and the figures stand below it in the end."""
    model.says(stack, *SLOW[:60], usage={"prompt_tokens": 7, "completion_tokens": 60, "total_tokens": 67})
    answer = talk.ask("Count")
    expect(answer).to_contain_text("w3 ")
    seen = len(answer.inner_text())
    expect(answer).to_contain_text("w30 ")
    assert len(answer.inner_text()) > seen and answer.get_attribute("aria-busy") == "true"
    done = talk.ended()
    expect(done).to_contain_text("w59")
    expect(done).to_contain_text("fault")
    expect(done).to_contain_text("7 tokens in, 60 out")
    expect(done.locator(".figures")).to_contain_text(re.compile(r"\d+(\.\d)? tokens/s"))
    expect(page.page).to_have_title("Count – Chat")
    assert "/c/" in page.page.url


def counts(stack, talk, label, until):
    """Asks for an answer that is far from its end when this word of it is there."""
    model.says(stack, *SLOW, label=label)
    expect(talk.ask("Count")).to_contain_text(until)


def test_stop_reaches_the_backend(stack, talk):
    counts(stack, talk, "stop-me", "w5 ")
    talk.stop_button.click()
    model.asked(stack, "stop-me", lambda r: r["aborted"])
    stopped = talk.ended("stopped")
    expect(stopped).to_contain_text("You stopped this answer.")
    expect(stopped).to_contain_text("w5 ")


def test_versions(stack, page, talk):
    model.says(stack, "first")
    talk.asks("Which?")
    model.says(stack, "second")
    talk.press("Another answer")
    expect(talk.answers.last).to_contain_text("second")
    expect(talk.answers).to_have_count(1)
    expect(talk.answers.last).to_contain_text("2 / 2")
    talk.press("Previous version")
    expect(talk.answers.last).to_contain_text("first")
    # What is said now follows from the first version, and is not there with the second one.
    model.says(stack, "third", label="branch")
    talk.asks("Go on")
    heard = model.asked(stack, "branch", lambda r: r["end"])["body"]["messages"]
    assert [m["content"] for m in heard] == ["Which?", "first", "Go on"]
    talk.press("Next version", within=talk.answers.first)
    expect(talk.answers).to_have_count(1)
    expect(talk.answers.last).to_contain_text("second")
    page.page.reload()
    expect(talk.answers.last).to_contain_text("second")


def test_edit_and_branch(stack, talk):
    model.says(stack, "to the first")
    talk.asks("First question")
    model.says(stack, "to the second", label="edited")
    talk.press("Edit", within=talk.questions.last)
    edit = talk.page.get_by_role("textbox", name="Edit")
    expect(edit).to_have_value("First question")
    edit.fill("Second question")
    talk.press("Send", within=talk.questions.last)
    expect(talk.answers.last).to_contain_text("to the second")
    expect(talk.questions.last).to_contain_text("2 / 2")
    assert [m["content"] for m in model.asked(stack, "edited", lambda r: r["end"])["body"]["messages"]] == ["Second question"]
    talk.press("Previous version", within=talk.questions.last)
    expect(talk.answers.last).to_contain_text("to the first")
    # The arrow in the empty box does the same as the button.
    talk.box.press("ArrowUp")
    expect(talk.page.get_by_role("textbox", name="Edit")).to_have_value("First question")
    talk.page.keyboard.press("Escape")


def test_a_cut_answer(stack, page, talk):
    """It is marked as cut, keeps what had come, and can be continued or asked again."""
    page.watch.expect("ERR_INCOMPLETE_CHUNKED_ENCODING")
    model.says(stack, "The beginning ", (0.2, "of it"), (0.2, ""), at=2, do="rst")
    talk.ask("Tell")
    cut = talk.ended("cut")
    expect(cut).to_contain_text("The beginning of it")
    expect(cut).to_contain_text("The answer was cut off. What had come is kept.")
    model.says(stack, " and the end", label="continued")
    talk.press("Continue", within=cut)
    whole = talk.ended()
    expect(whole).to_contain_text("The beginning of it and the end")
    heard = model.asked(stack, "continued", lambda r: r["end"])["body"]["messages"]
    assert heard[-1] == {"role": "assistant", "content": "The beginning of it"}


def test_a_length_that_is_reached(stack, talk):
    model.says(stack, "as far as", finish="length")
    talk.asks("Tell")
    expect(talk.answers.last).to_contain_text("The answer reached its largest length.")
    model.says(stack, " this")
    talk.press("Continue")
    expect(talk.answers.last).to_contain_text("as far as this")


def test_a_reload_keeps_what_had_come(stack, page, talk):
    counts(stack, talk, "reload", "w20 ")
    page.page.reload()
    model.asked(stack, "reload", lambda r: r["aborted"])
    cut = talk.ended("cut")
    expect(cut).to_contain_text("w20 ")
    expect(cut.get_by_role("button", name="Continue")).to_be_visible()


def test_a_tab_that_is_closed(stack, page, talk):
    """The rest of the answer is gone with it; what had come is in the database."""
    counts(stack, talk, "closed", "w40 ")
    url = page.page.url.replace(page.url, "")
    page.page.close()
    model.asked(stack, "closed", lambda r: r["aborted"])
    other = Talk(page.tab(url))
    expect(other.ended("cut")).to_contain_text("w20 ")


def test_two_tabs(stack, page, talk):
    """The other tab sees the answer grow, does not write into it, and its own changes do not undo those of the first."""
    model.says(stack, *SLOW[:100])
    answer = talk.ask("Both look")
    expect(answer).to_contain_text("w5 ")
    other = Talk(page.tab(page.page.url.replace(page.url, "")))
    expect(other.answers.last).to_contain_text("w20 ")
    other.menu("Both look", "Rename")
    other.page.get_by_role("textbox", name="Rename").fill("Renamed")
    other.page.keyboard.press("Enter")
    expect(talk.rows().first).to_contain_text("Renamed")
    expect(talk.ended()).to_contain_text("w99")
    expect(other.ended()).to_contain_text("w99")
    expect(other.rows()).to_have_count(1)
    other.menu("Renamed", "Delete")
    expect(talk.rows()).to_have_count(0)


def test_delete_and_undo(stack, page, talk):
    model.says(stack, "an answer")
    talk.asks("To be deleted")
    talk.press("Delete from here", within=talk.questions.last)
    expect(talk.answers).to_have_count(0)
    talk.press("Undo")
    expect(talk.answers.last).to_contain_text("an answer")
    talk.menu("To be deleted", "Delete")
    expect(talk.rows()).to_have_count(0)
    talk.press("Undo")
    expect(talk.rows()).to_have_count(1)
    page.page.reload()
    talk.rows().first.click()
    expect(talk.answers.last).to_contain_text("an answer")


def test_undo_in_the_moment_of_a_reload(stack, page, talk):
    """A message and what followed it, and a conversation: the database hears of neither before the page is gone."""
    model.says(stack, "an answer")
    talk.asks("To be deleted")
    undo = "() => { [...document.querySelectorAll('button')].findLast(b => b.textContent === 'Undo').click(); location.reload(); }"
    talk.press("Delete from here", within=talk.questions.last)
    expect(talk.answers).to_have_count(0)
    with page.page.expect_navigation():
        page.page.evaluate(undo)
    expect(talk.questions.last).to_contain_text("To be deleted")
    expect(talk.answers.last).to_contain_text("an answer")
    talk.menu("To be deleted", "Delete")
    expect(talk.rows()).to_have_count(0)
    with page.page.expect_navigation():
        page.page.evaluate(undo)
    talk.rows().first.click()
    expect(talk.answers.last).to_contain_text("an answer")


def test_the_draft_is_kept(stack, page, talk):
    """Of a new conversation and of an old one, through reloads and other conversations."""
    talk.box.fill("not sent yet")
    page.page.reload()
    expect(talk.box).to_have_value("not sent yet")
    model.says(stack, "yes")
    talk.asks("An old one")
    expect(talk.box).to_have_value("")
    talk.box.fill("half a sentence")
    talk.press("New chat")
    expect(talk.box).to_have_value("")
    talk.rows().first.click()
    expect(talk.box).to_have_value("half a sentence")
    page.page.reload()
    expect(talk.box).to_have_value("half a sentence")


def test_reasoning_and_tools(stack, page, talk):
    steps = [(0.03, {"reasoning": f"r{i} "}) for i in range(30)]
    model.says(stack, *steps, "So it is 4.", model.call("add", '{"a": 2, "b": 2}'), finish="tool_calls")
    answer = talk.ask("2 + 2?")
    expect(answer).to_contain_text("Thinking…")
    done = talk.ended()
    expect(done).to_contain_text(re.compile(r"Thought for \d"))
    expect(done.locator(".reasoning-text")).not_to_be_visible()
    done.get_by_text("Thought for").click()
    expect(done.locator(".reasoning-text")).to_contain_text("r29")
    done.get_by_text("Wants to use add").click()
    expect(done).to_contain_text('"a": 2')
    page.check_looks("reasoning")


def test_files(stack, page, talk, tmp_path):
    """A text file and an image go along; the image as the model servers want it."""
    (tmp_path / "notes.md").write_text("# Notes\nline")
    page.page.locator("input[type=file]").set_input_files([tmp_path / "notes.md", "htdocs/public/icon-192.png"])
    expect(page.page.get_by_role("list", name="Files for this message").get_by_role("listitem")).to_have_count(2)
    model.says(stack, "seen", label="files")
    talk.asks("Look")
    parts = model.asked(stack, "files", lambda r: r["end"])["body"]["messages"][0]["content"]
    assert parts[0]["text"] == "Look\n\nFile notes.md:\n```\n# Notes\nline\n```"
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    expect(page.page.get_by_role("button", name="Show icon-192.png")).to_be_visible()
    page.page.reload()
    page.page.get_by_role("button", name="Show icon-192.png").click()
    expect(page.page.get_by_role("dialog").get_by_role("img")).to_have_js_property("naturalWidth", 192)
    page.page.keyboard.press("Escape")
    # What is neither, and what is too large.
    (tmp_path / "program").write_bytes(b"\0\1\2\3")
    (tmp_path / "large.png").write_bytes(b"x" * (50 * 1024 * 1024))
    (tmp_path / "broken.png").write_bytes(b"not a png")
    page.page.locator("input[type=file]").set_input_files([tmp_path / n for n in ("program", "large.png", "broken.png")])
    for words in ("program is neither an image nor a text file.", "large.png is too large.", "broken.png is not an image"):
        expect(page.page.get_by_role("status").get_by_text(words)).to_be_visible()


def test_list(stack, page, talk):
    """Rename, pin, folders."""
    model.says(stack, "x")
    for title in ("Apples", "Pears"):
        talk.asks(title)
        talk.press("New chat")
    expect(talk.rows()).to_have_text(["Pears", "Apples"])
    talk.menu("Apples", "Pin")
    expect(talk.rows()).to_have_text(["Apples", "Pears"])
    talk.menu("Pears", "Folder")
    page.page.get_by_role("combobox", name="Folder").fill("Fruit")
    page.page.keyboard.press("Enter")
    page.page.get_by_role("button", name="Fruit").click()
    expect(talk.rows()).to_have_text(["Pears"])
    page.page.reload()
    expect(talk.rows()).to_have_text(["Apples", "Pears"])
    page.check_looks("list")


def test_instructions_and_parameters(stack, page, talk):
    """They go with every question of their conversation, and of no other one; a preset takes them along."""
    talk.press("This chat's settings")
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_label("Instructions for the model").fill("Be brief.")
    dialog.get_by_label("Temperature").fill("0,3")
    dialog.get_by_label("Longest answer").fill("many")
    expect(dialog.get_by_role("alert")).to_contain_text("A whole number from 1")
    dialog.get_by_label("Longest answer").fill("64")
    dialog.get_by_label("Stop words").fill("END\n\\n\\n")
    dialog.get_by_role("radio", name="Short").check(force=True)
    dialog.get_by_label("Name of the preset").fill("Brief")
    talk.press("Save as preset", within=dialog)
    expect(dialog.get_by_role("list", name="Presets")).to_contain_text("Brief")
    talk.press("Done", within=dialog)
    wish = {"temperature": 0.3, "max_tokens": 64, "stop": ["END", "\n\n"], "reasoning_effort": "low"}

    def heard(label):
        body = model.asked(stack, label, lambda r: r["end"])["body"]
        return [m["content"] for m in body["messages"] if m["role"] == "system"], {k: body.get(k) for k in wish}

    model.says(stack, "x", label="with")
    talk.asks("First")
    page.page.reload()
    talk.asks("Second")
    assert heard("with") == (["Be brief."], wish)
    talk.press("New chat")
    model.says(stack, "x", label="without")
    talk.asks("Another")
    assert heard("without") == ([], dict.fromkeys(wish))
    talk.press("This chat's settings")
    talk.press("Use “Brief”", within=dialog)
    talk.press("Done", within=dialog)
    model.says(stack, "x", label="again")
    talk.asks("And another")
    assert heard("again") == (["Be brief."], wish)


def test_how_full_the_memory_is(stack, page, talk):
    """The last answer's own figures, beside what the model can hold."""
    def wide(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={"data": [{**m, "context_length": 1000} for m in answer.json()["data"]]})

    page.page.route("**/v1/models", wide)
    page.page.reload()
    model.says(stack, "x", usage={"prompt_tokens": 240, "completion_tokens": 10, "total_tokens": 250})
    talk.asks("Short")
    meter = page.page.get_by_role("meter", name="250 of 1,000 tokens of the model's memory are used")
    expect(meter).to_have_js_property("value", 0.25)
    model.says(stack, "x", usage={"prompt_tokens": 880, "completion_tokens": 20, "total_tokens": 900})
    talk.asks("Long")
    expect(page.page.locator(".meter-full")).to_contain_text("90 %")
    talk.press("New chat")
    expect(page.page.get_by_role("meter")).to_have_count(0)


def test_theme_and_language(page, talk):
    """At once, and for good; a theme that is chosen goes before the system's."""
    talk.press("Settings")
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_role("radio", name="Dark").check(force=True)
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")
    dialog.get_by_label("Language").select_option("fr")
    expect(page.page.locator("html")).to_have_attribute("lang", "fr")
    expect(dialog.get_by_role("heading", name="Paramètres")).to_be_visible()
    page.page.reload()
    page.page.emulate_media(color_scheme="light")
    expect(page.page.get_by_role("button", name="Paramètres", exact=True)).to_be_visible()
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_list_is_searched(stack, page, talk):
    """Titles, and every word that was said."""
    model.says(stack, "They are striped.")
    talk.asks("About zebras")
    talk.press("New chat")
    model.says(stack, "They are tall.")
    talk.asks("About giraffes")
    for words, found in (("zebr", "About zebras"), ("striped", "About zebras"), ("tall", "About giraffes")):
        page.page.keyboard.press("Control+k")
        page.page.get_by_role("combobox").fill(words)
        page.page.get_by_role("option").filter(has_text=found).first.click()
        expect(talk.questions.last).to_contain_text(found)
        expect(page.page.get_by_role("dialog")).to_have_count(0)
