"""Responses, Anthropic's messages, text completions and Ollama's API through the gateway: what the SDKs make of them, whatever the
backend does."""

import json
import time

import anthropic
import httpx
import ollama
import openai
import pytest

import env

FAULTS = ["fin", "rst", "eof", "half", "rubbish", "error", "bad_lines"]


def plan(**wish):
    return json.dumps(wish)


def texts(n):
    return [str(i) for i in range(n)]


class Responses:
    path, last = "/v1/responses", "response.completed"
    errors = openai.APIError

    def __init__(self, url):
        self.sdk = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=30)

    def body(self, text, **more):
        return {"model": "fault", "input": text, **more}

    def stream(self, text):
        """Numbers of the tokens; raises as the SDK does."""
        seen, ended = [], False
        for event in self.sdk.responses.create(**self.body(text, stream=True)):
            if event.type == "response.output_text.delta":
                seen.append(event.delta.split(":")[0])
            ended = ended or event.type == self.last
        return seen, ended

    def whole(self, text):
        return self.sdk.responses.create(**self.body(text)).usage.output_tokens


class Messages:
    path, last = "/v1/messages", "message_stop"
    errors = anthropic.APIError

    def __init__(self, url):
        self.sdk = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=30)

    def body(self, text, **more):
        return {"model": "fault", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}

    def stream(self, text):
        seen, ended = [], False
        for event in self.sdk.messages.create(**self.body(text, stream=True)):
            if event.type == "content_block_delta":
                seen.append(event.delta.text.split(":")[0])
            ended = ended or event.type == self.last
        return seen, ended

    def whole(self, text):
        return self.sdk.messages.create(**self.body(text)).usage.output_tokens


class Completions:
    path, last = "/v1/completions", "[DONE]"
    errors = openai.APIError

    def __init__(self, url):
        self.sdk = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=30)

    def body(self, text, **more):
        return {"model": "fault", "prompt": text, **more}

    def stream(self, text):
        seen, ended = [], False
        for chunk in self.sdk.completions.create(**self.body(text, stream=True)):
            for choice in chunk.choices:
                seen += [choice.text.split(":")[0]] * bool(choice.text)
                ended = ended or choice.finish_reason is not None
        return seen, ended

    def whole(self, text):
        return self.sdk.completions.create(**self.body(text)).usage.completion_tokens


class OllamaChat:
    """Its own API, on a backend of either kind."""

    path = "/api/chat"
    errors = ollama.ResponseError

    def __init__(self, url):
        self.sdk = ollama.Client(host=url, timeout=30, trust_env=False)
        self.sdk.close = self.sdk._client.close

    def body(self, text, **more):
        return {"model": "fault", "messages": [{"role": "user", "content": text}], **more}

    def stream(self, text):
        seen, ended = [], False
        for part in self.sdk.chat(**self.body(text, stream=True)):
            seen += [part.message.content.split(":")[0]] * bool(part.message.content)
            ended = ended or bool(part.done)
        if not ended:
            raise self.errors("no end")  # as its users have to look at it themselves
        return seen, ended

    def whole(self, text):
        return self.sdk.chat(**self.body(text)).eval_count


@pytest.fixture(scope="module")
def fleet(make_stack):
    s = make_stack(slots=8)
    s.gateway.expect("DGON0040")
    return s


@pytest.fixture(scope="module")
def ollamas(make_stack):
    s = make_stack(slots=8, ollama=True)
    s.gateway.expect("DGON0040")
    return s


@pytest.fixture(params=[Responses, Messages, Completions, OllamaChat, "ollama"], ids=lambda c: getattr(c, "path", c))
def api(fleet, request):
    if request.param == "ollama":
        stack, kind = request.getfixturevalue("ollamas"), OllamaChat
    else:
        stack, kind = fleet, request.param
    a = kind(stack.url)
    a.backend, a.url = stack.backend, stack.url
    yield a
    a.sdk.close()


def test_stream(api):
    assert api.stream(plan(tokens=20, gap=0.01)) == (texts(20), True)


def test_whole(api):
    assert api.whole(plan(tokens=20)) == 20


def test_long_events(api):
    """Events of more than one record."""
    assert api.stream(plan(tokens=5, pad=50000)) == (texts(5), True)


@pytest.mark.parametrize("do", FAULTS)
def test_fault_in_mid_stream(api, do):
    """No broken stream is ever taken for a whole one: the SDK raises, and says what came."""
    begin = time.monotonic()
    seen = []
    with pytest.raises((api.errors, httpx.HTTPError)):
        seen, ended = api.stream(plan(tokens=10, at=5, do=do, gap=0.01))
    assert not seen and time.monotonic() - begin < 5


