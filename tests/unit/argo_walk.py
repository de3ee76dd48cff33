"""A rendered pipeline compared with its definition: the same scenario is walked plainly, and run by the simulator.

A scenario says which pods fail, how many items each map has and, if any, from which pod on every callback is refused.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, CONDITIONAL, DECIDED, MAP, PARALLEL, RUN, SKIP, SUCCESS_NODE, TASK
from tests.unit.argo_simulator import COMPLETED, Pod, SimulationError, Workflow

if TYPE_CHECKING:
    from magnus_render.plan import Node, Plan

Key = tuple[str, str]
"""A pod: what it runs, and the address of the node that it does so for."""
STEP, COUNT, CHOOSE, FAN_IN = "execute_single_node", "map_count", "choose", "fan_in"
START = "start_run"
CONFIRM, DONE, FAILED = "--confirm-failure", "--exit-status 0", "--exit-status 1"
SCRIPT, NATIVE = "script", "native"


@dataclass(frozen=True)
class Scenario:
    """What happens in a run."""

    fails: dict[Key, str] = field(default_factory=dict)
    """The pods that fail, each with its phase."""
    items: int = 0
    """Chooses how many items maps have, the branches of conditionals, and which conditions hold.

    0: each map has two, the first branch is chosen, and all conditions hold.
    """
    refused: int | None = None
    """The place of the pod from which on no callback is accepted any more: it exits 65, and records nothing."""
    order: int = 0
    """Which of the orders that Argo may run the pods in."""

    def count(self, address: str) -> int | None:
        """Return how many items a map has; None if it has no list."""
        choice = zlib.crc32(f"{self.items} {address}".encode())
        return (0, 1, 2, 2, 2, 3, None)[choice % 7] if self.items else 2

    def branch(self, node: Node, address: str) -> str | None:
        """Return the slug of the branch of a conditional that runs; None if none is chosen."""
        slugs = [branch["slug"] for branch in node["branches"]]
        choice = zlib.crc32(f"{self.items} {address}".encode())
        return [*slugs, *slugs, None][choice % (2 * len(slugs) + 1)] if self.items else slugs[0]

    def runs(self, address: str) -> str | None:
        """Return what is decided of a task that has a condition; None if nothing is, so that it runs."""
        choice = zlib.crc32(f"{self.items} {address}".encode())
        return (RUN, RUN, SKIP, SKIP, None)[choice % 5] if self.items else RUN

    def decided(self, node: Node, address: str) -> str | None:
        """Return what an engine is told of a node; None if a map or conditional cannot start."""
        if node["type"] == TASK:
            return self.runs(address)
        if node["type"] == CONDITIONAL:
            return self.branch(node, address)
        count = self.count(address)
        return None if count is None else str([*range(count)])


class World:
    """Tells how pods end in a scenario, and keeps what they were."""

    def __init__(self, plan: Plan, scenario: Scenario) -> None:
        self.plan = plan
        self.scenario = scenario
        self.keys: list[Key] = []

    def __call__(self, pod: Pod) -> tuple[str, str]:
        """Return a pod's phase and output."""
        key = what_runs(pod)
        kind, address = key
        refused = self.scenario.refused is not None and len(self.keys) >= self.scenario.refused
        self.keys.append(key)
        phase = self.scenario.fails.get(key, "Succeeded")
        if kind == FAILED or is_end(key) or (refused and kind != NATIVE):
            phase = "Failed"
        outputs = pod.template.get("outputs")
        if not outputs:
            return phase, ""
        if kind == STEP:
            then = self.plan["nodes"][_of_any_item(address)]["next"]
            if then["type"] not in DECIDED and not then.get("when"):
                raise SimulationError(f"{address} hands over {outputs}, though nothing that needs it follows")
            address = ".".join([*address.split(".")[:-1], then["slug"]])
        node = self.plan["nodes"][_of_any_item(f"{address}.")[:-1]]
        decided = self.scenario.decided(node, address)
        (output,) = outputs["parameters"]
        if output["name"] != ("items" if node["type"] == MAP else "choice"):
            raise SimulationError(f"{address} is a {node['type']}, but is told {output['name']}")
        if kind in (COUNT, CHOOSE) and decided is None and node["type"] != TASK:
            phase = "Failed"
        if phase != "Succeeded" or decided is None:
            return phase, output["valueFrom"]["default"]
        return phase, decided


