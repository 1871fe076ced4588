"""One run of the bench: its directory, its backend, and the paths to it."""

import os
import shutil
import tempfile

from . import on_request, peers
from .gateway import Gateway
from .loads import Loads
from .report import Report
from .servers import Server, start_backend

class Bench:
    """Paths are named direct, nginx, haproxy, mod_proxy, dgon and what --peers added, and are started once,
    when a scenario first asks for them; fresh() makes one that is the caller's alone."""

    def __init__(self, args, results):
        self.keep = args.keep
        self.dir = tempfile.mkdtemp(prefix="dgon-bench-")
        os.chmod(self.dir, 0o755)
        self.report = Report(results)
        self.loads = Loads(self.report, args.rounds)
        self.started, self.count = [], 0
        self.backend = self._own(start_backend(self.dir, port=args.backend_port))
        # Those that somebody else has started have their URL already.
        self.more = [name for name in args.peers if name not in peers.DISTRIBUTION]
        self.shared = {"direct": self.backend,
                       **{name: Server(url, {}) for name, url in args.peers.items() if url}}

    def _own(self, server):
        self.started.append(server)
        return server

    def fresh(self, name, backend=None, **gateway):
        """A server of that kind in front of backend (the run's own); gateway: how dgon's is set up."""
        self.count += 1
        url = (backend or self.backend).url
        if name == "dgon":
            server = Gateway(os.path.join(self.dir, f"dgon-{self.count}"), url, **gateway)
            self.started.append(server)
            return server.start()
        if name in peers.DISTRIBUTION:
            return self._own(peers.start(self.dir, name, url, f"{name}-{self.count}"))
        return self._own(on_request.start(self.dir, name, url, f"{name}-{self.count}"))

    def stop(self, server):
        server.stop()
        self.started.remove(server)

    def path(self, name):
        if name not in self.shared:
            self.shared[name] = self.fresh(name)
        return self.shared[name]

    def chain(self, front, behind):
        """One peer in front of another: what two processes in a row cost."""
        name = f"{front} > {behind}"
        if name not in self.shared:
            self.shared[name] = self.fresh(front, backend=self.path(behind))
        return {name: self.shared[name]}

    def paths(self, *distribution):
        """direct, these of the distribution, those of --peers, dgon: {name: server}"""
        names = ["direct", *distribution, *self.more, "dgon"]
        return {name: self.path(name) for name in names}

    def case(self, server, *options, count=1, meanwhile=None):
        """One run of the load client, for Loads.rounds."""
        return lambda: self.loads.run(server, self.backend, *options, count=count, meanwhile=meanwhile)

    def close(self):
        for server in reversed(self.started):
            server.stop()
        if self.keep or self.report.failures:
            print(f"logs are in {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
