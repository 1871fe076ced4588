"""Other servers of a test: how they are stopped, and hang."""

import os
import signal
import socket

import env


def kernel_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Beside:
    """A server beside the gateway, in self.server, that may hang for a while."""

    server = None

    def hang(self):
        env.stop_still(self.server.process.pid)

    def go_on(self):
        os.kill(self.server.process.pid, signal.SIGCONT)

    def stop(self):
        if self.server:
            self.go_on()
            self.server.stop()
            self.server = None
