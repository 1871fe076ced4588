"""What the agent reads of its link by itself (agent_link_read.c), frame by frame: a gateway that may be anything."""

import json
import struct
import time

import pytest

from agent_process import Agent
from gateway_double import BODY, END, gateway, record  # noqa: F401


@pytest.fixture
def agent(tmp_path, gateway):
    a = Agent(tmp_path, gateway.url()).start()
    yield a
    a.stop()


def frame(payload, first=0x82):
    head = bytes([first]) + (bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload)) if len(payload) < 65536
                             else b"\x7f" + struct.pack(">Q", len(payload)))
    return head + payload


def job_frames(link, content):
    """A job of whose messages none was sent: them, as frames. No credit is given, which would come in between."""
    job = link.job(content, unsent=True, auto_credit=False)
    return job, frame(json.dumps(job.message).encode(), 0x81) + frame(record(job.number, BODY, job.body))


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_pieces_of_any_size(gateway, agent, size):
    link = gateway.accept()
    jobs, data = zip(*(job_frames(link, f"number {n} " + "x" * n * 60) for n in range(4)))
    data = frame(b"there?", 0x89).join(data)
    for at in range(0, len(data), size):
        link.ws.socket.sendall(data[at:at + size])
        if size < 1000 and at % (size * 50) == 0:
            time.sleep(0.002)  # what was sent is read before the next piece comes
    for n, job in enumerate(jobs):
        assert job.wait(5)[0] == END and job.text().startswith(f"number {n} ")


def test_long_bodies(gateway, agent):
    link = gateway.accept()
    text = "a longer word " * 15_000
    for job in [link.job(text) for _ in range(3)]:
        assert job.wait(20)[0] == END and job.text().strip() == text.strip()


def test_pings_are_answered(gateway, agent):
    link = gateway.accept()
    pongs = [link.ws.ping(bytes([65 + n]) * n) for n in range(40)]
    job = link.job("between pings")
    pongs += [link.ws.ping(f"behind {n}") for n in range(20)]
    assert all(p.wait(2) for p in pongs)
    assert job.wait(2)[0] == END


def test_answered_pings_keep_the_link(gateway, tmp_path):
    gateway.auto_welcome = False
    a = Agent(tmp_path, gateway.url()).start()
    link = gateway.accept()
    link.welcome(ping=1, hangup=2)
    assert not link.closed.wait(5)
    assert link.job("still here").wait(2)[0] == END
    a.stop()


@pytest.mark.parametrize("code,answer", [(1000, 1000), (1001, 1001), (4409, 4409), (None, 1000)])
def test_close_is_answered_at_once(gateway, agent, code, answer):
    link = gateway.accept()
    assert link.job("x " * 100).wait(2)[0] == END  # the library waits for a double that still sends credit
    begin = time.monotonic()
    if code is None:
        link.ws.socket.sendall(frame(b"", 0x88))
        link.wait_closed(2)
        assert link.ws.protocol.close_rcvd.code == answer
    else:
        link.close(code, "enough")
        assert link.wait_closed(2) == code and link.ws.protocol.close_rcvd.code == answer
    assert time.monotonic() - begin < 1
    if code != 4409:
        assert gateway.accept().job("y").wait(2)[0] == END


# A code of one byte is none to wslay, so it is answered as a close without one.
@pytest.mark.parametrize("data", [
    bytes([0x82, 0x81, 1, 2, 3, 4, 5]), bytes([0xc2, 0x01, 0]), bytes([0x83, 0x01, 0]), bytes([0x80, 0x01, 0]), bytes([0x89, 0x7e, 0, 126]),
    bytes([0x09, 0x00]), bytes([0x82, 0x7e, 0, 1, 0]), bytes([0x02, 0x01, 0, 0x82, 0x01, 0]), bytes([0x88, 0x01, 3]), bytes([0x88, 0x02, 0, 0]),
], ids=["masked", "reserved bit", "no opcode", "rest of nothing", "long ping", "ping in parts", "longer length", "within another", "half a code",
        "no code"])
def test_broken_frames_close_the_link(gateway, agent, data):
    link = gateway.accept()
    link.job("never mind").wait(2)
    link.ws.socket.sendall(data)
    assert link.wait_closed(3) == (1000 if data[:2] == bytes([0x88, 0x01]) else 1002)
    assert gateway.accept().job("x").wait(2)[0] == END


def test_a_message_too_long_in_parts(gateway, agent):
    link = gateway.accept()
    link.ws.socket.sendall(frame(b"a" * 60_000, 0x02) + frame(b"b" * 60_000, 0x00) * 4)
    assert link.wait_closed(3) == 4413
    assert gateway.accept().job("x").wait(2)[0] == END


@pytest.mark.parametrize("bits", [20, 40, 62])
def test_a_frame_too_long_is_not_waited_for(gateway, agent, bits):
    link = gateway.accept()
    link.ws.socket.sendall(bytes([0x82, 0x7f]) + struct.pack(">Q", 1 << bits) + b"x")
    assert link.wait_closed(3) == 4413


def test_an_end_in_mid_frame(gateway, agent):
    link = gateway.accept()
    link.ws.socket.sendall(frame(b"a" * 1000)[:100])
    time.sleep(0.05)
    link.ws.socket.shutdown(2)
    assert gateway.accept().job("x").wait(2)[0] == END
