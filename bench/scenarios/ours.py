"""Ways to set the gateway up, against each other."""

import os
import statistics
import time

from harness.loads import held
from harness.report import median
from harness.servers import start_backend, until

from .cost import of_a_token
from .tokens import keep

HUNDRED = ["--streams", "100", "--rate", "100", "--tokens", "200", "--skip", "50", "--timeout", "20000"]


def against_first(b, scenario, results, what="token"):
    """A table of which each row is compared with the first one."""
    base = [median(next(iter(results.values())), f"{what}.{k}") for k in ("p50_us", "p99_us")]
    rows = {}
    for name, rs in results.items():
        values = [median(rs, f"{what}.{k}") for k in ("p50_us", "p99_us")]
        spent = {part: statistics.median(of_a_token(r, part) for r in rs) for part in ("httpd", "agent")}
        rows[name] = [*values, *(f"{v / w:.2f}" if w else "" for v, w in zip(values, base)),
                      spent["httpd"], spent["agent"]]
    first = next(iter(results))
    b.report.table(scenario, ["p50 us", "p99 us", f"p50 x {first}", f"p99 x {first}", "httpd us", "agent us"], rows)
    b.report.noise(results, f"{what}.p50_us")


def children(b):
    """one stream whose client is in the child that holds the agent's link, and in another one"""
    server = b.fresh("dgon", links=1, child_log=True)
    log = os.path.join(server.dir, "children.log")
    holder = next(iter(server.link_children()["agent"]))
    results = {"same": [], "other": []}
    for _ in range(40):
        with open(log) as f:
            f.seek(0, os.SEEK_END)
            r = b.loads.quietest(b.case(server, "--streams", "1", "--rate", "200", "--tokens", "160", "--skip", "10",
                                        "--timeout", "10000"))
            for _ in range(50):  # the line is written when the request has ended in httpd too
                line = f.readline()
                if line:
                    break
                time.sleep(0.01)
        if not r["ok"] or not line:
            b.report.fail("children", "dgon", r["error"] or "no line in the log")
            break
        case = "same" if int(line.split()[0]) == holder else "other"
        results[case].append(r)
        b.report.emit(scenario="children", path=case, round=len(results[case]), **keep("token")(r), others=r["others"])
        if min(map(len, results.values())) >= 4:
            break
    b.stop(server)
    if all(results.values()):
        against_first(b, "children", results)
    else:
        b.report.fail("children", "dgon", "every connection went to the same child: nothing to compare")


def transport(b):
    """100 streams of 100 tokens a second over plain HTTP, TLS, and HTTP/2 over TLS on 4 connections"""
    servers = {"plain": b.path("dgon"), "tls": b.fresh("dgon", tls=True), "http2": b.fresh("dgon", tls=True, http2=True)}
    more = {"http2": ["--http2", "4"]}
    cases = {name: b.case(server, *HUNDRED, *more.get(name, []), count=100) for name, server in servers.items()}
    against_first(b, "transport", b.loads.rounds("transport", cases, keep("token")))
    b.stop(servers["tls"])
    b.stop(servers["http2"])
    for factor in (1.5, 4):
        threads_of_http2(b, factor)


def threads_of_http2(b, factor):
    """How many streams of HTTP/2 run at once: each has a thread of mod_http2's. 1.5 is its own default."""
    # One of its own: the run's may still be at what a peer never cancelled.
    backend = start_backend(b.dir, f"held-backend-{factor}")
    b.started.append(backend)
    server = b.fresh("dgon", backend, tls=True, http2=True, h2_factor=factor)
    count, most = 400, 0

    def look():
        nonlocal most

        def more():
            nonlocal most
            most = max(most, held(backend))
            return False
        until(4, more, 0.1)
    r = b.loads.run(server, backend, "--http2", "8", "--streams", str(count), "--rate", "2", "--tokens", "3", "--timeout",
                    "60000", count=count, meanwhile=look)
    b.stop(server)
    b.stop(backend)
    if not r["ok"]:
        b.report.fail("transport", "http2", r["error"] or "streams were lost")
    workers = int(server.children * server.threads * factor)
    b.report.emit(scenario="transport-held", h2_workers=workers, asked=count, held=most)
    print(f"  HTTP/2, H2MaxWorkers {factor} x ThreadsPerChild ({workers} in all): {most} of {count} streams at once, the others wait")


def agents(b):
    """1, 2 and 4 agents: tokens of 20 streams flat out, and streamed answers of one token, a second"""
    servers = {str(n): b.path("dgon") if n == 1 else b.fresh("dgon", agents=n, slots=1000) for n in (1, 2, 4)}
    flat = b.loads.rounds("agents-flat", {n: b.case(s, "--streams", "20", "--tokens", "10000", "--timeout", "60000",
                                                    count=20) for n, s in servers.items()},
                          lambda r: {"rate": r["tokens"] / r["seconds"]})
    short = b.loads.rounds("agents-rps", {n: b.case(s, "--streams", "32", "--requests", "1000000", "--duration", "1500",
                                                    "--tokens", "1", count=1000000) for n, s in servers.items()},
                           lambda r: {"rps": r["rps"]})
    for rs in flat.values():
        for r in rs:
            r["rate"] = r["tokens"] / r["seconds"]
    rows = {}
    for n in servers:
        rate, rps = median(flat[n], "rate"), median(short[n], "rps")
        rows[n] = [f"{rate:,.0f}", f"{rate / median(flat['1'], 'rate'):.2f}", f"{rps:,.0f}",
                   f"{rps / median(short['1'], 'rps'):.2f}"]
    b.report.table("agents", ["tokens/s", "x one's", "answers/s", "x one's"], rows)
    b.report.noise({n: flat[n] + short[n] for n in servers})
    for n in ("2", "4"):
        b.stop(servers[n])
