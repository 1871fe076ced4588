"""The agent's command line and configuration errors: file and line, exit codes."""

import os
import subprocess

import pytest

from agent_process import binary

GOOD = '[gateway]\nurl = ws://127.0.0.1:1/x\ntoken_file = {token}\n[backend "e"]\nkind = echo\n'


def run(*args, environ=None):
    env = {k: v for k, v in os.environ.items() if k not in ("DGON_AGENT_TOKEN", "CREDENTIALS_DIRECTORY")}
    return subprocess.run([binary(), *args], capture_output=True, text=True, timeout=20, env={**env, **(environ or {})})


@pytest.fixture
def files(tmp_path):
    token = tmp_path / "token"
    token.write_text("t\n")
    token.chmod(0o600)
    config = tmp_path / "agent.conf"
    config.write_text(GOOD.format(token=token))
    return config, token


def check(config, **kw):
    return run("--config", str(config), "--check-config", **kw)


def test_good(files):
    r = check(files[0])
    assert r.returncode == 0 and "good" in r.stdout and r.stderr == ""


def test_version_help_usage():
    assert run("--version").stdout.startswith("dgon-agent ")
    assert "--check-config" in run("--help").stdout
    assert run("--nonsense").returncode == 64
    assert run("surplus").returncode == 64


def test_missing_file():
    r = run("--config", "/nonexistent/agent.conf")
    assert r.returncode == 78 and "/nonexistent/agent.conf" in r.stderr and "dgon-agent join URL CODE" in r.stderr


@pytest.mark.parametrize("line,text", [
    ("bogus = 1", ':6: unknown key "bogus" in [backend "e"]'),
    ("kind = parrot", ":6: kind is"),
    ("delay_ms = -1", ":6: delay_ms is a number from 0 to 60000"),
    ("delay_ms = 99999999999999999999", ":6: delay_ms is a number"),
    ("truncate = perhaps", ":6: truncate is yes or no"),
    ("models = a b, c/d, e?f", ':6: "e?f" cannot be a model name'),
    ("no equals sign", ":6: neither"),
    ("[nowhere]\nx = 1", ":7: unknown section [nowhere]"),
    ("[backend x]\nkind = echo", ":7: a backend's section is"),
    ("[agent]\nid = spaces are bad", ":7: id is"),
    ("[agent]\nslots = 99999", ":7: slots is"),
    ("[agent]\nlabels = x", ":7: labels are"),
    ("[log]\nlevel = loud", ":7: level is"),
    ("url = " + "x" * 300, ":6: the line is longer"),
    ("[backend \"h\"]\nurl = ftp://x/", ':7: backend "h": url is http'),
    ("[backend \"h\"]\nkind = openai", ':7: backend "h" has no url'),
    ("[gateway]\nproxy = :::", "proxy is"),
    ("[gateway]\nurl = http://x/", "url is wss"),
    ("[gateway]\nurl = ws://gateway.example/x", "in the clear"),
    ("[gateway]\ncert_file = /x", "go together"),
    ("[gateway]\nca_file = /nonexistent", "ca_file /nonexistent"),
    ("key_file = /nonexistent", "key_file /nonexistent"),
])
def test_mistakes_name_their_line(files, line, text):
    config, _ = files
    config.write_text(config.read_text() + line + "\n")
    r = check(config)
    assert r.returncode == 78 and text in r.stderr and str(config) in r.stderr, r.stderr
    assert run("--config", str(config)).returncode == 78


def test_several_mistakes_are_all_named(files):
    config, _ = files
    config.write_text(config.read_text() + "a = 1\nb = 2\nc = 3\n")
    assert len(check(config).stderr.splitlines()) == 3


def test_token_file_for_all_eyes_is_refused(files):
    config, token = files
    for mode in (0o644, 0o604, 0o620, 0o602):
        token.chmod(mode)
        r = check(config)
        assert r.returncode == 78 and "chmod 600" in r.stderr
    token.chmod(0o640)
    assert check(config).returncode == 0


@pytest.mark.parametrize("content", ["", "\n", "two words\n", "a\nb\n", "x" * 600, "\x00"])
def test_token_that_is_none(files, content):
    config, token = files
    token.write_text(content)
    assert check(config).returncode == 78


def test_token_from_environment_or_credentials(files, tmp_path):
    config, token = files
    config.write_text(config.read_text().replace(f"token_file = {token}\n", ""))
    r = check(config)
    assert r.returncode == 78 and "no token" in r.stderr
    assert check(config, environ={"DGON_AGENT_TOKEN": "t"}).returncode == 0
    assert check(config, environ={"DGON_AGENT_TOKEN": "t\nX: y"}).returncode == 78
    assert check(config, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).returncode == 0


def test_drop_ins_are_read_in_order(files):
    config, _ = files
    d = config.parent / "agent.conf.d"
    d.mkdir()
    (d / "20-b.conf").write_text("[agent]\nslots = bad\n")
    (d / "10-a.conf").write_text("[log]\nlevel = bad\n")
    (d / "ignored.txt").write_text("rubbish\n")
    lines = check(config).stderr.splitlines()
    assert len(lines) == 2 and "10-a.conf:2" in lines[0] and "20-b.conf:2" in lines[1]
    (d / "10-a.conf").write_text('[backend "e"]\ndelay_ms = 3\n')
    (d / "20-b.conf").write_text("[gateway]\nurl = wss://gateway.example/dgon/agent\n")
    assert check(config).returncode == 0
