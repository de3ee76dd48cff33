"""`jsontext` gives what `json` gives, whatever it is asked: values, texts, options, and what is wrong."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from magnus_render import jsontext

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]
VALUES = [
    None, True, 0, -7, 10**400, 1.5, 1e300, -0.0, float("inf"), float("nan"), "", "a\"b\\\n\x00\x7f", "é 🙂", "\ud800",
    [], {}, [1, [2, (3, "x")], {}], {"b": 1, "a": {"d": None, "c": [True]}}, {1: "x", None: "y", 2.5: "z"}, {1: 1, "a": 2},
    {(1,): 2}, {1, 2}, object, b"bytes", [object()], CIRCLE, DEEP,
]  # fmt: skip
TEXTS = [
    "null", " [1, 2.5e3, -0]\r\n\t", '{"a": {"b": [true, false]}, "a": 2}', '"\\u00e9\\ud83d\\ude42 \\ud800"',
    "12345678901234567890", "NaN",
    "[-Infinity]", "1e999", "", " ", "x", "{", '{"a"', '{"a" 1}', "{'a': 1}", "[1,]", "[1 2]", "1 2", "nul",
    '"open', '"\x01"', '"\\u12"', "\ufeff1", "\u00a01", "01", "+1", ".5", "9" * 5000, "[" * 100_000,
]  # fmt: skip


def outcome(function: Callable[..., Any], *given: Any, **options: Any) -> str:
    """Return what comes of a call: the value, or the error and its text."""
    try:
        return repr(function(*given, **options))
    except (ValueError, TypeError, RecursionError) as error:
        return "RecursionError" if isinstance(error, RecursionError) else f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("value", range(len(VALUES)))
def test_writes_what_json_writes(value: int) -> None:
    for sort_keys, separators, ascii_only, allow_nan in itertools.product(
        (False, True), ((", ", ": "), (",", ":")), (False, True), (False, True)
    ):
        options: dict[str, Any] = {
            "sort_keys": sort_keys,
            "separators": separators,
            "ensure_ascii": ascii_only,
            "allow_nan": allow_nan,
        }
        ours, theirs = (outcome(module.dumps, VALUES[value], **options) for module in (jsontext, json))
        assert ours == theirs


@pytest.mark.parametrize("text", range(len(TEXTS)))
def test_reads_what_json_reads(text: int) -> None:
    assert outcome(jsontext.loads, TEXTS[text]) == outcome(json.loads, TEXTS[text])


def test_a_caller_may_refuse_what_is_no_json() -> None:
    def refuse(constant: str) -> None:
        raise ValueError(f"no {constant}")

    assert outcome(jsontext.loads, "[NaN]", parse_constant=refuse) == "ValueError: no NaN"
    assert jsontext.loads("[1]", parse_constant=refuse) == [1]


@pytest.mark.parametrize("missing", [False, True])
def test_says_what_is_wrong_before_anything_has_loaded_json(missing: bool) -> None:
    """The functions in C rely on `json` having been loaded where a text is wrong; and there may be none."""
    program = f"""
import sys
if {missing}:
    sys.modules["_json"] = None
from magnus_render import jsontext
print(jsontext.loads('[1, {{"a": null}}]'), jsontext.dumps({{"b": 1, "a": "x"}}, sort_keys=True), "json" in sys.modules)
try:
    jsontext.loads('{{"a" 1}}')
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    said = "Expecting ':' delimiter: line 1 column 6 (char 5)"
    assert done.stdout == f"""[1, {{'a': None}}] {{"a": "x", "b": 1}} {missing}\n{said}\n"""
