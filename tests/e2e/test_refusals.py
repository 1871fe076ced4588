"""Everything a client can get wrong, on every path: status, error form of that API, the member's name, and no more than a few milliseconds."""

import json
import re
import statistics
import time

import pytest

import raw

USER = [{"role": "user", "content": "x"}]
TOOL = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
DATA = "data:image/png;base64,AAAA"


def image(url):
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


# path: (a good body but for the model, [(members that make it bad, the name that the error must give)])
ASKED = {
    "/v1/chat/completions": ({"messages": USER}, [
        ({"messages": None}, "messages"), ({"messages": "x"}, "messages"), ({"messages": []}, "messages"), ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"), ({"messages": [*USER, {"role": 5, "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"), ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"), ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"), ({"messages": image(5)}, "messages[0].content[0].image_url.url"),
        ({"messages": image("http://169.254.169.254/x")}, "url"), ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}]}, "messages[0].tool_calls[0].function.name"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"), ({"messages": [{"role": "user", "content": "x", "name": 5}]}, "messages[0].name"),
        *(({n: v}, n) for n, v in [
            ("stream", "yes"), ("stream_options", {"include_usage": True}), ("temperature", "hot"), ("temperature", 2.1), ("temperature", -1), ("top_p", 1.1), ("top_p", []),
            ("presence_penalty", 3), ("frequency_penalty", -3), ("top_logprobs", 21), ("top_logprobs", 1.5), ("n", 0), ("n", "2"), ("max_tokens", "many"),
            ("max_tokens", 1.5), ("max_completion_tokens", "many"), ("seed", "x"), ("logprobs", 1), ("parallel_tool_calls", "no"), ("store", 1), ("logit_bias", []),
            ("metadata", []), ("audio", "x"), ("prediction", "x"), ("web_search_options", "x"), ("modalities", "text"), ("functions", {}), ("user", 5),
            ("reasoning_effort", 5), ("verbosity", 1), ("service_tier", 1), ("safety_identifier", 1), ("prompt_cache_key", 1), ("stop", 5), ("stop", ["a", 5]),
            ("tools", {}), ("tool_choice", 5), ("tool_choice", "always"), ("response_format", "json")]),
        ({"stream": True, "stream_options": {"include_usage": "x"}}, "stream_options.include_usage"), ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"function": {}}]}, "tools[0].type"), ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
        ({"response_format": {}}, "response_format.type"), ({"response_format": {"type": "json_schema"}}, "response_format.json_schema")]),
    "/v1/completions": ({"prompt": "x"}, [
        ({"prompt": None}, "prompt"), ({"prompt": 5}, "prompt"), ({"prompt": []}, "prompt"), ({"prompt": ["a", 5]}, "prompt[1]"), ({"prompt": [[1, "x"]]}, "prompt[0]"),
        *(({n: v}, n) for n, v in [
            ("stream", 1), ("stream_options", {}), ("temperature", 3), ("top_p", "x"), ("presence_penalty", 3), ("frequency_penalty", -3), ("n", 0), ("best_of", 0),
            ("logprobs", 21), ("logprobs", True), ("max_tokens", "x"), ("seed", "x"), ("echo", 1), ("logit_bias", 1), ("suffix", 1), ("user", 1), ("stop", 1)])]),
    "/v1/embeddings": ({"input": "x"}, [
        ({"input": None}, "input"), ({"input": ""}, "input"), ({"input": 5}, "input"), ({"input": []}, "input"), ({"input": ["a", 5]}, "input[1]"),
        ({"input": [[]]}, "input[0]"), ({"input": [-1]}, "input[0]"), ({"dimensions": 0}, "dimensions"), ({"dimensions": "x"}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"), ({"encoding_format": 5}, "encoding_format"), ({"user": 5}, "user")]),
    "/v1/responses": ({"input": "x"}, [
        ({"input": None}, "input"), ({"input": 5}, "input"), ({"input": ["x"]}, "input[0]"), ({"input": [{"role": 5}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"), ({"input": [{"role": "user", "content": ["x"]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://10.0.0.1/x"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "file:///etc/passwd"}]}]}, "input[0].content[0].file_url"),
        *(({n: v}, n) for n, v in [
            ("stream", "yes"), ("temperature", 3), ("top_p", 2), ("top_logprobs", 21), ("max_output_tokens", "x"), ("max_tool_calls", "x"), ("background", 1),
            ("parallel_tool_calls", 1), ("store", 1), ("include", "x"), ("tools", {}), ("metadata", []), ("reasoning", "low"), ("stream_options", 1), ("text", "x"),
            ("instructions", 5), ("previous_response_id", 5), ("prompt_cache_key", 5), ("safety_identifier", 5), ("service_tier", 5), ("truncation", 5), ("user", 5),
            ("tool_choice", 5)]),
        ({"tools": ["x"]}, "tools[0]")]),
    "/v1/messages": ({"max_tokens": 5, "messages": USER}, [
        ({"max_tokens": None}, "max_tokens"), ({"messages": None}, "messages"), ({"messages": []}, "messages"), ({"messages": "x"}, "messages"),
        ({"messages": ["x"]}, "messages[0]"), ({"messages": [{"content": "x"}]}, "messages[0].role"), ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"), ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://10.0.0.1/x"}}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [
            {"type": "image", "source": {"type": "url", "url": "http://10.0.0.1/x"}}]}]}]}, "messages[0].content[0].content[0].source"),
        *(({n: v}, n) for n, v in [
            ("max_tokens", "x"), ("max_tokens", 0), ("max_tokens", -5), ("stream", 1), ("temperature", 1.1), ("temperature", "x"), ("top_p", 2), ("top_k", -1), ("top_k", 1.5),
            ("stop_sequences", "x"), ("tools", {}), ("metadata", "x"), ("thinking", True), ("tool_choice", "auto"), ("service_tier", 5), ("system", 5)]),
        ({"stop_sequences": [5]}, "stop_sequences[0]"), ({"tools": [{}]}, "tools[0].name"), ({"system": ["x"]}, "system[0]")]),
    "/v1/messages/count_tokens": ({"messages": USER}, [
        ({"messages": None}, "messages"), ({"messages": []}, "messages"), ({"messages": [{"role": 5, "content": "x"}]}, "messages[0].role"), ({"tools": "x"}, "tools")]),
    "/v1/rerank": ({"query": "x", "documents": ["a"]}, [
        ({"query": None}, "query"), ({"query": 5}, "query"), ({"documents": None}, "documents"), ({"documents": "x"}, "documents"), ({"documents": []}, "documents"),
        ({"top_n": 0}, "top_n"), ({"top_n": "x"}, "top_n"), ({"return_documents": 1}, "return_documents")]),
    "/api/chat": ({"messages": USER}, [
        ({"messages": "x"}, "messages"), ({"messages": ["x"]}, "messages[0]"), ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"), ({"messages": [{"role": "user", "content": "x", "images": "x"}]}, "messages[0].images"),
        ({"messages": [{"role": "user", "content": "x", "images": [5]}]}, "messages[0].images[0]"), ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages[0].tool_calls"),
        *(({n: v}, n) for n, v in [
            ("stream", "yes"), ("tools", {}), ("format", 5), ("options", []), ("think", 5), ("keep_alive", []), ("logprobs", 1), ("top_logprobs", 21), ("truncate", 1), ("shift", 1)]),
        ({"options": {"temperature": "hot"}}, "options.temperature"), ({"options": {"num_ctx": "4k"}}, "options.num_ctx"), ({"options": {"stop": "x"}}, "options.stop"),
        ({"options": {"stop": [5]}}, "options.stop[0]")]),
    "/api/generate": ({"prompt": "x"}, [
        ({n: v}, n) for n, v in [
            ("prompt", 5), ("suffix", 5), ("system", 5), ("template", 5), ("context", "x"), ("raw", 1), ("images", "x"), ("format", 5), ("options", 5), ("think", 5), ("stream", 1)]]),
    "/api/embed": ({"input": "x"}, [({"input": 5}, "input"), ({"input": ["a", 5]}, "input[1]"), ({"dimensions": "x"}, "dimensions"), ({"truncate": 1}, "truncate"), ({"options": 5}, "options")]),
    "/api/embeddings": ({"prompt": "x"}, [({"prompt": 5}, "prompt"), ({"options": 5}, "options")]),
    "/api/show": ({}, []),
}
GOOD = {path: {"model": "fault", **body} for path, (body, _) in ASKED.items()}
ALONE = {"/v1/models", "/v1/models/fault", "/api/tags", "/api/ps", "/api/version"}  # nothing is sent there


