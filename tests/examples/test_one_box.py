"""one-box.conf: everything on one machine, for its own users."""

import asyncio
import socket

import pytest

import client
import sdk
import served


@pytest.fixture(scope="module")
def site():
    # Plain HTTP of this machine is the example's point: the agents' token is on this machine anyway.
    site = served.Site("one-box", replace={":8080": ":{port}"}, tls=False, host="localhost", level="info dgon:trace8")
    site.expect("AH01630")  # another name
    with served.running(site):
        yield site


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_own_names(site, host):
    site.host = host
    sdk.check_in(sdk.program(site))


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:{port}", "localhost.evil.example.org:{port}", "localhost:1"])
def test_a_name_that_was_made_to_lead_here(site, host):
    headers = {"Host": host.format(port=site.port)}
    client.check_error(asyncio.run(client.fetch(f"http://127.0.0.1:{site.port}", "/v1/models", headers=headers)), 403)
    client.check_error(asyncio.run(client.ask(f"http://127.0.0.1:{site.port}", headers=headers, tokens=1)), 403)


def test_ollamas_programs(site):
    a = asyncio.run(client.fetch(f"http://localhost:{site.port}", "/api/tags", headers={"Host": f"localhost:{site.port}"}))
    assert [m["name"] for m in a.json["models"]] == ["fault"]


def test_nothing_is_open_to_the_network(site):
    with socket.create_connection(("127.0.0.1", site.port), 2), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", site.port), 2)
