"""Compares every generated file of the repository with what its generator makes of it now: `make check-generated`.

Nothing of the repository is written. The exit status is 1 if a file differs, is missing, or is left over; the difference is
printed, with the command that writes the file anew. Lock files are not resolved anew, because that would need a package
index: they are checked for holding a version of every package that pyproject.toml asks for.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import argo_fields, integrations_page, reference_pages
from tests import golden
from tests.bad import cases

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
LOCKED_EXTRAS = ("dev", "docs", "aws", "notebook", "examples")
"""Those that scripts/lock.sh resolves."""


@dataclass(frozen=True)
class Generated:
    """Files that one command writes."""

    what: str
    again: str
    """The command that writes them anew."""
    files: Callable[[], Iterator[tuple[Path, str]]]
    """Yields each file with the text that it should have. It may change the working folder."""
    there: Callable[[], set[Path]]
    """Returns the files of this kind that the repository has."""


def golden_files() -> Iterator[tuple[Path, str]]:
    """Yield what each case of tests/golden is rendered to, for each target."""
    for case, target in golden.pairs():
        yield from golden.outputs(case, target)


def golden_files_there() -> set[Path]:
    """Return the files of tests/golden that have the name of an output."""
    patterns = [name.replace(".", "*.", 1) for name in golden.OUTPUTS.values()]
    return {path for pattern in patterns for path in golden.FOLDER.glob(f"*/{pattern}")}


def diagnostics() -> Iterator[tuple[Path, str]]:
    """Yield what is printed for each definition of tests/bad/cases."""
    os.chdir(cases.FOLDER)
    for name in cases.names():
        yield cases.expected_file(name), cases.outcome(name)


def argo_table() -> Iterator[tuple[Path, str]]:
    """Yield the table of the fields of Argo's objects."""
    yield argo_fields.TARGET, argo_fields.table()


GENERATED = (
    Generated("golden files", "make golden", golden_files, golden_files_there),
    Generated(
        "expected diagnostics",
        "python -m tests.bad.cases",
        diagnostics,
        lambda: set(cases.FOLDER.glob("*.expected")),
    ),
    Generated(
        "what works with what",
        "python -m scripts.integrations_page",
        lambda: iter([(integrations_page.TARGET, integrations_page.page())]),
        lambda: {integrations_page.TARGET},
    ),
    Generated(
        "the reference",
        "python -m scripts.reference_pages",
        reference_pages.pages,
        lambda: set(reference_pages.FOLDER.glob("*.md")),
    ),
    Generated("fields of Argo", "python scripts/argo_fields.py", argo_table, lambda: {argo_fields.TARGET}),
)


def differences(generated: Generated) -> Iterator[str]:
    """Yield a text for each file that is not what its generator makes."""
    expected: set[Path] = set()
    for path, text in generated.files():
        expected.add(path)
        found = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        if found != text:
            pair = found.splitlines(keepends=True), text.splitlines(keepends=True)
            yield "".join(
                difflib.unified_diff(*pair, _name(path), "generated anew")
            ) or f"{_name(path)}: empty\n"
    for path in sorted(generated.there() - expected):
        yield f"{_name(path)}: left over: nothing generates it\n"


def missing_from_lock(project: str, lock: str) -> Iterator[str]:
    """Yield each requirement of a pyproject.toml that a lock file has no fitting version for."""
    table = tomllib.loads(project)["project"]
    texts = [*table["dependencies"]]
    for extra in LOCKED_EXTRAS:
        texts += table["optional-dependencies"][extra]
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE):
        locked.setdefault(canonicalize_name(name), []).append(version)
    for text in texts:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            yield f"{text}: {LOCK.name} has {', '.join(versions) or 'none'}"


def main() -> int:
    """Check everything; print what differs; return the exit status."""
    status = 0
    before = os.getcwd()
    for generated in GENERATED:
        try:
            found = list(differences(generated))
        finally:
            os.chdir(before)
        if found:
            status = 1
            print(
                "".join(found)
                + f"{generated.what}: {len(found)} differ; if the change is meant: {generated.again}"
            )
    missing = list(missing_from_lock((ROOT / "pyproject.toml").read_text(), LOCK.read_text()))
    if missing:
        status = 1
        print("\n".join([*missing, "lock file: run make lock"]))
    return status


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
