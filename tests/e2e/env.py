"""Private servers for the tests: an httpd with mod_dgon, agents, backends. Ports come from the kernel; the error
log is an assertion; no process of ours may be left."""

import asyncio
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
OBJ = pathlib.Path(os.environ.get("DGON_OBJ", TOP / "build" / "obj"))
CACHE = pathlib.Path(os.environ.get("DGON_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "mod_dgon")
RUNS = TOP / "build" / "e2e"
PAGE = TOP / "htdocs" / "dist"
MODULE = OBJ / "mod_dgon" / ".libs" / "mod_dgon.so"
AGENT = next((p for p in (OBJ / "agent/.libs/dgon-agent", OBJ / "agent/dgon-agent") if p.exists()), OBJ / "agent/dgon-agent")
TOKEN = "0123456789abcdef0123456789abcdef"
MARK = f"DGON_E2E={os.getpid()}"
SANITIZED = "-fsanitize=address" in (OBJ / "config.status").read_text() if (OBJ / "config.status").exists() else False

# A killed process is news to httpd; nothing else at this level is expected of a test that did not say so.
BAD_LINE = re.compile(r"\[(?:\w+:)?(?:warn|error|crit|alert|emerg)\]|exit signal|AddressSanitizer|runtime error")
# Of the machine, not ours: the distribution has built mod_ssl with a newer libssl than is installed.
MACHINE_LINE = re.compile(r"AH01882: ")


def wait_for(check, seconds=10, what="condition", step=0.02):
    """The first true value of check()."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s: no {what}")
        time.sleep(step)


@contextlib.contextmanager
def free_port():
    """A port nobody has; whoever takes it must listen before the block ends, so that no other test gets it too."""
    with open(pathlib.Path(tempfile.gettempdir()) / f"dgon-ports-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        yield port


def listening(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def environment(**more):
    env = {**os.environ, **more}
    name, _, value = MARK.partition("=")
    env[name] = value
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        env.pop(proxy, None)
    return env


def ours():
    """Processes of this test run that are alive."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if MARK.encode() in (entry / "environ").read_bytes().split(b"\0") and state(int(entry.name)) != "Z":
                found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
    return found


def state(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def alive(pid):
    return state(pid) not in (None, "Z")


def stop_still(pid):
    """SIGSTOP, and until every thread stands: one on its way there may still accept a connection."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(state(f"{pid}/task/{t}") == "T" for t in os.listdir(f"/proc/{pid}/task")), what="standstill", step=0.001)


def children(pid):
    try:
        return [int(p) for t in pathlib.Path(f"/proc/{pid}/task").iterdir() for p in (t / "children").read_text().split()]
    except OSError:
        return []


def open_fds(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def sockets(pid):
    """inode: (local port, remote port) of the TCP sockets that a process has open over IPv4."""
    inodes = set()
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                name = os.readlink(f"/proc/{pid}/fd/{fd}")
                if name.startswith("socket:["):
                    inodes.add(name[8:-1])
    found = {}
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        part = line.split()
        if part[9] in inodes:
            found[part[9]] = tuple(int(part[i].rpartition(":")[2], 16) for i in (1, 2))
    return found


def stop_process(process, name, seconds=8):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{name} did not end within {seconds} s after SIGTERM") from None


def sanitizer():
    """What a program needs in its environment that loads a sanitized module."""
    if not SANITIZED:
        return {}
    lib = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    return {"LD_PRELOAD": lib, "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1"}


def find_httpd():
    path = os.environ["PATH"] + ":/usr/sbin"
    return shutil.which("apache2", path=path) or shutil.which("httpd", path=path)


def modules_dir():
    return subprocess.run(["apxs", "-q", "LIBEXECDIR"], check=True, capture_output=True, text=True).stdout.strip()


class Gateway:
    """httpd with the module. `conf` goes to the end of the configuration, `expect` names error log lines that may occur."""

    def __init__(self, name, mpm="event", children=2, threads=16, tls=False, http2=False, conf="", loglevel="notice", module=MODULE,
                 wrapper=(), single=False):
        """wrapper: what runs httpd and the agents, valgrind say; single: httpd -X, one process that is its own child."""
        RUNS.mkdir(parents=True, exist_ok=True)
        self.dir = RUNS / name
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        self.mpm, self.n_children, self.threads = mpm, children, threads
        self.tls, self.http2, self.conf, self.loglevel, self.module = tls, http2, conf, loglevel, module
        self.wrapper, self.single = wrapper, single
        self.expected = []
        self.read_to = 0
        self.process = None
        if mpm != "event":
            self.expect("DGON0011")
        if tls:
            self.expect("AH01906")  # its certificate is its own CA
        if http2:
            self.expect("DGON0014")

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.dir / "error.log"

    def _write(self, port):
        user, htdocs = "", PAGE
        assert (htdocs / "index.html").exists(), "the page is not built: ./build.sh page"
        if os.getuid() == 0:
            user = "User www-data\nGroup www-data"
            self.public = tempfile.mkdtemp(prefix="dgon-e2e-")
            shutil.copytree(htdocs, self.public, dirs_exist_ok=True)
            subprocess.run(["chmod", "-R", "a+rX", self.public], check=True)
            htdocs = self.public
        workers = self.n_children * self.threads
        values = {
            "DIR": self.dir, "PORT": port, "USER": user, "MPM": self.mpm, "MODULES": modules_dir(), "DGON": f'"{self.module}"',
            "CHILDREN": self.n_children, "THREADS": self.threads, "WORKERS": workers, "LOGLEVEL": self.loglevel,
            "SERVER_LIMIT": self.n_children * 8 + 8, "H2_WORKERS": self.threads * 4, "HTDOCS": htdocs, "CONF": TOP / "conf",
            "EXTRA": self.conf.replace("@HTDOCS@", str(htdocs)),
        }
        text = (TOP / "conf/run/httpd.conf.in").read_text()
        (self.dir / "httpd.conf").write_text(re.sub("@([A-Z0-9_]+)@", lambda m: str(values[m[1]]), text))
        (self.dir / "gateway.token").write_text(TOKEN + "\n")
        (self.dir / "gateway.token").chmod(0o600)
        if self.tls:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", self.dir / "tls.key", "-out", self.dir / "tls.crt"], check=True, capture_output=True)

    def start(self):
        with free_port() as port:
            self.port = port
            self._write(port)
            switches = [f"-D{d}" for d, on in (("DGON_TLS", self.tls), ("DGON_HTTP2", self.http2)) if on]
            self.process = subprocess.Popen(
                [*self.wrapper, find_httpd(), "-X" if self.single else "-DFOREGROUND", "-f", self.dir / "httpd.conf", *switches], env=environment(**sanitizer()),
                stdin=subprocess.DEVNULL, stdout=(self.dir / "httpd.out").open("w"), stderr=subprocess.STDOUT,
                start_new_session=True)  # worker and prefork end by a signal to their whole process group, which must not be ours
            try:
                wait_for(lambda: self.process.poll() is not None or listening(port), 20, "listening httpd")
                assert self.process.poll() is None, "httpd did not start"
            except AssertionError:
                print((self.dir / "httpd.out").read_text(), self.log.read_text() if self.log.exists() else "")
                raise
        return self

    @property
    def pid(self):
        return self.process.pid

    def worker_pids(self):
        return children(self.pid)

    def graceful(self):
        os.kill(self.pid, signal.SIGUSR1)

    def restart(self):
        """At once. mpm_event closes the sockets under its workers' hands: one that has just ended a request says so."""
        self.expect("AH0309[23]: .*apr_pollset_add failure")
        os.kill(self.pid, signal.SIGHUP)

    def expect(self, pattern):
        """Error log lines with this regular expression are no fault from now on."""
        self.expected.append(re.compile(pattern))

    def check_log(self):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines, self.read_to = text[self.read_to:].splitlines(), len(text)
        bad = [l for l in lines if BAD_LINE.search(l) and not MACHINE_LINE.search(l) and not any(p.search(l) for p in self.expected)]
        assert not bad, "unexpected in the error log:\n" + "\n".join(bad[:20])

    def stop(self):
        if self.process is None:
            return
        pids = self.worker_pids()
        stop_process(self.process, "httpd", 15)
        self.process = None
        with contextlib.suppress(AttributeError):
            shutil.rmtree(self.public, ignore_errors=True)
        wait_for(lambda: not any(alive(p) for p in pids), 5, "end of httpd's children")
        self.check_log()

    def get(self, path):
        context = ssl._create_unverified_context() if self.tls else None
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)).open(self.url + path, timeout=5) as r:
            return json.load(r)

    def models(self):
        try:
            return [m["id"] for m in self.get("/v1/models")["data"]]
        except (OSError, urllib.error.URLError, ValueError):
            return []

    def offers(self, models, agents=1):
        """Whether so many agents have each of these models."""
        has = {m["id"]: m["dgon"]["agents"] for m in self.get("/v1/models")["data"]}
        return all(has.get(m, 0) >= agents for m in models)


def other_build(code):
    """A module's bytes as those of another build: its version, from which the id of the segment's users is made, reads otherwise."""
    version = re.search(r"^AC_INIT\(\[mod_dgon\], \[(.*)\]\)", (TOP / "configure.ac").read_text(), re.M)[1].encode() + b"\0"
    assert version in code
    return code.replace(version, b"9" * (len(version) - 1) + b"\0")


def refusal(name, conf):
    """What httpd says at start about these lines, which it must not take."""
    gateway = Gateway(name, conf=conf + "\n")
    with free_port() as port:
        gateway._write(port)
    out = subprocess.run([find_httpd(), "-t", "-f", gateway.dir / "httpd.conf"], capture_output=True, text=True, env=environment(**sanitizer()))
    assert out.returncode != 0 and "line" in out.stderr, out
    return out.stderr


class Agent:
    def __init__(self, gateway, backend, id="agent-1", slots=64, kind="openai", more="", drain=5, links=4, level="info"):
        self.gateway, self.id = gateway, id
        self.log = gateway.dir / f"{id}.log"
        conf = gateway.dir / f"{id}.conf"
        token = gateway.dir / "agent.token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        scheme = "wss" if gateway.tls else "ws"
        conf.write_text(
            f"[gateway]\nurl = {scheme}://127.0.0.1:{gateway.port}/dgon/agent\ntoken_file = {token}\n"
            + (f"ca_file = {gateway.dir}/tls.crt\n" if gateway.tls else "")
            + f"[agent]\nid = {id}\nslots = {slots}\ndrain = {drain}\nmodels_interval = 1\nlinks = {links}\n"
            + (f'[backend "main"]\nkind = {kind}\n' + ("" if kind == "echo" else f"url = {backend}\n") + more)
            + f"[log]\nlevel = {level}\nlog_file = {self.log}\n")
        self.conf = conf
        self.process = None

    def start(self, model=None):
        """With `model`, returns once the gateway offers it."""
        self.process = subprocess.Popen(
            [*self.gateway.wrapper, AGENT, "--config", self.conf], env=environment(), stdin=subprocess.DEVNULL,
            stdout=(self.gateway.dir / f"{self.id}.out").open("a"), stderr=subprocess.STDOUT)
        if model:
            try:
                wait_for(lambda: model in self.gateway.models() or self.process.poll() is not None, 10, f"model {model} from {self.id}")
                assert self.process.poll() is None, f"{self.id} ended"
            except AssertionError:
                print((self.gateway.dir / f"{self.id}.out").read_text(), self.log.read_text() if self.log.exists() else "")
                raise
        return self

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        self.process.wait()

    def stop(self):
        if self.process is not None:
            stop_process(self.process, self.id, 12)
            self.process = None


class Backend:
    """fault_backend.py as a process of its own."""

    def __init__(self, ollama=False, models="fault"):
        self.args = ["--models", models] + (["--ollama"] if ollama else [])
        self.kind = "ollama" if ollama else "openai"

    def start(self, port=0):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "fault_backend.py", "--port", str(port), *self.args],
            env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def _call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(self.url + path, data), timeout=20) as r:
            return json.load(r)

    def requests(self, label=None):
        return [r for r in self._call("/control/requests") if label is None or r["label"] == label]

    def set(self, **wish):
        return self._call("/control/set", wish)

    def wait_request(self, label, check=lambda r: True, seconds=5):
        """The newest request with that label for which check is true."""
        return wait_for(lambda: next((r for r in reversed(self.requests(label)) if check(r)), None), seconds, f"request {label}")

    def stop(self):
        stop_process(self.process, "backend")
        self.process.stdout.close()


class Server:
    """Any other server of a test (llama-server, ollama)."""

    def __init__(self, name, argv, log, env=None):
        self.name = name
        self.process = subprocess.Popen([str(a) for a in argv], env=environment(**(env or {})), stdin=subprocess.DEVNULL,
                                        stdout=open(log, "w"), stderr=subprocess.STDOUT)

    def stop(self):
        stop_process(self.process, self.name)


def check_slots_free(gateway, agents_slots, model="fault"):
    """All slots can be used at once, so none is stuck: that many streams get their first token together."""
    from client import ask

    async def all_at_once():
        return await asyncio.gather(*(ask(gateway.url, model=model, tokens=3, gap=0.2) for _ in range(agents_slots)))

    begin = time.monotonic()
    for a in asyncio.run(all_at_once()):
        a.check_done(3)
        assert not any("queued" in text for _, text in a.comments), "a free slot was taken for busy"
    return time.monotonic() - begin
