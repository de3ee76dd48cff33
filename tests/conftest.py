"""What all tests need of the process they run in."""

from __future__ import annotations

import os
import signal

import pytest

# A shell without job control starts background commands with SIGINT ignored, nohup with SIGHUP, and bash cannot trap a
# signal that was ignored when it started: under such a runner, no test of signals could pass.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return how many processes run tests: more than there are processors, as a third of the time is waiting for engines."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # the plugin's own answer
    from magnus_render.executors.base import processors

    return processors() * 3 // 2
