"""curl: the bytes as they are. argv[2] is its option for the version of HTTP."""

import json
import subprocess
import sys

import check


class Client:
    def __init__(self, t, key="none", patient=False):
        self.t, self.key = t, key

    def argv(self, path, body, *more):
        argv = ["curl", "-sS", "-N", "--max-time", "20", sys.argv[2], "-w", "%{stderr}%{http_code}", "-H", f"Authorization: Bearer {self.key}",
                self.t.url + path, *more]
        return argv if body is None else [*argv, "-H", "Content-Type: application/json", "--data-binary", "@-"]

    def call(self, path, body=None, *more):
        run = subprocess.run(self.argv(path, body, *more), input=None if body is None else json.dumps(body), capture_output=True, text=True)
        status = int(run.stderr[-3:])
        if run.returncode or status >= 400:
            assert status < 400 or "error" in json.loads(run.stdout), run.stdout
            raise check.Failed(status, f"{run.stderr} {run.stdout}")
        return run.stdout

    def ask(self, text, **more):
        messages = [{"role": "user", "content": text}]
        return self.call("/v1/chat/completions", {"model": self.t.model, "messages": messages, "temperature": 0, **more})

    def chat(self, text):
        return json.loads(self.ask(text))["choices"][0]["message"]["content"]

    def chunks(self, text, **more):
        """It believes in the end of the transfer, so a person looks for the error."""
        lines = [line[6:] for line in self.ask(text, stream=True, **more).splitlines() if line.startswith("data: ")]
        chunks = [json.loads(line) for line in lines if line != "[DONE]"]
        if any("error" in c for c in chunks):
            raise check.Failed(None, json.dumps(chunks[-1]))
        return chunks

    def stream(self, text):
        return [c["choices"][0]["delta"].get("content") for c in self.chunks(text) if c["choices"] and c["choices"][0]["delta"].get("content")]

    def usage(self, text):
        told = self.chunks(text, stream_options={"include_usage": True})[-1]["usage"]
        return told["prompt_tokens"], told["completion_tokens"]

    def tools_stream(self, text):
        calls = [c for chunk in self.chunks(text, tools=[check.TOOL]) if chunk["choices"] for c in chunk["choices"][0]["delta"].get("tool_calls", [])]
        return "".join(c["function"].get("name", "") for c in calls), json.loads("".join(c["function"].get("arguments", "") for c in calls))

    def embeddings(self, texts):
        return [d["embedding"] for d in json.loads(self.call("/v1/embeddings", {"model": self.t.model, "input": texts}))["data"]]

    def models(self):
        return [m["id"] for m in json.loads(self.call("/v1/models"))["data"]]

    def completions(self, text):
        return json.loads(self.call("/v1/completions", {"model": self.t.model, "prompt": text, "max_tokens": 8}))["choices"][0]["text"]

    def reasoning(self, text):
        return "".join(c["choices"][0]["delta"].get("reasoning_content", "") for c in self.chunks(text) if c["choices"])

    def bad(self):
        return self.ask(5)

    def method(self):
        return self.call("/v1/chat/completions", None)

    def abort(self, text):
        body = {"model": self.t.model, "messages": [{"role": "user", "content": text}], "stream": True}
        program = subprocess.Popen(self.argv("/v1/chat/completions", body), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        program.stdin.write(json.dumps(body).encode())
        program.stdin.close()
        program.stdout.read(300)
        program.terminate()
        program.wait()
        program.stdout.close()


if __name__ == "__main__":
    check.main(Client)
