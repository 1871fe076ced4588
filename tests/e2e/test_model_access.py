"""Who may use which model: Require dgon-model in httpd's own trees of conditions, and the models of a key."""

import json
import time

import httpx
import openai
import pytest

import env
import keyring
import pass_backend

MODELS = {"small", "big", "bigger", "tagged:latest", "public", "fault", "passer", "smaller"}
SMALL = {"small", "smaller", "tagged:latest"}
ALICE, BOB = ("alice", "word"), ("bob", "word")
BASIC = "AuthType Basic\nAuthName x\nAuthUserFile {users}\n"
TREES = {
    # alice everything, others what is small
    "any": "<RequireAny>\nRequire user alice\n<RequireAll>\nRequire valid-user\nRequire dgon-model sm* tagged:latest\n</RequireAll>\n</RequireAny>",
    "order": "<RequireAny>\n<RequireAll>\nRequire dgon-model sm* tagged:latest\nRequire valid-user\n</RequireAll>\nRequire user alice\n</RequireAny>",
    "expr": "<RequireAny>\nRequire expr %{{REMOTE_USER}} == 'alice'\n<RequireAll>\nRequire valid-user\nRequire dgon-model sm* tagged:latest\n</RequireAll>\n</RequireAny>",
    "not": "<RequireAny>\nRequire user alice\n<RequireAll>\nRequire valid-user\nRequire not dgon-model big* public fault passer\n</RequireAll>\n</RequireAny>",
    "none": "<RequireAll>\nRequire valid-user\n<RequireNone>\n<RequireAll>\nRequire user bob\nRequire dgon-model big* public fault passer\n</RequireAll>\n</RequireNone>\n</RequireAll>",
    "twice": "<RequireAny>\nRequire user alice\n<RequireAll>\nRequire valid-user\n<RequireNone>\n<RequireAll>\nRequire all granted\n<RequireNone>\n"
             "Require dgon-model sm* tagged:latest\n</RequireNone>\n</RequireAll>\n</RequireNone>\n</RequireAll>\n</RequireAny>",
}


@pytest.fixture(scope="module")
def ring():
    ring = keyring.Keyring("test_model_access")
    (ring.dir / "users").write_text("".join(f"{u}:{keyring.sha('word')}\n" for u in ("alice", "bob")))
    return ring


def conf(ring):
    text = keyring.modules("auth_basic", "authn_file", "authz_user", "authz_host") + "DgonAlias public big\nDgonPass * /open/*\nDgonPass * /open/x\nDgonPass * /ours/* /open/*\nDgonPass * /ours/x /open/x\n"
    basic = BASIC.format(users=ring.dir / "users")
    for name, tree in TREES.items():
        tree = tree.replace("{{", "{").replace("}}", "}")
        for path, handler in (("v1", "dgon-api"), ("api", "dgon-ollama")):
            text += f'<Location "/{name}/{path}">\nSetHandler {handler}\n{basic}{tree}\n</Location>\n'
    return text + f'''
<Location "/anybody/v1">
    SetHandler dgon-api
    Require dgon-model small
</Location>
<Location "/user/v1">
    SetHandler dgon-api
    {basic}
    Require dgon-model small
</Location>
<Location "/near/v1">
    SetHandler dgon-api
    {basic}
    Require dgon-model small
    Require ip 127.0.0.1
</Location>
<Location "/late/v1">
    SetHandler dgon-api
    {basic}
    <RequireAny>
        <RequireAll>
            Require all granted
            Require not dgon-model big*
        </RequireAll>
        Require valid-user
    </RequireAny>
</Location>
<Location "/open">
    SetHandler dgon-pass
    {basic}
    {TREES["any"]}
</Location>
<Location "/ours">
    SetHandler dgon-pass
    AuthType Bearer
    DgonKeyFile {ring.path}
    Require valid-user
</Location>
{keyring.locations(ring.path)}<Location "/keytree/v1">
    SetHandler dgon-api
    AuthType Bearer
    DgonKeyFile {ring.path}
    <RequireAll>
        Require valid-user
        Require not dgon-model big
    </RequireAll>
</Location>
<Location "/mixed/v1">
    SetHandler dgon-api
    {basic}
    Require valid-user
    <If "req('Authorization') =~ /^Bearer /i">
        AuthType Bearer
        DgonKeyFile {ring.path}
    </If>
</Location>
'''


