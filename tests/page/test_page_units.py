"""What Node judges: the units of the page (Vitest) and its types, strictly."""

import re
import subprocess

import pytest

import env
import toolbox

PAGE = env.TOP / "htdocs"


def npm(*args):
    run, npm = toolbox.node()
    path = f"{env.pathlib.Path(run[0]).parent}:{env.os.environ['PATH']}"
    return subprocess.run([*npm, "--prefix", PAGE, *args], capture_output=True, text=True, env=env.environment(PATH=path, NO_COLOR="1", CI="1"))


@pytest.mark.timeout(480)
def test_units():
    done = npm("test")
    print(done.stdout[-6000:], done.stderr[-2000:])
    assert done.returncode == 0
    counts = re.search(r"^ *Tests +(.*)$", done.stdout, re.M)[1]
    assert re.fullmatch(r"[1-9]\d* passed \(\d+\)", counts), "a unit was left out: " + counts


def test_types():
    done = npm("run", "check")
    assert done.returncode == 0, done.stdout
