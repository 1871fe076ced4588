"""What a path adds to a token's way."""

from harness.report import median

from . import cost

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


def latency(b, scenario, options, count, *peers, middle=None, targets=False, more_rounds=0):
    """middle: (seconds after the start, how many) in which all streams are open; none: what a token costs is less than
    the kernel's clock ticks."""
    cases = {name: b.case(server, *options, count=count, meanwhile=cost.in_the_middle(b, server, *middle) if middle else None)
             for name, server in b.paths(*peers).items()}
    results = b.loads.rounds(scenario, cases, keep("token"), n=b.loads.n_rounds + more_rounds)
    added = added_table(b, scenario, results, "token")
    spent, ends = cost.lines(results, count) if middle else (None, None)
    b.report.emit(scenario=scenario, added_us=added, cpu_us_per_token=spent, cpu_us_per_stream=ends)
    if targets:
        for what, value, limit in zip(("p50", "p99"), against(added, "dgon"), (2.2, 3)):
            b.report.target(scenario, f"a token's added {what} over nginx's", value, limit)
        for part in ("httpd", "agent"):
            b.report.target(scenario, f"{part}'s processor time a token over nginx's",
                            spent["dgon"][part] / spent["nginx"]["nginx"] if spent["nginx"]["nginx"] else None, 1.3)


def one(b):
    """one stream of 200 tokens a second"""
    latency(b, "one", ["--streams", "1", "--rate", "200", "--tokens", "420", "--skip", "20", "--timeout", "20000"], 1,
            "nginx", "haproxy", "mod_proxy")


def tokens(b):
    """100 streams of 100 tokens a second, their tokens spread evenly over the time"""
    latency(b, "tokens", ["--streams", "100", "--rate", "100", "--tokens", "200", "--skip", "50", "--timeout", "20000"],
            100, "nginx", "haproxy", "mod_proxy", middle=(0.5, 1.3), targets=True, more_rounds=3)


def phase(b):
    """100 streams of 100 tokens a second, all their tokens at the same moments"""
    latency(b, "phase", ["--streams", "100", "--rate", "100", "--tokens", "250", "--skip", "50", "--phase", "0",
                         "--timeout", "20000"], 100, "nginx", "haproxy", middle=(0.5, 1.7))


def streams(b):
    """1,000 streams of 10 tokens a second"""
    latency(b, "streams", ["--streams", "1000", "--rate", "10", "--tokens", "40", "--skip", "10", "--ramp", "1000",
                           "--timeout", "30000"], 1000, "nginx", "haproxy", middle=(1.4, 2.2), targets=True, more_rounds=2)


def flat(b):
    """20 streams as fast as they go: tokens a second, and how old a token gets"""
    for burst, what in ((1, "each token a write of its own, as model servers do"), (64, "64 tokens a write")):
        scenario = "flat" if burst == 1 else f"flat-{burst}"
        options = ["--streams", "20", "--tokens", "30000", "--burst", str(burst), "--timeout", "60000"]
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
        cost.line("a token", cost.by_part(results, cost.of_a_token))
        if burst == 1:
            b.report.target("flat", "tokens a second over direct's", median(results["dgon"], "rate") / base, 0.5, least=True)
            b.report.target("flat", "oldest token in ms", max(r["token"]["max_us"] for r in results["dgon"]) / 1000, 100)
