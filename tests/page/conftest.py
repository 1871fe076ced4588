import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(TESTS / "e2e"), str(TESTS / "clients"), str(TESTS / "examples")]

from counting import pytest_collectreport, pytest_runtest_logreport, pytest_sessionfinish  # noqa: E402, F401
from stacks import clean_log, http, make_stack, stack  # noqa: E402, F401
from visits import chromium, page, talk, visit  # noqa: E402, F401
