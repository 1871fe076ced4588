"""Writes what the last run of test_matrix.py showed into README.md, between its two marks.

    ./build.sh test clients-table
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import env  # noqa: E402
import matrix  # noqa: E402

BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
LETTERS = {"llama": "L", "ollama": "O", "faults of openai": "A", "faults of ollama": "N"}


def cell(results, servers, name, check):
    """ok, and with which servers it does not work directly; small letters: nor through us."""
    signs, tried = "", False
    for server in servers:
        if check not in matrix.CLIENTS[name].checks(server):
            continue
        tried = True
        routes = results[server][name]
        ok = {route: routes[route][check]["ok"] for route in matrix.ROUTES if check in routes.get(route, {})}
        letter = LETTERS[server]
        if not ok["gateway"]:
            signs += letter.lower() if not ok.get("direct", True) else f"**{letter} fails**"
        elif "direct" in ok and not ok["direct"]:
            signs += letter
    return (signs or "ok") if tried else ""


def table(results, servers):
    names = [n for n in matrix.CLIENTS]
    checks = list(dict.fromkeys(c for n in names for c in matrix.CLIENTS[n].checks(servers[0])))
    heads = [c.replace("broken_", "").replace("_", " ") for c in checks]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(checks) + 1) + "|"]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(cell(results, servers, name, c) for c in checks) + " |")
    return "\n".join(lines) + "\n"


def main():
    results = {s: json.loads((env.RUNS / f"clients-{s.replace(' ', '-')}.json").read_text()) for s in LETTERS}
    text = "Real servers (L llama-server, O Ollama):\n\n" + table(results, matrix.REAL)
    text += "\nA server that fails on demand, speaking OpenAI's API (A) or Ollama's own (N):\n\n" + table(results, matrix.FAULTS)
    text += "\nWhat fails directly and through us:\n\n"
    why = {}
    for (name, check, server), reason in matrix.BACKENDS_OWN.items():
        why.setdefault((name, server, reason), []).append(check.replace("_", " "))
    text += "".join(f"- {name}, {server}: {', '.join(checks)}: {reason}.\n" for (name, server, reason), checks in why.items())
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(before + BEGIN + text + END + after)


if __name__ == "__main__":
    main()
