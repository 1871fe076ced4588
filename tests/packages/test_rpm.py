"""The RPM packages: built by rpmbuild here, installed into an empty root, used from there."""

import asyncio
import os
import shutil

import pytest

import client
import env
from chroot import ROOT, run

PLACE = env.TOP / "build" / "packages" / "rpm"


def rpm(*argv, **more):
    return run(*ROOT, "rpm", "--root", PLACE, "--dbpath", "/var/lib/rpm", *argv, **more)


def install(how, packages):
    # Debian's libraries are not rpm's, and there is no system in the root that scripts could run in.
    rpm(how, "--nodeps", "--noscripts", "--nosignature", "--nodigest", *packages.values())


@pytest.mark.timeout(300)
def test_install_upgrade_erase(rpms):
    run(*ROOT, "rm", "-rf", PLACE)
    PLACE.mkdir(parents=True)
    rpm("--initdb")
    install("-i", rpms)
    conf = PLACE / "etc/httpd/conf.d/dgon.conf"
    assert conf.read_text() == (env.TOP / "conf/dgon.conf").read_text().replace("/run/apache2/", "/run/httpd/")
    assert set(run("rpm", "-qp", "--configfiles", rpms["mod_dgon"]).stdout.split()) == {"/etc/httpd/conf.d/dgon.conf", "/etc/httpd/conf.d/10-dgon.conf"}
    assert run("rpm", "-qp", "--configfiles", rpms["dgon-agent"]).stdout == "", "dgon-agent join writes it"
    for path in ("usr/sbin/dgonctl", "usr/bin/dgon-agent", "usr/lib/systemd/system/dgon-agent.service", "usr/share/mod_dgon/htdocs/index.html",
                 "usr/share/mod_dgon/page.conf"):
        assert (PLACE / path).exists(), path
    owner = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]", rpms["mod_dgon"]).stdout
    assert "/var/lib/dgon drwxr-x--- apache" in owner

    edited = conf.read_text() + "# ours\n"
    run(*ROOT, "chown", str(os.getuid()), conf)
    conf.write_text(edited)
    install("-U", {"again": "--replacepkgs", **rpms})
    assert conf.read_text() == edited, "the administrator's file was changed"

    rpm("-e", "--nodeps", "--noscripts", *rpms)
    files = (str(p.relative_to(PLACE)) for p in PLACE.rglob("*") if p.is_file())
    left = {p for p in files if "/rpm/" not in p}  # rpm's own list
    assert left == {"etc/httpd/conf.d/dgon.conf.rpmsave"}, left
    run(*ROOT, "rm", "-rf", PLACE)


@pytest.mark.timeout(120)
def test_a_request_through_the_packaged_programs(rpms, monkeypatch, tmp_path):
    for p in rpms.values():
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
