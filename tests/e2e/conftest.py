from counting import pytest_collectreport, pytest_runtest_logreport, pytest_sessionfinish  # noqa: F401
from stacks import clean_log, http, make_stack, stack  # noqa: F401
