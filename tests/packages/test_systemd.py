"""The packages on a Debian whose systemd is process 1: maintainer scripts, scriptlets and the agent's unit as they run on people's machines."""

import json
import re
import subprocess
import time

import pytest

import built
import chroot
import env
from machine import Machine, contents

COMMANDS = [  # as they stand in README.md; what is typed here is the same but for paths and the code
    "apt install ./build/deb/libapache2-mod-dgon_*.deb ./build/deb/dgon-agent_*.deb",
    "a2enmod dgon && a2enconf dgon-gateway && systemctl reload apache2",
    "dgonctl agent invite --gateway http://127.0.0.1",
    "dgon-agent join http://127.0.0.1 7KQ2M-X0X27-SASK6-Z0AM0",
    "systemctl enable --now dgon-agent",
]
AGENT = "dgon-agent.service"
# Beside the file that `dgon-agent join` wrote: a backend that needs no server. An answer lasts 4 s.
WORDS = '[agent]\nslots = {slots}\n[backend "words"]\nkind = echo\ndelay_ms = 100\ntokens = 40\n'
# What the unit's sandbox must not let happen, and what it must. Run by the unit itself, in place of the agent.
PROBES = {
    "home": ("cat /home/person/secret", False),
    "root's home": ("cat /root/secret", False),
    "write /etc": ("touch /etc/dgon/agent.conf", False),
    "write /usr": ("touch /usr/bin/dgon-agent", False),
    "write Apache's state": ("touch /var/lib/dgon/agents", False),
    "read Apache's state": ("cat /var/lib/dgon/agents", False),
    "read the gateway's token": ("cat /etc/dgon/agents.token", False),
    "another's process": ("test -e /proc/1/comm", False),
    "another's file in /tmp": ("test -e /tmp/of-the-machine", False),
    "disk": ("ls /dev | grep -E '^(sd|vd|nvme|loop|mem$|kmsg)'", False),
    "namespaces": ("unshare --user true", False),
    "mount": ("mount -t tmpfs none /var/lib/dgon-agent", False),
    "packets": ("perl -MSocket -e 'socket(S, 17, SOCK_RAW, 0) or exit 1'", False),
    "set-user-id": ("cp /bin/true /var/lib/dgon-agent/x && chmod u+s /var/lib/dgon-agent/x", False),
    "be root": ("test $(id -u) = 0", False),
    "its configuration": ("cat /etc/dgon/agent.conf", True),
    "its credential": ("cat /var/lib/dgon-agent/credential", True),
    "write its state": ("touch /var/lib/dgon-agent/own && rm /var/lib/dgon-agent/own", True),
    "write its runtime directory": ("touch /run/dgon-agent/own", True),
    "its own user": ("test $(id -un) = dgon-agent", True),
    "dial": ("curl -sf -o /dev/null http://127.0.0.1/v1/models", True),
}


@pytest.fixture
def machine(debs):
    m = Machine(env.TOP / "build" / "packages" / "systemd", *contents(debs))
    yield m
    print("\n".join(m.journal().splitlines()[-60:]), m("sh", "-c", "tail -n 30 /var/log/apache2/error.log /var/log/httpd/error_log", check=False).stdout)
    m.destroy()
    left = env.ours()
    assert not left, f"left behind: {left}"
    assert str(m.root) not in open("/proc/self/mountinfo").read() and not m.cgroup.exists()


