"""JSON texts, without `json`: its package loads `re`, and what that needs, at two thirds of the time of `python -c pass`.

Every callback would pay for it, and most need no more than the functions in C that `json` itself calls. They are in a module
of the interpreter's own, which may change: what they do not take is left to `json`, which takes it or says what is wrong.
"""

from __future__ import annotations

try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
except ImportError:  # an interpreter that was built without it: calls of these fail
    encode_basestring = encode_basestring_ascii = make_encoder = make_scanner = None  # type: ignore[assignment, misc]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLANKS = " \t\n\r"


def dumps(
    value: object,
    *,
    sort_keys: bool = False,
    separators: tuple[str, str] = (", ", ": "),
    ensure_ascii: bool = True,
    allow_nan: bool = True,
) -> str:
    """Return the JSON text of a value, by the options of `json.dumps`. Raises `ValueError` or `TypeError` as that does."""
    between, behind_key = separators
    quoted = encode_basestring_ascii if ensure_ascii else encode_basestring
    try:
        encode = make_encoder({}, _refuse, quoted, None, behind_key, between, sort_keys, False, allow_nan)
        return "".join(encode(value, 0))
    except Exception:  # whatever it is, `json` says what is wrong, or takes it
        import json

        return json.dumps(
            value, sort_keys=sort_keys, separators=separators, ensure_ascii=ensure_ascii, allow_nan=allow_nan
        )


def loads(text: str, *, parse_constant: Callable[[str], Any] = float) -> Any:
    """Return the value of a JSON text as `json.loads` does; raise `ValueError` or `RecursionError` as that does.

    `parse_constant` gives the values of `NaN`, `Infinity` and `-Infinity`, which are no JSON.
    """
    stripped = text.strip(_BLANKS)
    try:
        value, end = make_scanner(_Reader(parse_constant))(stripped, 0)  # type: ignore[arg-type]
        if end == len(stripped):
            return value
    except Exception:
        pass  # as above
    import json

    return json.loads(text, parse_constant=parse_constant)


def _refuse(value: object) -> object:
    raise TypeError(type(value).__name__)


class _Reader:
    """What the scanner in C asks for: the options of `json.JSONDecoder`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    def __init__(self, parse_constant: Callable[[str], Any]) -> None:
        self.parse_constant = parse_constant
