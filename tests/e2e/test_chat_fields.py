"""Each field that OpenAI documents for a chat request: passed on, put where the backend has it, or refused by its name. None is dropped without a
word, but for those of OpenAI's own bookkeeping, which cannot change an answer."""

import json

import pytest

import raw

TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
USER = {"role": "user", "content": "x"}
CALL = {"id": "call_7", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


class Refused(str):
    """400, with this member's name."""


NOTHING = {}  # no effect on an answer: accepted, and not part of Ollama's API


def options(**members):
    return {"options": members}


# members of the request: what of them Ollama's own API gets. An OpenAI-compatible backend gets the members themselves.
FIELDS = [
    ({"frequency_penalty": 0.5}, options(frequency_penalty=0.5)),
    ({"presence_penalty": -0.5}, options(presence_penalty=-0.5)),
    ({"temperature": 0.7}, options(temperature=0.7)),
    ({"temperature": 0}, options(temperature=0)),
    ({"top_p": 0.9}, options(top_p=0.9)),
    ({"seed": 9223372036854775807}, options(seed=9223372036854775807)),
    ({"max_tokens": 5}, options(num_predict=5)),
    ({"max_completion_tokens": 6}, options(num_predict=6)),
    ({"max_tokens": 5, "max_completion_tokens": 6}, options(num_predict=6)),
    ({"stop": "a"}, options(stop=["a"])),
    ({"stop": ["a", "b", "c", "d"]}, options(stop=["a", "b", "c", "d"])),
    ({"stop": []}, options(stop=[])),
    ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"response_format": {"type": "text"}}, {"format": None}),
    ({"response_format": {"type": "json_object"}}, {"format": "json"}),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}}}, {"format": SCHEMA}),
    ({"tools": TOOLS}, {"tools": TOOLS}),
    ({"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS}),
    ({"tools": TOOLS, "tool_choice": "none"}, {"tools": None}),
    ({"tools": TOOLS, "tool_choice": "required"}, Refused("tool_choice")),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}}, Refused("tool_choice")),
    ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, Refused("tool_choice")),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, Refused("tools")),
    ({"tools": TOOLS, "parallel_tool_calls": True}, {"tools": TOOLS}),
    ({"tools": TOOLS, "parallel_tool_calls": False}, Refused("parallel_tool_calls")),
    ({"functions": [{"name": "f", "parameters": {}}]}, Refused("functions")),
    ({"function_call": {"name": "f"}}, Refused("function_call")),
    ({"reasoning_effort": "none"}, {"think": False}),
    ({"reasoning_effort": "minimal"}, {"think": "low"}),
    ({"reasoning_effort": "low"}, {"think": "low"}),
    ({"reasoning_effort": "medium"}, {"think": "medium"}),
    ({"reasoning_effort": "high"}, {"think": "high"}),
    ({"reasoning_effort": "xhigh"}, {"think": "max"}),
    ({"reasoning_effort": "max"}, {"think": "max"}),
    ({"reasoning_effort": "some"}, Refused("reasoning_effort")),
    ({"verbosity": "medium"}, NOTHING),
    ({"verbosity": "low"}, Refused("verbosity")),
    ({"service_tier": "auto"}, NOTHING),
    ({"service_tier": "priority"}, Refused("service_tier")),
    ({"store": False}, NOTHING),
    ({"store": True}, Refused("store")),
    ({"logit_bias": {"5": -100}}, Refused("logit_bias")),
    ({"audio": {"voice": "alloy", "format": "wav"}, "modalities": ["text", "audio"]}, Refused("audio")),
    ({"modalities": ["text"]}, NOTHING),
    ({"modalities": ["audio"]}, Refused("modalities")),
    ({"moderation": {"model": "m"}}, Refused("moderation")),
    ({"web_search_options": {}}, Refused("web_search_options")),
    ({"prediction": {"type": "content", "content": "x"}}, NOTHING),
    ({"metadata": {"a": "b"}}, NOTHING),
    ({"user": "me"}, NOTHING),
    ({"safety_identifier": "me"}, NOTHING),
    ({"prompt_cache_key": "k"}, NOTHING),
    ({"prompt_cache_retention": "24h"}, NOTHING),
    ({"prompt_cache_options": {"x": 1}}, NOTHING),
    # what local servers take besides
    ({"top_k": 40, "min_p": 0.05, "repeat_penalty": 1.1, "num_ctx": 2048}, options(top_k=40, min_p=0.05, repeat_penalty=1.1, num_ctx=2048)),
    ({"keep_alive": "5m"}, {"keep_alive": "5m"}),
    # messages
    ({"messages": [{"role": "developer", "content": "d"}, {"role": "system", "content": "s"}, USER]},
     {"messages": [{"role": "system", "content": "d"}, {"role": "system", "content": "s"}, USER]}),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}, {"messages": [{"role": "user", "content": "a\nb"}]}),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}]}]},
     {"messages": [{"role": "user", "content": "a", "images": ["QUJD"]}]}),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}]}]}, Refused("messages[0].content[0]")),
    ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "x"}}]}]}, Refused("messages[0].content[0]")),
    ({"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_7", "content": "1"}]},
     {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [{"id": "call_7", "function": {"name": "f", "arguments": {"a": 1}}}]},
                   {"role": "tool", "tool_call_id": "call_7", "tool_name": "f", "content": "1"}]}),
    ({"messages": [USER, {"role": "assistant", "content": "y", "reasoning_content": "hm"}]}, {"messages": [USER, {"role": "assistant", "content": "y", "thinking": "hm"}]}),
    ({"messages": [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]}, {"messages": [USER, {"role": "assistant", "content": "no"}]}),
    ({"messages": [USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}]}, Refused("messages[1].function_call")),
]


