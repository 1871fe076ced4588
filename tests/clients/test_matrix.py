"""Each client shows each thing through the gateway; nothing works directly and fails through us."""

import json

import pytest

import env
import matrix
import servers

CASES = [(s, n, c) for s in matrix.REAL + matrix.FAULTS for n, client in matrix.CLIENTS.items() for c in client.checks(s)]
pytestmark = pytest.mark.timeout(400)
known = {}  # server: what its clients showed


def look(server, names, home):
    """{client: {route: {check: {ok, detail}}}}"""
    if server in matrix.REAL:
        with servers.real(server, f"test_matrix-{server}", home) as (_, targets):
            return matrix.run_all(names, server, targets, home)
    faults = servers.Faults(server.split()[-1], f"test_matrix-{server.replace(' ', '-')}")
    try:
        return matrix.run_all(names, server, faults.targets, home, faults)
    finally:
        faults.stop()


@pytest.fixture
def found(server, request, tmp_path_factory):
    """All clients of a server run together, before its first test; only those that a test was chosen for."""
    if server not in known:
        chosen = {i.callspec.params["name"] for i in request.session.items
                  if getattr(i, "callspec", None) and i.callspec.params.get("server") == server}
        known[server] = {}
        known[server] = look(server, [n for n in matrix.CLIENTS if n in chosen], tmp_path_factory.mktemp("clients"))
        (env.RUNS / f"clients-{server.replace(' ', '-')}.json").write_text(json.dumps(known[server], indent=1))
        assert not env.ours(), "left behind"
    return known[server]


@pytest.mark.parametrize("server, name, check", CASES, ids=["; ".join(c) for c in CASES])
def test_client(found, server, name, check):
    assert name in found, "the clients of this server did not run, see its first test"
    ours, direct = (found[name].get(route, {}).get(check, {"ok": False, "detail": "no result"}) for route in matrix.ROUTES)
    if (name, check, server) in matrix.BACKENDS_OWN:
        assert not ours["ok"] and not direct["ok"], "works: take it out of BACKENDS_OWN"
        return
    assert ours["ok"], f"directly it {'works' if direct['ok'] else 'fails: ' + direct['detail']}; through us: {ours['detail']} {found[name]['gateway'].get('', '')}"
