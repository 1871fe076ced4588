"""Several choices of backends that give one at a time: Ollama, and servers with OpenAI's API that heed no n."""

import asyncio
import json

import openai
import pytest

import client


@pytest.fixture(scope="module", params=["openai", "ollama"])
def fleet(make_stack, request):
    return make_stack(ollama=request.param == "ollama", slots=2)


@pytest.fixture
def sdk(fleet):
    with openai.OpenAI(base_url=fleet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def ask(fleet, n=3, stream=True, more=None, limit=None, **plan):
    body = {"model": "fault", "stream": stream, "n": n, "messages": [{"role": "user", "content": json.dumps(plan)}], **(more or {})}
    return asyncio.run(client.ask(fleet.url, body=json.dumps(body).encode(), limit=limit))


def seed_of(record):
    return record["body"].get("options", record["body"]).get("seed")


def check_choices(choices, n, tokens):
    assert [c["index"] for c in choices] == list(range(n))
    for c in choices:
        assert [int(t.split(":")[0]) for t in c["message"]["content"].split()] == list(range(tokens))
        assert c["finish_reason"] == "stop"


@pytest.mark.parametrize("n", [2, 3, 12])
def test_whole(fleet, n):
    label = f"whole-{n}"
    a = ask(fleet, n=n, stream=False, tokens=4, label=label)
    assert a.status == 200 and "content-length" in a.headers, a.body
    check_choices(a.json["choices"], n, 4)
    assert a.json["usage"] == {"prompt_tokens": 7, "completion_tokens": 4 * n, "total_tokens": 7 + 4 * n}
    assert len(fleet.backend.requests(label)) == n


@pytest.mark.parametrize("usage", [False, True])
def test_stream(sdk, usage):
    more = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(sdk.chat.completions.create(
        model="fault", n=3, stream=True, messages=[{"role": "user", "content": json.dumps({"tokens": 5, "think": 1})}], **more))
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1
    said, finish, roles = {}, {}, {}
    for c in chunks:
        for choice in c.choices:
            assert choice.index not in finish
            said[choice.index] = said.get(choice.index, "") + (choice.delta.content or "")
            if choice.delta.role:
                roles[choice.index] = roles.get(choice.index, 0) + 1
            if choice.finish_reason:
                finish[choice.index] = choice.finish_reason
    assert finish == {0: "stop", 1: "stop", 2: "stop"} and roles == {0: 1, 1: 1, 2: 1}
    assert [[int(t.split(":")[0]) for t in said[i].split()] for i in range(3)] == [list(range(5))] * 3
    told = [c.usage for c in chunks if c.usage]
    assert len(told) == usage
    if usage:
        assert chunks[-1].usage and (told[0].prompt_tokens, told[0].completion_tokens, told[0].total_tokens) == (7, 15, 22)


def test_a_stream_ends_once(fleet):
    a = ask(fleet, tokens=3)
    assert a.outcome == "done"  # the client fails on anything behind [DONE]
    assert sorted(c["index"] for _, e in a.events for c in e["choices"] if c["finish_reason"]) == [0, 1, 2]


def test_tool_calls_of_each_choice(fleet):
    a = ask(fleet, stream=False, tool=True)
    assert [c["finish_reason"] for c in a.json["choices"]] == ["tool_calls"] * 3
    assert len({c["message"]["tool_calls"][0]["id"] for c in a.json["choices"]}) == 3 or fleet.backend.kind == "openai"


@pytest.mark.parametrize("seed, seeds", [(7, [7, 8, 9]), (-1, [-1, -1, -1]), (None, [None] * 3)])
def test_seeds(fleet, seed, seeds):
    label = f"seed-{seed}"
    assert ask(fleet, stream=False, more={} if seed is None else {"seed": seed}, label=label).status == 200
    records = fleet.backend.requests(label)
    assert [seed_of(r) for r in records] == seeds
    rest = [{k: v for k, v in r["body"].items() if k not in ("seed", "options", "n")} for r in records]
    assert rest[0] == rest[1] == rest[2]
    assert [r["body"].get("n") for r in records] == ([None] * 3 if fleet.backend.kind == "ollama" else [3, None, None])


def test_one_slot_is_enough(fleet):
    """One after another, in the one slot that the job has."""
    ask(fleet, tokens=3, gap=0.02, label="serial")
    r = fleet.backend.requests("serial")
    assert len(r) == 3 and r[0]["end"] <= r[1]["start"] and r[1]["end"] <= r[2]["start"]


@pytest.mark.parametrize("stream", [True, False])
def test_cancel_in_a_later_choice(fleet, stream):
    label = f"cancel-{stream}"

    async def leave():
        async with client.Connection(fleet.url) as c:
            body = {"model": "fault", "n": 3, "stream": stream,
                    "messages": [{"role": "user", "content": json.dumps({"tokens": 10, "gap": 0.05, "label": label})}]}
            c.send("POST", "/v1/chat/completions", json.dumps(body).encode())
            await asyncio.to_thread(lambda: fleet.backend.wait_request(label, lambda r: len(fleet.backend.requests(label)) == 2))

    asyncio.run(leave())
    second = fleet.backend.wait_request(label, lambda r: r["aborted"])
    assert second["sent"] < 10 and len(fleet.backend.requests(label)) == 2
    assert ask(fleet, n=1, tokens=2).outcome == "done"


FAULTS = [{"do": "fin", "at": 2}, {"do": "rst", "at": 2}, {"do": "error", "at": 2}, {"do": "eof", "at": 2}, {"status": 500, "answer": "{}"},
          {"before_head": "fin"}]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.get("do") or f.get("before_head") or str(f["status"]))
