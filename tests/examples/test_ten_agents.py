"""ten-agents.conf: agents behind NAT, which can reach out and which nothing can reach."""

import asyncio
import secrets
import socket
import sys

import pytest

import client
import env
import members
import nat
import sdk
import served

AGENTS, SLOTS = 10, 3


@pytest.fixture(scope="module")
def site():
    network = nat.Network(AGENTS)
    tokens = [secrets.token_hex(32) for _ in range(AGENTS)]

    def prepare():
        network.start()
        site.etc("agents.token", "\n".join([env.TOKEN, *tokens]) + "\n")

    site = members.files(served.Site("ten-agents", more=f"Listen {nat.HERE}:{{port}}\n", prepare=prepare, names=(f"IP:{nat.HERE}",)))
    site.beside(network)
    site.network = network
    with served.running(site):
        site.agents.pop().stop()  # the one that every site has: here all are behind the NAT
        site.agent_url = f"wss://{nat.HERE}:{{port}}/dgon/agent"
        for i in range(AGENTS):
            site.wrapper = network.inside(i)
            site.add_agent(model=None, kind="echo", id=f"gpu-{i + 1}", slots=SLOTS, token=tokens[i])
        site.wrapper = ()
        env.wait_for(lambda: "echo" in site.models() and site.offers(["echo"], AGENTS), 20, "ten agents")
        yield site


def test_users(site):
    headers = members.headers(site)
    assert [m.id for m in sdk.program(site, headers=headers).models.list()] == ["echo"]
    sdk.check_out(sdk.program(site, headers=members.headers(site, "eve")), 403)
    sdk.check_nobody(site, "Basic realm=")


def test_all_of_them_work(site):
    """As many questions at once as there are slots: each agent gets its share."""
    headers = {"Host": f"{site.host}:{site.port}", **members.headers(site)}
    text = " ".join(f"word{i}" for i in range(400))

    async def run():
        return await asyncio.gather(*(client.ask(site.site, headers=headers, model="echo", content=f"{i} {text}") for i in range(AGENTS * SLOTS)))

    for i, a in enumerate(asyncio.run(run())):
        assert a.outcome == "done" and a.text.startswith(f"{i} word0") and a.text.endswith("word399"), (a.outcome, a.status, a.error)


def test_nothing_can_reach_in(site):
    """Not even a neighbour who knows the addresses and the way: a server on an agent's machine, asked from here."""
    script = "import http.server; http.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()"
    server = env.Server("inner server", [*site.network.inside(0), sys.executable, "-c", script], site.dir / "inner.out")
    where = (site.network.address(0), 8000)
    nat.run("ip", "route", "add", where[0], "via", nat.ROUTER)
    try:
        ask = [*site.network.inside(1), sys.executable, "-c", f"import socket; socket.create_connection({where!r}, 1)"]
        env.wait_for(lambda: not env.subprocess.run(ask, capture_output=True).returncode, 10, "answer inside of the network", step=0.1)
        with pytest.raises(OSError):
            socket.create_connection(where, 1)
        site.network.open_door()
        socket.create_connection(where, 1).close()  # it was the router that said no, and it is there
    finally:
        nat.run("ip", "route", "del", where[0])
        server.stop()


def test_the_gateway_sees_the_router_only(site):
    """A link is logged when it ends."""
    before = site.lines()
    site.agents.pop().stop()
    env.wait_for(lambda: site.lines() > before, 5, "line in the access log")
    lines = [line for line in (site.dir / "access.log").read_text().splitlines()[before:] if "/dgon/agent" in line]
    assert lines and all(line.split()[1] == nat.ROUTER for line in lines), lines
    env.wait_for(lambda: site.offers(["echo"], AGENTS - 1) and not site.offers(["echo"], AGENTS), 5, "nine agents")
