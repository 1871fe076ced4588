"""The official SDK: plain calls, structured output by parse()."""

import json

import openai
import pydantic

import check


class Sum(pydantic.BaseModel):
    n: int


class Client:
    def __init__(self, t, key="none", patient=False):
        self.model = t.model
        self.sdk = openai.OpenAI(base_url=t.url + "/v1", api_key=key, timeout=20, **({} if patient else {"max_retries": 0}))

    def ask(self, text, **more):
        messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
        return self.sdk.chat.completions.create(model=self.model, messages=messages, temperature=0, **more)

    def chat(self, text):
        answer = self.ask(text)
        assert answer.choices[0].finish_reason == "stop" and answer.object == "chat.completion"
        return answer.choices[0].message.content

    def stream(self, text):
        for chunk in self.ask(text, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    def usage(self, text):
        *_, last = self.ask(text, stream=True, stream_options={"include_usage": True})
        return last.usage.prompt_tokens, last.usage.completion_tokens

    def tools(self, text):
        message = self.ask(text, tools=[check.TOOL]).choices[0].message
        call = message.tool_calls[0]
        history = [{"role": "user", "content": text}, message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        return (call.function.name, json.loads(call.function.arguments)), self.ask(history, tools=[check.TOOL]).choices[0].message.content

    def tools_stream(self, text):
        name, arguments, finish = "", "", None
        for chunk in self.ask(text, tools=[check.TOOL], stream=True):
            for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                name, arguments = name + (call.function.name or ""), arguments + (call.function.arguments or "")
            finish = chunk.choices[0].finish_reason if chunk.choices and chunk.choices[0].finish_reason else finish
        assert finish == "tool_calls", finish
        return name, json.loads(arguments)

    def structured(self, text):
        messages = [{"role": "user", "content": text}]
        answer = self.sdk.chat.completions.parse(model=self.model, messages=messages, response_format=Sum, temperature=0)
        return answer.choices[0].message.parsed.n

    def reasoning(self, text):
        return "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in self.ask(text, stream=True) if c.choices)

    def embeddings(self, texts):
        return [d.embedding for d in self.sdk.embeddings.create(model=self.model, input=texts).data]

    def models(self):
        return [m.id for m in self.sdk.models.list()]

    def completions(self, text):
        return self.sdk.completions.create(model=self.model, prompt=text, max_tokens=8, temperature=0).choices[0].text

    def responses(self, text):
        return self.sdk.responses.create(model=self.model, input=text, temperature=0).output_text

    def responses_stream(self, text):
        parts, ended = [], False
        for event in self.sdk.responses.create(model=self.model, input=text, temperature=0, stream=True):
            if event.type == "response.output_text.delta":
                parts.append(event.delta)
            ended = ended or event.type == "response.completed"
        assert ended
        return "".join(parts)

    def bad(self):
        return self.ask(5)

    def method(self):
        return self.sdk.get("/chat/completions", cast_to=object)

    def abort(self, text):
        check.give_up(self.ask(text, stream=True))


if __name__ == "__main__":
    check.main(Client)
