"""User-space instructions that a token costs httpd and the agent, and a key httpd: the same on a busy machine as on a quiet one.

Counted by callgrind while tokens or requests come one by one: the tokens of one stream, as those of several fall together on one machine
and not on another. instructions.json holds what it cost when somebody last looked; more than a tenth above that in each of three counts
fails. If the rise is meant, write the new figure there, and why."""

import asyncio
import json
import pathlib
import platform
import re
import tempfile

import pytest

import client
import env
import keyring

STORED = pathlib.Path(__file__).with_name("instructions.json")
FEW, MANY, GAP = 200, 5200, 0.002
COUNTS = 3


def machine():
    """Figures differ with the versions of the libraries, so with the distribution."""
    info = platform.freedesktop_os_release()
    return f"{info['ID']} {info.get('VERSION_ID', '')} {platform.machine()}".strip()


async def stream(url, tokens):
    (await client.ask(url, tokens=tokens, gap=GAP)).check_done(tokens)


def counted(make_stack, tokens):
    """Instructions of a whole life with a stream of that many tokens."""
    return life(make_stack, lambda s: asyncio.run(stream(s.url, tokens)))


def life(make_stack, work, **options):
    """Instructions of servers that are started, do the work and are stopped."""
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place)
        out.chmod(0o755)
        s = make_stack(children=1, single=True, wrapper=["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}/%p"], links=1, **options)
        work(s)
        pids = {"httpd": s.gateway.pid, "agent": s.agent.process.pid}
        for pid in pids.values():
            (out / str(pid)).chmod(0o666)  # httpd gave its rights away, and writes at its end
        s.agent.stop()
        s.gateway.stop()
        return {name: int(re.search(r"^(?:totals|summary): (\d+)", (out / str(pid)).read_text(), re.M)[1]) for name, pid in pids.items()}


@pytest.mark.timeout(400)
def test_instructions_of_a_token(make_stack):
    if env.SANITIZED:
        pytest.fail("callgrind does not run a sanitized build")

    def count():
        few, many = counted(make_stack, FEW), counted(make_stack, MANY)  # start, requests and stop fall out of the difference
        return {name: round((many[name] - few[name]) / (MANY - FEW)) for name in few}

    compare("token", count, 1000)


def compare(what, count, least):
    """The least of up to three counts, each name for itself; below `least` nothing was counted."""
    stored, best = json.loads(STORED.read_text()).get(machine()), {}
    for _ in range(COUNTS):
        now = count()
        print(f"instructions of a {what} on {machine()}: {now}")
        assert all(v > least for v in now.values()), f"{now} cannot be"
        best = {name: min(v, best.get(name, v)) for name, v in now.items()}
        if stored is None:
            assert "debian 12" not in machine(), f"no figure is stored for this machine: write {now} into {STORED.name}"
            return
        dear = [name for name, v in best.items() if v > stored[name] * 1.1]
        if not dear:
            return
    assert not dear, f"a {what} costs {best} instructions, {stored} when {STORED.name} was written: {', '.join(dear)}"


ASKED = 1000


def keys_conf(ring):
    """The same requests where nobody is asked who he is, with our file and with httpd's, whose own hash is cheap: what is counted is the answer that is kept."""
    (ring.dir / "users").write_text(f"user:{keyring.sha('secret')}\n")
    text = keyring.modules("authn_file", "authz_user")
    for path, lines in (("plain", ""), ("key", f"AuthType Bearer\nDgonKeyFile {ring.path}\nRequire valid-user"),
                        ("provider", f"AuthType Bearer\nDgonBearerProvider file\nDgonBearerCache 1h\nAuthUserFile {ring.dir}/users\nRequire valid-user")):
        text += f'<Location "/{path}/v1">\nSetHandler dgon-api\n{lines}\n</Location>\n'
    return text


@pytest.mark.timeout(400)
def test_instructions_of_a_key(make_stack):
    """Over the same request without a check: a thousand keys in the file."""
    ring = keyring.Keyring("test_instructions")
    key = ring.add("asker")
    line = ring.path.read_text().splitlines()[-1]
    ring.edit(lambda text: text + "".join(line.replace("asker", f"asker-{i}") + "\n" for i in range(1000)))
    conf = keys_conf(ring)

    def ask(path, k):
        async def run(s):
            async with client.Connection(s.url) as c:
                for _ in range(ASKED):
                    c.send("GET", f"/{path}/v1/models", headers=keyring.bearer(k))
                    assert (await c.receive()).status == 200

        return lambda s: asyncio.run(run(s))

    def count():
        plain, ours, cached = (life(make_stack, ask(path, k), conf=conf)["httpd"] for path, k in (("plain", key), ("key", key), ("provider", "user.secret")))
        return {"key": round((ours - plain) / ASKED), "provider": round((cached - plain) / ASKED)}

    compare("key", count, 500)
