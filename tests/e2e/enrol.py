"""A gateway that agents can join, dgonctl, agents that have joined, and an agent's side of the login, scripted by a test."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import pathlib
import re
import secrets
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import env
import logins

CTL = env.OBJ / "mod_dgon" / "ctl" / "dgonctl"
ADMIN = ("admin", "adminpassword1")
SECRETS = set()  # codes, keys, signatures of this run: test_enrol looks for them in every log

JOIN = """
DgonAgentFile "{dir}/agents/file"
<Location "/node/join">
    SetHandler dgon-join
</Location>
<Location "/node/join/command">
    SetHandler dgon-invite
    AuthType Basic
    AuthName admins
    AuthUserFile "{dir}/users"
    Require valid-user
</Location>
<Location "/open/command">
    SetHandler dgon-invite
</Location>
"""


def open_to_agents(gateway):
    """A gateway that has not started: agents may join it, and ADMIN may invite them."""
    gateway.conf = logins.modules("authn_file", "authz_user", "auth_basic") + JOIN.format(dir=gateway.dir) + gateway.conf
    file = gateway.dir / "agents" / "file"
    file.parent.mkdir(mode=0o750)
    if os.getuid() == 0:
        shutil.chown(file.parent, "www-data", "www-data")
    (gateway.dir / "users").write_text(f"{ADMIN[0]}:{logins.sha(ADMIN[1])}\n")
    (gateway.dir / "users").chmod(0o644)
    return file


class Key:
    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        SECRETS.add(self.public)

    def sign(self, text):
        signature = self.key.sign(text.encode()).hex()
        SECRETS.add(signature)
        return signature

    def login(self, nonce, instance, version="1"):
        return self.sign(f"dgon.v1 login\n{nonce}\n{instance}\n{version}\n")


class Site:
    """An httpd whose DgonAgentFile is agents/file."""

    def __init__(self, name, conf="", loglevel="info dgon:trace8", **options):
        self.gateway = env.Gateway(name, loglevel=loglevel, conf=conf, **options)
        self.dir, self.file = self.gateway.dir, open_to_agents(self.gateway)
        self.backend = env.Backend().start()
        self.agents, self.numbers = [], itertools.count(1)

    def start(self):
        self.gateway.start()
        return self

    @property
    def url(self):
        return self.gateway.url

    def ctl(self, *args, ok=True):
        out = subprocess.run([CTL, "--socket", self.dir / "admin.sock", "agent", *args, "--file", self.file], capture_output=True, text=True,
                             env=env.environment())
        assert (out.returncode == 0) == ok, out
        return out.stdout if ok else (out.returncode, out.stderr)

    def invite(self, *args):
        answer = json.loads(self.ctl("invite", "--json", "--gateway", self.url, *args))
        SECRETS.add(answer["code"])
        return answer["code"]

    def list(self):
        return json.loads(self.ctl("list", "--json"))

    def ids(self):
        return [a["id"] for a in self.list()["agents"]]

    def post(self, body, path="/node/join", method="POST", user=None, **headers):
        """Status, JSON (or text) and headers of the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=15) as r:
                status, text, got = r.status, r.read().decode(), r.headers
        except urllib.error.HTTPError as e:
            status, text, got = e.code, e.read().decode(), e.headers
        for code in re.findall(r"(?:[0-9A-Z]{5}-){3}[0-9A-Z]{5}", text):
            SECRETS.add(code)
        return status, json.loads(text) if text.startswith("{") else text, got

    def join(self, key, code=None, name="double", **other):
        return self.post({"code": code or self.invite(), "key": key.public, "name": name, "os": "linux", "version": "1", **other})

    def add_agent(self, *args, code=None, name="gpu", **options):
        agent = Joined(self, f"{name}-{next(self.numbers)}", code or self.invite(), *args, **options)
        self.agents.append(agent)
        return agent

    def stop(self):
        faults = []
        for server in [*self.agents, self.gateway, self.backend]:
            try:
                server.stop()
            except Exception as e:  # the others must end too
                faults.append(str(e))
        assert not faults, faults


