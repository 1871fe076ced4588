"""The hot pieces alone."""

import json
import os
import statistics
import subprocess

from harness.machine import Meter
from harness.servers import OBJ


def programs():
    """micro_* of the build directory; each prints JSON lines {"micro": NAME, "n": SIZE, "ns": ...}."""
    dir = os.path.join(OBJ, "bench")
    return sorted(os.path.join(dir, n) for n in os.listdir(dir)
                  if n.startswith("micro_") and "." not in n and os.access(os.path.join(dir, n), os.X_OK))


def micro(b):
    """the hot pieces alone: nanoseconds each"""
    found, others = {}, []
    for i in range(b.loads.n_rounds):
        for program in programs():
            with Meter({}) as m:
                out = subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout
            others.append(m.others)
            for line in filter(None, out.splitlines()):
                r = json.loads(line)
                found.setdefault((r["micro"], r["n"]), []).append(r["ns"])
                b.report.emit(scenario="micro", round=i + 1, **r, others=m.others)
    for (name, n), ns in found.items():
        print(f"  {name:44}{n:>10}{statistics.median(ns):14,.1f} ns   {min(ns):,.1f} to {max(ns):,.1f}")
    b.report.noise({"micro": [{"others": o} for o in others]})
