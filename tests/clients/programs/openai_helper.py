"""The official SDK's .stream() helper, which gathers the events itself."""

import json

import check
import openai_sync


class Client(openai_sync.Client):
    """What the helper does otherwise."""

    def helper(self, text, **more):
        return self.sdk.chat.completions.stream(model=self.model, messages=[{"role": "user", "content": text}], temperature=0, **more)

    def stream(self, text):
        with self.helper(text) as stream:
            parts = [e.delta for e in stream if e.type == "content.delta"]
            assert stream.get_final_completion().choices[0].message.content == "".join(parts)
        return parts

    def usage(self, text):
        with self.helper(text, stream_options={"include_usage": True}) as stream:
            usage = stream.get_final_completion().usage
        return usage.prompt_tokens, usage.completion_tokens

    def tools_stream(self, text):
        with self.helper(text, tools=[check.TOOL]) as stream:
            call = stream.get_final_completion().choices[0].message.tool_calls[0]
        return call.function.name, json.loads(call.function.arguments)

    def structured(self, text):
        with self.helper(text, response_format=openai_sync.Sum) as stream:
            return stream.get_final_completion().choices[0].message.parsed.n

    def abort(self, text):
        with self.helper(text) as stream:
            for _ in range(3):
                next(stream)


if __name__ == "__main__":
    check.main(Client)
