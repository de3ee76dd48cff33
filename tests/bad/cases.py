"""The seeded bad definitions: `cases/NAME.yaml`, and beside each `NAME.expected`, what is printed for it.

A first line `# config: FILE` gives a configuration file, `# environment: NAME=value ...` variables, `# parameters` says
that the file is one of initial parameters, `# check` that the target's own checks run too, `# strict`
that it is rendered for bash with `--strict`.
`python -m tests.bad.cases` writes all expected files anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from magnus_render.diagnostics import DefinitionError
from magnus_render.graph.load import load, load_parameters
from magnus_render.render.check import check
from magnus_render.render.pipeline import render

FOLDER = Path(__file__).parent / "cases"


def names() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def expected_file(name: str) -> Path:
    """Return the file that holds what is printed for a case."""
    return FOLDER / f"{name}.expected"


def outcome(name: str) -> str:
    """Return what is printed for a case. The working folder must be `FOLDER`."""
    file = f"{name}.yaml"
    with open(file, "rb") as opened:
        first = opened.readline().decode("utf-8", "replace").strip()
    config, environ = None, {}
    if first.startswith("# config: "):
        config = first.removeprefix("# config: ")
    if first.startswith("# environment: "):
        environ = dict(pair.split("=") for pair in first.removeprefix("# environment: ").split())
    try:
        if first == "# parameters":
            load_parameters(file)
        elif first == "# check":
            raise DefinitionError(check(file)[1])
        elif first == "# strict":
            render(file, "bash", strict=True)
        else:
            load(file, config, environ=environ)
    except DefinitionError as error:
        return f"{error}\n"
    raise AssertionError(f"{file} is accepted")


def update() -> None:
    """Write all expected files."""
    os.chdir(FOLDER)
    for name in names():
        expected_file(name).write_text(outcome(name), encoding="utf-8", newline="")


if __name__ == "__main__":
    update()
