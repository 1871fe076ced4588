"""The Debian packages in a clean Debian: install, a2enmod, a real request, upgrade, remove, purge."""

import asyncio
import re
import shutil

import pytest

import client
import env
from chroot import Chroot, run

OUT = env.TOP / "build" / "deb"
NAMES = ("libapache2-mod-dgon", "dgon-agent", "dgon-htdocs")
AGENT = """[gateway]
url = ws://127.0.0.1:{port}/dgon/agent
[agent]
id = packaged
slots = 4
[backend "words"]
kind = echo
delay_ms = 50
tokens = 100
"""


def built(name):
    found = sorted(OUT.glob(f"{name}_*.deb"))
    assert len(found) == 1, (name, found)
    return found[0]


@pytest.fixture(scope="module")
def packages():
    out = run(env.TOP / "build.sh", "deb", env=env.environment(DGON_OBJ=str(env.OBJ)))
    print(out.stdout)
    return [built(n) for n in NAMES]


@pytest.fixture(scope="module")
def debian(packages):
    root = Chroot(env.TOP / "build" / "packages" / "debian", packages)
    yield root
    root.destroy()
    left = env.ours()
    assert not left, f"left behind: {left}"


def newer(package, folder):
    """The same package, one revision on: another conf file, and a module with another build, as after a change of the layout."""
    tree = folder / package.name
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN" / "control"
    text, n = re.subn(r"^Version: (.*)-1$", r"Version: \1-2", control.read_text(), flags=re.M)
    assert n == 1
    control.write_text(text)
    for conf in (tree / "etc/dgon/agent.conf", tree / "etc/apache2/mods-available/dgon.conf"):
        if conf.exists():
            conf.write_text("# of the newer package\n" + conf.read_text())
    module = tree / "usr/lib/apache2/modules/mod_dgon.so"
    if module.exists():
        version = re.search(r"^AC_INIT\(\[mod_dgon\], \[(.*)\]\)", (env.TOP / "configure.ac").read_text(), re.M)[1].encode()
        code = module.read_bytes()
        assert version in code
        module.write_bytes(code.replace(version + b"\0", b"9" * len(version) + b"\0"))
    (tree / "DEBIAN" / "md5sums").unlink()
    run("dpkg-deb", "--root-owner-group", "-b", tree, folder / package.name.replace("-1_", "-2_"))
    return folder / package.name.replace("-1_", "-2_")


def put(debian, packages):
    for p in packages:
        shutil.copy(p, debian.root / "tmp" / p.name)
    return [f"/tmp/{p.name}" for p in packages]


def ask(port, **plan):
    return asyncio.run(client.ask(f"http://127.0.0.1:{port}", model="echo", **plan))