@pytest.fixture(scope="module")
def stack(make_stack):
    return make_stack(slots=16)


@pytest.fixture(scope="module")
def s(stack):
    """A connection; another one after those that were closed."""
    class Asker:
        def __init__(self):
            self.socket, self.times = raw.Socket(stack.url), []

        def ask(self, path, body=b"", method="POST", fields=(), **more):
            if self.socket is None:
                self.socket = raw.Socket(stack.url)
            begin = time.monotonic()
            self.socket.send(raw.request(path, body, fields, method=method, **more))
            a = self.socket.read_answer(head_only=method == "HEAD")
            self.times.append(time.monotonic() - begin)
            if a.closes:
                assert self.socket.rest() == b""
                self.socket.s.close()
                self.socket = None
            return a

    asker = Asker()
    yield asker
    if asker.socket:
        asker.socket.s.close()


ANTHROPIC = {400: "invalid_request_error", 404: "not_found_error", 405: "invalid_request_error", 413: "request_too_large", 415: "invalid_request_error"}


def check(a, path, status, name=None, code=...):
    """The API's own form of the error; `name` is the member at fault."""
    assert a.status == status, (a.status, a.body)
    assert a.one("content-type") == "application/json" and re.fullmatch("req_[0-9a-f]{32}", a.one("x-request-id"))
    e = json.loads(a.body)
    if path.startswith("/api"):
        assert set(e) == {"error"} and isinstance(e["error"], str)
        message = e["error"]
    elif path.startswith("/v1/messages"):
        assert set(e) == {"type", "error"} and e["type"] == "error" and set(e["error"]) == {"type", "message"}
        assert e["error"]["type"] == ANTHROPIC[status]
        message = e["error"]["message"]
    else:
        assert set(e) == {"error"} and set(e["error"]) == {"message", "type", "param", "code"} and e["error"]["type"] == "invalid_request_error"
        assert name is None or name in e["error"]["param"], e
        assert code is ... or e["error"]["code"] == code, e
        message = e["error"]["message"]
    assert message and (name is None or name in message), (name, message)


