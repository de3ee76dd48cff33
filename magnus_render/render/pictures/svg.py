"""A picture as SVG, by a simple layered layout: no other program is needed.

Sizes are computed from the innermost graphs outwards, then places from the outermost inwards: two loops, no recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
from magnus_render.render.pictures.model import COLOURS

if TYPE_CHECKING:
    from magnus_render.render.pictures.model import Box, Picture

_CHARACTER, _LINE, _PADDING, _GAP = 8, 18, 12, 36


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
    layers: dict[str, list[list[str]]] = {}
    # Composites come before what is in them, so in reverse order every size is known when it is needed.
    for address in [*reversed(picture.boxes), ""]:
        inner = [graph for graph, _ in picture.boxes[address].branches] if address else [""]
        for graph in inner:
            layers[graph] = _layers(picture, graph)
            graphs[graph] = _graph_size(layers[graph], boxes)
        if address:
            boxes[address] = _box_size(picture.boxes[address], graphs)
    whole = graphs[""]
    whole.x = whole.y = _PADDING
    _place(layers[""], whole, boxes)
    for address, box in picture.boxes.items():
        _place_branches(box, boxes[address], graphs, layers, boxes)
    return _drawn(picture, whole, boxes, graphs)


def _layers(picture: Picture, graph: str) -> list[list[str]]:
    """Return the nodes of a graph by the length of the longest way to them, in reading order."""
    members = picture.graphs[graph]
    targets = {address: {target for target, _ in picture.boxes[address].edges} for address in members}
    missing = dict.fromkeys(members, 0)
    for found in targets.values():
        for target in found:
            missing[target] += 1
    level = dict.fromkeys(members, 0)
    ready = [address for address in members if not missing[address]]
    for address in ready:
        for target in targets[address]:
            level[target] = max(level[target], level[address] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for address in members:
        rows[level[address]].append(address)
    return rows


def _graph_size(rows: list[list[str]], boxes: dict[str, _Frame]) -> _Frame:
    width = max((sum(boxes[a].width for a in row) + _GAP * (len(row) - 1) for row in rows), default=0)
    height = sum(max(boxes[a].height for a in row) for row in rows) + _GAP * max(0, len(rows) - 1)
    return _Frame(width, height)


def _title_height(box: Box) -> int:
    return _LINE * len(box.label()) + _PADDING


def _box_size(box: Box, graphs: dict[str, _Frame]) -> _Frame:
    width = max(len(line) for line in box.label()) * _CHARACTER + 2 * _PADDING
    height = _title_height(box)
    if box.branches:
        inside = [graphs[graph] for graph, _ in box.branches]
        titles = [len(title) * _CHARACTER for _, title in box.branches]
        wide = sum(max(f.width, t) for f, t in zip(inside, titles, strict=True)) + _GAP * (len(inside) - 1)
        width = max(width, wide + 2 * _PADDING)
        height += max(frame.height for frame in inside) + _LINE + 2 * _PADDING
    return _Frame(width, height)


def _place(rows: list[list[str]], graph: _Frame, boxes: dict[str, _Frame]) -> None:
    y = graph.y
    for row in rows:
        total = sum(boxes[a].width for a in row) + _GAP * (len(row) - 1)
        x = graph.x + (graph.width - total) // 2
        for address in row:
            boxes[address].x, boxes[address].y = x, y
            x += boxes[address].width + _GAP
        y += max(boxes[a].height for a in row) + _GAP


def _place_branches(
    box: Box,
    frame: _Frame,
    graphs: dict[str, _Frame],
    layers: dict[str, list[list[str]]],
    boxes: dict[str, _Frame],
) -> None:
    x = frame.x + _PADDING
    for graph, title in box.branches:
        inner = graphs[graph]
        inner.width = max(inner.width, len(title) * _CHARACTER)
        inner.x, inner.y = x, frame.y + _title_height(box) + _LINE + _PADDING
        x += inner.width + _GAP
        _place(layers[graph], inner, boxes)


def _drawn(picture: Picture, whole: _Frame, boxes: dict[str, _Frame], graphs: dict[str, _Frame]) -> str:
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
    for address, box in picture.boxes.items():
        lines += [_edge(boxes[address], boxes[target], via) for target, via in box.edges]
    return "\n".join([*lines, "</svg>", ""])


def _text(text: str, x: int, y: int, style: str) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="middle"{style}>{escape(text, quote=False)}</text>'
        if text
        else ""
    )


def _edge(source: _Frame, target: _Frame, via: str) -> str:
    x1, y1 = source.x + source.width // 2, source.y + source.height
    x2, y2 = target.x + target.width // 2, target.y
    middle = (y1 + y2) // 2
    dashes = ' stroke-dasharray="5,4"' if via == "on_failure" else ""
    return (
        f'<path d="M{x1},{y1} C{x1},{middle} {x2},{middle} {x2},{y2}" fill="none" stroke="#555555"{dashes} '
        'marker-end="url(#arrow)"/>'
    )