def ask(machine):
    """A streamed answer that has begun, as a process; `ended` waits for it."""
    body = json.dumps({"model": "echo", "stream": True, "messages": [{"role": "user", "content": "one two three"}]})
    curl = machine.start("curl", "-sSN", "--max-time", "60", "http://127.0.0.1/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body)
    line = next((line for line in curl.stdout if line.startswith("data: ")), "nothing")
    assert line.startswith("data: {"), (line, curl.communicate())
    return curl


def ended(curl):
    out, errors = curl.communicate(timeout=60)
    assert curl.returncode == 0 and out.rstrip().endswith("data: [DONE]") and '"finish_reason":"stop"' in out, (curl.returncode, out[-600:], errors)
    assert out.count("data: {") >= 40


def status(machine):
    return machine.unit(AGENT, "StatusText")


def linked(machine):
    """Waits for the link; the agent's process."""
    try:
        env.wait_for(lambda: re.match(r"[1-9]\d* links?, ", status(machine)) and "echo" in status(machine), 15, "linked agent", step=0.1)
    except AssertionError:
        print(machine.journal("-u", AGENT), machine("cat", "/var/log/apache2/error.log", check=False).stdout)
        raise
    return int(machine.unit(AGENT, "MainPID"))


def override(machine, text):
    """Sets what a drop-in of the unit says, or takes it away."""
    place = f"/run/systemd/system/{AGENT}.d"
    machine.write(f"{place}/test.conf", text) if text else machine("rm", "-r", place)
    machine("systemctl", "daemon-reload")
    machine("systemctl", "reset-failed", AGENT, check=False)  # we start it more often than StartLimitBurst allows


def slower_to_stop(machine):
    """An agent whose `drain` is longer than the unit's TimeoutStopSec gets its time all the same."""
    override(machine, "[Service]\nTimeoutStopSec=1\n")
    stream = ask(machine)
    machine("systemctl", "restart", AGENT)
    ended(stream)
    override(machine, None)
    linked(machine)


def hangs(machine):
    """systemd's watchdog ends an agent that stands still, and starts it again."""
    override(machine, "[Service]\nWatchdogSec=2\n")
    machine("systemctl", "restart", AGENT)
    pid = linked(machine)
    time.sleep(3)
    assert machine.unit(AGENT, "MainPID") == str(pid), "an agent that lives was taken for a dead one"
    machine("kill", "-STOP", pid)
    env.wait_for(lambda: machine.unit(AGENT, "MainPID") not in ("0", str(pid)), 15, "agent started again by the watchdog", step=0.1)
    assert "watchdog" in machine.journal("-u", AGENT).lower()
    override(machine, None)
    machine("systemctl", "restart", AGENT)
    linked(machine)


def misconfigured(machine):
    """A mistake in the configuration: systemd shows it and does not try again and again."""
    machine.write("/etc/dgon/agent.conf.d/wrong.conf", "[agent]\nslotz = 4\n")
    assert machine("systemctl", "restart", AGENT, check=False).returncode != 0
    assert machine.unit(AGENT, "ActiveState", "ExecMainStatus", "NRestarts") == {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    assert re.search(r"wrong\.conf:2:.*slotz", machine.journal("-u", AGENT)), machine.journal("-u", AGENT)
    machine("rm", "/etc/dgon/agent.conf.d/wrong.conf")
    machine("systemctl", "start", AGENT)
    linked(machine)


def sandbox(machine):
    """The unit itself, with its sandbox as it is, runs the probes."""
    machine.write("/home/person/secret", "of a person\n")
    machine.write("/root/secret", "root's\n")
    machine.write("/tmp/of-the-machine", "")
    script = "".join(f'({command}) >/dev/null 2>&1 && echo "{name}: yes" || echo "{name}: no"\n' for name, (command, _) in PROBES.items())
    machine.write("/usr/local/bin/probes", "#!/bin/sh\n" + script, 0o755)
    machine("systemctl", "stop", AGENT)
    override(machine, "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=/usr/local/bin/probes\n")
    machine("systemctl", "start", AGENT)
    said = machine("journalctl", "-o", "cat", "-t", "probes").stdout.splitlines()
    wrong = [line for line in said if line.endswith("yes") != PROBES[line.rpartition(":")[0]][1]]
    assert wrong == [] and len(said) == len(PROBES), (wrong, said)
    # The same without the sandbox: what was refused above was refused by it, and not because there is nothing.
    for name in ("home", "root's home", "write /etc", "read Apache's state", "another's process", "another's file in /tmp", "namespaces", "packets"):
        machine("sh", "-c", PROBES[name][0])
    machine("rm", "/usr/local/bin/probes")
    override(machine, None)
    machine("systemctl", "start", AGENT)
    linked(machine)


def install(machine, packages):
    """As `apt install ./FILE…` of the README does it; what they depend on comes out of apt's cache."""
    names = machine.put(packages)
    machine("apt-get", "install", "-y", "--allow-downgrades", *names)
    machine("rm", *names)


def apache(machine):
    return machine.unit("apache2.service", "ActiveState", "MainPID")


def test_commands_are_the_readmes():
    text = (env.TOP / "README.md").read_text()
    assert [c for c in COMMANDS if "    " + c not in text] == []


@pytest.mark.timeout(500)
def test_debian(machine, debs, tmp_path):
    begin = time.monotonic()
    module, agent = debs[0], debs[1]
    install(machine, [module, agent])
    state = apache(machine)
    assert state["ActiveState"] == "active"
    # Nothing is on by being installed.
    assert machine.unit(AGENT, "LoadState", "ActiveState", "UnitFileState") == {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"}
    assert "dgon_module" not in machine("apache2ctl", "-M").stdout
    assert machine("systemctl", "start", AGENT, check=False).returncode != 0 and "dgon-agent join" in machine.journal("-u", AGENT)

    machine("sh", "-c", COMMANDS[1])
    env.wait_for(lambda: machine("curl", "-sf", "http://127.0.0.1/v1/models", check=False).returncode == 0, what="gateway", step=0.1)
    invited = machine("sh", "-c", COMMANDS[2]).stdout
    join = re.search(r"^\s*(?:sudo )?(dgon-agent join http://127\.0\.0\.1 \S+)$", invited, re.M)[1]
    assert "systemctl enable --now dgon-agent" in machine("sh", "-c", join).stdout
    machine.write("/etc/dgon/agent.conf.d/words.conf", WORDS.format(slots=4))
    machine("sh", "-c", COMMANDS[4])
    pid = linked(machine)
    assert apache(machine) == state, "Apache was restarted, not reloaded"
    ended(ask(machine))

    # What people see of it.
    env.wait_for(lambda: re.match(r"[1-9] links?, 0 of 4 slots busy, models: echo", status(machine)), what="free slots in the status", step=0.1)
    shown = machine("systemctl", "status", "--no-pager", AGENT).stdout
    assert re.search(r'Status: "\d links?, 0 of 4 slots busy, models: echo', shown) and "Main PID" in shown and "enabled" in shown, shown
    assert "models: echo" in machine("dgon-agent", "--status").stdout
    lines = machine.journal("-u", AGENT, "-t", "dgon-agent")
    assert "127.0.0.1" in lines and str(pid) in lines, lines
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", machine("systemd-analyze", "security", "--no-pager", AGENT).stdout)[1]
    assert float(exposure) <= 2.0
    assert machine("stat", "-c", "%a %U", "/var/lib/dgon-agent/credential").stdout == "600 dgon-agent\n"
    proc = machine.read(f"/proc/{pid}/status")
    assert re.search(r"^CapBnd:\s+0+$", proc, re.M) and re.search(r"^NoNewPrivs:\s+1$", proc, re.M) and re.search(r"^Seccomp:\s+2$", proc, re.M)
    assert int(re.search(r"^Uid:\s+(\d+)", proc, re.M)[1]) >= 61184, "not a user of its own"
    sandbox(machine)

    # Reload, restart under a stream, kill, hang, a mistake.
    pid = linked(machine)
    machine.write("/etc/dgon/agent.conf.d/words.conf", WORDS.format(slots=5))
    machine("systemctl", "reload", AGENT)
    env.wait_for(lambda: "of 5 slots" in status(machine), what="new slots", step=0.1)
    assert machine.unit(AGENT, "MainPID") == str(pid)
    stream = ask(machine)
    machine("systemctl", "restart", AGENT)
    ended(stream)
    assert linked(machine) != pid
    slower_to_stop(machine)
    pid = linked(machine)
    machine("kill", "-KILL", pid)
    env.wait_for(lambda: machine.unit(AGENT, "MainPID") not in ("0", str(pid)), 10, "agent started again", step=0.1)
    assert machine.unit(AGENT, "NRestarts") == "1"
    linked(machine)
    hangs(machine)
    misconfigured(machine)

    # Upgrade under a stream: configuration and credential stay, both programs are the new ones.
    kept = {p: machine.read(p) for p in ("/etc/dgon/agent.conf", "/etc/dgon/agent.conf.d/words.conf", "/var/lib/dgon-agent/credential",
                                         "/var/lib/dgon/agents", "/etc/dgon/agents.token")}
    pid, stream = linked(machine), ask(machine)
    install(machine, [built.newer(p, tmp_path) for p in (module, agent)])
    ended(stream)
    assert linked(machine) != pid and machine.unit(AGENT, "UnitFileState") == "enabled"
    assert {p: machine.read(p) for p in kept} == kept
    assert apache(machine) == state and "DGON0021" in machine.read("/var/log/apache2/error.log")
    ended(ask(machine))
    # Back to the older one, with an agent that the administrator has stopped: it stays so.
    machine("systemctl", "stop", AGENT)
    install(machine, [module, agent])
    assert machine.unit(AGENT, "ActiveState", "UnitFileState", "NeedDaemonReload") == {"ActiveState": "inactive", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
    machine("systemctl", "start", AGENT)
    linked(machine)
    # Joined anew, as an agent does that was revoked: the new key belongs to the service's user, too.
    machine("dgonctl", "agent", "revoke", "node")
    machine("rm", "/var/lib/dgon-agent/credential")
    join = re.search(r"^\s*(?:sudo )?(dgon-agent join \S+ \S+)$", machine("sh", "-c", COMMANDS[2]).stdout, re.M)[1]
    machine("sh", "-c", join)
    machine("systemctl", "restart", AGENT)
    linked(machine)
    log = machine.read("/var/log/apache2/error.log")
    assert not re.search(r"\[\w*:?(error|crit|alert|emerg)\]|exit signal", log), log

    # Remove: the agent ends, Apache goes on; what people wrote stays. Purge: nothing is left.
    machine("apt-get", "remove", "-y", "libapache2-mod-dgon", "dgon-agent")
    assert machine.unit(AGENT, "ActiveState") == "inactive" and machine("pgrep", "-x", "dgon-agent", check=False).stdout == ""
    assert all(machine.exists(p) for p in kept)
    assert apache(machine)["ActiveState"] == "active" and "dgon_module" not in machine("apache2ctl", "-M").stdout
    machine("apt-get", "purge", "-y", "libapache2-mod-dgon", "dgon-agent")
    machine("rm", "-r", "/etc/dgon/agent.conf.d", check=False)
    machine("rmdir", "/etc/dgon", check=False)
    left = ours(machine)
    assert left == [], f"left after purge: {left}"
    assert machine("systemctl", "is-system-running", check=False).stdout == "running\n"
    print(f"Debian: {time.monotonic() - begin:.0f} s, exposure {exposure}")


def ours(machine):
    """Files and units with our name; what systemd itself keeps of a unit until the next boot is in propagate."""
    found = machine("find", "/etc", "/usr", "/var/lib", "/run", "-xdev", "-path", "/run/systemd/propagate", "-prune", "-o",
                    "-name", "*dgon*", "-print").stdout.splitlines()
    return found + re.findall(r"\S*dgon\S*", machine("systemctl", "list-units", "--all", "--plain", "--no-legend").stdout)


FEDORA = """ServerRoot /etc/httpd
PidFile /run/httpd/httpd.pid
ErrorLog /var/log/httpd/error_log
User apache
Group apache
ServerName node
Listen 80
{modules}
Include conf.d/*.conf
"""
HTTPD = """[Service]
Type=forking
PIDFile=/run/httpd/httpd.pid
RuntimeDirectory=httpd
ExecStart=/usr/sbin/apache2 -f /etc/httpd/conf/httpd.conf -k start
ExecReload=/usr/sbin/apache2 -f /etc/httpd/conf/httpd.conf -k graceful
"""
MODULES = ("mpm_event", "authn_core", "authz_core", "authz_host", "alias", "unixd")


def like_fedora(machine):
    """What Fedora's httpd package brings and Debian has elsewhere: user, unit, directories."""
    machine("systemctl", "disable", "--now", "apache2")
    machine("useradd", "--system", "--user-group", "--no-create-home", "apache")
    builtin = machine("apache2", "-l").stdout
    modules = "\n".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so" for m in MODULES if f"mod_{m}.c" not in builtin)
    machine.write("/etc/httpd/conf/httpd.conf", FEDORA.format(modules=modules))
    machine.write("/etc/systemd/system/httpd.service", HTTPD)
    machine("mkdir", "-p", "/var/log/httpd", "/etc/httpd/conf.d")
    machine("systemctl", "daemon-reload")
    machine("rpm", "--initdb")


def rpm(machine, how, packages):
    """With its scriptlets, but without asking for libraries: Debian's are there, which rpm does not know."""
    out = machine("rpm", how, "--nodeps", "--nosignature", "--nodigest", *packages)
    assert "scriptlet failed" not in out.stderr and "error:" not in out.stderr, out.stderr


@pytest.mark.timeout(500)
def test_rpm(machine, debs, rpms, tmp_path):
    begin = time.monotonic()
    machine("apt-get", "install", "-y", "apache2", *chroot.depends(debs))
    like_fedora(machine)
    first = [rpms["mod_dgon"], rpms["dgon-agent"]]
    rpm(machine, "-i", machine.put(first))
    assert machine.unit(AGENT, "LoadState", "ActiveState", "UnitFileState") == {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"}
    assert machine("stat", "-c", "%a %U", "/var/lib/dgon").stdout == "750 apache\n"
    conf = next(f for f in machine("rpm", "-qc", "mod_dgon").stdout.split() if f.endswith("/dgon.conf"))
    machine("sh", "-c", "cp $(rpm -qd mod_dgon | grep dgon-gateway.conf) /etc/httpd/conf.d/zz-dgon-gateway.conf")
    machine("systemctl", "start", "httpd")
    httpd = machine.unit("httpd.service", "MainPID")
    join = re.search(r"(dgon-agent join http://\S+ \S+)$", machine("sh", "-c", COMMANDS[2]).stdout, re.M)[1]
    machine("sh", "-c", join)
    machine.write("/etc/dgon/agent.conf.d/words.conf", WORDS.format(slots=4))
    machine("sh", "-c", COMMANDS[4])
    pid = linked(machine)
    ended(ask(machine))
    assert re.search(r"^node\b", machine("dgonctl", "agents").stdout, re.M), "dgonctl and the gateway do not agree on the socket"

    # Upgrade under a stream.
    credential, edited = machine.read("/var/lib/dgon-agent/credential"), machine.read(conf) + "# ours\n"
    machine.write(conf, edited)
    stream = ask(machine)
    rpm(machine, "-U", machine.put(built.newer_rpms(rpms, tmp_path)))
    ended(stream)
    assert linked(machine) != pid and machine.unit(AGENT, "UnitFileState", "NeedDaemonReload") == {"UnitFileState": "enabled", "NeedDaemonReload": "no"}
    assert machine.read("/var/lib/dgon-agent/credential") == credential and machine.read(conf) == edited
    assert machine.unit("httpd.service", "MainPID") == httpd, "httpd was restarted, not reloaded"
    env.wait_for(lambda: "mod_dgon.so (deleted)" not in machine("sh", "-c", "cat /proc/[0-9]*/maps").stdout, 20, "end of the older module", step=0.5)
    ended(ask(machine))

    # Erase.
    machine("systemctl", "stop", "httpd")
    machine("rm", "/etc/httpd/conf.d/zz-dgon-gateway.conf")
    machine("rpm", "-e", "--nodeps", "mod_dgon", "dgon-agent")
    assert machine.unit(AGENT, "ActiveState", "LoadState") == {"ActiveState": "inactive", "LoadState": "not-found"}
    assert machine.read(conf + ".rpmsave") == edited
    assert machine.read("/var/lib/dgon-agent/credential") == credential
    left = [p for p in ours(machine) if "/usr/" in p or "/etc/systemd" in p]
    assert left == [], f"left after erase: {left}"
    print(f"RPM: {time.monotonic() - begin:.0f} s")
