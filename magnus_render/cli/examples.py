"""An example of every command, typed in the folder of a project. `magnus COMMAND --help` and the reference show it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typer import Typer

EXAMPLES = {
    "render": (
        "magnus render dag.yaml --target bash -o run.sh",
        "magnus render dag.yaml --target bash --check run.sh",
    ),
    "render --all": ("magnus render --all", "magnus render --all --check --env dev"),
    "bundle": ("magnus bundle dag.yaml --target stepfunctions -c aws.yaml -o deploy",),
    "execute": (
        "magnus execute -f dag.yaml --run-id monday",
        "magnus execute --run-id tuesday --use-cached monday --param limit=3",
    ),
    "init": ("magnus init my-project",),
    "validate": ("magnus validate dag.yaml", "magnus validate --format github"),
    "test": ("magnus test dag.yaml cases.yaml",),
    "plan": ("magnus plan HEAD:./dag.yaml dag.yaml", "magnus plan dag.yaml --use-cached monday"),
    "graph": (
        "magnus graph dag.yaml --format ascii",
        "magnus graph dag.yaml --run monday --format svg > run.svg",
    ),
    "image": ("magnus image --requirements requirements.txt",),
    "runs": ("magnus runs list",),
    "runs list": ("magnus runs list -n 5", "magnus runs list -f dag.yaml --json"),
    "runs show": ("magnus runs show monday", "magnus runs show monday --step fetch"),
    "runs resume": ("magnus runs resume monday",),
    "runs cancel": ("magnus runs cancel monday",),
    "runs log": ("magnus runs log monday fetch", "magnus runs log monday --follow"),
    "runs files": ("magnus runs files monday",),
    "runs get": ("magnus runs get monday report.json -o results",),
    "runs report": ("magnus runs report monday -o monday.html",),
    "runs export": ("magnus runs export monday --format openlineage -o monday.ndjson",),
    "runs diff": ("magnus runs diff monday tuesday",),
    "runs prune": ("magnus runs prune --older-than 30 --dry-run", "magnus runs prune monday"),
    "ci": ("magnus ci github",),
    "explain": ("magnus explain MR042",),
    "schema": ("magnus schema > dag.schema.json",),
    "targets": ("magnus targets",),
    "execute_step": (
        "magnus execute_step fetch -f dag.yaml",
        "magnus execute_step 'each shop._.average' -f dag.yaml --param shop=mill",
    ),
    "execute_function": ("magnus execute_function prices.fetch",),
    "execute_notebook": ("magnus execute_notebook report.ipynb --param limit=3",),
}
"""Command, as it is typed after `magnus` -> its examples. A test types all of them."""


def epilog(command: str) -> str:
    """Return the end of a command's help, with its examples; `\\b` keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[command])])


def put_below(command: str, app: Typer) -> Any:
    """Add the examples to the help of each command of a group, and return the end of the group's own help."""
    for inner in app.registered_commands:
        inner.epilog = epilog(f"{command} {inner.name}")
    return epilog(command)
