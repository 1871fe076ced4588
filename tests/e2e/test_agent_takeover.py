"""The agent between two registries of one gateway, as after an upgrade: who waits in the older one goes first, and nobody for long."""

import itertools
import time

import pytest

from agent_process import Agent
from gateway_double import END, FAIL, Gateway

SLOW_ECHO = '[backend "e"]\nkind = echo\ndelay_ms = 20\ntokens = {}\n'
OLD, NEW, NEWEST = "1" * 16, "2" * 16, "3" * 16


@pytest.fixture
def gateway():
    g = Gateway()
    g.registry = OLD
    yield g.start()
    g.stop()


def begin(gateway, tmp_path, slots, tokens=30):
    a = Agent(tmp_path, gateway.url(), backends=SLOW_ECHO.format(tokens), agent=f"slots = {slots}\n").start()
    link = gateway.accept()
    time.sleep(0.3)  # a link that lived for a moment: the next dial is at once
    return a, link


def successor(gateway, old, waiting, registry=NEW):
    gateway.registry = registry
    old.goaway(waiting=waiting)
    return gateway.accept(3)


def test_the_older_queue_goes_first(gateway, tmp_path):
    a, old = begin(gateway, tmp_path, slots=1)
    first = old.job("x")
    first.wait_events(1)
    new = successor(gateway, old, waiting=2)
    assert new.expect("capacity", 2)["slots"] == 0
    assert first.wait()[0] == END
    for left in (1, 0):
        job = old.job("x")
        job.wait_events(1)
        old.goaway(waiting=left)
        if left:
            assert job.wait()[0] == END
            old.expect_none("draining", 0.2)
            new.expect_none("capacity", 0.1)
    old.expect("draining", 2)
    new.expect_none("capacity", 0.1)
    assert job.wait()[0] == END
    assert new.expect("capacity", 2)["slots"] == 1, "once nobody waits any more and nothing runs there"
    assert old.wait_closed(2) == 1000
    assert new.job("y").wait()[0] == END
    a.stop()


def test_free_slots_are_for_the_newer_one(gateway, tmp_path):
    a, old = begin(gateway, tmp_path, slots=4, tokens=100)
    running = old.job("x")
    running.wait_events(1)
    new = successor(gateway, old, waiting=1)
    assert new.expect("capacity", 2)["slots"] == 2
    other = new.job("y")
    assert old.expect("capacity", 2)["slots"] == 3
    newest = successor(gateway, new, waiting=0, registry=NEWEST)
    assert newest.expect("capacity", 2)["slots"] == 1
    new.expect("draining", 2)
    assert old.expect("capacity", 5)["slots"] == 4, "as soon as the other job has ended"
    assert other.wait(1)[0] == END and running.wait()[0] == END
    old.goaway(waiting=0)
    assert [newest.expect("capacity", 2)["slots"] for _ in range(2)][-1] >= 3
    a.stop()


def test_one_registry_changes_nothing(gateway, tmp_path):
    """An ordinary graceful restart: who waits, waits for the new link as well."""
    a, old = begin(gateway, tmp_path, slots=1)
    running = old.job("x")
    running.wait_events(1)
    new = successor(gateway, old, waiting=5, registry=OLD)
    old.expect("draining", 1)
    assert running.wait()[0] == END and old.wait_closed(2) == 1000
    new.expect_none("capacity", 0.2)
    assert new.job("y").wait()[0] == END
    a.stop()


def test_a_job_that_was_refused_comes_again(gateway, tmp_path):
    """The gateway may have said that nobody waits before it knew of the refusal."""
    a, old = begin(gateway, tmp_path, slots=1, tokens=200)
    new = successor(gateway, old, waiting=1)
    busy = new.job("y")
    busy.wait_events(1)
    kind, why = old.job("x").wait(2)
    assert kind == FAIL and why["requeue"]
    old.goaway(waiting=0)
    old.expect_none("draining", 0.4)
    old.goaway(waiting=1)
    old.expect_none("draining", 2)
    busy.cancel()
    again = old.job("x")
    again.wait_events(1)
    old.goaway(waiting=0)
    old.expect("draining", 3)
    assert again.wait()[0] == END and old.wait_closed(2) == 1000
    a.stop()


def test_one_of_the_old_processes_is_killed(gateway, tmp_path):
    gateway.children, gateway.child = 2, itertools.cycle([0, 1])
    a, one = begin(gateway, tmp_path, slots=1)
    two = gateway.accept(3)
    gateway.registry, gateway.children, gateway.child = NEW, 1, itertools.cycle([0])
    one.goaway(waiting=2)
    two.goaway(waiting=2)
    new = gateway.accept(3)
    one.expect_none("draining", 0.3)
    one.ws.socket.shutdown(2)
    assert two.job("x").wait()[0] == END
    two.goaway(waiting=0)
    two.expect("draining", 2)
    assert two.wait_closed(2) == 1000
    assert new.job("y").wait()[0] == END
    a.stop()


def test_the_gateway_stops_while_somebody_waits(gateway, tmp_path):
    a, old = begin(gateway, tmp_path, slots=1)
    gateway.stop_listening()
    old.goaway(waiting=1)
    old.expect_none("draining", 1)
    assert old.job("x").wait()[0] == END
    old.goaway(waiting=0)
    old.expect("draining", 3)
    assert old.wait_closed(2) == 1000
    a.stop()


def test_the_agent_stops_while_somebody_waits(gateway, tmp_path):
    a, old = begin(gateway, tmp_path, slots=1)
    running = old.job("x")
    running.wait_events(1)
    new = successor(gateway, old, waiting=3)
    old.expect_none("draining", 0.2)
    a.process.terminate()
    for link in (old, new):
        link.expect("draining", 2)
    assert running.wait()[0] == END
    assert old.wait_closed(2) == 1000 and new.wait_closed(2) == 1000
    assert a.process.wait(5) == 0
