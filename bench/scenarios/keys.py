"""What it costs to look at an API key."""

import hashlib
import os
import random
import re
import shutil
import socket
import statistics
import subprocess

from harness.machine import Meter
from harness.servers import unprivileged

BATCH, BATCHES, KEYS, TOGETHER = 200, 40, 1000, 20
KEY = "asker.wvA2ZPu5mkAMWmsF9gLYFqWWsR3VmBIVoUoNQ0Gy1fI"
PLACES = {"no check": "", "key file": "AuthType Bearer\nDgonKeyFile {dir}/keys\nRequire valid-user",
          "provider": "AuthType Bearer\nDgonBearerProvider file\nDgonBearerCache 1h\nAuthUserFile {dir}/users\nRequire valid-user",
          "with models": "AuthType Bearer\nDgonKeyFile {dir}/keys\n<RequireAll>\nRequire valid-user\nRequire dgon-model *\n</RequireAll>"}


def write(b):
    """A file of keys, and one of users, where httpd's user can read them; the lines for httpd."""
    where, (id, secret) = os.path.join(b.dir, "keys-conf"), KEY.split(".")
    os.makedirs(where)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    keys = os.path.join(where, "keys")
    with open(keys, "w") as f:
        f.write("".join(f"{name} {digest} - - -\n" for name in (id, *(f"{id}-{i}" for i in range(KEYS - 1)))))
    with open(os.path.join(where, "users"), "w") as f:
        f.write(f"{id}:" + subprocess.check_output(["openssl", "passwd", "-apr1", "-stdin"], input=secret, text=True))
    if os.getuid() == 0:
        shutil.chown(keys, "root", unprivileged("{group}"))
    os.chmod(keys, 0o640)
    modules = subprocess.check_output(["apxs", "-q", "LIBEXECDIR"], text=True).strip()
    text = "".join(f"<IfModule !{m}_module>\nLoadModule {m}_module {modules}/mod_{m}.so\n</IfModule>\n"
                   for m in ("authn_core", "authn_file", "authz_user"))
    for name, lines in PLACES.items():
        text += f'<Location "/{name.replace(" ", "-")}/v1">\nSetHandler dgon-api\n{lines.format(dir=where)}\n</Location>\n'
    return text


def worked_ns(pid):
    """What the children of this process have worked, to the nanosecond: ticks are too coarse here."""
    total = 0
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        for child in f.read().split():
            for task in os.listdir(f"/proc/{child}/task"):
                with open(f"/proc/{child}/task/{task}/schedstat") as stat:
                    total += int(stat.read().split()[0])
    return total


def ask(c, place, at_once):
    """Lists of models on one connection, in portions of at_once requests that are sent together. False: one was refused."""
    question = (f"GET /{place.replace(' ', '-')}/v1/models HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\n\r\n" * at_once).encode()
    for _ in range(BATCH // at_once):
        c.sendall(question)
        left, text = at_once, b""
        while left:
            head, end, rest = text.partition(b"\r\n\r\n")
            if end and not head.startswith(b"HTTP/1.1 200 "):
                return False
            length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1]) if end else 0
            if end and len(rest) >= length:
                left, text = left - 1, rest[length:]
                continue
            more = c.recv(65536)
            if not more:
                return False
            text += more
    return True


def once(server, at_once):
    """All places in turn, in another order each time, so that whatever else runs on the machine meets them alike."""
    batches, ok, pid, order = {place: [] for place in PLACES}, True, server.pids["httpd"], random.Random(1)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as c, Meter(server.pids) as m:
        for _ in range(BATCHES):
            for place in order.sample(list(PLACES), len(PLACES)):
                before = worked_ns(pid)
                ok = ok and ask(c, place, at_once)
                batches[place].append((worked_ns(pid) - before) / BATCH / 1000)
    return {"ok": ok, "error": "" if ok else "a key was refused", "us": batches, "others": m.others, "used": m.used, "cpu": m.cpu}


def keys(b):
    """httpd's time for a request with and without a check of its key"""
    server = b.fresh("dgon", conf=write(b))
    ways = {"one at a time": 1, f"{TOGETHER} sent together": TOGETHER}
    runs = b.loads.rounds("keys", {way: lambda n=n: once(server, n) for way, n in ways.items()},
                          lambda r: {"us": {place: statistics.median(v) for place, v in r["us"].items()}})
    for way, results in runs.items():
        us = {place: [v for r in results for v in r["us"][place]] for place in PLACES}
        more = {place: statistics.median(v - w for v, w in zip(us[place], us["no check"])) for place in PLACES}
        print(f"  {way}:")
        b.report.table("keys", ["httpd us", "more"], {place: [statistics.median(us[place]), more[place]] for place in PLACES})
        for place in ("key file", "provider"):
            b.report.target("keys", f"a check by {place}, {way}, us", more[place], 10)
    b.report.noise(runs)
    b.stop(server)
