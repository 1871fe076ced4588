"""Agents that are known by a client certificate, which httpd verifies."""

import asyncio
import ssl
import time

import pytest
import websockets

import client
import enrol
import env

TLS = """
SSLCACertificateFile "{dir}/tls/ca.pem"
SSLVerifyClient optional
SSLVerifyDepth 1
DgonAgentTrust {trust}
"""


def make_site(name, trust, more="", **options):
    s = enrol.Site(name, tls=True, conf=TLS.format(dir=env.RUNS / name, trust=trust) + more, loglevel="info dgon:trace8 ssl:warn", **options)
    s.gateway.expect("DGON0060|DGON0050: .*(4401|4409)|SSL Library Error|AH02039|AH02008|AH02276")
    s.tls = s.dir / "tls"
    s.tls.mkdir()
    s.issue = enrol.authority(s.tls)
    return s


@pytest.fixture(scope="module", params=["event", "worker"])
def site(request):
    s = make_site(f"{__name__}-{request.param}", "ssl key", mpm=request.param, threads=32)
    try:
        yield s.start()
    finally:
        time.sleep(0.3)  # mpm_event 2.4 may crash when it is stopped while a worker closes a connection
        s.stop()
    assert not env.ours()


def agent_with(site, name, cn):
    pem, key = site.issue(name, cn)
    agent = env.Agent(site.gateway, site.backend.url, id=name)
    text = agent.conf.read_text()
    agent.conf.write_text("\n".join(l for l in text.splitlines() if not l.startswith("token_file")).replace(
        "[agent]", f"cert_file = {pem}\nkey_file = {key}\n[agent]", 1) + "\n")
    site.agents.append(agent)
    return agent


def wait_line(agent, text):
    env.wait_for(lambda: agent.log.exists() and text in agent.log.read_text(), 10, f"line {text!r}")


def test_certificate_is_the_name(site):
    agent = agent_with(site, "by-cert", "gpu-cert").start()
    wait_line(agent, " as gpu-cert, child")
    env.wait_for(lambda: "fault" in site.gateway.models(), what="model")
    asyncio.run(client.ask(site.url, tokens=5)).check_done(5)
    assert "DGON0053: agent gpu-cert connected" in site.gateway.log.read_text()


def dial(site, context, **headers):
    async def run():
        async with websockets.connect(site.url.replace("http", "ws") + "/dgon/agent", subprotocols=["dgon.v1"], proxy=None, compression=None,
                                      additional_headers=headers, ssl=context, close_timeout=1) as ws:
            try:
                return await asyncio.wait_for(ws.recv(), 0.5)
            except asyncio.TimeoutError:
                return "waits for hello"

    try:
        return asyncio.run(run())
    except websockets.InvalidStatus as e:
        return e.response.status_code


def test_others_have_to_show_a_key(site):
    assert "challenge" in dial(site, enrol.client_context(site.tls)), "no certificate: a key"
    assert dial(site, enrol.client_context(site.tls), Authorization=f"Bearer {env.TOKEN}") == 401, "tokens are not trusted here"
    assert dial(site, enrol.client_context(site.tls, *site.issue("other", "gpu-8"))) == "waits for hello"
    assert "challenge" in dial(site, enrol.client_context(site.tls, *site.issue("nameless", "not an id!"))), "a name that is no id"


def test_another_authority(site, tmp_path):
    pem, key = enrol.authority(tmp_path)("evil", "gpu-cert")
    with pytest.raises((ssl.SSLError, ConnectionError, OSError, websockets.WebSocketException)):
        assert dial(site, enrol.client_context(tmp_path, pem, key)) != "waits for hello"
        raise ssl.SSLError("was not taken for somebody")


def test_joined_names_are_not_the_authoritys_to_give(site):
    code = site.invite("--name", "gpu-joined")
    joined = site.add_agent("--ca", str(site.dir / "tls.crt"), code=code)
    assert joined.out.returncode == 0 and joined.keys()["id"] == "gpu-joined", joined.out
    joined.start()
    joined.wait_line(" as gpu-joined,")
    twin = agent_with(site, "twin", "gpu-joined").start()
    wait_line(twin, "4401")


def test_certificates_alone():
    s = make_site(__name__ + "-alone", "ssl", more="SSLVerifyClient require\n")
    try:
        s.start()
        with pytest.raises((ssl.SSLError, ConnectionError, OSError, websockets.WebSocketException)):
            dial(s, enrol.client_context(s.tls))
        assert dial(s, enrol.client_context(s.tls, *s.issue("mine", "gpu-9"))) == "waits for hello"
        assert dial(s, enrol.client_context(s.tls, *s.issue("bad", "not an id!"))) == 401
    finally:
        time.sleep(0.3)
        s.stop()
