"""The API as a client sees it; the openai SDK is the judge. Both dialects of backends."""

import asyncio
import json

import openai
import pytest

import client
import env


@pytest.fixture(scope="module", params=["openai", "ollama"])
def fleet(make_stack, request):
    s = make_stack(ollama=request.param == "ollama")
    s.backend.set(models=["fault", "org/Model-GGUF:Q4_K_M"])
    client_models = lambda: "org/Model-GGUF:Q4_K_M" in s.gateway.models()

    env.wait_for(client_models, 5, "second model")
    return s


@pytest.fixture
def sdk(fleet):
    with openai.OpenAI(base_url=fleet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def messages(**plan):
    return [{"role": "user", "content": json.dumps(plan)}]


def text_of(n):
    return list(range(n))


def test_stream(sdk):
    chunks = list(sdk.chat.completions.create(model="fault", stream=True, messages=messages(tokens=20)))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert [int(t.split(":")[0]) for t in text.split()] == text_of(20)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({(c.id, c.created, c.model, c.object) for c in chunks}) == 1
    assert chunks[0].id.startswith("chatcmpl-") and chunks[0].model == "fault"
    assert all(c.usage is None for c in chunks)


def test_stream_with_usage(sdk):
    chunks = list(sdk.chat.completions.create(
        model="fault", stream=True, stream_options={"include_usage": True}, messages=messages(tokens=4)))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 4
    assert chunks[-1].usage.prompt_tokens == 7 and chunks[-1].usage.total_tokens == 11


def test_not_streamed(sdk):
    answer = sdk.chat.completions.with_raw_response.create(model="fault", messages=messages(tokens=6))
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    assert answer.headers["x-request-id"]
    c = answer.parse()
    assert c.object == "chat.completion" and c.id.startswith("chatcmpl-") and c.model == "fault"
    assert [int(t.split(":")[0]) for t in c.choices[0].message.content.split()] == text_of(6)
    assert c.choices[0].finish_reason == "stop" and c.usage.completion_tokens == 6


def test_ids_differ(sdk):
    ids = {sdk.chat.completions.create(model="fault", messages=messages(tokens=1)).id for _ in range(5)}
    assert len(ids) == 5


def test_tool_call(sdk):
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}}}}]
    c = sdk.chat.completions.create(model="fault", tools=tools, messages=messages(tool=True))
    call = c.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and json.loads(call.function.arguments) == {"city": "Paris"}
    assert call.type == "function" and call.id and c.choices[0].finish_reason == "tool_calls"
    with sdk.chat.completions.stream(model="fault", tools=tools, messages=messages(tool=True)) as stream:
        final = stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert call.type == "function" and json.loads(call.function.arguments) == {"city": "Paris"}
    assert final.choices[0].finish_reason == "tool_calls"


def test_reasoning_has_one_name(fleet):
    a = asyncio.run(client.ask(fleet.url, think=3, tokens=2))
    a.check_done(2)
    assert "".join(d.get("reasoning_content") or "" for d in a.deltas) == "thought0 thought1 thought2 "
    assert not any("reasoning" in d for d in a.deltas)


