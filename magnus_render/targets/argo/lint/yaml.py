"""Reads a manifest as Kubernetes does, which is not as PyYAML does.

Kubernetes' and Argo's tools read YAML by the Go package yaml.v2: `y` and `n` are truth values, `1e3` and `0o17` numbers,
`12:30` and `2024-01-31` texts. A key given twice is refused by what reads strictly, such as `argo lint`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Hashable

    _Base = yaml.SafeLoader
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PREFIX = "tag:yaml.org,2002:"
_TRUE = "y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON"
_FALSE = "n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
_INTEGER = r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]*|0[bB][01_]+|[1-9][0-9_]*)"
_FLOAT = r"[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"


class _Reader(_Base):
    """A reader that takes plain words for what yaml.v2 takes them for."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping; raise `yaml.YAMLError` if a key stands there twice."""
        made = super().construct_mapping(node, deep)
        if len(made) < len(node.value):
            seen = set()
            for key, _ in node.value:
                if key.value in seen:
                    mark = key.start_mark
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' is given twice", mark
                    )
                seen.add(key.value)
        return made


def _integer(reader: _Reader, node: yaml.ScalarNode) -> int:
    plain = node.value.replace("_", "")
    sign, digits = ("-", plain[1:]) if plain.startswith("-") else ("", plain.lstrip("+"))
    octal = len(digits) > 1 and digits[0] == "0" and digits.isdecimal()
    return int(sign + digits, 8 if octal else 0)


def _float(reader: _Reader, node: yaml.ScalarNode) -> float:
    plain = node.value.replace("_", "").lower()
    return float(plain.replace(".inf", "inf").replace(".nan", "nan"))


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return by the first character of a plain word what it may be: (tag, pattern)."""
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for tag, pattern, first in (
        ("bool", f"{_TRUE}|{_FALSE}", "yYnNtTfFoO"),
        ("null", "~|null|Null|NULL", "~nN"),
        ("int", _INTEGER, "-+0123456789"),
        ("float", _FLOAT, "-+0123456789."),
        ("merge", "<<", "<"),
    ):
        for character in first:
            found.setdefault(character, []).append((_PREFIX + tag, re.compile(rf"(?:{pattern})\Z")))
    return {**found, "": [(_PREFIX + "null", re.compile(r"\Z"))]}


_Reader.yaml_implicit_resolvers = _resolvers()
_Reader.bool_values = {**_Base.bool_values, "y": True, "n": False}
_Reader.add_constructor(_PREFIX + "int", _integer)
_Reader.add_constructor(_PREFIX + "float", _float)


def load(text: str) -> list[Any]:
    """Return the objects of a manifest's text; raise `yaml.YAMLError` if it is no YAML."""
    return list(yaml.load_all(text, Loader=_Reader))
