"""Runs of the load client, and rounds of them."""

import http.client
import json
import os
import subprocess
import time

from .machine import Meter
from .report import NOISE
from .servers import OBJ

CHAT = "/v1/chat/completions"
REPEATS = 2
REPEAT_SECONDS = 10  # for the repeats of all scenarios together


def trouble(r):
    """What is wrong with a result of the load client, in its own words."""
    names = ("lost", "doubled", "reordered", "foreign", "no_done", "broken", "error_events",
             "http_errors", "last_status", "connect_failures", "timed_out")
    return " ".join(f"{n}={r[n]}" for n in names if r[n]) + (f" ({r['error']})" if r["error"] else "")


class Loads:
    def __init__(self, report, rounds):
        self.report, self.n_rounds = report, rounds
        self.next_id = 1
        self.repeat_time = REPEAT_SECONDS

    def begin(self, url, *options, count=1):
        """Starts the load client; count: how many ids it may use."""
        command = [os.path.join(OBJ, "bench", "load"), "--json", "--id", str(self.next_id), *options,
                   (url if url.startswith("https:") else url.removeprefix("http://")) + CHAT]
        self.next_id += count
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    @staticmethod
    def end(process):
        out = process.communicate()[0]
        if not out:
            raise SystemExit(f"{' '.join(process.args)} ended with {process.returncode} and no result")
        return json.loads(out)

    def run(self, server, backend, *options, count=1, meanwhile=None):
        """One run: the client's result and what it cost. meanwhile() is called while it lasts, and what it
        returns is "meanwhile"."""
        with Meter({**server.pids, **backend.pids}) as m:
            process = self.begin(server.url, *server.options, *options, count=count)
            try:
                more = {"meanwhile": meanwhile()} if meanwhile else {}
            finally:
                result = self.end(process)
        return {**result, **more, "others": m.others, "used": m.used, "cpu": m.cpu}

    def quietest(self, once):
        """once() again while others used the processors; the quietest result. A bad one stays as it is."""
        best, repeats = once(), 0
        while best["ok"] and best["others"] > NOISE and repeats < REPEATS and self.repeat_time > 0:
            start = time.monotonic()
            r = once()
            self.repeat_time -= time.monotonic() - start
            repeats += 1
            if not r["ok"] or r["others"] < best["others"]:
                best = r
        return {**best, "repeats": repeats}

    def rounds(self, scenario, cases, keep, n=None, allowed=False):
        """Rounds A B C, C B A, ... of cases {name: function that makes one run}: {name: [result]}. keep(result)
        is what of it goes into the JSON line. allowed: the client's bad results are judged by the caller."""
        results = {name: [] for name in cases}
        for i in range(n or self.n_rounds):
            for name in sorted(cases, key=list(cases).index, reverse=i % 2 == 1):
                r = self.quietest(cases[name])
                if not r["ok"] and not allowed:
                    self.report.fail(scenario, name, trouble(r))
                results[name].append(r)
                self.report.emit(scenario=scenario, path=name, round=i + 1, ok=r["ok"], **keep(r), others=r["others"],
                                 used=r["used"], cpu_s=r["cpu"], repeats=r["repeats"])
        return results


def backend_stats(backend, brief=False):
    c = http.client.HTTPConnection(backend.url.removeprefix("http://"), timeout=10)
    c.request("GET", "/stats" + ("?brief" if brief else ""))
    return json.loads(c.getresponse().read())


def held(backend):
    """Streams that the backend has open."""
    s = backend_stats(backend, brief=True)
    return s["started"] - s["finished"] - s["aborted"]


def settled(backend, ids, kind, seconds=3.0):
    """The backend's times of kind (starts, aborts) for ids, when all are there or time is up."""
    end = time.monotonic() + seconds
    while True:
        times = {i: ns for i, ns in backend_stats(backend)[kind] if i in ids}
        if len(times) == len(ids) or time.monotonic() > end:
            return times
        time.sleep(0.02)
