import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent / "e2e")]

from counting import pytest_collectreport, pytest_runtest_logreport, pytest_sessionfinish  # noqa: E402, F401
