"""What a path adds to a token's way, and what a token costs in processor time."""

import statistics
import time

from harness.loads import backend_stats
from harness.machine import Snapshot, seconds_by_part
from harness.report import median

KEEP = ("p50_us", "p90_us", "p99_us", "max_us", "count")


def keep(what):
    return lambda r: {**{k: r[what][k] for k in KEEP}, "tokens": r["tokens"], "seconds": r["seconds"]}


def added_table(b, scenario, results, what):
    """Medians per path, against direct and against what nginx adds. {path: (p50, p99) added}"""
    added, rows = {}, {}
    base = [median(results["direct"], f"{what}.{k}") for k in ("p50_us", "p99_us")]
    for name, rs in results.items():
        values = [median(rs, f"{what}.{k}") for k in ("p50_us", "p99_us")]
        added[name] = [v - w for v, w in zip(values, base)]
        row = [*values, max(r[what]["max_us"] for r in rs)]
        if name != "direct":
            row += [*(v / w for v, w in zip(values, base)), *added[name]]
            row += [f"{a:.2f}" for a in against(added, name) if a is not None]
        rows[name] = row
    b.report.table(scenario, ["p50 us", "p99 us", "max us", "p50 x direct", "p99 x direct", "added p50", "added p99",
                              "p50 x nginx's", "p99 x nginx's"], rows)
    b.report.noise(results, f"{what}.p50_us")
    return added


def against(added, name):
    """What a path adds, over what nginx adds: (p50, p99), None where nginx added nothing."""
    if name == "nginx" or "nginx" not in added:
        return None, None
    return tuple(a / n if n > 0 else None for a, n in zip(added[name], added["nginx"]))


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


def cost_of(results, us):
    """Medians by part: {path: {part: us(result, part)}}."""
    return {name: {part: statistics.median(us(r, part) for r in rs) for part in rs[0]["cpu"]}
            for name, rs in results.items()}


def cpu_line(what, cost):
    print(f"  processor time of {what}, us: " + "; ".join(
        f"{name}: " + ", ".join(f"{part} {us:.1f}" for part, us in parts.items()) for name, parts in cost.items()))


def cpu_lines(results, count):
    """Of a token while all streams are open, and of a stream's beginning and end: what all of the run took beyond its
    tokens. Both {path: {part: us}}."""
    def token(r, part):
        middle = r["meanwhile"]
        return middle["cpu"].get(part, 0) / max(middle["tokens"], 1) * 1e6

    tokens = cost_of(results, token)
    ends = cost_of(results, lambda r, part: (r["cpu"][part] * 1e6 - token(r, part) * r["tokens"]) / count)
    for parts in (*tokens.values(), *ends.values()):
        parts.pop("load")  # ended or not, its time is known at its end only
    cpu_line("a token", tokens)
    if count >= 1000:  # of fewer it is not much more than the kernel's clock ticks
        cpu_line("a stream's beginning and end", ends)
    return tokens, ends


def latency(b, scenario, options, count, *peers, middle=None, targets=False):
    """middle: (seconds after the start, how many) in which all streams are open; none: what a token costs is less than
    the kernel's clock ticks."""
    cases = {name: b.case(server, *options, count=count, meanwhile=in_the_middle(b, server, *middle) if middle else None)
             for name, server in b.paths(*peers).items()}
    results = b.loads.rounds(scenario, cases, keep("token"))
    added = added_table(b, scenario, results, "token")
    cost, ends = cpu_lines(results, count) if middle else (None, None)
    b.report.emit(scenario=scenario, added_us=added, cpu_us_per_token=cost, cpu_us_per_stream=ends)
    if targets:
        for what, value, limit in zip(("p50", "p99"), against(added, "dgon"), (2.2, 3)):
            b.report.target(scenario, f"a token's added {what} over nginx's", value, limit)
        for part in ("httpd", "agent"):
            b.report.target(scenario, f"{part}'s processor time a token over nginx's",
                            cost["dgon"][part] / cost["nginx"]["nginx"] if cost["nginx"]["nginx"] else None, 1.3)


def one(b):
    """one stream of 200 tokens a second"""
    latency(b, "one", ["--streams", "1", "--rate", "200", "--tokens", "420", "--skip", "20", "--timeout", "20000"], 1,
            "nginx", "haproxy", "mod_proxy")


def tokens(b):
    """100 streams of 100 tokens a second, their tokens spread evenly over the time"""
    latency(b, "tokens", ["--streams", "100", "--rate", "100", "--tokens", "300", "--skip", "50", "--timeout", "20000"],
            100, "nginx", "haproxy", "mod_proxy", middle=(0.6, 2), targets=True)


def phase(b):
    """100 streams of 100 tokens a second, all their tokens at the same moments"""
    latency(b, "phase", ["--streams", "100", "--rate", "100", "--tokens", "250", "--skip", "50", "--phase", "0",
                         "--timeout", "20000"], 100, "nginx", "haproxy", middle=(0.5, 1.7))


def streams(b):
    """1,000 streams of 10 tokens a second"""
    latency(b, "streams", ["--streams", "1000", "--rate", "10", "--tokens", "40", "--skip", "10", "--ramp", "1000",
                           "--timeout", "30000"], 1000, "nginx", "haproxy", middle=(1.4, 2.2), targets=True)


def flat(b):
    """20 streams as fast as they go: tokens a second, and how old a token gets"""
    for burst, what in ((1, "each token a write of its own, as model servers do"), (64, "64 tokens a write")):
        scenario = "flat" if burst == 1 else f"flat-{burst}"
        options = ["--streams", "20", "--tokens", "40000", "--burst", str(burst), "--timeout", "60000"]
        cases = {name: b.case(server, *options, count=20)
                 for name, server in b.paths("nginx", "haproxy", "mod_proxy").items()}
        results = b.loads.rounds(scenario, cases, lambda r: {"rate": r["tokens"] / r["seconds"], **keep("token")(r)})
        for rs in results.values():
            for r in rs:
                r["rate"] = r["tokens"] / r["seconds"]
        base = median(results["direct"], "rate")
        rows = {name: [f"{median(rs, 'rate'):,.0f}", f"{median(rs, 'rate') / base:.2f}", median(rs, "token.p50_us") / 1000,
                       median(rs, "token.p99_us") / 1000, max(r["token"]["max_us"] for r in rs) / 1000]
                for name, rs in results.items()}
        print(f"  {what}")
        b.report.table(scenario, ["tokens/s", "x direct", "age p50 ms", "age p99 ms", "oldest ms"], rows, 2)
        b.report.noise(results, "rate")
        cpu_line("a token", cost_of(results, lambda r, part: r["cpu"][part] / max(r["tokens"], 1) * 1e6))
        if burst == 1:
            b.report.target("flat", "tokens a second over direct's", median(results["dgon"], "rate") / base, 0.5, least=True)
            b.report.target("flat", "oldest token in ms", max(r["token"]["max_us"] for r in results["dgon"]) / 1000, 100)
