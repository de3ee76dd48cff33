"""`magnus bundle FILE --target T -o DIR`: the artefact with all that a platform team needs to deploy it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.cli import options
from magnus_render.diagnostics import format_text
from magnus_render.errors import FAILED, Refused, UsageError
from magnus_render.render import output
from magnus_render.texts import safe, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnus_render.render.pipeline import Bundled

_SHOWN = 5
"""How many names of a folder's other files are shown."""
_MARK = "`magnus bundle` wrote"
"""What each file says that our templates of bundles make; artefacts have the marks of their target."""


def bundle(
    file: options.Definition,
    target: options.Target,
    config: options.OptionalConfig = None,
    folder: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Write the files into this folder, all or none.", metavar="DIR"),
    ] = None,
    templates: options.Templates = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            help="Compare the files with those of this folder. Print a diff and exit with 1 if they differ.",
            metavar="DIR",
        ),
    ] = None,
    strict: options.Strict = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that no bundle wrote.")] = False,
) -> None:
    """Write the artefact with all that its deployment needs: permissions, schedule, alarm, README.

    The same input gives the same bytes anywhere. What else is in the folder is left alone,
    and a file of the same name that no bundle wrote is replaced only with --force. Diagnostics go to standard error.

    Exit status: 0 written, 1 --check found a difference, 64 wrong usage, 65 refused, 75 a file could not be written.
    """
    if (folder is None) == (check is None):
        raise UsageError(
            "say where to: -o DIR writes the files there, --check DIR compares them with those there"
        )
    if not (folder or check):
        raise UsageError(f"bundle: {'-o' if check is None else '--check'} DIR is empty; '.' is this folder")

    from magnus_render.render.pipeline import bundle as run

    made = run(file, target, config, templates=templates, strict=strict)
    if made.diagnostics:
        print(format_text(made.diagnostics), file=sys.stderr)
    place = folder or check or ""
    others = _others(place, list(made.files))
    if others:
        more = ", ..." if len(others) > _SHOWN else ""
        say(
            f"{safe(place)} has what is not the bundle's, and stays: {safe(', '.join(others[:_SHOWN]))}{more}"
        )
    if check is None:
        _write(place, made, force)
        return
    again = ["magnus", "bundle", file, "--target", target]
    for option, value in (("--config", config), ("--templates", templates), ("--output", check)):
        again += [option, value] if value is not None else []
    difference = "".join(_drift(place, made, others, again))
    options.print_text(difference)
    raise typer.Exit(FAILED if difference else 0)


def _write(folder: str, made: Bundled, force: bool) -> None:
    """Write the files and say their names; raise `Refused` if one would replace what no bundle wrote, without `force`."""
    foreign = [] if force else list(_foreign(folder, made.files, [_MARK, *made.marks]))
    if foreign:
        raise Refused(
            f"no bundle wrote what is there: {safe(', '.join(foreign))}\n"
            "  help: choose another folder; --force replaces these files"
        )
    texts = {os.path.join(folder, name): text for name, text in made.files.items()}
    output.write_all(
        [output.File(path, text, executable=text.startswith("#!")) for path, text in texts.items()],
        make_folders=True,
    )
    for path in texts:
        typer.echo(safe(path))


def _drift(folder: str, made: Bundled, others: Sequence[str], again: Sequence[str]) -> Iterator[str]:
    """Yield what differs in a folder: files that are not as they would be written, and those of an older bundle."""
    for name, text in made.files.items():
        yield output.drift(os.path.join(folder, name), text, again)
    for path in (os.path.join(folder, name) for name in others):
        if output.has_mark(path, [_MARK]):
            yield f"# {safe(path)}: the bundle has it no more: delete it\n"


def _foreign(folder: str, made: Mapping[str, str], marks: Sequence[str]) -> Iterator[str]:
    """Yield the files that a bundle would replace and that none wrote: each holds something else, and has no mark."""
    for name, text in made.items():
        path = os.path.join(folder, name)
        there = output.content(path)
        if there not in (None, b"", text.encode()) and not output.has_mark(path, marks):
            yield path


def _others(folder: str, names: list[str]) -> list[str]:
    """Return what is in a folder besides some files and the folders that those are in."""
    own = {os.path.normpath(name).split(os.sep, 1)[0] for name in names}
    return sorted(set(os.listdir(folder)) - own) if os.path.isdir(folder) else []
