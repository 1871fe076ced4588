"""JSONTestSuite's files as bodies: what is no JSON is refused as such, and nothing falls over."""

import base64
import http.client
import json
import re
import subprocess

import pytest

import enrol
import env
import servers
import toolbox

PATHS = re.findall(r"^  (/\S+):\n    post:", (env.TOP / "conf/openapi.yaml").read_text(), re.M)
SMALL = {"/api/show": 65536, "/node/join": 4096}
OPERATORS = {"/dgon/admin", "/scheduler/init"}  # nobody is logged in here, so no body is looked at


@pytest.fixture(scope="module")
def suite():
    programs, node = toolbox.node_programs()
    told = subprocess.run([*node, programs / "json_suite.mjs"], check=True, capture_output=True, text=True).stdout
    files = [(name, base64.b64decode(text)) for name, text in json.loads(told)]
    assert len(files) == 318 and sum(name.startswith("n_") for name, _ in files) == 188
    return files


@pytest.fixture(scope="module")
def faults():
    f = servers.Faults("openai", "test_json_suite", enrol.open_to_agents)
    yield f
    f.stop()


@pytest.mark.parametrize("path", PATHS)
def test_bodies(suite, faults, path):
    """None of them is a request either: each is answered with 400, in the form of its API."""
    children = faults.gateway.worker_pids()
    connection = http.client.HTTPConnection("127.0.0.1", faults.gateway.port, timeout=10)
    wrong = []
    for name, body in suite:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        # Some take small bodies only, and some files are larger.
        wanted = 413 if len(body) > SMALL.get(path, len(body)) else 403 if path in OPERATORS else 400
        if response.status != wanted or not json.loads(text)["error"]:
            wrong.append((name, body[:60], response.status, text[:100]))
    connection.close()
    assert not wrong, wrong[:5]
    assert faults.gateway.worker_pids() == children, "a child ended"
    faults.gateway.check_log()