KINDS = {"event": {}, "worker": {"mpm": "worker"}, "prefork": {"mpm": "prefork"}, "http2": {"http2": True, "tls": True}}


@pytest.fixture(scope="module", params=KINDS)
def stack(request, make_stack, ring):
    s = make_stack(conf=conf(ring), loglevel="info", **KINDS[request.param])
    s.many = env.Backend(models="small,big,bigger,tagged:latest").start()
    s.passer = pass_backend.Backend(models=["passer", "smaller"])
    s.add_agent(s.many, model="tagged:latest")
    s.add_agent(s.passer, model="passer", more="allow = * /open/*\n")
    yield s
    s.passer.stop()
    s.many.stop()


def ask(http, tree, model, user, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "{}"}], **more}
    headers, auth = (keyring.bearer(user), None) if isinstance(user, str) else (None, user)
    return http.post(f"/{tree}/v1/chat/completions", json=body, auth=auth, headers=headers)


def listed(http, tree, user):
    headers, auth = (keyring.bearer(user), None) if isinstance(user, str) else (None, user)
    return {m["id"] for m in http.get(f"/{tree}/v1/models", auth=auth, headers=headers).json()["data"]}


def refused(r, who, model):
    assert r.status_code == 403, (r.status_code, r.text)
    e = r.json()["error"]
    assert e["code"] == "model_not_found" and e["param"] == "model" and who in e["message"] and model in e["message"] and "access" in e["message"], e
    assert "www-authenticate" not in r.headers


