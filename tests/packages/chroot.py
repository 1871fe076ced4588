"""A clean Debian in a directory, of the release that this machine has, with Apache and the libraries that our packages
ask for. Made once from the machine's own mirror and kept as a tarball in the cache; every test unpacks it anew."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import time

import env

ROOT = [] if os.getuid() == 0 else ["sudo", "-n"]
# Changed by using the system, not by our packages.
OWN_BUSINESS = re.compile(r"^(var/lib/(dpkg|apt|systemd)|var/log|var/cache|run|tmp|proc|dev|root|etc/ld\.so\.cache|"
                          r"etc/apache2/(ports\.conf|apache2\.conf)|var/lib/apache2/(module|conf|site))(/|$)")


def run(*argv, check=True, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def depends(packages, field="Depends"):
    """Names of the packages that these .deb files need, or recommend."""
    text = ",".join(run("dpkg-deb", "-f", p, field).stdout for p in packages)
    return sorted({w.split()[0] for w in re.sub(r"\|[^,]*", "", text).split(",") if w.strip()})


def sources():
    """This machine's Debian mirrors, main only, as lines for sources.list, and the release."""
    release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M)[1]
    lines = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages").stdout.splitlines()
    found = sorted({f"deb {uri} {suite} main" for uri, suite, component, origin in (l.split(" ", 3) for l in lines)
                    if component == "main" and origin == "Debian" and suite in (release, release + "-updates", release + "-security")})
    assert found, f"no mirror of Debian {release} in apt's lists: apt-get update\n{lines}"
    return release, found


def tarball(wanted):
    release, lines = sources()
    name = hashlib.sha256("\n".join([release, *wanted, *lines]).encode()).hexdigest()[:12]
    path = env.CACHE / f"debian-{release}-{name}.tar"
    if not path.exists():
        env.CACHE.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}.tar")
        run(*ROOT, "mmdebstrap", "--variant=apt", "--include=" + ",".join(wanted), release, new, *lines)
        os.rename(new, path)
    return path


def contents(debs):
    """What is in a Debian for these packages."""
    return ["apache2", *depends(debs)]


class Chroot:
    """Everything in it runs in a process namespace of its own and ends with it."""

    def __init__(self, folder, packages):
        self.root = pathlib.Path(folder)
        self.destroy()
        self.root.mkdir(parents=True)
        run(*ROOT, "tar", "-C", self.root, "-xf", tarball(contents(packages)))
        # Nothing may start by being installed: there is no systemd here.
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        self.holder = subprocess.Popen([*ROOT, "unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc",
                                        "sleep", "3600"], env=env.environment())
        self.inside = env.wait_for(lambda: next((p for p in self._tree(self.holder.pid) if self._name(p) == "sleep"), None), what="namespace")

    def _tree(self, pid):
        for child in env.children(pid):
            yield child
            yield from self._tree(child)

    def _name(self, pid):
        try:
            return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return None

    def command(self, *argv):
        return [*ROOT, "nsenter", "-t", str(self.inside), "-m", "-p", "chroot", str(self.root), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *[str(a) for a in argv]]

    def __call__(self, *argv, **more):
        return run(*self.command(*argv), **more)

    def write(self, path, text, mode=0o644):
        subprocess.run([*ROOT, "install", "-m", f"{mode:o}", "/dev/stdin", self.root / path], input=text, text=True, check=True)

    def read(self, path):
        return run(*ROOT, "cat", self.root / path).stdout

    def exists(self, path):
        return run(*ROOT, "test", "-e", self.root / path, check=False).returncode == 0

    def files(self):
        """Every path but those that change by using the system."""
        out = run(*ROOT, "find", self.root, "-xdev", "-printf", "%P\\n").stdout.splitlines()
        return {p for p in out if p and not OWN_BUSINESS.match(p)}

    def destroy(self):
        holder = getattr(self, "holder", None)
        if holder and holder.poll() is None:
            run(*ROOT, "kill", "-KILL", str(self.inside), check=False)  # the first process of the namespace: all others go with it
            holder.wait(10)
        for _ in range(20):
            if not self.root.exists():
                return
            run(*ROOT, "rm", "-rf", "--one-file-system", self.root, check=False)
            time.sleep(0.1)
        shutil.rmtree(self.root)
