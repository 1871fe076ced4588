"""Servers of a run: started in a directory of the run, waited for, ended with it."""

import http.client
import os
import pwd
import grp
import re
import resource
import shutil
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OBJ = os.environ.get("DGON_OBJ", os.path.join(TOP, "build", "obj"))
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(*names):
    path = os.environ["PATH"] + ":/usr/sbin"
    found = next(filter(None, (shutil.which(n, path=path) for n in names)), None)
    if not found:
        raise SystemExit(f"{names[0]} is not installed")
    return found


def unprivileged(template):
    """The line that makes a server started by root give its rights away."""
    if os.getuid() != 0:
        return ""
    names = {u.pw_name for u in pwd.getpwall()}
    name = next(n for n in ("www-data", "nobody") if n in names)
    return template.format(user=name, group=grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name)


def until(seconds, check, step=0.01):
    """The first true value of check(), or None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(step)
    return None


def answers(port):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        c.request("GET", "/v1/models")
        return c.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


class Process:
    """One program, its output in DIR/NAME.out."""

    def __init__(self, dir, name, command, env=None):
        self.name, self.out = name, os.path.join(dir, name + ".out")
        with open(self.out, "wb") as out:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                          start_new_session=True, env=env)
        self.pid = self.popen.pid

    def wait_for(self, seconds, check):
        found = until(seconds, lambda: self.popen.poll() is not None or check())
        if not found or self.popen.poll() is not None:
            with open(self.out, errors="replace") as f:
                raise SystemExit(f"{self.name} did not start:\n" + f.read()[-3000:])
        return found

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def kill(self):
        self.popen.kill()
        self.popen.wait()


class Server:
    """Something that clients can ask: url, and its parts, {name: Process}, in the order of their start. options: what
    the load client needs for it."""

    def __init__(self, url, parts, options=()):
        self.url, self.parts, self.options = url, parts, options

    @property
    def pids(self):
        return {name: p.pid for name, p in self.parts.items()}

    def stop(self):
        for p in reversed(self.parts.values()):
            p.stop()


def start_backend(dir, name="backend", port=0):
    p = Process(dir, name, [os.path.join(OBJ, "bench", "fakellm"), "--port", str(port)])

    def listening():
        with open(p.out) as f:
            return re.search(r"http://127\.0\.0\.1:(\d+)", f.read())
    port = p.wait_for(5, listening)[1]
    return Server(f"http://127.0.0.1:{port}", {"backend": p})
