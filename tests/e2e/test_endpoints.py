"""Text completions and embeddings, on real model servers: right to the last bit, as the server itself answers."""

import json
import struct
import urllib.error
import urllib.request

import openai
import pytest

import real_servers

INPUTS = ["Hello", "green door seven wolf", "x", "Count from 1 to 20.", "Hello"]


@pytest.fixture(scope="module", params=["llama", "ollama"])
def fleet(request, tmp_path_factory):
    """direct[model]: where the server itself answers."""
    with real_servers.fleet(request.param, f"test_endpoints-{request.param}", tmp_path_factory.mktemp(request.param)) as gateway:
        # llama-server takes a prompt as it is, Ollama puts it into the chat's form.
        form = "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n" if request.param == "llama" else "%s"
        gateway.count = form % "Count from 1 to 20."
        gateway.long = form % "Count from 1 to 100."
        gateway.direct = {gateway.chat: gateway.servers[0].url, gateway.embed: gateway.servers[-1].url}
        yield gateway


@pytest.fixture
def sdk(fleet):
    with openai.OpenAI(base_url=fleet.url + "/v1", api_key="none", max_retries=0, timeout=30) as c:
        yield c


def post(url, path, body):
    """(status, body) of a plain request; body None if it is no JSON."""
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        try:
            return e.code, json.load(e)
        except ValueError:
            return e.code, None


def both(fleet, path, body):
    """The same request to the server itself and through the gateway."""
    return post(fleet.direct[body["model"]], path, body), post(fleet.url, path, body)


@pytest.mark.parametrize("prompt", ["Hello", "Count from 1 to 20.", "Say exactly: green door seven wolf", ""])
def test_completion_is_the_servers_own(fleet, prompt):
    direct, ours = both(fleet, "/v1/completions", {"model": fleet.chat, "prompt": prompt, "max_tokens": 24, "temperature": 0})
    if direct[0] != 200:  # Ollama loads the model for an empty prompt, llama-server refuses it
        assert ours[0] == direct[0]
        return
    assert ours[0] == 200, ours
    assert ours[1]["object"] == "text_completion" and ours[1]["model"] == fleet.chat and ours[1]["id"].startswith("cmpl-")
    for a, b in zip(direct[1]["choices"], ours[1]["choices"], strict=True):
        assert a["text"] == b["text"] and b["finish_reason"] == {"load": "stop"}.get(a["finish_reason"], a["finish_reason"])
        assert set(b) >= {"index", "text", "logprobs", "finish_reason"}
    assert ours[1]["usage"]["completion_tokens"] == direct[1]["usage"]["completion_tokens"]
    assert ours[1]["usage"]["prompt_tokens"] == direct[1]["usage"]["prompt_tokens"]


@pytest.mark.parametrize("usage", [False, True])
def test_completion_stream(sdk, fleet, usage):
    more = {"stream_options": {"include_usage": True}} if usage else {}
    ask = {"model": fleet.chat, "prompt": fleet.count, "max_tokens": 24, "temperature": 0}
    whole = sdk.completions.create(**ask)
    chunks = list(sdk.completions.create(**ask, stream=True, **more))
    assert whole.choices[0].text.startswith("1, 2, 3, 4")
    assert len({c.id for c in chunks}) == 1 and {c.object for c in chunks} == {"text_completion"} and len(chunks) > 10
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["length"]
    assert [c.usage for c in chunks if c.usage] == ([chunks[-1].usage] if usage else [])
    if usage:
        assert chunks[-1].usage == whole.usage


