"""Files that go along with a question, and conversations that leave as files."""

import base64
import json
import re
import zipfile
import zlib

from playwright.sync_api import expect

import model
from talk import Talk

PICTURE = "htdocs/public/icon-192.png"
CHIPS = "Files for this message"


def drop(page, *files):
    """From outside of the browser, onto the conversation. Each file: name, type, bytes."""
    data = page.evaluate_handle("""files => {
        const data = new DataTransfer();
        for (const [name, type, content] of files) data.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name, {type}));
        return data;
    }""", [[n, t, base64.b64encode(c).decode()] for n, t, c in files])
    log = page.get_by_role("log")
    log.dispatch_event("dragover", {"dataTransfer": data})
    expect(page.get_by_text("Drop files here")).to_be_visible()
    log.dispatch_event("drop", {"dataTransfer": data})
    expect(page.get_by_text("Drop files here")).to_have_count(0)


def sent(stack, label):
    return model.asked(stack, label, lambda r: r["end"])["body"]["messages"][-1]["content"]


def size_of(page, url):
    """Of a picture, as the browser reads it."""
    return page.evaluate("""async text => {
        const i = await createImageBitmap(new Blob([Uint8Array.from(atob(text), c => c.charCodeAt(0))]));
        return [i.width, i.height];
    }""", url.split(",")[1])


def png(width, height, noise=0):
    """A grey picture; noise: so many bytes of a chunk that nobody reads."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0")
            + chunk(b"noIs", bytes(noise)) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def test_pasted(stack, page, talk):
    """An image of the clipboard, by the keyboard; text goes into the box as ever."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.evaluate("""async url => {
        const image = await (await fetch(url)).blob();
        await navigator.clipboard.write([new ClipboardItem({"image/png": image})]);
    }""", "icon-192.png")
    talk.box.fill("What is ")
    talk.box.press("End")
    page.page.keyboard.press("Control+v")
    expect(page.page.get_by_role("list", name=CHIPS).get_by_role("listitem")).to_have_count(1)
    page.page.evaluate("navigator.clipboard.writeText('this?')")
    page.page.keyboard.press("Control+v")
    expect(talk.box).to_have_value("What is this?")
    model.says(stack, "seen", label="pasted")
    page.page.keyboard.press("Enter")
    talk.ended()
    text, image = sent(stack, "pasted")
    assert text == {"type": "text", "text": "What is this?"}
    assert size_of(page.page, image["image_url"]["url"]) == [192, 192]


def test_dropped(stack, page, talk):
    """Both kinds at once; one is taken away again."""
    with open(PICTURE, "rb") as f:
        picture = f.read()
    drop(page.page, ("a.png", "image/png", picture), ("b.txt", "text/plain", b"of the text"), ("c.txt", "", "Größe".encode()))
    chips = page.page.get_by_role("list", name=CHIPS).get_by_role("listitem")
    expect(chips).to_have_count(3)
    page.check_looks("attached")
    page.page.get_by_role("button", name="Remove b.txt").click()
    expect(chips).to_have_count(2)
    model.says(stack, "seen", label="dropped")
    talk.asks("Look")
    expect(chips).to_have_count(0)
    text, image = sent(stack, "dropped")
    assert text["text"] == "Look\n\nFile c.txt:\n```\nGröße\n```"
    assert base64.b64decode(image["image_url"]["url"].split(",")[1]) == picture
    # A file alone is a question too.
    model.says(stack, "read", label="alone")
    drop(page.page, ("d.txt", "text/plain", b"nothing else"))
    expect(chips).to_have_count(1)
    talk.press("Send")
    expect(talk.answers).to_have_count(2)
    talk.ended()
    assert sent(stack, "alone") == "File d.txt:\n```\nnothing else\n```"


def test_a_large_image_is_made_smaller(stack, page, talk):
    """No model sees more, and the gateway takes so much."""
    page.page.locator("input[type=file]").set_input_files({"name": "wide.png", "mimeType": "image/png", "buffer": png(6000, 300, noise=2_000_000)})
    expect(page.page.get_by_role("list", name=CHIPS)).to_be_visible()
    model.says(stack, "seen", label="wide")
    talk.asks("Look")
    url = sent(stack, "wide")[1]["image_url"]["url"]
    assert size_of(page.page, url) == [2048, 102] and len(url) < 200_000


def test_an_image_of_50_mb(stack, page, talk, tmp_path):
    """A sentence that says how large it may be; the draft and what else was chosen stay, and go."""
    large = tmp_path / "large.png"
    large.write_bytes(png(100, 100, noise=50 * 1024 * 1024))
    talk.box.fill("a draft of mine")
    page.page.locator("input[type=file]").set_input_files([large, PICTURE])
    expect(page.page.get_by_role("status").get_by_text("large.png is too large. Images may have 20 MB, text files 1 MB.")).to_be_visible()
    chips = page.page.get_by_role("list", name=CHIPS).get_by_role("listitem")
    expect(chips).to_have_count(1)
    expect(talk.box).to_have_value("a draft of mine")
    model.says(stack, "seen", label="large")
    page.page.get_by_role("button", name="fault").first.wait_for()
    talk.press("Send")
    talk.ended()
    text, image = sent(stack, "large")
    assert text["text"] == "a draft of mine" and size_of(page.page, image["image_url"]["url"]) == [192, 192]


def test_a_request_that_is_too_large(make_stack, visit):
    """The page's own limits may be above the server's: the server's refusal is said, and the conversation goes on without the file."""
    site = make_stack(conf="DgonMaxRequestBody 200K\n")
    v = visit(site.url)
    v.watch.expect("console error: .*status of 413", "ERR_CONNECTION_RESET")
    talk = Talk(v.page)
    v.page.locator("input[type=file]").set_input_files({"name": "long.txt", "mimeType": "text/plain", "buffer": b"words " * 100_000})
    expect(v.page.get_by_role("list", name=CHIPS)).to_be_visible()
    talk.ask("Read it")
    failed = talk.ended("failed")
    expect(failed).to_contain_text("This message is larger than the server takes.")
    talk.box.fill("a draft")
    talk.press("Delete from here", within=talk.questions.last)
    expect(talk.box).to_have_value("a draft")
    model.says(site, "without it")
    talk.asks("And now?")
    expect(talk.answers.last).to_contain_text("without it")


