"""Where the boxes of one graph are drawn, and the lines between them: in rows, from top to bottom.

In go the sizes of the boxes and the edges between them, out comes a place for each box and each line. A line that passes
rows has a lane in each of them, beside the boxes, so that no line crosses a box. Lines to one box share their lane.

The method is Sugiyama's. A box stands in the row of the longest way to it. The order in a row follows the mean of the
neighbours, so that few lines cross. Places come from isotonic regression, so that lines are as straight as boxes allow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

GAP = 36
"""Pixels between two boxes, and between two rows."""
_LANE = 12
_SWEEPS = 8
_NEXT = 5.0
_MOST_LANES = 20_000
"""At most so many lanes are made. Without them, lines that pass rows cross boxes."""


class Lane(NamedTuple):
    """The place that is reserved for a line in a row that the line passes."""

    target: str
    via: str
    row: int


Item = str | Lane
"""One item of a row: a box, by its address, or a lane."""


class Line(NamedTuple):
    """A line from the foot of a row to the head of the next: of which kind it is, and whether it ends at a box."""

    x: int
    y: int
    to_x: int
    to_y: int
    via: str
    arrives: bool


class Drop(NamedTuple):
    """A line straight down: through a row, or from a box to the foot of its row."""

    x: int
    y: int
    to_y: int
    via: str


@dataclass
class Arranged:
    """The boxes and lines of a graph, in pixels from its upper left corner."""

    width: int = 0
    height: int = 0
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Left and upper edge of each box."""
    lines: list[Line] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)


def arrange(edges: Mapping[str, Sequence[tuple[str, str]]], sizes: Mapping[str, tuple[int, int]]) -> Arranged:
    """Return where the boxes of a graph and the lines between them are.

    `edges` has, for each box in reading order, the boxes that it leads to, and by which way. `sizes` has the width and
    height of each box.
    """
    rows = _rows(edges)
    links = _with_lanes(edges, rows)
    _order(rows, links)
    centres = _centres(rows, links, {item: _width(item, sizes) for row in rows for item in row})
    return _drawn(rows, links, centres, sizes)


class _Link(NamedTuple):
    """A connection between items of two neighbouring rows."""

    upper: Item
    lower: Item
    via: str


