"""API keys: who has a good one comes in, nobody else, whatever the file is done to while httpd runs."""

import asyncio
import os
import subprocess
import time

import anthropic
import httpx
import openai
import pytest

import client
import env
import keyring

ASK = {"model": "fault", "messages": [{"role": "user", "content": "{}"}]}
CHAT = "/key/v1/chat/completions"
OUT = 2  # s: a revoked key is out by then
KINDS = {"event": {}, "worker": {"mpm": "worker"}, "prefork": {"mpm": "prefork"}, "http2": {"http2": True, "tls": True}}


def bcrypt(user, password):
    return subprocess.run(["htpasswd", "-nbB", "-C", "10", user, password], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def ring():
    ring = keyring.Keyring("test_keys")
    (ring.dir / "users").write_text(f"page:{keyring.sha('word')}\nrobot:{keyring.sha('a.b')}\n{bcrypt('slow', 'secret')}\n")
    return ring


REALM = r'"the \"models\""'  # as httpd.conf has it


def conf(ring):
    return keyring.modules("auth_basic", "authn_file", "authz_user", "auth_form", "session", "session_cookie", "request") + f'''
{keyring.locations(ring.path, REALM)}<Location "/provider/v1">
    SetHandler dgon-api
    AuthType Bearer
    AuthName provider
    DgonBearerProvider file
    AuthUserFile {ring.dir}/users
    Require valid-user
</Location>
<Location "/both/v1">
    SetHandler dgon-api
    AuthType Bearer
    DgonKeyFile {ring.path}
    DgonBearerProvider file
    DgonBearerCache 0
    AuthUserFile {ring.dir}/users
    Require user robot second
</Location>
<Location "/page/v1">
    SetHandler dgon-api
    AuthType Form
    AuthName page
    AuthFormProvider file
    AuthUserFile {ring.dir}/users
    Session On
    SessionCookieName session path=/
    Require valid-user
    <If "req('Authorization') =~ /^Bearer /i || -n req('x-api-key')">
        AuthType Bearer
        DgonKeyFile {ring.path}
    </If>
</Location>
<Location "/login">
    SetHandler form-login-handler
    AuthType Form
    AuthName page
    AuthFormProvider file
    AuthUserFile {ring.dir}/users
    AuthFormLoginSuccessLocation /
    Session On
    SessionCookieName session path=/
</Location>
LogFormat "%u %>s %U" users
CustomLog users.log users
'''


@pytest.fixture(scope="module")
def stack(make_stack, ring):
    s = make_stack(conf=conf(ring), loglevel="info")
    s.gateway.expect("DGON0201")
    return s


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=20) as c:
        yield c


def status(http, key, path="/key/v1/models"):
    return http.get(path, headers=keyring.bearer(key)).status_code


def status_raw(http, authorization):
    """With any bytes in the header, which SDKs would not send."""
    return asyncio.run(client.fetch(str(http.base_url), "/key/v1/models", headers={"Authorization": authorization})).status


def wait_status(http, key, wanted, seconds=OUT):
    """How long it took until the key was taken or refused."""
    begin = time.monotonic()
    env.wait_for(lambda: status(http, key) == wanted, seconds, f"status {wanted}", step=0.05)
    return time.monotonic() - begin


def wait_in(http, key):
    """Until both children look at the file at the next request."""
    time.sleep(1.1)
    assert status(http, key) == 200
    return key


def refused(response, words="API key"):
    """A 401 as the SDKs know it; RFC 6750's challenge."""
    assert response.status_code == 401, response.text
    e = response.json()["error"]
    assert set(e) == {"message", "type", "param", "code"} and e["code"] == "invalid_api_key" and words in e["message"], e
    return response.headers["www-authenticate"]


