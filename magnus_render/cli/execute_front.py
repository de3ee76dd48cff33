"""The front of `magnus execute`: its command line and its definition, read in a process that ends before the run begins.

The process hands over what it read as one `execute.Request`; see `cli/execute.py`, which forks it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.cli import completion, options
from magnus_render.cli.execute import Request
from magnus_render.errors import UsageError
from magnus_render.executors import base
from magnus_render.runtime.records import check_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.diagnostics import Diagnostic
    from magnus_render.graph.load import Loaded


def execute(
    context: typer.Context,
    file: options.File = "",
    config: options.Config = "",
    parameters_file: options.ParametersFile = "",
    param: options.Param = None,
    run_id: options.RunId = "",
    tag: options.Tag = "",
    use_cached: Annotated[
        str,
        typer.Option(
            "--use-cached",
            metavar="RUN_ID",
            help="Take over what succeeded in that run; run the rest.",
            autocompletion=completion.run_ids,
        ),
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted run that --run-id names.")
    ] = False,
    max_workers: Annotated[
        int | None,
        typer.Option(
            "--max-workers",
            min=1,
            metavar="N",
            help="Run at most N steps at a time. Default: the number of processors, at least 2.",
        ),
    ] = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Give every step a disk of its own, as an engine with containers does."
        ),
    ] = False,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach",
            help="Print the run id and leave, where jobs go on by themselves (slurm, local-aws-batch).",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Run nothing: say which steps would run, and which be taken over."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print what went wrong, and nothing of a run that succeeds.")
    ] = False,
    json_lines: Annotated[
        bool,
        typer.Option("--json-lines", help="Print events to standard output, one JSON object a line."),
    ] = False,
    log_level: options.LogLevel = "",
) -> None:
    """Run the pipeline here, and show how it goes.

    Initial parameters: the file given by -p, then MAGNUS_PRM_* of the environment, then --param; the later wins.

    Exit status: 0 success, 1 failed, 64 wrong usage, 65 refused, 75 the platform failed, 128 + n stopped by signal n.
    """
    from magnus_render.graph.load import load_parameters
    from magnus_render.render.check import executable

    options.without_meaning(log_level=log_level)
    file, config = options.definition(file, quiet or json_lines), options.configuration(config)
    if resume and not run_id:
        raise UsageError("--resume needs --run-id: the run to go on with")
    if resume and use_cached:
        raise UsageError("--resume and --use-cached exclude each other: one goes on, the other starts anew")
    if quiet and json_lines:
        raise UsageError("--quiet and --json-lines exclude each other")
    if resume and dry_run:
        raise UsageError("--dry-run tells what a new run would do: leave out --resume")
    check_usage(param or [], run_id)
    loaded = executable(file, config or None)
    show(loaded.diagnostics)
    _look_before(loaded, file, resume or bool(use_cached))
    hand_over: Callable[[Request], None] = context.obj
    executor = loaded.config["executor"]
    of_file = load_parameters(parameters_file) if parameters_file else {}
    if dry_run:
        from magnus_render.cli.plan import previewed, show_run

        show_run(previewed(loaded, file, of_file, param or [], use_cached, run_id))
        return
    hand_over(
        {
            "plan": base.load(executor["type"], executor["config"], file).planned(loaded.plan),
            "config": loaded.config,
            "run_id": run_id,
            "file": file,
            "config_file": config,
            "parameters": of_file,
            "param": param or [],
            "tag": tag,
            "use_cached": use_cached,
            "resume": resume,
            "max_workers": max_workers,
            "isolated": isolated,
            "detach": detach,
            "form": "quiet" if quiet else "json" if json_lines else "",
        }
    )


def check_usage(param: list[str], run_id: str) -> None:
    """Raise `UsageError` for a wrong run id ('' for none), or for a `--param` that is not NAME=VALUE."""
    if run_id:
        check_run_id(run_id)
    for text in param:
        if text.partition("=")[0] in ("", text):
            raise UsageError(f"--param takes NAME=VALUE, not '{text}'")


def _look_before(loaded: Loaded, file: str, again: bool) -> None:
    """Refuse a run if a secret of a step is missing, or the module of the first step.

    Of other missing modules the user is warned, because an earlier step may write them. With `again` there are only
    warnings, because not all steps may run.
    """
    from magnus_render.diagnostics import DefinitionError, has_errors

    executor = base.find(loaded.config["executor"]["type"], file)
    missing: list[Diagnostic] = []
    if executor.imports_here:
        from magnus_render.executors.imports import unfound

        missing = unfound(loaded, again=again)
    if executor.hands_secrets and any(node.get("secrets") for node in loaded.plan["nodes"].values()):
        from magnus_render.executors.secrets import missing_secrets

        missing = [*missing_secrets(loaded, "warning" if again else "error"), *missing]
    if has_errors(missing):
        raise DefinitionError(missing)
    show(missing)


def show(warnings: list[Diagnostic]) -> None:
    """Print warnings to standard error, unless its reader is gone."""
    try:
        for diagnostic in warnings:
            print(diagnostic, file=sys.stderr)
    except OSError:
        pass  # nobody reads the warnings, and the run goes on
