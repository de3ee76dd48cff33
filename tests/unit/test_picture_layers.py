"""The layout of pictures: boxes of a row stand apart, and no line crosses a box, whatever the graph."""

from __future__ import annotations

import itertools
import random

import pytest

from magnus_render.render.pictures import layers
from magnus_render.render.pictures.layers import GAP, Arranged, arrange

Edges = dict[str, list[tuple[str, str]]]
Sizes = dict[str, tuple[int, int]]


def drawn(seed: int, count: int) -> tuple[Edges, Sizes, Arranged]:
    """Return a random graph whose edges lead onwards in reading order, sizes of its boxes, and its layout."""
    draw = random.Random(seed)
    names = [f"n{number}" for number in range(count)]
    edges: Edges = {}
    for number, name in enumerate(names):
        behind = names[number + 1 :]
        targets = draw.sample(behind[:6] + behind[-2:], min(draw.randrange(3), len(behind)))
        edges[name] = list(zip(dict.fromkeys(targets), ("next", "on_failure"), strict=False))
    sizes = {name: (draw.randrange(40, 300), draw.randrange(30, 200)) for name in names}
    return edges, sizes, arrange(edges, sizes)


@pytest.mark.parametrize("seed", range(40))
def test_no_box_overlaps_another_and_no_line_crosses_one(seed: int) -> None:
    _, sizes, found = drawn(seed, 4 + seed)
    boxes = {name: (x, y, x + sizes[name][0], y + sizes[name][1]) for name, (x, y) in found.places.items()}
    assert boxes.keys() == sizes.keys()
    for name, (left, top, right, foot) in boxes.items():
        assert left >= 0 and right <= found.width + 1 and top >= 0 and foot <= found.height
        for other, (its_left, its_top, its_right, its_foot) in boxes.items():
            apart = left >= its_right + GAP - 2 or its_left >= right + GAP - 2
            assert name == other or apart or top >= its_foot + GAP or its_top >= foot + GAP
        for line in found.lines:
            assert line.to_y <= top or line.y >= foot, "lines that bend stay between two rows"
        for drop in found.drops:
            assert not (left < drop.x < right and drop.y < foot and drop.to_y > top)


@pytest.mark.parametrize("seed", range(40))
def test_every_line_leads_from_a_box_to_what_it_leads_to(seed: int) -> None:
    edges, sizes, found = drawn(seed, 4 + seed)
    arriving = {(line.to_x, line.to_y) for line in found.lines if line.arrives}
    heads = {name: (x + sizes[name][0] // 2, y) for name, (x, y) in found.places.items()}
    assert arriving == {heads[target] for targets in edges.values() for target, _ in targets}
    starts = {(line.x, line.y) for line in found.lines} | {(drop.x, drop.y) for drop in found.drops}
    for name, targets in edges.items():
        foot = heads[name][0], heads[name][1] + sizes[name][1]
        assert (foot in starts) == bool(targets)


def test_lines_to_one_box_share_their_lane() -> None:
    names = [f"n{number}" for number in range(30)]
    edges: Edges = {one: [(two, "next"), ("alert", "on_failure")] for one, two in itertools.pairwise(names)}
    edges |= {names[-1]: [("alert", "on_failure")], "alert": []}
    found = arrange(edges, dict.fromkeys(edges, (80, 40)))
    assert len([line for line in found.lines if line.arrives and line.via == "on_failure"]) == 2
    assert len(found.drops) == 29, "one lane, in the rows between the first and the last"


def test_a_chain_is_straight() -> None:
    edges: Edges = {
        "a": [("b", "next"), ("h", "on_failure")],
        "b": [("c", "next")],
        "c": [],
        "h": [("c", "next")],
    }
    found = arrange(edges, {"a": (80, 40), "b": (80, 40), "c": (80, 40), "h": (80, 40)})
    a, b = found.places["a"][0], found.places["b"][0]
    assert abs(a - b) < 40 and found.places["h"][1] == found.places["b"][1]


def test_lanes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_MOST_LANES", 3)
    edges, sizes, found = drawn(7, 30)
    assert len(found.places) == 30
    arriving = {line.to_y for line in found.lines if line.arrives}
    assert arriving == {found.places[target][1] for targets in edges.values() for target, _ in targets}
    assert sizes.keys() == found.places.keys()


def test_nothing_to_draw() -> None:
    assert arrange({}, {}) == Arranged()
