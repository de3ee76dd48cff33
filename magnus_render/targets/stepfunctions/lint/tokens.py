"""The tokens of JSONata expressions, and the functions that expressions in Step Functions may call."""

from __future__ import annotations

import re

_FUNCTION_NAMES = """
sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad match
contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt power
random boolean not map zip filter single reduce sift keys lookup append exists spread merge reverse each error assert
type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl toMillis
fromMillis clone now millis partition range hash uuid parse
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""Functions of JSONata 2.0.6 but `$eval`, and those that Step Functions adds (developer guide, "JSONata functions
provided by Step Functions")."""

_TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | /\*.*?\*/ )
  | (?P<string> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
  | (?P<number> (?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)? )
  | (?P<quoted> `[^`]*` )
  | (?P<variable> \$[^\s.\[\]{}(),@#;:?+\-*/%|=<>^&!~"'`]* )
  | (?P<op> \.\. | := | != | >= | <= | \*\* | ~> | [.\[\]{}(),@\#;:?+\-*/%|=<>^&] )
  | (?P<name> [^\s.\[\]{}(),@#;:?+\-*/%|=<>^&!~"'`$0-9][^\s.\[\]{}(),@#;:?+\-*/%|=<>^&!~"'`]* )
    """,
    re.VERBOSE | re.DOTALL,
)
_BAD_ESCAPE = re.compile(r"""\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\(?P<bad>u.{0,4}|.)""", re.DOTALL)
_DEPTH = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Problem(Exception):
    """The expression cannot be parsed; the text says why."""


def token_at(code: str, position: int) -> tuple[str, str]:
    """Return kind and text of the token at a position: blank, string, number, quoted, variable, op or name."""
    match = _TOKEN.match(code, position)
    if match is not None:
        return str(match.lastgroup), match.group()
    c = code[position]
    if c in "\"'`":
        raise Problem(f"a string is not closed: {code[position : position + 20]}")
    if code.startswith("/*", position):
        raise Problem("a comment is not closed by '*/'")
    raise Problem(f"{c!r} is not expected here")


def regex_end(code: str, start: int) -> int:
    """Return the position behind the regular expression that begins at a position."""
    position, depth = start + 1, 0
    while position < len(code):
        c = code[position]
        if c == "\\":
            position += 1
        elif c == "/" and not depth:
            break
        else:
            depth += _DEPTH.get(c, 0)
        position += 1
    if position >= len(code):
        raise Problem("a regular expression is not closed by '/'")
    if position == start + 1:
        raise Problem("a regular expression is empty")
    position += 1
    while position < len(code) and code[position] in "im":
        position += 1
    return position


def signature_end(code: str, position: int) -> int:
    """Return the position behind a function's signature, `<n-s:b>`, given that behind its `<`."""
    depth = 1
    while depth and position < len(code):
        depth += {"<": 1, ">": -1}.get(code[position], 0)
        position += 1
    if depth:
        raise Problem("the signature of a function is not closed by '>'")
    return position


def check_escapes(token: str) -> None:
    """Check the escapes of a string, quotes included."""
    for match in _BAD_ESCAPE.finditer(token, 1, len(token) - 1):
        if match["bad"]:
            hint = ": write \\u0027, or use double quotes" if match["bad"] == "'" else ""
            raise Problem(f"JSONata has no escape {match.group()} in strings{hint}")
