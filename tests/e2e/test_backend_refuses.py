"""A backend's own 401, 403 or redirect is our fault and never the client's; whatever it answers, the client gets the form of the API it asked,
and the owner finds the reason in the agent's log, without a word of the content."""

import json
import re
import time

import pytest

import raw

CANARY = "zwetschgenmus"
USER = [{"role": "user", "content": CANARY}]
BODIES = {
    "/v1/chat/completions": {"messages": USER}, "/v1/completions": {"prompt": CANARY}, "/v1/embeddings": {"input": CANARY}, "/v1/responses": {"input": CANARY},
    "/v1/messages": {"max_tokens": 5, "messages": USER}, "/v1/messages/count_tokens": {"messages": USER}, "/v1/rerank": {"query": CANARY, "documents": ["a"]},
    "/api/chat": {"messages": USER}, "/api/generate": {"prompt": CANARY}, "/api/embed": {"input": CANARY}, "/api/embeddings": {"prompt": CANARY},
}
# the backend's: the client's, its code, whether the agent's log has it
STATUS = {
    301: (502, "upstream_error", True), 302: (502, "upstream_error", True), 307: (502, "upstream_error", True), 204: (502, "upstream_error", True),
    400: (400, None, False), 401: (502, "upstream_error", True), 403: (502, "upstream_error", True), 407: (502, "upstream_error", True), 422: (422, None, False),
    429: (503, "server_is_overloaded", True), 500: (502, "upstream_error", True), 502: (502, "upstream_error", True), 503: (503, "server_is_overloaded", True),
}
ANTHROPIC = {400: "invalid_request_error", 422: "invalid_request_error", 502: "api_error", 503: "overloaded_error"}


@pytest.fixture(scope="module", params=["openai", "ollama"])
def stack(request, make_stack):
    s = make_stack(slots=8, ollama=request.param == "ollama", loglevel="info")
    s.gateway.expect("DGON0040")
    yield s
    s.backend.set(force=None)


def check_form(path, a, status, code, lasting):
    assert a.status == status, (a.status, a.body)
    assert a.one("content-type") == "application/json" and a.one("x-request-id")
    e = json.loads(a.body)
    if path.startswith("/api"):
        assert set(e) == {"error"} and isinstance(e["error"], str) and e["error"]
    elif path.startswith("/v1/messages"):
        assert set(e) == {"type", "error"} and e["error"]["type"] == ANTHROPIC[status] and e["error"]["message"]
    else:
        assert set(e["error"]) == {"message", "type", "param", "code"} and e["error"]["code"] == code and e["error"]["message"], e
    assert a.has("retry-after") == (status == 503)
    assert a.has("x-should-retry") == lasting


@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize("path", BODIES)
def test_status(stack, path, status):
    if stack.backend.kind == "ollama" and path == "/v1/rerank":
        return  # Ollama has none: the agent does not ask it
    seen, code, logged = STATUS[status]
    stack.backend.set(forget=True, force={
        "status": status, "location": "http://127.0.0.1:1/elsewhere", "answer": "" if status == 204 else json.dumps({"error": {"message": f"no {CANARY}", "type": "x"}})})
    start = stack.agent.log.stat().st_size
    for stream in (False, True):
        with raw.Socket(stack.url) as s:
            begin = time.monotonic()
            s.send(raw.request(path, json.dumps({"model": "fault", "stream": stream, **BODIES[path]}).encode()))
            a = s.read_answer()
            assert time.monotonic() - begin < 0.5
        check_form(path, a, seen, code, lasting=status in (301, 302, 307, 401, 403, 407))
        if status in (301, 302, 307, 401, 403, 407):
            assert CANARY.encode() not in a.body and str(status).encode() in a.body, "what a proxy says to the agent is none of the client's business"
    asked = stack.backend.requests()
    assert len(asked) == 2, "a redirect was followed, or somebody asked twice"
    lines = [l for l in stack.agent.log.read_text()[start:].splitlines() if f"HTTP {status}" in l]
    assert len(lines) == (2 if logged else 0), lines
    if logged:
        assert all(re.search(r"job \S+: backend main answered \S+ with HTTP \d+", l) for l in lines)
    assert CANARY not in stack.agent.log.read_text() + stack.gateway.log.read_text()
    assert re.search(f"DGON0040: req_[0-9a-f]+: job for model fault failed: {seen} ", stack.gateway.log.read_text())