def test_fault_in_a_later_choice_of_a_stream(fleet, fault):
    a = ask(fleet, tokens=4, nth=1, label=f"stream {fault}", **fault)
    assert a.outcome == "error", (a.outcome, a.events)
    finished = [c["index"] for _, e in a.events for c in e.get("choices", []) if c["finish_reason"]]
    assert finished == [0] and a.error["message"]


@pytest.mark.parametrize("fault", [{"do": "fin"}, {"status": 400, "answer": '{"error": {"message": "no"}}'}], ids=["fin", "400"])
def test_fault_in_a_later_choice_of_a_whole_answer(fleet, fault):
    a = ask(fleet, stream=False, nth=2, label=f"whole {fault}", **fault)
    client.check_error(a, 502 if "do" in fault else 400)


def test_completion_of_several_prompts(fleet, sdk):
    prompts = [json.dumps({"tokens": 3, "label": f"prompt-{i}"}) for i in range(2)]
    for stream in (False, True):
        answer = sdk.completions.create(model="fault", prompt=prompts, n=2, stream=stream, **({"stream_options": {"include_usage": True}} if stream else {}))
        if stream:
            chunks = list(answer)
            finish = [c.choices[0].index for c in chunks if c.choices and c.choices[0].finish_reason]
            usage = chunks[-1].usage
        else:
            finish, usage = [c.index for c in answer.choices], answer.usage
        assert finish == [0, 1, 2, 3]
        assert (usage.prompt_tokens, usage.completion_tokens) == (14, 12)
    assert [len(fleet.backend.requests(f"prompt-{i}")) for i in range(2)] == [4, 4]
    assert {json.loads(r["body"]["prompt"])["label"] for r in fleet.backend.requests("prompt-1")} == {"prompt-1"}


@pytest.mark.parametrize("path, more, param", [
    ("/v1/chat/completions", {"n": 129}, "n"), ("/v1/chat/completions", {"n": 0}, "n"), ("/v1/completions", {"prompt": "x", "n": 129}, "n"),
    ("/v1/completions", {"prompt": ["x"] * 65, "n": 2}, "n"), ("/v1/completions", {"prompt": ["x"] * 129}, "prompt")])
def test_too_many(fleet, path, more, param):
    body = {"model": "fault", "messages": [{"role": "user", "content": "x"}], **more}
    a = asyncio.run(client.ask(fleet.url, path=path, body=json.dumps(body).encode()))
    assert client.check_error(a, 400)["param"] == param


def test_as_many_as_may_be(fleet):
    a = ask(fleet, n=128, tokens=1, label="all")
    assert a.outcome == "done"
    assert sorted(c["index"] for _, e in a.events for c in e["choices"] if c["finish_reason"]) == list(range(128))


def test_agent_goes_in_a_later_choice(make_stack):
    """Nothing has gone out of a whole answer: another agent gives all of it."""
    s = make_stack(ollama=True, slots=1)

    async def run():
        body = {"model": "fault", "n": 3, "messages": [{"role": "user", "content": json.dumps({"tokens": 4, "gap": 0.2, "label": "again"})}]}
        task = asyncio.create_task(client.ask(s.url, body=json.dumps(body).encode()))
        await asyncio.to_thread(lambda: s.add_agent(kind="ollama", slots=1))
        await asyncio.to_thread(lambda: s.backend.wait_request("again", lambda r: len(s.backend.requests("again")) >= 2))
        s.agents[0].kill()
        return await task

    a = asyncio.run(run())
    assert a.status == 200, a.body
    check_choices(a.json["choices"], 3, 4)
    assert len(s.backend.requests("again")) > 4 and any(r["aborted"] for r in s.backend.requests("again"))


def test_echo(make_stack):
    s = make_stack()
    s.add_agent(model="echo", kind="echo")
    for stream in (False, True):
        body = {"model": "echo", "n": 3, "stream": stream, "messages": [{"role": "user", "content": "one two"}]}
        a = asyncio.run(client.ask(s.url, body=json.dumps(body).encode()))
        if stream:
            assert [c["index"] for _, e in a.events for c in e["choices"] if c["finish_reason"]] == [0, 1, 2]
        else:
            assert [c["message"]["content"] for c in a.json["choices"]] == ["one two"] * 3
            assert a.json["usage"]["completion_tokens"] == 6
