import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent / "e2e")]

import pytest  # noqa: E402

import built  # noqa: E402
from counting import pytest_collectreport, pytest_runtest_logreport, pytest_sessionfinish  # noqa: E402, F401


@pytest.fixture(scope="session")
def debs():
    return built.debs()


@pytest.fixture(scope="session")
def rpms():
    return built.rpms()
