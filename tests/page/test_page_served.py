"""How the page is served: headers, caches, compression, prefixes, size. What is served is what was built, file by file."""

import gzip
import re

import pytest

import env
import logins

FIRST_LOAD = 120 * 1024
POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data: blob:", "connect-src": "'self'", "font-src": "'self'",
    "manifest-src": "'self'", "media-src": "'self' blob:", "worker-src": "'self'", "base-uri": "'none'", "form-action": "'self'",
    "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "dompurify"}
TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "png": "image/png",
         "json": "application/json", "webmanifest": "application/manifest+json"}
TEXT = ("html", "js", "css", "svg", "json", "webmanifest")
FILES = sorted(str(f.relative_to(env.PAGE)) for f in env.PAGE.rglob("*") if f.is_file())
CONF = """
{modules}Alias /team/chat/config.json "{etc}/page.json"
<Location "/team/chat/config.json">
    ForceType application/json
    Header set Cache-Control no-cache
    Require all granted
</Location>
Alias /team/chat "@HTDOCS@"
Alias /private "@HTDOCS@"
Define DGON_PAGE "@HTDOCS@"
Include "{top}/conf/page.conf"
<Location "/team/chat/v1">
    SetHandler dgon-api
</Location>
<Location "/private">
    AuthType Basic
    AuthName page
    AuthUserFile "{etc}/users"
    Require valid-user
</Location>
"""


@pytest.fixture(scope="module")
def stack(make_stack):
    with logins.users_file(("ada", "secret")) as users:
        (users.parent / "page.json").write_text('{"title": "A title of our own"}')
        modules = logins.modules("authn_file", "authz_user", "auth_basic", "brotli")
        yield make_stack(conf=CONF.format(modules=modules, etc=users.parent, top=env.TOP))


def cache_of(answer):
    return answer.headers["cache-control"]


def test_there_is_something(stack):
    assert {"index.html", "manifest.webmanifest", "icon.svg"} <= set(FILES)
    assert any(f.startswith("assets/") and f.endswith(".js") for f in FILES)
    assert {f.rpartition(".")[2] for f in FILES} <= set(TYPES), "conf/page.conf has no type, and so no headers, for one of these"


@pytest.mark.parametrize("file", FILES)
def test_headers(http, file):
    answer = http.get("/" + file)
    assert answer.status_code == 200 and answer.content == (env.PAGE / file).read_bytes()
    kind = file.rpartition(".")[2]
    assert answer.headers["content-type"] == TYPES[kind]
    policy = dict(d.strip().split(" ", 1) for d in answer.headers["content-security-policy"].split(";"))
    assert policy == POLICY
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    features = dict(f.strip().split("=", 1) for f in answer.headers["permissions-policy"].split(","))
    assert features["clipboard-write"] == "(self)" and features["camera"] == features["microphone"] == features["geolocation"] == "()"
    if file.startswith("assets/"):
        assert re.search(r"-[\w-]{8}\.\w+$", file), "a name without a hash"
        assert cache_of(answer) == "public, max-age=31536000, immutable"
    else:
        assert cache_of(answer) == "no-cache"


def test_the_root_is_the_page(http):
    answer = http.get("/")
    assert answer.content == (env.PAGE / "index.html").read_bytes()
    assert cache_of(answer) == "no-cache" and "content-security-policy" in answer.headers


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
def test_asked_again(http, coding):
    """304 while index.html is the same; the compressed ones have an ETag with another end."""
    first = http.get("/", headers={"Accept-Encoding": coding})
    assert first.status_code == 200 and first.headers.get("content-encoding", "identity") == coding
    again = {"Accept-Encoding": coding, "If-None-Match": first.headers["etag"]}
    answer = http.get("/", headers=again)
    assert answer.status_code == 304 and not answer.content and cache_of(answer) == "no-cache"
    assert http.get("/", headers={**again, "If-None-Match": first.headers["etag"].replace('"', '"0', 1)}).status_code == 200


