"""What Argo makes of DAG templates: a simulator of the controller of 3.7.4, for thousands of runs in a second or two.

It knows what the manifests use: `depends`, `when`, `withParam`, templates with inputs, `templateRef`, and how a DAG's phase
comes about. The rules were read from Argo's source, folder `workflow/controller`; each function names the file and the
function there. A pod and its retries are one node (operator.go, getRetryNodeChildrenIds: a Retry node stands for its last
try). Not simulated: shutdown, deadlines, exit handlers, and the order in which pods run at the same time, but for `order`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from tests.unit.argo_rendering import templates

BAD = ("Failed", "Error")
COMPLETED = ("Succeeded", *BAD)
_RESULTS = {
    "Succeeded": "Succeeded", "Failed": "Failed", "Errored": "Error", "Skipped": "Skipped", "Omitted": "Omitted"
}  # fmt: skip
_RESULT = re.compile(rf"([a-zA-Z0-9][-a-zA-Z0-9]*)\.({'|'.join(_RESULTS)})\b")
_TAG = re.compile(r"\{\{([^{}]+)\}\}")
_WHEN = re.compile(r"'([^'\"\\]*)' ([!=]=) '([^'\"\\]*)'")


class SimulationError(Exception):
    """A manifest that Argo would refuse, or that no run of ours should come to."""


@dataclass(frozen=True)
class Pod:
    """A pod that is about to run."""

    template: dict[str, Any]
    arguments: dict[str, str]
    before: int
    """The pods that had ended for certain, as bits: 1 << the place of each in the order in which they ran."""


RunPod = Callable[[Pod], tuple[str, str]]
"""Says how a pod ends: its phase, and its output parameter if the template has one."""


@dataclass(eq=False)
class _Node:
    """A node of the status: `kind` is a NodeType, `ended` are the pods that have ended when it has, as bits."""

    kind: str
    phase: str
    ended: int
    children: dict[_Node, None] = field(default_factory=dict)
    outbound: list[_Node] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    fields: dict[str, Any]
    needs: list[str]
    condition: CodeType | None
    arguments: dict[str, str]


@dataclass(frozen=True)
class _Dag:
    tasks: dict[str, _Task]
    orders: list[list[str]]
    """Ways to go through the tasks, each behind all that it needs."""
    ancestors: dict[str, set[str]]
    leaves: list[str]


class Workflow:
    """A rendered pipeline, understood: its object and those of its separate dags.

    Raises `SimulationError` for what Argo's validation would refuse (workflow/validate/validate.go, validateDAG).
    """

    def __init__(self, objects: Sequence[dict[str, Any]], orders: int = 3) -> None:
        shuffle = random.Random(0)
        self.templates: dict[tuple[str, str], dict[str, Any]] = {}
        self.dags: dict[tuple[str, str], _Dag] = {}
        for number, found in enumerate(objects):
            scope = found["metadata"]["name"] if number else ""
            for name, template in templates(found).items():
                self.templates[scope, name] = template
                if "dag" in template:
                    self.dags[scope, name] = _understood(template["dag"]["tasks"], orders, shuffle)
        self.entry: str = objects[0]["spec"]["entrypoint"]

    def run(self, run_pod: RunPod, order: int = 0) -> tuple[str, list[Pod]]:
        """Return the workflow's phase and its pods in the order in which they ran; `order` chooses one of a few."""
        run = _Run(self, run_pod, order)
        return run.template("", self.entry, {}, 0)[0].phase, run.pods


def _understood(tasks: list[dict[str, Any]], orders: int, shuffle: random.Random) -> _Dag:
    """Return a DAG's tasks by name, and what follows from their conditions.

    dag.go, findLeafTaskNames: the leaves are the tasks that no other depends on, by name.
    """
    found = {one["name"]: _task(one) for one in tasks}
    if len(found) < len(tasks):
        raise SimulationError("two tasks of a DAG have one name")
    for name, task in found.items():
        if missing := [one for one in task.needs if one not in found]:
            raise SimulationError(f"task '{name}' depends on {missing}, which are not there")
    needed = {one for task in found.values() for one in task.needs}
    ways = [_order(found, None), *(_order(found, shuffle) for _ in range(orders - 1))]
    ancestors: dict[str, set[str]] = {}
    for name in ways[0]:
        needs = found[name].needs
        ancestors[name] = set(needs).union(*(ancestors[one] for one in needs))
    return _Dag(found, ways, ancestors, sorted(found.keys() - needed))


