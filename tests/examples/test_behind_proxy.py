"""behind-proxy.conf: another server has the public name; its side is what the example's comment says."""

import asyncio
import os
import re
import shutil

import httpx2
import openai
import pytest

import client
import env
import members
import sdk
import served

PUBLIC = "www.example.org"


def commented(text, first, last):
    """The lines of the comment from one to the other, as they are to be written."""
    lines = [re.sub(r"^#   ", "", line) for line in text.splitlines()]
    begin = next(i for i, line in enumerate(lines) if line.startswith(first))
    return "\n".join(lines[begin:next(i for i in range(begin, len(lines)) if lines[i].startswith(last)) + 1])


class Proxy:
    """httpd or nginx before a site, in a directory of its own."""

    def __init__(self, kind, site):
        self.kind, self.site, self.home = kind, site, site.dir / kind
        self.home.mkdir()
        self.port = served.kernel_port()
        self.server = None

    def conf(self):
        text = self.site.example.read_text()
        if self.kind == "httpd":
            modules = set(served.STANDARD.split()).union(*(m.split() for m in re.findall(r"^#   a2enmod (?!dgon)(.*)", text, re.M)))
            conf = (served.HERE / "site.conf.in").read_text().partition("@MORE@")[0]
            conf = conf.replace("Listen 127.0.0.1:@INNER@\n", "")
            values = {"DIR": self.home, "PUBLIC": self.site.home, "LISTEN": f"Listen 127.0.0.1:{self.port}", "LEVEL": "info", "MODULES": env.modules_dir(),
                      "LOAD": "\n".join(f'LoadModule {m}_module "{env.modules_dir()}/mod_{m}.so"' for m in sorted(modules)),
                      "USER": "User www-data\nGroup www-data" if os.getuid() == 0 else ""}
            return re.sub("@([A-Z]+)@", lambda m: str(values[m[1]]), conf) + commented(text, "<VirtualHost *:443>", "</VirtualHost>").replace("*:443", f"*:{self.port}")
        temporary = "".join(f"{name}_temp_path {self.home}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        server = commented(text, "server {", "map ").replace("listen 443", f"listen 127.0.0.1:{self.port}")
        return (f"pid {self.home}/pid;\ndaemon off;\nerror_log {self.home}/error.log info;\nevents {{ }}\nhttp {{\naccess_log off;\n{temporary}{server}\n}}\n")

    def start(self):
        text = self.conf().replace("127.0.0.1:8080", f"127.0.0.1:{self.site.port}")
        for old, new in zip(("/etc/ssl/certs/gateway.pem", "/etc/ssl/private/gateway.key"), self.site.certificate):
            text = text.replace(old, str(new))
        (self.home / "conf").write_text(text)
        path = os.environ["PATH"] + ":/usr/sbin"
        command = [env.find_httpd(), "-DFOREGROUND", "-f"] if self.kind == "httpd" else [shutil.which("nginx", path=path), "-c"]
        self.server = env.Server(self.kind, [*command, self.home / "conf"], self.home / "out")
        env.wait_for(lambda: env.listening(self.port), 10, f"listening {self.kind}: {(self.home / 'out').read_text()}")
        return self

    def stop(self):
        if self.server:
            self.server.stop()


class Public:
    """The gateway as the world sees it."""

    def __init__(self, site, proxy):
        self.gateway, self.proxy, self.context, self.basic, self.host, self.port = site, proxy, site.context, site.basic, PUBLIC, proxy.port
        self.lines, self.logged = site.lines, site.logged
        self.site = f"https://{PUBLIC}:{proxy.port}/llm"


@pytest.fixture(scope="module", params=["httpd", "nginx"])
def public(request):
    def prepare():
        proxy = site.beside(Proxy(request.param, site)).start()
        site.agent_url = f"wss://127.0.0.1:{proxy.port}/llm/dgon/agent"
        site.public = Public(site, proxy)

    site = members.files(served.Site(
        "behind-proxy", name=f"examples-behind-{request.param}", replace={"127.0.0.1:8080": "127.0.0.1:{port}"}, tls=False, prepare=prepare))
    with served.running(site):
        site.add_agent(model="org/name", backend=site.beside(env.Backend(models="org/name").start()))
        yield site.public


def test_users(public):
    """Streams, refusals; the agents have come this way too."""
    before = public.lines()
    api = sdk.program(public, headers=members.headers(public))
    sdk.check_stream(api)
    public.logged("ada", 200, before)
    sdk.check_out(sdk.program(public, headers=members.headers(public, "eve")), 403)
    sdk.check_out(sdk.program(public, headers=members.headers(public, "ada", "canary-wrong-85")), 401)
    sdk.check_nobody(public, "Basic realm=")


def test_names_with_a_slash(public):
    api = sdk.program(public, headers=members.headers(public))
    assert {m.id for m in api.models.list()} == {"fault", "org/name"}
    assert api.models.retrieve("org/name").id == "org/name"


def test_the_page(public):
    """Below the prefix that only the proxy knows; behind the login of everything."""
    with httpx2.Client(trust_env=False, verify=public.context, headers=members.headers(public)) as c:
        page = c.get(f"{public.site}/")
        assert page.status_code == 200 and "frame-ancestors 'none'" in page.headers["content-security-policy"]
        asset = c.get(public.site + re.search(r"/assets/[^\"]+", page.text)[0])
        assert asset.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_the_clients_own_address(public):
    """It is in the log, and nobody can say another one."""
    def addresses():
        return [line.split()[1] for line in (public.gateway.dir / "access.log").read_text().splitlines()]

    with httpx2.Client(trust_env=False, transport=httpx2.HTTPTransport(verify=public.context, local_address="127.0.0.7")) as c:
        for n, more in enumerate(({}, {"X-Forwarded-For": "192.0.2.99"}), 1):
            assert c.get(f"{public.site}/v1/models", headers=members.headers(public) | more).status_code == 200
            env.wait_for(lambda: addresses().count("127.0.0.7") == n, 3, f"{n} lines in the access log")
    # Who comes to the gateway itself from elsewhere may not say either: only the proxy is believed.
    with httpx2.Client(trust_env=False, transport=httpx2.HTTPTransport(local_address="127.0.0.8")) as c:
        c.get(f"http://127.0.0.1:{public.gateway.port}/v1/models", headers={"X-Forwarded-For": "192.0.2.99"})
    env.wait_for(lambda: "127.0.0.8" in addresses(), 3, "line in the access log")
    assert "192.0.2.99" not in addresses()


def test_long_bodies(public):
    """Images travel in them."""
    api = sdk.program(public, headers=members.headers(public))
    whole = api.chat.completions.create(model="fault", messages=[{"role": "user", "content": "x" * (4 << 20)}, *sdk.plan(tokens=2)])
    assert len(whole.choices[0].message.content.split()) == 2


def test_a_client_that_leaves(public):
    """The backend is told, through both servers."""
    async def run():
        c = await client.Connection(f"https://{PUBLIC}:{public.port}").open()
        c.send("POST", "/llm/v1/chat/completions", client.question(label="leaves", tokens=1000, gap=0.02),
               {"Host": f"{PUBLIC}:{public.port}", **members.headers(public)})
        await c.receive(limit=3)
        c.close()

    asyncio.run(run())
    public.gateway.backend.wait_request("leaves", lambda r: r["aborted"])


def test_a_silent_answer(public):
    """A model that thinks for long: neither server takes the silence for an end."""
    api = sdk.program(public, headers=members.headers(public))
    seen = [c for c in api.chat.completions.create(model="fault", stream=True, messages=sdk.plan(tokens=2, first=6)) if c.choices]
    assert seen[-1].choices[0].finish_reason == "stop"


def test_an_answer_that_breaks_off(public):
    api = sdk.program(public, headers=members.headers(public))
    with pytest.raises(openai.APIError):
        for _ in api.chat.completions.create(model="fault", stream=True, messages=sdk.plan(tokens=9, at=3, do="rst")):
            pass
