"""Settings that hold for every test: hypothesis profiles, an interrupt that is one, and a log that nobody has set up.

A test has virtual time by naming the clock among its arguments, and by nothing else.
"""

import os
import signal
from collections.abc import Generator

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# Who starts the suite in the background of a shell starts it with interrupts ignored, which every process that a test
# starts, and then interrupts, would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _forget_how_to_log() -> Generator[None]:
    """What a test tells structlog is gone behind it: the library logs otherwise where a program has set it up."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a clock that is made and not used: pytest-trio looks for it among the arguments, and the test would sleep."""
    for item in items:
        if any("autojump_clock" in mark.args for mark in item.iter_markers("usefixtures")):
            raise pytest.UsageError(f"{item.nodeid}: name autojump_clock among its arguments, not in usefixtures")
