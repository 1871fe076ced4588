"""Whose processor time and memory was it? Read from /proc for whole process trees."""

import os
import re

TICK = os.sysconf("SC_CLK_TCK")


class Snapshot:
    """All processes at one moment."""

    def __init__(self):
        self.parent, self.time = {}, {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    s = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            self.parent[int(pid)] = int(s[1])
            # Its own time and that of the children that it has waited for.
            self.time[int(pid)] = sum(map(int, s[11:15])) / TICK, sum(map(int, s[13:15])) / TICK

    def tree(self, root):
        """root and all processes below it."""
        below, grown = {root}, True
        while grown:
            more = {p for p, parent in self.parent.items() if parent in below} - below
            below |= more
            grown = bool(more)
        return below & set(self.parent)

    def seconds(self, root):
        return sum(self.time[p][0] for p in self.tree(root))

    def ended(self, root):
        """Seconds of root's children that have ended."""
        return self.time[root][1]


def seconds_by_part(pids):
    """{name: seconds} of {name: pids}. Costs next to nothing, unlike a Snapshot, so it may be read in mid-run."""
    total = {}
    for name, own in pids.items():
        total[name] = 0
        for pid in own:
            with open(f"/proc/{pid}/stat") as f:
                total[name] += sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / TICK
    return total


def pss_kib(root):
    """Proportional set size of a process tree."""
    total = 0
    for pid in Snapshot().tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
        except (OSError, TypeError):
            continue
    return total


def busy(cpus):
    """Seconds of these processors since they started: (worked in processes; for another machine of the same host;
    worked in all; passed). What is left of the third are interrupts, on loopback nearly all of them of our own
    traffic."""
    processes = stolen = worked = passed = 0
    with open("/proc/stat") as f:
        for line in f:
            m = re.match(r"cpu(\d+) (.*)", line)
            if m and int(m[1]) in cpus:
                t = [int(x) for x in m[2].split()][:8]
                passed += sum(t)
                worked += sum(t) - t[3] - t[4]
                processes += sum(t[:3])
                stolen += t[7]
    return processes / TICK, stolen / TICK, worked / TICK, passed / TICK


class Meter:
    """In a with block: cpu, the seconds of each part ({name: pid of its root}) and of "load", the children
    of ours that ended meanwhile; used and others, the shares of the processors that anybody and that
    processes outside of this run or other machines worked."""

    def __init__(self, parts):
        self.parts, self.cpus = parts, os.sched_getaffinity(0)

    def _read(self):
        s, me = Snapshot(), os.getpid()
        by_part = {name: s.seconds(pid) for name, pid in self.parts.items()}
        return *busy(self.cpus), s.seconds(me), {**by_part, "load": s.ended(me)}

    def __enter__(self):
        self.start = self._read()
        return self

    def __exit__(self, *_):
        was_processes, was_stolen, was_worked, was_passed, was_ours, was_cpu = self.start
        processes, stolen, worked, passed, ours, cpu = self._read()
        passed = max(passed - was_passed, 1e-9)
        self.cpu = {name: cpu[name] - was_cpu[name] for name in cpu}
        self.used = (worked - was_worked) / passed
        # A process's own time is exact, the processors' is a sample: what they differ by must not hide what was stolen.
        self.others = (max(0.0, processes - was_processes - (ours - was_ours)) + stolen - was_stolen) / passed
