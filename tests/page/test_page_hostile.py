"""Strings that mean harm, wherever a string comes from: as answers, letter by letter, and in every other place. Nothing runs, nothing
is asked for elsewhere, the policy refuses nothing (visits.Watch), and no element is made that the allow list does not name."""

import json
import pathlib
import re
import subprocess
import tempfile

import pytest
from playwright.sync_api import expect

import env
import model
import toolbox
from talk import Talk

PAGE = env.TOP / "htdocs"
TABS = 2
CONF = """
Alias /config.json "{etc}/page.json"
<Location "/config.json">
    ForceType application/json
    Require all granted
</Location>
"""


@pytest.fixture(scope="module")
def script():
    """htdocs/test/hostile-page.ts as one script."""
    node, _ = toolbox.node()
    with tempfile.TemporaryDirectory() as to:
        subprocess.run([*node, PAGE / "node_modules/rolldown/bin/cli.mjs", PAGE / "test/hostile-page.ts", "--format", "iife", "--file", f"{to}/page.js"],
                       check=True, capture_output=True, cwd=PAGE)
        yield pathlib.Path(to, "page.js").read_text()


@pytest.fixture(scope="module")
def etc():
    with tempfile.TemporaryDirectory(prefix="dgon-page-") as to:  # httpd's user need not come through our directories
        pathlib.Path(to).chmod(0o755)
        yield pathlib.Path(to)


@pytest.fixture(scope="module")
def stack(make_stack, etc):
    return make_stack(conf=CONF.format(etc=etc))


@pytest.fixture
def hostile(stack, visit, script):
    """hostile(): a Visit with the script in it."""

    def make(hurry=False, **options):
        v = visit(stack.url, **options)
        v.context.add_init_script(script + ("hostilePage.hurry();" if hurry else ""))
        v.page.reload()
        v.page.get_by_role("button", name="Model: ").wait_for()
        return v

    return make


@pytest.mark.timeout(120)
def test_answers(hostile):
    visits = [hostile(hurry=True) for _ in range(TABS)]
    for i, v in enumerate(visits):
        Talk(v.page).page.get_by_role("button", name="fault").first.wait_for()
        v.page.evaluate("([i, n]) => hostilePage.start(i, n)", [i, TABS])
    for v in visits:
        got = v.page.evaluate("() => hostilePage.ended()")
        print({k: got[k] for k in ("asked", "letters", "changes", "slowest")})
        assert got["asked"] >= 100 / TABS and not got["failed"], got["failed"]
        assert got["changes"] > got["letters"] * 0.6, "the answers were not drawn as they came"
        assert not got["bad"], got["bad"]


def conversations(texts):
    """A file of the page's own form in which every string is hostile: one conversation with all of them as messages, and one for each as title and folder."""
    def message(i, text, role="assistant"):
        return {"id": f"m{i}", "parent": f"m{i - 1}" if i else "", "role": role, "text": text, "reasoning": text, "model": text, "state": "cut" if i % 2 else "done", "finish": text,
                "calls": [{"id": text, "name": text, "arguments": text}], "trouble": {"kind": "request", "message": text, "status": 400},
                "files": [{"id": f"f{i}", "name": text or "x", "type": "text/html", "size": 3, "kind": "text"}], "created": i + 1}
    whole = {"title": "All of them", "named": True, "system": texts[0], "model": texts[0], "updated": 2e12, "leaf": f"m{len(texts) - 1}",
             "messages": [message(i, t, "assistant" if i % 4 else "user") for i, t in enumerate(texts)],
             "files": [{"id": f"f{i}", "data": "PGI+"} for i in range(len(texts))]}
    each = [{"title": t, "named": True, "folder": t, "messages": [message(0, "Hi", "user")]} for t in texts]
    presets = [{"name": t, "system": t, "model": t, "params": {}} for t in texts[:100]]
    return {"format": "dgon-conversations", "version": 1, "presets": presets, "conversations": [whole, *each]}


def openai(texts):
    return [{"title": t, "mapping": {t: {"id": t, "parent": None, "message": {"author": {"role": "user", "name": t}, "content": {"content_type": "text", "parts": [t]}, "metadata": {"model_slug": t}}}},
             "current_node": t, "default_model_slug": t} for t in texts if t]


def open_webui(texts):
    return [{"title": t, "chat": {"title": t, "models": [t], "messages": [{"id": t, "role": "user", "content": t, "models": [t], "files": [{"type": "image", "url": t, "name": t}]}]}} for t in texts]


def clean(text):
    """Python's JSON may hold halves of letters, a file in UTF-8 may not."""
    return text.encode("utf-8", "replace").decode()


