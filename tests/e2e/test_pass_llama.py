"""llama-server with all its paths opened: the same requests directly and through the gateway get the same verdicts."""

import json

import httpx
import pytest

import env
import real_servers

CONF = """DgonPass * /*
DgonPass * /v1/*
<LocationMatch "^/(?!v1/|api/|dgon/)">
    SetHandler dgon-pass
</LocationMatch>
"""
SAME = {"temperature": 0, "seed": 1, "cache_prompt": False, "n_predict": 12, "id_slot": 0}
REQUESTS = [
    ("GET", "/health", None), ("GET", "/v1/health", None), ("GET", "/props", None), ("POST", "/props", {"x": 1}), ("GET", "/slots", None),
    ("GET", "/slots?fail_on_no_slot=1", None), ("GET", "/metrics", None), ("GET", "/models", None), ("GET", "/lora-adapters", None), ("POST", "/lora-adapters", []),
    ("POST", "/tokenize", {"content": "What is two plus two?"}), ("POST", "/tokenize", {"content": "", "add_special": True}),
    ("POST", "/tokenize", {"content": "äöü \U0001f600", "with_pieces": True}), ("POST", "/detokenize", {"tokens": [1, 2, 3]}),
    ("POST", "/apply-template", {"messages": [{"role": "user", "content": "hello"}]}), ("POST", "/apply-template", {}),
    ("POST", "/completion", {"prompt": "What is two plus two?", **SAME}), ("POST", "/completion", {"prompt": [1, 2, 3], **SAME}),
    ("POST", "/completion", {"prompt": "hello", "n_probs": 2, **SAME}), ("POST", "/completion", {**SAME}), ("POST", "/completion", {"prompt": "x", "grammar": "root ::= ("}),
    ("POST", "/completion", {"prompt": "What is two plus two?", "stream": True, **SAME}), ("POST", "/completions", {"prompt": "hello", **SAME}),
    ("POST", "/embedding", {"content": "x"}), ("POST", "/embeddings", {"input": "x"}), ("POST", "/reranking", {"query": "x", "documents": ["a"]}),
    ("POST", "/infill", {"input_prefix": "a", "input_suffix": "b", **SAME}), ("POST", "/slots/0?action=erase", {}), ("POST", "/slots/99?action=erase", {}),
    ("POST", "/completion", b"{"), ("POST", "/completion", b""), ("POST", "/tokenize", b"[]"), ("GET", "/no/such/path", None), ("DELETE", "/props", None), ("OPTIONS", "/completion", None),
]
CHANGES = ("timings", "id", "created", "tokens_predicted_ms", "t_start", "uptime", "next_token", "id_task", "is_processing", "params", "prompt", "generated_text", "tokens_evaluated", "tokens_cached", "n_prompt_tokens", "n_prompt_tokens_cache", "n_prompt_tokens_processed", "system_fingerprint")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    llama = real_servers.start_llama("tiny-chat", tmp_path_factory.mktemp("llama") / "log")
    gateway = env.Gateway("test_pass_llama", conf=CONF).start()
    agent = env.Agent(gateway, llama.url, more="allow = * /*\n")
    agent.start("tiny-chat")
    yield llama.url, gateway.url
    for s in (agent, gateway, llama):
        s.stop()


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in CHANGES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def verdict(url, method, path, body):
    content = json.dumps(body).encode() if not isinstance(body, bytes | None) else body
    r = httpx.request(method, url + path, content=content, headers={"Content-Type": "application/json"} if content is not None else {}, trust_env=False, timeout=30)
    try:
        told = without_times(r.json())
    except ValueError:
        told = [without_times(json.loads(line[6:])) for line in r.text.splitlines() if line.startswith("data: {")] or r.text
    return r.status_code, r.headers.get("content-type"), told


@pytest.mark.parametrize("request_of", REQUESTS, ids=lambda r: f"{r[0]} {r[1]} {str(r[2])[:30]}")
def test_same_verdict(servers, request_of):
    direct, through = (verdict(url, *request_of) for url in servers)
    assert through == direct
