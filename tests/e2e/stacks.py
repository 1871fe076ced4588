"""Fixtures: a gateway, a fault backend and agents between them. A conftest.py takes them from here."""

import httpx
import pytest

import env


class Stack:
    """A gateway, a fault backend and one agent between them."""

    def __init__(self, name, slots=64, ollama=False, links=4, level="info", more="", **options):
        self.backend = env.Backend(ollama=ollama).start()
        self.gateway = self.agent = None
        self.agents = []
        try:
            self.gateway = env.Gateway(name, **options).start()
            self.agent = self.add_agent(slots=slots, kind=self.backend.kind, links=links, level=level, more=more)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        return self.gateway.url

    def add_agent(self, backend=None, model="fault", **options):
        agent = env.Agent(self.gateway, (backend or self.backend).url, id=f"agent-{len(self.agents) + 1}", **options)
        self.agents.append(agent)
        agent.start(model)
        return agent

    def stop(self):
        faults = []
        for server in [*self.agents, self.gateway, self.backend]:
            try:
                if server:
                    server.stop()
            except Exception as e:  # the others must end too
                faults.append(str(e))
        assert not faults, faults


@pytest.fixture(scope="module")
def make_stack(request):
    """make_stack(slots=…, mpm=…): servers for one test module, stopped after it."""
    stacks = []

    def make(**options):
        name = f"{request.module.__name__}-{len(stacks) + 1}"
        stacks.append(Stack(name, **options))
        return stacks[-1]

    yield make
    faults = []
    for s in stacks:
        try:
            s.stop()
        except Exception as e:
            faults.append(str(e))
    assert not faults, faults
    left = env.ours()
    assert not left, f"left behind: {left}"


@pytest.fixture(scope="module")
def stack(make_stack):
    return make_stack()


@pytest.fixture
def http(stack):
    h2 = stack.gateway.http2
    with httpx.Client(base_url=stack.url, verify=False, http2=h2, http1=not h2, trust_env=False, timeout=20) as c:
        yield c


@pytest.fixture(autouse=True)
def clean_log(request):
    """After each test: nothing unexpected in any error log."""
    yield
    for name in ("stack", "fleet", "site"):
        if name in request.fixturenames:
            owner = request.getfixturevalue(name)
            getattr(owner, "gateway", owner).check_log()
