"""The program `ollama`."""

import json
import os
import re

import check


class Client:
    def __init__(self, t, key="none", patient=False):
        self.t = t
        self.env = {**os.environ, "OLLAMA_HOST": t.url, "HOME": t.dir, "OLLAMA_NO_CLOUD": "1"}

    def run(self, *argv):
        return check.command([self.t.ollama, *argv], self.env)

    def chat(self, text):
        """It would fetch a model that is not there, so it is asked for it first."""
        try:
            self.run("show", self.t.model)
        except check.Failed as e:
            e.status_code = 404 if "not found" in str(e) else None
            raise
        return self.run("run", self.t.model, text).strip("\n")

    def stream(self, text):
        return re.findall(r"\S+\s?", self.chat(text))

    def embeddings(self, texts):
        return [json.loads(self.run("run", self.t.model, x)) for x in texts]

    def models(self):
        names = [line.split()[0] for line in self.run("list").splitlines()]
        return names + [n.removesuffix(":latest") for n in names]

    def abort(self, text):
        check.kill([self.t.ollama, "run", self.t.model, text], self.env)


if __name__ == "__main__":
    check.main(Client)
