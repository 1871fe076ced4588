"""What is going on: JSON, live, as a page, in mod_status; health; what administrators do by the socket and by HTTP."""

import asyncio
import contextlib
import html.parser
import json
import socket
import subprocess
import time

import httpx
import pytest

import client
import env
import logins

CONF = """LoadModule status_module {modules}/mod_status.so
<Location "/server-status">
    SetHandler server-status
</Location>
<Location "/forgotten">
    SetHandler dgon-admin
</Location>
"""
CTL = env.OBJ / "mod_dgon/ctl/dgonctl"


@pytest.fixture(scope="module", params=["event", "worker"])
def stack(request, make_stack):
    with logins.users_file() as users:
        yield make_stack(conf=CONF.format(modules=env.modules_dir()) + logins.basic(users, dgon_admin="/dgon/admin"), mpm=request.param, slots=4, threads=24)


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=10) as c:
        yield c


def ctl(stack, *args, code=0, **more):
    run = subprocess.run([CTL, "--socket", stack.gateway.dir / "admin.sock", *args], capture_output=True, text=True, timeout=20, env=env.environment(**env.sanitizer()), **more)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run.stdout if code == 0 else run.stderr


@contextlib.contextmanager
def streams(stack, n, **plan):
    """n streams that have begun."""
    async def one():
        async with client.Connection(stack.url) as c:
            c.send("POST", "/v1/chat/completions", client.question(**plan))
            await c.receive()

    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(one()) for _ in range(n)]
    loop.run_until_complete(asyncio.sleep(0.4))
    try:
        yield
    finally:
        for t in tasks:
            t.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


def test_status(stack, http):
    r = http.get("/cluster/status")
    assert r.status_code == 200 and r.headers["content-type"] == "application/json" and r.headers["cache-control"] == "no-store"
    told = r.json()
    assert told["type"] == "cluster_status"
    data = told["data"]
    agent = data["agents"][0]
    assert agent["id"] == "agent-1" and agent["state"] == "up" and agent["slots"] == 4 and agent["address"] == "127.0.0.1"
    assert agent["version"] and agent["os"] == "linux" and abs(agent["since"] - time.time()) < 600 and agent["links"] >= 1
    assert [m["id"] for m in agent["models"]] == ["fault"] and [m["id"] for m in data["models"]] == ["fault"]
    assert data["slots"] == {"total": 4, "busy": 0} and data["gateway"]["children"] == 2
    assert http.head("/cluster/status").headers["content-length"] == str(len(r.content))
    assert http.post("/cluster/status").status_code == 405
    names = http.get("/model/list").json()
    assert names["type"] == "model_list" and [m["name"] for m in names["data"]] == ["fault"]


def test_busy_and_jobs(stack, http):
    with streams(stack, 6, tokens=1000, gap=0.02):
        data = http.get("/cluster/status").json()["data"]
        assert data["slots"] == {"total": 4, "busy": 4} and data["models"][0]["queued"] == 2 and data["jobs"]["queued"] == 2
        assert data["agents"][0]["busy"] == 4
        jobs = json.loads(ctl(stack, "--json", "jobs"))["jobs"]
        assert sorted(j["state"] for j in jobs) == ["queued"] * 2 + ["running"] * 4
        assert all(j["model"] == "fault" and j["operation"] == "chat" and j["stream"] for j in jobs)
    env.wait_for(lambda: http.get("/cluster/status").json()["data"]["slots"]["busy"] == 0, what="free slots")


@pytest.mark.parametrize("events", [True, False])
def test_live(stack, events):
    """An object at once, another when something changes."""
    kind = "text/event-stream" if events else "application/x-ndjson"
    env.wait_for(lambda: json.loads(ctl(stack, "--json", "status"))["slots"]["busy"] == 0, what="free slots")
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=10) as c:
        with c.stream("GET", "/cluster/status" + ("?stream=1" if events else ""), headers={} if events else {"Accept": kind}) as r:
            assert r.status_code == 200 and r.headers["content-type"].startswith(kind)
            lines = (json.loads(line.removeprefix("data: ")) for line in r.iter_lines() if line)
            first = [next(lines)["data"]["slots"]["busy"]]
            while first[-1] != 0:  # what all who watch are shown may be a second old
                assert len(first) < 3
                first.append(next(lines)["data"]["slots"]["busy"])
            with streams(stack, 1, tokens=1000, gap=0.02):
                begin = time.monotonic()
                while next(lines)["data"]["slots"]["busy"] != 1:
                    assert time.monotonic() - begin < 5
        r.close()
    stack.gateway.check_log()