@pytest.mark.timeout(90)
def test_files_of_conversations(hostile, tmp_path):
    v = hostile()
    page = v.page
    texts = [clean(t)[:2000] for t in page.evaluate("() => hostilePage.short")]
    files = []
    for name, make in (("own", conversations), ("openai", openai), ("open-webui", open_webui)):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(make(texts)))
    page.get_by_role("button", name="Settings", exact=True).click()
    page.locator("dialog input[type=file]").set_input_files(files)
    said = page.locator("dialog .set-said")
    expect(said).to_contain_text(f"Conversations imported: {len(texts) + 1}.")
    page.keyboard.press("Escape")
    # The list, the folders, and their pages of 200.
    assert page.locator(".list .row").count() == 200
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".row-title", has_text="<script>alert(1)</script>").first).to_be_visible()
    page.locator(".row-title", has_text="All of them").first.click()
    expect(page.locator(".message")).to_have_count(len(texts))
    # What is folded is opened, too.
    page.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    expect(page.locator(".reasoning-text", has_text=texts[1]).first).to_be_visible()
    expect(page.locator(".call pre", has_text=texts[1]).first).to_be_visible()
    page.get_by_role("button", name="This chat's settings").click()
    expect(page.locator(".preset").nth(90)).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    for words in ("<script>alert(1)</script>", "javascript:", "onerror"):
        page.keyboard.press("Control+a")
        page.keyboard.type(words)
        expect(page.get_by_role("option").filter(has_text=words.split(":")[0]).first).to_be_visible(timeout=20000)
    page.keyboard.press("Escape")
    assert v.page.evaluate("() => hostilePage.bad()") == []


@pytest.mark.timeout(90)
def test_other_places(stack, etc, hostile):
    """config.json, names of models, files, errors of the server and the stream, calls of tools, thoughts, and the machines."""
    texts = [clean(t) for t in hostile().page.evaluate("() => hostilePage.short")]
    v = hostile()
    v.watch.expect("status of (4|5)..")
    page, talk = v.page, Talk(v.page)
    line = "<img src=x onerror=alert(1)>"
    (etc / "page.json").write_text(json.dumps({
        "title": line, "notice": line, "logo": "javascript:alert(1)", "default_model": line, "api": "./",
        "links": [{"label": line, "url": "javascript:alert(1)"}, {"label": line, "url": "data:text/html,<script>alert(1)</script>"}, {"label": line, "url": "/" + line}]}))
    # The gateway takes no such names. Another server of OpenAI's API may, and may lie about its machines.
    names = ["fault", *texts]
    models = [{"id": t, "dgon": {"agents": 1, "loaded": True}, "capabilities": [t]} for t in names]
    agent = {"state": "up", "slots": 1, "version": line, "os": line, "address": line, "last_error": {"at": 1, "status": 500, "code": line},
             "models": [{"id": t, "capabilities": [t]} for t in names]}
    status = {"type": "cluster_status", "data": {"agents": [{**agent, "id": t} for t in texts[:8]], "models": [{"id": t, "agents": 1} for t in names], "slots": {}, "jobs": {}}}
    join = {"command": line, "powershell": line}
    v.context.route("**/v1/models", lambda r: r.fulfill(json={"data": models}))
    v.context.route("**/cluster/status?stream=1", lambda r: r.fulfill(content_type="text/event-stream", body=f"data: {json.dumps(status)}\n\n"))
    v.context.route("**/node/join/command", lambda r: r.fulfill(json=join))
    page.reload()
    expect(page).to_have_title(line)
    expect(page.get_by_role("note").filter(has_text=line)).to_be_visible()
    links = page.locator(".sidebar-foot a")
    expect(links).to_have_count(1)
    assert links.get_attribute("href").startswith(stack.url + "/%3Cimg")
    # The picker and the machines.
    page.get_by_role("button", name="Model: ").click()
    page.get_by_role("combobox").fill("<script>alert(1)")
    page.get_by_role("option").first.click()
    page.get_by_role("button", name=re.compile("Model: .*script")).wait_for()
    page.get_by_role("button", name="Machines").click()
    page.get_by_role("button", name="Show all").first.click()
    expect(page.get_by_text(line).first).to_be_visible()
    page.get_by_role("button", name="Add a machine").first.click()
    expect(page.get_by_role("dialog").get_by_text(line).first).to_be_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("() => hostilePage.bad()") == []
    v.context.unroute_all()
    page.get_by_role("button", name="New chat").first.click()
    page.reload()
    # Thoughts and calls; the file's name; words of errors.
    page.locator("input[type=file]").set_input_files([{"name": t.replace("/", "\u2215")[:120], "mimeType": "text/html", "buffer": t.encode()} for t in texts[:20] if t.isprintable() and t])
    expect(page.locator(".chip")).to_have_count(len([t for t in texts[:20] if t.isprintable() and t]))
    model.says(stack, *[{"reasoning": t} for t in texts], *[model.call(t, t, id=t, index=i) for i, t in enumerate(texts[:100])], "".join(texts[:5]), finish="stop")
    talk.ask(line)
    answer = talk.ended()
    page.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    expect(answer.locator(".call")).to_have_count(100)
    expect(answer.locator(".reasoning-text")).to_contain_text("<iframe")
    for text in (line, "<script>alert(1)</script>", "[a](javascript:alert(1))"):
        model.says(stack, status=400, answer=json.dumps({"error": {"message": text, "code": text, "type": text}}))
        talk.ask(text)
        expect(talk.ended("failed")).to_contain_text(text)
    assert page.evaluate("() => hostilePage.bad()") == []
    model.obeys(stack)
    (etc / "page.json").unlink()