@pytest.mark.parametrize("path", ASKED)
def test_wrong_members(stack, s, path):
    """Each documented member missing, of another type or out of its range. None of it reaches a backend."""
    stack.backend.set(forget=True)
    for wrong, name in ASKED[path][1]:
        body = {**GOOD[path], **wrong}
        check(s.ask(path, json.dumps(body).encode()), path, 400, name)
        if None in wrong.values():
            body = {k: v for k, v in body.items() if v is not None}
            check(s.ask(path, json.dumps(body).encode()), path, 400, name)
    assert stack.backend.requests() == []


@pytest.mark.parametrize("path", ASKED)
def test_model(s, path):
    for model, status in ((None, 400), (5, 400), ([], 400), ("", 400), ("nobody", 404), ("no/body:1b", 404)):
        body = json.dumps({**GOOD[path], "model": model}).encode()
        check(s.ask(path, body), path, status, "model" if status == 400 else None, ... if status == 400 else "model_not_found")
    check(s.ask(path, json.dumps({k: v for k, v in GOOD[path].items() if k != "model"}).encode()), path, 400, "model")
    if path != "/api/show":
        for model in ("a b", "../x", "x" * 300, "\u0001"):
            check(s.ask(path, json.dumps({**GOOD[path], "model": model}).encode()), path, 404)


def bodies(path):
    good = json.dumps(GOOD[path]).encode()
    open_ = good[:-1] + b", "
    return {
        "empty": b"", "blank": b" \n", "no JSON": b"hello", "cut": good[:-1], "a list": b"[]", "a text": b'"x"', "a number": b"5", "null": b"null", "true": b"true", "two": good + good,
        "something behind it": good + b"x", "trailing comma": open_ + b"}", "single quotes": good.replace(b'"', b"'"), "a comment": b"/* */" + good, "NaN": open_ + b'"x": NaN}',
        "a NUL": open_ + b'"x": "\0"}', "an escaped NUL": open_ + b'"x": "\\u0000"}', "broken UTF-8": open_ + b'"x": "\xff\xfe"}', "overlong UTF-8": open_ + b'"x": "\xc0\xaf"}',
        "a surrogate": open_ + b'"x": "\xed\xa0\x80"}', "half a pair": open_ + b'"x": "\\ud83d"}', "UTF-16": good.decode().encode("utf-16"), "a mark in front": b"\xef\xbb\xbf" + good,
        "too deep": open_ + b'"x": ' + b"[" * 80 + b"]" * 80 + b"}", "very deep": b"[" * 60_000, "deep objects": b'{"x":' * 10_000, "twice": open_ + b'"model": "other"}',
        "twice, escaped": open_ + b'"mod\\u0065l": "other"}', "twice, inside": open_ + b'"x": {"a": 1, "a": 2}}', "a number too large": open_ + b'"x": 1e999}', "a form": b"model=fault&x=y",
    }


