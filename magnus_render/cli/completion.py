"""What a shell completes after TAB: commands and options by typer; run ids, steps, files and names by the functions here.

A shell asks by a process of its own for each TAB. So little is imported and read. An answer is given in `_MOST_SECONDS` or
not at all, and nothing that goes wrong is ever printed: the user is in the middle of a line.
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
"""Values, each with what it is; `''` where nothing is said."""
_MOST_SECONDS = 2.0
_SECONDS_OF_HELP = 0.4
"""After so long, further run ids are offered without saying what they are."""
_MOST_RUNS = 50
_WITHOUT_HELP = "complete_bash"
"""bash shows values alone."""
_INERT = re.compile(r"[A-Za-z0-9_./@%+,=-]+")
"""A value that every shell takes as it is, unquoted."""
_UNSAID = re.compile(r"[^\w .,;/@%+=-]")
"""What is left out where a value is explained: the scripts of some shells evaluate that text."""


# ---- the request ----


def words(environment: Mapping[str, str]) -> list[str]:
    """Return the words before the cursor, without `magnus`; the last one is being typed and may be empty."""
    line = environment.get("COMP_WORDS", environment.get("_TYPER_COMPLETE_ARGS", ""))
    typed = [*line.split(), *([""] if line[-1:].isspace() else [])]  # bash has a line end between words
    cursor = environment.get("COMP_CWORD", "")
    return typed[1 : int(cursor) + 1 if cursor.isdecimal() else None]


def quietly(answer: Callable[[], object]) -> int:
    """Answer a request within a time, and leave standard error alone; return 1 if there is nothing to offer.

    Only fish looks at the status: after 1 it offers files.
    """
    without_rich = "rich" not in sys.modules
    if without_rich:  # typer would load it for the text of each value, which takes as long as all the rest
        sys.modules["rich"] = None  # type: ignore[assignment]
    before = signal.signal(signal.SIGALRM, _too_late)
    try:
        # Again, should the first one come where Python passes an exception over, such as in a finalizer.
        signal.setitimer(signal.ITIMER_REAL, _MOST_SECONDS, 1.0)
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            answer()
        return 0
    except SystemExit as end:
        return int(bool(end.code))
    except BaseException:  # whatever it is, there is nothing to offer
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
    """Offer the runs of the store that the command would look in, the newest first."""
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
    """Offer the steps of the run that is named before, by their dot paths, or by their addresses where those need quotes."""
    from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
    from magnus_render.runtime.reading import steps_of

    for path, step in steps_of(_told(context).log):
        if step["step_type"] not in (SUCCESS_NODE, FAIL_NODE):
            yield from _offered(
                (path, step["internal_name"]), incomplete, f"{step['status']} {step['step_type']}"
            )


def files(context: typer.Context, incomplete: str) -> Offered:
    """Offer the files that the run that is named before put into the catalog."""
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
    """Yield the first of some names of one thing that goes on from what is typed, and that a shell takes unquoted."""
    for name in names:
        if name.startswith(incomplete) and _INERT.fullmatch(name):
            yield name, _UNSAID.sub("", about)[:60]
            return


def _explained() -> bool:
    return os.environ.get(COMPLETING) != _WITHOUT_HELP


def _given(context: typer.Context, name: str) -> str:
    """Return an argument or an option that stands before the cursor; '' if none does.

    Where the last word before the cursor is an option that waits for its value, arguments are not told apart yet.
    """
    argument = next((one for one in context.command.params if one.param_type_name == "argument"), None)
    unsorted = context.args[0] if context.args and argument is not None and argument.name == name else ""
    return str(context.params.get(name) or unsorted)


def _definition(context: typer.Context) -> str:
    from magnus_render.cli import options

    return options.definition(_given(context, "file") or _given(context, "old"), quiet=True)


def _store(context: typer.Context) -> BaseRunLogStore:
    """Return the run log store that the command would look in: `runs` alone needs no definition."""
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
    """Return what a run is: its status if its end is recorded, when it began, its pipeline. '' if it cannot be read."""
    from magnus_render.errors import MagnusError
    from magnus_render.runtime.records import Run

    with suppress(MagnusError):
        run = Run.open(store, run_id)
        if run is not None:
            end = run.of("", "end")
            began = time.strftime("%Y-%m-%d %H.%M", time.localtime(run.record["created"]))
            return ", ".join(filter(None, (end and end["status"], began, run.record["name"])))
    return ""