def test_live_ends_with_the_gateway(make_stack):
    s = make_stack(conf="DgonDrainTimeout 20s\n")
    with httpx.stream("GET", s.url + "/cluster/status?stream=1", trust_env=False, timeout=10) as r:
        lines = r.iter_lines()
        next(lines)
        begin = time.monotonic()
        s.gateway.graceful()
        for _ in lines:
            pass  # a good end
    assert time.monotonic() - begin < 5


def test_many_watch(stack):
    """Each is told the same; those beyond the limit are told so."""
    if stack.gateway.mpm != "event":
        return  # there each holds a thread

    async def run():
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=20, limits=httpx.Limits(max_connections=None)) as c:
            async def one():
                async with c.stream("GET", "/cluster/status?stream=1") as r:
                    if r.status_code != 200:
                        assert r.status_code == 503 and "retry-after" in r.headers
                        return 0
                    async for line in r.aiter_lines():
                        return line.startswith("data: ")

            return sum(await asyncio.gather(*(one() for _ in range(300))))

    assert asyncio.run(run()) > 200


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page(stack, http):
    r = http.get("/dgon/status?refresh=5")
    page = Page(r.text)
    assert r.headers["content-type"] == "text/html; charset=utf-8" and "agent-1" in r.text and "fault" in r.text
    assert ("meta", {"http-equiv": "refresh", "content": "5"}) in page.tags and not any(t in ("script", "img", "link") for t, _ in page.tags)
    assert "default-src 'none'" in r.headers["content-security-policy"]
    assert "refresh" not in http.get('/dgon/status?refresh=0"><script>').text
    assert http.get("/dgon/status", headers={"Accept": "application/json"}).json()["type"] == "cluster_status"


def test_mod_status(stack, http):
    auto = dict(line.split(": ", 1) for line in http.get("/server-status?auto").text.splitlines() if line.startswith("Dgon"))
    assert auto["DgonAgents"] == "1" and auto["DgonSlots"] == "4" and int(auto["DgonJobs"]) >= int(auto["DgonJobsOk"]) >= 0
    assert "1 agents with 4 slots" in http.get("/server-status").text


def test_health(make_stack):
    s = make_stack()
    assert httpx.get(s.url + "/healthz", trust_env=False).text == "ok\n"
    assert httpx.get(s.url + "/readyz", trust_env=False).status_code == 200
    s.agent.stop()
    r = env.wait_for(lambda: (r := httpx.get(s.url + "/readyz", trust_env=False)).status_code == 503 and r, what="not ready")
    assert r.headers["retry-after"] and httpx.get(s.url + "/healthz", trust_env=False).status_code == 200


def test_drain(make_stack):
    """An agent that is held gets nothing new, whatever it does; what runs goes on."""
    s = make_stack(slots=2)
    with streams(s, 1, tokens=60, gap=0.02, label="runs"):
        ctl(s, "drain", "agent-1")
        begin = time.monotonic()
        waiting = asyncio.new_event_loop()
        task = waiting.create_task(client.ask(s.url, tokens=2, label="waits"))
        waiting.run_until_complete(asyncio.sleep(0.5))
        assert not s.backend.requests("waits") and not task.done()
        assert json.loads(ctl(s, "--json", "status"))["agents"][0]["state"] == "held"
        assert "held" in ctl(s, "agents")
        s.agent.stop()
        assert json.loads(ctl(s, "--json", "status"))["agents"][0]["state"] == "away"
        s.agent.start("fault")
        waiting.run_until_complete(asyncio.sleep(0.5))
        assert not s.backend.requests("waits")
        ctl(s, "undrain", "agent-1")
        waiting.run_until_complete(task)
        task.result().check_done(2)
        assert time.monotonic() - begin > 1
        waiting.close()
    assert "no agent" in ctl(s, "drain", "nobody", code=4)


