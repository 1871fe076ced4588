"""How many tests passed and failed, for build.sh: hooks that each conftest.py takes from here."""

import env

seen = {}


def pytest_runtest_logreport(report):
    """Each test counts once; a skip or a fault while stopping makes it a failed one."""
    good = report.outcome == "passed" and not hasattr(report, "wasxfail")
    if report.when == "call" or not good:
        seen[report.nodeid] = seen.get(report.nodeid, True) and good


def pytest_sessionfinish(session, exitstatus):
    failed = sum(not good for good in seen.values())
    if exitstatus not in (0, 1):  # collection failed, or nothing was found
        failed += 1
    env.RUNS.mkdir(parents=True, exist_ok=True)
    (env.RUNS / "count").write_text(f"{len(seen) - sum(not g for g in seen.values())} {failed}\n")


def pytest_collectreport(report):
    if report.failed:
        seen[report.nodeid] = False
