"""`magnus test FILE CASES`: whether a pipeline goes the way that it should, with no code of its own run."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.errors import FAILED, Refused
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_MEMORY = "/dev/shm"
"""Where Linux keeps files in memory: nobody keeps the run logs of cases."""


def test(
    file: Annotated[str, typer.Argument(help="The definition.", metavar="FILE", show_default=False)],
    cases: Annotated[
        str,
        typer.Argument(help="What tasks come to, and what is expected.", metavar="CASES", show_default=False),
    ],
) -> None:
    """Try a pipeline on cases: no task is run, the file says what each comes to, and which way the run must take.

    A case is NAME: {steps: {TASK: {set: ..., fail: N}}, expect: {steps: {STEP: STATUS}}}; `magnus explain MR079` says more.

    Exit status: 0 all passed, 1 one failed, 65 refused, 75 the platform failed.
    """
    from magnus_render.executors.cases import differences, read, way
    from magnus_render.executors.rehearsal import Rehearsal
    from magnus_render.graph.load import load

    plan = load(file).plan
    found = read(cases, plan)
    began, failed = time.monotonic(), 0
    with _nowhere() as folder:
        rehearsal = Rehearsal(plan, folder)
        for case in found:
            try:
                log = rehearsal.run(case.steps, case.parameters)
                problems = list(differences(case, log))
                problems += [f"what was run: {way(log) or 'nothing'}"] if problems else []
            except Refused as error:
                problems = [f"the run was broken off: {error}"]
            failed += bool(problems)
            typer.echo(safe(f"{'FAILED' if problems else 'ok    '}  {case.name}"))
            for line in problems:
                typer.echo(f"        {safe(line)}")
    took = time.monotonic() - began
    typer.echo(
        f"{len(found)} case{'s' if len(found) > 1 else ''}: {len(found) - failed} passed, {failed} failed, in {took:.2f} s"
    )
    if failed:
        raise typer.Exit(FAILED)


@contextmanager
def _nowhere() -> Iterator[str]:
    """Work in a folder of its own, with no parameters and the like from the environment, and yield its path."""
    from magnus_render.executors.pool import STOPPING

    here = os.getcwd()
    own = {name: value for name, value in os.environ.items() if name.startswith("MAGNUS_")}
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="magnus-test-", dir=place) as folder:
        handlers = {number: signal.signal(number, _stopped) for number in STOPPING}
        os.chdir(folder)
        for name in own:
            del os.environ[name]
        try:
            yield folder
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.environ.update(own)
            os.chdir(here)


def _stopped(number: int, frame: FrameType | None) -> None:
    """End the command, and tidy up on the way."""
    raise SystemExit(128 + number)
