"""/metrics: the form, the names, and counts that are exact over children that are killed and restarts."""

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import time

import httpx
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

import client
import env
import promtool

KILLS = int(os.environ.get("DGON_KILLS", 150))  # 1,000 by hand
RESTARTS = 20 * KILLS // 1000 or 3
SERIES = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "dgon", "gen_ai_request_model": "fault"}


@pytest.fixture(scope="module")
def stack(make_stack):
    return make_stack(slots=4)


def scrape(url, form="text/plain"):
    r = httpx.get(url + "/metrics", headers={"Accept": form}, trust_env=False, timeout=10)
    assert r.status_code == 200 and r.headers["cache-control"] == "no-store", r.text
    return r


def samples(text):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in parser.text_string_to_metric_families(text) for s in family.samples}


def value(told, name, **labels):
    return told.get((name, tuple(sorted(labels.items()))), 0)


def ask(url, **plan):
    return asyncio.run(client.ask(url, **plan))


def test_form(stack):
    ask(stack.url, tokens=5, gap=0.02).check_done(5)
    ask(stack.url, tokens=3, stream=False)
    ask(stack.url, model="nobody")
    r = scrape(stack.url)
    assert r.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    run = subprocess.run([promtool.path(), "check", "metrics"], input=r.text, capture_output=True, text=True)
    complaints = [line for line in run.stderr.splitlines() if line]
    assert run.returncode == 0 and not complaints, run
    r = scrape(stack.url, "application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert r.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8" and r.text.endswith("# EOF\n")
    families = {f.name for f in openmetrics.text_string_to_metric_families(r.text)}
    assert {"gen_ai_server_time_to_first_token_seconds", "gen_ai_client_token_usage", "dgon_requests", "dgon_node_up", "dgon_queue_depth", "dgon_build_info",
            "dgon_shm_bytes", "dgon_ws_bytes", "dgon_node_reconnects", "dgon_agent_tokens_per_second", "dgon_stream_aborts", "dgon_tokens"} <= families


def test_values(make_stack):
    s = make_stack(slots=2)
    ask(s.url, tokens=11, gap=0.03).check_done(11)
    ask(s.url, tokens=3, stream=False)
    ask(s.url, tokens=9, at=3, do="rst")
    ask(s.url, more={"stream": 5})
    ask(s.url, model="nobody")
    assert ask(s.url, tokens=9, gap=0.05, limit=2).outcome == "left"
    env.wait_for(lambda: value(samples(scrape(s.url).text), "dgon_requests_total", operation="chat", model="fault", code="499") == 1, what="client that went")
    time.sleep(0.2)  # bytes are added up ten times a second
    told = samples(scrape(s.url).text)
    count = lambda code, model="fault", op="chat": value(told, "dgon_requests_total", operation=op, model=model, code=code)
    assert count("200") == 2 and count("502") == 1 and count("400", "_other") == 1 and count("404", "_other") == 1
    assert value(told, "dgon_tokens_total", model="fault", type="output") == 14
    assert value(told, "gen_ai_server_request_duration_seconds_count", **SERIES) == 4
    first = "gen_ai_server_time_to_first_token_seconds"
    assert value(told, first + "_count", **SERIES) == 3  # streams alone
    per = "gen_ai_server_time_per_output_token_seconds"
    assert value(told, per + "_count", **SERIES) == 1 and 0.025 < value(told, per + "_sum", **SERIES) < 0.06
    assert value(told, "gen_ai_client_token_usage_sum", gen_ai_token_type="output", **SERIES) == 14
    assert value(told, "dgon_stream_aborts_total", reason="node") == 1 and value(told, "dgon_stream_aborts_total", reason="client") == 1
    assert value(told, "dgon_node_up", node="agent-1") == 1 and value(told, "dgon_node_slots", node="agent-1", state="total") == 2
    assert value(told, "dgon_node_attempts_total", node="agent-1", outcome="failed") == 1
    assert 15 < value(told, "dgon_agent_tokens_per_second", node="agent-1", model="fault") < 40
    assert value(told, "dgon_ws_bytes_total", direction="in") > 500 and value(told, "dgon_ws_bytes_total", direction="out") > 500
    assert value(told, "dgon_nodes", state="up") == 1 and value(told, "dgon_queue_depth", model="fault") == 0


def test_refused_by_others(make_stack):
    """401 of httpd's own: counted too."""
    s = make_stack(conf='<Location "/v1/locked">\nSetHandler dgon-api\nRequire all denied\n</Location>\n')
    s.gateway.expect("AH01630")
    assert httpx.post(s.url + "/v1/locked/chat/completions", trust_env=False).status_code == 403
    assert value(samples(scrape(s.url).text), "dgon_requests_total", operation="_other", model="_other", code="403") == 1


class Crowd:
    """Clients that ask all the time, each on a connection that it keeps as long as it lives."""

    def __init__(self, url):
        self.url = url
        self.asked = self.done = self.failed = self.breaks = 0
        self.over = False

    async def one(self):
        c = None
        while not self.over:
            if c is None:
                c = client.Connection(self.url)
                try:
                    await c.open()
                except OSError:
                    c = None
                    await asyncio.sleep(0.01)
                    continue
            self.asked += 1
            try:
                c.send("POST", "/v1/chat/completions", client.question(tokens=2))
                a = await asyncio.wait_for(c.receive(), 20)
            except AssertionError:
                raise
            except Exception:
                a = None
            if a is not None and a.outcome in ("done", "json", "error"):
                self.done += a.outcome == "done"
                self.failed += a.outcome != "done"
            else:
                self.breaks += 1
                c.close()
                c = None
        if c is not None:
            c.close()


def never_less(before, now):
    for key, v in before.items():
        if key[0].endswith(("_total", "_count", "_sum", "_bucket")):
            assert now.get(key, 0) >= v, f"{key}: {v} and then {now.get(key)}"


@pytest.mark.timeout(900)
def test_exact_over_kills_and_restarts(make_stack):
    """A request is counted once, or not at all if its child was killed under it; no counter ever goes back."""
    s = make_stack(children=3, slots=32, conf="DgonDrainTimeout 5s\n", loglevel="notice")
    s.gateway.expect("AH00051|AH00052|exit signal Killed|DGON|AH00484|AH03493|AH00288|AH10392")
    crowd = Crowd(s.url)
    rng = random.Random(1)
    told = []

    async def kill():
        for k in range(KILLS):
            await asyncio.sleep(rng.uniform(0.02, 0.08))
            pids = s.gateway.worker_pids()
            if pids:
                try:
                    os.kill(rng.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if (k + 1) % max(KILLS // RESTARTS, 1) == 0:
                s.gateway.graceful()
                await asyncio.sleep(0.3)
        crowd.over = True

    async def watch():
        async with httpx.AsyncClient(trust_env=False, timeout=5) as c:
            while not crowd.over:
                await asyncio.sleep(0.2)
                try:
                    r = await c.get(s.url + "/metrics", headers={"Connection": "close"})
                except httpx.HTTPError:
                    continue
                now = samples(r.text)
                if told:
                    never_less(told[-1], now)
                told.append(now)

    async def run():
        await asyncio.gather(kill(), watch(), *(crowd.one() for _ in range(8)))

    asyncio.run(run())
    time.sleep(1)
    now = samples(scrape(s.url).text)
    never_less(told[-1], now)
    counted = {code: value(now, "dgon_requests_total", operation="chat", model="fault", code=code) for code in ("200", "499", "500", "502", "503", "504")}
    print(f"{KILLS} kills: {crowd.asked} asked, {crowd.done} done, {crowd.failed} failed, {crowd.breaks} broken; counted {counted}, {len(told)} looks")
    assert crowd.done > KILLS and len(told) > 5
    assert crowd.done - crowd.breaks <= counted["200"] <= crowd.done + crowd.breaks
    assert sum(counted.values()) <= crowd.asked, "counted twice"
    buckets = value(now, "gen_ai_server_request_duration_seconds_count", **SERIES)
    assert abs(buckets - sum(counted.values())) <= KILLS


def test_time_of_a_scrape(make_stack):
    """Its own time alone; the large fleet is in bench/micro."""
    s = make_stack()
    for _ in range(20):
        ask(s.url, tokens=2)
    with httpx.Client(base_url=s.url, trust_env=False) as c:
        times = []
        for _ in range(30):
            begin = time.perf_counter()
            c.get("/metrics")
            times.append(time.perf_counter() - begin)
    print(f"a scrape: {statistics.median(times) * 1000:.2f} ms")
    assert statistics.median(times) < (0.1 if env.SANITIZED else 0.02)


def test_alert_rules_and_dashboard():
    rules = env.TOP / "conf/prometheus/dgon.rules.yml"
    run = subprocess.run([promtool.path(), "check", "rules", rules], capture_output=True, text=True)
    assert run.returncode == 0 and "SUCCESS" in run.stdout, run
    run = subprocess.run([promtool.path(), "test", "rules", env.TOP / "conf/prometheus/dgon.rules.test.yml"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    board = json.loads((env.TOP / "conf/grafana/dgon.json").read_text())
    assert board["templating"]["list"][0]["type"] == "datasource" and len(board["panels"]) >= 8


def test_dashboard_asks_for_what_there_is(stack):
    """Every metric that a panel or a rule names is one that is told."""
    import re
    known = {s.name for f in parser.text_string_to_metric_families(scrape(stack.url).text) for s in f.samples}
    known |= {f.name for f in parser.text_string_to_metric_families(scrape(stack.url).text)}
    text = (env.TOP / "conf/grafana/dgon.json").read_text() + (env.TOP / "conf/prometheus/dgon.rules.yml").read_text()
    named = set(re.findall(r"\b(?:dgon|gen_ai)_[a-z_]+\b", text)) - {"gen_ai_operation_name", "gen_ai_request_model", "gen_ai_token_type"}
    assert len(named) > 10 and named <= known | {n + "_total" for n in known}, named - known
