"""The RPM packages: built by rpmbuild here, installed into an empty root, used from there."""

import asyncio
import os
import shutil

import pytest

import client
import env
from chroot import ROOT, run

OUT = env.TOP / "build" / "rpm"
PLACE = env.TOP / "build" / "packages" / "rpm"


@pytest.fixture(scope="module")
def packages():
    print(run(env.TOP / "build.sh", "rpm", env=env.environment(DGON_OBJ=str(env.OBJ))).stdout)
    found = {p.name.rsplit("-", 2)[0]: p for p in OUT.glob("RPMS/*/*.rpm") if "debug" not in p.name}
    assert sorted(found) == ["dgon-agent", "dgon-htdocs", "mod_dgon"]
    return found


def rpm(*argv, **more):
    return run(*ROOT, "rpm", "--root", PLACE, "--dbpath", "/var/lib/rpm", *argv, **more)


def install(how, packages):
    # Debian's libraries are not rpm's, and there is no system in the root that scripts could run in.
    rpm(how, "--nodeps", "--noscripts", "--nosignature", "--nodigest", *packages.values())


@pytest.mark.timeout(300)
def test_install_upgrade_erase(packages):
    run(*ROOT, "rm", "-rf", PLACE)
    PLACE.mkdir(parents=True)
    rpm("--initdb")
    install("-i", packages)
    conf = PLACE / "etc/dgon/agent.conf"
    assert conf.read_text() == (env.TOP / "conf/agent.conf").read_text()
    assert run("rpm", "-qp", "--configfiles", packages["dgon-agent"]).stdout.split() == ["/etc/dgon/agent.conf"]
    for path in ("usr/sbin/dgonctl", "usr/bin/dgon-agent", "usr/lib/systemd/system/dgon-agent.service", "usr/share/mod_dgon/htdocs/index.html"):
        assert (PLACE / path).exists(), path
    owner = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]", packages["mod_dgon"]).stdout
    assert "/var/lib/dgon drwxr-x--- apache" in owner

    edited = conf.read_text() + "# ours\n"
    run(*ROOT, "chown", str(os.getuid()), conf)
    conf.write_text(edited)
    install("-U", {"again": "--replacepkgs", **packages})
    assert conf.read_text() == edited, "the administrator's file was changed"

    rpm("-e", "--nodeps", "--noscripts", *packages)
    files = (str(p.relative_to(PLACE)) for p in PLACE.rglob("*") if p.is_file())
    left = {p for p in files if "/rpm/" not in p}  # rpm's own list
    assert left == {"etc/dgon/agent.conf.rpmsave"}, left
    run(*ROOT, "rm", "-rf", PLACE)


@pytest.mark.timeout(120)
def test_a_request_through_the_packaged_programs(packages, monkeypatch, tmp_path):
    for p in packages.values():
        run("sh", "-c", f'rpm2cpio "{p}" | cpio -idm --quiet', cwd=tmp_path)
    module = next(tmp_path.rglob("mod_dgon.so"))
    agent_program = tmp_path / "usr/bin/dgon-agent"
    place = env.TOP / "build" / "packages" / "mod_dgon.so"  # where httpd's user can read it
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(module, place)
    monkeypatch.setattr(env, "AGENT", agent_program)
    gateway = env.Gateway("packages-rpm", module=place).start()
    agent = env.Agent(gateway, None, kind="echo")
    try:
        agent.start("echo")
        answer = asyncio.run(client.ask(gateway.url, model="echo", stream=True))
        assert answer.outcome == "done" and answer.events
        assert str(agent_program) in open(f"/proc/{agent.process.pid}/cmdline").read()
    finally:
        agent.stop()
        gateway.stop()
