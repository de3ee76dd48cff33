"""How names, values and structures stand in a manifest: as YAML, behind Argo's tags, and behind Kubernetes' references.

Three readers look at a text before a container has it. YAML: Kubernetes' reader knows YAML 1.1, where `y`, `on` and `1e3`
are no texts. Argo: it replaces `{{...}}` wherever it stands. Kubernetes: it replaces `$(NAME)` and `$$` in the command,
the arguments and the environment of a container.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BRACE = "MAGNUS_BRACE"
"""A variable that holds one opening brace: `{$(MAGNUS_BRACE)` is what Argo does not take for a tag."""
OWN_BRACE = "MAGNUS_OWN_BRACE"
"""The same for a template's own environment. Argo puts that before the shared one, and Kubernetes replaces `$(NAME)`
only where the variable stands further up."""
_PLAIN = re.compile(
    r"-{0,2}[A-Za-z_/][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+(][A-Za-z0-9_./+()-]*)*|\$\([A-Za-z_][A-Za-z0-9_]*\)"
)
_DEPENDS = re.compile(r"[a-z(][-a-zA-Z0-9_.|&!() ]*")
_LONG = 100
"""Characters of a condition that no longer stands on one line."""
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = frozenset(
    word
    for plain in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
    for word in (plain, plain.capitalize(), plain.upper())
)
"""Words that YAML 1.1 or 1.2 does not read as texts (yaml.org/type/bool.html, yaml.org/type/null.html)."""
_LITERAL = re.compile(r"(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u2028\u2029\ufffe\uffff\r]|\t)*")


def scalar(value: Any) -> str:
    """Return a value as a scalar on one line, texts quoted where any reader could take them for something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value not in _WORDS:
        return str(value)
    return quoted(value)


def key(text: str) -> str:
    """Return the key of a mapping."""
    return text if _KEY.fullmatch(text) and text not in _WORDS else quoted(text)


def depends(expression: str, indent: int) -> str:
    """Return what a task depends on, on one line. If that is long, each outcome has a line, indented by `indent`."""
    if len(expression) > _LONG:
        pad = "\n" + " " * indent
        return f">-{pad}" + pad.join(re.split(r" (?=\|\| |&& )", expression))
    return expression if _DEPENDS.fullmatch(expression) else quoted(expression)


def block(value: Any, indent: int) -> str:
    """Return a structure in block style, each line indented, without the last newline; an empty one is `{}` or `[]`."""
    return "\n".join(_lines(value, " " * indent))


def text(value: str, indent: int) -> str:
    """Return a text as it stands behind `key: `: a literal block where it has lines, else a scalar."""
    lines = value.split("\n")
    if len(lines) < 2 or not _LITERAL.fullmatch(value) or not lines[0].strip() or lines[0][0] in " \t":
        return scalar(value)
    if value.endswith("\n\n"):
        return scalar(value)
    mark, body = ("|", lines[:-1]) if value.endswith("\n") else ("|-", lines)
    pad = " " * indent
    return "\n".join([mark, *(f"{pad}{line}" if line else "" for line in body)])


def comment(value: str) -> str:
    """Return a user's text as it may stand in a comment."""
    return "".join(c if c.isprintable() else " " for c in value)


def inert(value: str, brace: str = BRACE) -> str:
    """Return a text for a container's command, arguments or environment that arrives there as it is.

    Kubernetes reads `$$` as one dollar ("Define Dependent Environment Variables"). Argo must not see a tag: of two braces
    the second comes from a variable, whose name is `brace`.
    """
    escaped = re.sub(r"\$(?=[$(])", "$$", value)
    return re.sub(r"(?<=\{)\{", f"$({brace})", escaped)


def marker(source: str) -> str:
    """Return a mark for `broken`, '' if the text needs none.

    A script reaches its container by an environment variable of an init container. On this way Argo would replace
    `{{...}}` in it, and Kubernetes would replace `$(...)`.
    """
    if not re.search(r"\{\{|\$\$|\$\([A-Z_][A-Z0-9_]*\)", source):
        return ""
    length = 1
    while re.search(r"[{$]" + "@" * length, source):
        length += 1
    return "@" * length


def broken(source: str, mark: str) -> str:
    """Return a script with a mark behind every brace and dollar that Argo or Kubernetes could replace."""
    if not mark:
        return source
    return re.sub(r"\{(?=\{)|\$(?=[$(])", lambda found: found[0] + mark, source)


def quoted(value: str) -> str:
    """Return a text in quotes, whatever is in it."""
    if '"' in value and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    found = json.dumps(value, ensure_ascii=False)
    # JSON does not escape all that YAML forbids or folds: some control characters, and the line separators.
    return re.sub(
        r"[\x7f-\x9f\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff]", lambda c: f"\\u{ord(c[0]):04x}", found
    )


def _lines(value: Any, pad: str) -> Iterator[str]:
    """Yield the lines of a structure; nests no deeper than what its own author wrote."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _member(f"{pad}{key(str(name))}:", inner, pad)
    elif isinstance(value, list) and value:
        for inner in value:
            if isinstance(inner, dict | list) and inner:
                first, *rest = _lines(inner, f"{pad}  ")
                yield f"{pad}- {first[len(pad) + 2:]}"
                yield from rest
            else:
                yield from _member(f"{pad}-", inner, pad)
    else:
        yield pad + _leaf(value, len(pad) + 2)


def _member(head: str, inner: Any, pad: str) -> Iterator[str]:
    if isinstance(inner, dict | list) and inner:
        yield head
        yield from _lines(inner, f"{pad}  ")
    else:
        yield f"{head} {_leaf(inner, len(pad) + 2)}"


def _leaf(value: Any, indent: int) -> str:
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return text(value, indent) if isinstance(value, str) else scalar(value)
