"""The servers that the clients meet: real ones and such as fail on demand, each behind a gateway with two agents."""

import contextlib

import env
import real_servers

AGENTS = 2


def conf():
    """Keys that are refused, and a small limit for bodies: httpd's own means and the module's."""
    lines = ["DgonMaxRequestBody 1M"]
    for name in ("authn_core", "authn_file", "auth_basic", "authz_user"):
        lines += [f"<IfModule !{name}_module>", f"LoadModule {name}_module {env.modules_dir()}/mod_{name}.so", "</IfModule>"]
    has = "\"req('Authorization') =~ /%s/ || req('X-Api-Key') =~ /%s/\""
    lines += [
        '<LocationMatch "^/(v1|api)/">',
        f"<If {has % (('wrong-key',) * 2)}>", "AuthType Basic", "AuthName keys", "AuthBasicProvider file", "AuthUserFile /dev/null",
        "Require valid-user", "</If>",
        f"<If {has % (('forbidden-key',) * 2)}>", "Require all denied", "</If>",
        "</LocationMatch>"]
    return "\n".join(lines)


@contextlib.contextmanager
def real(kind, name, home):
    """{route: target}: llama-server or Ollama with our two tiny models."""
    with real_servers.fleet(kind, name, home, agents=AGENTS, http2=True, conf=conf()) as gateway:
        gateway.expect("AH01614|AH01617|AH01618|AH01630|AH01797")  # the refused keys
        common = {"model": gateway.chat, "embed": gateway.embed}
        yield gateway, {
            "gateway": common | {"route": "gateway", "url": gateway.url, "embed_url": gateway.url},
            "direct": common | {"route": "direct", "url": gateway.servers[0].url, "embed_url": gateway.servers[-1].url}}


class Faults:
    """A backend that fails on demand behind two agents, and once more behind a gateway that has no queue."""

    def __init__(self, kind, name, prepare=lambda gateway: None):
        """prepare: what else the first gateway needs before it starts."""
        self.servers = []
        try:
            self.backend = self.start(env.Backend(ollama=kind == "ollama"))
            self.gateway = env.Gateway(name, http2=True)
            prepare(self.gateway)
            self.start(self.gateway)
            self.full = self.start(env.Gateway(name + "-full", http2=True, conf="DgonQueueMax 0\n"))
            for gateway, slots in ((self.gateway, 16), (self.full, 1)):
                gateway.expect("DGON0040")
                for i in range(AGENTS):
                    agent = env.Agent(gateway, self.backend.url, id=f"agent-{i + 1}", slots=slots, kind=self.backend.kind)
                    self.servers.append(agent)
                    agent.start("fault")
            env.wait_for(lambda: all(g.offers(["fault"], AGENTS) for g in (self.gateway, self.full)), 10, "both agents")
        except BaseException:
            self.stop()
            raise
        common = {"model": "fault", "full": self.full.url}
        self.targets = {"gateway": common | {"route": "gateway", "url": self.gateway.url},
                        "direct": common | {"route": "direct", "url": self.backend.url}}

    def start(self, server):
        self.servers.append(server)
        return server.start()

    def stop(self):
        with contextlib.ExitStack() as stack:  # the last one first, and all of them
            for server in self.servers:
                stack.callback(server.stop)
