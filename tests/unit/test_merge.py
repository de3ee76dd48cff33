"""Joins (docs/semantics.md, "Messages of our own" and "Choices")."""

from __future__ import annotations

from typing import Any

import pytest

from magnus_render.runtime.merge import Contribution, json_equal, merge_dag, merge_map, merge_parallel


def entry(content: str) -> Any:
    return {"sha256": content * 64, "size": 1}


def test_parallel_merges_in_declared_order_without_a_word_when_values_agree() -> None:
    merged = merge_parallel(
        [
            ("b", Contribution({"x": 1, "y": [1]}, {"f": entry("a")})),
            ("a", Contribution({"x": 1}, {"f": entry("a")})),
        ]
    )
    assert (merged.set, merged.files, merged.message) == ({"x": 1, "y": [1]}, {"f": entry("a")}, "")


def test_parallel_later_branch_wins_with_a_warning_naming_all_that_set_it() -> None:
    merged = merge_parallel(
        [
            ("left", Contribution({"z": 1, "k": 1})),
            ("mid", Contribution({"z": 2})),
            ("right", Contribution({"z": 2, "k": 2})),
        ]
    )
    assert merged.set == {"z": 2, "k": 2}
    assert merged.message == (
        "branches 'left' and 'right' set 'k' to different values: that of 'right' is kept\n"
        "branches 'left', 'mid' and 'right' set 'z' to different values: that of 'right' is kept"
    )


def test_parallel_files() -> None:
    merged = merge_parallel(
        [("a", Contribution({}, {"f": entry("a")})), ("b", Contribution({}, {"f": entry("b")}))]
    )
    assert merged.files == {"f": entry("b")}
    assert merged.message == "branches 'a' and 'b' catalogued 'f' with different content: that of 'b' is kept"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, False),
        (1, True, False),
        (0, False, False),
        ([1], [1.0], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [True]}, {"a": [1]}, False),
        (None, None, True),
        ("1", 1, False),
        ("é", "é", True),
    ],
)
def test_json_equality_is_by_type(left: object, right: object, same: bool) -> None:
    assert json_equal(left, right) is same
    merged = merge_parallel([("a", Contribution({"k": left})), ("b", Contribution({"k": right}))])
    assert (merged.message == "") is same


def test_map_makes_lists_with_null_for_items_that_did_not_set() -> None:
    merged = merge_map([Contribution({"a": 1}), Contribution(), Contribution({"a": [2], "b": None})])
    assert merged.set == {"a": [1, None, [2]], "b": [None, None, None]}
    assert merged.message == ""


def test_nested_maps_make_lists_of_lists() -> None:
    inner = [merge_map([Contribution({"a": i * 10 + j}) for j in range(i)]) for i in range(3)]
    outer = merge_map([Contribution(m.set, m.files) for m in inner])
    assert outer.set == {"a": [None, [10], [20, 21]]}


def test_empty_map_sets_nothing() -> None:
    merged = merge_map([])
    assert (merged.set, merged.files, merged.message) == ({}, {}, "")


def test_map_files_last_item_wins() -> None:
    first, second = Contribution({}, {"f": entry("a")}), Contribution({}, {"f": entry("b"), "g": entry("c")})
    merged = merge_map([first, second, Contribution({}, {"f": entry("c"), "g": entry("c")})])
    assert merged.files == {"f": entry("c"), "g": entry("c")}
    assert merged.message == "items 0, 1 and 2 catalogued 'f' with different content: that of item 2 is kept"


def test_dag_passes_on_its_branch() -> None:
    merged = merge_dag(Contribution({"a": 1}, {"f": entry("a")}))
    assert (merged.set, merged.files, merged.message) == ({"a": 1}, {"f": entry("a")}, "")
