"""What a token, and a stream's beginning and end, cost in processor time."""

import statistics
import time

from harness.loads import backend_stats
from harness.machine import Snapshot, seconds_by_part


def in_the_middle(b, server, after, seconds):
    """A case's meanwhile(): what these seconds of it cost and how many tokens they had, when all streams are open and
    none ends."""
    def look():
        s = Snapshot()
        pids = {name: s.tree(pid) for name, pid in {**server.pids, **b.backend.pids}.items()}
        time.sleep(after)
        tokens, cpu = backend_stats(b.backend, brief=True)["tokens"], seconds_by_part(pids)
        time.sleep(seconds)
        used = {part: now - cpu[part] for part, now in seconds_by_part(pids).items()}
        return {"tokens": backend_stats(b.backend, brief=True)["tokens"] - tokens, "cpu": used}
    return look


def of_a_token(r, part):
    """In us; a part's time over the tokens of the same while."""
    return r["cpu"].get(part, 0) / max(r["tokens"], 1) * 1e6


def by_part(results, us):
    """Medians by part: {path: {part: us(result, part)}}."""
    return {name: {part: statistics.median(us(r, part) for r in rs) for part in rs[0]["cpu"]}
            for name, rs in results.items()}


def line(what, costs):
    print(f"  processor time of {what}, us: " + "; ".join(
        f"{name}: " + ", ".join(f"{part} {us:.1f}" for part, us in parts.items()) for name, parts in costs.items()))


def lines(results, count):
    """Of a token while all streams are open, and of a stream's beginning and end: what all of the run took beyond its
    tokens. Both {path: {part: us}}."""
    def token(r, part):
        return of_a_token(r["meanwhile"], part)

    tokens = by_part(results, token)
    ends = by_part(results, lambda r, part: (r["cpu"][part] * 1e6 - token(r, part) * r["tokens"]) / count)
    for parts in (*tokens.values(), *ends.values()):
        parts.pop("load")  # ended or not, its time is known at its end only
    line("a token", tokens)
    if count >= 1000:  # of fewer it is not much more than the kernel's clock ticks
        line("a stream's beginning and end", ends)
    return tokens, ends
