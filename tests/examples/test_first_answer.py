"""From a running Apache with a login by LDAP to the first answer of a new agent on another machine, behind NAT: the commands are the README's."""

import pathlib
import re
import shlex
import subprocess
import sys
import time

import pytest

import directory
import env
import nat
import served

COMMANDS = [  # as they stand in README.md; what is typed here is the same but for paths, ports and the code
    "sudo install -d -o www-data -m 750 /var/lib/dgon",
    "sudo apachectl graceful",
    "sudo dgonctl agent invite --gateway https://gateway.example.org",
    "sudo dgon-agent join https://gateway.example.org 7KQ2M-X0X27-SASK6-Z0AM0",
    "sudo systemctl enable --now dgon-agent",
    "curl -N -u ada https://gateway.example.org/v1/chat/completions -H 'Content-Type: application/json' "
    '-d \'{"model": "MODEL", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}\'',
]
CTL = env.OBJ / "mod_dgon/ctl/dgonctl"
PASSWORD, READER = "canary-ada-71", "canary-reader-72"
OURS = """Listen {here}:{{port}}
<IfFile "{agents}">
    DgonAgentFile "{agents}/agents"
</IfFile>
"""
JOIN = """<Location "/node/join">
    SetHandler dgon-join
    Require all granted
</Location>
</VirtualHost>"""


@pytest.fixture(scope="module")
def site():
    network = nat.Network(1)
    site = served.Site("ldap", "examples-first", names=(f"IP:{nat.HERE}",), prepare=network.start,
                       replace={"ldap.example.org/ou": "127.0.0.1:{ldap}/ou", "/etc/ssl/certs/ldap-ca.pem": "{ca}", "</VirtualHost>": JOIN})
    site.state = site.home / "state"
    site.more = OURS.format(here=nat.HERE, agents=site.state)
    slapd = directory.Directory(site.dir, site.authority, {"ada": PASSWORD}, {"llm": ["ada"]}, READER)
    site.replace = {k: v.replace("{ldap}", str(slapd.port)).replace("{ca}", str(site.authority.crt)) for k, v in site.replace.items()}
    site.etc("ldap.password", site.secret(READER) + "\n")
    site.expect("AH00488|AH01617")
    site.network = network
    site.beside(network)
    site.beside(slapd).start()
    with served.running(site):
        site.agents.pop().stop()
        yield site


def test_commands_are_the_readmes():
    lines = [line.strip() for line in (env.TOP / "README.md").read_text().splitlines() if line.startswith("    ")]
    assert len(COMMANDS) <= 6 and [c for c in COMMANDS if c not in lines] == []


def test_first_answer(site):
    inside, url = site.network.inside(0), f"https://{nat.HERE}:{site.port}"
    backend = [*inside, sys.executable, str(pathlib.Path(env.__file__).with_name("fault_backend.py")), "--port", "8080"]
    site.beside(env.Server("model server", backend, site.dir / "model.out"))
    typed = iter(COMMANDS)

    def run(said, *instead, **more):
        """Types the next command; `instead`: what stands for it here."""
        command = next(typed)
        assert command.startswith(said)
        done = subprocess.run(list(instead), capture_output=True, text=True, env=env.environment(**env.sanitizer()), timeout=60, **more)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    begin = time.monotonic()
    run("sudo install", "install", "-d", *(["-o", "www-data"] if env.os.getuid() == 0 else []), "-m", "750", site.state)
    run("sudo apachectl", "kill", "-USR1", str(site.pid))
    time.sleep(1.5)
    said = run("sudo dgonctl", CTL, "agent", "--file", site.state / "agents", "invite", "--gateway", url)
    join = next(line.strip() for line in said.splitlines() if "dgon-agent join" in line)
    code = shlex.split(join)[-1]
    assert re.fullmatch(r"(sudo )?dgon-agent join \S+ \S+", join) and url in join
    site.secret(code)
    conf = site.dir / "joined.conf"
    run("sudo dgon-agent join", *inside, env.AGENT, "join", url, code, "--config", conf, "--ca", site.authority.crt)
    next(typed)  # systemd is not here: its unit starts this
    site.beside(env.Server("dgon-agent", [*inside, env.AGENT, "--config", conf], site.dir / "joined.out"))
    env.wait_for(lambda: site.offers(["fault"]), 20, "the model of the new agent")
    body = '{"model": "fault", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
    site.secret(PASSWORD)
    answer = run("curl", "curl", "-sS", "-N", "-u", f"ada:{PASSWORD}", "--cacert", site.authority.crt, "--resolve", f"{site.host}:{site.port}:127.0.0.1",
                 site.site + "/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body)
    took = time.monotonic() - begin
    assert answer.rstrip().endswith("data: [DONE]") and next(typed, None) is None
    print(f"{len(COMMANDS)} commands, {took:.1f} s")
    assert took < 180
    mode = next(site.dir.glob("*credential*")).stat().st_mode & 0o777
    assert mode == 0o600