def test_share(stack, page, talk, tmp_path):
    """The branch that is shown, as a file that people can read."""
    model.says(stack, "not this one")
    talk.asks("A question: what/where?")
    model.says(stack, {"reasoning": "Let me see."}, "An *answer* with\n\n```js\n1\n```")
    talk.press("Another answer")
    expect(talk.answers.last).to_contain_text("2 / 2")
    talk.ended()
    with page.page.expect_download() as download:
        talk.menu("A question: what/where?", "Share as a file")
    assert download.value.suggested_filename == "A question what where.md"
    download.value.save_as(tmp_path / "shared.md")
    assert (tmp_path / "shared.md").read_text() == (
        "# A question: what/where?\n\n## You\n\nA question: what/where?\n\n## fault\n\n> **Thoughts**\n>\n> Let me see.\n\nAn *answer* with\n\n```js\n1\n```\n")
    # Where the system can share, it is asked to.
    page.page.evaluate("""() => {
        navigator.canShare = () => true;
        navigator.share = async what => { globalThis.shared = [what.title, what.files[0].name, what.files[0].type, await what.files[0].text()]; };
    }""")
    talk.menu("A question: what/where?", "Share as a file")
    page.page.wait_for_function("() => globalThis.shared")
    title, name, kind, text = page.page.evaluate("() => shared")
    assert [title, name, kind] == ["A question: what/where?", "A question what where.md", "text/markdown"] and "An *answer*" in text


def test_one_conversation_as_a_file(stack, page, talk, tmp_path):
    """With its image and all its versions, to be imported in another browser."""
    model.says(stack, "one")
    page.page.locator("input[type=file]").set_input_files(PICTURE)
    talk.asks("This one")
    model.says(stack, "two")
    talk.press("Another answer")
    expect(talk.answers.last).to_contain_text("2 / 2")
    talk.ended()
    talk.press("New chat")
    talk.asks("Not this one")
    with page.page.expect_download() as download:
        talk.menu("This one", "Export")
    assert download.value.suggested_filename == "This one.json"
    download.value.save_as(tmp_path / "one.json")
    whole = json.loads((tmp_path / "one.json").read_text())
    assert whole["format"] == "dgon-conversations" and [c["title"] for c in whole["conversations"]] == ["This one"]
    other = Talk(page.tab())
    other.menu("This one", "Delete")
    expect(other.rows()).to_have_count(1)
    other.press("Settings")
    other.page.get_by_role("dialog").locator("input[type=file]").set_input_files(tmp_path / "one.json")
    expect(other.page.get_by_role("dialog").get_by_role("status")).to_contain_text("Conversations imported: 1.")
    other.page.keyboard.press("Escape")
    other.rows().filter(has_text=re.compile("^This one")).click()
    expect(other.answers.last).to_contain_text("two")
    other.press("Previous version")
    expect(other.answers.last).to_contain_text("one")
    other.page.get_by_role("button", name="Show icon-192.png").click()
    expect(other.page.get_by_role("dialog").get_by_role("img")).to_have_js_property("naturalWidth", 192)


