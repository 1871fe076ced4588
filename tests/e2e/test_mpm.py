"""The same job over every MPM, plain, TLS and HTTP/2."""

import asyncio
import json

import httpx
import pytest

import client
import env

CASES = [(mpm, tls, h2) for mpm in ("event", "worker", "prefork") for tls in (False, True) for h2 in (False, True)
         if not (mpm == "prefork" and h2)]


@pytest.fixture(scope="module", params=CASES, ids=lambda c: f"{c[0]}-{'tls' if c[1] else 'plain'}{'-h2' if c[2] else ''}")
def fleet(make_stack, request):
    mpm, tls, h2 = request.param
    return make_stack(mpm=mpm, tls=tls, http2=h2, threads=24)


def test_many_at_once(fleet):
    async def run():
        return await asyncio.gather(*(client.ask(fleet.url, tokens=20, gap=0.02) for _ in range(20)))

    for a in asyncio.run(run()):
        a.check_done(20)


def test_not_streamed_and_errors(fleet):
    a = asyncio.run(client.ask(fleet.url, tokens=3, stream=False))
    assert a.numbers == [0, 1, 2]
    client.check_error(asyncio.run(client.ask(fleet.url, model="nobody")), 404, "model_not_found")
    fleet.gateway.expect("DGON0040")
    assert asyncio.run(client.ask(fleet.url, tokens=9, gap=0.02, at=3, do="rst")).outcome == "error"


def test_keep_alive(fleet):
    async def several():
        async with client.Connection(fleet.url) as c:
            for n in range(1, 6):
                c.send("POST", "/v1/chat/completions", client.question(tokens=n))
                (await c.receive()).check_done(n)

    asyncio.run(several())


def test_client_gone(fleet):
    async def run():
        c = await client.Connection(fleet.url).open()
        c.send("POST", "/v1/chat/completions", client.question(tokens=1000, gap=0.02, label="gone"))
        await c.receive(limit=3)
        c.close()

    asyncio.run(run())
    fleet.backend.wait_request("gone", lambda r: r["aborted"])


def test_http2(fleet):
    if not fleet.gateway.http2:
        # What is not HTTP/2 stays HTTP/1.1: the answer says so.
        assert asyncio.run(client.fetch(fleet.url, "/v1/models")).status == 200
        return

    async def one(c, n):
        texts = []
        async with c.stream("POST", "/v1/chat/completions", content=client.question(tokens=n, gap=0.01),
                            headers={"content-type": "application/json"}) as r:
            assert r.status_code == 200 and r.http_version == "HTTP/2", r.http_version
            async for line in r.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    for choice in json.loads(line[6:])["choices"]:
                        texts.append(choice["delta"].get("content") or "")
        assert [int(t.split(":")[0]) for t in "".join(texts).split()] == list(range(n))

    async def run():
        async with httpx.AsyncClient(http2=True, http1=fleet.gateway.tls, verify=False, base_url=fleet.url, timeout=20, trust_env=False) as c:
            await asyncio.gather(*(one(c, 30) for _ in range(10)))
            r = await c.post("/v1/chat/completions", content=b"nonsense", headers={"content-type": "application/json"})
            assert r.status_code == 400 and r.json()["error"]["message"]

    asyncio.run(run())


def test_slots(fleet):
    env.check_slots_free(fleet.gateway, 16)
