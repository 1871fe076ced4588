"""One client of 50 reads slowly what its model writes flat out: what do the others feel?"""

import statistics
import time

from harness.loads import trouble
from harness.report import median

from .tokens import keep

# Short rounds and many of them: a round's p99 differs from the next one's by a fifth, whatever its length.
FAST = ["--streams", "49", "--rate", "100", "--tokens", "130", "--skip", "30", "--slice", "100", "--timeout", "20000"]
ROUNDS = 3  # for one of other scenarios
LATE_US = 1000


def beside(b, server):
    """The slow one is there before the fast ones, its buffers full, and is cut when they are done."""
    slow = b.loads.begin(server.url, "--streams", "1", "--slow", "1", "--slow-rate", "10240", "--tokens", "10000000",
                         "--cancel-after", "2300", "--timeout", "20000")
    time.sleep(0.7)
    r = b.loads.run(server, b.backend, *FAST, count=49)
    bad = b.loads.end(slow)
    if not bad["ok"] or not bad["slow_tokens"]:
        r["ok"], r["error"] = False, f"the slow one: {trouble(bad) or 'no token'}"
    r["slow_tokens"] = bad["slow_tokens"]
    return r


def slow(b):
    """49 streams of 100 tokens a second, without and with a slow reader whose model writes flat out"""
    cases = {}
    for name in ("nginx", "dgon"):
        server = b.path(name)
        cases[f"{name}"] = b.case(server, *FAST, count=49)
        cases[f"{name}+slow"] = lambda server=server: beside(b, server)
    results = b.loads.rounds("slow", cases, lambda r: {
        **keep("token")(r), "slices_p99_us": r["slices_p99_us"]}, n=ROUNDS * b.loads.n_rounds)
    rows, change = {}, {}
    for name in (n for n in results if not n.endswith("+slow")):
        pair = results[name], results[name + "+slow"]
        slices = [[us for r in rs for us in r["slices_p99_us"]] for rs in pair]
        p99 = [statistics.median(us) for us in slices]
        change[name] = p99[1] / p99[0]
        rows[name] = [*(median(rs, "token.p50_us") for rs in pair), *p99, f"{change[name] - 1:+.0%}",
                      *(f"{sum(us > LATE_US for us in of) / len(of):.0%}" for of in slices),
                      *(median(rs, "token.p99_us") for rs in pair)]
    b.report.table("slow", ["p50 us", "with slow", "p99 of 0.1 s", "with slow", "change", "over 1 ms", "with slow",
                            "p99 of all", "with slow"], rows)
    b.report.noise(results, "token.p50_us")
    b.report.target("slow", "others' p99 with a slow reader over without", change["dgon"], 1.1)
