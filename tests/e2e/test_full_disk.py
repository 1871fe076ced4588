"""A disk that is full: nobody is let in or out by it, nothing is half written, answers go on, and it is told."""

import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import client
import enrol
import env
import keyring

SIZE = "1m"


@pytest.fixture(scope="module")
def disk():
    """A small disk of its own; everything in it may be read by httpd."""
    place = env.RUNS / "test_full_disk.disk"
    place.mkdir(parents=True, exist_ok=True)
    sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755,uid={os.getuid()}", "none", place], check=True)
    yield place
    subprocess.run([*sudo, "umount", "-l", place], check=True)


@contextlib.contextmanager
def full(disk):
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(b"x" * 4096)
    yield
    filler.unlink()


def test_a_full_disk(disk):
    agents = disk / "agents"
    agents.mkdir(mode=0o750)
    if os.getuid() == 0:
        shutil.chown(agents, "www-data", "www-data")
    keys = keyring.Keyring("test_full_disk")
    (disk / "keys").touch()
    keys.path = disk / "keys"
    keys.own()
    site = enrol.Site("test_full_disk", conf=f'DgonAgentFile "{agents}/file"\n' + keyring.locations(keys.path) + f'CustomLog "{disk}/access.log" "%r %>s"\n')
    site.file = agents / "file"
    try:
        check(site, disk, keys)
    finally:
        site.stop()


def check(site, disk, keys):
    good = keys.add("ada")
    site.start()
    first = site.add_agent(name="first").start(model="fault")
    code, late = site.invite(), enrol.Key()
    before = {p.name: p.read_bytes() for p in (site.file, keys.path)}
    with full(disk):
        # Nobody new: with the reason, here and there, and the files as they were.
        refused = keyring.dgonctl("key", "add", "eve", "--file", keys.path, code=1)
        assert "No space left on device" in refused.stderr and str(keys.path) in refused.stderr
        status, text = site.ctl("invite", "--gateway", site.url, ok=False)
        assert status == 1 and "No space left on device" in text
        site.gateway.expect("DGON0270: .*No space left on device")
        status, answer, _ = site.join(late, code=code)
        assert status == 503 and answer["error"]["message"], answer
        assert "No space left on device" in site.gateway.log.read_text()
        for file in (site.file, keys.path):
            assert file.read_bytes() == before[file.name]
        assert sorted(p.name for p in site.file.parent.iterdir()) in (["file"], ["file", "file.lock"])
        # Who is in stays in, logs in anew, and gets whole answers; the log of accesses is what suffers.
        asyncio.run(client.ask(site.url, tokens=20)).check_done(20)
        asyncio.run(client.ask(site.url, path="/key/v1/chat/completions", headers=keyring.bearer(good), tokens=5)).check_done(5)
        site.gateway.graceful()
        first.kill()
        first.start(model="fault")
        asyncio.run(client.ask(site.url, tokens=20)).check_done(20)
    status, answer, _ = site.join(late, code=code)
    assert status == 200, answer
    assert json.loads(keyring.dgonctl("--json", "key", "list", "--file", keys.path).stdout)[0]["id"] == "ada"
    assert keys.add("eve") and pathlib.Path(keys.path).stat().st_mode & 0o777 == 0o640