@pytest.mark.parametrize("tree", TREES)
def test_trees(stack, http, tree):
    """alice may use all, bob what is small: written in six ways."""
    assert ask(http, tree, "small", None).status_code == 401
    assert ask(http, tree, "small", ("bob", "wrong")).status_code == 401
    stack.gateway.expect("AH01617")  # bob's wrong password
    for model in ("small", "big", "bigger", "public"):
        assert ask(http, tree, model, ALICE).status_code == 200
    for stream in (False, True):
        assert ask(http, tree, "small", BOB, stream=stream).status_code == 200
        for model in ("big", "bigger", "public", "fault"):
            refused(ask(http, tree, model, BOB, stream=stream), "bob", model)
    assert ask(http, tree, "nobody", BOB).status_code == 404
    assert listed(http, tree, ALICE) == MODELS
    assert listed(http, tree, BOB) == SMALL
    one = {m: http.get(f"/{tree}/v1/models/{m}", auth=BOB).status_code for m in ("small", "big", "nobody")}
    assert one == {"small": 200, "big": 404, "nobody": 404}
    # the handlers of OpenAI's other paths
    for path, body in (("embeddings", {"input": "x"}), ("completions", {"prompt": "x"}), ("responses", {"input": "x"}),
                       ("messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}), ("rerank", {"query": "x", "documents": ["y"]})):
        r = http.post(f"/{tree}/v1/{path}", json={"model": "big", **body}, auth=BOB)
        assert r.status_code == 403 and "access" in r.json()["error"]["message"], (path, r.text)


@pytest.mark.parametrize("tree", TREES)
def test_ollama(http, tree):
    """"tagged" and "tagged:latest" are one model; no list tells of what is not one's own."""
    assert http.post(f"/{tree}/api/chat", json={"model": "tagged", "stream": False, "messages": [{"role": "user", "content": "{}"}]}, auth=BOB).status_code == 200
    r = http.post(f"/{tree}/api/generate", json={"model": "big", "prompt": "{}"}, auth=BOB)
    assert r.status_code == 403 and "access to model 'big'" in r.json()["error"]
    for path in ("tags", "ps"):
        everything, own = ({m["name"] for m in http.get(f"/{tree}/api/{path}", auth=u).json()["models"]} for u in (ALICE, BOB))
        assert everything >= own and not own - SMALL
        assert path == "ps" or (everything == MODELS and own == SMALL)
    show = {m: http.post(f"/{tree}/api/show", json={"model": m}, auth=BOB).status_code for m in ("small", "tagged", "big")}
    assert show == {"small": 200, "tagged": 200, "big": 404}


def test_without_a_user(stack, http):
    """No AuthType: anybody, that model. With one: a login is needed, whatever else is not said. From near: all."""
    assert ask(http, "anybody", "small", None).status_code == 200
    refused(ask(http, "anybody", "big", None), "Nobody", "big")
    assert listed(http, "anybody", None) == {"small"}
    assert ask(http, "user", "small", None).status_code == 401
    assert http.get("/user/v1/models").status_code == 401
    assert ask(http, "user", "small", BOB).status_code == 200
    refused(ask(http, "user", "big", BOB), "bob", "big")
    assert ask(http, "near", "big", None).status_code == 200
    assert listed(http, "near", None) == MODELS


def test_login_for_some_models(stack, http):
    """Anybody, but who wants what is big logs in: that is known late, and a wrong password is no login then either."""
    stack.gateway.expect("AH01617")
    for user in (None, BOB, ("bob", "wrong")):
        assert ask(http, "late", "small", user).status_code == 200
        r = http.get("/late/v1/models", auth=user)
        assert r.status_code == 200 and "www-authenticate" not in r.headers
        assert {m["id"] for m in r.json()["data"]} == (MODELS if user == BOB else MODELS - {"big", "bigger"}), user
        r = ask(http, "late", "bigger", user)
        if user == BOB:
            assert r.status_code == 200
        else:
            assert r.status_code == 401 and r.json()["error"]["code"] == "invalid_api_key" and r.headers["www-authenticate"].startswith("Basic")


def test_keys(stack, http, ring):
    """A key's own models, beside what the location says; through a real SDK."""
    kind = stack.gateway.mpm + ("-h2" if stack.gateway.http2 else "")
    key, free = ring.add(f"few-{kind}", models="small,bi*"), ring.add(f"free-{kind}")
    # often: both children have seen the file then
    env.wait_for(lambda: all(http.get("/key/v1/models", headers=keyring.bearer(k)).status_code == 200 for k in (key, free) * 20), 5, "keys")
    sdk = openai.OpenAI(base_url=stack.url + "/key/v1", api_key=key, max_retries=0, http_client=http)
    assert {m.id for m in sdk.models.list()} == {"small", "big", "bigger"}
    question = [{"role": "user", "content": "{}"}]
    assert sdk.chat.completions.create(model="big", messages=question).choices
    with pytest.raises(openai.PermissionDeniedError) as e:
        sdk.chat.completions.create(model="public", messages=question)
    assert e.value.code == "model_not_found" and "does not have access to model 'public'" in str(e.value)
    assert listed(http, "key", free) == MODELS and ask(http, "key", "public", free).status_code == 200
    assert {m["name"] for m in http.get("/key/api/tags", headers=keyring.bearer(key)).json()["models"]} == {"small", "big", "bigger"}
    # both conditions hold
    assert listed(http, "keytree", key) == {"small", "bigger"} and listed(http, "keytree", free) == MODELS - {"big"}
    for k in (key, free):
        assert ask(http, "keytree", "bigger", k).status_code == 200
        refused(ask(http, "keytree", "big", k), "-" + kind, "big")
    # cookies, passwords and keys in one location
    assert listed(http, "mixed", key) == {"small", "big", "bigger"}
    assert listed(http, "mixed", BOB) == MODELS


BAD = [
    ({"X-Dgon-Model": "smaller"}, "", {"model": "passer"}),
    ({"X-Dgon-Model": "smaller"}, "", {"Model": "passer"}),
    ({"X-Dgon-Model": "smaller"}, "?model=passer", None),
    ({}, "?model=smaller&model=passer", None),
    ({}, "?model=smaller&Model=passer", None),
    ({}, "?model=smaller", {"model": "smaller", "MODEL": "passer"}),
    ({"X-Dgon-Model": "smaller"}, "", '{"model": "passer"} x'),
    ({"X-Dgon-Model": "smaller"}, "", '{"model": "smaller", "model": "passer"}'),
    ({"X-Dgon-Model": "smaller", "Content-Type": "text/plain"}, "", '{"model": "passer"}'),
]


@pytest.mark.parametrize("headers, query, body", BAD)
def test_two_names(stack, http, headers, query, body):
    """What names one model to us and another to the backend goes nowhere."""
    before = len(stack.passer.seen("/open"))
    content = body if isinstance(body, str) else None
    r = http.post("/open/x" + query, headers=headers, auth=BOB, **({"content": content} if content else {"json": body} if body else {}))
    assert r.status_code == 400, r.text
    assert http.post("/open/x", headers={"X-Dgon-Model": "smaller"}, auth=BOB).status_code == 200
    before += 1
    assert len(stack.passer.seen("/open")) == before


@pytest.mark.parametrize("path", ["chat/completions", "responses", "messages"])
def test_two_members(http, path):
    body = {"model": "small", "Model": "big", "messages": [{"role": "user", "content": "{}"}], "input": "x", "max_tokens": 5}
    r = http.post(f"/any/v1/{path}", json=body, auth=BOB)
    assert r.status_code == 400 and "one model" in r.json()["error"]["message"]


def form(*models):
    fields = "".join(f'--b0und\r\nContent-Disposition: form-data; name="model"\r\n\r\n{m}\r\n' for m in models)
    file = '--b0und\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nxyz\r\n'
    first, *rest = fields.split("--b0und", 2)[1:] if len(models) > 1 else [fields[len("--b0und"):]]
    return (f"--b0und{first}" + file + "".join(f"--b0und{r}" for r in rest) + "--b0und--\r\n").encode()


def test_passed_on(stack, http):
    """Forms, paths that DgonPass opens, and requests that name no model: they need the right to all of them."""
    typed = {"Content-Type": "multipart/form-data; boundary=b0und"}
    to = "/any/v1/audio/transcriptions"
    refused(http.post(to, content=form("passer"), headers=typed, auth=BOB), "bob", "passer")
    assert http.post(to, content=form("passer"), headers=typed, auth=ALICE).status_code == 200
    assert http.post(to, content=form("smaller"), headers=typed, auth=BOB).status_code == 200
    for content, headers in ((form("smaller", "passer"), typed), (form("passer", "smaller"), typed), (b"model=passer", {"X-Dgon-Model": "smaller", "Content-Type": "application/x-www-form-urlencoded"}),
                             (form("passer"), typed | {"X-Dgon-Model": "smaller"}), (b"{}", {"X-Dgon-Model": "smaller", "Content-Encoding": "gzip"})):
        r = http.post(to, content=content, headers=headers, auth=BOB)
        assert r.status_code in (400, 415), r.text
    assert http.get("/open/x", auth=ALICE).status_code == 200
    assert http.get("/open/x", auth=ALICE, headers={"X-Dgon-Model": "passer"}).status_code == 200
    r = http.get("/open/x", auth=BOB)
    assert r.status_code == 403 and "X-Dgon-Model" in r.json()["error"]["message"]
    refused(http.get("/open/x", auth=BOB, headers={"X-Dgon-Model": "passer"}), "bob", "passer")
    r = http.get("/not/v1/moderations", auth=BOB)
    assert r.status_code == 405


HEADER, SMALLER = {"headers": {"X-Dgon-Model": "smaller"}}, {"json": {"model": "smaller"}}
ELSEWHERE = [  # what says `smaller` to us and may say `passer` to the backend
    ("models/passer", HEADER), ("models/passer?model=smaller", {}), ("models/passer", SMALLER), ("models/passer", SMALLER | HEADER), ("models%2Fpasser", HEADER),
    ("x?name=passer", HEADER), ("x", {"json": {"name": "passer"}, **HEADER}), ("x?model=smaller", {"json": {"name": "passer"}}),
    ("x?model=smaller", {"json": ["passer"]}), ("x", {"content": b"passer", **HEADER}), ("x?model=smaller", {"content": b"passer"}),
]


def test_model_elsewhere(stack, http, ring):
    """A path whose end is the client's, a query or a body without `model`: not for who may not use every model, and he is told why."""
    kind = stack.gateway.mpm + ("-h2" if stack.gateway.http2 else "")
    few, every = ring.add(f"pass-few-{kind}", models="smaller"), ring.add(f"pass-every-{kind}", models="*")
    time.sleep(1.1)

    def post(path, who, json=None, content=None, headers=()):
        auth, key = (None, keyring.bearer(who)) if isinstance(who, str) else (who, {})
        return http.post(path, auth=auth, json=json, content=content, headers={**key, **dict(headers)})

    for to, limited, free in (("/open/", BOB, ALICE), ("/ours/", few, every)):
        before = len(stack.passer.seen("/open"))
        for path, what in ELSEWHERE:
            r = post(to + path, limited, **what)
            assert r.status_code == 403 and r.json()["error"]["code"] == "model_not_found", (to, path, what, r.text)
            assert ("'model'" if path.startswith("x") else "this address") in r.json()["error"]["message"], (path, r.text)
        assert len(stack.passer.seen("/open")) == before
        for path, what in ELSEWHERE:
            assert post(to + path, free, **what).status_code == 200, (to, path, what)
        for path, what in (("x?model=smaller", {}), ("x?model=smaller&slot=1", {}), ("x", SMALLER), ("x?slot=1", SMALLER), ("x", HEADER)):
            assert post(to + path, limited, **what).status_code == 200, (to, path, what)
        assert len(stack.passer.seen("/open")) == before + len(ELSEWHERE) + 5
    for path in ("/open/%78", "/open//x"):  # to the letter, or it may be another one to the backend
        assert http.post(path, auth=BOB, **HEADER).status_code == 403
    assert "DGON0212" in stack.gateway.log.read_text()


def test_in_the_log(stack, http):
    """A refusal is one line, of level info, with user and model; the note is there for CustomLog."""
    refused(ask(http, "any", "bigger", BOB), "bob", "bigger")
    lines = [x for x in stack.gateway.log.read_text().splitlines() if "user bob may not use model bigger" in x]
    assert lines and all("DGON0211" in x and ":info]" in x for x in lines)
    assert "AH01631" not in stack.gateway.log.read_text()


@pytest.mark.parametrize("line, words", [
    ("Require dgon-model", "at least one"), ("Require dgon-model a,b", "blanks"), ('Require dgon-model "a b"', "blanks"),
    ("Require not dgon-model x", "negative"),
])
def test_wrong_lines(line, words):
    assert words in env.refusal("test_model_access-refused", f"<Location /v1>\n{line}\n</Location>")


def test_no_alias_of_it():
    said = env.refusal("test_model_access-refused", "<AuthzProviderAlias dgon-model some a>\n</AuthzProviderAlias>")
    assert "AuthzProviderAlias" in said


def test_unlimited_costs_nothing_new(stack, http):
    """Where no condition stands, odd bodies are what they were."""
    body = json.dumps({"model": "small", "Model": "big", "messages": [{"role": "user", "content": "{}"}]})
    assert http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}).status_code == 200
