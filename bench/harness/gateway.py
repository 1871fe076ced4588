"""httpd with mod_dgon and its agents, from the template that ./build.sh run fills in as well."""

import http.client
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import time

from .servers import OBJ, TOP, Process, Server, free_port, program, unprivileged, until

MODULE = os.path.join(OBJ, "mod_dgon", ".libs", "mod_dgon.so")
# More jobs than httpd's defaults let in.
EXTRA = "DgonMaxJobs 16384\n"
# On top of the access log, which is written as nginx's is: the process that answered.
CHILD_LOG = 'LogFormat "%P" child\nCustomLog "{dir}/children.log" child\n'


def agent_program():
    built = os.path.join(OBJ, "agent", ".libs", "dgon-agent")
    return built if os.path.exists(built) else os.path.join(OBJ, "agent", "dgon-agent")


class Gateway(Server):
    """start() returns when all links are up; ready is when the model was offered. parts: "httpd", "agent", "agent-2", ..."""

    def __init__(self, dir, backend, agents=1, slots=12000, links=4, children=2, threads=32, tls=False, http2=False,
                 h2_factor=4, child_log=False, conf=""):
        self.dir, self.backend = dir, backend
        self.agents, self.slots, self.links, self.tls, self.http2 = agents, slots, links, tls, http2
        self.children, self.threads, self.h2_factor = children, threads, h2_factor
        self.extra = EXTRA + (CHILD_LOG.format(dir=dir) if child_log else "") + conf
        self.port = free_port()
        super().__init__(f"{'https' if tls else 'http'}://127.0.0.1:{self.port}", {})

    def _write(self):
        os.makedirs(self.dir)
        htdocs = os.path.join(self.dir, "htdocs")  # a copy that httpd's user can read
        shutil.copytree(os.path.join(TOP, "htdocs", "dist"), htdocs)
        subprocess.run(["chmod", "-R", "a+rX", self.dir], check=True)
        values = {
            "DIR": self.dir, "PORT": self.port, "USER": unprivileged("User {user}\nGroup {group}"), "MPM": "event",
            "MODULES": subprocess.check_output(["apxs", "-q", "LIBEXECDIR"], text=True).strip(),
            "DGON": f'"{MODULE}"', "CHILDREN": self.children, "THREADS": self.threads,
            "WORKERS": self.children * self.threads, "LOGLEVEL": "notice", "SERVER_LIMIT": self.children * 8 + 8,
            "H2_WORKERS": int(self.threads * self.h2_factor), "HTDOCS": htdocs,
            "CONF": os.path.join(TOP, "conf"), "EXTRA": self.extra}
        with open(os.path.join(TOP, "conf/run/httpd.conf.in")) as f:
            text = re.sub("@([A-Z0-9_]+)@", lambda m: str(values[m[1]]), f.read())
        self._file("httpd.conf", text)
        token = secrets.token_hex(32) + "\n"
        self._file("gateway.token", token, 0o600)
        self._file("agent.token", token, 0o600)
        if self.tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", self.dir + "/tls.key", "-out", self.dir + "/tls.crt"],
                           check=True, capture_output=True)

    def _file(self, name, text, mode=0o644):
        with open(os.open(os.path.join(self.dir, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
            f.write(text)

    def _start_agent(self, n):
        name = "agent" if n == 1 else f"agent-{n}"
        secure = f"ca_file = {self.dir}/tls.crt\n" if self.tls else ""
        self._file(f"{name}.conf", f"""[gateway]
url = {self.url.replace("http", "ws", 1)}/dgon/agent
token_file = {self.dir}/agent.token
{secure}[agent]
id = {name}
slots = {self.slots}
links = {self.links}
drain = 1
[backend "main"]
kind = openai
url = {self.backend}
[log]
log_file = {self.dir}/{name}.log
""")
        self.parts[name] = Process(self.dir, name, [agent_program(), "--config", f"{self.dir}/{name}.conf"])

    def start(self):
        self._write()
        switches = [f"-DDGON_{name}" for name, on in (("TLS", self.tls), ("HTTP2", self.http2)) if on]
        httpd = self.parts["httpd"] = Process(self.dir, "httpd", [
            program("apache2", "httpd"), "-DFOREGROUND", "-f", f"{self.dir}/httpd.conf", *switches])
        httpd.wait_for(10, lambda: self.get("/v1/models") is not None)
        for n in range(1, self.agents + 1):
            self._start_agent(n)
        self.parts["agent"].wait_for(10, lambda: json.loads(self.get("/v1/models") or '{"data":[]}')["data"])
        self.ready = time.monotonic()
        # All agents and their links, so that what is measured is not their dialling.
        wanted = self.agents * min(self.links, self.children)
        until(5, lambda: sum(map(len, self.link_children().values())) >= wanted)
        return self

    def get(self, path):
        """The body of a good answer, or None."""
        try:
            if self.tls:
                c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5,
                                                context=ssl._create_unverified_context())
            else:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            c.request("GET", path)
            r = c.getresponse()
            body = r.read()
            c.close()
            return body if r.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None

    def link_children(self):
        """{agent: the httpd processes that hold its links}, as the agents' logs and sockets tell."""
        holders = {}
        with open(f"/proc/{self.parts['httpd'].pid}/task/{self.parts['httpd'].pid}/children") as f:
            processes = f.read().split()
        by_port = {}
        for pid in processes:
            for local, remote in sockets(pid):
                if local == self.port:
                    by_port[remote] = int(pid)
        for name, p in self.parts.items():
            if name != "httpd":
                holders[name] = {by_port[local] for local, remote in sockets(p.pid)
                                 if remote == self.port and local in by_port}
        return holders


def sockets(pid):
    """(local port, remote port) of the TCP connections that a process has over IPv4."""
    inodes = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            name = os.readlink(f"/proc/{pid}/fd/{fd}")
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    except OSError:
        pass
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return [(int(r[1].rpartition(":")[2], 16), int(r[2].rpartition(":")[2], 16)) for r in rows
            if r[9] in inodes and r[3] == "01"]
