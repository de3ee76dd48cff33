"""`magnus test FILE CASES`: whether a pipeline goes the way that it should, with no code of its own run."""

from __future__ import annotations

import os
import time
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from magnus_render.errors import FAILED
from magnus_render.texts import safe

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
    with TemporaryDirectory(
        prefix="magnus-test-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
    ) as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            rehearsal = Rehearsal(plan, folder)
            for case in found:
                log = rehearsal.run(case.steps, case.parameters)
                problems = list(differences(case, log))
                failed += bool(problems)
                typer.echo(safe(f"{'FAILED' if problems else 'ok    '}  {case.name}"))
                for line in [*problems, f"what was run: {way(log) or 'nothing'}"] if problems else ():
                    typer.echo(f"        {safe(line)}")
        finally:
            os.chdir(here)
    took = time.monotonic() - began
    typer.echo(
        f"{len(found)} case{'s' if len(found) > 1 else ''}: {len(found) - failed} passed, {failed} failed, in {took:.2f} s"
    )
    if failed:
        raise typer.Exit(FAILED)