@pytest.mark.parametrize("queued", [False, True])
def test_cancel(make_stack, queued):
    """Its client is told, in an event or as a status, and the backend stops."""
    s = make_stack(slots=1)

    async def run():
        first = asyncio.create_task(client.ask(s.url, tokens=500, gap=0.02, label="first"))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(client.ask(s.url, tokens=2, stream=True, label="second"))
        await asyncio.sleep(0.3)
        jobs = json.loads(await asyncio.to_thread(ctl, s, "--json", "jobs"))["jobs"]
        job = next(j for j in jobs if j["state"] == ("queued" if queued else "running"))
        begin = time.monotonic()
        await asyncio.to_thread(ctl, s, "cancel", job["id"])
        ended = await (second if queued else first)
        assert ended.ended - begin < 1
        if queued:
            assert client.check_error(ended, 503, "cancelled") and ended.headers["x-should-retry"] == "false"
            first.cancel()
        else:
            assert ended.status == 200 and ended.outcome == "error" and ended.error["code"] == "cancelled"
            (await second).check_done(2)

    asyncio.run(run())
    if not queued:
        env.wait_for(lambda: all(r["aborted"] for r in s.backend.requests("first")), what="cancel at the backend")
    assert "no such job" in ctl(s, "cancel", "chatcmpl-" + "0" * 32, code=4)


def test_admin_by_http(stack, http):
    ask = {"do": "status"}
    stack.gateway.expect("AH01617")  # wrong password
    assert http.post("/dgon/admin", json=ask).status_code == 401
    r = http.post("/forgotten", json=ask)
    assert r.status_code == 403 and "AuthType" in r.json()["error"]["message"]
    assert http.post("/dgon/admin", json=ask, auth=("root", "wrong")).status_code == 401
    good = {"auth": logins.USER}
    assert http.post("/dgon/admin", json=ask, **good).json()["agents"][0]["id"] == "agent-1"
    assert http.post("/dgon/admin", content=json.dumps(ask), **good).status_code == 415
    assert http.get("/dgon/admin", **good).status_code == 405
    for bad, status in (({"do": "nothing"}, 400), ({}, 400), ({"do": "drain"}, 400), ({"do": "drain", "agent": "x y"}, 400), ({"do": "drain", "agent": "nobody"}, 404),
                        ({"do": "cancel", "job": "zz"}, 400), ({"do": "cancel", "job": "chatcmpl-" + "1" * 32}, 404), ({"do": "x" * 5000}, 413)):
        r = http.post("/dgon/admin", json=bad, **good)
        assert r.status_code == status and r.json()["error"]["message"], (bad, r.text)
    netrc = logins.netrc(stack.gateway.dir)
    run = subprocess.run([CTL, "--url", stack.url + "/dgon/admin", "--json", "status"], capture_output=True, text=True, env=env.environment(**env.sanitizer(), NETRC=str(netrc)))
    assert run.returncode == 0 and json.loads(run.stdout)["agents"][0]["id"] == "agent-1", run
    netrc.unlink()


def test_socket(stack):
    path = stack.gateway.dir / "admin.sock"
    assert path.stat().st_mode & 0o777 == 0o600

    def ask(raw):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(8)
            s.connect(str(path))
            s.sendall(raw)
            try:
                return s.makefile("rb").read()
            except ConnectionResetError:  # closed before all of it was read
                return b""

    for raw in (b"\n", b"{\n", b"[]\n", b'{"do": 5}\n', b"\0\n", b'{"do": "status", "do": "x"}\n'):
        assert json.loads(ask(raw))["error"]["message"], raw
    assert ask(b"x" * 5000) == b""
    assert json.loads(ask(b'{"do": "status"}\nmore'))["agents"]
    with socket.socket(socket.AF_UNIX) as s:  # who says nothing holds up others for two seconds at most
        s.connect(str(path))
        begin = time.monotonic()
        assert json.loads(ask(b'{"do": "jobs"}\n')) == {"jobs": []}
        assert time.monotonic() - begin < 3


def reload(gateway, path):
    """Returns when the next generation's socket is there."""
    gateway.models()  # it listens before all of it has started
    first = path.stat()
    gateway.graceful()
    env.wait_for(lambda: path.exists() and (path.stat().st_ino, path.stat().st_mtime_ns) != (first.st_ino, first.st_mtime_ns), what="socket of the next generation")


def test_socket_is_open_once_it_is_there():
    """Who finds it is never refused, though httpd were held up between bind and listen."""
    late = env.RUNS / "late_listen.so"
    late.parent.mkdir(parents=True, exist_ok=True)
    code = "#include <sys/syscall.h>\n#include <unistd.h>\nint listen(int fd, int n) { usleep(300000); return (int)syscall(SYS_listen, fd, n); }\n"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-x", "c", "-", "-o", late], input=code, text=True, check=True)
    gateway = env.Gateway("test_status-open", wrapper=["sh", "-c", f'LD_PRELOAD="$LD_PRELOAD {late}" exec "$0" "$@"']).start()
    path = gateway.dir / "admin.sock"
    try:
        reload(gateway, path)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
        gateway.models()
    finally:
        gateway.stop()
    assert not path.with_name("admin.sock.new").exists()


