"""The fold: the run log that people and tests see, computed from the plan and the records (docs/semantics.md).

Nothing here is stored, and nothing is believed but what a callback recorded: the walk is repeated from the start of
each graph along the recorded hand-overs. Composites, as-is nodes without text and branches that end in either are
computed, for no callback stands for them. Any prefix of a run's records folds: a run can be looked at while it runs.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.plan import (
    COMPOSITES,
    CONDITIONAL,
    DAG,
    DECIDED,
    FAIL_NODE,
    ITEMS_PER_PAGE,
    MAP,
    SUCCESS_NODE,
    TASK,
    failure_target,
    silent_end,
)
from magnus_render.runtime import shapes
from magnus_render.runtime.fold_attempts import Records, Tried, as_is_step, blank, task_step
from magnus_render.runtime.merge import Contribution, Merged, merge_dag, merge_map, merge_parallel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any

    from magnus_render.plan import CompositeStart, GraphEnd, GraphHead, Node, Outcome, Plan, RunRecord

    Log = dict[str, Any]
    Step = dict[str, Any]
    Walking = Generator[Any, Any, "_Graph"]

MANY_ITEMS = 100_000
"""More branches than that are not believed without their items: a damaged count must not fill the memory."""
_RUNNING = ("PROCESSING", "TRIGGERED")


def fold(plan: Plan, run: RunRecord, records: Mapping[str, Any] | Records, now: float) -> Log:
    """Return the folded log of docs/semantics.md.

    `records` are a run's by key without the run id, as bytes or parsed, or `Records` of them; `now` is in seconds since the
    epoch. Raises `shapes.Damaged` for a record that is not what it must be, and nothing for records that are not there.
    """
    if not isinstance(records, Records):
        records = Records(records, run["run_id"])
    return _Fold(plan, run, records, now).log()


class _Graph:
    """One graph instance: first what it is, then what the walk through it found."""

    def __init__(self, head: GraphHead, address: str, path: str, closed: bool, mocked: bool) -> None:
        self.head = head
        self.address = address
        self.path = path
        self.closed = closed
        """True if nothing more can happen in it."""
        self.mocked = mocked
        """True while all on the path so far was mocked."""
        self.end: GraphEnd | None = None
        self.steps: dict[str, Step] = {}
        self.status = ""
        self.state = ""
        """The last recorded state on the path; '' for what the graph began with."""
        self.added: list[Merged] = []
        """What composites added since of which no outcome is recorded."""
        self.lost = False
        """True if it failed by what left no record: it was not started, or the platform lost it before it began."""


class _Fold:
    def __init__(self, plan: Plan, run: RunRecord, records: Records, now: float) -> None:
        self.plan = plan
        self.run = run
        self.records = records
        self.now = now

    def log(self) -> Log:
        root = None
        head = self.plan["graphs"].get("")
        if head is not None:
            mocked = bool(self.run["original_run_id"]) and not self.run["changed"]
            root = _run(self._walk(_Graph(head, "", "", False, mocked)))
        return {
            "run_id": self.run["run_id"],
            "dag_hash": self.run["dag_hash"],
            "tag": self.run["tag"],
            "original_run_id": self.run["original_run_id"],
            "status": root.status if root else "TRIGGERED",
            "parameters": self._visible(root),
            "message": "",
            "steps": root.steps if root else {},
        }

    # ---- the walk of one graph ----

    def _walk(self, graph: _Graph) -> Walking:
        """Walk a graph; yields the walks of branches and is sent what they return."""
        graph.end = self.records.of(graph.address, "end")
        graph.closed = graph.closed or graph.end is not None
        slug, step = graph.head["start"], None
        passed: set[str] = set()
        while slug and slug not in passed:
            passed.add(slug)
            node = self._node(graph, slug)
            if node is None:
                break
            if node["type"] in (SUCCESS_NODE, FAIL_NODE):
                self._arrive(graph, node)
                return graph
            address = naming.join(graph.address, slug)
            if node["type"] in COMPOSITES:
                step, slug = yield from self._composite(graph, node, address)
            elif node["type"] == TASK:
                step, slug = self._task(graph, node, address)
            else:
                step, slug = self._as_is(graph, node, address)
            if step is not None:
                graph.steps[naming.join(graph.path, node["name"])] = step
        if graph.end is not None:
            ended = graph.head["success" if graph.end["status"] == "SUCCESS" else "fail"]
            if node := self._node(graph, ended):
                self._arrive(graph, node)
                return graph
        graph.status = self._unfinished(graph, step)
        graph.lost = graph.lost or (graph.closed and step is None)
        return graph

    def _arrive(self, graph: _Graph, node: Node) -> None:
        slug = naming.last(node["address"])
        step = blank(node, naming.join(graph.address, slug), node["name"])
        step["status"] = graph.status = "SUCCESS" if node["type"] == SUCCESS_NODE else "FAIL"
        step["mock"] = graph.mocked
        graph.steps[naming.join(graph.path, node["name"])] = step

    @staticmethod
    def _unfinished(graph: _Graph, step: Step | None) -> str:
        """Return the status of a graph whose walk ended at `step`, short of a status node."""
        if step is None:
            return "FAIL" if graph.closed else "PROCESSING"
        if step["status"] in ("CRASHED", "FAIL"):
            return str(step["status"])
        return "TRIGGERED" if step["status"] == "TRIGGERED" and len(graph.steps) == 1 else "PROCESSING"

    def _node(self, graph: _Graph, slug: str) -> Node | None:
        return self.plan["nodes"].get(naming.join(graph.head["address"], slug))

    # ---- tasks and as-is ----

    def _task(self, graph: _Graph, node: Node, address: str) -> tuple[Step | None, str]:
        """Return a task's folded step (None: never reached) and where the walk goes on ('': nowhere)."""
        start: CompositeStart | None = self.records.of(address, "start") if "when" in node else None
        if start is not None:
            shapes.decision(self.run["run_id"], address, start)
        tried = Tried(self.records, address)
        if not tried.recorded:
            return (None if graph.closed else blank(node, address, node["name"])), ""
        step = task_step(tried, self.run, node, address, graph.closed, self.now)
        return step, self._follow(graph, tried)

    def _follow(self, graph: _Graph, tried: Tried) -> str:
        """Take over what a recorded step left behind, and return where the walk went on from it ('': nowhere).

        A handler, or a confirmation, records how the step before it failed. The fail node of the root does not.
        """
        graph.mocked = graph.mocked and tried.outcome is not None and tried.outcome["mock"]
        if tried.outcome is None:
            return graph.head["fail"] if self._is_over(graph) == "FAIL" else ""
        graph.state, graph.added = tried.outcome["state"], []
        return tried.outcome["handed_to"]

    def _as_is(self, graph: _Graph, node: Node, address: str) -> tuple[Step | None, str]:
        tried = Tried(self.records, address)
        if tried.recorded:
            mocked = graph.mocked
            step, slug = as_is_step(tried, node, address), self._follow(graph, tried)
            graph.mocked = mocked and step["status"] == "SUCCESS"
            if step["status"] == "PROCESSING" and (slug or graph.closed):
                step["status"] = "CRASHED"
            return step, slug
        step = blank(node, address, node["name"])
        if node.get("silent"):
            step["status"] = "SUCCESS"
            return step, node["next"]["slug"]
        if self._is_over(graph) == "FAIL" and failure_target(node) == graph.head["fail"]:
            step["status"], graph.mocked = "FAIL", False
            return step, graph.head["fail"]
        return (None if graph.closed else step), ""

    # ---- composites ----

    def _composite(
        self, graph: _Graph, node: Node, address: str
    ) -> Generator[Any, Any, tuple[Step | None, str]]:
        step = blank(node, address, node["name"])
        start: CompositeStart | None = self.records.of(address, "start")
        done: Outcome | None = self.records.of(address, "outcome")
        if node["type"] in DECIDED and start is None and done is None:
            return (None if graph.closed else step), ""
        path = naming.join(graph.path, node["name"])
        branches: list[_Graph] = []
        for branch in self._branches(graph, node, start, address, path, graph.closed or done is not None):
            branches.append((yield self._walk(branch)))
        if not self.records.has(address) and not all(_arrived(branch) for branch in branches):
            return (None if graph.closed else step), ""  # what has silent as-is nodes alone needs no record
        step["branches"] = {b.path: {"status": b.status, "steps": b.steps} for b in branches}
        if done is not None:
            step["status"] = done["status"]
            step["message"] = done["message"] or (start["message"] if start is not None else "")
            graph.mocked = graph.mocked and done["status"] == "SUCCESS" and all(b.mocked for b in branches)
            step["mock"], graph.state, graph.added = graph.mocked, done["state"], []
            return step, done["handed_to"]
        if start is not None and start["message"]:
            step["status"], step["message"], graph.mocked = "FAIL", start["message"], False
            return step, failure_target(node)
        step["status"] = _composite_status([b.status for b in branches], graph.closed)
        if step["status"] != "SUCCESS":
            graph.mocked = False
            return step, self._after_failure(graph, node, branches) if step["status"] == "FAIL" else ""
        added = self._merge(node, branches)
        graph.added.append(added)
        step["message"] = added.message
        step["mock"] = graph.mocked = graph.mocked and all(b.mocked for b in branches)
        return step, node["next"]["slug"]

    def _after_failure(self, graph: _Graph, node: Node, branches: list[_Graph]) -> str:
        """Return where the walk goes from a composite that failed, and from which nobody is known to have gone on."""
        to, fail = failure_target(node), graph.head["fail"]
        lost = all(branch.status == "SUCCESS" or branch.lost for branch in branches)
        over = self._is_over(graph)
        nodes, graphs = self.plan["nodes"].get, self.plan["graphs"].get
        followed = over and silent_end(nodes, graphs, graph.head["address"], to) == over
        if (lost or over == "FAIL") and not followed:
            to = fail
        graph.lost = lost and to == fail and graph.end is None
        return to

    @staticmethod
    def _is_over(graph: _Graph) -> str:
        """Return SUCCESS or FAIL as a graph ended, '' if it has not."""
        return graph.end["status"] if graph.end is not None else "FAIL" if graph.closed else ""

    def _branches(
        self, graph: _Graph, node: Node, start: CompositeStart | None, address: str, path: str, closed: bool
    ) -> list[_Graph]:
        heads = self.plan["graphs"]
        if node["type"] == MAP:
            head = heads.get(f"{node['address']}._")
            count = (start["count"] or 0) if start is not None and head is not None else 0
            last = f"items.{(count - 1) // ITEMS_PER_PAGE}"
            if count > MANY_ITEMS and not self.records.there(address, last):
                raise shapes.Damaged(
                    self.run["run_id"], f"{naming.key(address)}/start.json", f"it has no {count} items"
                )
            same = (start["items_mocked"] if start is not None else None) or []
            return [
                _Graph(
                    head, f"{address}.{i}", f"{path}.{i}", closed, graph.mocked and i < len(same) and same[i]
                )
                for i in range(count)
                if head is not None
            ]
        taken = node["branches"]
        if node["type"] == CONDITIONAL and start is not None:
            chosen = shapes.choice(self.run["run_id"], address, taken, start)
            taken = [branch for branch in taken if branch["slug"] == chosen]
        return [
            _Graph(head, f"{address}.{b['slug']}", f"{path}.{b['name']}", closed, graph.mocked)
            for b in taken
            if (head := heads.get(f"{node['address']}.{b['slug']}")) is not None
        ]

    def _merge(self, node: Node, branches: list[_Graph]) -> Merged:
        contributions = [self._contribution(branch) for branch in branches]
        if node["type"] == MAP:
            return merge_map(contributions)
        if node["type"] in (DAG, CONDITIONAL) and contributions:
            return merge_dag(contributions[0])
        names = [branch["name"] for branch in node["branches"]]
        return merge_parallel(list(zip(names, contributions, strict=False)))

    def _contribution(self, graph: _Graph) -> Contribution:
        """Return what a branch added since it began."""
        contribution = Contribution()
        state = self.records.state(graph.state)
        if state is not None:
            contribution.set.update(self.records.unpack(state["parameters"], state["set"]))
            contribution.files.update({p: state["files"][p] for p in state["filed"] if p in state["files"]})
        for added in graph.added:
            contribution.set.update(added.set)
            contribution.files.update(added.files)
        return contribution

    def _visible(self, root: _Graph | None) -> dict[str, Any]:
        """Return the parameters visible where the walk of the root graph is."""
        state = self.records.state(root.state) if root else None
        values = self.records.unpack(state["parameters"] if state else self.run["parameters"])
        for added in root.added if root else ():
            values.update(added.set)
        return values


def _arrived(graph: _Graph) -> bool:
    """Tell whether the walk of a graph came to a status node."""
    last = next(reversed(graph.steps.values()), None)
    return last is not None and last["step_type"] in (SUCCESS_NODE, FAIL_NODE)


def _composite_status(branches: list[str], closed: bool) -> str:
    if all(status == "SUCCESS" for status in branches):
        return "SUCCESS"
    if any(status in _RUNNING for status in branches):
        return "PROCESSING"
    return "CRASHED" if "CRASHED" in branches and not closed else "FAIL"


def _run(walk: Walking) -> _Graph:
    """Run walks that yield walks, without recursion: graphs are nested as deep as users like."""
    stack, result = [walk], None
    while True:
        try:
            stack.append(stack[-1].send(result))
            result = None
        except StopIteration as stop:
            stack.pop()
            result = stop.value
            if not stack:
                return stop.value  # type: ignore[no-any-return]
