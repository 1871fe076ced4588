"""The program `llm`."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import check

TOOL = 'def get_weather(city: str) -> str:\n    "weather of a city"\n    return "sunny"\n'


class Client:
    def __init__(self, t, key="none", patient=False):
        self.t = t
        home = pathlib.Path(tempfile.mkdtemp(dir=t.dir))
        (home / "extra-openai-models.yaml").write_text(
            f"- model_id: gw\n  model_name: {json.dumps(t.model)}\n  api_base: {t.url}/v1\n  supports_tools: true\n  supports_schema: true\n"
            f"  headers:\n    Authorization: Bearer {key}\n")
        self.env = {**os.environ, "LLM_USER_PATH": str(home)}
        self.argv = [str(pathlib.Path(sys.executable).parent / "llm"), "prompt", "-m", "gw", "--key", "none", "-o", "temperature", "0", "--no-log"]

    def run(self, *more, text=None):
        try:
            return check.command([*self.argv, *more], self.env, text)
        except check.Failed as e:
            said = re.search(r"Error code: (\d+)", str(e))
            e.status_code = int(said[1]) if said else None
            raise

    def chat(self, text):
        return self.run("--no-stream", text=text).strip("\n")

    def stream(self, text):
        return re.findall(r"\S+\s?", self.run(text=text).strip("\n"))

    def tools(self, text):
        """It shows the calls and their results among its complaints."""
        run = subprocess.run([*self.argv, "--functions", TOOL, "--tools-debug", "--no-stream", text], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        call = re.search(r"Tool call: (\w+)\((.*)\)", run.stderr)
        return (call[1], json.loads(call[2].replace("'", '"'))), run.stdout

    def structured(self, text):
        return json.loads(self.run("--no-stream", "--schema", json.dumps(check.SCHEMA), text))["n"]

    def abort(self, text):
        check.kill([*self.argv, text], self.env)


if __name__ == "__main__":
    check.main(Client)
