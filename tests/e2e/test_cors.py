"""Pages of other sites: named origins may ask, nobody else, and authentication stays what it is."""


import httpx
import pytest

import env

GOOD, OTHER = "https://chat.example.org", "https://evil.example"
ASK = {"model": "fault", "messages": [{"role": "user", "content": "{}"}]}


@pytest.fixture(scope="module")
def stack(make_stack):
    users = env.RUNS / "cors.users"
    env.RUNS.mkdir(parents=True, exist_ok=True)
    users.write_text("u:{SHA}" + "W6ph5Mm5Pz8GgiULbPgzG37mj9g=" + "\n")  # password
    users.chmod(0o644)
    m = env.modules_dir()
    return make_stack(conf=f'''DgonCorsOrigin {GOOD} http://localhost:5173
LoadModule auth_basic_module {m}/mod_auth_basic.so
LoadModule authn_core_module {m}/mod_authn_core.so
LoadModule authn_file_module {m}/mod_authn_file.so
LoadModule authz_user_module {m}/mod_authz_user.so
<Location "/api">
    AuthType Basic
    AuthName x
    AuthUserFile {users}
    Require valid-user
</Location>
''')


@pytest.fixture
def http():
    with httpx.Client(trust_env=False) as c:
        yield c


def question(origin, headers="authorization,x-stainless-lang,x-evil, content-type"):
    return {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/api/chat"])
def test_question(stack, http, path):
    """Without credentials, also where they are needed."""
    r = http.options(stack.url + path, headers=question(GOOD))
    assert r.status_code == 204 and not r.content
    assert r.headers["access-control-allow-origin"] == GOOD and "Origin" in r.headers["vary"]
    assert r.headers["access-control-allow-headers"] == "authorization, x-stainless-lang, content-type"
    assert "POST" in r.headers["access-control-allow-methods"] and r.headers["access-control-max-age"]
    assert "access-control-allow-credentials" not in r.headers


@pytest.mark.parametrize("path, status", [("/v1/chat/completions", 405), ("/api/chat", 401)])
def test_question_of_another(stack, http, path, status):
    r = http.options(stack.url + path, headers=question(OTHER))
    assert r.status_code == status and not any(h.startswith("access-control") for h in r.headers)
    r = http.options(stack.url + path, headers={"Origin": GOOD})  # no question
    assert r.status_code == status


def test_answers(stack, http):
    for origin in (GOOD, "http://localhost:5173"):
        for ask in (ASK, {**ASK, "stream": True}, {**ASK, "model": "nobody"}):
            r = http.post(stack.url + "/v1/chat/completions", json=ask, headers={"Origin": origin})
            assert r.headers["access-control-allow-origin"] == origin and "x-request-id" in r.headers["access-control-expose-headers"]
    r = http.post(stack.url + "/v1/chat/completions", json=ASK, headers={"Origin": OTHER})
    assert "access-control-allow-origin" not in r.headers and r.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in http.post(stack.url + "/v1/chat/completions", json=ASK).headers


def test_authentication_stays(stack, http):
    """The page reads the 401 too, else nobody could tell why."""
    for headers in ({"Origin": GOOD}, question(GOOD)):
        r = http.post(stack.url + "/api/chat", json=ASK, headers=headers)
        assert r.status_code == 401 and r.headers["access-control-allow-origin"] == GOOD and "error" in r.json()
    assert http.post(stack.url + "/api/chat", json=ASK, auth=("u", "password"), headers={"Origin": GOOD}).status_code == 200


def test_off_by_default(make_stack, http):
    s = make_stack()
    r = http.post(s.url + "/v1/chat/completions", json=ASK, headers={"Origin": GOOD})
    assert r.status_code == 403 and not any(h.startswith("access-control") for h in r.headers) and "vary" not in r.headers
    assert http.options(s.url + "/v1/chat/completions", headers=question(GOOD)).status_code == 405


@pytest.mark.parametrize("origin", ["*", "chat.example.org", "https://a.example/", "https://", "ftp://a.example", "https://u@a.example", "https://*.example"])
def test_wrong_origin_is_refused_at_start(origin):
    assert "DgonCorsOrigin" in env.refusal("test_cors-refused", f"DgonCorsOrigin {origin}")
