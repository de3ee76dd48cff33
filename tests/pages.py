"""Follows a page of documentation to the letter, in a fresh folder: what it shows is saved and typed, in its order.

- A block of code with `title="NAME"` is a file, which is saved.
- In a block of `console`, what follows `$ ` is typed, and the lines below it are what it prints, errors included. A
  command succeeds, unless the next one asks for its status (`echo $?`).

`python -m tests.pages PAGE...` types the commands of pages, and puts into them what they print now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.tools import environment, require

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
STATUS = "echo $?"
MARK = r"x=$?; printf '\36%s\36' $x; (exit $x)"
"""Ends what a command prints with its status, which the next command can still ask for."""
GIT = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
"""Whose commits those of a page are; no configuration of the machine counts."""
FOLDER = "/home/ada/new"
"""What a page shows for the path of the folder in which it is followed."""
UNSTABLE = (
    (re.compile(r"\b\d+(\.\d+)? s\b"), "N s"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (KiB|MiB|B)\b"), "N bytes"),
    (re.compile(r"\b[0-9a-f]{12}([0-9a-f]{4})?\b"), "HASH"),
    (re.compile(r"\bmagnus-render==\S+"), "magnus-render==VERSION"),
    (re.compile(r"\bpython:3\.\d+"), "python:3.N"),
)
"""What differs from run to run, and what stands for it in a comparison."""


@dataclass(frozen=True)
class Typed:
    """A command of a page."""

    line: str
    shown: str
    """What the page says that it prints."""
    printed: str
    status: int


def fenced(text: str, language: str) -> list[str]:
    """Return the blocks of one language of a page."""
    return [code for name, _, code in BLOCK.findall(text) if name == language]


def indented(text: str) -> list[str]:
    """Return the lines of a page that four blanks make code."""
    return [line[4:] for line in BLOCK.sub("", text).splitlines() if line.startswith("    ")]


def run(folder: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bash in a folder, with no `MAGNUS_*` in its environment."""
    return subprocess.run(
        [require("bash"), "-c", script],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def follow(text: str, folder: Path) -> list[Typed]:
    """Save and type what a page shows, in one shell, and return its commands."""
    commands: list[tuple[str, str]] = []
    script = "exec 2>&1\n"
    for language, words, code in BLOCK.findall(text):
        title = re.search(r'title="([^"]+)"', words)
        if title:
            script += f"cat > '{title[1]}' <<'END_OF_FILE'\n{code}END_OF_FILE\n"
        elif language == "console":
            found = COMMAND.findall(code)
            commands += found
            script += "".join(f"{line}\n{MARK}\n" for line, _ in found)
    variables = {"COLUMNS": "80", "NO_COLOR": "1", "GIT_CONFIG_GLOBAL": os.devnull, **GIT}
    printed = run(folder, script, **variables).stdout
    parts = printed.replace(str(folder), FOLDER).split("\36")
    return [
        Typed(line, shown, printed, int(status))
        for (line, shown), printed, status in zip(commands, parts[::2], parts[1::2], strict=False)
    ]


def stable(text: str) -> str:
    """Return what is printed without what differs from run to run, the steps that ended in the order of their names."""
    for pattern, word in UNSTABLE:
        text = pattern.sub(word, text)
    together = re.compile(r"(^magnus: [^\n]*\.\d+\.[^\n]*\n)+", re.MULTILINE)
    return together.sub(lambda lines: "".join(sorted(lines[0].splitlines(keepends=True))), text)


def differences(text: str, folder: Path) -> list[str]:
    """Follow a page, and return a text for each command that does not do what the page says."""
    typed = follow(text, folder)
    following = [*(one.line for one in typed), ""][1:]
    found = [
        f"$ {one.line}\n{one.printed}(status {one.status})"
        for one, then in zip(typed, following, strict=False)
        if stable(one.printed) != stable(one.shown) or (one.status and then != STATUS)
    ]
    count = sum(len(COMMAND.findall(code)) for code in fenced(text, "console"))
    return found if len(typed) == count else [*found, f"{len(typed)} of {count} commands were typed"]


def printed_anew(text: str, typed: list[Typed]) -> str:
    """Return a page that shows what its commands have printed, the text of those that print what it says left alone."""
    end, parts = 0, []
    for one in typed:
        start = text.index(f"$ {one.line}\n{one.shown}", end)
        same = stable(one.printed) == stable(one.shown)
        parts += [text[end:start], f"$ {one.line}\n", one.shown if same else one.printed]
        end = start + len(f"$ {one.line}\n{one.shown}")
    return "".join([*parts, text[end:]])


def main(pages: list[str]) -> None:
    """Put into each page what its commands print."""
    for page in map(Path, pages):
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(printed_anew(text, follow(text, Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