def test_completion_of_several_prompts(sdk, fleet):
    ask = {"model": fleet.chat, "prompt": ["Hello", "What is 4 plus 5?"], "max_tokens": 8, "temperature": 0}
    assert [c.index for c in sdk.completions.create(**ask).choices] == [0, 1]
    texts = {}
    for c in sdk.completions.create(**ask, stream=True):
        for choice in c.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert [texts[i] for i in (0, 1)] == [c.text for c in sdk.completions.create(**ask).choices]


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(sdk, fleet, stream):
    """llama-server gives them itself, Ollama is asked for one after another."""
    ask = {"model": fleet.chat, "messages": [{"role": "user", "content": "Count from 1 to 20."}], "max_tokens": 12, "seed": 5, "temperature": 1.5}
    one = [sdk.chat.completions.create(**{**ask, "seed": 5 + k}) for k in range(3)]
    many = sdk.chat.completions.create(n=3, stream=stream, **ask, **({"stream_options": {"include_usage": True}} if stream else {}))
    texts, finish = {}, {}
    for c in many if stream else [many]:
        for choice in c.choices:
            said = choice.delta if stream else choice.message
            texts[choice.index] = texts.get(choice.index, "") + (said.content or "")
            finish[choice.index] = choice.finish_reason
        usage = c.usage
    assert texts == {k: o.choices[0].message.content for k, o in enumerate(one)}, "seed, seed + 1, seed + 2"
    assert finish == {k: o.choices[0].finish_reason for k, o in enumerate(one)}
    assert usage.prompt_tokens == one[0].usage.prompt_tokens
    if fleet.kind == "ollama":  # llama-server tells those of one choice
        assert usage.completion_tokens == sum(o.usage.completion_tokens for o in one)


def test_logprobs(sdk, fleet):
    ask = {"model": fleet.chat, "prompt": "Hello", "max_tokens": 4, "temperature": 0, "logprobs": 2}
    if fleet.kind == "ollama":
        with pytest.raises(openai.BadRequestError) as e:
            sdk.completions.create(**ask)
        assert e.value.param == "logprobs"
        return
    direct, ours = both(fleet, "/v1/completions", ask)
    told = [[(t["token"], len(t["top_logprobs"]), set(t)) for t in a[1]["choices"][0]["logprobs"]["content"]] for a in (direct, ours)]
    assert told[0] == told[1] and len(told[0]) == 4  # the numbers depend on what of the prompt was in the server's cache


def test_abort_of_a_completion(sdk, fleet):
    for _ in range(12):  # more than there are slots
        stream = sdk.completions.create(model=fleet.chat, prompt=fleet.long, max_tokens=400, temperature=0, stream=True)
        next(iter(stream))
        stream.close()
    assert sdk.completions.create(model=fleet.chat, prompt="Hello", max_tokens=4).choices[0].text is not None


def numbers(answer):
    return [struct.pack("<%df" % len(d["embedding"]), *d["embedding"]) for d in answer["data"]]


@pytest.mark.parametrize("input", ["Hello", INPUTS], ids=["one", "list"])
def test_embeddings_to_the_last_bit(sdk, fleet, input):
    ask = {"model": fleet.embed, "input": input}
    direct, ours = both(fleet, "/v1/embeddings", ask)
    assert direct[0] == ours[0] == 200, (direct, ours)
    n = 1 if isinstance(input, str) else len(input)
    assert [d["index"] for d in ours[1]["data"]] == list(range(n)) and ours[1]["object"] == "list" and ours[1]["model"] == fleet.embed
    assert numbers(ours[1]) == numbers(direct[1]) and len(ours[1]["data"][0]["embedding"]) == 128
    if n > 1:
        assert numbers(ours[1])[0] == numbers(ours[1])[4] != numbers(ours[1])[1]
    assert ours[1]["usage"]["prompt_tokens"] == direct[1]["usage"]["prompt_tokens"] > 0
    assert ours[1]["usage"]["total_tokens"] == ours[1]["usage"]["prompt_tokens"]
    # The SDK asks for base64 and hands out numbers.
    by_sdk = sdk.embeddings.create(**ask)
    assert [struct.pack("<128f", *d.embedding) for d in by_sdk.data] == numbers(direct[1])


def test_embeddings_of_a_model_that_does_not_embed(sdk, fleet):
    """Never an empty list or a 5xx that a client tries again."""
    with pytest.raises(openai.APIStatusError) as e:
        sdk.embeddings.create(model=fleet.chat, input="Hello")
    assert (e.value.status_code, e.value.code) == (400, "unsupported_operation"), e.value


