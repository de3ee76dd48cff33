"""Pictures as text: Mermaid, Graphviz's DOT, and a tree for a terminal."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from magnus_render.plan import AS_IS, COMPOSITES, CONDITIONAL, FAIL_NODE, SUCCESS_NODE
from magnus_render.render.pictures.model import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.render.pictures.model import Box, Picture

_SHAPES = {SUCCESS_NODE: "ellipse", FAIL_NODE: "ellipse", CONDITIONAL: "diamond"}
"""Graphviz's shapes of types of nodes; all other nodes are boxes."""
_MARKS = {"SUCCESS": "+", "FAIL": "x", "CRASHED": "x", "PROCESSING": "~", "TRIGGERED": "~", "SKIPPED": "o"}


def _walk(picture: Picture) -> Iterator[tuple[str, int, str, str]]:
    """Yield events in drawing order, without recursion: `box`, `branch` (address and title of a graph) and `end`.

    Each event is (kind, depth, address, title); an `end` closes the last `branch` or composite that is open.
    """
    stack: list[tuple[str, int, str, str]] = [
        ("box", 0, address, "") for address in reversed(picture.graphs[""])
    ]
    while stack:
        event = stack.pop()
        kind, depth, address, _ = event
        yield event
        if kind == "box" and picture.boxes[address].branches:
            stack.append(("end", depth, address, "composite"))
            stack += [("branch", depth + 1, *branch) for branch in reversed(picture.boxes[address].branches)]
        elif kind == "branch":
            stack.append(("end", depth, address, "branch"))
            stack += [("box", depth + 1, inner, "") for inner in reversed(picture.graphs[address])]


# ---- Mermaid


def _mermaid_text(text: str) -> str:
    """Return a text for a quoted label: whatever has a meaning in Mermaid, Markdown or HTML as a character code."""
    return "".join(c if c.isalnum() or c in " _-,.:/()" else f"#{ord(c)};" for c in text)


def _mermaid_label(box: Box) -> str:
    return "<br>".join(map(_mermaid_text, box.label()))


def mermaid(picture: Picture) -> str:
    """Return a Mermaid flow chart."""
    lines = ["flowchart TD"]
    for kind, depth, address, title in _walk(picture):
        indent = "  " * (depth + 1)
        if kind == "end":
            lines.append(f"{indent}end")
        elif kind == "branch":
            name = f"g{len(lines)}"
            lines.append(f'{indent}subgraph {name}["{_mermaid_text(title) or " "}"]')
        else:
            lines += _mermaid_box(picture.boxes[address], indent)
    for box in picture.boxes.values():
        for target, via in box.edges:
            lines.append(
                f"  {box.id} {'-->' if via == 'next' else '-. failure .->'} {picture.boxes[target].id}"
            )
    for status, (fill, line) in COLOURS.items():
        ids = [box.id for box in picture.boxes.values() if status and box.status == status]
        if ids:
            lines += [
                f"  classDef {status} fill:{fill},stroke:{line},color:#000000",
                f"  class {','.join(ids)} {status}",
            ]
    return "\n".join(lines) + "\n"


def _mermaid_box(box: Box, indent: str) -> list[str]:
    label = _mermaid_label(box)
    if box.kind in COMPOSITES:
        return [f'{indent}subgraph {box.id}["{label}"]']
    if box.kind in (SUCCESS_NODE, FAIL_NODE):
        return [f'{indent}{box.id}(["{label}"])']
    if box.kind == AS_IS:
        return [f'{indent}{box.id}[/"{label}"/]']
    return [f'{indent}{box.id}["{label}"]']


# ---- Graphviz


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def dot(picture: Picture) -> str:
    """Return a Graphviz digraph: `dot -Tpng` draws it."""
    lines = [
        f'digraph "{_dot_text(picture.name)}" {{',
        '  graph [compound=true, fontname="sans-serif"];',
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    for kind, depth, address, title in _walk(picture):
        indent = "  " * (depth + 1)
        if kind == "end":
            lines.append(f"{indent}}}")
        elif kind == "branch":
            lines.append(
                f'{indent}subgraph "cluster_{len(lines)}" {{ label="{_dot_text(title)}"; style=dashed;'
            )
        else:
            box = picture.boxes[address]
            if box.branches:
                lines.append(f'{indent}subgraph "cluster_{box.id}" {{ label=""; style=rounded;')
            fill, line = COLOURS[box.status]
            shape = f", shape={_SHAPES[box.kind]}" if box.kind in _SHAPES else ""
            label = "\\n".join(map(_dot_text, box.label()))
            lines.append(f'{indent}{box.id} [label="{label}", fillcolor="{fill}", color="{line}"{shape}];')
    for box in picture.boxes.values():
        tail = f'ltail="cluster_{box.id}"' if box.branches else ""
        for target, via in box.edges:
            style = 'style=dashed, label="failure"' if via == "on_failure" else ""
            head = f'lhead="cluster_{picture.boxes[target].id}"' if picture.boxes[target].branches else ""
            attributes = ", ".join(part for part in (style, tail, head) if part)
            lines.append(
                f"  {box.id} -> {picture.boxes[target].id}{f' [{attributes}]' if attributes else ''};"
            )
        for graph, _ in box.branches:
            lines.append(f"  {box.id} -> {picture.boxes[picture.starts[graph]].id} [style=dotted];")
    return "\n".join([*lines, "}", ""])


# ---- a tree


def tree(picture: Picture) -> str:
    """Return an indented tree: nodes in reading order, each with its successor if that is not on the next line."""
    lines = [picture.name]
    following = _following(picture)
    for kind, depth, address, title in _walk(picture):
        indent = "  " * (depth + 1)
        if kind == "branch" and title:
            lines.append(f"{indent}[{title}]")
        elif kind == "box":
            box = picture.boxes[address]
            mark = f"{_MARKS.get(box.status, '-')} "
            detail = f"  ({', '.join(part for part in (box.kind, box.detail, box.condition) if part)})"
            if box.kind in (SUCCESS_NODE, FAIL_NODE):
                detail = ""
            outcome = f"  {' '.join(part for part in (box.status, box.count) if part)}" if box.status else ""
            lines.append(
                f"{indent}{mark}{box.title}{detail}{_onward(picture, box, following.get(address))}{outcome}"
            )
    return "\n".join(lines) + "\n"


def _following(picture: Picture) -> dict[str, str]:
    """Return the node on the next line of the same graph, for each node."""
    return {a: b for graph in picture.graphs.values() for a, b in pairwise(graph)}


def _onward(picture: Picture, box: Box, following: str | None) -> str:
    parts = []
    for target, via in box.edges:
        if via == "on_failure":
            parts.append(f"on failure -> {picture.boxes[target].title}")
        elif target != following:
            parts.append(f"-> {picture.boxes[target].title}")
    return f"  {', '.join(parts)}" if parts else ""
