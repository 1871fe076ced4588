"""A private agent for a test: writes its configuration, starts it, reads its log, stops it."""

import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """DGON_AGENT, or the agent of the usual build folders."""
    places = [os.environ.get("DGON_AGENT"), os.path.join(os.environ.get("DGON_OBJ", ""), "agent/dgon-agent"), ROOT / "build/obj/agent/dgon-agent",
              ROOT / "agent/dgon-agent"]
    for p in places:
        if p and os.access(p, os.X_OK) and os.path.isfile(p):
            return str(p)
    raise FileNotFoundError("dgon-agent is not built; set DGON_AGENT")


class Agent:
    def __init__(self, folder, gateway_url, backends="[backend \"echo\"]\nkind = echo\n", agent="", gateway="", log="level = debug\n",
                 token="secret-token", wrapper=(), environ=None):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "agent.conf"
        self.log_file = self.folder / "agent.log"
        self.token_file = self.folder / "token"
        self.environ = environ or {}
        self.wrapper = list(wrapper) or os.environ.get("DGON_AGENT_WRAPPER", "").split()
        self.gateway_url, self.gateway, self.agent, self.log, self.backends = gateway_url, gateway, agent, log, backends
        if token is not None:
            self.token_file.write_text(token + "\n")
            self.token_file.chmod(0o600)
        self.process = None
        self.write()

    def write(self, backends=None, agent=None, log=None):
        self.backends = self.backends if backends is None else backends
        self.agent = self.agent if agent is None else agent
        self.log = self.log if log is None else log
        self.config.write_text(f"[gateway]\nurl = {self.gateway_url}\ntoken_file = {self.token_file}\n{self.gateway}\n"
                               f"[agent]\nid = test-agent\n{self.agent}\n{self.backends}\n"
                               f"[log]\n{self.log}log_file = {self.log_file}\n")

    def start(self, *args):
        # The pieces of the environment that change the agent's behaviour never leak in from the caller.
        environ = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM", "DGON_AGENT_TOKEN")}
        environ.update(self.environ)
        self.stderr = open(self.folder / "stderr", "ab")
        self.process = subprocess.Popen([*self.wrapper, binary(), "--config", str(self.config), *args], stderr=self.stderr, env=environ)
        return self

    def lines(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_line(self, text, count=1, timeout=10):
        end = time.monotonic() + timeout
        while self.lines().count(text) < count:
            assert time.monotonic() < end, f"no line with {text!r} in:\n{self.lines()}"
            time.sleep(0.01)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=10):
        return self.process.wait(timeout)

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, expected=0, timeout=20):
        """A clean end: SIGTERM, exit code 0, nothing on stderr that a sanitizer would write."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.stderr.close()
        text = (self.folder / "stderr").read_text(errors="replace")
        for word in ("Sanitizer", "runtime error", "Invalid read", "Invalid write", "definitely lost: 1", "uninitialised"):
            assert word not in text, text
        assert self.process.returncode == expected, (self.process.returncode, text, self.lines())
