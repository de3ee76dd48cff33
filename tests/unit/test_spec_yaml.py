"""Reading YAML: values, keys, positions, aliases."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from magnus_render.spec.report import Source
from magnus_render.spec.tree import Map, resolve
from tests.unit.front_end import tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".", "."),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("1.2.3", "1.2.3"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">\n  a\n  b\n", "a b\n"),
        ("١", "١"),  # a digit, but not of JSON
    ],
)
def test_values(text: str, value: Any) -> None:
    found, codes = tree(f"key: {text}")
    assert codes == []
    assert found["key"] == value
    assert type(found["key"]) is type(value)


def test_keys_stay_as_written() -> None:
    found, codes = tree("no: 1\n1: 2\ny: 3\n1.0: 4\n~: 5\n'': 6\ntrue: 7\n0x1: 8\n")
    assert codes == []
    assert list(found) == ["no", "1", "y", "1.0", "~", "", "true", "0x1"]


def test_equal_keys_in_other_spellings_are_duplicates() -> None:
    assert tree("a: 1\n'a': 2\n\"\\x61\": 3\n") == ({"a": 1}, ["MR007", "MR007"])
    assert tree("1: 1\n1.0: 2\n")[1] == []


def test_places_count_characters() -> None:
    found, _ = tree("# é\r\n'日本': {b: [1, é, c]}\r\n")
    assert found.key_place("日本").source.position(found.key_place("日本").offset)[:2] == (2, 1)
    inner = found["日本"]
    line, column, text = inner.source.position(inner["b"].item_place(2).offset)
    assert (line, column) == (2, 18)
    assert text[column - 1] == "c"
    assert text.endswith("}")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_positions_with_every_line_break(end: str) -> None:
    lines = ["first", "", "thïrd", "x" * 70_000, "last"]
    source = Source("f", end.join(lines))
    for number, line in enumerate(lines, start=1):
        index = sum(len(one) + len(end) for one in lines[: number - 1])
        assert source.position(index) == (number, 1, line)
        assert source.position(index + len(line)) == (number, len(line) + 1, line)


def test_byte_order_mark_does_not_count() -> None:
    found, codes = tree(b"\xef\xbb\xbfa: 1")
    assert codes == []
    assert found.key_place("a").offset == 0


def test_aliases_repeat_values() -> None:
    found, codes = tree("a: &a {x: [1, 2]}\nb: *a\nc: &a 3\nd: [*a, *a]\n")
    assert codes == []
    assert found == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}, "c": 3, "d": [3, 3]}


def test_merge_keys() -> None:
    found, codes = tree(
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: *a, x: 3}\nd: {<<: [*a, *b], w: 4}\ne: {'<<': 5}\n"
    )
    assert codes == []
    assert found["c"] == {"x": 3, "y": 1}
    assert found["d"] == {"w": 4, "x": 1, "y": 1, "z": 2}
    assert found["e"] == {"<<": 5}
    merged = found["d"]
    assert merged.source.position(merged.key_place("z").offset)[:2] == (2, 14)


@pytest.mark.parametrize(
    "text", ["a: 1\n...\n", "a: 1\n...\n# end\n", "---\na: 1\n", "%YAML 1.2\n---\na: 1", "{a: 1} # x"]
)
def test_one_document(text: str) -> None:
    assert tree(text) == ({"a": 1}, [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\n---\n", "MR011"),
        ("a: 1\n...\n---\nb: 1", "MR011"),
        ("a: 1\n...\nb: 1", "MR005"),
        ("{a: 1} }", "MR005"),
        ("{a: 1}\n]", "MR005"),
        ("a: 1\n\tb: 2", "MR006"),
        ("a:\n  b: 1\n\tc: 2", "MR006"),
    ],
)
def test_more_than_one_document(text: str, code: str) -> None:
    assert tree(text)[1] == [code]


def test_depth() -> None:
    assert tree("[" * 500 + "]" * 500)[1] == []
    assert tree("[" * 501 + "]" * 501)[1] == ["MR009"]


def test_numbers_json_cannot_hold() -> None:
    for text in (".inf", "-.INF", ".nan", "1e999", "9" * 2000):
        with pytest.raises(ValueError, match=r"JSON|digits"):
            resolve(text)


def test_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnus_render.spec.reader._LOADER", yaml.SafeLoader)
    text = "a: &x {b: [1, no]}\nc: *x\nd: |\n  text\n"
    found, codes = tree(text)
    assert codes == []
    assert found == {"a": {"b": [1, "no"]}, "c": {"b": [1, "no"]}, "d": "text\n"}
    assert isinstance(found, Map)
    assert found.source.position(found.value_place("c").offset)[:2] == (2, 4)
    assert tree("a: [1")[1] == ["MR005"]
    assert tree("a:\n\t- b")[1] == ["MR006"]
    assert tree("a: 1\na: 2")[1] == ["MR007"]