@pytest.mark.parametrize("successor", (False, True))
def test_socket_goes_with_its_httpd(successor):
    """But not that of another httpd, which may have been started while this one ends gracefully."""
    gateway = env.Gateway("test_status-socket").start()
    path = gateway.dir / "admin.sock"
    try:
        reload(gateway, path)
        assert subprocess.run([CTL, "--socket", path, "status"], capture_output=True, env=env.environment(**env.sanitizer())).returncode == 0
        if successor:
            path.unlink()
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(str(path))
    finally:
        gateway.stop()
    assert path.exists() == successor


def test_ctl(stack):
    text = ctl(stack, "status")
    assert "agent-1" in text and "fault" in text
    assert "fault" in ctl(stack, "models") and "agent-1" in ctl(stack, "agents")
    assert "no gateway" in subprocess.run([CTL, "--socket", "/nowhere", "status"], capture_output=True, text=True).stderr
    assert subprocess.run([CTL, "--socket", "/nowhere", "status"], capture_output=True).returncode == 3
    for args in ([], ["nothing"], ["drain"], ["cancel"], ["status", "more"], ["--nothing"]):
        assert subprocess.run([CTL, *args], capture_output=True).returncode == 2, args
    top = ctl(stack, "top", "--once")
    assert "agent-1" in top


def test_access_log(make_stack):
    names = "model agent op stream queue-ms first-ms total-ms tokens-in tokens-out tokens-per-second finish error retries".split()
    line = " ".join(f"{n}=%{{dgon-{n}}}n" for n in names) + " %{DGON_MODEL}e"
    place = env.RUNS / "test_status-log"
    place.mkdir(parents=True, exist_ok=True)
    log = place / "dgon.log"
    log.unlink(missing_ok=True)
    s = make_stack(conf=f'LogFormat "{line}" dgon\nCustomLog "{log}" dgon "expr=-n note(\'dgon-op\')"\n', slots=1)

    def last(n):
        lines = env.wait_for(lambda: len(t := log.read_text().splitlines()) >= n and t, what=f"{n} lines")
        return dict(w.split("=", 1) for w in lines[n - 1].split()[:-1]), lines[n - 1].split()[-1]

    async def two():
        long = asyncio.create_task(client.ask(s.url, tokens=11, gap=0.02, think=1))
        await asyncio.sleep(0.05)  # it has the one slot now
        return [await client.ask(s.url, tokens=3), await long]

    for a in asyncio.run(two()):
        assert a.status == 200
    one, model = last(1)
    other, _ = last(2)
    assert model == "fault" == one["model"] and one["agent"] == "agent-1" and one["op"] == "chat" and one["stream"] == "1"
    assert one["finish"] == "stop" and one["error"] == "-" and one["retries"] == "-" and int(one["tokens-out"]) in (3, 11)
    assert max(float(one["queue-ms"]), float(other["queue-ms"])) > 100 > min(float(one["queue-ms"]), float(other["queue-ms"]))
    assert all(float(x["queue-ms"]) <= float(x["first-ms"]) <= float(x["total-ms"]) for x in (one, other))
    long = one if one["tokens-out"] == "11" else other
    assert 20 < float(long["tokens-per-second"]) < 60
    asyncio.run(client.ask(s.url, model="nobody"))
    bad, model = last(3)
    assert bad["error"] == "model_not_found" and bad["model"] == "-" == model
    asyncio.run(client.ask(s.url, status=500, answer="{}"))
    failed, _ = last(4)
    assert failed["error"] == "upstream_error" and failed["agent"] == "agent-1" and failed["tokens-out"] == "-"


def test_nothing_of_a_request_is_shown(make_stack):
    s = make_stack(loglevel="info dgon:trace8")
    secret = "s3cretcanary"
    asyncio.run(client.ask(s.url, tokens=2, more={"user": secret, "metadata": {"a": secret}}))
    asyncio.run(client.ask(s.url, model=secret))
    for path in ("/metrics", "/cluster/status", "/dgon/status"):
        assert secret not in httpx.get(s.url + path, trust_env=False).text
    assert secret not in ctl(s, "--json", "jobs")
    for log in (s.gateway.log, s.gateway.dir / "access.log", s.agent.log):
        assert secret not in log.read_text()
