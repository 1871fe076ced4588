"""Tokens as the model server counted them stand in the access log, whatever the API and whether the client asked or not."""

import json

import httpx
import pytest

import env

TEXT = json.dumps({"tokens": 4, "label": "usage"})
CHAT = {"messages": [{"role": "user", "content": TEXT}]}
ASKS = {"/v1/chat/completions": CHAT, "/v1/completions": {"prompt": TEXT}, "/v1/responses": {"input": TEXT}, "/v1/messages": {"max_tokens": 9, **CHAT}, "/api/chat": CHAT}


@pytest.fixture(scope="module", params=[False, True], ids=["openai", "ollama"])
def stack(request, make_stack):
    return make_stack(ollama=request.param)


def logged(gateway):
    """Tokens in and out of each request; not of the links, which end when they like."""
    return [line.split()[-2:] for line in (gateway.dir / "access.log").read_text().splitlines() if '"POST ' in line]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ASKS)
def test_logged(stack, path, stream):
    before = len(logged(stack.gateway))
    r = httpx.post(stack.url + path, json={"model": "fault", "stream": stream, **ASKS[path]}, trust_env=False, timeout=10)
    assert r.status_code == 200
    if path == "/v1/chat/completions" and stream:
        assert '"usage"' not in r.text  # asked of the backend, and not shown to who did not ask
        asked = stack.backend.requests("usage")[-1]["body"]
        assert stack.backend.kind == "ollama" or asked["stream_options"] == {"include_usage": True}
    line = env.wait_for(lambda: logged(stack.gateway)[before:], what="access log")[0]
    assert line == ["7", "4"]


def test_not_guessed(stack):
    """An answer that was cut has no count; nor has an error."""
    for wish in ({"do": "rst", "at": 2}, {"status": 500}):
        before = len(logged(stack.gateway))
        httpx.post(stack.url + "/v1/chat/completions", json={"model": "fault", "stream": True, "messages": [{"role": "user", "content": json.dumps(wish)}]}, trust_env=False)
        assert env.wait_for(lambda: logged(stack.gateway)[before:], what="access log")[0] == ["-", "-"]
