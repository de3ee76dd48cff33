"""What all tests need of the process they run in, and which of them run."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

COSTLY = ("conformance", "engines", "robustness")
"""Folders whose tests have many cases, each of which runs a whole pipeline."""

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every",
        type=int,
        choices=range(1, 101),
        default=1,
        metavar="N",
        help=f"of each test in {', '.join(COSTLY)}, run the first of every N cases (all of them by default)",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--every` leaves out, of the tests that other options have selected."""
    number = config.getoption("every")
    cases: dict[tuple[Path, str], int] = defaultdict(int)
    kept, left = [], []
    for item in items:
        test = item.path, getattr(item, "originalname", item.name)
        costly = item.path.relative_to(Path(__file__).parent).parts[0] in COSTLY
        (left if costly and cases[test] % number else kept).append(item)
        cases[test] += 1
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    number = config.getoption("every")
    if number > 1:
        terminalreporter.write_line(
            f"Of each test in {', '.join(COSTLY)}, one of every {number} cases ran: `make test EVERY=1` runs all."
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, which is the project's, without what the environment says of a configuration."""
    monkeypatch.chdir(tmp_path)
    for name in ("MAGNUS_CONFIG", "MAGNUS_WORKSPACES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
