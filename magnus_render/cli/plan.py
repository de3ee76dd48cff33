"""`magnus plan OLD NEW`: how two definitions differ; `magnus plan FILE`: how one differs from what is committed.

`magnus plan FILE --use-cached RUN_ID`: what a run would take over.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnus_render.cli import completion, options
from magnus_render.errors import CHANGED, Ended, Refused, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from magnus_render.graph.load import Loaded
    from magnus_render.planning.compare import Comparison
    from magnus_render.planning.goldens import Golden
    from magnus_render.planning.outputs import Outputs
    from magnus_render.planning.preview import Preview
    from magnus_render.planning.revisions import Revisions

_COLUMNS = 100
"""The width of lines that are not for a terminal."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON; `magnus schema --plan` prints its schema.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]


def plan(
    old: Annotated[
        str,
        typer.Argument(help="A definition: a file, or REV:path of git.", metavar="OLD", show_default=False),
    ],
    new: Annotated[
        str,
        typer.Argument(help="The definition that it is compared with.", metavar="NEW", show_default=False),
    ] = "",
    use_cached: Annotated[
        str,
        typer.Option(
            "--use-cached",
            metavar="RUN_ID",
            help="Tell what a run of the one definition would take over from that run, and what it would run.",
            autocompletion=completion.run_ids,
        ),
    ] = "",
    config: options.Config = "",
    old_config: Annotated[
        str,
        typer.Option("--old-config", metavar="FILE", help="Configuration file of OLD. Default: that of -c."),
    ] = "",
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "-t",
            metavar="TARGET",
            help="Render both too. Then there is a change if and only if the bytes of the output differ.",
            autocompletion=completion.targets,
        ),
    ] = "",
    parameters_file: options.ParametersFile = "",
    param: options.Param = None,
    as_json: Json = False,
    markdown: Markdown = False,
) -> None:
    """Print what changes from one definition to another, and why; or what a run with --use-cached would do.

    OLD alone is a definition of a project: it is compared with what git has committed of it, and the artefacts of the
    project that are made of it with the files that hold them.

    REV:path is a file of a revision of git, with all that it names there; no checkout is made. Its path counts from the top
    of the repository, or from this folder if it begins with ./ .

    Exit status: 0 no change (with --use-cached always), 2 a change, 64 wrong usage, 65 refused, 75 the platform failed.
    """
    if as_json and markdown:
        raise UsageError("--json and --markdown exclude each other")
    if new and use_cached:
        raise UsageError("--use-cached tells what a run of one definition would do: name one, not two")
    if not use_cached:
        if parameters_file or param:
            raise UsageError("-p and --param are for --use-cached: definitions have no initial parameters")
        if not new and (target or config or old_config):
            raise UsageError(
                "name two definitions: of one, targets and configurations stand in the project file"
            )
        form = _form(as_json, markdown)
        status = (
            _compare(old, new, config, old_config or config, target, form) if new else _committed(old, form)
        )
        raise Ended(status)
    if target or old_config:
        raise UsageError("--target and --old-config are for two definitions")
    _run(old, options.configuration(config), parameters_file, param or [], use_cached, as_json, markdown)


# ---- two definitions ----


def _form(as_json: bool, markdown: bool) -> str:
    return "json" if as_json else "markdown" if markdown else "text"


def _compare(old: str, new: str, config: str, old_config: str, target: str, form: str) -> int:
    from magnus_render.planning.compare import compare
    from magnus_render.planning.revisions import Revisions

    files = Revisions()
    sides = [
        (files.named(file), files.named(its_config) if its_config else None)
        for file, its_config in ((old, old_config), (new, config))
    ]
    loaded = _read(files, sides)
    found = compare(*loaded)
    outputs = _outputs(files, sides, loaded, target) if target else None
    _show(form, found, old, new, outputs)
    changed = found.changed if outputs is None else not outputs.same
    return CHANGED if changed else 0


def _committed(file: str, form: str) -> int:
    """Compare a definition of a project with what git has committed of it, and its artefacts with those on disk."""
    from magnus_render.planning import goldens
    from magnus_render.planning.compare import compare
    from magnus_render.planning.revisions import Revisions
    from magnus_render.project.model import variables_of
    from magnus_render.project.read import artefacts_of

    project, artefacts = artefacts_of(file) or (None, [])
    if project is None or not artefacts:
        raise UsageError(
            f"no project has '{file}': name two definitions, such as `magnus plan HEAD:./{file} {file}`, "
            "or --use-cached RUN_ID"
        )
    files = Revisions()
    old = _committed_path(file)
    environ = variables_of(artefacts[0].environment, os.environ)
    found = compare(*_read(files, [(files.named(old), None), (file, None)], environ))
    compared = goldens.compared(project, artefacts)
    _show(form, found, old, file, None, compared)
    return CHANGED if found.changed or not all(one.same for one in compared) else 0