@pytest.mark.parametrize("kind", KINDS)
def test_in_and_out(make_stack, ring, kind):
    """The right key in, through a real SDK, streamed and not; none, a wrong one, an expired one out; a revoked one within two seconds."""
    s = make_stack(conf=conf(ring), **KINDS[kind])
    key, other, hourly = ring.add(f"in-{kind}"), ring.add(f"out-{kind}"), ring.add(f"hourly-{kind}", expires="1h")
    http2 = kind == "http2"
    with httpx.Client(base_url=s.url, verify=False, http2=http2, http1=not http2, trust_env=False, timeout=20) as http:
        wait_in(http, key)
        sdk = openai.OpenAI(base_url=s.url + "/key/v1", api_key=key, max_retries=0, http_client=http)
        assert sdk.chat.completions.create(**ASK).choices[0].finish_reason
        assert [c for c in sdk.chat.completions.create(**ASK, stream=True) if c.choices and c.choices[0].finish_reason]
        assert [m.id for m in sdk.models.list()] == ["fault"]
        for bad in ("none", other[:-1], other + "x", other.replace("out", "in"), key.split(".")[0], "." + key, key + "."):
            with pytest.raises(openai.AuthenticationError) as e:
                sdk.with_options(api_key=bad).chat.completions.create(**ASK)
            assert e.value.code == "invalid_api_key"
        refused(http.post(CHAT, json=ASK))
        wait_in(http, other)
        assert status(http, hourly) == 200
        ring.run("revoke", f"out-{kind}")
        ring.edit(lambda text: text.replace(ring.list()[f"hourly-{kind}"]["expires"], "2020-01-01T00:00:00Z"))
        time.sleep(OUT)
        for _ in range(30):  # of all children, of which some may not have been asked since
            with httpx.Client(base_url=s.url, verify=False, http2=http2, http1=not http2, trust_env=False) as fresh:
                assert status(fresh, other) == 401 and status(fresh, hourly) == 401 and status(fresh, key) == 200
        assert http.post(CHAT, json=ASK, headers=keyring.bearer(key)).status_code == 200