def test_tokens_instead_of_text(sdk, fleet):
    ask = {"model": fleet.embed, "input": [[5, 6, 7], [8]], "encoding_format": "float"}
    if fleet.kind == "ollama":
        with pytest.raises(openai.BadRequestError) as e:
            sdk.embeddings.create(**ask)
        assert e.value.param == "input"
        return
    direct, ours = both(fleet, "/v1/embeddings", ask)
    assert numbers(ours[1]) == numbers(direct[1])


def said(events):
    """The text of a stream of named events, and their names without repetitions."""
    names, text = [], ""
    for block in events.strip().split("\n\n"):
        lines = dict(l.split(": ", 1) for l in block.split("\n") if ": " in l and not l.startswith(":"))
        if lines.get("data", "[DONE]") == "[DONE]":
            continue
        data = json.loads(lines["data"])
        name = lines.get("event", data["type"])
        names += [name] * (not names or names[-1] != name)
        delta = data.get("delta", "")
        text += delta if isinstance(delta, str) else delta.get("text", "")
    return names, text


@pytest.mark.parametrize("prompt", ["Hello", "Count from 1 to 20.", "Say exactly: green door seven wolf"])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
def test_relay_is_the_servers_own(fleet, path, prompt):
    ask = {"model": fleet.chat, "temperature": 0}
    ask |= {"input": prompt} if path == "/v1/responses" else {"max_tokens": 100, "messages": [{"role": "user", "content": prompt}]}
    direct, ours = both(fleet, path, ask)
    assert direct[0] == ours[0] == 200, (direct, ours)
    part = "output" if path == "/v1/responses" else "content"
    strip = lambda v: [{k: w for k, w in o.items() if k != "id"} for o in v]  # noqa: E731
    assert strip(ours[1][part]) == strip(direct[1][part]) and set(ours[1]) == set(direct[1])
    streams = []
    for url in (fleet.direct[fleet.chat], fleet.url):
        request = urllib.request.Request(url + path, json.dumps({**ask, "stream": True}).encode(), {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as r:
            streams.append(said(r.read().decode()))
    assert streams[0] == streams[1] and len(streams[0][1]) > 5


def test_count_tokens(fleet):
    direct, ours = both(fleet, "/v1/messages/count_tokens", {"model": fleet.chat, "messages": [{"role": "user", "content": "Hello"}]})
    if direct[0] != 200:
        assert ours[0] == 400 and "count_tokens" in ours[1]["error"]["message"], ours
    else:
        assert ours == direct


def test_image_to_a_model_without_eyes(fleet):
    """Refused at once, by the gateway: the server would say so late, or not at all."""
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    status, answer = post(fleet.url, "/v1/chat/completions", {"model": fleet.chat, "messages": [{"role": "user", "content": content}]})
    assert status == 400 and answer["error"]["param"] == "messages", answer
    assert "does not take images" in answer["error"]["message"]


def test_context_that_no_agent_has(fleet):
    ask = {"model": fleet.chat, "messages": [{"role": "user", "content": "Hello"}]}
    status, answer = post(fleet.url, "/v1/chat/completions", {**ask, "num_ctx": 1 << 24})
    assert status == 400 and answer["error"]["param"] == "num_ctx", answer


@pytest.mark.parametrize("path, body, param", [
    ("/v1/completions", {"prompt": 5}, "prompt"), ("/v1/completions", {}, "prompt"), ("/v1/completions", {"prompt": "x", "n": 0}, "n"),
    ("/v1/embeddings", {}, "input"), ("/v1/embeddings", {"input": []}, "input"), ("/v1/embeddings", {"input": "x", "encoding_format": "hex"}, "encoding_format"),
])
def test_bad_requests(fleet, path, body, param):
    status, answer = post(fleet.url, path, {"model": fleet.chat, **body})
    assert status == 400 and answer["error"]["param"] == param, answer
