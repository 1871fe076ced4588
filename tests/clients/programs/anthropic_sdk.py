"""Anthropic's SDK."""

import anthropic

import check

TOOL = {"name": "get_weather", "description": "weather of a city", "input_schema": check.PARAMETERS}


class Client:
    def __init__(self, t, key="none", patient=False):
        self.model = t.model
        self.sdk = anthropic.Anthropic(base_url=t.url, api_key=key, timeout=20, **({} if patient else {"max_retries": 0}))

    def question(self, text, **more):
        messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
        return {"model": self.model, "max_tokens": 200, "messages": messages, "extra_body": {"temperature": 0}, **more}

    def chat(self, text):
        answer = self.sdk.messages.create(**self.question(text))
        assert answer.stop_reason == "end_turn", answer.stop_reason
        return "".join(b.text for b in answer.content if b.type == "text")

    def stream(self, text):
        with self.sdk.messages.stream(**self.question(text)) as stream:
            yield from stream.text_stream
            assert stream.get_final_message().stop_reason == "end_turn"

    def usage(self, text):
        with self.sdk.messages.stream(**self.question(text)) as stream:
            told = stream.get_final_message().usage
        return told.input_tokens + (told.cache_read_input_tokens or 0), told.output_tokens

    def tools(self, text):
        answer = self.sdk.messages.create(**self.question(text, tools=[TOOL]))
        call = next(b for b in answer.content if b.type == "tool_use")
        assert answer.stop_reason == "tool_use"
        history = [{"role": "user", "content": text}, {"role": "assistant", "content": [b.to_dict() for b in answer.content]},
                   {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}]
        final = self.sdk.messages.create(**self.question(history, tools=[TOOL]))
        return (call.name, call.input), "".join(b.text for b in final.content if b.type == "text")

    def tools_stream(self, text):
        with self.sdk.messages.stream(**self.question(text, tools=[TOOL])) as stream:
            call = next(b for b in stream.get_final_message().content if b.type == "tool_use")
        return call.name, call.input

    def count(self, text):
        question = self.question(text)
        return self.sdk.messages.count_tokens(model=question["model"], messages=question["messages"]).input_tokens

    def bad(self):
        return self.sdk.messages.create(**self.question(5))

    def method(self):
        return self.sdk.get("/v1/messages", cast_to=object)

    def abort(self, text):
        with self.sdk.messages.stream(**self.question(text)) as stream:
            for _ in range(3):
                next(stream)


if __name__ == "__main__":
    check.main(Client)
