"""Ollama's own SDK."""

import json

import ollama

import check


class Client:
    def __init__(self, t, key="none", patient=False):
        self.model = t.model
        self.sdk = ollama.Client(host=t.url, timeout=20, trust_env=False, headers={"Authorization": f"Bearer {key}"})

    def ask(self, text, **more):
        messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
        return self.sdk.chat(self.model, messages, options={"temperature": 0, "num_predict": 200}, **more)

    def chat(self, text):
        answer = self.ask(text)
        assert answer.done and answer.done_reason == "stop"
        return answer.message.content

    def stream(self, text, field="content"):
        ended = False
        for part in self.ask(text, stream=True):
            ended = part.done
            if getattr(part.message, field):
                yield getattr(part.message, field)
        if not ended:
            raise check.Failed(None, "the SDK leaves it to its user to look at done")

    def usage(self, text):
        *_, last = self.ask(text, stream=True)
        return last.prompt_eval_count, last.eval_count

    def tools(self, text):
        message = self.ask(text, tools=[check.TOOL]).message
        call = message.tool_calls[0].function
        history = [{"role": "user", "content": text}, message, {"role": "tool", "tool_name": call.name, "content": "sunny"}]
        return (call.name, dict(call.arguments)), self.ask(history, tools=[check.TOOL]).message.content

    def tools_stream(self, text):
        call = next(p.message.tool_calls[0].function for p in list(self.ask(text, tools=[check.TOOL], stream=True)) if p.message.tool_calls)
        return call.name, dict(call.arguments)

    def structured(self, text):
        return json.loads(self.ask(text, format=check.SCHEMA).message.content)["n"]

    def reasoning(self, text):
        return "".join(self.stream(text, "thinking"))

    def embeddings(self, texts):
        return [list(e) for e in self.sdk.embed(self.model, texts).embeddings]

    def models(self):
        names = [m.model for m in self.sdk.list().models]
        return names + [n.removesuffix(":latest") for n in names]

    def completions(self, text):
        parts = list(self.sdk.generate(self.model, text, options={"temperature": 0, "num_predict": 8}, stream=True))
        assert parts[-1].done
        return "".join(p.response or "" for p in parts)

    def bad(self):
        return self.ask("x", format={"type": 5})

    def abort(self, text):
        check.give_up(self.ask(text, stream=True))


if __name__ == "__main__":
    check.main(Client)
