"""Short answers: how many a second, and the time to the first token."""

from harness.report import median

from .tokens import against, added_table, keep


def rps(b):
    """answers of one token, plain and streamed, on 32 connections that are kept alive"""
    for kind, limit in (("plain", 0.6), ("streamed", 0.65)):
        scenario = f"rps-{kind}"
        options = ["--streams", "32", "--requests", "1000000", "--duration", "1500", "--tokens", "1",
                   *(["--plain"] if kind == "plain" else [])]
        cases = {name: b.case(server, *options, count=1000000)
                 for name, server in b.paths("nginx", "haproxy", "mod_proxy").items()}
        results = b.loads.rounds(scenario, cases, lambda r: {
            "rps": r["rps"], "p50_us": r["whole"]["p50_us"], "p99_us": r["whole"]["p99_us"]})
        base = median(results["direct"], "rps")
        print(f"  {kind}")
        b.report.table(scenario, ["answers/s", "x direct", "p50 us", "p99 us"], {
            name: [f"{median(rs, 'rps'):,.0f}", f"{median(rs, 'rps') / base:.2f}", median(rs, "whole.p50_us"),
                   median(rs, "whole.p99_us")] for name, rs in results.items()})
        b.report.noise(results, "rps")
        b.report.target(scenario, f"{kind} answers a second over mod_proxy's",
                        median(results["dgon"], "rps") / median(results["mod_proxy"], "rps"), limit, least=True)


def first(b):
    """time to the first token, of 1 request at a time and of 50 at once"""
    # A request at a time is mostly wake-ups, and these vary more than anything else: more and shorter rounds. What the processors
    # have forgotten while they slept costs more than what they do. Two proxies in a row have as many processes to wake
    # as we have.
    for scenario, n, delay, ms, rounds, chains in (
            ("first-1-busy", 1, 0, 200, 3 * b.loads.n_rounds, ()),
            ("first-1", 1, 5, 350, 3 * b.loads.n_rounds, ("nginx", "mod_proxy")),
            ("first-50", 50, 100, 1000, b.loads.n_rounds, ())):
        options = ["--streams", str(n), "--requests", "1000000", "--duration", str(ms), "--tokens", "1", "--first-ms",
                   str(delay)]
        servers = b.paths("nginx", "haproxy", "mod_proxy")
        for front in chains:
            servers.update(b.chain(front, "nginx"))
        cases = {name: b.case(server, *options, count=1000000) for name, server in servers.items()}
        print(f"  {n} at once, of a backend that takes {delay} ms, which are left out")
        results = b.loads.rounds(scenario, cases, keep("first"), n=rounds)
        added = added_table(b, scenario, results, "first")
        b.report.target(scenario, "a first token's added p50 over nginx's", against(added, "dgon")[0], 2.5)
