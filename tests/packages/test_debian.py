"""The Debian packages in a clean Debian: install, a2enmod, a real request, upgrade, remove, purge."""

import asyncio
import re
import shutil
import tarfile
import urllib.request

import pytest

import client
import env
from built import NAMES, newer
from chroot import Chroot, run

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


def test_the_source_carries_the_page(debs):
    """Who takes a release needs no Node: the page is in it as it was built, beside what it was built from."""
    with tarfile.open(next(debs[0].parent.glob("*.orig.tar.xz"))) as source:
        names = {n.partition("/")[2] for n in source.getnames()}
    ours = run("git", "-C", env.TOP, "ls-files", "htdocs").stdout.split() if (env.TOP / ".git").exists() else []
    wanted = {*ours, *(str(f.relative_to(env.TOP)) for f in env.PAGE.rglob("*") if f.is_file())}
    assert wanted and wanted <= names and not any("node_modules" in n for n in names), wanted - names


@pytest.fixture(scope="module")
def debian(debs):
    root = Chroot(env.TOP / "build" / "packages" / "debian", debs)
    yield root
    root.destroy()
    left = env.ours()
    assert not left, f"left behind: {left}"


def put(debian, packages):
    for p in packages:
        shutil.copy(p, debian.root / "tmp" / p.name)
    return [f"/tmp/{p.name}" for p in packages]


def ask(port, **plan):
    return asyncio.run(client.ask(f"http://127.0.0.1:{port}", model="echo", **plan))


@pytest.mark.timeout(500)
def test_install_serve_upgrade_remove_purge(debian, debs, tmp_path):
    debian("a2enmod", "headers")  # the page's, and the administrator's: no purge takes it away
    debian("apache2ctl", "-v")
    before = debian.files()
    debian("dpkg", "-i", *put(debian, debs))
    assert (debian.root / "usr/share/mod_dgon/htdocs/index.html").exists()
    assert not (debian.root / "usr/share/mod_dgon/htdocs/package.json").exists()
    assert run("stat", "-c", "%a %U", debian.root / "etc/dgon/agents.token").stdout == "640 root\n"
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

    # The page is beside the API, with its headers.
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/dgon/ui/", timeout=5) as r:
        assert r.read() == (env.PAGE / "index.html").read_bytes() and "trusted-types" in r.headers["Content-Security-Policy"]

    # The agent: the administrator changes its conf and copies the token.
    assert debian("dgon-agent", "--check-config", check=False).returncode == 78, "no configuration yet"
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
    newest = [newer(p, tmp_path) for p in debs]

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


def test_what_is_in_them(debs):
    """Every file of make install is in one package, and the agent's needs no Apache."""
    files = {p.name.split("_")[0]: {l.split(None, 5)[5][1:] for l in run("dpkg-deb", "-c", p).stdout.splitlines() if not l.startswith("d")} for p in debs}
    assert {"/usr/lib/apache2/modules/mod_dgon.so", "/usr/sbin/dgonctl", "/usr/share/man/man8/dgonctl.8.gz"} <= files["libapache2-mod-dgon"]
    assert {"/usr/bin/dgon-agent", "/lib/systemd/system/dgon-agent.service"} <= {f.replace("/usr/lib/systemd", "/lib/systemd") for f in files["dgon-agent"]}
    assert sum(map(len, files.values())) == len(set().union(*files.values())), "a file is in two packages"
    assert "apache" not in run("dpkg-deb", "-f", debs[1], "Depends").stdout
    assert not re.search(r"^E:", (debs[0].parent / "lintian.log").read_text(), re.M)
