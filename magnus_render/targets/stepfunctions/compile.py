"""From graphs to states: which states a plan becomes, in reading order, and where each leads.

A map or a parallel becomes a state with machines inside. The states of a dag are written in place, among those around the
dag, and its last one leads to the dag's successor. So are the branches of a conditional, behind a Choice between them. A
task that has a condition stands behind a Choice too, which leads to the task or past it.

A branch of a map or a parallel ends with data, not with an error, so that the other branches run to their end. The data is
'' for success, else the names of the steps that failed. A Choice behind the composite reads it. On the way to a fail node
the data of the states names the steps that failed.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.graph.view import View
from magnus_render.plan import (
    AS_IS,
    CONDITIONAL,
    DAG,
    FAIL_NODE,
    MAP,
    PARALLEL,
    RUN,
    SKIP,
    SUCCESS_NODE,
    TASK,
    failure_target,
    is_decided,
)
from magnus_render.targets.base import condition_title
from magnus_render.targets.stepfunctions import failed_steps
from magnus_render.targets.stepfunctions.jsonata import expression, string
from magnus_render.targets.stepfunctions.model import Machine, Rule, State
from magnus_render.targets.stepfunctions.names import RECORD, START, StateNames, machine_name
from magnus_render.targets.stepfunctions.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magnus_render.plan import Graph, Node, Plan
    from magnus_render.targets.stepfunctions.jobs import Jobs

    _Place = tuple[Graph, str, bool]
    """A graph, the slug of a node in it, and whether the states that were written in place for that node are done."""

_HELPERS = {
    MAP: ("map_count", "items", "count"),
    CONDITIONAL: ("choose", "choose", "choice"),
    TASK: ("choose", "choose", "choice"),
}
"""Type of a node that needs a decision -> the callback that decides if no step does, the word in the name of the
callback's state, and the word in the name of the state that reads the decision."""


def compile_plan(plan: Plan, jobs: Jobs, native: Callable[[Node], Any]) -> list[Machine]:
    """Return the state machine of a plan, and those of its separate dags behind it, in reading order.

    `native` gives the state that the user wrote for an as-is, None if there is none.
    """
    compiler = _Compiler(plan, jobs, native)
    machines = [compiler.root()]
    for node in compiler.separate:
        machines.append(compiler.child(node))
    return machines


def child_name(plan: Plan, node: Node) -> str:
    """Return the name under which the machine of a separate dag is to be deployed.

    The parts are joined by `_`, which no slug has. So the separate dag of one pipeline never has the name of another
    pipeline's machine.
    """
    return machine_name(plan, naming.without_indices(node["address"]))


