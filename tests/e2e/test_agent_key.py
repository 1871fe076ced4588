"""The agent's side of logging in with a key, against a scripted gateway."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent_process import Agent
from gateway_double import Gateway

ONE, TWO = "11" * 32, "22" * 32


def public(secret):
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def make(tmp_path, gateway, text=f"id = gpu-7\nkey = {ONE}\n", mode=0o600, **options):
    credential = tmp_path / "credential"
    credential.write_text(text)
    credential.chmod(mode)
    a = Agent(tmp_path, gateway.url(), gateway=f"credential_file = {credential}", agent="links = 1\n", **options)
    a.config.write_text("\n".join(l for l in a.config.read_text().splitlines() if not l.startswith("token_file")) + "\n")
    a.credential = credential
    return a


def keys(agent):
    return {k: v for k, v in (l.split(" = ") for l in agent.credential.read_text().splitlines() if " = " in l) if k != "id"}


@pytest.fixture
def gateway():
    g = Gateway()
    g.keys = {public(ONE)}
    g.start()
    yield g
    g.stop()


def test_login(tmp_path, gateway):
    a = make(tmp_path, gateway).start()
    link = gateway.accept()
    assert "Authorization" not in gateway.dials[0][1]
    assert link.hello["models"] == [], "before it is known who sends, messages are short"
    assert [m["name"] for m in link.expect("models")["models"]] == ["echo"]
    assert link.job("a b c").wait()[1]["finish"] == "stop"
    assert ONE not in a.lines() and link.hello["signature"] not in a.lines()
    a.stop()


def test_new_key(tmp_path, gateway):
    a = make(tmp_path, gateway).start()
    link = gateway.accept()
    link.send_control(dict(type="rotate"))
    message = link.expect("key")
    both = keys(a)
    assert both["key"] == ONE and public(both["next"]) == message["key"], "on disk before it is told"
    text = f"dgon.v1 new key\n{link.nonce}\n{message['key']}\n"
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(message["key"])).verify(bytes.fromhex(message["signature"]), text.encode())
    link.send_control(dict(type="rotate"))
    assert link.expect("key")["key"] == message["key"], "asked again, it is the same one"
    gateway.keys.add(message["key"])
    link.goaway("rotate")
    after = gateway.accept()
    assert after.hello["key"] == message["key"]
    a.wait_line("the new key is in use")
    assert keys(a) == {"key": both["next"]}
    a.stop()


def test_next_key_unknown(tmp_path, gateway):
    """It was made, and the gateway never heard of it: the old one is tried at once, and from then on."""
    a = make(tmp_path, gateway, f"id = gpu-7\nkey = {ONE}\nnext = {TWO}\n")
    begin = time.monotonic()
    a.start()
    link = gateway.accept()
    assert gateway.refused == [public(TWO)] and link.hello["key"] == public(ONE) and time.monotonic() - begin < 3
    link.close(1012)
    assert gateway.accept().hello["key"] == public(ONE)
    assert len(gateway.refused) == 1 and keys(a) == {"key": ONE, "next": TWO}
    a.stop()


def test_next_key_known(tmp_path, gateway):
    gateway.keys = {public(TWO)}
    a = make(tmp_path, gateway, f"id = gpu-7\nkey = {ONE}\nnext = {TWO}\n").start()
    gateway.accept()
    a.wait_line("the new key is in use")
    assert keys(a) == {"key": TWO}
    a.stop()


@pytest.mark.parametrize("code,text", [(4401, "run dgon-agent join"), (4403, "has revoked this agent")])
def test_refused(tmp_path, gateway, code, text):
    gateway.keys, gateway.unknown = set(), code
    a = make(tmp_path, gateway).start()
    a.wait_line(text)
    time.sleep(1.5)
    assert len(gateway.dials) == 1, "the next try is a minute away"
    a.stop()
    a.start("--once")
    assert a.wait() == 77


@pytest.mark.parametrize("text,mode,says", [
    ("key = 11\n", 0o600, "is damaged"), (f"key = {ONE}\n", 0o600, "has not joined"), (f"id = a\nkey = {ONE}\n", 0o644, "chmod 600"),
])
def test_bad_credential(tmp_path, gateway, text, mode, says):
    a = make(tmp_path, gateway, text, mode).start()
    if mode == 0o600:
        a.wait_line(says)
        a.stop()
    else:
        assert a.wait() == 78
        assert says in (tmp_path / "stderr").read_text()
    assert not gateway.dials


def test_challenge_of_an_agent_with_a_token(tmp_path, gateway):
    a = Agent(tmp_path, gateway.url()).start()
    a.wait_line("unexpected challenge")
    a.stop()


def test_token_and_credential_exclude_each_other(tmp_path, gateway):
    a = make(tmp_path, gateway)
    a.config.write_text(a.config.read_text().replace("[gateway]", f"[gateway]\ntoken_file = {a.token_file}"))
    a.start("--check-config")
    assert a.wait() == 78 and "only one of them" in (tmp_path / "stderr").read_text()
