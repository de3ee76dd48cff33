"""The fold: the run log that people and tests see, computed from the plan and the records (docs/semantics.md).

Nothing here is stored, and nothing is believed but what a callback recorded: the walk is repeated from the start of
each graph along the recorded hand-overs. Composites, as-is nodes without text and branches that end in either are
computed, for no callback stands for them. Any prefix of a run's records folds: a run can be looked at while it runs.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.plan import (
    AS_IS,
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
    onward_unrecorded,
)
from magnus_render.runtime import shapes
from magnus_render.runtime.fold_attempts import Records, Tried, as_is_step, blank, task_step
from magnus_render.runtime.merge import Contribution, Merged, merge_dag, merge_map, merge_parallel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any

    from magnus_render.plan import CompositeStart, GraphEnd, GraphHead, Join, Node, Plan, RunRecord

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
        self.added: list[Merged | Join] = []
        """What composites added since."""
        self.reached: dict[str, bool] = {}
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
            return graph.head["fail"] if self._reached(graph, graph.head["fail"]) else ""
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
        succeeded = self._passed(graph, node)
        if succeeded is None:
            return (None if graph.closed else step), ""
        if succeeded:
            step["status"] = "SUCCESS"
            return step, node["next"]["slug"]
        step["status"], graph.mocked = "FAIL", False
        return step, failure_target(node)

    def _passed(self, graph: _Graph, node: Node) -> bool | None:
        """Tell how an as-is without records ended, by what came after it; None if nothing did."""
        if node.get("silent"):
            return True
        target = failure_target(node)
        if self._reached(graph, node["next"]["slug"]):
            starts = Tried(self.records, naming.join(graph.address, target)).starts
            me = naming.last(node["address"])
            return not (target != node["next"]["slug"] and any(s["after"] == me for s in starts.values()))
        return False if self._reached(graph, target) else None

    def _reached(self, graph: _Graph, slug: str) -> bool:
        """Tell whether the walk got to a node, by what is recorded of it or, if it leaves nothing, behind it."""
        stack = [slug]
        while stack:
            slug = stack[-1]
            if slug not in graph.reached:
                node = self._node(graph, slug)
                found = self._evidence(graph, node, slug)
                behind: list[str] = []
                if not found and node is not None:
                    onward = onward_unrecorded(node)
                    if onward:
                        behind = [onward]
                    elif node["type"] == AS_IS:
                        behind = [node["next"]["slug"], failure_target(node)]
                unknown = [s for s in behind if s not in graph.reached and s not in stack]
                if unknown:
                    stack.append(unknown[0])
                    continue
                graph.reached[slug] = found or any(graph.reached.get(s, False) for s in behind)
            stack.pop()
        return graph.reached[slug]

    def _went_on(self, graph: _Graph, slug: str) -> bool:
        """Tell whether the walk went on to a node from a failure that left no record.

        Not to success, unless the graph's end says so: a callback in between would have found nothing to confirm.
        """
        node = self._node(graph, slug)
        while node is not None and (onward := onward_unrecorded(node)):
            slug = onward
            node = self._node(graph, slug)
        if node is not None and node["type"] == SUCCESS_NODE and graph.end is None:
            return False
        return self._reached(graph, slug)

    def _evidence(self, graph: _Graph, node: Node | None, slug: str) -> bool:
        if node is None or node["type"] not in (SUCCESS_NODE, FAIL_NODE):
            return self.records.has(naming.join(graph.address, slug))
        if graph.end is None:
            return graph.closed
        return (graph.end["status"] == "SUCCESS") == (node["type"] == SUCCESS_NODE)

    # ---- composites ----

    def _composite(
        self, graph: _Graph, node: Node, address: str
    ) -> Generator[Any, Any, tuple[Step | None, str]]:
        step = blank(node, address, node["name"])
        start: CompositeStart | None = self.records.of(address, "start")
        if node["type"] in DECIDED and start is None:
            to = failure_target(node)
            if to != graph.head["fail"] and self._went_on(graph, to):  # the callback that decides was lost
                step["status"], graph.mocked = "FAIL", False
                return step, to
            return (None if graph.closed else step), ""
        if start is not None and start["message"]:
            step["status"], step["message"], graph.mocked = "FAIL", start["message"], False
            return step, failure_target(node)
        join: Join | None = self.records.of(address, "join")
        closed = graph.closed or join is not None or self._left(graph, node)
        path = naming.join(graph.path, node["name"])
        branches: list[_Graph] = []
        for branch in self._branches(graph, node, start, address, path, closed):
            branches.append((yield self._walk(branch)))
        if not self.records.has(address) and not all(_arrived(branch) for branch in branches):
            return (None if graph.closed else step), ""  # what has silent as-is nodes alone needs no record
        step["branches"] = {b.path: {"status": b.status, "steps": b.steps} for b in branches}
        step["status"] = _composite_status([b.status for b in branches], closed)
        if step["status"] != "SUCCESS":
            graph.mocked = False
            return step, self._after_failure(graph, node, branches) if step["status"] == "FAIL" else ""
        added = join if join is not None else self._merge(node, branches)
        graph.added.append(added)
        step["message"] = added["message"] if isinstance(added, dict) else added.message
        step["mock"] = graph.mocked = graph.mocked and all(b.mocked for b in branches)
        return step, node["next"]["slug"]

    def _after_failure(self, graph: _Graph, node: Node, branches: list[_Graph]) -> str:
        """Return where the walk went on from a composite that failed."""
        to, fail = failure_target(node), graph.head["fail"]
        lost = all(branch.status == "SUCCESS" or branch.lost for branch in branches)
        if (lost or (graph.end is not None and graph.end["status"] == "FAIL")) and not self._went_on(
            graph, to
        ):
            to = fail
        graph.lost = lost and to == fail and graph.end is None
        return to

    def _left(self, graph: _Graph, node: Node) -> bool:
        """Tell whether the walk went on from a composite to a node of its graph."""
        following = [node["next"]["slug"]]
        if handler := node.get("on_failure"):
            following.append(handler["slug"])
        return any(self._reached(graph, slug) for slug in following)

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
            merged = self._merged(added)
            contribution.set.update(merged.set)
            contribution.files.update(merged.files)
        return contribution

    def _merged(self, added: Merged | Join) -> Merged:
        if isinstance(added, dict):
            return Merged(self.records.unpack(added["set"]), added["files"], added["message"])
        return added

    def _visible(self, root: _Graph | None) -> dict[str, Any]:
        """Return the parameters visible where the walk of the root graph is."""
        state = self.records.state(root.state) if root else None
        values = self.records.unpack(state["parameters"] if state else self.run["parameters"])
        for added in root.added if root else ():
            values.update(self._merged(added).set)
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
