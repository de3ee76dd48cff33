"""Prints the release notes of one version: its section of CHANGELOG.md.

    python scripts/release_notes.py 0.2.0 > notes.md

Each entry is printed on one line, because GitHub shows every line's end in release notes as a break. `Unreleased` names
the section of what has not been released yet. The exit status is 1 if the file has no such section.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
_HEADING = re.compile(r"##\s+\[?v?([^\s\]]+)")
"""A section's heading: `## 0.2.0`, `## [0.2.0] - 2026-12-01`, `## Unreleased`."""
_OPENS_A_BLOCK = re.compile(r"\s*([-*#>|]|\d+\.\s|```)")


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each version's section, without its heading, in the order of the file."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            lines = found.setdefault(heading[1], [])
        else:
            lines.append(line)  # what stands before the first heading belongs to no version
    return found


def unwrapped(lines: list[str]) -> str:
    """Return the lines with every paragraph and every entry of a list on one line; blocks of code stay as they are."""
    result: list[str] = []
    in_code = False
    for line in lines:
        fence = line.lstrip().startswith("```")
        goes_on = line.strip() and result and result[-1].strip() and not result[-1].startswith("#")
        if goes_on and not in_code and not _OPENS_A_BLOCK.match(line):
            result[-1] = f"{result[-1].rstrip()} {line.strip()}"
        else:
            result.append(line.rstrip())
        in_code ^= fence
    return "\n".join(result).strip("\n")


def notes(text: str, version: str) -> str:
    """Return the release notes of a version; raise `LookupError`, with the versions that there are, if it has none."""
    found = sections(text)
    wanted = version.removeprefix("v")
    if wanted not in found:
        raise LookupError(f"no section '{wanted}'; there are: {', '.join(found) or 'none'}")
    body = unwrapped(found[wanted])
    if not body:
        raise LookupError(f"the section '{wanted}' is empty")
    return body


def main(argv: list[str] | None = None) -> int:
    """Print the notes of the version that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Print one version's section of the changelog as release notes."
    )
    parser.add_argument(
        "version", help="the version, such as 0.2.0 or v0.2.0; Unreleased for what comes next"
    )
    parser.add_argument(
        "--changelog", type=Path, default=CHANGELOG, help="the file to read (default: CHANGELOG.md)"
    )
    options = parser.parse_args(argv)
    try:
        print(notes(options.changelog.read_text(encoding="utf-8"), options.version))
    except LookupError as error:
        print(f"{options.changelog}: {error.args[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
