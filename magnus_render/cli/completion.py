"""Completion by TAB: typer completes commands and options, the functions here run ids, steps, files and other names.

A shell starts a new process for each TAB, so little is imported and read. The answer comes within `_MOST_SECONDS`, or not at
all. No error is ever printed, because the user is in the middle of a line.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterable  # at run time: typer evaluates the annotations of what completes
from contextlib import redirect_stderr, suppress
from typing import TYPE_CHECKING

import typer

from magnus_render.cli.main import COMPLETING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from magnus_render.report.told import Told
    from magnus_render.services.base import BaseRunLogStore

Offered = Iterable[tuple[str, str]]
"""Values, each with a description, which may be empty."""
_MOST_SECONDS = 2.0
_SECONDS_OF_HELP = 0.4
"""After so many seconds, further run ids are offered without a description."""
_MOST_RUNS = 50
_WITHOUT_HELP = "complete_bash"
"""bash shows values alone."""
_INERT = re.compile(r"[A-Za-z0-9_./@%+,=-]+")
"""A value that needs no quotes in any shell."""
_UNSAID = re.compile(r"[^\w .,;/@%+=-]")
"""Characters that are left out of descriptions, because the scripts of some shells evaluate that text."""


# ---- the request ----


def words(environment: Mapping[str, str]) -> list[str]:
    """Return the words before the cursor, without `magnus`; the last one is being typed and may be empty."""
    line = environment.get("COMP_WORDS", environment.get("_TYPER_COMPLETE_ARGS", ""))
    typed = [*line.split(), *([""] if line[-1:].isspace() else [])]  # bash has a line end between words
    cursor = environment.get("COMP_CWORD", "")
    return typed[1 : int(cursor) + 1 if cursor.isdecimal() else None]


def quietly(answer: Callable[[], object]) -> int:
    """Answer a request within `_MOST_SECONDS`, and write no errors; return 1 if there is nothing to offer.

    Only fish looks at the status: after 1 it offers files.
    """
    without_rich = "rich" not in sys.modules
    if without_rich:  # typer would load rich for the descriptions, which takes as long as all the rest
        sys.modules["rich"] = None  # type: ignore[assignment]
    before = signal.signal(signal.SIGALRM, _too_late)
    try:
        # The signal is repeated, because Python ignores an exception in some places, such as in a finalizer.
        signal.setitimer(signal.ITIMER_REAL, _MOST_SECONDS, 1.0)
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            answer()
        return 0
    except SystemExit as end:
        return int(bool(end.code))
    except BaseException:  # after any error there is nothing to offer
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if without_rich:
            del sys.modules["rich"]


def _too_late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


# ---- what is offered ----


def run_ids(context: typer.Context, incomplete: str) -> Offered:
    """Offer the runs in the command's run log store, the newest first."""
    from magnus_render.executors.usual import newest

    store = _store(context)
    until = time.monotonic() + _SECONDS_OF_HELP
    for run_id in newest(store, incomplete, _MOST_RUNS):
        about = _about(store, run_id) if _explained() and time.monotonic() < until else ""
        yield from _offered((run_id,), incomplete, about)


def resumed(context: typer.Context, incomplete: str) -> Offered:
    """Offer the runs that `--resume` may go on with; a new run has an id of its own."""
    return run_ids(context, incomplete) if context.params.get("resume") else ()


def steps(context: typer.Context, incomplete: str) -> Offered:
    """Offer the steps of the run that the command line names: dot paths, or the address where a path needs quotes."""
    from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
    from magnus_render.runtime.reading import steps_of

    for path, step in steps_of(_told(context).log):
        if step["step_type"] not in (SUCCESS_NODE, FAIL_NODE):
            yield from _offered(
                (path, step["internal_name"]), incomplete, f"{step['status']} {step['step_type']}"
            )


def files(context: typer.Context, incomplete: str) -> Offered:
    """Offer the catalogued files of the run that the command line names."""
    for name, (_, path) in sorted(_told(context).files().items()):
        yield from _offered((name,), incomplete, f"put by {path}")


def tasks(context: typer.Context, incomplete: str) -> Offered:
    """Offer the tasks of the definition."""
    from magnus_render.graph.load import load
    from magnus_render.plan import TASK

    for address, node in load(_definition(context), _given(context, "config") or None).plan["nodes"].items():
        if node["type"] == TASK:
            yield from _offered((node["path"], address), incomplete, node.get("command", ""))


def targets(incomplete: str) -> Offered:
    """Offer the names of the targets."""
    from magnus_render import registry

    for name in registry.names("target"):
        yield from _offered((name,), incomplete)


def formats(incomplete: str) -> Offered:
    """Offer the names of the formats of `magnus runs export`."""
    from magnus_render import registry

    for name in registry.names("export"):
        yield from _offered((name,), incomplete)


def environments(incomplete: str) -> Offered:
    """Offer the names of the environments of the project."""
    from magnus_render.cli.project import enter

    for environment in enter().environments:
        yield from _offered((environment.name,), incomplete)


def codes(incomplete: str) -> Offered:
    """Offer the codes of diagnostics."""
    from magnus_render.cli.explain import known_codes

    for entry in sorted(known_codes().values()):
        yield from _offered((entry.code,), incomplete.upper(), entry.title)


# ---- helpers ----


def _offered(names: Iterable[str], incomplete: str, about: str = "") -> Iterator[tuple[str, str]]:
    """Yield the first of one thing's names that begins with the typed text, and that needs no quotes in a shell."""
    for name in names:
        if name.startswith(incomplete) and _INERT.fullmatch(name):
            yield name, _UNSAID.sub("", about)[:60]
            return


def _explained() -> bool:
    return os.environ.get(COMPLETING) != _WITHOUT_HELP


def _given(context: typer.Context, name: str) -> str:
    """Return an argument or an option that stands before the cursor; '' if none does.

    If the last word before the cursor is an option without its value yet, arguments cannot be told apart.
    """
    argument = next((one for one in context.command.params if one.param_type_name == "argument"), None)
    unsorted = context.args[0] if context.args and argument is not None and argument.name == name else ""
    return str(context.params.get(name) or unsorted)


def _definition(context: typer.Context) -> str:
    from magnus_render.cli import options

    return options.definition(_given(context, "file") or _given(context, "old"), quiet=True)


def _store(context: typer.Context) -> BaseRunLogStore:
    """Return the command's run log store. Only the commands of `runs` need no definition for it."""
    from magnus_render.cli import options, stores

    file, config = _given(context, "file"), _given(context, "config")
    if context.parent is not None and context.parent.info_name == "runs":
        services = stores.services(file, config)
    else:
        services = stores.services(_definition(context), options.configuration(config))
    return stores.open_run_log_store(services)


def _told(context: typer.Context) -> Told:
    from magnus_render.report.told import Told

    return Told.read(_store(context), _given(context, "run_id"))


def _about(store: BaseRunLogStore, run_id: str) -> str:
    """Return a run's description: its status if its end is recorded, its time, its pipeline; '' if it cannot be read."""
    from magnus_render.errors import MagnusError
    from magnus_render.runtime.records import Run

    with suppress(MagnusError):
        run = Run.open(store, run_id)
        if run is not None:
            end = run.of("", "end")
            began = time.strftime("%Y-%m-%d %H.%M", time.localtime(run.record["created"]))
            return ", ".join(filter(None, (end and end["status"], began, run.record["name"])))
    return ""