@pytest.mark.parametrize("file", [f for f in FILES if f.rpartition(".")[2] in TEXT])
def test_compressed(http, file):
    for coding in ("gzip", "br"):
        with http.stream("GET", "/" + file, headers={"Accept-Encoding": coding}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == coding and "accept-encoding" in answer.headers["vary"].lower()
        if coding == "gzip":
            assert gzip.decompress(raw) == (env.PAGE / file).read_bytes()


def test_what_is_not_the_page(stack, http):
    """The API's answers have none of its headers and are never compressed."""
    accept = {"Accept-Encoding": "gzip, br"}
    question = {"model": "fault", "messages": [{"role": "user", "content": '{"tokens": 3}'}]}
    for prefix in ("", "/team/chat"):
        whole = http.post(prefix + "/v1/chat/completions", json=question, headers=accept)
        streamed = http.post(prefix + "/v1/chat/completions", json={**question, "stream": True}, headers=accept)
        assert streamed.text.endswith("data: [DONE]\n\n")
        for answer in (whole, streamed, http.get(prefix + "/v1/models", headers=accept)):
            assert answer.status_code == 200
            assert not {"content-encoding", "content-security-policy", "etag"} & set(answer.headers), answer.headers
    assert http.get("/no/such/page").status_code == 404


def test_an_asset_that_is_gone(http):
    """Of the version before: nobody may remember for a year that it is not there."""
    answer = http.get("/assets/index-00000000.js")
    assert answer.status_code == 404 and "immutable" not in answer.headers.get("cache-control", "")
    assert http.get("/assets/").status_code in (403, 404)


def test_behind_a_login(http):
    """Only the browser's own cache keeps what needed a login."""
    asset = next(f for f in FILES if f.startswith("assets/"))
    assert http.get(f"/private/{asset}").status_code == 401
    answer = http.get(f"/private/{asset}", auth=("ada", "secret"))
    assert cache_of(answer) == "private, max-age=31536000, immutable"
    assert cache_of(http.get("/private/", auth=("ada", "secret"))) == "no-cache"


def test_config_from_elsewhere(http):
    answer = http.get("/team/chat/config.json")
    assert answer.json() == {"title": "A title of our own"} and answer.headers["content-type"] == "application/json" and cache_of(answer) == "no-cache"
    assert http.get("/config.json").status_code == 404


@pytest.mark.parametrize("path", ["/", "/team/chat/"])
def test_it_runs(stack, visit, path):
    """At the root and below a prefix: all that it asks for is below its own address."""
    v = visit(stack.url, path, wait="networkidle")
    assert v.page.locator("#app").inner_text().strip()
    assert len(v.watch.requests) >= 2 and [u for u in v.watch.requests if not u.startswith(stack.url + path)] == []


def test_without_the_slash(stack, visit):
    v = visit(stack.url, "/team/chat")
    assert v.page.url == stack.url + "/team/chat/"


def test_first_load(stack, visit):
    v = visit(stack.url, wait="networkidle")
    files = {f for f in FILES if f"{stack.url}/{f}" in v.watch.requests} | {"index.html"}
    sizes = {f: len(gzip.compress((env.PAGE / f).read_bytes(), 9)) for f in files}
    print(f"first load: {sum(sizes.values())} bytes", sizes)
    assert len(files) >= 2 and sum(sizes.values()) <= FIRST_LOAD, sizes


def test_nothing_inline():
    """The policy would refuse it; and a style in a file of its own is what makes the policy possible."""
    pages = [f for f in FILES if f.endswith((".html", ".svg"))]
    for f in pages:
        text = (env.PAGE / f).read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+\s*=|javascript:", text, re.I), f
        assert not re.search(r"<script(?![^>]*\ssrc=)", text, re.I), f
        assert not re.search(r"""(src|href)=["'](https?:)?//""", text), f
    assert "index.html" in pages


def test_the_policy_holds(stack, visit):
    """What a hostile answer would try, tried by the test: each is refused and reported."""
    v = visit(stack.url)
    v.watch.expect("request to another host: https://elsewhere.example.org/", "violation: (script-src|style-src|img-src|connect-src|require-trusted-types)", "console error: .*(Content Security|Trusted|Connecting)")
    v.page.evaluate("""async () => {
        const add = (name, set) => document.body.append(Object.assign(document.createElement(name), set));
        const text = document.createElement("style");
        text.append("body { color: red }");
        document.body.append(text);
        add("img", {src: "https://elsewhere.example.org/seen.png"});
        try { document.body.innerHTML = "<b>not sanitized</b>"; } catch {}
        try { add("script", {src: "https://elsewhere.example.org/x.js"}); } catch {}
        try { await fetch("https://elsewhere.example.org/"); } catch {}
    }""")
    with pytest.raises(AssertionError):
        v.axe()  # the empty picture has no text: the check can fail
    found = {n.split()[1] for n in v.watch.notes if n.startswith("violation")}
    assert {"style-src-elem", "img-src", "connect-src", "require-trusted-types-for"} <= found, v.watch.notes