def _task(fields: dict[str, Any]) -> _Task:
    """Understand a task; workflow/common/ancestry.go, GetTaskDependenciesFromDepends, and dag.go, evaluateDependsLogic."""
    depends = fields.get("depends", "")
    rest = _RESULT.sub("", depends)
    if re.search(r"[^\s()&|!]", rest):
        raise SimulationError(f"a condition that the simulator does not know: {depends}")
    needs = list(dict.fromkeys(one[1] for one in _RESULT.finditer(depends)))
    text = _RESULT.sub(lambda one: f"(phases[{one[1]!r}] == {_RESULTS[one[2]]!r})", " ".join(depends.split()))
    text = text.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    given = fields.get("arguments", {}).get("parameters", ())
    condition = compile(text.strip(), depends, "eval") if depends else None
    return _Task(fields, needs, condition, {one["name"]: one["value"] for one in given})


def _order(tasks: dict[str, _Task], shuffle: random.Random | None) -> list[str]:
    waits = {name: len(task.needs) for name, task in tasks.items()}
    behind: dict[str, list[str]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        for one in task.needs:
            behind[one].append(name)
    ready = [name for name, count in waits.items() if not count]
    order = []
    while ready:
        name = ready.pop(0 if shuffle is None else shuffle.randrange(len(ready)))
        order.append(name)
        for one in behind[name]:
            waits[one] -= 1
            if not waits[one]:
                ready.append(one)
    if len(order) < len(tasks):
        raise SimulationError(f"tasks wait for each other: {sorted(tasks.keys() - set(order))}")
    return order


def _replaced(text: str, values: dict[str, str]) -> str:
    """Return a text with the tags that are known replaced (util/template/replace.go)."""
    return _TAG.sub(lambda tag: values.get(tag[1].strip(), tag[0]), text)


def _outbound(node: _Node) -> Iterator[_Node]:
    """Yield the nodes that what follows a node hangs on; operator.go, getOutboundNodes."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        inside = list(found.children) if found.kind == "TaskGroup" else found.outbound
        if found.kind in ("Pod", "Skipped", "Suspend") or (found.kind == "TaskGroup" and not inside):
            yield found
        else:
            waiting += reversed(inside)


class _Run:
    def __init__(self, workflow: Workflow, run_pod: RunPod, order: int) -> None:
        self.workflow = workflow
        self.run_pod = run_pod
        self.order = order
        self.pods: list[Pod] = []

    def template(self, scope: str, name: str, arguments: dict[str, str], before: int) -> tuple[_Node, str]:
        """Run a template and return its node and its output; operator.go, executeTemplate.

        A suspend of no length ends at once (operator.go, executeSuspend).
        """
        template = self.workflow.templates.get((scope, name))
        if template is None:
            raise SimulationError(f"there is no template '{name}' in '{scope}'")
        for one in (template.get("inputs") or {}).get("parameters", ()):
            if one["name"] not in arguments and "value" not in one:
                raise SimulationError(f"template '{name}': its input '{one['name']}' is not given")
        if found := [text for text in arguments.values() if "{{" in text]:
            raise SimulationError(f"template '{name}' is given what was not replaced: {found}")
        dag = self.workflow.dags.get((scope, name))
        if dag is not None:
            return self._dag(scope, dag, arguments, before), ""
        if str(template.get("suspend", {}).get("duration")) == "0":
            return _Node("Suspend", "Succeeded", before), ""
        pod = Pod(template, arguments, before)
        bit = 1 << len(self.pods)
        self.pods.append(pod)
        phase, output = self.run_pod(pod)
        return _Node("Pod", phase, before | bit), output

    def _dag(self, scope: str, dag: _Dag, arguments: dict[str, str], before: int) -> _Node:
        """Run a DAG template; dag.go, executeDAG and executeDAGTask."""
        boundary = _Node("DAG", "Running", before)
        inputs = {f"inputs.parameters.{name}": text for name, text in arguments.items()}
        nodes: dict[str, _Node] = {}
        outputs: dict[str, str] = {}
        for name in dag.orders[self.order % len(dag.orders)]:
            task = dag.tasks[name]
            since = before
            for one in task.needs:
                since |= nodes[one].ended
            phases = {one: nodes[one].phase for one in task.needs}
            if task.condition is not None and not eval(task.condition, {"phases": phases}):
                node = _Node("Skipped", "Omitted", since)
            else:
                # dag.go, buildLocalScopeFromTask: outputs of ancestors, however far; a pod has one here, whatever its name.
                seen = {one: outputs[one] for one in dag.ancestors[name] if outputs.get(one)}
                told = ((one, output) for one in seen for output in ("items", "choice"))
                known = {**inputs, **{f"tasks.{one}.outputs.parameters.{of}": seen[one] for one, of in told}}
                node, outputs[name] = self._task(scope, task, known, since)
            # dag.go, connectDependencies in executeDAGTask
            above: Iterable[_Node] = (last for one in task.needs for last in _outbound(nodes[one]))
            for parent in above if task.needs else [boundary]:
                parent.children[node] = None
            nodes[name] = node
        # dag.go, updateOutboundNodesForTargetTasks
        boundary.outbound = [nodes[name] for name in dag.leaves]
        boundary.phase = _assessed(boundary)
        for node in nodes.values():
            boundary.ended |= node.ended
        return boundary

    def _task(self, scope: str, task: _Task, known: dict[str, str], before: int) -> tuple[_Node, str]:
        """Run a task whose condition holds, once or for each item; dag.go, executeDAGTask and expandTask."""
        reference = task.fields.get("templateRef")
        scope, name = (
            (reference["name"], reference["template"]) if reference else (scope, task.fields["template"])
        )
        if "when" in task.fields and not _should_execute(_replaced(task.fields["when"], known)):
            return _Node("Skipped", "Skipped", before), ""
        if "withParam" not in task.fields:
            return self.template(scope, name, _given(task, known), before)
        try:
            items = json.loads(_replaced(task.fields["withParam"], known))
        except ValueError:
            items = None
        if not isinstance(items, list):
            return _Node("Skipped", "Error", before), ""
        if not items:
            return _Node("Skipped", "Skipped", before), ""
        group = _Node("TaskGroup", "Succeeded", before)
        for item in items:
            node, _ = self.template(scope, name, _given(task, {**known, "item": str(item)}), before)
            group.children[node] = None
            group.ended |= node.ended
            if node.phase in BAD:
                group.phase = node.phase
        return group, ""


def _should_execute(when: str) -> bool:
    """Tell whether a condition holds; steps.go, shouldExecute. Other conditions than ours are not simulated."""
    compared = _WHEN.fullmatch(when)
    if compared is None:
        raise SimulationError(f"a when that the simulator does not know: {when}")
    if "{{" in compared[1]:
        raise SimulationError(f"a when of what was not replaced: {when}")
    return (compared[1] == compared[3]) == (compared[2] == "==")


def _given(task: _Task, known: dict[str, str]) -> dict[str, str]:
    return {name: _replaced(text, known) for name, text in task.arguments.items()}


def _assessed(boundary: _Node) -> str:
    """Return the phase of a DAG whose tasks have all ended; dag.go, assessDAGPhase.

    Argo goes from the first tasks along the children, a node once for each phase that leads to it. A node that was omitted
    or skipped takes over the phase it was come to with. The DAG fails if a leaf does.
    """
    leaves = dict.fromkeys(boundary.outbound, "")
    queue = [(node, "Succeeded") for node in boundary.children]
    seen = set(queue)
    for node, phase in queue:
        if node.phase in COMPLETED:
            phase = node.phase
        if node in leaves and leaves[node] not in BAD:
            leaves[node] = phase
        for child in node.children:
            if (child, phase) not in seen:
                seen.add((child, phase))
                queue.append((child, phase))
    if "" in leaves.values():
        return "Running"
    return next((phase for phase in leaves.values() if phase in BAD), "Succeeded")
