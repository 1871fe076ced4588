"""client-cert.conf: who has a certificate of the right authority is the name in it."""

import http.client
import socket
import ssl

import openai
import pytest

import pki
import sdk
import served


@pytest.fixture(scope="module")
def site():
    # The agents' host is called otherwise: it is the agent that looks the name up.
    site = served.Site("client-cert", host="cert.example.org", replace={"ServerName gateway.example.org": "ServerName localhost"})
    site.agent_url = "wss://localhost:{port}/dgon/agent"
    site.people = people = pki.Authority(site.dir / "people", "people")
    site.strangers = pki.Authority(site.dir / "strangers", "people")  # of the same name
    for name in ("ada", "eve", "mallory"):
        people.sign(name)
    people.sign("expired", days=(-3, -1))
    people.sign("future", days=(1, 2))
    site.strangers.sign("ada")
    people.revoke("mallory")
    site.etc("clients-ca.pem", people.crt.read_text())
    site.etc("clients.crl", people.crl.read_text())
    site.etc("groups", "llm: ada mallory expired future\nothers: eve\n")
    site.expect("AH01630|AH01631|AH01618|AH01614|AH02039|AH02033|AH02032|AH02035")  # wrong host or group, Basic, certificate that does not verify, no name, another name
    with served.running(site):
        yield site


def context(site, name=None, authority=None):
    made = site.context
    if name:
        home = (authority or site.people).dir
        made.load_cert_chain(home / f"{name}.crt", home / f"{name}.key")
    return made


def test_right_certificate(site):
    sdk.check_user(site, "ada", context=context(site, "ada"))


def test_wrong_group(site):
    sdk.check_user(site, "eve", status=403, context=context(site, "eve"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name, why", [("expired", "expired"), ("future", "bad certificate|unknown"), ("mallory", "revoked"), ("foreign", "unknown|decrypt")])
def test_bad_certificates(site, name, why, version):
    made = context(site, "ada", site.strangers) if name == "foreign" else context(site, name)
    made.minimum_version = made.maximum_version = version
    with pytest.raises(openai.APIConnectionError) as caught:
        sdk.program(site, context=made).models.list()
    text = str(caught.value.__cause__).lower().replace("_", " ")
    assert any(w in text for w in why.split("|")), text


def test_no_certificate(site):
    sdk.check_nobody(site, "Basic realm=")
    sdk.check_out(sdk.program(site, context=context(site)), 401)


@pytest.mark.parametrize("user, status", [("ada", 401), ("CN=ada", 401), ("/CN=ada", 403)])  # the last one is known to mod_ssl
def test_a_name_is_no_certificate(site, user, status):
    """What Apache's own FakeBasicAuth makes of a certificate, sent by hand."""
    sdk.check_out(sdk.program(site, context=context(site), headers=site.basic(user, "password")), status)


@pytest.mark.parametrize("greeting", [None, "localhost"])
def test_no_way_round_by_another_host(site, greeting):
    """The greeting names the host that asks for no certificate (or none at all), the request the other one."""
    made = site.context
    made.check_hostname = False
    with made.wrap_socket(socket.create_connection(("127.0.0.1", site.port)), server_hostname=greeting) as s:
        connection = http.client.HTTPSConnection("127.0.0.1", site.port)
        connection.sock = s
        connection.request("GET", "/v1/models", headers={"Host": f"{site.host}:{site.port}"})
        status = connection.getresponse().status
        assert status == 421, status


def test_resumed_session_of_another_host(site):
    """A TLS session begun at the open host is no entry to the other one."""
    made = site.context
    made.check_hostname = False
    made.maximum_version = ssl.TLSVersion.TLSv1_2  # here the ticket comes with the handshake
    with made.wrap_socket(socket.create_connection(("127.0.0.1", site.port)), server_hostname="localhost") as s:
        session = s.session
    with made.wrap_socket(socket.create_connection(("127.0.0.1", site.port)), server_hostname=site.host, session=session) as s:
        connection = http.client.HTTPSConnection(site.host, site.port)
        connection.sock = s
        connection.request("GET", "/v1/models", headers={"Host": f"{site.host}:{site.port}"})
        assert connection.getresponse().status in (401, 403, 421)


def test_a_revoked_certificate_is_out_after_a_reload(site):
    site.people.sign("bob")
    site.etc("groups", "llm: ada bob\nothers: eve\n")
    assert sdk.program(site, context=context(site, "bob")).models.list()
    site.people.revoke("bob")
    site.etc("clients.crl", site.people.crl.read_text())
    site.graceful()

    def refused():
        try:
            sdk.program(site, context=context(site, "bob")).models.list()
        except openai.APIConnectionError:
            return True
        return False

    served.env.wait_for(refused, 10, "refusal", step=0.2)
    sdk.check_in(sdk.program(site, context=context(site, "ada")))
