"""Random edits of a drawn pipeline's definition: such as a person makes between two commits, or two runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.conformance.generate import Pipeline

Graph = dict[str, Any]
Edit = Callable[[Random, Graph, str], None]


def graphs(pipeline: Pipeline) -> list[Graph]:
    """Return all graphs of a pipeline, its root first."""
    found: list[Graph] = []
    pending = [definition["dag"] for definition in pipeline.files.values()]
    while pending:
        graph = pending.pop(0)
        found.append(graph)
        pending += [inner for step in graph["steps"].values() for inner in _inner(step)]
    return found


def _inner(step: dict[str, Any]) -> Iterator[Graph]:
    yield from step.get("branches", {}).values()
    yield from (step[key] for key in ("branch", "default") if isinstance(step.get(key), dict))


def edited(random: Random, pipeline: Pipeline, edits: list[Edit]) -> Pipeline:
    """Return a copy of a pipeline with one to three edits made where they fit; perhaps none of them fits anywhere."""
    result = copy.deepcopy(pipeline)
    for _ in range(random.choice([1, 1, 2, 3])):
        graph = random.choice(graphs(result))
        names = [name for name, step in graph["steps"].items() if step["type"] not in ("success", "fail")]
        if names:
            random.choice(edits)(random, graph, random.choice(names))
    return result


def _onwards(graph: Graph, name: str) -> list[str]:
    """Return the nodes that a node may lead to without a circle."""
    reached, pending = set(), [name]
    leads: dict[str, set[str]] = {}
    for one, step in graph["steps"].items():
        for arrow in ("next", "on_failure"):
            if arrow in step:
                leads.setdefault(step[arrow], set()).add(one)
    while pending:
        one = pending.pop()
        if one not in reached:
            reached.add(one)
            pending += leads.get(one, ())
    return [one for one in graph["steps"] if one not in reached]


def retry(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] == "task":
        step["retry"] = random.choice([1, 2, 3, {"attempts": 2, "delay": 0.5}])


def timeout(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] == "task":
        step["timeout"] = random.choice([30, 60.5])


def description(random: Random, graph: Graph, name: str) -> None:
    if graph["steps"][name]["type"] != "stub":
        graph["steps"][name]["description"] = random.choice(["one thing", "another", "it's"])


def lead_on(random: Random, graph: Graph, name: str) -> None:
    graph["steps"][name]["next"] = random.choice(_onwards(graph, name))


def handle(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if "on_failure" in step and random.random() < 0.5:
        del step["on_failure"]
    else:
        step["on_failure"] = random.choice(_onwards(graph, name))


def insert(random: Random, graph: Graph, name: str) -> None:
    """Put a step of a kind that does nothing behind a node."""
    new = random.choice(["put in", "x", "2"])
    if new not in graph["steps"]:
        graph["steps"][new] = {"type": "as-is", "next": graph["steps"][name]["next"]}
        graph["steps"][name]["next"] = new


def remove(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"].pop(name)
    for other in graph["steps"].values():
        for arrow in ("next", "on_failure"):
            if other.get(arrow) == name:
                other[arrow] = step["next"]
    if graph["start_at"] == name:
        graph["start_at"] = step["next"]


def rename(random: Random, graph: Graph, name: str) -> None:
    new = f"{name[:90]}{random.choice('xy ')}"
    if new in graph["steps"]:
        return
    graph["steps"] = {new if one == name else one: step for one, step in graph["steps"].items()}
    for step in graph["steps"].values():
        for arrow in ("next", "on_failure"):
            if step.get(arrow) == name:
                step[arrow] = new
    if graph["start_at"] == name:
        graph["start_at"] = new


def reorder(random: Random, graph: Graph, name: str) -> None:
    names = list(graph["steps"])
    random.shuffle(names)
    graph["steps"] = {one: graph["steps"][one] for one in names}


def reorder_branches(random: Random, graph: Graph, name: str) -> None:
    branches = graph["steps"][name].get("branches")
    if branches:
        graph["steps"][name]["branches"] = dict(reversed(branches.items()))


def remove_branch(random: Random, graph: Graph, name: str) -> None:
    branches = graph["steps"][name].get("branches", {})
    if len(branches) > 1:
        branches.pop(random.choice(list(branches)))


def bound(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] in ("map", "parallel"):
        step[random.choice(["max_concurrency", "fail_fast"])] = 2
        step["fail_fast"] = bool(step.get("fail_fast", False))


def another_list(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] == "map":
        step["iterate_on"] = random.choice(["list", "other list"])
    elif step["type"] == "conditional":
        step["parameter"] = random.choice(["a", "b"])


def separate(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] == "dag":
        step["separate"] = not step.get("separate", False)


def text(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] in ("as-is", "stub"):
        step["render_string"] = {random.choice(["bash", "local", "elsewhere"]): "true"}


def own(random: Random, graph: Graph, name: str) -> None:
    step = graph["steps"][name]
    if step["type"] == "task":
        step["executor_config"] = {"argo": {"image": random.choice(["one", "two"])}}


def start(random: Random, graph: Graph, name: str) -> None:
    graph["start_at"] = name


def pipeline_wide(random: Random, graph: Graph, name: str) -> None:
    graph[random.choice(["description", "name"])] = "one"


def spelt_out(random: Random, graph: Graph, name: str) -> None:
    """Write what holds anyway: no change."""
    step = graph["steps"][name]
    if step["type"] == "task" and "retry" not in step:
        step["retry"] = {"attempts": 1}
    graph["steps"][name] = dict(reversed(step.items()))


DEFINING: list[Edit] = [
    retry,
    timeout,
    description,
    lead_on,
    handle,
    insert,
    remove,
    rename,
    reorder,
    reorder_branches,
]
DEFINING += [
    remove_branch,
    bound,
    another_list,
    separate,
    text,
    own,
    start,
    pipeline_wide,
    spelt_out,
    spelt_out,
]
RERUN: list[Edit] = [
    retry,
    timeout,
    description,
    lead_on,
    handle,
    insert,
    remove,
    rename,
    another_list,
    spelt_out,
]
RERUN += [remove_branch, reorder_branches, text, spelt_out]
"""Edits between two runs whose tasks do the same: nothing that makes a run wait."""
