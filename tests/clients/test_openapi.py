"""conf/openapi.yaml says what the gateway does: every path is in it, and schemathesis finds no answer that is not."""

import os
import re
import subprocess
import sys

import pytest

import enrol
import env
import servers
import toolbox

SPECIFICATION = env.TOP / "conf/openapi.yaml"
EXAMPLES = int(os.environ.get("DGON_OPENAPI_EXAMPLES", "360"))  # of each operation; 760 make 10,000 requests in two minutes
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def operators():
    """Paths of the handlers that are no API: what conf/dgon.conf has a location for, and what a handler looks for in its path."""
    sections = re.findall(r'^# <Location(Match)? "([^"]+)">\n#\s+SetHandler (dgon-\w+)', (env.TOP / "conf/dgon.conf").read_text(), re.M)
    sources = "".join(p.read_text() for p in (env.TOP / "mod_dgon").glob("mod_dgon_*.c"))
    handlers = set(re.findall(r'(?:mod_dgon_api_engine\(r|strcmp\(r->handler), "(dgon-\w+)"', sources))
    assert len(handlers) > 8 and handlers == {handler for _, _, handler in sections}
    looked_for = set(re.findall(r'ends_in\(r->uri, "(/[^"]+)"\)', sources))
    assert len(looked_for) > 5
    paths = {path for match, path, handler in sections if not match and handler not in ("dgon-api", "dgon-ollama", "dgon-pass")}
    for match, pattern, _ in sections:
        if match and pattern.endswith(")$"):
            paths |= {"/" + name for name in re.fullmatch(r"\^/\(([a-z|]+)\)\$", pattern)[1].split("|")}
    return paths | looked_for


def test_every_path_is_described():
    """Those of the module's own tables and handlers, but for what it forbids."""
    served = set()
    for file, prefix, table in (("mod_dgon_api.c", "/v1", r'\{"(/[^"]+)", (DGON_OP_\w+)\}'), ("mod_dgon_ollama.c", "/api", r'\{"(/[^"]+)",.*, (\w+)\}'),
                                ("core/pass.c", "", r'"(/v1/[^"]+)"(,|\})')):
        found = re.findall(table, (env.TOP / "mod_dgon" / file).read_text())
        assert len(found) > 5, file
        served |= {prefix + path for path, how in found if how != "forbidden"}
    text = SPECIFICATION.read_text()
    assert served | {"/v1/models", "/v1/models/{id}"} | operators() == set(re.findall(r"^  (/\S+):$", text, re.M))
    questions = set(re.findall(r'strcmp\(what, "(\w+)"\)', (env.TOP / "mod_dgon/mod_dgon_admin.c").read_text()))
    assert len(questions) > 5 and questions == set(re.search(r"do: \{enum: \[([^]]+)\]\}", text)[1].split(", "))


@pytest.mark.timeout(400)
def test_schemathesis(tmp_path):
    # Else no request would ever name a model that is there.
    text, n = re.subn(r"^    Name: \{.*\}$", "    Name: {enum: [fault, nobody]}", SPECIFICATION.read_text(), flags=re.M)
    assert n == 1
    (tmp_path / "openapi.yaml").write_text(text)
    faults = servers.Faults("openai", "test_openapi", enrol.open_to_agents)
    try:
        faults.gateway.expect("AH00135|AH01617|DGON0060|DGON0271")  # a method that httpd does not know, wrong logins, tokens and codes
        children = faults.gateway.worker_pids()
        run = subprocess.run(
            [toolbox.python().parent / "st", "run", "openapi.yaml", "--url", faults.gateway.url, "--auth", ":".join(enrol.ADMIN), "--checks", CHECKS, "--max-examples", str(EXAMPLES),
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
