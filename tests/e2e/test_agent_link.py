"""The agent's links: reconnect, goaway, close codes, drain, reload, TLS, proxy, service manager."""

import base64
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from agent_process import Agent
from gateway_double import END, FAIL, Gateway, gateway  # noqa: F401

SLOW_ECHO = '[backend "e"]\nkind = echo\ndelay_ms = 20\ntokens = {}\n'


def test_gateway_restart_is_survived_quickly(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    gateway.accept()
    for pause in (0.0, 0.3, 0.9, 0.1, 0.5):
        time.sleep(1.1)
        gateway.stop()
        time.sleep(pause)
        gateway.start()
        begin = time.monotonic()
        link = gateway.accept(5)
        assert time.monotonic() - begin < 2.2
        assert link.job("x").wait()[0] == END
    a.stop()


def test_gateway_away_at_start(tmp_path):
    g = Gateway().start()
    g.stop()
    a = Agent(tmp_path, g.url()).start()
    a.wait_line("no link to")
    time.sleep(1)
    g.start()
    assert g.accept().job("x").wait()[0] == END
    assert a.lines().count("no link to") == 1, "one line per change of state"
    a.stop()
    g.stop()


def test_dials_are_spread_and_never_tight(tmp_path):
    g = Gateway().start()
    g.refuse = 503
    a = Agent(tmp_path, g.url()).start()
    time.sleep(4)
    times = [t for t, _ in g.dials]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 2 <= len(gaps) <= 30 and min(gaps) >= 0.04, gaps
    g.refuse = None
    g.accept(12)
    a.stop()
    g.stop()


@pytest.mark.parametrize("status", [401, 403])
def test_refused_token_is_said_once_and_tried_slowly(tmp_path, status):
    g = Gateway().start()
    g.refuse = status
    a = Agent(tmp_path, g.url()).start()
    a.wait_line("refuses the token")
    time.sleep(2)
    assert len(g.dials) == 1 and a.lines().count("refuses the token") == 1
    a.stop()
    g.stop()


def test_once(tmp_path, gateway):
    a = Agent(tmp_path, gateway.url())
    assert a.start("--once").wait() == 0
    (tmp_path / "token").write_text("wrong\n")
    assert a.start("--once").wait() == 77
    gateway.stop()
    assert a.start("--once").wait() == 69
    gateway.start()


@pytest.mark.parametrize("code,slow", [(1012, False), (1013, False), (1001, False), (4409, True), (4426, True), (4429, True)])
def test_close_codes(gateway, tmp_path, code, slow):
    a = Agent(tmp_path, gateway.url()).start()
    link = gateway.accept()
    link.close(code, "reason for people")
    if slow:
        time.sleep(2)
        assert len(gateway.dials) == 1
        assert f"{code} reason for people" in a.lines()
    else:
        assert gateway.accept(3).job("x").wait()[0] == END
    a.stop()


def test_five_losses_in_a_row(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    for _ in range(5):
        link = gateway.accept(8)
        assert link.job("x").wait()[0] == END
        link.ws.socket.shutdown(2)
    assert gateway.accept(8).job("x").wait()[0] == END
    a.stop()


def test_goaway_dials_first_and_lets_jobs_end(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(60), agent="slots = 2\n").start()
    old = gateway.accept()
    time.sleep(1.1)
    job = old.job("x")
    job.wait_events(3)
    begin = time.monotonic()
    old.goaway()
    new = gateway.accept(3)
    assert time.monotonic() - begin < 0.3
    assert new.hello["instance"] == old.hello["instance"]
    second = new.job("y")
    second.wait_events(2)
    kind, why = new.job("z").wait(2)
    assert kind == FAIL and why["requeue"], "slots are shared over the links"
    assert job.wait()[0] == END and job.tokens == 60
    assert old.wait_closed() == 1000
    assert second.wait()[0] == END
    a.stop()


def test_a_link_to_each_process(gateway, tmp_path):
    """Dialling again finds other processes; a second link to one is left, without losing a job that came over it."""
    gateway.children = 3
    gateway.child = itertools.cycle([0, 0, 2, 1, 1])
    a = Agent(tmp_path, gateway.url()).start()
    first, twin = gateway.accept(3), gateway.accept(3)
    early = twin.job("x")  # sent before the gateway has read that this link is left
    more = [gateway.accept(3) for _ in range(3)]
    assert early.wait()[0] == END
    assert twin.wait_closed(3) == 1000
    assert {link.hello["instance"] for link in (first, twin, *more)} == {first.hello["instance"]}
    time.sleep(1)
    assert len(gateway.dials) == 5, "as many as there are processes is enough"
    second, third = (link for link in more if not link.closed.is_set())
    for link in (first, second, third):
        assert link.job("y").wait()[0] == END
    first.goaway()  # the others go on, and a new one is looked for
    assert first.wait_closed(3) == 1000
    assert second.job("z").wait()[0] == END
    gateway.accept(3)
    a.stop()


@pytest.mark.parametrize("children, third", [(2, [0, 1, 1]), (8, [1, 2, 3])])
def test_several_dials_at_once_after_one_in_vain(gateway, tmp_path, children, third):
    """A quiet httpd accepts one connection after the other in the same process; those that come at once wake several. No more stay than are wanted."""
    gateway.children, gateway.child = children, iter([0, 0, *third])
    a = Agent(tmp_path, gateway.url(), agent="links = 2\n").start()
    first, twin = gateway.accept(3), gateway.accept(3)
    assert twin.wait_closed(3) == 1000
    begun = time.monotonic()
    three = [gateway.accept(3) for _ in range(3)]
    assert time.monotonic() - begun < 0.4, "they are tried one after the other"
    time.sleep(1)
    (second,) = (link for link in three if not link.closed.is_set())
    for link in (first, second):
        assert link.job("x").wait()[0] == END
    assert len(gateway.dials) == 5
    a.stop()


def test_as_many_links_as_configured(gateway, tmp_path):
    gateway.children = 8
    gateway.child = itertools.count()
    a = Agent(tmp_path, gateway.url(), agent="links = 2\n").start()
    for _ in range(2):
        gateway.accept(3)
    time.sleep(1)
    assert len(gateway.dials) == 2
    a.stop()


def test_goaway_without_jobs_closes_at_once(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    old = gateway.accept()
    old.goaway()
    assert old.wait_closed(2) == 1000
    gateway.accept(3)
    a.stop()


def test_goaway_keeps_the_link_until_another_one_takes_jobs(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(20)).start()
    old = gateway.accept()
    gateway.auto_welcome = False
    old.goaway()
    new = gateway.accept(3)
    assert old.job("x").wait()[0] == END, "no other link takes jobs yet"
    late = old.job("y")
    late.wait_events(1)
    new.welcome()
    old.expect("draining", 2)
    assert late.wait()[0] == END and old.wait_closed(2) == 1000
    assert new.job("z").wait()[0] == END
    a.stop()


def test_goaway_of_a_gateway_that_stops(gateway, tmp_path):
    """Nobody listens any more, so there is nothing to wait for."""
    a = Agent(tmp_path, gateway.url()).start()
    old = gateway.accept()
    gateway.stop_listening()
    old.goaway()
    old.expect("draining", 2)
    assert old.wait_closed(2) == 1000
    a.stop()


def test_goaway_storm_does_not_dial_in_a_tight_loop(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            gateway.accept(0.2).goaway()
        except Exception:
            pass
    assert len(gateway.dials) < 40
    a.stop()


def test_silent_gateway_is_noticed_by_ping(gateway, tmp_path):
    gateway.auto_welcome = False
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(10000)).start()
    link = gateway.accept()
    link.welcome(ping=1, hangup=3)
    gateway.auto_welcome = True
    # Nobody reads any more: no pong, no acknowledgement of the application.
    link.ws.protocol.receive_data = lambda data: None
    begin = time.monotonic()
    gateway.accept(8)
    assert 1.5 < time.monotonic() - begin < 7
    a.stop()


def test_hanging_handshake_is_given_up(tmp_path):
    s = socket.create_server(("127.0.0.1", 0))
    a = Agent(tmp_path, f"ws://127.0.0.1:{s.getsockname()[1]}/x").start()
    first, _ = s.accept()
    s.settimeout(15)
    second, _ = s.accept()
    for c in (first, second, s):
        c.close()
    a.stop()


def test_no_welcome_is_given_up(tmp_path):
    g = Gateway(auto_welcome=False).start()
    a = Agent(tmp_path, g.url()).start()
    first = g.accept()
    g.accept(20)
    assert first.closed.is_set() or first.wait_closed(5)
    a.stop()
    g.stop()


def test_slow_gateway_stops_the_backend_and_loses_nothing(gateway, tmp_path):
    """The gateway's socket is not read for a while: records pile up within bounds and arrive whole."""
    gateway.window = 64 * 1024 * 1024
    a = Agent(tmp_path, gateway.url(), backends='[backend "e"]\nkind = echo\ntokens = 200000\n').start()
    link = gateway.accept()
    lock = threading.Event()
    real = link.ws.protocol.receive_data

    def held(data):
        lock.wait(10)
        real(data)
    job = link.job("word " * 10, auto_credit=False)
    job.wait_events(100)
    link.ws.protocol.receive_data = held
    time.sleep(2)
    if not a.wrapper:
        rss = [line for line in open(f"/proc/{a.process.pid}/status") if line.startswith("VmRSS")][0]
        assert int(rss.split()[1]) < 80_000, rss
    lock.set()
    job.wait_events(150_000, 60)
    job.credit(64 * 1024 * 1024)
    assert job.wait(60)[0] == END and job.tokens == 200_000
    a.stop()


# --- drain ---


def test_drain_lets_jobs_end(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(50)).start()
    link = gateway.accept()
    job = link.job("x")
    job.wait_events(3)
    a.signal(signal.SIGTERM)
    link.expect("draining")
    kind, why = link.job("y").wait(2)
    assert kind == FAIL and why["requeue"]
    assert job.wait()[0] == END and job.tokens == 50
    assert link.wait_closed() == 1000 and a.wait() == 0
    a.stop()


def test_idle_agent_leaves_at_once(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    link = gateway.accept()
    begin = time.monotonic()
    a.signal(signal.SIGTERM)
    assert a.wait() == 0 and time.monotonic() - begin < 1.0
    assert link.wait_closed() == 1000
    a.stop()


def test_drain_has_an_end(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(100000), agent="drain = 1\n").start()
    job = gateway.accept().job("x")
    job.wait_events(3)
    begin = time.monotonic()
    a.signal(signal.SIGTERM)
    kind, why = job.wait(5)
    assert kind == FAIL and why["status"] == 503 and why["retryable"]
    assert a.wait() == 0 and time.monotonic() - begin < 4
    a.stop()


def test_second_signal_does_not_wait(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(100000)).start()
    gateway.accept().job("x").wait_events(3)
    a.signal(signal.SIGTERM)
    a.wait_line("stopping")
    begin = time.monotonic()
    a.signal(signal.SIGTERM)
    assert a.wait() == 0 and time.monotonic() - begin < 1.0
    a.stop()


def test_drain_without_a_gateway(tmp_path):
    g = Gateway().start()
    g.stop()
    a = Agent(tmp_path, g.url()).start()
    a.wait_line("no link to")
    a.signal(signal.SIGTERM)
    assert a.wait(3) == 0
    a.stop()


# --- reload ---


def test_reload_changes_backends_and_slots_and_keeps_jobs(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(60), agent="slots = 2\n").start()
    link = gateway.accept()
    job = link.job("x")
    job.wait_events(3)
    a.write(backends='[backend "f"]\nkind = echo\nmodels = fresh\n', agent="slots = 5\n")
    a.signal(signal.SIGHUP)
    assert [m["name"] for m in link.expect("models")["models"]] in ([], ["fresh"])
    assert link.expect("capacity")["slots"] == 5
    a.wait_line("configuration reloaded")
    assert link.job("y", model="fresh").wait()[0] == END
    assert link.job("y", model="echo").wait()[1]["status"] == 404
    assert job.wait()[0] == END and job.tokens == 60
    assert len(gateway.dials) == 1
    a.stop()


def test_reload_with_mistakes_changes_nothing(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    link = gateway.accept()
    a.write(backends='[backend "x"]\nkind = parrot\n')
    a.signal(signal.SIGHUP)
    a.wait_line("the old one stays")
    assert "kind is auto, ollama, openai or echo" in a.lines()
    assert link.job("x").wait()[0] == END
    a.stop()


def test_reload_reopens_the_log(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    gateway.accept()
    a.log_file.rename(tmp_path / "agent.log.1")
    a.signal(signal.SIGHUP)
    a.wait_line("configuration reloaded")
    a.stop()


def test_changed_token_counts_at_the_next_dial(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    link = gateway.accept()
    gateway.token = "rolled"
    a.token_file.write_text("rolled\n")
    link.close(1012)
    gateway.accept(5)
    a.stop()


# --- TLS and proxy ---


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    d = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
                "-days", "2", "-subj", f"/CN=Test {ca}", cwd=d)

    def leaf(name, san, ca="ca", days="2"):
        (d / f"{name}.ext").write_text(f"subjectAltName={san}\n" if san else "basicConstraints=CA:FALSE\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}", cwd=d)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days",
                days, "-extfile", f"{name}.ext", cwd=d)
    leaf("good", "IP:127.0.0.1,DNS:localhost")
    leaf("wrongname", "DNS:elsewhere.example,IP:192.0.2.1")
    leaf("nosan", "")
    leaf("otherca", "IP:127.0.0.1", ca="other")
    leaf("expired", "IP:127.0.0.1", days="0")
    time.sleep(1.1)  # it was good for this second
    leaf("client", "DNS:agent")
    for f in d.glob("*.key"):
        f.chmod(0o600)
    return d


def tls_gateway(certificates, name, client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.pem")
    return Gateway(ssl=context).start()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_with_own_ca(tmp_path, certificates, host):
    g = tls_gateway(certificates, "good")
    a = Agent(tmp_path, g.url(host), gateway=f"ca_file = {certificates}/ca.pem").start()
    link = g.accept()
    jobs = [link.job("x " * n) for n in (5000, 100_000, 1)]
    pong = link.ws.ping()
    assert all(job.wait(20)[0] == END for job in jobs) and pong.wait(2)
    a.stop()
    g.stop()


@pytest.mark.parametrize("name,ca", [("wrongname", "ca"), ("nosan", "ca"), ("otherca", "ca"), ("expired", "ca"), ("good", "other"), ("good", None)])
def test_bad_certificates_are_refused(tmp_path, certificates, name, ca):
    g = tls_gateway(certificates, name)
    a = Agent(tmp_path, g.url(), gateway=f"ca_file = {certificates}/{ca}.pem" if ca else "").start()
    a.wait_line("no link to")
    time.sleep(0.5)
    assert not g.dials, "the token went to a gateway that could not prove itself"
    a.stop()
    g.stop()


def test_client_certificate(tmp_path, certificates):
    g = tls_gateway(certificates, "good", client=True)
    files = f"ca_file = {certificates}/ca.pem\ncert_file = {certificates}/client.pem\nkey_file = {certificates}/client.key"
    a = Agent(tmp_path, g.url(), gateway=files).start()
    assert g.accept().job("x").wait()[0] == END
    a.stop()
    g.stop()


class Proxy:
    def __init__(self, auth=None):
        self.auth, self.asked = auth, []
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            c, _ = self.s.accept()
            head = b""
            while b"\r\n\r\n" not in head:
                head += c.recv(4096)
            line, headers = head.decode().split("\r\n", 1)
            self.asked.append(line)
            if self.auth and base64.b64encode(self.auth.encode()).decode() not in headers:
                c.sendall(b"HTTP/1.0 407 no\r\n\r\n")
                c.close()
                continue
            host, port = line.split(" ")[1].rsplit(":", 1)
            up = socket.create_connection((host, int(port)))
            c.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            for x, y in ((c, up), (up, c)):
                threading.Thread(target=self.pump, args=(x, y), daemon=True).start()

    @staticmethod
    def pump(x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
            y.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.parametrize("tls", [False, True])
def test_connect_proxy(tmp_path, certificates, tls):
    proxy = Proxy("user:pass-word")
    g = tls_gateway(certificates, "good") if tls else Gateway().start()
    a = Agent(tmp_path, g.url("localhost"), gateway=f"proxy = http://user:pass-word@127.0.0.1:{proxy.port}\nca_file = {certificates}/ca.pem").start()
    assert g.accept().job("x").wait()[0] == END
    assert proxy.asked[0].startswith(f"CONNECT localhost:{g.port} ")
    assert "pass-word" not in a.lines()
    a.stop()
    g.stop()


def test_proxy_of_the_environment_is_not_used(tmp_path, gateway):
    environ = {k: "http://127.0.0.1:1" for k in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    a = Agent(tmp_path, gateway.url(), environ=environ).start()
    gateway.accept()
    a.stop()


def test_plain_link_to_another_host_warns(tmp_path):
    host = "127.0.0.1"
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(("192.0.2.1", 9))
        host = s.getsockname()[0]
    except OSError:
        pass
    a = Agent(tmp_path, f"ws://{host}:1/x", gateway="insecure = yes").start()
    a.wait_line("readable on the way")
    a.stop()


# --- service manager, pid file, clock ---


def test_service_manager_is_told(gateway, tmp_path):
    path = str(tmp_path / "notify")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(10)
    a = Agent(tmp_path, gateway.url(), environ={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}).start()
    seen = ""
    while "READY=1" not in seen or seen.count("WATCHDOG=1") < 3:
        seen += s.recv(4096).decode() + "\n"
    while "STATUS=1 link, 0 of 4 slots busy, models: echo" not in seen:
        seen += s.recv(4096).decode() + "\n"
    a.signal(signal.SIGHUP)
    while "RELOADING=1" not in seen:
        seen += s.recv(4096).decode() + "\n"
    a.signal(signal.SIGTERM)
    while "STOPPING=1" not in seen:
        seen += s.recv(4096).decode() + "\n"
    a.stop()


def test_pid_file(gateway, tmp_path):
    pid_file = tmp_path / "agent.pid"
    a = Agent(tmp_path, gateway.url(), agent=f"pid_file = {pid_file}\n").start()
    gateway.accept()
    if not a.wrapper:
        assert int(pid_file.read_text()) == a.process.pid
    (tmp_path / "second").mkdir()
    second = Agent(tmp_path / "second", gateway.url(), agent=f"pid_file = {pid_file}\n").start()
    assert second.wait() == 75
    a.stop()
    assert not pid_file.exists()


def test_journal_prefix(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), environ={"JOURNAL_STREAM": "8:1"})
    a.config.write_text(a.config.read_text().replace(f"log_file = {a.log_file}\n", ""))
    a.start()
    gateway.accept()
    a.signal(signal.SIGTERM)
    a.wait()
    lines = [line for line in (tmp_path / "stderr").read_text().splitlines() if not line.startswith("==")]
    assert lines and all(line[0] == "<" and line[2] == ">" for line in lines), lines


def test_core_dumps_are_off_and_token_is_not_in_sight(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    gateway.accept()
    limits = open(f"/proc/{a.process.pid}/limits").read()
    core = [line for line in limits.splitlines() if line.startswith("Max core")][0].split()
    assert core[4] == "0" and core[5] == "0"
    assert "secret-token" not in open(f"/proc/{a.process.pid}/cmdline").read()
    a.stop()


def test_stopped_and_continued(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url()).start()
    gateway.accept()
    a.signal(signal.SIGSTOP)
    time.sleep(1)
    gateway.stop()
    gateway.start()
    a.signal(signal.SIGCONT)
    assert gateway.accept(5).job("x").wait()[0] == END
    a.stop()


def test_hello_message_is_small_json(gateway, tmp_path):
    names = "\n".join("models = " + ", ".join(f"model-{i:03d}" for i in range(r, r + 10)) for r in range(0, 250, 10))
    a = Agent(tmp_path, gateway.url(), backends=f'[backend "e"]\nkind = echo\n{names}\n').start()
    hello = gateway.accept().hello
    assert len(hello["models"]) == 250 and len(json.dumps(hello)) < 256 * 1024
    a.stop()
    assert os.path.exists(a.log_file)
