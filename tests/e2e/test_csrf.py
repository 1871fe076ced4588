"""A page of another site cannot make a browser that is logged in here ask anything: refused before the body is read."""

import asyncio
import json
import time

import httpx
import openai
import pytest

import client
import keyring
import pass_backend

NAMED = "https://chat.example.org"
ASK = {"model": "fault", "messages": [{"role": "user", "content": "{}"}]}
KINDS = {"event": {}, "worker": {"mpm": "worker"}, "prefork": {"mpm": "prefork"}, "http2": {"http2": True, "tls": True}}


@pytest.fixture(scope="module")
def users():
    ring = keyring.Keyring("test_csrf")
    (ring.dir / "users").write_text(f"u:{keyring.sha('word')}\n")
    return ring.dir / "users"


@pytest.fixture(scope="module", params=KINDS)
def stack(request, make_stack, users):
    s = make_stack(**KINDS[request.param], conf=keyring.modules("auth_basic", "authn_file", "authz_user") + f'''
DgonCorsOrigin {NAMED}
DgonPass * /open/*
<Location "/open">
    SetHandler dgon-pass
</Location>
<Location "/login/v1">
    SetHandler dgon-api
    AuthType Basic
    AuthName x
    AuthUserFile {users}
    Require valid-user
</Location>
''')
    s.passer = pass_backend.Backend()
    s.add_agent(s.passer, model="passer", more="allow = * /open/*\n")
    yield s
    s.passer.stop()


FOREIGN = [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "http://127.0.0.1"}, {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "new-word"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example/", "Sec-Fetch-Site": "same-site"},
]
POSTS = ["/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/audio/transcriptions", "/v1/nothing", "/api/chat", "/api/show", "/api/pull", "/open/x"]


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_pages(stack, http, headers):
    """On all handlers, any body; the backend hears nothing."""
    before = len(stack.backend.requests()), len(stack.passer.seen("/open"))
    for path in POSTS:
        r = http.post(path, json=ASK, headers=headers)
        assert r.status_code == 403 and "another site" in r.text, (path, r.text)
    for method in ("PUT", "DELETE", "PATCH"):
        assert http.request(method, "/open/x", headers={**headers, "X-Dgon-Model": "passer"}).status_code == 403
    e = http.post(POSTS[0], json=ASK, headers=headers).json()["error"]
    assert set(e) == {"message", "type", "param", "code"} and e["code"] == "cross_site_request"
    form = http.post("/v1/audio/transcriptions", files={"file": b"x"}, data={"model": "passer"}, headers=headers)
    assert form.status_code == 403
    assert (len(stack.backend.requests()), len(stack.passer.seen("/open"))) == before


def test_own_pages_and_programs(stack, http):
    """The page of this server, whatever stands in front of it; named origins; programs, which send none of this; and reading."""
    scheme, host = stack.url.split("://")
    for headers in ({}, {"Origin": stack.url}, {"Origin": stack.url.upper()}, {"Origin": f"{'http' if scheme == 'https' else 'https'}://{host}"},
                    {"Origin": NAMED}, {"Origin": NAMED, "Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
                    {"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}):  # a proxy has changed Host
        assert http.post("/v1/chat/completions", json=ASK, headers=headers).status_code == 200, headers
    assert openai.OpenAI(base_url=stack.url + "/v1", api_key="x", max_retries=0, http_client=http).chat.completions.create(**ASK).choices
    for path in ("/v1/models", "/api/tags"):
        assert http.get(path, headers=FOREIGN[-1]).status_code == 200


@pytest.mark.parametrize("host, origin, status", [
    ("gateway.example", "https://gateway.example", 200), ("gateway.example:443", "https://gateway.example", 200),
    ("gateway.example", "https://gateway.example:443", 200), ("gateway.example:80", "http://gateway.example", 200),
    ("gateway.example:80", "https://gateway.example", 403), ("gateway.example", "https://gateway.example:8443", 403),
    ("gateway.example", "https://gateway.example.evil", 403), ("gateway.example", "https://evil.gateway.example", 403),
    ("gateway.example", "gateway.example", 403), ("[::1]:80", "http://[::1]", 200), ("[::1]", "http://[::2]", 403),
])
def test_hosts(stack, host, origin, status):
    if not stack.gateway.tls:
        a = asyncio.run(client.fetch(stack.url, "/v1/chat/completions", "POST", json.dumps(ASK).encode(), {"Host": host, "Origin": origin}))
        assert a.status == status, a.body


def test_before_the_body(stack):
    """The answer comes while the body does not; with a login too, which is not what was missing."""
    if stack.gateway.http2:
        return

    async def run(path, more):
        async with client.Connection(stack.url) as c:
            c.send("POST", path, headers={"Content-Length": "1000000", "Content-Type": "multipart/form-data; boundary=x", "Origin": "https://evil.example", **more})
            begin = time.monotonic()
            a = await asyncio.wait_for(c.receive(), 2)
            assert a.status == 403 and time.monotonic() - begin < 1

    asyncio.run(run("/v1/audio/transcriptions", {}))
    asyncio.run(run("/login/v1/audio/transcriptions", {"Authorization": "Basic dTp3b3Jk"}))


def test_login_goes_along(stack, http):
    """What a browser would do for a foreign page: the user's own login with it."""
    assert http.post("/login/v1/chat/completions", json=ASK, auth=("u", "word")).status_code == 200
    r = http.post("/login/v1/chat/completions", json=ASK, auth=("u", "word"), headers={"Origin": "https://evil.example"})
    assert r.status_code == 403 and not any(h.startswith("access-control") for h in r.headers)