def test_image_reaches_the_backend(fleet, sdk):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    fleet.backend.set(forget=True)
    sdk.chat.completions.create(model="fault", messages=[{"role": "user", "content": [
        {"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}}]}])
    body = json.dumps(fleet.backend.requests()[-1]["body"])
    assert pixel in body


def test_unknown_fields_are_passed_on(fleet, sdk):
    fleet.backend.set(forget=True)
    sdk.chat.completions.create(
        model="fault", messages=messages(tokens=1), temperature=0.7, seed=5, max_completion_tokens=9,
        response_format={"type": "json_object"}, extra_body={"top_k": 7, "min_p": 0.1})
    body = fleet.backend.requests()[-1]["body"]
    flat = {**body, **body.get("options", {})}
    assert flat["top_k"] == 7 and flat["min_p"] == 0.1 and flat["temperature"] == 0.7 and flat["seed"] == 5
    assert 9 in (flat.get("max_completion_tokens"), flat.get("max_tokens"), flat.get("num_predict"))
    assert body.get("format") == "json" or body.get("response_format") == {"type": "json_object"}


def test_headers_of_a_stream(fleet):
    a = asyncio.run(client.ask(fleet.url, tokens=2))
    a.check_done(2)
    assert a.headers["content-type"].replace(" ", "") in ("text/event-stream", "text/event-stream;charset=utf-8")
    assert a.headers["cache-control"] == "no-cache" and a.headers["x-accel-buffering"] == "no"
    assert a.headers["x-request-id"]


def test_tokens_come_one_by_one(fleet):
    a = asyncio.run(client.ask(fleet.url, tokens=5, gap=0.1))
    a.check_done(5)
    times = [t for t, e in a.events if e["choices"] and (e["choices"][0]["delta"].get("content"))]
    assert times[-1] - times[0] > 0.3, "the tokens were held back and came together"


def test_keep_alive_after_a_stream(fleet):
    async def several():
        async with client.Connection(fleet.url) as c:
            for n in (3, 4):
                c.send("POST", "/v1/chat/completions", client.question(tokens=n))
                (await c.receive()).check_done(n)
                c.send("GET", "/v1/models")
                assert (await c.receive()).status == 200
                c.send("GET", "/")
                assert (await c.receive()).body == (env.PAGE / "index.html").read_bytes()
            c.send("POST", "/v1/chat/completions", client.question(tokens=2, stream=False))
            assert (await c.receive()).numbers == [0, 1]

    asyncio.run(several())


def test_pipelined_requests(fleet):
    async def two():
        async with client.Connection(fleet.url) as c:
            c.send("POST", "/v1/chat/completions", client.question(tokens=3))
            c.send("GET", "/v1/models")
            (await c.receive()).check_done(3)
            assert (await c.receive()).status == 200

    asyncio.run(two())


def test_models(sdk, fleet):
    names = {m.id for m in sdk.models.list()}
    assert names == {"fault", "org/Model-GGUF:Q4_K_M"}
    m = sdk.models.retrieve("org/Model-GGUF:Q4_K_M")
    assert m.id == "org/Model-GGUF:Q4_K_M" and m.object == "model" and m.created > 0 and m.owned_by
    raw = asyncio.run(client.fetch(fleet.url, "/v1/models/org/Model-GGUF:Q4_K_M"))
    assert raw.status == 200 and raw.json["id"] == "org/Model-GGUF:Q4_K_M"
    answer = sdk.chat.completions.create(model="org/Model-GGUF:Q4_K_M", messages=messages(tokens=1))
    assert answer.model == "org/Model-GGUF:Q4_K_M"


def test_models_come_and_go(fleet):
    import env

    fleet.backend.set(models=["fault", "org/Model-GGUF:Q4_K_M", "newcomer"])
    env.wait_for(lambda: "newcomer" in fleet.gateway.models(), 5, "new model")
    fleet.backend.set(models=["fault", "org/Model-GGUF:Q4_K_M"])
    env.wait_for(lambda: "newcomer" not in fleet.gateway.models(), 5, "end of a model")


def test_sdk_errors(sdk):
    with pytest.raises(openai.NotFoundError) as e:
        sdk.chat.completions.create(model="nobody", messages=messages())
    assert e.value.code == "model_not_found" and e.value.param == "model"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("nobody")
    with pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model="fault", messages=[])
    with pytest.raises(openai.BadRequestError) as e:
        sdk.chat.completions.create(model="fault", messages=messages(
            status=400, answer='{"error": {"message": "temperature is too hot", "type": "invalid_request_error", "code": 400}}'))
    assert "too hot" in e.value.message
    with pytest.raises(openai.APIError):
        list(sdk.chat.completions.create(model="fault", stream=True, messages=messages(tokens=9, at=3, do="error")))


def test_no_prompt_or_answer_in_a_log(fleet):
    secret = "SECRET-PASSPHRASE-4711"
    asyncio.run(client.ask(fleet.url, content=f"please keep {secret}"))
    asyncio.run(client.ask(fleet.url, content=f"{secret}", stream=False))
    asyncio.run(client.ask(fleet.url, body=f'{{"model": "fault", "messages": "{secret}"}}'.encode()))
    for log in [*fleet.gateway.dir.glob("*.log"), *fleet.gateway.dir.glob("*.out")]:
        assert secret not in log.read_text(errors="replace"), log