def what_runs(pod: Pod) -> Key:
    """Return what a pod runs: a callback, a script that ends with one, or a template of the user's."""
    container = pod.template.get("container", {})
    args = [str(one) for one in container.get("args", ())]
    command = [str(one) for one in container.get("command", ())]
    address = pod.arguments.get("step", "")
    if "script" in pod.template:
        return SCRIPT, address
    if command[-1] == NATIVE:
        if "branch" in pod.arguments:
            parts = args[0].split(".")
            args[0] = ".".join([pod.arguments["branch"], *parts[len(parts) - parts[::-1].index("_") :]])
        return NATIVE, args[0]
    if CONFIRM in args:
        return CONFIRM, address
    if "--exit-status" in args:
        return f"--exit-status {args[args.index('--exit-status') + 1]}", address
    return command[-1], address


def is_end(key: Key) -> bool:
    """Tell whether a pod is a fail node's."""
    return key[0] == STEP and key[1].rpartition(".")[2] == "fail"


def is_text(key: Key) -> bool:
    """Tell whether a pod runs a text of the user's."""
    return key[0] in (SCRIPT, NATIVE)


def _of_any_item(address: str) -> str:
    return re.sub(r"\.\d+(?=\.)", "._", address)


class Walk:
    """The plain walk of a definition, one node after the other: which pods must run, each after which others."""

    def __init__(self, plan: Plan, scenario: Scenario, ran: Iterable[Key] = ()) -> None:
        self.nodes, self.graphs = plan["nodes"], plan["graphs"]
        self.scenario = scenario
        self.confirmed = {address for kind, address in ran if kind == CONFIRM}
        """Where the run asked whether a failure is on record: that is often enough if what is refused never succeeds."""
        self.pods: dict[Key, frozenset[Key]] = {}
        self.ends: dict[str, bool] = {}
        """The graphs, by address, that came to their fail node; whether a success, or a start, led there."""
        self.succeeded = self._graph("", "", set())

    def _pod(self, kind: str, at: str, before: set[Key]) -> bool:
        key = (kind, at)
        assert key not in self.pods, key
        self.pods[key] = frozenset(before)
        before.add(key)
        return key not in self.scenario.fails

    def _graph(self, address: str, at: str, before: set[Key]) -> bool:
        """Walk a graph and tell whether it came to success; `before` has the pods that ended before, then its own too."""
        head = self.graphs[address]
        slug, led = head["start"], True
        while slug != head["success"]:
            if slug == head["fail"]:
                self.ends[at] = led
                return False
            node = self.nodes[f"{address}.{slug}" if address else slug]
            here = f"{at}.{slug}" if at else slug
            if led := self._node(node, here, before):
                slug = node["next"]["slug"]
                continue
            handler = node.get("on_failure")
            slug = handler["slug"] if handler else head["fail"]
            to = f"{at}.{slug}" if at else slug
            target = self.nodes[f"{address}.{slug}" if address else slug]
            quiet = target["type"] == SUCCESS_NODE or (target["type"] == AS_IS and not text_of(target))
            asked = to if quiet and node["type"] != AS_IS else here
            if asked in self.confirmed and slug != head["fail"] and not self._pod(CONFIRM, asked, before):
                self.ends[at] = False
                return False
        return True

    def _node(self, node: Node, at: str, before: set[Key]) -> bool:
        kind = node["type"]
        if kind == TASK:
            if "when" in node:
                if not node["counted_by"] and not self._pod(CHOOSE, at, before):
                    return False
                if self.scenario.runs(at) == SKIP:
                    return True
            return self._pod(STEP, at, before)
        if kind == AS_IS:
            return self._as_is(node, at, before)
        if kind == PARALLEL and node["fan_in"] and not self._pod(FAN_IN, at, before):
            return False
        if kind == MAP and not node["counted_by"] and not self._pod(COUNT, at, before):
            return False
        if kind == CONDITIONAL and not node["counted_by"] and not self._pod(CHOOSE, at, before):
            return False
        instances = [b["slug"] for b in node["branches"]]
        if kind == CONDITIONAL:
            chosen = self.scenario.branch(node, at)
            if chosen is None:
                return False
            instances = [chosen]
        if kind == MAP:
            count = self.scenario.count(at)
            if count is None:
                return False
            instances = [str(number) for number in range(count)]
        good, after = True, set(before)
        for one in instances:
            own = set(before)
            branch = node["branches"][0]["slug"] if kind == MAP else one
            good = self._graph(f"{node['address']}.{branch}", f"{at}.{one}", own) and good
            after |= own
        before |= after
        return good

    def _as_is(self, node: Node, at: str, before: set[Key]) -> bool:
        text = text_of(node)
        if not text:
            return True
        if isinstance(text, str):
            return self._pod(SCRIPT, at, before)
        if self._pod(NATIVE, at, before):
            # The task that follows shows that it was passed.
            then = node["next"]
            return (then["type"] == TASK and not then.get("when")) or self._pod(DONE, at, before)
        if at not in self.confirmed:
            self._pod(FAILED, at, before)
        return False