class Joined(env.Agent):
    """An agent with a credential of its own, as `dgon-agent join` leaves it."""

    def __init__(self, site, name, code, *args, slots=64, level="debug"):
        self.gateway, self.id = site.gateway, name
        self.dir = site.dir / name
        self.dir.mkdir()
        self.conf, self.log = self.dir / "agent.conf", self.dir / "agent.log"
        self.credential = self.dir / "agent.credential"
        self.process = None
        self.out = self.join(site, code, *args)
        if self.out.returncode == 0:
            (self.dir / "agent.conf.d").mkdir()
            (self.dir / "agent.conf.d" / "test.conf").write_text(
                f"[agent]\nslots = {slots}\ndrain = 5\nmodels_interval = 1\n[log]\nlevel = {level}\nlog_file = {self.log}\n")

    def join(self, site, code, *args):
        return subprocess.run([env.AGENT, "join", site.url, code, "--name", self.id, "--config", self.conf, "--backend", site.backend.url, *args],
                              capture_output=True, text=True, env=env.environment())

    def keys(self):
        found = dict(l.split(" = ") for l in self.credential.read_text().splitlines() if " = " in l)
        SECRETS.update(v for k, v in found.items() if k != "id")
        return found

    def lines(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait_line(self, text, seconds=10, count=1):
        env.wait_for(lambda: self.lines().count(text) >= count, seconds, f"line {text!r} in {self.log}")


class Link:
    """An agent's end of a link."""

    def __init__(self, site, token=None, tls=None):
        self.site, self.token, self.tls = site, token, tls

    async def __aenter__(self):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.ws = await websockets.connect(self.site.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], proxy=None,
                                           compression=None, additional_headers=headers, ssl=self.tls, close_timeout=2)
        return self

    async def __aexit__(self, *_):
        await self.ws.close()

    async def read(self, kind=None, seconds=6):
        """The next message, or the next one of this type."""
        end = time.monotonic() + seconds
        while True:
            message = json.loads(await asyncio.wait_for(self.ws.recv(), end - time.monotonic()))
            if kind in (None, message["type"]):
                return message

    async def send(self, **message):
        await self.ws.send(json.dumps(message))

    async def hello(self, key=None, nonce=None, instance=None, agent="wish", signer=None, **other):
        instance = instance or secrets.token_hex(8)
        fields = dict(type="hello", protocol=[1, 1], agent=agent, instance=instance, version="1", os="linux", slots=1, models=[])
        if key:
            fields |= dict(key=key.public, signature=(signer or key).login(nonce, instance))
        await self.send(**{**fields, **other})

    async def login(self, key, **other):
        """Welcome."""
        challenge = await self.read()
        assert challenge["type"] == "challenge" and re.fullmatch("[0-9a-f]{64}", challenge["nonce"])
        self.nonce = challenge["nonce"]
        await self.hello(key, self.nonce, **other)
        return await self.read("welcome")

    async def closed(self, seconds=7):
        """Close code and reason, once the gateway has closed."""
        try:
            while True:
                await asyncio.wait_for(self.ws.recv(), seconds)
        except websockets.ConnectionClosed:
            return self.ws.close_code, self.ws.close_reason


def authority(folder: pathlib.Path):
    """ca.pem, and NAME.pem with NAME.key for each name, in folder."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new, "-days", "2", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")

    def issue(name, cn=None):
        openssl("req", *new, "-subj", f"/CN={cn or name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem")
        (folder / f"{name}.key").chmod(0o600)
        return folder / f"{name}.pem", folder / f"{name}.key"

    return issue


def client_context(folder, pem=None, key=None):
    context = ssl._create_unverified_context()
    if pem:
        context.load_cert_chain(pem, key)
    return context


@contextlib.contextmanager
def running(site):
    """It runs, and leaves no process behind."""
    try:
        yield site.start()
    finally:
        site.stop()
    assert not env.ours()
