"""Options that several commands have, and messages about command lines of older versions.

Options of 0.2 to 0.5 (AstraZeneca/magnus-core, "Command line options") are accepted. If an option has no meaning any more,
the user is told so. The callbacks have a parser of their own (`runtime/callback.py`).
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from magnus_render.cli import completion
from magnus_render.errors import UsageError
from magnus_render.texts import say

DEFINITIONS = ("pipeline.yaml", "dag.yaml")
"""Default definitions: the first of these that the working folder has is executed."""
OLD_DEFAULTS = "magnus-config.yaml"
"""The file of a project's defaults, which older versions read without an option."""
GONE = {
    "build_docker": "`magnus image --build --tag NAME` builds the project's image",
    "fan": "render the pipeline again: the output calls `magnus map_count`, `choose` and `fan_in` where it needs them",
    "resolve": "`magnus validate FILE` checks a definition, `magnus render FILE --target TARGET` makes the output",
}
"""Commands of older versions, each with what to do instead."""

File = Annotated[
    str,
    typer.Option(
        "-f",
        "--file",
        metavar="FILE",
        help="The definition. Default: pipeline.yaml, or dag.yaml if there is none.",
        show_default=False,
    ),
]
Definition = Annotated[str, typer.Argument(help="The definition.", metavar="FILE", show_default=False)]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        "-t",
        help="The engine to render for; `magnus targets` lists them.",
        metavar="TARGET",
        autocompletion=completion.targets,
    ),
]
Templates = Annotated[
    str | None,
    typer.Option(
        "--templates", help="Folder of templates that replace ours of the same name.", metavar="DIR"
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Treat warnings as errors, and tell if nothing ends a step that hangs."),
]
_CONFIG = ("-c", "--config", "--config-file")
Config = Annotated[
    str,
    typer.Option(
        *_CONFIG,
        metavar="FILE",
        help="Configuration file. Its blocks (executor, stores) replace those of the definition.",
    ),
]
OptionalConfig = Annotated[
    str | None,
    typer.Option(
        *_CONFIG,
        metavar="FILE",
        help="Configuration file. Its blocks (executor, stores) replace those of the definition.",
    ),
]
ParametersFile = Annotated[
    str, typer.Option("-p", "--parameters-file", metavar="FILE", help="Initial parameters, YAML or JSON.")
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param", metavar="NAME=VALUE", help="Set one initial parameter to JSON or text. May be repeated."
    ),
]
RunId = Annotated[
    str,
    typer.Option(
        "--run-id",
        metavar="RUN_ID",
        help="The id of the run. Default: a new one.",
        autocompletion=completion.resumed,
    ),
]
Tag = Annotated[str, typer.Option("--tag", metavar="TAG", help="A label to record with the run.")]
Put = Annotated[
    list[str] | None,
    typer.Option(
        "--put",
        "-put",
        "--put-in-catalog",
        metavar="GLOB",
        help="Put these files of the data folder into the catalog. May be repeated.",
    ),
]
DataFolder = Annotated[
    str, typer.Option("-d", "--data-folder", metavar="FOLDER", help="The data folder. Default: data.")
]
LogLevel = Annotated[str, typer.Option("--log-level", metavar="LEVEL", hidden=True)]


def definition(given: str, quiet: bool = False) -> str:
    """Return the definition to use: the given one, else a default, which is printed unless `quiet`.

    Raises `UsageError` if there is none.
    """
    if given:
        return given
    found = [name for name in DEFINITIONS if os.path.exists(name)]
    if not found:
        raise UsageError(f"say which definition: -f FILE (there is no {' and no '.join(DEFINITIONS)} here)")
    if not quiet:
        say(f"the definition is {found[0]}")
    return found[0]


def configuration(given: str) -> str:
    """Return the configuration file to use, '' for none; tell the user if an older version would have read another one."""
    if given:
        return given
    from_environment = os.environ.get("MAGNUS_CONFIG_FILE", "")
    if from_environment:
        say(f"the configuration is {from_environment}, from MAGNUS_CONFIG_FILE")
    elif os.path.exists(OLD_DEFAULTS):
        say(f"{OLD_DEFAULTS} is not read unasked any more: give it with -c {OLD_DEFAULTS}")
    return from_environment


def without_meaning(**given: str) -> None:
    """Tell the user that options of older versions, if they are given, have no meaning any more."""
    for name, value in given.items():
        if value:
            say(f"--{name.replace('_', '-')} is not used any more")


def print_text(text: str) -> None:
    """Write text to standard output as UTF-8, whatever the locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
    sys.stdout.buffer.flush()
