"""OpenAI's own client at a gateway, and what it must see there."""

import asyncio
import concurrent.futures
import json
import time
from urllib.parse import urlsplit

import httpx2
import openai

import client


def program(site, key="none", headers=None, auth=None, context=None):
    return openai.OpenAI(
        base_url=f"{site.site}/v1", api_key=key, default_headers=headers, max_retries=0, timeout=20,
        http_client=httpx2.Client(verify=context or site.context, auth=auth, trust_env=False))


def wait(coroutine):
    """Its result, also where a browser's loop runs in this thread."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def plan(**wish):
    return [{"role": "user", "content": json.dumps(wish)}]


def check_in(api):
    """The list, a whole answer, and one whose tokens come when they are made."""
    assert [m.id for m in api.models.list()] == ["fault"]
    whole = api.chat.completions.create(model="fault", messages=plan(tokens=3))
    assert [t.split(":")[0] for t in whole.choices[0].message.content.split()] == ["0", "1", "2"]
    check_stream(api)


def check_stream(api, tokens=4, gap=0.15):
    seen = []
    for chunk in api.chat.completions.create(model="fault", stream=True, messages=plan(tokens=tokens, gap=gap)):
        if chunk.choices and chunk.choices[0].delta.content:
            seen.append(time.monotonic())
    assert len(seen) == tokens and seen[-1] - seen[0] > gap * (tokens - 1) * 0.7, "the answer came in one piece"


def check_out(api, status):
    """Refused, streamed or not, with OpenAI's error object."""
    for stream in (False, True):
        try:
            api.chat.completions.create(model="fault", stream=stream, messages=plan(tokens=1))
        except openai.APIStatusError as e:
            assert e.status_code == status, e
            assert set(e.body) == {"message", "type", "param", "code"}, e.body
        else:
            raise AssertionError("let in")


def check_user(site, user, status=200, **credentials):
    """Let in, or refused with this status, and in httpd's access log under this name."""
    before = site.lines()
    api = program(site, **credentials)
    if status == 200:
        check_in(api)
    else:
        check_out(api, status)
    site.logged(user, status, before)


def check_nobody(site, challenge, headers=None):
    """A program without any credential: 401, JSON, and what would be wanted. No redirect to a page for people."""
    for method, path, body in (("GET", "/v1/models", b""), ("POST", "/v1/chat/completions", client.question(tokens=1))):
        a = wait(client.fetch(site.site, urlsplit(site.site).path + path, method, body, {"Host": f"{site.host}:{site.port}", **(headers or {})}))
        client.check_error(a, 401, "invalid_api_key")
        assert a.headers.get("www-authenticate", "").startswith(challenge), a.headers
