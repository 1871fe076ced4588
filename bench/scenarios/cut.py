"""The backend dies in mid-stream: no client may take what it got for a whole answer."""

import time

from harness.loads import held
from harness.servers import start_backend, until

STREAMS = 20


def cut(b):
    """the backend dies in mid-stream: streams that end as if they were whole"""
    rows, names = {}, ["direct", "nginx", "haproxy", "mod_proxy", *(n for n in b.more if n not in b.shared), "dgon"]
    for name in names:
        backend = start_backend(b.dir, "cut-backend")
        b.started.append(backend)
        server = backend if name == "direct" else b.fresh(name, backend)
        process = b.loads.begin(server.url, *server.options, "--streams", str(STREAMS), "--rate", "50", "--tokens", "100000",
                                "--timeout", "15000", count=STREAMS)
        until(5, lambda: held(backend) == STREAMS, 0.02)
        time.sleep(0.3)
        start = time.monotonic()
        backend.parts["backend"].kill()
        r = b.loads.end(process)
        took = (time.monotonic() - start) * 1000
        if name != "direct":
            b.stop(server)
        b.started.remove(backend)
        clean = r["no_done"] + r["complete"]
        rows[name] = [str(r["broken"]), str(r["error_events"]), str(clean), str(r["timed_out"]), took]
        wrong = r["lost"] + r["doubled"] + r["reordered"] + r["foreign"]
        if clean or r["timed_out"] or wrong:
            b.report.fail("cut", name, f"{clean} ended as if they were whole, {r['timed_out']} did not end, "
                                       f"{wrong} tokens lost, doubled or reordered")
        b.report.emit(scenario="cut", path=name, broken=r["broken"], error_events=r["error_events"], clean=clean,
                      timed_out=r["timed_out"], ms=took)
    b.report.table("cut", ["broken", "error events", "clean", "not ended", "took ms"], rows)
    print(f"  runs of each: 1 of {STREAMS} streams; nothing is timed, so noise does not matter")
