"""http2.conf: many streams over HTTP/2."""

import asyncio
import time

import httpx
import pytest

import browser
import client
import members
import served

CONNECTIONS, STREAMS = 30, 6  # a connection begins with 6 at a time


@pytest.fixture(scope="module")
def site():
    # No trace8 here: 180 streams at that level are a hundred thousand lines.
    site = members.files(served.Site("http2", slots=512, level="info dgon:trace8"))
    with served.running(site):
        yield site


def test_programs_over_1_1(site):
    members.check(site)


def test_many_streams_at_once(site):
    """More than mod_http2 would hold by default (1.5 times 25 threads in each of 2 children), and all at the same time."""
    headers = {**members.headers(site), "Content-Type": "application/json"}

    async def one(c):
        async with c.stream("POST", f"{site.site}/v1/chat/completions", headers=headers, content=client.question(tokens=2, first=1, gap=4)) as r:
            assert r.status_code == 200 and r.http_version == "HTTP/2", r
            text = "".join([part async for part in r.aiter_text()])
            assert text.endswith("data: [DONE]\n\n"), text[-80:]

    async def run():
        clients = [httpx.AsyncClient(http2=True, http1=False, verify=site.context, trust_env=False, timeout=60, limits=httpx.Limits(max_connections=1))
                   for _ in range(CONNECTIONS)]
        try:
            await asyncio.gather(*(one(c) for c in clients for _ in range(STREAMS)))
        finally:
            await asyncio.gather(*(c.aclose() for c in clients))

    site.backend.set(forget=True)
    begin = time.monotonic()
    asyncio.run(run())
    took = time.monotonic() - begin
    answers = site.backend.requests()
    at_once = max(sum(a["start"] <= b["start"] < a["end"] for a in answers) for b in answers)
    print(f"{len(answers)} streams, {at_once} at once, {took:.1f} s")
    assert len(answers) == CONNECTIONS * STREAMS and at_once > 100


def test_browser(site):
    with browser.person(site, password=("ada", members.PASSWORDS["ada"])) as page:
        page.goto(site.site + "/")
        browser.check_stream(page)
        assert set(page.evaluate("() => performance.getEntriesByType('resource').map(e => e.nextHopProtocol)")) == {"h2"}