@pytest.mark.timeout(500)
def test_install_serve_upgrade_remove_purge(debian, packages, tmp_path):
    debian("apache2ctl", "-v")
    before = debian.files()
    debian("dpkg", "-i", *put(debian, packages))
    assert (debian.root / "usr/share/mod_dgon/htdocs/index.html").exists()
    modes = run("stat", "-c", "%a %U", debian.root / "etc/dgon/agents.token", debian.root / "etc/dgon/agent.conf").stdout.split("\n")
    assert modes[:2] == ["640 root", "644 root"]
    assert debian("stat", "-c", "%a %U", "/var/lib/dgon").stdout == "750 www-data\n"

    # Nothing is on by being installed; a2enmod and a2enconf put it on, with the files as they came.
    assert "dgon_module" not in debian("apache2ctl", "-M").stdout
    debian("a2enmod", "dgon")
    debian("a2enconf", "dgon-gateway")
    with env.free_port() as port:
        debian.write("etc/apache2/ports.conf", f"Listen 127.0.0.1:{port}\n")
        debian.write("etc/apache2/apache2.conf", debian.read("etc/apache2/apache2.conf") + "ServerName gateway.example\n")
        assert "dgon_module" in debian("apache2ctl", "-M").stdout
        debian("apache2ctl", "configtest")
        debian("apache2ctl", "start")
        env.wait_for(lambda: env.listening(port), what="Apache of the chroot")

    # The agent: the administrator changes its conf and copies the token.
    assert debian("dgon-agent", "--check-config", check=False).returncode == 78, "no token yet"
    debian.write("etc/dgon/agent.conf", AGENT.format(port=port))
    debian("install", "-m", "600", "/etc/dgon/agents.token", "/etc/dgon/agent.token")
    debian("mkdir", "-p", "/run/dgon-agent")
    start = "DGON_AGENT_TOKEN=$(cat /etc/dgon/agent.token) RUNTIME_DIRECTORY=/run/dgon-agent setsid dgon-agent >/tmp/agent.log 2>&1 </dev/null &"
    debian("sh", "-c", start)
    try:
        env.wait_for(lambda: debian("dgon-agent", "--status", check=False).returncode == 0, what="linked agent", step=0.2)
    except AssertionError:
        print(debian.read("tmp/agent.log"), debian.read("var/log/apache2/error.log"))
        raise
    assert "models: echo" in debian("dgon-agent", "--status").stdout
    answer = ask(port, stream=True)
    assert answer.outcome == "done" and answer.status == 200
    assert "--json" in debian("dgonctl", "--help").stdout

    # Upgrade under a running stream, with another build of the module: the answer ends well in the old module.
    debian.write("var/lib/dgon/state", "kept\n")
    token = debian.read("etc/dgon/agents.token")
    newest = [newer(p, tmp_path) for p in packages]

    async def upgrade():
        running = asyncio.ensure_future(client.ask(f"http://127.0.0.1:{port}", model="echo", stream=True))
        await asyncio.sleep(1)
        assert not running.done()
        await asyncio.to_thread(debian, "dpkg", "--force-confold", "-i", *put(debian, newest))
        return await running

    answer = asyncio.run(upgrade())
    assert answer.outcome == "done" and answer.events, answer
    assert debian("dpkg-query", "-W", "-f", "${Version} ", *NAMES).stdout.split() == [p.name.split("_")[1] for p in newest]
    log = debian.read("var/log/apache2/error.log")
    assert "DGON0021" in log, "the newer module has not been loaded:\n" + log
    assert debian.read("etc/dgon/agent.conf") == AGENT.format(port=port), "the administrator's file was changed"
    assert debian.read("etc/apache2/mods-available/dgon.conf").startswith("# of the newer package"), "an untouched file stayed old"
    assert debian.read("etc/dgon/agents.token") == token and debian.read("var/lib/dgon/state") == "kept\n"
    env.wait_for(lambda: ask(port, stream=True).outcome == "done", 20, "answer of the newer module")
    assert not re.search(r"\[\w*:?(error|crit|alert|emerg)\]|exit signal", log), log

    # Remove: Apache goes on without it; purge: nothing is left.
    debian("pkill", "-x", "dgon-agent")
    debian("dpkg", "-r", *NAMES)
    assert debian.exists("etc/dgon/agent.conf") and debian.exists("var/lib/dgon/state"), "remove is not purge"
    assert "dgon_module" not in debian("apache2ctl", "-M").stdout
    debian("apache2ctl", "configtest")
    debian("apache2ctl", "graceful")
    debian("dpkg", "-P", *NAMES)
    assert debian.files() - before == set(), "left after purge"
    debian("apache2ctl", "stop")


def test_what_is_in_them(packages):
    """Every file of make install is in one package, and the agent's needs no Apache."""
    files = {p.name.split("_")[0]: {l.split(None, 5)[5][1:] for l in run("dpkg-deb", "-c", p).stdout.splitlines() if not l.startswith("d")} for p in packages}
    assert {"/usr/lib/apache2/modules/mod_dgon.so", "/usr/sbin/dgonctl", "/usr/share/man/man8/dgonctl.8.gz"} <= files["libapache2-mod-dgon"]
    assert {"/usr/bin/dgon-agent", "/lib/systemd/system/dgon-agent.service"} <= {f.replace("/usr/lib/systemd", "/lib/systemd") for f in files["dgon-agent"]}
    assert sum(map(len, files.values())) == len(set().union(*files.values())), "a file is in two packages"
    assert "apache" not in run("dpkg-deb", "-f", packages[1], "Depends").stdout
    assert not re.search(r"^E:", (OUT / "lintian.log").read_text(), re.M)