def since_committed(file: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that tell what has changed in a definition since it was committed; none if it is new, or as it was.

    `environ` has the values of its variables.
    """
    from magnus_render.planning.compare import compare
    from magnus_render.planning.revisions import Revisions
    from magnus_render.planning.text import Text

    files = Revisions()
    try:
        old = files.named(_committed_path(file))
        found = compare(*_read(files, [(old, None), (file, None)], environ))
    except Refused:  # the file is new, or this is no repository, or the committed file is no definition
        return
    if found.changed:
        yield from Text(*_terminal()).comparison(found, "as committed", file, None)


def _committed_path(file: str) -> str:
    return f"HEAD:{file if file.startswith('../') else f'./{file}'}"


def _show(
    form: str,
    found: Comparison,
    old: str,
    new: str,
    outputs: Outputs | None,
    compared: Sequence[Golden] = (),
) -> None:
    """Print the differences of two definitions, and of artefacts."""
    from magnus_render.planning import document, goldens
    from magnus_render.planning import markdown as marked
    from magnus_render.planning.text import Text

    if form == "json":
        _write(document.text(document.of_comparison(found, old, new, outputs, compared)))
    elif form == "markdown":
        _lines([*marked.comparison(found, old, new, outputs), *marked.listed(goldens.lines(compared))])
    else:
        _lines([*Text(*_terminal()).comparison(found, old, new, outputs), *goldens.lines(compared)])


def _read(
    files: Revisions, sides: Sequence[tuple[str, str | None]], environ: Mapping[str, str] | None = None
) -> list[Loaded]:
    """Read both definitions as if they stood where the second does; raise `DefinitionError` with all errors of both."""
    from magnus_render.diagnostics import DefinitionError, Diagnostic, has_errors
    from magnus_render.graph.load import examine

    name = os.path.splitext(os.path.basename(files.here(sides[1][0])))[0]
    loaded: list[Loaded] = []
    found: list[Diagnostic] = []
    for file, config in sides:
        try:
            loaded.append(examine(file, config, environ=environ, files=files, name=name))
            found += loaded[-1].diagnostics
        except DefinitionError as error:
            found += error.diagnostics
    if has_errors(found):
        raise DefinitionError(list(dict.fromkeys(found)))
    return loaded


def _outputs(
    files: Revisions, sides: Sequence[tuple[str, str | None]], loaded: Sequence[Loaded], target: str
) -> Outputs:
    from magnus_render.planning.outputs import compare_outputs
    from magnus_render.targets.base import Source

    here = files.here(sides[1][0])
    source = Source(os.path.join(".", here) if here.startswith("-") else here)
    before, after = ((one, file, config) for one, (file, config) in zip(loaded, sides, strict=True))
    return compare_outputs(target, source, before, after)


# ---- a run ----


def _run(
    file: str,
    config: str,
    parameters_file: str,
    param: list[str],
    use_cached: str,
    as_json: bool,
    markdown: bool,
) -> None:
    from magnus_render.graph.load import load_parameters
    from magnus_render.render.check import executable

    loaded = executable(file, config or None)
    of_file = load_parameters(parameters_file) if parameters_file else {}
    show_run(previewed(loaded, file, of_file, param, use_cached), as_json, markdown)


def previewed(
    loaded: Loaded, file: str, of_file: dict[str, Any], param: list[str], use_cached: str, run_id: str = ""
) -> Preview:
    """Return what `magnus execute` of a definition would do with these initial parameters.

    Raises `Refused` if there is a run of the id `run_id` already.
    """
    from magnus_render.cli import stores
    from magnus_render.executors import base
    from magnus_render.planning.preview import preview
    from magnus_render.runtime.create import given_input, initial_parameters
    from magnus_render.services import lookup

    executor = loaded.config["executor"]
    walked = base.load(executor["type"], executor["config"], file)
    store = lookup.load("run_log_store", loaded.config["run_log_store"])
    if run_id and store.names(run_id):
        raise Refused(f"run id '{run_id}' is in use: choose another id")
    if use_cached:
        stores.known_run(stores.open_run_log_store(loaded.config), use_cached)
    of_input = given_input(os.environ.get("MAGNUS_INPUT", "")).get("parameters", {})
    return preview(
        walked.planned(loaded.plan),
        loaded.config,
        store,
        engine=walked.name,
        parameters=initial_parameters(of_input, of_file, os.environ, param),
        use_cached=use_cached,
    )


def show_run(found: Preview, as_json: bool = False, markdown: bool = False) -> None:
    """Print which steps a run would execute, and which it would take over."""
    from magnus_render.planning import document
    from magnus_render.planning import markdown as marked
    from magnus_render.planning.text import Text

    if as_json:
        _write(document.text(document.of_preview(found)))
    elif markdown:
        _lines(marked.preview(found))
    else:
        _lines(Text(*_terminal()).preview(found))


# ---- output ----


def _terminal() -> tuple[bool, int]:
    """Return whether standard output takes colours, and how many columns it has."""
    from magnus_render.cli.run_text import colours

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else _COLUMNS
    return colours(), columns


def _lines(lines: Iterable[str]) -> None:
    _write("".join(f"{line}\n" for line in lines))


def _write(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="backslashreplace"))
    sys.stdout.buffer.flush()