@pytest.mark.parametrize("path", ASKED)
def test_bodies(s, path):
    for name, body in bodies(path).items():
        a = s.ask(path, body)
        check(a, path, 400)
        assert a.closes, name


@pytest.mark.parametrize("path", [*ASKED, *ALONE])
def test_method(s, path):
    allow = "GET, HEAD" if path in ALONE else "POST"
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "NONSENSE", "POST" if path in ALONE else "GET"):
        a = s.ask(path, method=method)
        check(a, path, 405, code="method_not_supported")
        assert a.one("allow") == allow and allow in a.body.decode()


@pytest.mark.parametrize("path", sorted(set(ASKED) - {"/api/show"}))
def test_type(s, path):
    """Only JSON, from pages too: test_csrf.py has those of other sites."""
    body, page = json.dumps(GOOD[path]).encode(), [("Origin", "https://gateway.example"), ("Sec-Fetch-Site", "same-origin")]
    for kind in ("text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""):
        check(s.ask(path, body, fields=page, kind=kind), path, 415, code="unsupported_media_type")
    check(s.ask(path, body, fields=page, kind=None), path, 415, code="unsupported_media_type")
    for coding in ("gzip", "br", "identity"):
        check(s.ask(path, body, fields=[("Content-Encoding", coding)]), path, 415)


@pytest.mark.parametrize("path", ASKED)
def test_too_large(s, path):
    """By its length at once, and by what really came."""
    check(s.ask(path, fields=[("Content-Length", 40 << 20)], length=False), path, 413, code="request_too_large")


def test_too_large_in_chunks(stack):
    for path in ("/v1/chat/completions", "/v1/messages", "/api/chat"):
        with raw.Socket(stack.url) as c:
            c.send(raw.request(path, fields=[("Transfer-Encoding", "chunked")], length=False))
            try:
                for _ in range(33):
                    c.send(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
            except ConnectionError:
                pass  # it was refused while we were still sending
            try:
                check(c.read_answer(), path, 413, code="request_too_large")
            except (ConnectionError, raw.Closed):
                pass  # and the reset that our sending brought on took the answer with it


@pytest.mark.parametrize("path", [
    "/v1", "/v1/", "/v1/none", "/v1/chat", "/v1/chat/", "/v1/chat/completions/x", "/v1/completions/x", "/v1/embeddings/x", "/v1/rerank/x", "/v1/engines",
    "/v1/fine_tuning/jobs", "/v1/v1/models", "/v1/models%2Ffault", "/v1/<script>", "/v1/messages/none", "/v1/messages/batches", "/v1/messages/count_tokens/x",
    "/api", "/api/", "/api/none", "/api/chat/x", "/api/tags/x", "/api/blob", "/api/version/x", "/api/v1/models"])
def test_unknown_paths(s, path):
    for method in ("GET", "POST", "DELETE"):
        a = s.ask(path, method=method)
        check(a, path, 404, code="unknown_url")
        assert b"<" not in a.body.replace(b"<script>", b"") or b"\\u003c" in a.body


@pytest.mark.parametrize("path", ["/v1/models/nobody", "/v1/models/a/b/c", "/v1/models/a%2Fb", "/v1/models/%ff%fe", "/v1/models/a%20b", "/v1/models/" + "x" * 400])
def test_unknown_models(s, path):
    check(s.ask(path, method="GET"), path, 404, "model", "model_not_found")


@pytest.mark.parametrize("path", ["/v1/%00", "/v1/models/%00", "/api/%00", "/v1/%", "/v1/%zz", "/v1/messages/%00"])
def test_paths_that_httpd_refuses(stack, s, path):
    stack.gateway.expect("AH10244")
    a = s.ask(path, method="GET")
    check(a, path, a.status)
    assert a.status in (400, 404)


def test_forbidden(s):
    for path in ("pull", "push", "create", "copy", "delete", "blobs/sha256:0"):
        a = s.ask(f"/api/{path}", b"{}")
        check(a, "/api", 403)


def test_time(s):
    """All of the above, one after the other on one connection."""
    assert len(s.times) > 500
    print(f"{len(s.times)} refusals: median {statistics.median(s.times) * 1000:.2f} ms, 99 of 100 within {sorted(s.times)[len(s.times) * 99 // 100] * 1000:.2f} ms")
    assert statistics.median(s.times) < 0.005