def _rows(edges: Mapping[str, Sequence[tuple[str, str]]]) -> list[list[Item]]:
    """Return the rows: a box stands in the row whose number is the length of the longest way to it."""
    targets = {address: {target for target, _ in found} for address, found in edges.items()}
    missing = dict.fromkeys(edges, 0)
    for found in targets.values():
        for target in found:
            missing[target] += 1
    level = dict.fromkeys(edges, 0)
    ready = [address for address in edges if not missing[address]]
    for address in ready:
        for target in targets[address]:
            level[target] = max(level[target], level[address] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    rows: list[list[Item]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for address in edges:
        rows[level[address]].append(address)
    return rows


def _with_lanes(edges: Mapping[str, Sequence[tuple[str, str]]], rows: list[list[Item]]) -> list[_Link]:
    """Return the links between neighbouring rows, once each; put lanes into the rows that lines pass."""
    level = {item: number for number, row in enumerate(rows) for item in row}
    links: dict[_Link, None] = {}
    lanes: set[Lane] = set()
    for address, found in edges.items():
        for target, via in found:
            upper: Item = address
            joined = False
            for row in range(level[address] + 1, level[target]):
                lane = Lane(target, via, row)
                joined = lane in lanes
                if not joined and len(lanes) == _MOST_LANES:
                    break
                links[_Link(upper, lane, via)] = None
                if joined:
                    break
                lanes.add(lane)
                rows[row].append(lane)
                upper = lane
            if not joined:
                links[_Link(upper, target, via)] = None
    return list(links)


_Neighbours = dict[Item, list[tuple[Item, float]]]
"""For each item, the items that it is connected with in the row above or below, each with its weight."""


def _neighbours(links: Iterable[_Link]) -> tuple[_Neighbours, _Neighbours]:
    """Return the neighbours above and those below each item. A way of success has more weight, so that it is straighter."""
    above: _Neighbours = {}
    below: _Neighbours = {}
    for link in links:
        weight = _NEXT if link.via == "next" else 1.0
        above.setdefault(link.lower, []).append((link.upper, weight))
        below.setdefault(link.upper, []).append((link.lower, weight))
    return above, below


def _wanted(item: Item, beside: _Neighbours, places: Mapping[Item, float]) -> float:
    """Return the mean place of an item's neighbours; its own place if it has none."""
    found = beside.get(item)
    if not found:
        return places[item]
    return sum(places[one] * weight for one, weight in found) / sum(weight for _, weight in found)


def _order(rows: list[list[Item]], links: list[_Link]) -> None:
    """Sort each row by the mean places of its items' neighbours, so that few lines cross."""
    above, below = _neighbours(links)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        beside, order = (above, rows[1:]) if down else (below, rows[-2::-1])
        place = {item: float(number) for row in rows for number, item in enumerate(row)}
        for row in order:
            means = {item: _wanted(item, beside, place) for item in row}
            row.sort(key=means.__getitem__)
            place.update((item, float(number)) for number, item in enumerate(row))


def _width(item: Item, sizes: Mapping[str, tuple[int, int]]) -> int:
    return _LANE if isinstance(item, Lane) else sizes[item][0]


def _centres(rows: list[list[Item]], links: list[_Link], widths: Mapping[Item, int]) -> dict[Item, float]:
    """Return the middle of each item, so that it is as near to its neighbours as its row allows."""
    centres: dict[Item, float] = {}
    for row in rows:
        x = -(sum(widths[item] for item in row) + GAP * (len(row) - 1)) / 2
        for item in row:
            centres[item] = x + widths[item] / 2
            x += widths[item] + GAP
    above, below = _neighbours(links)
    for sweep in range(_SWEEPS):
        beside, order = (above, rows[1:]) if sweep % 2 == 0 else (below, rows[-2::-1])
        for row in order:
            wanted = [_wanted(item, beside, centres) for item in row]
            weights = [4.0 if isinstance(item, Lane) else 1.0 for item in row]
            for item, x in zip(row, _apart(wanted, weights, [widths[item] for item in row]), strict=True):
                centres[item] = x
    return centres


def _apart(wanted: Sequence[float], weights: Sequence[float], widths: Sequence[int]) -> list[float]:
    """Return the middles of items that are far enough apart, in the same order, and as near as possible to the wanted ones.

    First the least distance of each item from the first one is subtracted. The rest must not decrease: neighbours that
    would decrease form a pool and get its mean (the pool adjacent violators algorithm).
    """
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for place, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, count = place - offset, 1
        while pools and pools[-1][0] > mean:
            before, its_weight, its_count = pools.pop()
            mean = (mean * weight + before * its_weight) / (weight + its_weight)
            weight, count = weight + its_weight, count + its_count
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _drawn(
    rows: list[list[Item]],
    links: list[_Link],
    centres: Mapping[Item, float],
    sizes: Mapping[str, tuple[int, int]],
) -> Arranged:
    """Return places and lines in whole pixels, with the leftmost item at the left edge."""
    made = Arranged()
    items = [item for row in rows for item in row]
    if not items:
        return made
    left = min(centres[item] - _width(item, sizes) / 2 for item in items)
    x = {item: round(centres[item] - left) for item in items}
    made.width = max(x[item] + (_width(item, sizes) + 1) // 2 for item in items)
    top: dict[Item, int] = {}
    foot: dict[Item, int] = {}
    y = 0
    for row in rows:
        height = max(sizes[item][1] for item in row if isinstance(item, str))
        for item in row:
            top[item], foot[item] = y, y + height
            if isinstance(item, Lane):
                made.drops.append(Drop(x[item], y, y + height, item.via))
            else:
                made.places[item] = (x[item] - sizes[item][0] // 2, y)
        y += height + GAP
    made.height = y - GAP
    for link in links:
        upper, lower = link.upper, link.lower
        if isinstance(upper, str) and (end := top[upper] + sizes[upper][1]) < foot[upper]:
            made.drops.append(Drop(x[upper], end, foot[upper], link.via))
        arrives = isinstance(lower, str)
        made.lines.append(Line(x[upper], foot[upper], x[lower], top[lower], link.via, arrives))
    return made
