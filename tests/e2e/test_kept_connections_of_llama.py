"""llama-server drops the connection behind a stream without a word: whoever asks it over kept ones loses every second answer, whoever asks
through us none."""

import asyncio
import os
import time

import pytest

import client
import real_servers

REQUESTS = int(os.environ.get("DGON_LLAMA_REQUESTS", "10000"))  # half of them streamed
CLIENTS = 8


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with real_servers.fleet("llama", "test_kept_connections_of_llama", tmp_path_factory.mktemp("llama")) as gateway:
        yield gateway


def is_whole(answer, stream):
    if stream:
        return answer.outcome == "done" and answer.finish == "length"
    return answer.outcome == "json" and answer.status == 200 and answer.json["choices"][0]["finish_reason"] == "length"


def ask_all(url, count, stream):
    """How many failed, and why some did. Each client keeps its connection as long as it holds."""
    body = client.question(model="tiny-chat", stream=stream, content="Hello", more={"max_tokens": 1, "temperature": 0})
    faults = []

    async def one(n):
        c = client.Connection(url)
        for _ in range(n):
            try:
                if c.writer is None:
                    await c.open()
                c.send("POST", "/v1/chat/completions", body)
                a = await c.receive()
                good, why = is_whole(a, stream), (a.outcome, a.status, a.error, a.body[:200])
            except (OSError, AssertionError) as e:
                good, why, a = False, repr(e), None
            if not good:
                faults.append(why)
            if not good or a.headers.get("connection", "").lower() == "close":
                c.close()
                c.writer = None
        c.close()

    async def all_of_them():
        await asyncio.gather(*(one(count // CLIENTS) for _ in range(CLIENTS)))

    begin = time.monotonic()
    asyncio.run(all_of_them())
    return faults, count // CLIENTS * CLIENTS / (time.monotonic() - begin)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_none_is_lost(fleet, stream):
    direct, direct_rate = ask_all(fleet.servers[0].url, 400, stream)
    faults, rate = ask_all(fleet.url, REQUESTS // 2, stream)
    print(f"\n{'stream' if stream else 'whole'}: directly {len(direct)} of 400 failed ({direct_rate:.0f}/s), through us {len(faults)} of {REQUESTS // 2} ({rate:.0f}/s)")
    assert not faults, (len(faults), faults[:3])
    if stream:
        assert len(direct) > 100, "the server holds its connections: this test proves nothing any more"