class _Compiler:
    def __init__(self, plan: Plan, jobs: Jobs, native: Callable[[Node], Any]) -> None:
        self.plan = plan
        self.jobs = jobs
        self.native = native
        self.names = StateNames(plan)
        self.view = View(plan, native, separate=True)
        self.separate: list[Node] = []

    def root(self) -> Machine:
        """Return the machine of the root graph."""
        scope = Scope()
        first = State("start", START, scope, self.plan["graphs"][""]["fail"])
        return self._recorded(self._machine("", scope, first))

    def child(self, node: Node) -> Machine:
        """Return the machine of a separate dag: its input tells run and branch."""
        graph = self.view.inner(node)["address"]
        scope = Scope(variable="branch", stands_for=graph, depth=1)
        # The first state assigns the variables, so it cannot read its own address from them.
        first = State("child_start", START, scope, expression("$states.input.branch"))
        machine = self._recorded(self._machine(graph, scope, first))
        machine.name = child_name(self.plan, node)
        return machine

    def _recorded(self, machine: Machine) -> Machine:
        """Return a machine in which every way starts a callback, which creates the run or refuses an old definition."""
        head, scope = self.plan["graphs"][machine.graph], machine.scope
        if not self.view.surely_calls(head):
            start, failed = machine.states[0], f"{RECORD}: failed"
            success, fail = (self.view.node(head, head[end]) for end in ("success", "fail"))
            record = self._helper(fail, scope, RECORD, self._callback(success, scope), start.next, failed)
            start.next = record.name
            machine.states[1:1] = [record, State("root_fail", failed, scope)]
        return machine

    # ---- a graph, with the dags that stand in place ----

    def _machine(self, graph: str, scope: Scope, first: State | None = None) -> Machine:
        head = self.plan["graphs"][graph]
        begin = self._entry(head, head["start"])
        states = [first] if first is not None else []
        if first is not None:
            first.next = begin
        for inner, slug, behind in self._reading_order(head):
            make = self._behind if behind else self._states
            states.extend(make(inner, self.view.node(inner, slug), scope))
        success, fail = self._end_names(head)
        states.append(State("success" if graph else "root_success", success, scope))
        states.extend(self._fail(head, fail, scope, first_of_all=begin == fail))
        start = states[0].name if first is not None else begin
        # A state that only failures lead to is left out if nothing before it can fail, such as an as-is without text.
        found = failed_steps.reached(states, start)
        machine = Machine(start, [state for state in states if state.name in found], scope, graph)
        failed_steps.mark(machine, fail)
        return machine

    def _fail(self, head: Graph, name: str, scope: Scope, first_of_all: bool) -> Iterator[State]:
        graph = head["address"]
        if not graph or self.view.none_before_fail(head):
            record = self._fail_record(head, scope, f"{name}: end")
            record.output, record.fixed = failed_steps.PASSED_ON, True
            yield record
            name = record.next
        if not graph:
            yield State("root_fail", name, scope)
            return
        end = State("fail", name, scope, scope.address(graph), fixed=True)
        composite = self.plan["nodes"][naming.parent(graph)]
        if composite.get("fail_fast"):
            end.kind = "fail_fast"
            end.output = scope.address(graph)
        elif composite["type"] == MAP or first_of_all:
            end.output = expression(scope.code(graph))
        yield end

    def _fail_record(self, head: Graph, scope: Scope, then: str) -> State:
        """Return the callback of a graph's fail node."""
        node = self.view.node(head, head["fail"])
        name, address = self.names.of(node), scope.address(node["address"])
        job = self.jobs.make(node, scope, self._callback(node, scope))
        return State("job", name, scope, address, node, then, then, job=job)

    def _reading_order(self, head: Graph) -> Iterator[_Place]:
        """Yield the nodes of a graph, without its status nodes, in the order of reading.

        A node whose graphs are written in place comes twice: before the nodes of those graphs, and behind them.
        """
        waiting = [self._entered(head)]
        while waiting:
            place = next(waiting[-1], None)
            if place is None:
                waiting.pop()
                continue
            yield place
            graph, slug, behind = place
            node = self.view.node(graph, slug)
            if not behind and _stands_in_place(node):
                inside = map(self._entered, self.view.inner_graphs(node))
                waiting.append(chain(*inside, [(graph, slug, True)]))

    def _entered(self, graph: Graph) -> Iterator[_Place]:
        return ((graph, slug, False) for slug in self.view.steps(graph))

    def _end_names(self, head: Graph) -> tuple[str, str]:
        success, fail = (self.view.node(head, head[end]) for end in ("success", "fail"))
        return self.names.of(success), self.names.of(fail)

    # ---- where edges lead ----

    def _entry(self, graph: Graph, slug: str) -> str:
        """Return the name of the state that an edge to a node leads to."""
        while True:
            node = self.view.node(graph, slug)
            kind = node["type"]
            if kind in (SUCCESS_NODE, FAIL_NODE):
                outer = self._in_place(graph)
                if outer is None or (kind == FAIL_NODE and self.view.none_before_fail(graph)):
                    return self.names.of(node)
                graph = self.view.graph_of(outer)
                if kind == SUCCESS_NODE:
                    slug = outer["next"]["slug"]
                elif self.view.must_confirm(outer):
                    return self._failed(outer)
                else:
                    slug = failure_target(outer)
            elif kind == DAG and _stands_in_place(node):
                graph = self.view.inner(node)
                slug = graph["start"]
            else:
                return self._first(node)

    def _in_place(self, graph: Graph) -> Node | None:
        """Return the dag or conditional that a graph stands in place for, None if the graph is a machine's own."""
        node = self.view.around(graph)
        return node if node is not None and _stands_in_place(node) else None

    def _first(self, node: Node) -> str:
        name = self.names.of(node)
        if is_decided(node):
            _, decide, read = _HELPERS[node["type"]]
            return f"{name}: {read if node['counted_by'] else decide}"
        if node["type"] == PARALLEL and node["fan_in"]:
            return f"{name}: fan in"
        return name

    def _failed(self, node: Node) -> str:
        return f"{self.names.of(node)}: failed"

    def _edges(self, graph: Graph, node: Node) -> tuple[str, str]:
        """Return the states that a node's success and its failure lead to."""
        then = self._entry(graph, node["next"]["slug"])
        if self.view.must_confirm(node):
            return then, self._failed(node)
        return then, self._entry(graph, failure_target(node))

    # ---- nodes ----

    def _states(self, graph: Graph, node: Node, scope: Scope) -> Iterator[State]:
        kind = node["type"]
        then, failure = self._edges(graph, node)
        name, address = self.names.of(node), scope.address(node["address"])
        comment = node.get("description", "")
        if kind == TASK:
            if "when" in node:
                yield from self._condition(node, scope, name, address, then, failure)
            words = [*self._callback(node, scope)]
            if node["retry"]["attempts"] > 1:
                words += ["--attempt", "{% $string($states.context.State.RetryCount + 1) %}"]
            job = self.jobs.make(node, scope, words)
            yield State("job", name, scope, address, node, then, failure, job=job, comment=comment)
        elif kind == AS_IS:
            yield from self._as_is(node, scope, name, address, then, failure)
        elif kind == MAP:
            yield from self._map(node, scope, name, address, then, failure)
        elif kind == PARALLEL:
            yield from self._parallel(node, scope, name, address, then, failure)
        elif kind == CONDITIONAL:
            yield from self._conditional(node, scope, name, address, failure)
        elif node["separate"]:
            self.separate.append(node)
            state = State("child", name, scope, address, node, comment=comment)
            state.key = scope.code(self.view.inner(node)["address"])
            state.target = self.jobs.config(node).state_machine or child_name(self.plan, node)
            yield from self._with_outcome(state, then, failure)
        if self.view.must_confirm(node) and not _stands_in_place(node):
            yield self._confirmation(graph, node, scope)

    def _behind(self, graph: Graph, node: Node, scope: Scope) -> Iterator[State]:
        """Yield the states behind the branches of a dag or conditional that are written in place."""
        _, failure = self._edges(graph, node)
        for inner in self.view.inner_graphs(node):
            if self.view.none_before_fail(inner):
                yield self._fail_record(inner, scope, failure)
        if self.view.must_confirm(node):
            yield self._confirmation(graph, node, scope)

    def _callback(self, node: Node, scope: Scope, command: str = "execute_single_node") -> list[str]:
        return [command, expression(scope.shared("run")), scope.address(node["address"])]

    def _helper(
        self, node: Node, scope: Scope, name: str, words: list[str], then: str, failure: str
    ) -> State:
        """Return a job that is no step of the pipeline: it makes a record that no step makes."""
        job = self.jobs.make(node, scope, words, helper=name.rpartition(": ")[2].replace(" ", "-"))
        address = scope.address(node["address"])
        return State("job", name, scope, address, node, then, failure, job=job, fixed=True)

    def _confirmation(self, graph: Graph, node: Node, scope: Scope) -> State:
        """Return the job that confirms a failure before the walk goes on, where no other job would; a refusal ends there."""
        words = [*self._callback(node, scope), "--confirm-failure"]
        then, failure = (self._entry(graph, slug) for slug in (failure_target(node), graph["fail"]))
        state = self._helper(node, scope, self._failed(node), words, then, failure)
        state.fixed = False
        return state

    def _as_is(
        self, node: Node, scope: Scope, name: str, address: str, then: str, failure: str
    ) -> Iterator[State]:
        native = self.native(node)
        comment = node.get("description", "")
        if native is None:
            yield State("nothing", name, scope, address, node, then, comment=comment)
            return
        recorded = node["next"]["type"] == TASK  # the task's own record tells that this as-is has succeeded
        can_fail = native.get("Type") in ("Task", "Map", "Parallel")
        record, failed = f"{name}: record", self._failed(node)
        state = State("native", name, scope, address, node, then if recorded else record, native=dict(native))
        state.comment = comment
        state.catch = failed if can_fail else ""
        yield state
        words = [*self._callback(node, scope), "--exit-status"]
        if not recorded:
            yield self._helper(node, scope, record, [*words, "0"], then, failure)
        if can_fail and failure != failed:
            yield self._helper(node, scope, failed, [*words, "1"], failure, failure)

    def _map(
        self, node: Node, scope: Scope, name: str, address: str, then: str, failure: str
    ) -> Iterator[State]:
        yield from self._decided(node, scope, name, name, failure)
        distributed = self.jobs.config(node).distributed
        inside = scope.inside(node["address"], distributed)
        graph = self.view.inner(node)["address"]
        first = State(
            "distributed_branch" if distributed else "branch", f"{name}: branch", inside, fixed=True
        )
        first.key = f"{scope.code(node['address'])} & '.' & $states.input"
        state = State("map", name, scope, address, node, items="{% $states.input %}")
        state.machines = [self._machine(graph, inside, first)]
        state.limit, state.distributed = node["max_concurrency"], distributed
        state.comment = node.get("description", "")
        yield from self._with_outcome(state, then, failure)

    def _conditional(
        self, node: Node, scope: Scope, name: str, address: str, failure: str
    ) -> Iterator[State]:
        yield from self._decided(node, scope, name, name, failure)
        state = State("conditional", name, scope, address, node, otherwise=failure)
        state.comment = node.get("description", "")
        for inner in self.view.inner_graphs(node):
            condition = expression(f"$states.input = {string(naming.last(inner['address']))}")
            state.choices.append(Rule(condition, self._entry(inner, inner["start"])))
        yield state

    def _condition(
        self, node: Node, scope: Scope, name: str, address: str, then: str, failure: str
    ) -> Iterator[State]:
        """Yield the states before a task that has a condition: they lead to the task, or past it to its successor."""
        when = f"{name}: when"
        for state in self._decided(node, scope, name, when, failure):
            state.fixed = False
            yield state
        rules = [
            Rule(expression(f"$states.input = {string(choice)}"), to)
            for choice, to in ((SKIP, then), (RUN, name))
        ]
        state = State("when", when, scope, address, node, name, otherwise=failure, choices=rules)
        state.comment = condition_title(node)
        yield state

    def _decided(self, node: Node, scope: Scope, name: str, then: str, failure: str) -> Iterator[State]:
        """Yield the state that reads a decision: how many items a map has, which branch runs, or whether a task runs.

        If no step records that decision, the state whose callback does comes first.
        """
        command, decide, read = _HELPERS[node["type"]]
        reads = f"{name}: {read}"
        if not node["counted_by"]:
            words = self._callback(node, scope, command)
            yield self._helper(node, scope, f"{name}: {decide}", words, reads, failure)
        yield State(read, reads, scope, scope.address(node["address"]), node, then, failure, fixed=True,
                    key=f"{scope.folder(node['address'])} & '/start.json'")  # fmt: skip

    def _parallel(
        self, node: Node, scope: Scope, name: str, address: str, then: str, failure: str
    ) -> Iterator[State]:
        if node["fan_in"]:
            words = self._callback(node, scope, "fan_in")
            yield self._helper(node, scope, f"{name}: fan in", words, name, failure)
        branches = [self._machine(inner["address"], scope) for inner in self.view.inner_graphs(node)]
        state = State("parallel", name, scope, address, node, machines=branches)
        state.comment = node.get("description", "")
        limit = node["max_concurrency"]
        if limit is not None and limit < len(branches):
            state.kind, state.limit = "map", limit
            state.items = list(range(len(branches)))
            pick = State("pick", f"{name}: branch", scope)
            pick.choices = [
                Rule(expression(f"$states.input = {number}"), branch.start)
                for number, branch in enumerate(branches)
            ]
            inside = [pick, *(inner for branch in branches for inner in branch.states)]
            state.machines = [Machine(pick.name, inside, scope)]
        yield from self._with_outcome(state, then, failure)

    def _with_outcome(self, state: State, then: str, failure: str) -> Iterator[State]:
        """Yield a composite's state and, where its failure leads elsewhere, the Choice behind it."""
        assert state.node is not None
        state.catch = failure
        yield state
        if state.node.get("fail_fast") or then == failure:
            state.next = then
            return
        outcome = f"{state.name}: outcome"
        state.next = outcome
        yield State("outcome", outcome, state.scope, state.address, state.node, then, otherwise=failure)


def _stands_in_place(node: Node) -> bool:
    """Tell whether the graphs of a node are written in place, among the states of the machine around it."""
    return node["type"] == CONDITIONAL or (node["type"] == DAG and not node["separate"])
