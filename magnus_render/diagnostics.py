"""Diagnostics: messages about a definition with place and fix; their codes, and their output formats.

A code is `MR` and three digits: 001 to 099 for the language and the graph (`spec/codes.py`), 100 and above for findings
of targets. Modules have only the codes. The explanation of a code is a Markdown file with its name, which
`magnus explain` prints and the documents show, so that a message can stay short.
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from magnus_render.errors import Refused
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Severity = Literal["error", "warning"]
Format = Literal["text", "json", "sarif", "github"]
FORMATS: tuple[Format, ...] = ("text", "json", "sarif", "github")

_SNIPPET_WIDTH = 100
_PLACE_KEEPER = "\N{MIDDLE DOT}"


class Code(NamedTuple):
    """The meaning of a code: a title of a few words, and its explanation in paragraphs, with an example where it helps."""

    code: str
    title: str
    explanation: str


_folders: list[str] = []


def explained_beside(module: str) -> None:
    """Say that the codes of a module are explained in the folder `explanations` beside it; `module` is its `__file__`.

    `CODE.md` there holds one code: its title as heading, then the explanation.
    """
    folder = os.path.join(os.path.dirname(module), "explanations")
    if folder not in _folders:
        _folders.append(folder)


def explained() -> dict[str, Code]:
    """Return the explanations of all packages that are imported, by code; raise `ValueError` for a code explained twice."""
    codes: dict[str, Code] = {}
    for folder in _folders:
        for file in sorted(os.listdir(folder)):
            name, ending = os.path.splitext(file)
            if ending == ".md":
                if name in codes:
                    raise ValueError(f"diagnostic code {name} is explained twice: once in {folder}")
                codes[name] = _read(name, os.path.join(folder, file))
    return codes


def explanation(code: str) -> Code:
    """Return the meaning of one code; for a code without an explanation, the code alone."""
    for folder in _folders:
        path = os.path.join(folder, f"{code}.md")
        if os.path.exists(path):
            return _read(code, path)
    return Code(code, code, "")


def _read(code: str, path: str) -> Code:
    with open(path, encoding="utf-8") as file:
        heading, _, text = file.read().partition("\n")
    return Code(code, heading.removeprefix("# ").strip(), text.strip() + "\n")


@dataclass(frozen=True)
class Diagnostic:
    """One finding. `line` and `column` count from 1, in characters; 0 where there is no place to point at."""

    code: str
    severity: Severity
    message: str
    """What is wrong, without a full stop; names the step or field."""
    file: str
    """The path as the user gave it; '' where no file is involved."""
    line: int = 0
    column: int = 0
    fix: str = ""
    """The likely fix, '' if there is none to suggest."""
    snippet: str = field(default="", repr=False)
    """The source line, without its line break."""
    width: int = 1
    """How many characters to mark, from `column`."""

    def __str__(self) -> str:
        """Return the text form: place, code, message; the source line with a caret; the fix."""
        place = safe(self.file)
        if self.line:
            place += f":{self.line}:{self.column}"
        head = f"{place}: " if place else ""
        lines = [f"{head}{self.severity} {self.code}: {safe(self.message)}"]
        if self.line:
            lines += _snippet(self.snippet, self.line, self.column, self.width)
        if self.fix:
            lines.append(f"  help: {safe(self.fix)}")
        return "\n".join(lines)


class DefinitionError(Refused):
    """A definition that cannot be used; carries every diagnostic found, warnings included, in order of place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = list(diagnostics)
        super().__init__(format_text(self.diagnostics))

    def shown(self) -> str:
        """Return the text for standard error: a place begins each line."""
        return str(self)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Tell whether any of them is an error."""
    return any(item.severity == "error" for item in diagnostics)


def _cells(text: str) -> int:
    """Return how many terminal cells a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def _snippet(source: str, line: int, column: int, width: int) -> list[str]:
    start = max(0, min(column - 1, len(source)) - _SNIPPET_WIDTH // 2)
    if len(source) <= _SNIPPET_WIDTH:
        start = 0
    shown = source[start : start + _SNIPPET_WIDTH]
    shown = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") else _PLACE_KEEPER for c in shown
    )
    before = column - 1 - start
    marked = max(1, min(width, len(shown) - before))
    number = str(line)
    caret = " " * _cells(shown[:before]) + "^" * max(1, _cells(shown[before : before + marked]))
    return [f"  {number} | {shown}".rstrip(), f"  {' ' * len(number)} | {caret}"]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_text(diagnostics: Sequence[Diagnostic]) -> str:
    """Return all diagnostics in text form and a last line that counts them; '' if there are none."""
    if not diagnostics:
        return ""
    errors = sum(item.severity == "error" for item in diagnostics)
    counts = [(errors, "error"), (len(diagnostics) - errors, "warning")]
    summary = ", ".join(_count(number, noun) for number, noun in counts if number)
    first = next((item.code for item in diagnostics if item.severity == "error"), "")
    hint = f"`magnus explain {first}` tells more" if errors else ""
    return "\n".join([*map(str, diagnostics), f"{summary}; {hint}" if hint else summary])


def format_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return a JSON array of objects with the fields of `Diagnostic`."""
    items = [
        {
            "code": item.code,
            "severity": item.severity,
            "file": item.file,
            "line": item.line,
            "column": item.column,
            "message": item.message,
            "fix": item.fix,
            "snippet": item.snippet,
        }
        for item in diagnostics
    ]
    return json.dumps(items, indent=2)


def format_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Return workflow commands, one a line, that a GitHub Actions log turns into annotations."""
    return "\n".join(
        f"::{item.severity} {_github_place(item)}title={_github_property(item.code)}::"
        + _github_data(item.message + (f" (help: {item.fix})" if item.fix else ""))
        for item in diagnostics
    )


def _github_place(item: Diagnostic) -> str:
    place = f"file={_github_property(item.file)}," if item.file else ""
    return f"{place}line={item.line},col={item.column}," if item.line else place


def _github_data(text: str) -> str:
    return safe(text).replace("%", "%25")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def format_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """Return a SARIF 2.1.0 log with one run: what code scanning services read."""
    rules = [_sarif_rule(code) for code in dict.fromkeys(item.code for item in diagnostics)]
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "magnus", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(item, numbers[item.code]) for item in diagnostics],
            }
        ],
    }
    return json.dumps(log, indent=2)


def _sarif_rule(code: str) -> dict[str, Any]:
    entry = explanation(code)
    rule: dict[str, Any] = {"id": code, "shortDescription": {"text": entry.title}}
    if entry.explanation:
        rule["help"] = {"text": entry.explanation}
    return rule


def _sarif_result(item: Diagnostic, rule: int) -> dict[str, Any]:
    text = item.message + (f"\nhelp: {item.fix}" if item.fix else "")
    result: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": item.severity,
        "message": {"text": text},
    }
    if item.file:
        from urllib.parse import quote

        place: dict[str, Any] = {"artifactLocation": {"uri": quote(item.file.replace("\\", "/"))}}
        if item.line:
            place["region"] = {
                "startLine": item.line,
                "startColumn": item.column,
                "endColumn": item.column + item.width,
                "snippet": {"text": item.snippet},
            }
        result["locations"] = [{"physicalLocation": place}]
    return result


def format_diagnostics(diagnostics: Sequence[Diagnostic], form: Format) -> str:
    """Return the diagnostics in one of `FORMATS`."""
    if form == "json":
        return format_json(diagnostics)
    if form == "sarif":
        return format_sarif(diagnostics)
    if form == "github":
        return format_github(diagnostics)
    return format_text(diagnostics)
