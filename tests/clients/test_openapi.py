"""conf/openapi.yaml says what the gateway does: every path is in it, and schemathesis finds no answer that is not."""

import os
import re
import subprocess
import sys

import pytest

import env
import servers
import toolbox

SPECIFICATION = env.TOP / "conf/openapi.yaml"
EXAMPLES = int(os.environ.get("DGON_OPENAPI_EXAMPLES", "360"))  # of each operation; 760 make 10,000 requests in two minutes
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_every_path_is_described():
    """Those of the module's own tables, but for what it forbids."""
    served = set()
    for file, prefix, table in (("mod_dgon_api.c", "/v1", r'\{"(/[^"]+)", (DGON_OP_\w+)\}'), ("mod_dgon_ollama.c", "/api", r'\{"(/[^"]+)",.*, (\w+)\}'),
                                ("core/pass.c", "", r'"(/v1/[^"]+)"(,|\})')):
        found = re.findall(table, (env.TOP / "mod_dgon" / file).read_text())
        assert len(found) > 5, file
        served |= {prefix + path for path, how in found if how != "forbidden"}
    described = set(re.findall(r"^  (/\S+):$", SPECIFICATION.read_text(), re.M))
    operators = {"/cluster/status", "/model/list", "/scheduler/init", "/metrics", "/healthz", "/readyz", "/dgon/admin"}
    assert served | {"/v1/models", "/v1/models/{id}"} | operators == described


@pytest.mark.timeout(400)
def test_schemathesis(tmp_path):
    # Else no request would ever name a model that is there.
    text, n = re.subn(r"^    Name: \{.*\}$", "    Name: {enum: [fault, nobody]}", SPECIFICATION.read_text(), flags=re.M)
    assert n == 1
    (tmp_path / "openapi.yaml").write_text(text)
    faults = servers.Faults("openai", "test_openapi")
    try:
        faults.gateway.expect("AH00135")  # a method that httpd does not know
        children = faults.gateway.worker_pids()
        run = subprocess.run(
            [toolbox.python().parent / "st", "run", "openapi.yaml", "--url", faults.gateway.url, "--checks", CHECKS, "--max-examples", str(EXAMPLES),
             "--phases", "coverage,fuzzing", "--workers", "2", "--continue-on-failure", "--seed", "1", "--no-shrink", "--no-color",
             "--generation-database", "none", "--suppress-health-check", "all"],
            cwd=tmp_path, env=env.environment(), capture_output=True, text=True)
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        asked = int(re.search(r"(\d+) generated, \1 passed", run.stdout)[1])
        assert asked >= 13 * EXAMPLES, f"only {asked} requests"
        assert faults.gateway.worker_pids() == children, "a child ended"
        print(asked, "requests", file=sys.stderr)
    finally:
        faults.stop()
