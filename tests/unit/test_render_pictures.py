"""`magnus graph`: pictures that their formats' readers accept, whatever the names."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from magnus_render.graph.load import load
from magnus_render.render.pictures import FORMATS, Picture, picture, statuses
from tests.tools import require

NASTY = 'a "b" <c> & `d` \\ #e; | {f} [g] (h) end'
DAG = f"""\
dag:
  start_at: '{NASTY}'
  steps:
    '{NASTY}': {{type: task, command_type: shell, command: "echo '\\"</text>' # x", next: each, on_failure: fail}}
    each:
      type: map
      iterate_on: l
      iterate_as: i
      next: p
      branch:
        start_at: in
        steps: {{in: {{type: task, command: m.f, next: success}}, success: {{type: success}}, fail: {{type: fail}}}}
    p:
      type: parallel
      next: success
      branches:
        '"]': {{start_at: x, steps: {{x: {{type: as-is, next: success}}, success: {{type: success}}, fail: {{type: fail}}}}}}
    success: {{type: success}}
    fail: {{type: fail}}
"""


@pytest.fixture
def drawn(tmp_path: Path) -> Picture:
    (tmp_path / "dag.yaml").write_text(DAG)
    return picture(load(str(tmp_path / "dag.yaml")).plan)


def test_every_box_is_in_every_format(drawn: Picture) -> None:
    for name, form in FORMATS.items():
        text = form(drawn)
        assert text.endswith("\n")
        if name in ("dot", "mermaid"):
            assert all(
                f"{box.id}[" in text or f"{box.id} [" in text or f"{box.id}(" in text
                for box in drawn.boxes.values()
            )


def test_svg_is_xml_with_every_title(drawn: Picture) -> None:
    root = ElementTree.fromstring(FORMATS["svg"](drawn))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert NASTY in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == len(drawn.boxes)


def test_svg_boxes_lie_inside_their_composites(drawn: Picture) -> None:
    root = ElementTree.fromstring(FORMATS["svg"](drawn))
    places = [
        [int(rect.attrib[key]) for key in ("x", "y", "width", "height")]
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    by_address = dict(zip(drawn.boxes, places, strict=True))
    for address, box in drawn.boxes.items():
        x, y, width, height = by_address[address]
        for graph, _ in box.branches:
            for inner in drawn.graphs[graph]:
                ix, iy, iw, ih = by_address[inner]
                assert x <= ix and y <= iy and ix + iw <= x + width and iy + ih <= y + height


def test_graphviz_accepts_it(drawn: Picture) -> None:
    dot = require("dot")
    subprocess.run([dot, "-Tplain"], input=FORMATS["dot"](drawn).encode(), check=True, capture_output=True)


def test_mermaid_quotes_everything(drawn: Picture) -> None:
    for line in FORMATS["mermaid"](drawn).splitlines():
        if '"' in line:
            label = line.partition('"')[2].rpartition('"')[0].replace("<br>", "")
            assert not set(label) & set("\"<>`\\&|{}[]'")


def test_a_tree_reads_in_order(drawn: Picture) -> None:
    lines = FORMATS["ascii"](drawn).splitlines()
    assert lines[0] == "dag"
    assert [line.split()[1] for line in lines[2:4]] == ["each", "in"]
    assert '    ["]]' in lines


def test_statuses_of_a_run_are_gathered_by_node(drawn: Picture, tmp_path: Path) -> None:
    plan = load(str(tmp_path / "dag.yaml")).plan
    first = next(iter(plan["nodes"]))

    def step(name: str, status: str, kind: str = "task", **branches: object) -> dict[str, object]:
        return {"internal_name": name, "status": status, "step_type": kind, "branches": branches}

    items = {
        f"each.{i}": {"steps": {f"each.{i}.in": step(f"each.{i}.in", status)}}
        for i, status in enumerate(("SUCCESS", "FAIL", "SUCCESS"))
    }
    log = {"steps": {NASTY: step(first, "SUCCESS"), "each": step("each", "FAIL", "map", **items)}}
    found = statuses(plan, log)
    assert found == {first: ["SUCCESS"], "each": ["FAIL"], "each._.in": ["SUCCESS", "FAIL", "SUCCESS"]}
    boxes = picture(plan, found).boxes
    assert (boxes["each._.in"].status, boxes["each._.in"].count) == ("FAIL", "2/3")
    assert boxes["p"].status == ""


GRAPH = "{start_at: x, steps: {x: {type: task, command: m.f, next: y}, y: {type: success}, z: {type: fail}}}"
CHOOSES = f"""\
dag:
  start_at: pick
  steps:
    pick:
      type: conditional
      parameter: 'qual<i>ty'
      branches: {{good: {GRAPH}, 'so "so"': {GRAPH}, 3: {GRAPH}}}
      default: {GRAPH}
      next: both
    both: {{type: parallel, branches: {{good: {GRAPH}, default: {GRAPH}}}, next: success}}
    success: {{type: success}}
    fail: {{type: fail}}
"""


@pytest.fixture
def chosen(tmp_path: Path) -> Picture:
    (tmp_path / "dag.yaml").write_text(CHOOSES)
    return picture(load(str(tmp_path / "dag.yaml")).plan)


def test_a_conditional_says_what_decides_and_marks_its_default(chosen: Picture) -> None:
    assert chosen.boxes["pick"].label() == ["pick: by qual<i>ty"]
    assert [title for _, title in chosen.boxes["pick"].branches] == [
        "good",
        'so "so"',
        "3",
        "default: any other value",
    ]
    assert chosen.boxes["both"].label() == ["both (parallel)"]
    assert [title for _, title in chosen.boxes["both"].branches] == ["good", "default"]


def test_a_conditional_in_every_format(chosen: Picture) -> None:
    lines = FORMATS["ascii"](chosen).splitlines()
    assert lines[1] == "  - pick  (conditional, by qual<i>ty)"
    assert [line.strip() for line in lines if "[" in line][:4] == [
        "[good]",
        '[so "so"]',
        "[3]",
        "[default: any other value]",
    ]
    assert '["pick: by qual#60;i#62;ty"]' in FORMATS["mermaid"](chosen)
    assert 'label="pick: by qual<i>ty", fillcolor="#f5f5f5", color="#555555", shape=diamond' in FORMATS[
        "dot"
    ](chosen)
    root = ElementTree.fromstring(FORMATS["svg"](chosen))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "pick: by qual<i>ty" in texts and "default: any other value" in texts


def test_a_conditional_in_svg_and_dot_holds_its_branches(chosen: Picture) -> None:
    test_svg_boxes_lie_inside_their_composites(chosen)
    test_mermaid_quotes_everything(chosen)
    test_graphviz_accepts_it(chosen)
