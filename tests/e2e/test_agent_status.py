"""What a running agent says of itself: dgon-agent --status, and the line for the service manager."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

from agent_process import Agent, binary
from gateway_double import gateway  # noqa: F401

ECHO = '[backend "small"]\nkind = echo\ndelay_ms = 50\ntokens = 100\nmodels = m-1, m-2\n[backend "gone"]\nkind = openai\nurl = http://127.0.0.1:9\n'


def ask(agent, *more):
    return subprocess.run([binary(), "--config", agent.config, "--status", *more], capture_output=True, text=True, timeout=20)


def wait_status(agent, check, seconds=10):
    end = time.monotonic() + seconds
    while True:
        r = ask(agent, "--json")
        if r.returncode in (0, 69) and check(json.loads(r.stdout)):
            return r.returncode, json.loads(r.stdout)
        assert time.monotonic() < end, r
        time.sleep(0.05)


def test_text_json_and_exit_codes(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), backends=ECHO, agent=f"slots = 4\nstatus_socket = {tmp_path}/status.sock\n")
    r = ask(a)
    assert r.returncode == 3 and "no agent runs" in r.stderr and r.stdout == ""
    a.start()
    link = gateway.accept()
    job = link.job("x", model="m-1")
    code, s = wait_status(a, lambda s: s["busy"] == 1)
    assert code == 0 and s["state"] == "linked" and s["slots"] == 4 and s["links"]["ready"] == 1 and s["id"] == "test-agent"
    assert s["models"] == ["m-1", "m-2"] and s["models_total"] == 2 and s["pid"] > 0
    if not a.wrapper:
        assert s["pid"] == a.process.pid
    assert [(b["name"], b["up"], b["running"]) for b in s["backends"]] == [("small", True, 1), ("gone", False, 0)]
    text = ask(a)
    assert text.returncode == 0
    for words in ("1 link, 1 of 4 slots busy, models: m-1, m-2", "backend   small (echo): up, 1 job, 2 models", "backend   gone (openai): does not answer", gateway.url()):
        assert words in text.stdout, text.stdout
    job.cancel()
    wait_status(a, lambda s: s["busy"] == 0)
    gateway.stop()
    code, s = wait_status(a, lambda s: s["state"] == "no link")
    assert code == 69 and s["last_reason"]
    assert ask(a).returncode == 69 and "no link to the gateway" in ask(a).stdout
    a.stop()
    assert not (tmp_path / "status.sock").exists()
    assert ask(a).returncode == 3


def test_service_managers_folder_is_the_default(gateway, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    a = Agent(tmp_path, gateway.url(), environ={"RUNTIME_DIRECTORY": f"{folder}:/nonexistent"}).start()
    gateway.accept()
    mode = os.stat(folder / "status.sock").st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, "for root and the agent's own user only"
    a.config.write_text(a.config.read_text().replace("[agent]", f"[agent]\nstatus_socket = {folder}/status.sock"))
    assert ask(a).returncode == 0
    a.stop()


def test_a_killed_agents_socket_is_taken_over_a_living_ones_is_not(gateway, tmp_path):
    def new(name):
        (tmp_path / name).mkdir()
        return Agent(tmp_path / name, gateway.url(), agent=f"status_socket = {tmp_path}/s\n").start()

    first = new("1")
    gateway.accept()
    first.process.kill()
    first.wait()
    assert (tmp_path / "s").exists() and ask(first).returncode == 3
    second = new("2")
    gateway.accept()
    assert ask(second).returncode == 0
    third = new("3")
    gateway.accept()
    third.wait_line("another agent run with it?")
    third.stop()
    assert ask(second).returncode == 0, "the end of the one without a socket does not take the other's"
    second.stop()


def test_who_hangs_answers_nothing(gateway, tmp_path):
    a = Agent(tmp_path, gateway.url(), agent=f"status_socket = {tmp_path}/s\n").start()
    gateway.accept()
    a.signal(signal.SIGSTOP)
    r = ask(a)
    assert r.returncode == 70 and "timed out" in r.stderr.lower()
    a.signal(signal.SIGCONT)
    # Who connects and reads nothing holds nothing up.
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{tmp_path}/s")
    assert ask(a).returncode == 0
    a.stop()


def test_what_is_not_an_agent(tmp_path, gateway):
    a = Agent(tmp_path, gateway.url(), agent=f"status_socket = {tmp_path}/s\n")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{tmp_path}/s")
        s.listen(4)
        for rubbish in (b"", b"{", b"[1]\n", b"\xff" * 1000, b'{"state": 1, "models": {"a": 1}, "backends": [1, {}], "links": []}', b"x" * 100000):
            p = subprocess.Popen([binary(), "--config", a.config, "--status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            c = s.accept()[0]
            try:
                c.sendall(rubbish)
            except BrokenPipeError:
                pass
            c.close()
            out, err = p.communicate(timeout=20)
            assert p.returncode in (69, 70) and b"Sanitizer" not in err, (rubbish[:20], out, err)
    assert subprocess.run([binary(), "--json"], capture_output=True).returncode == 64


def test_a_reason_from_outside_is_no_message_to_the_service_manager(gateway, tmp_path):
    path = str(tmp_path / "notify")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(10)
    a = Agent(tmp_path, gateway.url(), environ={"NOTIFY_SOCKET": path}).start()
    link = gateway.accept()
    seen = []
    while not any("1 link" in m for m in seen):
        seen.append(s.recv(4096).decode())
    link.close(4429, "go away\nMAINPID=1\nSTATUS=forged\x1b[2J")
    while not any("no link" in m for m in seen):
        seen.append(s.recv(4096).decode())
    for m in seen:
        assert all(line.partition("=")[0] in ("READY", "STATUS") and "\x1b" not in line for line in m.split("\n")), m
    a.stop()