@pytest.mark.parametrize("do", FAULTS)
def test_fault_before_the_first_token(api, do):
    with pytest.raises((api.errors, httpx.HTTPError)):
        api.stream(plan(tokens=10, at=0, do=do))


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_fault_before_anything(api, how):
    """An error with a status, which the SDKs would try again."""
    with pytest.raises(api.errors) as e:
        api.stream(plan(before_head=how))
    assert e.value.status_code == 502


@pytest.mark.parametrize("status, seen", [(400, 400), (422, 422), (401, 502), (403, 502), (404, 400), (429, 503), (500, 502), (501, 400), (503, 503)])
def test_status_of_the_backend(api, status, seen):
    with pytest.raises(api.errors) as e:
        api.whole(plan(status=status, answer='{"error": {"message": "no, because", "type": "x"}}'))
    assert e.value.status_code == seen


def test_cancel(api):
    body = api.body(plan(tokens=1000, gap=0.05, label=api.path), stream=True)
    with httpx.Client(trust_env=False) as c, c.stream("POST", api.url + api.path, json=body) as r:
        next(r.iter_bytes())
    env.wait_for(lambda: any(q["label"] == api.path and q["aborted"] for q in api.backend.requests()), 3, "the cancel at the backend")


@pytest.mark.parametrize("do", ["fin", "eof", "error"])
def test_ollamas_stream_that_breaks(fleet, ollamas, do):
    """The last line says why: a program sees an error, never an answer that merely stops."""
    for stack in (fleet, ollamas):
        env.wait_for(lambda: "fault" in stack.gateway.models(), 5, "the model, whose server was under suspicion")
        with httpx.Client(trust_env=False) as c:
            r = c.post(stack.url + "/api/chat", json=OllamaChat(stack.url).body(plan(tokens=10, at=5, do=do, gap=0.02)))
        lines = [json.loads(l) for l in r.text.splitlines()]
        assert r.headers["content-type"] == "application/x-ndjson" and len(lines) == 6, r.text
        assert [l["message"]["content"].split(":")[0] for l in lines[:5]] == texts(5) and set(lines[5]) == {"error"}


def test_the_wire(fleet):
    """Byte by byte what the backend said, but for our comments."""
    with httpx.Client(trust_env=False) as c:
        r = c.post(fleet.url + "/v1/messages", json=Messages(fleet.url).body(plan(tokens=2), stream=True))
    assert r.headers["content-type"] == "text/event-stream; charset=utf-8" and r.headers["x-request-id"]
    blocks = r.text.split("\n\n")
    assert [b.split("\n")[0] for b in blocks] == [
        "event: message_start", "event: content_block_start", "event: content_block_delta", "event: content_block_delta",
        "event: content_block_stop", "event: message_delta", "event: message_stop", ""]
    assert all(json.loads(b.split("\n")[1].removeprefix("data: "))["type"] == b.split("\n")[0].removeprefix("event: ") for b in blocks[:-1])


@pytest.mark.parametrize("path, body, param, anthropics", [
    ("/v1/messages", {"messages": []}, "model", True), ("/v1/messages", {"model": 5}, "model", True),
    ("/v1/messages/count_tokens", {"model": ""}, "model", True), ("/v1/responses", {"input": "x"}, "model", False),
    ("/v1/responses", {"model": "fault", "stream": "yes"}, "stream", False), ("/v1/rerank", {}, "model", False)])
def test_bad_requests(fleet, path, body, param, anthropics):
    with httpx.Client(trust_env=False) as c:
        r = c.post(fleet.url + path, json=body)
    answer = r.json()
    assert r.status_code == 400
    if anthropics:
        assert answer["type"] == "error" and answer["error"]["type"] == "invalid_request_error" and param in answer["error"]["message"]
    else:
        assert answer["error"]["param"] == param and set(answer["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/v1/rerank", "/v1/messages/count_tokens"])
def test_what_the_backend_does_not_have(fleet, path):
    with httpx.Client(trust_env=False) as c:
        r = c.post(fleet.url + path, json={"model": "fault", "query": "x", "documents": ["a"], "messages": [{"role": "user", "content": "x"}]})
    assert r.status_code == 400 and path in r.json()["error"]["message"]


def test_unknown_paths_and_verbs(fleet):
    with httpx.Client(trust_env=False) as c:
        for path in ("/v1/messages/unknown", "/v1/messages"):
            r = c.get(fleet.url + path)
            assert r.status_code in (404, 405) and r.json()["type"] == "error", r.text
        r = c.get(fleet.url + "/v1/responses")
        assert r.status_code == 405 and r.headers["allow"] == "POST" and "error" in r.json()
