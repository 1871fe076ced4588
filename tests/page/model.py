"""What the model of a stack answers: scripted, whatever it is asked."""


def says(stack, *steps, finish="stop", usage=None, label="", **plan):
    """Each step is a text, (seconds before it, text) or (seconds before it, delta): {"reasoning": …}, {"tool_calls": […]}. Further
    arguments are fault_backend.Plan's: at=2, do="rst" breaks off after two steps. `label` finds the requests again, see asked()."""
    script = []
    for step in steps:
        pause, delta = step if isinstance(step, (tuple, list)) else (0, step)
        script.append([pause, {"content": delta} if isinstance(delta, str) else delta])
    stack.backend.set(force={"script": script, "finish": finish, "usage": usage or {}, "label": label, **plan})


def obeys(stack):
    """The question is the plan again, as in tests/e2e."""
    stack.backend.set(force=None)


def asked(stack, label, check=lambda r: True, seconds=5):
    """The newest request with this label for which check is true: body, sent, end, aborted (CLOCK_MONOTONIC) …"""
    return stack.backend.wait_request(label, check, seconds)


def call(name, arguments, id="call_1", index=0):
    """A delta that calls a tool; arguments is JSON text."""
    return {"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]}
