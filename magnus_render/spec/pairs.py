r"""Characters beyond U+FFFF as JSON escapes them: `"\ud83c\udf89"`, a pair of surrogates.

YAML includes JSON (YAML 1.2, 1.3 "Relation to JSON"), but libyaml refuses such escapes. So `substituted` replaces each
escape by one of the same length that libyaml accepts, for a private character that the document does not use. `restored`
makes the meant character of what libyaml returns. As no length changes, all positions stay right.
"""

from __future__ import annotations

import re

_PAIR = re.compile(rb"\\u([dD])([89abAB][0-9a-fA-F]{2})\\u([dD])([c-fC-F][0-9a-fA-F]{2})")
_STANDS_IN = re.compile("[\ue800-\uefff]")
_WRITTEN = re.compile(r"\\(?:u|U0000)[eE][89a-fA-F][0-9a-fA-F]{2}")
_NOT_DECODED = re.compile(r"(\\u)([eE])([89a-fA-F][0-9a-fA-F]{2})")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NIBBLES = {b"d": b"e", b"D": b"E"}


def has_pairs(data: bytes) -> bool:
    """Tell whether a document may hold such escapes."""
    return _PAIR.search(data) is not None


def substituted(data: bytes, text: str) -> bytes:
    """Return a document with other escapes for its pairs; b'' if the document itself uses the private characters."""
    if _STANDS_IN.search(text) or _WRITTEN.search(text):
        return b""
    return _PAIR.sub(lambda m: rb"\u%b%b\u%b%b" % (_NIBBLES[m[1]], m[2], _NIBBLES[m[3]], m[4]), data)


def restored(value: str) -> str:
    """Return a scalar of a substituted document as it was meant; raise ValueError if half a pair is left.

    Outside of double quotes, or behind another backslash, such characters are no escape. There the original characters
    are put back.
    """
    if "\\" in value:
        value = _NOT_DECODED.sub(lambda m: m[1] + ("d" if m[2] == "e" else "D") + m[3], value)
    return joined(_STANDS_IN.sub(lambda m: chr(ord(m[0]) - 0x1000), value))


def joined(value: str) -> str:
    """Return a text with each pair of surrogates as one character; raise ValueError if half a pair is left."""
    if _SURROGATE.search(value):
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if _SURROGATE.search(value):
            raise ValueError("invalid Unicode character escape code")
    return value
