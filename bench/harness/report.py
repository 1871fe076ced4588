"""Tables for people, one JSON line per result in a file, and the list of what went wrong."""

import json
import math
import statistics

NOISE = 0.10  # share of the processors' time taken by others at which a round is repeated


def quantile(values, q):
    values = sorted(values)
    return values[max(0, math.ceil(q * len(values)) - 1)] if values else None


def get(result, key):
    """get(r, "token.p50_us")"""
    for part in key.split("."):
        result = result[part]
    return result


def median(results, key):
    return statistics.median(get(r, key) for r in results)


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def number(value, digits=1):
    return "" if value is None else value if isinstance(value, str) else f"{value:,.{digits}f}"


class Report:
    def __init__(self, path):
        self.failures, self.targets = [], []
        self.failed = set()  # (scenario, path)
        self.lines = open(path, "w")

    def emit(self, **result):
        self.lines.write(json.dumps(rounded(result)) + "\n")
        self.lines.flush()

    def fail(self, scenario, path, text):
        self.failures.append(f"{scenario} {path}: {text}")
        self.failed.add((scenario, path))
        print(f"  FAILED {scenario} {path}: {text}", flush=True)
        self.emit(scenario=scenario, path=path, failed=text)

    def target(self, scenario, text, value, limit, least=False):
        """Says whether dgon met what is wanted of it. value None: this run cannot tell."""
        if value is None:
            print(f"  {text}: no base to compare with")
            return
        met = value >= limit if least else value <= limit
        self.targets.append(met)
        print(f"  {text}: {value:.2f}, wanted {limit:g} or {'more' if least else 'less'}: "
              f"{'met' if met else 'MISSED'}")
        self.emit(scenario=scenario, target=text, value=value, limit=limit, met=met)

    def table(self, scenario, columns, rows, digits=1):
        """rows: {path: [value or None or text]}; a path that failed the scenario says so behind its figures."""
        widths = [max(11, len(c) + 2) for c in columns]
        name_width = max([14, *(len(name) + 2 for name in rows)])
        print(f"  {'':{name_width}}" + "".join(f"{c:>{w}}" for c, w in zip(columns, widths)))
        for name, values in rows.items():
            line = f"  {name:{name_width}}" + "".join(f"{number(v, digits):>{w}}" for v, w in zip(values, widths))
            print(line.rstrip() + ("  FAILED" if (scenario, name) in self.failed else ""))

    @staticmethod
    def noise(results, key=None):
        """The line under each table: how many runs, how much others worked, how far rounds lie apart."""
        runs = [r for rs in results.values() for r in rs]
        others = [r["others"] for r in runs]
        repeats = sum(r.get("repeats", 0) for r in runs)
        line = (f"  runs of each: {min(map(len, results.values()))}, repeated: {repeats}; others used "
                f"{statistics.median(others):.1%} of the processors, at most {max(others):.1%}")
        if key:
            spreads = {name: (max(v) - min(v)) / statistics.median(v) for name, rs in results.items()
                       if (v := [get(r, key) for r in rs]) and statistics.median(v)}
            if spreads:
                worst = max(spreads, key=spreads.get)
                line += (f"; rounds lie {statistics.median(spreads.values()):.0%} apart, "
                         f"{worst}'s {spreads[worst]:.0%}")
        print(line + ("  NOISY" if max(others) > NOISE else ""), flush=True)
