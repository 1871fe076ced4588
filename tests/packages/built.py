"""The packages, built as people build them, and newer ones."""

import os
import re

import env
from chroot import run

NAMES = ("libapache2-mod-dgon", "dgon-agent", "dgon-htdocs")


def _build(kind):
    """build/KIND, anew, unless the test command has just done so."""
    if not os.environ.get("DGON_PACKAGES"):
        print(run(env.TOP / "build.sh", kind, env=env.environment(DGON_OBJ=str(env.OBJ))).stdout)
    return env.TOP / "build" / kind


def debs():
    """The files, in the order of NAMES."""
    out = _build("deb")
    found = [sorted(out.glob(f"{name}_*.deb")) for name in NAMES]
    assert [len(f) for f in found] == [1, 1, 1], found
    return [f[0] for f in found]


def rpms():
    """Name: file."""
    found = {p.name.rsplit("-", 2)[0]: p for p in _build("rpm").glob("RPMS/*/*.rpm") if "debug" not in p.name}
    assert sorted(found) == ["dgon-agent", "dgon-htdocs", "mod_dgon"]
    return found


def newer(package, folder):
    """The same package, one revision on: another conf file, and a module with another build, as after a change of the layout."""
    tree = folder / package.name
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN" / "control"
    text, n = re.subn(r"^Version: (.*)-1$", r"Version: \1-2", control.read_text(), flags=re.M)
    assert n == 1
    control.write_text(text)
    conf = tree / "etc/apache2/mods-available/dgon.conf"
    if conf.exists():
        conf.write_text("# of the newer package\n" + conf.read_text())
    module = tree / "usr/lib/apache2/modules/mod_dgon.so"
    if module.exists():
        module.write_bytes(env.other_build(module.read_bytes()))
    (tree / "DEBIAN" / "md5sums").unlink()
    run("dpkg-deb", "--root-owner-group", "-b", tree, folder / package.name.replace("-1_", "-2_"))
    return folder / package.name.replace("-1_", "-2_")


def newer_rpms(rpms, folder):
    """The same once more, one release on, by the same spec: in place of %build and %install stands what is in the first ones."""
    tree, spec = folder / "tree", folder / "mod_dgon.spec"
    tree.mkdir()
    for p in rpms.values():
        run("sh", "-c", f'rpm2cpio "{p}" | cpio -idm --quiet', cwd=tree)
    text, n = re.subn(r"^%build\n.*?^%files$", f"%install\nmkdir -p %{{buildroot}}\ncp -a {tree}/. %{{buildroot}}\n\n%files",
                      (env.TOP / "build/rpm/SPECS/mod_dgon.spec").read_text(), count=1, flags=re.S | re.M)
    assert n == 1
    spec.write_text(text)
    run("rpmbuild", "-bb", "--nodeps", "--define", f"_topdir {folder}", "--define", f"_sourcedir {env.TOP}/build/rpm/SOURCES", "--define", "dist .1",
        "--define", "debug_package %{nil}", spec)
    found = sorted(p for p in folder.glob("RPMS/*/*-1.1.*.rpm") if "htdocs" not in p.name)
    assert [p.name.rsplit("-", 2)[0] for p in found] == ["dgon-agent", "mod_dgon"], found
    return found
