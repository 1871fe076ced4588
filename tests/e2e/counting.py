"""How many tests passed and failed, and where the time went, for build.sh: hooks that each conftest.py takes from here."""

import collections
import os

import env

PART = "-" + os.environ["DGON_PART"] if os.environ.get("DGON_PART") else ""
seen = {}
took = collections.Counter()


def pytest_runtest_logreport(report):
    """Each test counts once; a skip or a fault while stopping makes it a failed one."""
    good = report.outcome == "passed" and not hasattr(report, "wasxfail")
    if report.when == "call" or not good:
        seen[report.nodeid] = seen.get(report.nodeid, True) and good
    took[report.nodeid] += report.duration


def pytest_sessionfinish(session, exitstatus):
    failed = sum(not good for good in seen.values())
    if exitstatus not in (0, 1):  # collection failed, or nothing was found
        failed += 1
    env.RUNS.mkdir(parents=True, exist_ok=True)
    (env.RUNS / ("count" + PART)).write_text(f"{len(seen) - sum(not g for g in seen.values())} {failed}\n")
    write_durations()


def write_durations():
    """Seconds of each file and of each test with what was started for it and stopped after it, slowest first."""
    files = collections.Counter()
    for test, seconds in took.items():
        files[test.partition("::")[0]] += seconds
    lines = [f"{seconds:8.2f} {name.removeprefix('../')}\n" for name, seconds in (files + took).most_common()]
    (env.RUNS / ("durations" + PART)).write_text("".join(lines))


def pytest_collectreport(report):
    if report.failed:
        seen[report.nodeid] = False
