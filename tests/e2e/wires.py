"""The streams that clients know, and what each must look like to the last byte."""

import json
import re


def say(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


class Wire:
    """A path, how to ask there, and how its streams are built."""

    content_type = "text/event-stream; charset=utf-8"
    end = b"\n\n"  # of a block

    def __init__(self, path, put):
        self.path, self.put = path, put

    def body(self, stream=True, more=None, **plan):
        return json.dumps({"model": "fault", "stream": stream, **self.put(json.dumps(plan)), **(more or {})}).encode()

    def blocks(self, body):
        """The blocks of a whole stream, without comments; every byte belongs to one."""
        assert body.endswith(self.end) and b"\r" not in body, body[-80:]
        found = body[:-len(self.end)].split(self.end)
        assert all(found), "an empty block"
        return [b for b in found if not b.startswith(b":")]

    @staticmethod
    def object(data):
        assert data.startswith(b"{") and data.endswith(b"}") and b"\n" not in data, data[:80]
        return json.loads(data.decode("utf-8"))

    def said(self, body):
        """The texts of the tokens, after a look at all that is around them."""
        raise NotImplementedError

    def fault(self, body):
        """The texts before the error at a stream's end."""
        raise NotImplementedError

    def whole(self, body):
        """The text of an answer that is no stream."""
        raise NotImplementedError


class Data(Wire):
    """data: JSON, at last [DONE]: OpenAI's chat and completions."""

    kind = "chat.completion.chunk"
    keys = {"id", "object", "created", "model", "choices"}

    def chunks(self, body):
        blocks = self.blocks(body)
        assert all(re.match(rb"data: [^ ]", b) for b in blocks), blocks
        assert blocks[-1] == b"data: [DONE]" and body.count(b"[DONE]") == 1
        return [self.object(b[6:]) for b in blocks[:-1]]

    def check(self, chunks, usage=False):
        assert len({(c["id"], c["created"], c["object"], c["model"]) for c in chunks}) == 1
        assert chunks[0]["object"] == self.kind and chunks[0]["model"] == "fault"
        if usage:
            last = chunks.pop()
            assert last["choices"] == [] and set(last) == self.keys | {"usage"}
        assert all(set(c) - {"usage"} == self.keys and c.get("usage") is None and len(c["choices"]) == 1 for c in chunks)
        choices = [c["choices"][0] for c in chunks]
        assert all(c["index"] == 0 for c in choices)
        assert [c["finish_reason"] for c in choices] == [None] * (len(choices) - 1) + ["stop"]
        return choices

    def said(self, body, usage=False):
        deltas = [c["delta"] for c in self.check(self.chunks(body), usage)]
        assert deltas[0] == {"role": "assistant", "content": ""} and deltas[-1] == {}
        assert all(set(d) == {"content"} for d in deltas[1:-1])
        return [d["content"] for d in deltas[1:-1]]

    def fault(self, body):
        chunks = self.chunks(body)
        assert set(chunks[-1]) == {"error"} and set(chunks[-1]["error"]) == {"message", "type", "param", "code"}
        return [t for c in chunks[:-1] if (t := self.text_of(c["choices"][0]))]

    @staticmethod
    def text_of(choice):
        return choice["delta"].get("content")

    def whole(self, body):
        return json.loads(body)["choices"][0]["message"]["content"]


class Completions(Data):
    kind = "text_completion"

    def said(self, body, usage=False):
        choices = self.check(self.chunks(body), usage)
        assert all(set(c) == {"index", "text", "logprobs", "finish_reason"} for c in choices) and choices[-1]["text"] == ""
        return [c["text"] for c in choices[:-1]]

    @staticmethod
    def text_of(choice):
        return choice["text"]

    def whole(self, body):
        return json.loads(body)["choices"][0]["text"]


class Named(Wire):
    """event: NAME, data: JSON of that type: Anthropic's messages, OpenAI's responses."""

    def __init__(self, path, put, first, delta, last):
        super().__init__(path, put)
        self.first, self.delta, self.last = first, delta, last

    def events(self, body):
        found = []
        for b in self.blocks(body):
            name, data = re.fullmatch(rb"event: ([a-z_.]+)\ndata: (\{[^\n]*\})", b).groups()
            found.append(self.object(data))
            assert found[-1]["type"] == name.decode()
        return found

    @staticmethod
    def text_of(event):
        d = event["delta"]
        return d if isinstance(d, str) else d["text"]

    def said(self, body):
        events = self.events(body)
        names = [e["type"] for e in events]
        n = len(names) - len(self.first) - len(self.last)
        assert names == self.first + [self.delta] * n + self.last, names
        return [self.text_of(e) for e in events[len(self.first):len(self.first) + n]]

    def fault(self, body):
        events = self.events(body)
        assert [e["type"] for e in events].count("error") == 1 and events[-1]["type"] == "error" and events[-1]["error"]["message"]
        return [self.text_of(e) for e in events if e["type"] == self.delta]

    def whole(self, body):
        return json.loads(body)["content"][0]["text"]


class Lines(Wire):
    """One JSON object a line, the last one done: Ollama's."""

    content_type = "application/x-ndjson"
    end = b"\n"

    def said(self, body):
        lines = [self.object(b) for b in self.blocks(body)]
        assert [l["done"] for l in lines] == [False] * (len(lines) - 1) + [True]
        assert {l["model"] for l in lines} == {"fault"} and all(l["created_at"] for l in lines)
        assert lines[-1]["done_reason"] == "stop" and lines[-1]["message"]["content"] == ""
        return [l["message"]["content"] for l in lines[:-1]]

    def fault(self, body):
        lines = [self.object(b) for b in self.blocks(body)]
        assert set(lines[-1]) == {"error"} and isinstance(lines[-1]["error"], str)
        return [l["message"]["content"] for l in lines[:-1]]

    def whole(self, body):
        return json.loads(body)["message"]["content"]


CHAT = Data("/v1/chat/completions", say)
COMPLETIONS = Completions("/v1/completions", lambda text: {"prompt": text})
RESPONSES = Named("/v1/responses", lambda text: {"input": text}, ["response.created", "response.output_item.added"],
                  "response.output_text.delta", ["response.output_item.done", "response.completed"])
MESSAGES = Named("/v1/messages", lambda text: say(text, max_tokens=100), ["message_start", "content_block_start"], "content_block_delta",
                 ["content_block_stop", "message_delta", "message_stop"])
OLLAMA = Lines("/api/chat", say)
ALL = [CHAT, COMPLETIONS, RESPONSES, MESSAGES, OLLAMA]


def name(wire):
    return wire.path if isinstance(wire, Wire) else None
