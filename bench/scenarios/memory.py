"""What a held stream costs in memory, and what the rest of the gateway feels of it."""

import http.client
import statistics
import threading
import time

from harness.loads import held, trouble
from harness.machine import pss_kib
from harness.report import median, quantile
from harness.servers import FILES, until

STREAMS = 9500
MOST = 15000


class Asker(threading.Thread):
    """Asks dgon for its static page every 100 ms, on a new connection."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.host, self.over, self.times, self.errors = url.removeprefix("http://"), threading.Event(), [], 0

    def run(self):
        while not self.over.wait(0.1):
            start = time.monotonic()
            try:
                c = http.client.HTTPConnection(self.host, timeout=10)
                c.request("GET", "/")
                r = c.getresponse()
                r.read()
                c.close()
                self.errors += r.status != 200
            except (OSError, http.client.HTTPException):
                self.errors += 1
            self.times.append((time.monotonic() - start) * 1000)


def once(b, name, count, ramp=3, spare=4, **options):
    """Fresh servers, so that the memory of earlier streams is not in the base. spare: seconds that the first stream goes on
    after the last one was to begin."""
    server = b.fresh(name, **options) if name != "direct" else b.backend
    parts = {} if name == "direct" else server.pids
    before = {part: pss_kib(pid) for part, pid in parts.items()}
    asker = Asker(server.url) if name == "dgon" else None
    if asker:
        asker.start()

    def weigh():
        until(ramp + spare, lambda: held(b.backend) == count, 0.1)
        return {"held": held(b.backend), "kib": {part: pss_kib(pid) for part, pid in parts.items()}}
    r = b.loads.run(server, b.backend, "--streams", str(count), "--rate", "1", "--tokens", str(ramp + spare), "--ramp",
                    str(ramp * 1000), "--skip", "2", "--timeout", "40000", count=count, meanwhile=weigh)
    if asker:
        asker.over.set()
        asker.join()
        r["static_ms"] = max(asker.times)
        r["static_p99_ms"] = quantile(asker.times, .99)
        r["static_errors"] = asker.errors
    if name != "direct":
        b.stop(server)
    r["held"] = r["meanwhile"]["held"]
    r["idle_kib"] = before
    r["kib"] = {part: (r["meanwhile"]["kib"][part] - before[part]) / max(r["held"], 1) for part in parts}
    return r


def memory(b):
    """9,500 streams of 1 token a second: memory of each, and a static page asked meanwhile"""
    count = min(STREAMS, FILES // 2 - 300)
    names = ("direct", "nginx", "haproxy", "dgon")
    cases = {name: (lambda name=name: once(b, name, count)) for name in names}
    results = b.loads.rounds("memory", cases, lambda r: {
        "held": r["held"], "kib_per_stream": r["kib"], "idle_kib": r["idle_kib"], "token": r["token"],
        **{k: v for k, v in r.items() if k.startswith("static")}})
    base = median(results["direct"], "token.p50_us")
    rows = {}
    for name, rs in results.items():
        kib = {part: statistics.median(r["kib"][part] for r in rs) for part in rs[0]["kib"]}
        both = statistics.median(sum(r["kib"].values()) for r in rs) if kib else None
        rows[name] = [str(min(r["held"] for r in rs)), both, kib.get("httpd"), kib.get("agent"),
                      statistics.median(sum(r["idle_kib"].values()) for r in rs) / 1024,
                      median(rs, "token.p50_us"), median(rs, "token.p99_us"), median(rs, "token.p50_us") / base]
        if min(r["held"] for r in rs) < count:
            b.report.fail("memory", name, f"held {rows[name][0]} of {count} streams at once")
    b.report.table("memory", ["held", "KiB/stream", "httpd KiB", "agent KiB", "idle MiB", "p50 us", "p99 us",
                              "p50 x direct"], rows)
    b.report.noise(results, "token.p50_us")
    dgon = results["dgon"]
    if any(r["static_errors"] for r in dgon):
        b.report.fail("memory", "dgon", f"{sum(r['static_errors'] for r in dgon)} requests for the static page failed")
    print(f"  slowest static page meanwhile: {max(r['static_ms'] for r in dgon):.1f} ms")
    b.report.target("memory", "httpd and agent, KiB a stream", rows["dgon"][1], 44)
    most(b)


def most(b):
    """As many as the limit of open files lets the load client, the backend and the agent have."""
    count = min(MOST, FILES - 500)
    r = once(b, "dgon", count, ramp=8, spare=8, slots=count + 100)
    b.report.emit(scenario="memory-most", asked=count, held=r["held"], ok=r["ok"], kib_per_stream=r["kib"], token=r["token"])
    if not r["ok"] or r["held"] < count:
        b.report.fail("memory", "dgon", f"held {r['held']} of {count} streams at once; {trouble(r)}")
    print(f"  {count:,} streams: {r['held']:,} held at once, {'none' if r['ok'] else 'some'} lost, {sum(r['kib'].values()):.1f} KiB "
          f"each, p50 {r['token']['p50_us']:,.0f} us, p99 {r['token']['p99_us']:,.0f} us")
