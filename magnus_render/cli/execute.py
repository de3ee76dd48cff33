"""`magnus execute`: runs a pipeline with the executor of its configuration."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from magnus_render.cli import options
from magnus_render.errors import MagnusError, UsageError
from magnus_render.executors import base
from magnus_render.runtime import workspace
from magnus_render.runtime.records import check_run_id

if TYPE_CHECKING:
    from magnus_render.graph.load import Loaded


def execute(
    file: options.File = "",
    config: options.Config = "",
    parameters_file: options.ParametersFile = "",
    param: options.Param = None,
    run_id: options.RunId = "",
    tag: options.Tag = "",
    use_cached: Annotated[
        str,
        typer.Option("--use-cached", metavar="RUN_ID", help="Do not run again what succeeded in that run."),
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run --run-id where it was interrupted.")
    ] = False,
    max_workers: Annotated[
        int | None,
        typer.Option("--max-workers", min=1, metavar="N", help="Steps at a time; default: processors."),
    ] = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Give every step a disk of its own, as an engine with containers does."
        ),
    ] = False,
    log_level: options.LogLevel = "",
) -> None:
    """Run the pipeline here, and show how it goes.

    Initial parameters: the file given by -p, then MAGNUS_PRM_* of the environment, then --param; the later wins.

    Exit status: 0 success, 1 failed, 64 wrong usage, 65 refused, 75 the platform failed, 128 + n stopped by signal n.
    """
    try:
        options.without_meaning(log_level=log_level)
        file, config = options.definition(file), options.configuration(config)
        if isolated:
            os.environ[workspace.ISOLATED] = "1"
        status = _execute(
            file, config, parameters_file, param or [], run_id, tag, use_cached, resume, max_workers
        )
    except MagnusError as error:
        print(error.shown(), file=sys.stderr)
        status = error.status
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)


def _execute(
    file: str,
    config: str,
    parameters_file: str,
    param: list[str],
    run_id: str,
    tag: str,
    use_cached: str,
    resume: bool,
    max_workers: int | None,
) -> int:
    if resume and not run_id:
        raise UsageError("--resume needs --run-id: the run to go on with")
    if resume and use_cached:
        raise UsageError("--resume and --use-cached exclude each other: one goes on, the other starts anew")
    if run_id:
        check_run_id(run_id)
    for text in param:
        if text.partition("=")[0] in ("", text):
            raise UsageError(f"--param takes NAME=VALUE, not '{text}'")
    again = resume or bool(use_cached)
    loaded = _load(file, config, parameters_file, again)
    executor = loaded["config"]["executor"]
    keys = dict(executor["config"])
    if max_workers is not None:
        keys["max_workers"] = max_workers
    order = base.Order(
        loaded["plan"],
        loaded["config"],
        run_id or new_run_id(),
        file,
        config_file=config,
        parameters=loaded["parameters"],
        param=param,
        tag=tag,
        use_cached=use_cached,
        resume=resume,
    )
    return base.load(executor["type"], keys, file).execute(order)


def new_run_id() -> str:
    """Return an id that sorts by time (UTC) and is not used twice."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.urandom(4).hex()}"


def _load(file: str, config: str, parameters_file: str, again: bool) -> dict[str, Any]:
    """Read the definition in a process of its own and return the plan, the configuration and the parameters.

    `again`: some steps may not be run again, and then need no secrets.

    The front end's libraries weigh several times what a walk does; forks of this process stay cheap without them.
    Exits with the status of that process if the definition is refused: it has said why.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _load_and_exit(file, config, parameters_file, again, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise typer.Exit(status if status > 0 else 128 - status)
    loaded: dict[str, Any] = json.loads(data)
    return loaded


def _load_and_exit(
    file: str, config: str, parameters_file: str, again: bool, writer: int
) -> NoReturn:  # pragma: no cover

    status = 1
    try:
        from magnus_render.graph.load import load_parameters
        from magnus_render.render.check import executable

        loaded = executable(file, config or None)
        for diagnostic in loaded.diagnostics:
            print(diagnostic, file=sys.stderr)
        _find_secrets(loaded, file, again)
        parameters = load_parameters(parameters_file) if parameters_file else {}
        document = {"plan": loaded.plan, "config": loaded.config, "parameters": parameters}
        with os.fdopen(writer, "w", encoding="ascii") as stream:
            json.dump(document, stream)
        status = 0
    except MagnusError as error:
        # A bad definition's diagnostics are lines of their own, which editors and people read from the left.
        print(error.shown(), file=sys.stderr)
        status = error.status
    except KeyboardInterrupt:
        status = 130
    except BaseException:  # a bug of ours: nothing may return into the parent's stack
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _find_secrets(loaded: Loaded, file: str, again: bool) -> None:
    """Refuse a run whose steps would lack a secret; say so if they may not all run."""
    here = base.find(loaded.config["executor"]["type"], file).runs_here
    if not here or not any(node.get("secrets") for node in loaded.plan["nodes"].values()):
        return
    from magnus_render.diagnostics import DefinitionError
    from magnus_render.executors.secrets import missing_secrets

    missing = missing_secrets(loaded, "warning" if again else "error")
    if missing and not again:
        raise DefinitionError(missing)
    for diagnostic in missing:
        print(diagnostic, file=sys.stderr)
