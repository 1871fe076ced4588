"""The server reads its configuration again while it holds streams."""

import os
import signal
import time

from harness.loads import held, trouble
from harness.report import median
from harness.servers import until

SIGNALS = {"nginx": signal.SIGHUP, "haproxy": signal.SIGUSR2, "dgon": signal.SIGUSR1}


def once(b, name):
    server = b.fresh(name)
    part = "httpd" if name == "dgon" else name

    def reload():
        until(6, lambda: held(b.backend) >= 1000, 0.05)
        time.sleep(0.5)
        # New clients meanwhile, four at a time, each on a new connection.
        short = b.loads.begin(server.url, "--streams", "4", "--requests", "1000000", "--duration", "2500", "--fresh",
                              "--tokens", "1", "--first-ms", "20", "--timeout", "15000", count=1000000)
        time.sleep(0.3)
        os.kill(server.pids[part], SIGNALS[name])
        return b.loads.end(short)
    r = b.loads.run(server, b.backend, "--streams", "1000", "--rate", "20", "--tokens", "100", "--skip", "20",
                    "--ramp", "800", "--timeout", "30000", count=1000, meanwhile=reload)
    new = r.pop("meanwhile")
    b.stop(server)
    r["streams_lost"] = r["requests"] - r["complete"]
    r["new"] = {"asked": new["requests"], "failed": new["requests"] - new["complete"], "trouble": trouble(new),
                "max_us": new["first"]["max_us"]}
    return r


def reload(b):
    """1,000 streams of 20 tokens a second and new clients, while the configuration is read again"""
    cases = {name: (lambda name=name: once(b, name)) for name in ("nginx", "haproxy", "dgon")}
    results = b.loads.rounds("reload", cases, lambda r: {
        "streams_lost": r["streams_lost"], "gap": r["gap"], "token": r["token"], "new": r["new"]})
    rows = {}
    for name, rs in results.items():
        rows[name] = [str(sum(r["streams_lost"] for r in rs)), median(rs, "gap.max_us") / 1000,
                      max(r["gap"]["max_us"] for r in rs) / 1000, max(r["token"]["max_us"] for r in rs) / 1000,
                      f"{sum(r['new']['failed'] for r in rs)} of {sum(r['new']['asked'] for r in rs)}",
                      max(r["new"]["max_us"] for r in rs) / 1000]
        for r in rs:
            if r["new"]["failed"]:
                print(f"  {name}, new clients: {r['new']['trouble']}")
    b.report.table("reload", ["streams lost", "longest gap ms", "worst round", "oldest token ms", "new ones failed",
                              "their slowest ms"], rows)
    print("  50 ms of a gap are the rate's own")
    b.report.noise(results, "gap.max_us")
    b.report.target("reload", "streams lost", int(rows["dgon"][0]), 0)
    b.report.target("reload", "longest gap in ms", rows["dgon"][1], 100)
