"""The client goes away: when does the backend's generation end?"""

import json
import os
import socket
import statistics
import time

from harness.loads import settled, trouble
from harness.report import quantile

CLIENTS = 100
# What the backend would do; each is cut 500 ms after the start.
CASES = {
    "mid-stream": ["--tokens", "100000", "--rate", "20"],
    "before the first token": ["--tokens", "5", "--first-ms", "60000"],
}
SILENT = {
    "mid-stream, silent": ["--tokens", "5", "--silent"],
    "before the first token, silent": ["--tokens", "0", "--silent"],
    "plain": ["--plain", "--tokens", "5", "--first-ms", "60000"],
    "plain, silent": ["--plain", "--tokens", "5", "--silent"],
}


def once(b, case, server, options):
    """All clients close at once: ms from the last close to the last end at the backend, and from each close to its
    end. The backend may see the end before the client's close has returned."""
    r = b.loads.run(server, b.backend, "--streams", str(CLIENTS), *options, "--cancel-after", "500", "--timeout", "30000",
                    count=CLIENTS, meanwhile=None)
    closes = {i: ns for i, ns, _ in r["closes"]}
    aborts = settled(b.backend, set(closes), "aborts")
    r["never"] = len(closes) - len(aborts)
    r["each_ms"] = [max(0, aborts[i] - ns) / 1e6 for i, ns in closes.items() if i in aborts]
    r["last_ms"] = (max(0, max(aborts.values()) - max(closes.values())) / 1e6) if aborts else None
    r["early"] = CLIENTS - len(closes)
    r["no_token"] = sum(not t for _, _, t in r["closes"]) if "mid" in case else 0
    return r


def judge(b, scenario, name, rs):
    for r in rs:
        if r["early"] or r["no_token"] or not r["ok"]:
            b.report.fail(scenario, name, f"{r['early']} ended by themselves, {r['no_token']} had no token: {trouble(r)}")
        # That a peer lets the backend go on is a figure of the table, not a broken answer.
        if r["never"] and name == "dgon":
            b.report.fail(scenario, name, f"{r['never']} of {CLIENTS} closes never reached the backend")


def table(b, scenario, results):
    rows = {}
    for name, rs in results.items():
        judge(b, scenario, name, rs)
        each = [ms for r in rs for ms in r["each_ms"]]
        last = [r["last_ms"] for r in rs if r["last_ms"] is not None]
        rows[name] = [statistics.median(last) if last else None, max(last, default=None), quantile(each, .5),
                      quantile(each, .99), str(sum(r["never"] for r in rs))]
    b.report.table(scenario, ["last ms", "worst last", "each p50 ms", "each p99 ms", "never"], rows, 2)
    b.report.noise(results)
    return rows


def cancel(b):
    """100 clients go away at once: when the last generation has ended at the backend"""
    worst = 0
    for n, (case, options) in enumerate({**CASES, **SILENT}.items()):
        scenario = f"cancel {case}"
        servers = b.paths("nginx", "haproxy", "mod_proxy") if case in CASES else {"dgon": b.path("dgon")}
        print(f"  {case}")
        cases = {name: (lambda server=server: once(b, case, server, options)) for name, server in servers.items()}
        results = b.loads.rounds(scenario, cases, lambda r: {
            "last_ms": r["last_ms"], "never": r["never"], "p50_ms": quantile(r["each_ms"], .5),
            "p99_ms": quantile(r["each_ms"], .99)}, n=2 * b.loads.n_rounds - 1, allowed=True)
        rows = table(b, scenario, results)
        worst = max(worst, rows["dgon"][0] or 0)
    b.report.target("cancel", "last close to the last end at the backend in ms, the worst case's median", worst, 5)
    queued(b)


class Client:
    """One request on a socket of its own."""

    def __init__(self, b, server, **plan):
        target = server.url.removeprefix("http://")
        host, port = target.split(":")
        self.id, b.loads.next_id = b.loads.next_id, b.loads.next_id + 1
        self.sock = socket.create_connection((host, int(port)))
        body = json.dumps({"model": "bench", "stream": True, "bench": {"id": self.id, **plan},
                           "messages": [{"role": "user", "content": "bench"}]})
        self.sock.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: {target}\r\nContent-Type: application/json"
                           f"\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())

    def first_token(self):
        self.sock.settimeout(10)
        seen = b""
        while f":{self.id} ".encode() not in seen:
            more = self.sock.recv(65536)
            if not more:
                raise OSError("closed before the first token: " + seen.decode(errors="replace")[-300:])
            seen += more

    def close(self):
        self.sock.close()
        return time.monotonic_ns()


def queued(b):
    """One slot: a client holds it, the next waits and goes away, a third gets the slot."""
    server = b.fresh("dgon", slots=1)
    log = os.path.join(server.dir, "access.log")
    tries = 30
    left, held, handed, seen = [], [], [], 0
    for _ in range(tries):
        holder = Client(b, server, tokens=1000000, rate=50)
        holder.first_token()
        gone = Client(b, server, tokens=1)
        time.sleep(0.03)
        size = os.stat(log).st_size
        closed = gone.close()
        while os.stat(log).st_size == size and time.monotonic_ns() < closed + 2e9:
            time.sleep(0.0002)
        left.append((time.monotonic_ns() - closed) / 1e6)
        waiter = Client(b, server, tokens=1)
        time.sleep(0.03)
        closed = holder.close()
        starts = settled(b.backend, {waiter.id}, "starts")
        aborts = settled(b.backend, {holder.id}, "aborts")
        handed += [(ns - closed) / 1e6 for ns in starts.values()]
        held += [(ns - closed) / 1e6 for ns in aborts.values()]
        seen += len(settled(b.backend, {gone.id}, "starts", 0))
        if starts:
            waiter.first_token()
        waiter.close()
    b.stop(server)
    late = sum(ms >= 2000 for ms in left)
    what = {"a queued one goes, until the gateway has logged it": [ms for ms in left if ms < 2000],
            "the slot's holder goes, until its generation ended": held,
            "the slot's holder goes, until the next one starts": handed}
    print(f"  one slot, {tries} times, ms")
    for text, ms in what.items():
        print(f"    {text:52} p50 {quantile(ms, .5) or 0:6.2f}  p99 {quantile(ms, .99) or 0:6.2f}")
        b.report.emit(scenario="cancel", case=text, path="dgon", count=len(ms), p50_ms=quantile(ms, .5),
                      p99_ms=quantile(ms, .99))
    if late or len(held) < tries or len(handed) < tries:
        b.report.fail("cancel", "dgon", f"of {tries}, {late} were not logged in 2 s, {tries - len(held)} did not reach "
                      f"the backend, {tries - len(handed)} slots did not get their next one")
    if seen:
        b.report.fail("cancel", "dgon", f"the backend was asked for {seen} clients that had gone while they waited")
