"""From the first process to the first answer."""

import time

from harness.loads import trouble
from harness.machine import Meter
from harness.report import median


def once(b, name):
    start = time.monotonic()
    with Meter({}) as m:
        server = b.fresh(name)
    ready = getattr(server, "ready", time.monotonic()) - start
    r = b.loads.run(server, b.backend, "--streams", "1", "--tokens", "1", "--timeout", "10000")
    r["ready_ms"], r["first_us"] = ready * 1000, r["first"]["max_us"]
    r["others"], r["used"] = m.others, m.used
    b.stop(server)
    return r


def startup(b):
    """from the start of the processes until a model is offered, and the first token after it"""
    cases = {name: (lambda name=name: once(b, name)) for name in ("nginx", "haproxy", "mod_proxy", "dgon")}
    results = b.loads.rounds("startup", cases, lambda r: {"ready_ms": r["ready_ms"], "first_us": r["first_us"]})
    rows = {name: [median(rs, "ready_ms"), max(r["ready_ms"] for r in rs), median(rs, "first_us") / 1000]
            for name, rs in results.items()}
    b.report.table("startup", ["ready ms", "slowest", "first token ms"], rows)
    b.report.noise(results)