def text_of(node: Node) -> Any:
    """Return what an as-is has for Argo."""
    text = node.get("render")
    return text.get("argo") if isinstance(text, dict) else text


@dataclass
class Compared:
    """What a scenario came to: how the run differs from the walk, and both of them."""

    problems: list[str]
    walk: Walk
    ran: list[Key]


class Comparison:
    """A definition and the manifest that it was rendered to."""

    def __init__(self, plan: Plan, objects: Sequence[dict[str, Any]]) -> None:
        self.plan = plan
        self.workflow = Workflow(objects)

    def run(self, scenario: Scenario) -> Compared:
        """Run a scenario both ways and compare what ran, what came before what, and how it ended."""
        world = World(self.plan, scenario)
        phase, pods = self.workflow.run(world, scenario.order)
        walk = Walk(self.plan, scenario, world.keys)
        problems = [] if phase in COMPLETED else ["the workflow never ends"]
        if scenario.refused is not None:
            if phase == "Succeeded":
                problems.append("the workflow succeeds, though callbacks were refused")
            if not scenario.refused and any(key[0] == START for key in world.keys[:1]):
                problems += [
                    f"ran though the run was never created: {key}" for key in world.keys if is_text(key)
                ]
            return Compared(problems, walk, world.keys)
        if (phase == "Succeeded") != walk.succeeded:
            problems.append(f"the workflow is {phase}, the walk {'SUCCESS' if walk.succeeded else 'FAIL'}")
        problems += _different(walk, world.keys)
        problems += _too_early(walk, world.keys, pods)
        return Compared(problems, walk, world.keys)


def _different(walk: Walk, ran: list[Key]) -> list[str]:
    problems = [f"ran {ran.count(key)} times: {key}" for key in set(ran) if ran.count(key) > 1]
    steps = {key for key in ran if key[0] != START and not is_end(key)}
    ends = {key[1].rpartition(".")[0] for key in ran if is_end(key)}
    must = {graph for graph, led in walk.ends.items() if led}
    problems += [f"did not run: {key}" for key in walk.pods.keys() - steps]
    problems += [f"ran: {key}" for key in steps - walk.pods.keys()]
    problems += [f"the fail node of '{graph}' ran" for graph in ends - walk.ends.keys()]
    problems += [f"the fail node of '{graph}' did not run" for graph in must - ends]
    return problems


def _too_early(walk: Walk, ran: list[Key], pods: list[Pod]) -> list[str]:
    """Return what may begin before all has ended that comes before it; a text of the user's, before any callback."""
    problems = []
    bits = {key: 1 << number for number, key in enumerate(ran)}
    own = sum(bit for key, bit in bits.items() if is_text(key))
    for key, pod in zip(ran, pods, strict=True):
        for before in walk.pods.get(key, ()):
            if not pod.before & bits.get(before, 0):
                problems.append(f"{key} may begin before {before} has ended")
        if is_text(key) and not pod.before & ~own:
            problems.append(f"{key} may begin before any callback")
    return problems