def test_anthropic_and_ollama(stack, http, ring):
    key = wait_in(http, ring.add("anthropic"))
    assert http.get("/key/v1/models", headers={"x-api-key": key}).status_code == 200
    sdk = anthropic.Anthropic(base_url=stack.url + "/key", api_key=key + "x", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as e:
        sdk.messages.create(model="fault", max_tokens=5, messages=[{"role": "user", "content": "x"}])
    assert e.value.body["error"]["type"] == "authentication_error" and "API key" in e.value.body["error"]["message"]
    r = http.get("/key/api/tags", headers=keyring.bearer("x"))
    assert r.status_code == 401 and "API key" in r.json()["error"]
    assert http.get("/key/api/tags", headers=keyring.bearer(key)).json()["models"]


def test_challenge(http, ring):
    key = wait_in(http, ring.add("challenge"))
    assert refused(http.get("/key/v1/models")) == 'Bearer realm="the \\"models\\""'
    assert refused(http.get("/key/v1/models", headers=keyring.bearer(key + "x"))).endswith(', error="invalid_token"')
    assert refused(http.get("/key/v1/models", headers={"Authorization": "Basic eDp5"})).startswith("Bearer ")
    for scheme in ("bearer ", "BEARER   "):
        assert status_raw(http, scheme + key + "  ") == 200
    assert http.get("/key/v1/models", headers={"Authorization": "Basic eDp5", "x-api-key": key}).status_code == 200


@pytest.mark.parametrize("bad", ["", ".", "a.", ".b", "a.b" * 400, "challenge", "a b.c", "é.x", "..", "challenge..", "x" * 7000 + ".y"])
def test_no_keys(http, bad):
    assert status_raw(http, f"Bearer {bad}") == 401
    assert http.get("/key/v1/models", headers={"x-api-key": bad.strip().encode()}).status_code == 401


def test_expired(http, ring):
    """An hour's key whose hour is over: the 401 says so, to who has the whole key alone."""
    key = wait_in(http, ring.add("hourly", expires="1h"))
    ring.edit(lambda text: text.replace(ring.list()["hourly"]["expires"], "2020-01-01T00:00:00Z"))
    wait_status(http, key, 401)
    challenge = refused(http.get("/key/v1/models", headers=keyring.bearer(key)), "expired")
    assert "invalid_token" in challenge
    refused(http.get("/key/v1/models", headers=keyring.bearer(key + "x")), "Incorrect")


def test_rotate_and_user(stack, http, ring):
    """The id is the user in httpd's log; a rotated key keeps its id, and the old secret is out."""
    old = wait_in(http, ring.add("turning", comment="it turns"))
    new = ring.run("rotate", "turning").stdout.strip()
    wait_in(http, new)
    assert new != old and status(http, old) == 401
    lines = (stack.gateway.dir / "users.log").read_text().splitlines()
    assert "turning 200 /key/v1/models" in lines and "- 401 /key/v1/models" in lines


def broken(ring, http, key, damage, words, stack, seconds=1.2):
    """After the damage: the log says it once, and the keys of before stay; a child looks once a second."""
    before = stack.gateway.log.read_text().count("DGON0201")
    saved = ring.path.read_text()
    damage()
    try:
        env.wait_for(lambda: status(http, key) == 200 and stack.gateway.log.read_text().count("DGON0201") > before, 10, "word of it")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert status(http, key) == 200
            time.sleep(0.05)
        lines = [line for line in stack.gateway.log.read_text().splitlines() if "DGON0201" in line][before:]
        assert all(words in line for line in lines), lines
        assert len(lines) <= 2, "more than once a child"
    finally:
        ring.path.unlink(missing_ok=True)
        ring.path.write_text(saved)
        ring.own()
    after = ring.add(f"after-{before}")
    wait_in(http, after)


def test_damaged_file(stack, http, ring):
    key = wait_in(http, ring.add("lasting"))
    broken(ring, http, key, lambda: ring.edit(lambda t: t[:-20]), "written by half", stack, seconds=3)
    broken(ring, http, key, lambda: ring.edit(lambda t: t + "rubbish\n"), "line ", stack)
    broken(ring, http, key, lambda: ring.edit(lambda t: ""), "is empty", stack)
    broken(ring, http, key, ring.path.unlink, "No such file", stack)

    def open_to_all():
        ring.edit(lambda t: t + "# more\n")
        ring.own(0o644)

    broken(ring, http, key, open_to_all, "chmod 0640", stack)
    if os.getuid() == 0:
        def unreadable():
            ring.edit(lambda t: t + "# more\n")
            os.chown(ring.path, 0, 0)

        broken(ring, http, key, unreadable, "Permission denied", stack)


def test_mode_alone(stack, http, ring):
    """A bare chmod is refused with its reason and healed by another one, each time; meanwhile the keys of before are in, and no newer ones."""
    key, log = wait_in(http, ring.add("moded")), stack.gateway.log

    def lines(number):
        return [line for line in log.read_text().splitlines() if number in line]

    for _ in range(2):
        refused, read = len(lines("DGON0201")), len(lines("DGON0202"))
        ring.path.chmod(0o644)
        env.wait_for(lambda: status(http, key) == 200 and len(lines("DGON0201")) > refused, OUT, "word of the mode", step=0.05)
        assert "0644, write chmod 0640" in lines("DGON0201")[-1]
        ring.edit(lambda text: text + text.splitlines()[-1].replace("moded", "late") + "\n")
        time.sleep(1.1)
        assert status(http, key) == 200 and status(http, key.replace("moded", "late")) == 401
        ring.edit(lambda text: text[:text.rindex("late")])
        ring.path.chmod(0o640)
        env.wait_for(lambda: status(http, key) == 200 and len(lines("DGON0202")) > read, OUT, "the file read anew", step=0.05)
    if os.getuid() == 0:
        refused = len(lines("DGON0201"))
        os.chown(ring.path, 0, 0)
        env.wait_for(lambda: status(http, key) == 200 and len(lines("DGON0201")) > refused, OUT, "word of the owner", step=0.05)
        assert "Permission denied" in lines("DGON0201")[-1]
        ring.own()
        wait_in(http, ring.add("after-chown"))


def test_restart_with_a_damaged_file(make_stack):
    """A restart that meets a file written by half serves on with the keys of before, and takes the next good file."""
    ring = keyring.Keyring("test_keys-restart")
    key = ring.add("lasting")
    s = make_stack(conf=f'{keyring.modules("authz_user")}<Location "/key/v1">\nSetHandler dgon-api\nAuthType Bearer\nDgonKeyFile {ring.path}\nRequire valid-user\n</Location>')
    s.gateway.expect("DGON0201")

    def ask(k=key):
        with httpx.Client(base_url=s.url, trust_env=False) as http:
            return status(http, k)

    assert ask() == 200
    good = ring.path.read_text()
    ring.edit(lambda text: text[:-9])
    old = set(s.gateway.worker_pids())
    s.gateway.graceful()
    env.wait_for(lambda: s.gateway.worker_pids() and not old & set(s.gateway.worker_pids()), 20, "new children")
    assert "written by half" in s.gateway.log.read_text() and [ask() for _ in range(10)] == [200] * 10
    ring.edit(lambda _: good)
    new = ring.add("newer")
    env.wait_for(lambda: [ask(new) for _ in range(10)] == [200] * 10, 5, "the new key in all children")
    ring.run("revoke", "lasting")
    s.gateway.graceful()
    time.sleep(OUT)
    assert [ask() for _ in range(10)] == [401] * 10


def test_unreadable_child(make_stack):
    """Root can read what httpd's user cannot: said at start."""
    if os.getuid() != 0:
        return
    ring = keyring.Keyring("test_keys-root")
    key = ring.add("rooted")
    os.chown(ring.path, 0, 0)
    s = make_stack(conf=f'{keyring.modules("authz_user")}<Location "/key/v1">\nSetHandler dgon-api\nAuthType Bearer\nDgonKeyFile {ring.path}\nRequire valid-user\n</Location>')
    s.gateway.expect("DGON0200")
    assert "DGON0200" in s.gateway.log.read_text()
    assert httpx.get(s.url + "/key/v1/models", headers=keyring.bearer(key)).status_code == 200


@pytest.mark.parametrize("content, mode, words", [
    ("alice 12 - - -\n", 0o640, "line 1: the hash"), ("# x\nalice", 0o640, "line 2: its end"), ("", 0o644, "chmod 0640"), (None, 0, "No such file"),
])
def test_refused_at_start(content, mode, words):
    ring = keyring.Keyring("test_keys-refused")
    ring.path.unlink()
    if content is not None:
        ring.path.write_text(content)
        ring.path.chmod(mode)
    said = env.refusal("test_keys-refused", f"<Location /v1>\nDgonKeyFile {ring.path}\n</Location>")
    assert words in said and str(ring.path) in said


@pytest.mark.parametrize("line, words", [
    ("DgonBearerProvider nobody", "mod_authn_file"), ("DgonBearerCache soon", "1min"), ("DgonBearerCache 2h", "1h"),
])
def test_wrong_lines(line, words):
    assert words in env.refusal("test_keys-refused", f"<Location /v1>\n{line}\n</Location>")


def test_no_source(stack, make_stack):
    s = make_stack(conf=f'{keyring.modules("authz_user")}<Location "/key/v1">\nSetHandler dgon-api\nAuthType Bearer\nRequire valid-user\n</Location>')
    s.gateway.expect("DGON0206")
    assert httpx.get(s.url + "/key/v1/models", headers=keyring.bearer("a.b")).status_code == 500
    assert "DgonKeyFile or DgonBearerProvider" in s.gateway.log.read_text()


def test_providers(stack, http, ring):
    """httpd's own users as keys; the secret is behind the last dot. A key file goes first, and what it has it decides."""
    for key, wanted in (("page.word", 200), ("page.wrong", 401), ("nobody.word", 401)):
        assert status(http, key, "/provider/v1/models") == wanted, key
    second = wait_in(http, ring.add("second"))
    for key, wanted in ((second, 200), ("page.word", 401), ("second.word", 401)):
        assert status(http, key, "/both/v1/models") == wanted, key
    stack.gateway.expect("AH01631")  # page is a user, but none of those


def test_providers_are_cached(stack, http, ring):
    """bcrypt takes tens of milliseconds, and is run once in two seconds; a user who is taken out is out by then."""
    def took():
        begin = time.monotonic()
        assert status(http, "slow.secret", "/provider/v1/models") == 200
        return time.monotonic() - begin

    times = [took() for _ in range(20)]
    assert max(times) > 0.03 > sorted(times)[10], times
    users = ring.dir / "users"
    saved = users.read_text()
    users.write_text("\n".join(line for line in saved.splitlines() if not line.startswith("slow:")) + "\n")
    begin = time.monotonic()
    env.wait_for(lambda: status(http, "slow.secret", "/provider/v1/models") == 401, OUT + 0.5, "end of the user")
    assert time.monotonic() - begin < OUT + 0.5
    users.write_text(saved)


def test_page_and_programs(stack, http, ring):
    """One location for the page's cookie and the SDKs' keys."""
    key = wait_in(http, ring.add("program"))
    assert http.get("/page/v1/models").status_code == 401
    assert http.get("/page/v1/models", headers=keyring.bearer(key)).status_code == 200
    assert http.get("/page/v1/models", headers={"x-api-key": key}).status_code == 200
    refused(http.get("/page/v1/models", headers=keyring.bearer(key + "x")))
    r = http.post("/login", data={"httpd_username": "page", "httpd_password": "word"})
    assert r.status_code == 302 and http.cookies.get("session")
    assert http.get("/page/v1/models").status_code == 200
    assert http.post("/page/v1/chat/completions", json=ASK).status_code == 200
    refused(http.get("/page/v1/models", headers=keyring.bearer(key + "x")))  # a cookie does not help a wrong key
    http.cookies.clear()
    assert http.get("/page/v1/models").status_code == 401


def test_nothing_in_logs(make_stack, ring):
    """No part of a key, whether it was good or not, and not at the most talkative levels of all who decide."""
    s = make_stack(conf=conf(ring), loglevel="info dgon:trace8 authz_core:trace8 authn_core:trace8 auth_basic:trace8 authn_file:trace8 core:trace8")
    s.gateway.expect("DGON0|AH0")
    key = ring.add("quiet", comment="canary-comment")
    secret = key.split(".")[1]
    with httpx.Client(base_url=s.url, trust_env=False) as http:
        wait_in(http, key)
        assert http.post(CHAT, json=ASK, headers=keyring.bearer(key)).status_code == 200
        for bad in (key + "x", "canary-7f.canary-7f", "canary-7f", f"sk-{secret}"):
            for path in ("/key", "/both", "/provider"):
                assert status(http, bad, path + "/v1/models") == 401
        status(http, "page.word-canary-7f", "/provider/v1/models")
    text = b"".join(p.read_bytes() for p in s.gateway.dir.iterdir() if p.suffix == ".log")
    assert b"DGON0205" in text
    for canary in (secret, secret[:20], "word-canary-7f", "canary-7f.canary"):
        assert canary.encode() not in text, canary


def test_dgonctl(ring):
    """What an administrator may write wrongly; several at once."""
    for args in (("add",), ("add", "ab"), ("add", "Alice"), ("add", "good", "--expires", "soon"), ("add", "good", "--expires", "2001-01-01"),
                 ("add", "good", "--models", "a b"), ("add", "good", "--comment", "a\nb"), ("list", "x"), ("revoke",), ("what", "x"),
                 ("revoke", "good", "--expires", "1d"), ("add", "good", "--nothing")):
        assert ring.run(*args, code=2).stderr.startswith("dgonctl key: ") or "unrecognized" in ring.run(*args, code=2).stderr
    before = ring.path.read_text()
    ring.add("once", expires="2999-01-01", models="a*,b", comment="x y")
    assert ring.list()["once"] | {"created": ""} == {"id": "once", "expires": "2999-01-01T23:59:59Z", "models": "a*,b", "comment": "x y", "created": ""}
    assert "already" in ring.run("add", "once", code=1).stderr
    ring.run("revoke", "once")
    assert ring.path.read_text() == before or before == ""
    ring.run("revoke", "once", code=4)
    ring.run("rotate", "once", code=4)
    running = [subprocess.Popen([keyring.DGONCTL, "key", "add", f"many-{i}", "--file", ring.path], stdout=subprocess.PIPE) for i in range(20)]
    keys = {p.communicate()[0] for p in running}
    assert len(keys) == 20 and all(p.returncode == 0 for p in running)
    assert {f"many-{i}" for i in range(20)} <= set(ring.list())
    mode = ring.path.stat()
    assert mode.st_mode & 0o777 == 0o640
    ring.path.chmod(0o644)
    assert "chmod 0640" in ring.run("add", "late", code=1).stderr
    ring.own()


def test_suspended_connection(stack, ring):
    """A key that is revoked between two requests of one kept connection, which the engine may run itself."""
    key = ring.add("kept")
    with httpx.Client(base_url=stack.url, trust_env=False) as http:
        wait_in(http, key)

    async def run():
        async with client.Connection(stack.url) as c:
            for i in range(30):
                c.send("POST", CHAT, client.question(tokens=2), keyring.bearer(key))
                (await c.receive()).check_done(2)
            ring.run("revoke", "kept")
            begin = time.monotonic()
            while time.monotonic() - begin < OUT:
                c.send("POST", CHAT, client.question(tokens=1), keyring.bearer(key))
                a = await c.receive()
                if a.status == 401:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("still in")

    asyncio.run(run())
