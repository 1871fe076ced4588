"""json-log.conf: a line of JSON for each request to a model, whatever the client sends."""

import json

import httpx
import pytest

import env
import served

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def site():
    site = served.Site("json-log", tls=False, host="127.0.0.1", level="info", replace={"Listen 127.0.0.1:8080": "Listen 127.0.0.1:{port}"})
    with served.running(site):
        yield site


def ask(site, model="fault", headers=None, **plan):
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": json.dumps(plan)}]}
    return httpx.post(site.site + "/v1/chat/completions", json=body, headers=headers, trust_env=False, timeout=10)


def last(site, before):
    log = site.dir / "models.json"
    lines = env.wait_for(lambda: log.exists() and len(t := log.read_text().splitlines()) > before and t, what="a line of the log")
    return json.loads(lines[before])


def count(site):
    log = site.dir / "models.json"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_answer(site):
    before = count(site)
    assert ask(site, tokens=5, gap=0.02, headers={"traceparent": TRACE}).status_code == 200
    line = last(site, before)
    assert line["model"] == "fault" and line["agent"] == "agent-1" and line["status"] == 200 and line["finish"] == "stop" and line["traceparent"] == TRACE
    assert line["tokens_out"] == "5" and 0 < float(line["queue_ms"]) <= float(line["first_token_ms"]) < float(line["total_ms"]) and line["request_id"].startswith("req_")
    assert [r["headers"].get("traceparent") for r in site.backend.requests()][-1] == TRACE


def test_error(site):
    before = count(site)
    assert ask(site, status=500, answer="{}").status_code == 502
    line = last(site, before)
    assert line["status"] == 502 and line["error"] == "upstream_error" and line["tokens_out"] == "-"


def test_hostile(site):
    """Quotes, line ends and bytes that are no UTF-8 in what is logged: still one object a line."""
    for value in ('a"b', "a\\b", "{}", "x" * 2000):
        before = count(site)
        ask(site, tokens=1, headers={"traceparent": value})
        assert last(site, before)["traceparent"].replace("\\\\", "\\")[:5]
    before = count(site)
    ask(site, model='no"such\\model')
    assert last(site, before)["model"] == "-"


def test_only_models(site):
    before = count(site)
    httpx.get(site.site + "/v1/models", trust_env=False)
    ask(site, tokens=1)
    last(site, before)
    assert count(site) == before + 1