def chatgpt(title, *nodes):
    """A conversation of ChatGPT's export: each node a role and the parts of its content."""
    mapping = {"n0": {"id": "n0", "parent": None, "children": ["n1"], "message": None}}
    for i, (role, *parts) in enumerate(nodes, 1):
        mapping[f"n{i}"] = {"id": f"n{i}", "parent": f"n{i - 1}", "children": [f"n{i + 1}"] if i < len(nodes) else [], "message": {
            "author": {"role": role}, "metadata": {"model_slug": "gpt-5"}, "content": {
                "content_type": "text" if all(isinstance(p, str) for p in parts) else "multimodal_text", "parts": parts}}}
    return {"title": title, "create_time": 1.7e9, "update_time": 1.7e9, "current_node": f"n{len(nodes)}", "mapping": mapping}


def pointer(where):
    return {"content_type": "image_asset_pointer", "asset_pointer": where, "width": 1, "height": 1}


def test_an_archive_of_chatgpt(page, talk, tmp_path):
    """The ZIP file as people get it: conversations in two files, pictures and other things beside them."""
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("user.json", '{"id": "user-1"}')
        z.writestr("chat.html", "<script>alert(1)</script>")
        z.writestr("conversations-000.json", json.dumps([chatgpt("Cheese", ("user", "Which cheese?"), ("assistant", "A *soft* one."))]))
        z.writestr("conversations-001.json", json.dumps([chatgpt("Größe", ("user", "Wie groß?"), ("assistant", "So groß.")), {"mapping": {}}]))
        z.write(PICTURE, "file-1-picture.png", zipfile.ZIP_STORED)
    talk.press("Settings")
    page.page.get_by_role("dialog").locator("input[type=file]").set_input_files(archive)
    expect(page.page.get_by_role("dialog").get_by_role("status")).to_contain_text("Conversations imported: 2. Left out: 1 (")
    page.page.keyboard.press("Escape")
    page.page.reload()
    expect(talk.rows()).to_have_count(2)
    talk.rows().filter(has_text="Größe").click()
    expect(talk.questions.last).to_contain_text("Wie groß?")
    expect(talk.answers.last).to_contain_text("So groß.")


def test_pictures_of_an_archive(stack, page, talk, tmp_path):
    """They come with their messages, as if they had been pasted; where one is missing or none that stands in the text."""
    conversation = chatgpt(
        "Pictures", ("user", pointer("file-service://file-Wide"), pointer("sediment://file_0small"), "What are these?"), ("assistant", "Icons."),
        ("user", pointer("file-service://file-Gone"), pointer("file-service://file-Text"), "And these?"), ("assistant", "Let me paint one."),
        ("tool", pointer("sediment://file_0painted")), ("assistant", "There it is."))
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("conversations.json", json.dumps([conversation]))
        z.writestr("file-Wide-wide.png", png(6000, 300, noise=2_000_000))
        z.write(PICTURE, "user-abc/file_0small-sanitized.dat", zipfile.ZIP_STORED)
        z.writestr("file-Text-words.png", "no picture")
        z.write(PICTURE, "dalle-generations/file_0painted-a cat.webp")
    talk.press("Settings")
    page.page.get_by_role("dialog").locator("input[type=file]").set_input_files(archive)
    expect(page.page.get_by_role("dialog").get_by_role("status")).to_contain_text("Conversations imported: 1.")
    page.page.keyboard.press("Escape")
    page.page.reload()
    talk.rows().first.click()
    first, second = talk.questions.first, talk.questions.last
    expect(first.get_by_role("button", name=re.compile("^Show "))).to_have_count(2)
    expect(second.get_by_role("button", name=re.compile("^Show "))).to_have_count(0)
    expect(second).to_contain_text("[An image that was not imported]\n\n[An image that was not imported]\n\nAnd these?")
    expect(talk.answers.last).to_contain_text("There it is.")
    page.check_looks("painted")
    talk.press("Show a cat.webp", within=talk.answers.last)
    expect(page.page.get_by_role("dialog").get_by_role("img")).to_have_js_property("naturalWidth", 192)
    page.page.keyboard.press("Escape")
    page.page.get_by_role("button", name="Model: gpt-5").click()
    page.page.get_by_role("option", name="fault").click()
    model.says(stack, "seen", label="archive")
    talk.asks("Look again")
    heard = model.asked(stack, "archive", lambda r: r["end"])["body"]["messages"]
    text, wide, small = heard[0]["content"]
    assert text["text"] == "What are these?" and size_of(page.page, wide["image_url"]["url"]) == [2048, 102]
    with open(PICTURE, "rb") as f:
        assert base64.b64decode(small["image_url"]["url"].split(",")[1]) == f.read()
    assert small["image_url"]["url"].startswith("data:image/png;")
    assert [m["content"] for m in heard if m["role"] == "assistant"] == ["Icons.", "Let me paint one.\n\nThere it is."]