@pytest.fixture(scope="module", params=["openai", "ollama"])
def stack(request, make_stack):
    s = make_stack(slots=8, ollama=request.param == "ollama")
    s.kind = request.param
    return s


def ask(stack, **more):
    """The answer, and what the backend was asked."""
    stack.backend.set(forget=True)
    body = {"model": "fault", "messages": [USER], **more}
    with raw.Socket(stack.url) as s:
        s.send(raw.request("/v1/chat/completions", json.dumps(body).encode()))
        a = s.read_answer()
    seen = stack.backend.requests()
    return a, seen[0]["body"] if seen else None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("given, ollamas", FIELDS, ids=lambda v: json.dumps(v)[:60] if isinstance(v, dict) else "")
def test_field(stack, given, ollamas, stream):
    a, seen = ask(stack, stream=stream, **given)
    if stack.kind == "openai":
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        assert a.status == 200 and seen == {"model": "fault", "messages": [USER], "stream": stream, **usage, **given}
    elif isinstance(ollamas, Refused):
        assert a.status == 400 and seen is None, a.body
        e = json.loads(a.body)["error"]
        assert e["param"] == ollamas and e["code"] in ("unsupported_value", "invalid_value") and ollamas in e["message"]
    else:
        usual = {"model": "fault", "messages": [USER], "stream": stream, "truncate": False}
        assert a.status == 200 and seen == {k: v for k, v in {**usual, **ollamas}.items() if v is not None}, a.body


def test_every_field_is_here():
    """openai-python's list (completion_create_params.py), but for n, whose tests are others'."""
    listed = set("""messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata modalities
        moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort
        response_format safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user
        verbosity web_search_options""".split())
    here = {name for given, _ in FIELDS for name in given}
    assert listed - here == {"model", "n", "stream", "stream_options"}
    from openai.types.chat import completion_create_params
    known = set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert known - listed <= {"extra_body"}, known - listed


@pytest.mark.parametrize("wish", [None, {}, {"include_usage": False}, {"include_usage": True}, {"include_usage": True, "include_obfuscation": False}])
def test_stream_options(stack, wish):
    """The agent wants to know the usage in any case; the client gets it when it asked."""
    a, seen = ask(stack, stream=True, **({} if wish is None else {"stream_options": wish}))
    assert (b'"usage"' in a.body) == bool(wish and wish.get("include_usage"))
    if stack.kind == "openai":
        assert seen["stream_options"] == {**(wish or {}), "include_usage": True}


def test_several_tool_calls(stack):
    """A history with two calls at once keeps which answer belongs to which."""
    calls = [{**CALL, "id": f"call_{i}", "function": {"name": f"f{i}", "arguments": "{}"}} for i in range(2)]
    results = [{"role": "tool", "tool_call_id": f"call_{i}", "content": str(i)} for i in (1, 0)]
    a, seen = ask(stack, messages=[USER, {"role": "assistant", "content": None, "tool_calls": calls}, *results])
    assert a.status == 200
    if stack.kind == "openai":
        assert seen["messages"][1]["tool_calls"] == calls and seen["messages"][2:] == results
    else:
        assert [c["function"]["name"] for c in seen["messages"][1]["tool_calls"]] == ["f0", "f1"]
        assert [(m["tool_name"], m["content"]) for m in seen["messages"][2:]] == [("f1", "1"), ("f0", "0")]
