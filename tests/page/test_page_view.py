"""The page as it opens, looked at."""

import client
import env
import model
import visits

PNG = b"\x89PNG"


def test_looks(page):
    page.check_looks("start")
    for scheme in visits.SCHEMES:
        for device in visits.DEVICES:
            assert (visits.SHOTS / f"start-{scheme}-{device}.png").read_bytes().startswith(PNG)


def test_the_watch_sees(stack, visit):
    """Each kind of thing that must not happen is noticed: without this a silent page would prove nothing."""
    v = visit(stack.url)
    v.page.evaluate("""() => {
        console.error("said aloud");
        setTimeout(() => { throw new Error("thrown"); });
        alert("asked");
        fetch("/no/such").catch(() => {});
    }""")
    kinds = ("console error: said aloud", "console error: .*404", "uncaught: .*thrown", "dialog: alert asked")
    env.wait_for(lambda: v.page.wait_for_timeout(20) or len(v.watch.unexpected()) >= len(kinds), 5, f"notes {v.watch.notes}")
    v.watch.expect(*kinds)


def test_a_scripted_model(stack, page):
    """What tests of the chat build upon: the model says what the test wants, and the test sees what became of the request."""
    model.says(stack, {"reasoning": "hm"}, "He", (0.1, "llo"), usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, label="script")
    ask = """async () => {
        const answer = await fetch("v1/chat/completions", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(
            {model: "fault", stream: true, stream_options: {include_usage: true}, messages: [{role: "user", content: "Hi"}]}), signal: aborter.signal});
        const chunks = (await answer.text()).split("\\n\\n").filter(e => e.startsWith("data: {")).map(e => JSON.parse(e.slice(6)));
        return {text: chunks.map(c => c.choices[0]?.delta.content ?? "").join(""), usage: chunks.at(-1).usage};
    }"""
    page.page.evaluate("() => { globalThis.aborter = new AbortController(); }")
    got = page.page.evaluate(ask)
    assert got["text"] == "Hello" and got["usage"]["total_tokens"] == 5
    assert model.asked(stack, "script", lambda r: r["end"])["body"]["messages"] == [{"role": "user", "content": "Hi"}]
    model.says(stack, "never", (30, "ending"), label="stopped")
    page.page.evaluate(f"() => {{ ({ask})().catch(() => {{}}); }}")
    model.asked(stack, "stopped", lambda r: r["sent"])
    page.page.evaluate("() => aborter.abort()")
    model.asked(stack, "stopped", lambda r: r["aborted"])
    model.obeys(stack)
    visits.apart(client.ask(stack.url, tokens=3)).check_done(3)
