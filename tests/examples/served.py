"""A server made from a file of conf/examples: only paths, ports and the names of other servers are put in their places. The
modules are Debian's standard ones and those of the example's own line `a2enmod`, so that line is complete."""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import tempfile
import urllib.parse
import urllib.request

import env
import pki
from beside import Beside, kernel_port  # noqa: F401

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = env.TOP / "conf/examples"
HOST = "gateway.example.org"
STANDARD = ("alias auth_basic authn_core authn_file authz_core authz_host authz_user deflate dir env filter mime mpm_event negotiation reqtimeout "
            "setenvif")


class Site(env.Gateway):
    """replace: what the example says and what this test has there ({port} is the server's); more: lines before the example;
    level: of the log, for what the example does not say itself; prepare(): runs as soon as the port is known. One agent with the fault backend comes with it."""

    def __init__(self, example, name=None, replace=(), more="", level="trace8", tls=True, host=HOST, slots=16, prepare=None, names=()):
        text = (EXAMPLES / f"{example}.conf").read_text()
        # What the example wants in httpd's environment.
        wanted = [w for line in re.findall(r"^# +echo 'export (.*)' >>/etc/apache2/envvars", text, re.M) for w in line.split()]
        super().__init__(name or f"examples-{example}", tls=tls, loglevel=level, wrapper=["env", *wanted] if wanted else ())
        self.example, self.replace, self.more, self.host = EXAMPLES / f"{example}.conf", dict(replace), more, host
        # Its files are read by httpd's own user, who need not come through our directories.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="dgon-site-"))
        self.home.chmod(0o755)
        for d in ("etc", "www", "cache"):
            (self.home / d).mkdir()
        assert (env.PAGE / "index.html").exists(), "the page is not built: ./build.sh page"
        shutil.copytree(env.PAGE, self.home / "www", dirs_exist_ok=True)
        subprocess.run(["chmod", "-R", "a+rX", self.home / "www"], check=True)
        if os.getuid() == 0:
            shutil.chown(self.home / "cache", "www-data", "www-data")
        self.secrets, self.slots, self.agents, self.backend, self.others, self.prepare = set(), slots, [], None, [], prepare
        self.agent_url = None  # where the agents find it, if it is another place than usual ({port} is the server's)
        self.authority = pki.Authority(self.dir / "ca")
        self.certificate = self.authority.sign("gateway", (f"DNS:{HOST}", "DNS:*.example.org", "DNS:localhost", "IP:127.0.0.1", *names))
        shutil.copy(self.authority.crt, self.dir / "tls.crt")  # what the agents trust

    @property
    def site(self):
        """Where the clients of the example find it."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def context(self):
        return ssl.create_default_context(cafile=self.authority.crt)

    def etc(self, name, text):
        """A file in /etc/dgon of the example, readable for httpd's user."""
        path = self.home / "etc" / name
        path.write_text(text)
        path.chmod(0o640)
        if os.getuid() == 0:
            shutil.chown(path, "root", "www-data")
        return path

    def secret(self, *values):
        """No log may hold them, nor what Basic authentication makes of them."""
        for v in values:
            self.secrets |= {v, urllib.parse.quote(v, safe="")}
        return values[0]

    def basic(self, user, password):
        coded = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.secret(password, coded)
        return {"Authorization": f"Basic {coded}"}

    def _write(self, port):
        self.inner = kernel_port()
        self.etc("agents.token", env.TOKEN + "\n")
        self.secret(env.TOKEN)
        for name, text in (("agent.token", env.TOKEN + "\n"),):
            (self.dir / name).write_text(text)
        text = self.example.read_text()
        page = (env.TOP / "conf/page.conf").read_text()
        (self.dir / "page.conf").write_text(page.replace("/usr/share/mod_dgon/htdocs", f"{self.home}/www"))
        self.port = port
        if self.prepare:
            self.prepare()
        modules = set(STANDARD.split()).union(*(line.split() for line in re.findall(r"^# +a2enmod (.*)", text, re.M)))
        assert "dgon" in modules, f"{self.example} has no line a2enmod"
        for old, new in {
                **self.replace, "/etc/ssl/certs/gateway.pem": self.certificate[0], "/etc/ssl/private/gateway.key": self.certificate[1]}.items():
            assert old in text or not self.tls, f"{self.example} does not say {old}"
            text = text.replace(old, str(new).replace("{port}", str(port)))
        for old, new in {"/etc/dgon/": f"{self.home}/etc/", "/var/cache/apache2/dgon": f"{self.home}/cache", "/usr/share/mod_dgon/htdocs": f"{self.home}/www",
                         "/usr/share/mod_dgon/page.conf": f"{self.dir}/page.conf", "${APACHE_LOG_DIR}": self.dir, "*:443>": f"*:{port}>"}.items():
            text = text.replace(old, str(new))
        (self.dir / "example.conf").write_text(text)
        values = {
            "DIR": self.dir, "PUBLIC": self.home, "PORT": port, "INNER": self.inner, "MODULES": env.modules_dir(), "LEVEL": self.loglevel,
            "MORE": self.more.replace("{port}", str(port)), "LISTEN": "" if re.search("^Listen ", text, re.M) else f"Listen 127.0.0.1:{port}",
            "USER": "User www-data\nGroup www-data" if os.getuid() == 0 else "",
            "LOAD": "\n".join(f'LoadModule {m}_module "{self.module if m == "dgon" else f"{env.modules_dir()}/mod_{m}.so"}"' for m in sorted(modules))}
        template = (HERE / "site.conf.in").read_text()
        (self.dir / "httpd.conf").write_text(re.sub("@([A-Z]+)@", lambda m: str(values[m[1]]), template))

    def get(self, path):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{self.inner}{path}", timeout=5) as r:
            return json.load(r)

    def start(self):
        super().start()
        self.backend = env.Backend().start()
        self.add_agent()
        return self

    def beside(self, server):
        """Another server of this test: it is stopped after this one."""
        self.others.append(server)
        return server

    def add_agent(self, model="fault", backend=None, token=None, **options):
        """token: one of its own."""
        agent = env.Agent(self, (backend or self.backend).url, **{"id": f"agent-{len(self.agents) + 1}", "slots": self.slots, **options})
        if token:
            file = self.dir / f"{agent.id}.token"
            file.touch(0o600)
            file.write_text(self.secret(token) + "\n")
            agent.conf.write_text(agent.conf.read_text().replace(f"{self.dir}/agent.token", str(file)))
        if self.agent_url:
            lines = [f"url = {self.agent_url.format(port=self.port)}"] + ([] if self.tls else [f"ca_file = {self.dir}/tls.crt"])
            agent.conf.write_text(re.sub(r"^url = .*", "\n".join(lines), agent.conf.read_text(), count=1, flags=re.M))
        self.agents.append(agent)
        agent.start(model)
        return agent

    def stop(self):
        with contextlib.ExitStack() as all_of_them:
            all_of_them.callback(self.check_secrets)
            all_of_them.callback(shutil.rmtree, self.home)
            for server in [*self.others, *([self.backend] if self.backend else [])]:
                all_of_them.callback(server.stop)
            all_of_them.callback(super().stop)
            for a in self.agents:
                all_of_them.callback(a.stop)

    # ---- what is found in the logs ----

    def users(self, since=0):
        """(user, status) of the requests of the access log."""
        lines = (self.dir / "access.log").read_text().splitlines()[since:]
        return [(m[1], int(m[2])) for m in (re.match(r'\S+ \S+ (.*) "[^"]*" (\d+) ', line) for line in lines) if m]

    def lines(self):
        return len((self.dir / "access.log").read_text().splitlines())

    def logged(self, user, status, since):
        env.wait_for(lambda: (user, status) in self.users(since), 3, f"line of {user} with {status} in the access log: {self.users(since)}")

    def check_secrets(self):
        hits = []
        for path in [*self.dir.glob("*.log"), *self.dir.glob("*.out")]:
            text = path.read_bytes()
            hits += [f"{path.name}: {s[:6]}… {text.count(s.encode())} times" for s in self.secrets if len(s) >= 6 and s.encode() in text]
        assert not hits, hits


@contextlib.contextmanager
def running(site):
    """It runs, and leaves nothing behind: no process, no strange line in a log, no secret in any."""
    try:
        site.start()
        yield site
    finally:
        site.stop()
    left = env.ours()
    assert not left, f"left behind: {left}"
