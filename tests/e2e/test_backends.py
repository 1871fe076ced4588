"""Real model servers: llama-server, and Ollama through its native API. Asked with the openai SDK."""

import json
import os
import signal
import time

import openai
import pytest

import env
import real_servers

HELLO = "Hello! How can I help you today?"
STORY = "Count from 1 to 20."
COUNTED = ", ".join(str(i) for i in range(1, 21)) + "."


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    server = real_servers.start_llama("tiny-chat", tmp_path_factory.mktemp("llama") / "log", "--context-shift")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ollama(tmp_path_factory):
    server = real_servers.start_ollama(tmp_path_factory.mktemp("ollama"), "tiny-chat")
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["llama", "ollama"])
def fleet(request):
    server = request.getfixturevalue(request.param)
    gateway = env.Gateway(f"test_backends-{request.param}").start()
    agent = env.Agent(gateway, server.url, kind="auto", slots=4)
    model = "tiny-chat" if request.param == "llama" else "tiny-chat:latest"
    try:
        agent.start(model)
        gateway.model, gateway.server, gateway.agent = model, server, agent
        yield gateway
    finally:
        agent.stop()
        gateway.stop()


@pytest.fixture
def sdk(fleet):
    with openai.OpenAI(base_url=fleet.url + "/v1", api_key="none", max_retries=0, timeout=30) as c:
        yield c


def say(sdk, fleet, text, **more):
    return sdk.chat.completions.create(model=fleet.model, temperature=0, messages=[{"role": "user", "content": text}], **more)


def test_answer(sdk, fleet):
    a = say(sdk, fleet, "Hello")
    assert a.choices[0].message.content == HELLO and a.choices[0].finish_reason == "stop"
    assert a.usage.completion_tokens == 10 or a.usage.completion_tokens > 5


def test_stream(sdk, fleet):
    chunks = list(say(sdk, fleet, STORY, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == COUNTED
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 20
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage.completion_tokens > 40


def test_length(sdk, fleet):
    a = say(sdk, fleet, STORY, max_completion_tokens=5)
    assert a.choices[0].finish_reason == "length"


TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


def test_tools(sdk, fleet):
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    message = sdk.chat.completions.create(model=fleet.model, temperature=0, messages=question, tools=TOOLS).choices[0].message
    assert message.tool_calls[0].function.name == "get_weather"
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Paris"}
    with sdk.chat.completions.stream(model=fleet.model, temperature=0, messages=question, tools=TOOLS) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls"
    assert json.loads(streamed.message.tool_calls[0].function.arguments) == {"city": "Paris"}
    history = [*question, message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}]
    assert sdk.chat.completions.create(model=fleet.model, temperature=0, messages=history, tools=TOOLS).choices[0].message.content


def test_many_questions_lose_none(sdk, fleet):
    """More questions than slots, on connections that the server drops now and then without a word."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda i: say(sdk, fleet, STORY).choices[0].message.content, range(60)))
    assert texts == [COUNTED] * 60


def test_stale_connection(sdk, fleet):
    """llama-server closes idle connections after 5 s."""
    for _ in range(2):
        assert say(sdk, fleet, "Hello").choices[0].message.content == HELLO
        time.sleep(5.2)
    assert say(sdk, fleet, "Hello").choices[0].message.content == HELLO


def test_unknown_model_and_long_prompt(sdk, fleet):
    with pytest.raises(openai.NotFoundError):
        sdk.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError) as e:
        say(sdk, fleet, "word " * 20000)
    assert e.value.code == "context_length_exceeded"


def test_abort_frees_the_slot(sdk, fleet):
    for _ in range(6):
        stream = say(sdk, fleet, "Count from 1 to 100.", stream=True)
        for _ in range(3):
            next(iter(stream))
        stream.close()
    begin = time.monotonic()
    assert say(sdk, fleet, "Hello").choices[0].message.content == HELLO
    assert time.monotonic() - begin < 5


def test_death_in_mid_stream(sdk, fleet):
    """Last, as it ends the server: every reader sees an error."""
    fleet.expect("DGON0040")
    stream = iter(say(sdk, fleet, "Tell me a story about a fox named Zoe." if "ollama" in fleet.model else "Count from 1 to 100.",
                      stream=True, **({} if ":" in fleet.model else {"extra_body": {"ignore_eos": True, "max_tokens": -1}})))
    next(stream)
    if ":" in fleet.model:
        # Ollama's runner may be quicker than any signal: what counts is that no cut answer looks like a whole one.
        for p in env.children(fleet.server.process.pid):
            os.kill(p, signal.SIGKILL)
        try:
            chunks = list(stream)
            assert any(c.choices and c.choices[0].finish_reason for c in chunks)
        except openai.APIError:
            pass
        return
    fleet.server.process.kill()
    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        list(stream)
