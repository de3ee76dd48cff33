"""The spellings in which a secret can be read: as it is, and as Python, JSON, shells, URLs, markup and base64 write it.

Imported only by a step that has secrets. docs/semantics.md, "Secrets", lists what is known here and what is not.
"""

from __future__ import annotations

import json
from binascii import b2a_base64

from magnus_render.runtime.masking import SHORTEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator

_WIDTHS = (76, 64)
"""Characters of a line of base64: as `base64` and MIME write it, and as openssl and PEM do."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_RESERVED = rb"[^A-Za-z0-9_.~-]"
_LEFT = (b"", b"/", b"!'()*", b"$&+,;=", b";,/?:@&=+$#!'()*")
"""What is left as it is by quote_plus, quote, encodeURIComponent, Go's user part of a URL, and encodeURI."""
_GO = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_MARKUP = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKUPS: tuple[dict[str, str], ...] = (
    {},
    {'"': "&quot;"},
    {'"': "&quot;", "'": "&#x27;"},
    {'"': "&#34;", "'": "&#39;"},
)
"""What is replaced besides: in text, in XML's attributes, by Python's `html.escape`, by Go and Jinja."""
_BASH_LETTERS = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 27: b"E"}
_ESCAPE = r"\\(?:([abefnrtv\\])|0?([0-7]{1,3}))"
"""What dash's `echo`, `echo -e` and `printf %b` replace; keys are often kept with `\\n` for the ends of their lines."""
_ESCAPED = dict(zip("abefnrtv\\", "\a\b\x1b\f\n\r\t\v\\", strict=True))


def maskable(value: str) -> bool:
    """Tell whether a value has a line that is long enough to be masked."""
    return any(len(line.strip()) >= SHORTEST for line in _lines(value))


def spellings(value: str) -> set[bytes]:
    """Return the texts to mask for a value, each of at least `SHORTEST` bytes: no text at all for a short value."""
    found: set[bytes] = set()
    if len(value.strip()) < SHORTEST:
        return found
    import re

    for text in {value, re.sub(_ESCAPE, _unescaped, value)}:
        for unit in _units(text):
            found.update(map(encoded, _quoted(unit)))
            found.update(_of_bytes(encoded(unit)))
            found.update(_based(encoded(unit)))
    found.update(_based(encoded(value.strip())))
    for width in _WIDTHS:
        found.update(_wrapped(encoded(value), width))
    return {text for text in found if len(text) >= SHORTEST}


def encoded(text: str) -> bytes:
    """Return a text as bytes: those of the environment as they were, half characters as a stream writes them."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _lines(value: str) -> list[str]:
    return value.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _units(value: str) -> Iterator[str]:
    """Yield each line that is long enough, and again with the short ones around it, which alone are not masked."""
    groups: list[list[str]] = [[]]
    begun = False
    for line in _lines(value):
        long = len(line.strip()) >= SHORTEST
        if long and begun:
            groups.append([])
        begun = begun or long
        groups[-1].append(line)
        if long:
            yield line.strip()
    for group in groups:
        for end in ("\n", "\r\n"):
            joined = end.join(group).strip()
            if len(joined) >= SHORTEST:
                yield joined


# ---- quoting ----


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED[found[1]] if found[1] else chr(int(found[2], 8) & 255)


def _quoted(text: str) -> Iterator[str]:
    import re

    yield text
    for once in {*_json(text), *_python(text)}:
        yield once
        yield from _json(once)  # a message of a structured log
    yield text.replace("'", "''")  # YAML, SQL
    for also in _MARKUPS:
        yield text.translate({ord(character): entity for character, entity in (_MARKUP | also).items()})
    for quoted in ("'\\''", "'\"'\"'"):
        yield text.replace("'", quoted).strip("'")
    yield re.sub("'+", "'\"\\g<0>\"'", text).strip("'")
    yield re.sub(r'["\\$`]', r"\\\g<0>", text)
    yield re.sub(r"[\t !\"$&'()*,;<>?\[\\\]^`{|}]", r"\\\g<0>", text)


def _json(text: str) -> Iterator[str]:
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    yield plain
    yield plain.translate(_GO)
    yield json.dumps(text)[1:-1]


def _python(text: str) -> Iterator[str]:
    # A double quote in front makes Python choose single quotes around.
    for shown in (repr('"' + text), ascii('"' + text), repr(b'"' + encoded(text))[1:]):
        inner = shown[2:-1]
        yield inner
        yield inner.replace("\\'", "'")


def _of_bytes(data: bytes) -> Iterator[bytes]:
    """Yield what is written byte by byte: a shell's `$'...'`, and URLs."""
    import re

    for rest in (b"\x7f", b"\x7f-\xff"):  # in UTF-8, and in the C locale
        yield re.sub(b"[\\x00-\\x1f\\\\'" + rest + b"]", _dollar_quoted, data)
    if re.search(_RESERVED, data):
        for left in _LEFT:
            for form in (b"%%%02X", b"%%%02x"):
                url = re.sub(_RESERVED, _percent(left, form), data)
                yield url
                yield url.replace(b"%20", b"+")


def _dollar_quoted(found: re.Match[bytes]) -> bytes:
    byte = found[0][0]
    if byte in b"\\'":
        return b"\\" + found[0]
    return b"\\" + _BASH_LETTERS.get(byte, b"%03o" % byte)


def _percent(left: bytes, form: bytes) -> Callable[[re.Match[bytes]], bytes]:
    return lambda found: found[0] if found[0] in left else form % found[0][0]


# ---- base64 ----


def _based(data: bytes) -> Iterator[bytes]:
    """Yield the characters that stand for the data alone, wherever in a longer text it begins."""
    for before in range(3):
        text = b2a_base64(bytes(before) + data, newline=False)
        inner = text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield inner
        yield inner.translate(_URL_SAFE)


def _wrapped(data: bytes, width: int) -> Iterator[bytes]:
    text = next(_based(data)).decode()
    if len(text) > width:
        lines = "\n".join(text[start : start + width] for start in range(0, len(text), width))
        yield from map(encoded, _units(lines))
