"""A picture as SVG: no other program is needed.

Sizes are computed from the innermost graphs outwards, then places from the outermost inwards: two loops, no recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
from magnus_render.render.pictures.layers import GAP, Arranged, arrange
from magnus_render.render.pictures.model import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.render.pictures.model import Box, Picture

_CHARACTER, _LINE, _PADDING = 8, 18, 12


@dataclass
class _Frame:
    """Where something is drawn, in pixels."""

    width: int = 0
    height: int = 0
    x: int = 0
    y: int = 0


def svg(picture: Picture) -> str:
    """Return an SVG image."""
    boxes: dict[str, _Frame] = {}
    graphs: dict[str, _Frame] = {}
    arranged: dict[str, Arranged] = {}
    # Composites come before what is in them, so in reverse order every size is known when it is needed.
    for address in [*reversed(picture.boxes), ""]:
        inner = [graph for graph, _ in picture.boxes[address].branches] if address else [""]
        for graph in inner:
            edges = {member: picture.boxes[member].edges for member in picture.graphs[graph]}
            sizes = {member: (boxes[member].width, boxes[member].height) for member in edges}
            arranged[graph] = arrange(edges, sizes)
            graphs[graph] = _Frame(arranged[graph].width, arranged[graph].height)
        if address:
            boxes[address] = _box_size(picture.boxes[address], graphs)
    whole = graphs[""]
    whole.x = whole.y = _PADDING
    _place(arranged[""], whole, boxes)
    for address, box in picture.boxes.items():
        _place_branches(box, boxes[address], graphs, arranged, boxes)
    return _drawn(picture, whole, boxes, graphs, arranged)


def _title_height(box: Box) -> int:
    return _LINE * len(box.label()) + _PADDING


def _titles_height(box: Box) -> int:
    """Return the height of the titles of a composite's graphs: that of a map or dag has none."""
    return _LINE if any(title for _, title in box.branches) else 0


def _box_size(box: Box, graphs: dict[str, _Frame]) -> _Frame:
    width = max(len(line) for line in box.label()) * _CHARACTER + 2 * _PADDING
    height = _title_height(box)
    if box.branches:
        inside = [graphs[graph] for graph, _ in box.branches]
        titles = [len(title) * _CHARACTER for _, title in box.branches]
        wide = sum(max(f.width, t) for f, t in zip(inside, titles, strict=True)) + GAP * (len(inside) - 1)
        width = max(width, wide + 2 * _PADDING)
        height += max(frame.height for frame in inside) + _titles_height(box) + 2 * _PADDING
    return _Frame(width, height)


def _place(arranged: Arranged, graph: _Frame, boxes: dict[str, _Frame]) -> None:
    left = graph.x + (graph.width - arranged.width) // 2
    for address, (x, y) in arranged.places.items():
        boxes[address].x, boxes[address].y = left + x, graph.y + y


def _place_branches(
    box: Box,
    frame: _Frame,
    graphs: dict[str, _Frame],
    arranged: dict[str, Arranged],
    boxes: dict[str, _Frame],
) -> None:
    """Place what is in a composite, in its middle."""
    for graph, title in box.branches:
        graphs[graph].width = max(graphs[graph].width, len(title) * _CHARACTER)
    wide = sum(graphs[graph].width for graph, _ in box.branches) + GAP * (len(box.branches) - 1)
    x = frame.x + (frame.width - wide) // 2
    for graph, _ in box.branches:
        inner = graphs[graph]
        inner.x, inner.y = x, frame.y + _title_height(box) + _titles_height(box) + _PADDING
        x += inner.width + GAP
        _place(arranged[graph], inner, boxes)


def _drawn(
    picture: Picture,
    whole: _Frame,
    boxes: dict[str, _Frame],
    graphs: dict[str, _Frame],
    arranged: dict[str, Arranged],
) -> str:
    width, height = whole.width + 2 * _PADDING, whole.height + 2 * _PADDING
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f"<title>{escape(picture.name, quote=False)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#555555"/></marker></defs>',
    ]
    for address, box in picture.boxes.items():
        frame = boxes[address]
        fill, line = COLOURS[box.status]
        radius = _LINE if box.kind in (SUCCESS_NODE, FAIL_NODE) else 6
        lines += [f'<a href="{escape(box.link)}">'] if box.link else []
        lines.append(
            f'<rect x="{frame.x}" y="{frame.y}" width="{frame.width}" height="{frame.height}" rx="{radius}" '
            f'fill="{fill}" stroke="{line}"/>'
        )
        for number, text in enumerate(box.label()):
            weight = ' font-weight="bold"' if number == 0 else ""
            lines.append(_text(text, frame.x + frame.width // 2, frame.y + _LINE * (number + 1), weight))
        lines += ["</a>"] if box.link else []
        for graph, title in box.branches:
            inner = graphs[graph]
            lines.append(_text(title, inner.x + inner.width // 2, inner.y - _PADDING, ' font-style="italic"'))
    for graph, found in arranged.items():
        frame = graphs[graph]
        lines += _lines(found, frame.x + (frame.width - found.width) // 2, frame.y)
    return "\n".join([*lines, "</svg>", ""])


def _text(text: str, x: int, y: int, style: str) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="middle"{style}>{escape(text, quote=False)}</text>'
        if text
        else ""
    )


def _lines(arranged: Arranged, x: int, y: int) -> Iterator[str]:
    """Yield the lines of a graph, whose upper left corner is given."""
    for drop in arranged.drops:
        yield _path(f"M{x + drop.x},{y + drop.y} V{y + drop.to_y}", drop.via)
    for line in arranged.lines:
        x1, y1, x2, y2 = x + line.x, y + line.y, x + line.to_x, y + line.to_y
        middle = (y1 + y2) // 2
        end = ' marker-end="url(#arrow)"' if line.arrives else ""
        yield _path(f"M{x1},{y1} C{x1},{middle} {x2},{middle} {x2},{y2}", line.via, end)


def _path(way: str, via: str, end: str = "") -> str:
    dashes = ' stroke-dasharray="5,4"' if via == "on_failure" else ""
    return f'<path d="{way}" fill="none" stroke="#555555"{dashes}{end}/>'
