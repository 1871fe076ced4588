"""What the Python programs share: the checks. A program is called with a target as JSON, gives its client as a class, and prints a
line {"check", "ok", "detail"} for each check that it was asked for."""

import json
import subprocess
import sys
import time

COUNT = ", ".join(str(i) for i in range(1, 21)) + "."
QUESTION = "Count from 1 to 20."
WEATHER = "What is the weather in Paris?"
SUM = "What is 4 plus 5?"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = ("get_weather", {"city": "Paris"})
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "weather of a city", "parameters": PARAMETERS}}

BROKEN = ["eof", "fin", "rst", "half", "rubbish", "error", "bad_lines"]


class Target:
    """url, model, checks and a directory for files; embed and embed_url of the model that embeds, full: where no slot is free."""

    def __init__(self, text):
        self.__dict__.update(json.loads(text))

    def but(self, **other):
        copy = Target("{}")
        copy.__dict__.update(self.__dict__ | other)
        return copy


def plan(**wish):
    return json.dumps(wish)


def status_of(error):
    """The status that an exception tells, or one below it."""
    while error is not None:
        for owner in (error, getattr(error, "response", None)):
            for name in ("status_code", "status"):
                value = getattr(owner, name, None)
                if isinstance(value, int) and value > 0:
                    return value
        error = error.__cause__ or error.__context__
    return None


def equal(got, wanted):
    assert got == wanted, f"{got!r} instead of {wanted!r}"


def refused(wanted, call):
    try:
        got = call()
    except AssertionError:
        raise
    except Exception as e:
        status = status_of(e)
        assert status in (wanted if isinstance(wanted, tuple) else (wanted,)), f"{status}: {type(e).__name__}: {e}"
        assert str(e).strip(), "an error without a text"
        return str(e)
    raise AssertionError(f"no error but {str(got)[:80]!r}")


def numbers(text):
    return [int(t.split(":")[0]) for t in text.split()]


whole = []


def broken(c, do):
    """An answer that breaks off must never look like a whole one; one that does not must."""
    if not whole:
        equal(numbers("".join(c.stream(plan(tokens=5)))), list(range(5)))
        whole.append(True)
    begin = time.monotonic()
    try:
        text = "".join(c.stream(plan(tokens=10, at=5, do=do, gap=0.01)))
    except Exception as e:
        assert time.monotonic() - begin < 8, "late"
        return f"{type(e).__name__}: {e}"
    raise AssertionError(f"taken for whole: {text[:40]!r}")


class Checks:
    """Each takes the target and the class of the client; it may return a detail for people."""

    # real servers

    def chat(t, C):
        equal(C(t).chat(QUESTION), COUNT)

    def stream(t, C):
        parts = list(C(t).stream(QUESTION))
        equal("".join(parts), COUNT)
        assert len(parts) >= 20, f"in {len(parts)} parts"

    def usage(t, C):
        prompt, answer = C(t).usage(QUESTION)
        assert prompt > 5 and answer > 40, (prompt, answer)

    def tools(t, C):
        call, answer = C(t).tools(WEATHER)
        equal(call, CALL)
        assert answer.strip(), "no answer after the tool's result"

    def tools_stream(t, C):
        equal(C(t).tools_stream(WEATHER), CALL)

    def structured(t, C):
        n = C(t).structured(SUM)
        assert isinstance(n, int), n

    def embeddings(t, C):
        c = C(t.but(url=t.embed_url, model=t.embed))
        vectors = c.embeddings(["Hello", "green door seven wolf"])
        equal([len(v) for v in vectors], [128, 128])
        assert vectors[0] != vectors[1] and any(vectors[0])

    def models(t, C):
        names = C(t).models()
        assert t.model in names, names

    def completions(t, C):
        assert C(t).completions("Hello").strip()

    def responses(t, C):
        equal(C(t).responses(QUESTION), COUNT)

    def responses_stream(t, C):
        equal(C(t).responses_stream(QUESTION), COUNT)

    def count(t, C):
        assert C(t).count(QUESTION) > 5

    def e400(t, C):
        refused(400, lambda: C(t).bad())

    def e401(t, C):
        refused(401, lambda: C(t, key="wrong-key").chat("x"))

    def e403(t, C):
        refused(403, lambda: C(t, key="forbidden-key").chat("x"))

    def e404(t, C):
        assert "nobody" in refused(404, lambda: C(t.but(model="nobody")).chat("x"))

    def e405(t, C):
        refused(405, lambda: C(t).method())

    def e413(t, C):
        refused(413, lambda: C(t).chat("x" * 3_000_000))

    # the backend that fails on demand

    def reasoning(t, C):
        equal(C(t).reasoning(plan(think=3, tokens=2)), "thought0 thought1 thought2 ")

    def e429(t, C):
        """Through us it is the model's server that is busy, not the client who asked too much: 503."""
        refused((429, 503), lambda: C(t).chat(plan(status=429, retry_after=1, answer='{"error": {"message": "too many", "type": "rate"}}')))

    def e503(t, C):
        refused(503, lambda: C(t).chat(plan(status=503, retry_after=1, answer='{"error": {"message": "too busy", "type": "busy"}}')))

    def abort(t, C):
        """Whether the backend was told is looked up by whom called us; the client stays alive meanwhile."""
        c = C(t)
        c.abort(plan(tokens=2000, gap=0.01, label=t.label))
        at = time.monotonic()
        time.sleep(1.2)
        return at

    def retry(t, C):
        """All slots are busy, and no queue: a client with its usual settings comes again after Retry-After and gets its answer."""
        print(json.dumps({"busy": True}), flush=True)
        sys.stdin.readline()
        equal(numbers(C(t.but(url=t.full), patient=True).chat(plan(tokens=3, label=t.label))), [0, 1, 2])


for _do in BROKEN:
    setattr(Checks, "broken_" + _do, lambda t, C, do=_do: broken(C(t), do))

def main(client):
    t = Target(sys.argv[1])
    for name in t.checks:
        try:
            detail, ok = getattr(Checks, name)(t, client), True
        except Exception as e:
            detail, ok = f"{type(e).__name__}: {e}", False
        print(json.dumps({"check": name, "ok": ok, "detail": detail if isinstance(detail, float) else str(detail or "")[:400]}), flush=True)


def give_up(stream):
    """Takes three parts of a stream and closes it."""
    for _ in range(3):
        next(stream)
    stream.close()


class Failed(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status_code = status


def command(argv, env=None, text=None):
    """What a program writes; Failed with what it complains about when it says that it failed."""
    given = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
    run = subprocess.run(argv, env=env, **given, capture_output=True, text=True, timeout=30)
    if run.returncode:
        raise Failed(None, run.stderr + run.stdout)
    return run.stdout


def kill(argv, env=None, at_least=10):
    """Starts a program and ends it when it has written something."""
    program = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    program.stdout.read(at_least)
    program.terminate()
    program.wait()
    program.stdout.close()
