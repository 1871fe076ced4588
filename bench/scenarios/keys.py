"""What it costs to look at an API key."""

import hashlib
import http.client
import os
import shutil
import statistics
import subprocess

from harness.machine import Meter
from harness.servers import unprivileged

BATCH, BATCHES, KEYS = 200, 40, 1000
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


def ask(c, place):
    """Lists of models, one after the other on one connection. False: one was refused."""
    ok = True
    for _ in range(BATCH):
        c.request("GET", f"/{place.replace(' ', '-')}/v1/models", headers={"Authorization": f"Bearer {KEY}"})
        r = c.getresponse()
        r.read()
        ok = ok and r.status == 200
    return ok


def once(server):
    """All places in turn, so that whatever else runs on the machine meets them alike; of each the batch that a quarter was faster than."""
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    batches, ok, pid = {place: [] for place in PLACES}, True, server.pids["httpd"]
    with Meter(server.pids) as m:
        for _ in range(BATCHES):
            for place in PLACES:
                before = worked_ns(pid)
                ok = ask(c, place) and ok
                batches[place].append((worked_ns(pid) - before) / BATCH / 1000)
    c.close()
    return {"ok": ok, "error": "" if ok else "a key was refused", "us": {p: statistics.quantiles(v, n=4)[0] for p, v in batches.items()},
            "others": m.others, "used": m.used, "cpu": m.cpu}


def keys(b):
    """httpd's time for a request with and without a check of its key"""
    server = b.fresh("dgon", conf=write(b))
    runs = b.loads.rounds("keys", {"dgon": lambda: once(server)}, lambda r: {"us": r["us"]})
    us = {place: statistics.median(r["us"][place] for r in runs["dgon"]) for place in PLACES}
    b.report.table("keys", ["httpd us", "more"], {place: [v, v - us["no check"]] for place, v in us.items()})
    b.report.noise(runs)
    for place in ("key file", "provider"):
        b.report.target("keys", f"a check by {place}, us", us[place] - us["no check"], 10)
    b.stop(server)
