"""A Debian that is booted: its own systemd is process 1 of namespaces of its own, over a directory, in a cgroup of its own.
Nothing of it is known to this machine's service manager; whatever fails, killing that cgroup and removing the directory ends it."""

import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import time

import chroot
import env
from chroot import ROOT, run

# Everything in the new root is mounted in the mount namespace of process 1 and goes with it. Of the devices there are those that a
# container has. What is this machine's, its kernel's settings, devices and clock, is out of reach; the cgroups begin at the machine's own.
BOOT = r"""
set -e
root=$1
mount --bind "$root" "$root"
cd "$root"
mount -t proc -o nosuid,nodev,noexec proc proc
for path in proc/sys proc/sysrq-trigger; do
    [ -e "$path" ] || continue
    mount --bind "$path" "$path"
    mount -o remount,bind,ro,nosuid,nodev,noexec "$path"
done
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs dev
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 dev/tty c 5 0
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mkdir dev/pts dev/shm
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777,size=64m tmpfs dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755,size=64m tmpfs run
mount -t tmpfs -o nosuid,nodev,mode=1777,size=64m tmpfs tmp
echo node >etc/hostname
echo '127.0.0.1 localhost node' >etc/hosts
mkdir -p .host
pivot_root . .host
umount -l /.host
rmdir /.host
exec env -i container=dgon-test LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-sys_boot,-syslog,-mac_admin,-mac_override /lib/systemd/systemd --log-target=journal --show-status=no
"""
LONGEST = 900  # seconds; should the test be killed with -9


def cgroups():
    """Where this machine has mounted cgroup v2."""
    found = re.search(r"^\S+ (/\S+) cgroup2 ", pathlib.Path("/proc/mounts").read_text(), re.M)
    assert found, "systemd needs cgroup v2, which this machine has mounted nowhere"
    return pathlib.Path(found[1])


def contents(debs):
    """What is in a Debian for these packages, and what lies in its apt's cache."""
    return (["systemd-sysv", "dbus", "libnss-systemd", "procps", "curl", "rpm"], [*chroot.depends(debs), *chroot.depends(debs, "Recommends")])


def tarball(wanted, later):
    """A Debian with `wanted` and all that they need; `later` and what they need lie in apt's cache."""
    release, lines = chroot.sources()
    name = hashlib.sha256("\n".join(["booted", release, *wanted, *later, *lines]).encode()).hexdigest()[:12]
    path = env.CACHE / f"debian-{release}-{name}.tar"
    if not path.exists():
        env.CACHE.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}.tar")
        fetch = 'chroot "$1" apt-get install -y -o APT::Install-Recommends=true --download-only ' + " ".join(later)
        run(*ROOT, "mmdebstrap", "--variant=apt", "--skip=cleanup/apt", "--include=" + ",".join(wanted), f"--customize-hook={fetch}",
            release, new, *lines)
        os.rename(new, path)
    return path


class Machine:
    def __init__(self, folder, wanted, later):
        self.root = pathlib.Path(folder)
        self.cgroup = cgroups() / ("dgon-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:12])
        self.destroy()  # what a test that was killed has left
        self.root.mkdir(parents=True)
        self.log = self.root.with_name(self.root.name + ".log")
        run(*ROOT, "tar", "-C", self.root, "-xf", tarball(wanted, later))
        run(*ROOT, "mkdir", self.cgroup)
        try:
            self._boot()
        except BaseException:
            self.destroy()
            raise

    def _boot(self):
        enter = f'echo $$ >"{self.cgroup}/cgroup.procs"; exec "$@"'
        with open(self.log, "w") as log:
            self.holder = subprocess.Popen(
                [*ROOT, "timeout", "--signal=KILL", str(LONGEST), "sh", "-c", enter, "sh", "unshare", "--mount", "--pid", "--uts", "--ipc", "--net",
                 "--cgroup", "--fork", "--kill-child", "sh", "-c", BOOT, "sh", self.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env.environment())
        self.pid = env.wait_for(self._first, 20, f"process 1: {self.log}")
        state = env.wait_for(lambda: self._booted(), 60, "systemd that has booted", step=0.1)
        assert state == "running", f"{state}\n" + self("systemctl", "--failed", check=False).stdout + self.journal()

    def _first(self):
        """Process 1 in our numbers, once it is systemd."""
        assert self.holder.poll() is None, self.log.read_text()
        for pid in self._members():
            with contextlib.suppress(OSError):
                ids = re.search(r"^NSpid:\s+(.*)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1].split()
                if len(ids) > 1 and ids[-1] == "1" and pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return pid
        return None

    def _members(self):
        for file in self.cgroup.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, file.read_text().split())

    def _booted(self):
        assert self.holder.poll() is None, self.log.read_text()
        state = self("systemctl", "is-system-running", check=False).stdout.strip()
        return state if state in ("running", "degraded", "maintenance") else None

    def command(self, *argv):
        return [*ROOT, "nsenter", "-t", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--net", "--root", "--wd", "env", "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", *[str(a) for a in argv]]

    def __call__(self, *argv, **more):
        return run(*self.command(*argv), **more)

    def start(self, *argv):
        return subprocess.Popen(self.command(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env.environment())

    def write(self, path, text, mode=0o644):
        subprocess.run(self.command("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path), input=text, text=True, check=True)

    def read(self, path):
        return self("cat", path).stdout

    def exists(self, path):
        return self("test", "-e", path, check=False).returncode == 0

    def put(self, files):
        for f in files:
            run(*ROOT, "cp", f, self.root / "root" / f.name)
        return [f"/root/{f.name}" for f in files]

    def files(self):
        """Every path but those that change by using the system."""
        out = self("find", "/", "-xdev", "-printf", "%P\\n").stdout.splitlines()
        return {p for p in out if p and not chroot.OWN_BUSINESS.match(p)}

    def journal(self, *argv):
        return self("journalctl", "--no-pager", "-o", "short-monotonic", *argv).stdout

    def unit(self, unit, *names):
        """Properties of a unit; of one name its value."""
        out = self("systemctl", "show", unit, *[f"-p{n}" for n in names]).stdout
        found = dict(line.split("=", 1) for line in out.splitlines())
        return found[names[0]] if len(names) == 1 else found

    def destroy(self):
        if self.cgroup.exists():
            subprocess.run([*ROOT, "tee", self.cgroup / "cgroup.kill"], input="1", text=True, stdout=subprocess.DEVNULL, check=True)
            env.wait_for(lambda: not list(self._members()), what=f"end of everything in {self.cgroup}")
            run(*ROOT, "find", self.cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+")
        if getattr(self, "holder", None):
            self.holder.wait(10)
        end = time.monotonic() + 10
        while self.root.exists() and time.monotonic() < end:
            run(*ROOT, "rm", "-rf", "--one-file-system", self.root, check=False)
        assert not self.root.exists(), f"{self.root} cannot be removed"
