import pathlib
import socket
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(TESTS / "e2e"), str(TESTS / "clients")]

from counting import pytest_collectreport, pytest_runtest_logreport, pytest_sessionfinish  # noqa: E402, F401

ask_resolver = socket.getaddrinfo


def getaddrinfo(host, *args, **more):
    """The names in the examples are this machine, for every client that runs in this process."""
    if isinstance(host, bytes):
        host = host.decode()
    return ask_resolver("127.0.0.1" if host and host.endswith(".example.org") else host, *args, **more)


socket.getaddrinfo = getaddrinfo
