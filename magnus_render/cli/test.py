"""`magnus test [FILE CASES]`: checks which way pipelines go, without running their code."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.errors import FAILED, Refused, UsageError
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from magnus_render.executors.cases import Case
    from magnus_render.plan import Plan

_MEMORY = "/dev/shm"
"""A folder in memory on Linux, for the run logs of cases, which are not kept."""


def test(
    file: Annotated[str, typer.Argument(help="The definition.", metavar="FILE", show_default=False)] = "",
    cases: Annotated[
        str,
        typer.Argument(
            help="The file of cases: results of tasks, and what is expected.",
            metavar="CASES",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Test a pipeline by cases. No task runs: each case has the results of tasks, and says which way the run must take.

    A case is NAME: {steps: {TASK: {set: ..., fail: N}}, expect: {steps: {STEP: STATUS}}}; `magnus explain MR079` says more.
    Without FILE, all pipelines of the project (magnus.yaml) that name a file of cases are tried.

    Exit status: 0 all passed, 1 one failed, 65 refused, 75 the platform failed.
    """
    if file and not cases:
        raise UsageError(f"say which cases: magnus test {file} CASES")
    found = [("", *_read(file, cases, None))] if file else _of_project()
    began = time.monotonic()
    with _nowhere() as folder:
        failed = 0
        for number, (name, plan, listed) in enumerate(found):
            own = os.path.join(folder, str(number))
            failed += _failed(name, plan, listed, own)
    took, count = time.monotonic() - began, sum(len(listed) for _, _, listed in found)
    typer.echo(
        f"{count} case{'s' if count > 1 else ''}: {count - failed} passed, {failed} failed, in {took:.2f} s"
    )
    if failed:
        raise typer.Exit(FAILED)


def _read(file: str, cases: str, environ: Mapping[str, str] | None) -> tuple[Plan, list[Case]]:
    from magnus_render.executors.cases import read
    from magnus_render.graph.load import load

    plan = load(file, environ=environ).plan
    return plan, read(cases, plan)


def _of_project() -> list[tuple[str, Plan, list[Case]]]:
    """Return names, plans and cases of the project's pipelines, with the variables of its first environment."""
    from magnus_render.cli.project import enter
    from magnus_render.diagnostics import DefinitionError, Diagnostic
    from magnus_render.project.artefacts import told
    from magnus_render.project.model import variables_of

    project = enter("name a definition and its cases")
    environ = variables_of(project.environments[0], os.environ)
    found, wrong = [], list[Diagnostic]()
    for pipeline in project.pipelines:
        if pipeline.cases is not None:
            try:
                read = _read(pipeline.definition, pipeline.cases, environ)
                found.append((f"{pipeline.name}: ", *read))
            except DefinitionError as error:
                wrong += told(error.diagnostics, project, project.environments[0])
    if wrong:
        raise DefinitionError(dict.fromkeys(wrong))
    if not found:
        raise UsageError(f"there is nothing to try: no pipeline of {project.file} names 'cases'")
    return found


def _failed(name: str, plan: Plan, cases: list[Case], folder: str) -> int:
    """Run the cases of a pipeline in a folder that does not exist yet, and print how each went; return how many failed.

    `name` stands before the name of each case.
    """
    from magnus_render.executors.cases import differences, way
    from magnus_render.executors.rehearsal import Rehearsal

    os.mkdir(folder)
    rehearsal, failed = Rehearsal(plan, folder), 0
    for case in cases:
        try:
            log = rehearsal.run(case.steps, case.parameters)
            problems = list(differences(case, log))
            problems += [f"what was run: {way(log) or 'nothing'}"] if problems else []
        except Refused as error:
            problems = [f"the run was broken off: {error}"]
        failed += bool(problems)
        typer.echo(safe(f"{'FAILED' if problems else 'ok    '}  {name}{case.name}"))
        for line in problems:
            typer.echo(f"        {safe(line)}")
    return failed


@contextmanager
def _nowhere() -> Iterator[str]:
    """Work in an empty folder, without parameters and settings from the environment; yield the folder's path."""
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
    """End the command in such a way that it cleans up."""
    raise SystemExit(128 + number)
