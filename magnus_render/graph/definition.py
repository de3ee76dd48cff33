"""Reads the graphs of a definition, with those of included files, into one networkx graph.

The graph's nodes are definition addresses, each with the attributes `name`, `type`, `path`, `graph` (address of its
graph) and `step` (`Step`). An edge has the attribute `via`, a tuple of `next`, `on_failure` or `contains` (from a
composite to each node of its branches).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import networkx as nx

from magnus_render.naming import slug as slug_of
from magnus_render.plan import COMPOSITES, CONDITIONAL, DAG, MAP, PARALLEL, TASK
from magnus_render.spec import codes, legacy
from magnus_render.spec.fields import control_characters
from magnus_render.spec.models import MODELS, GraphSpec
from magnus_render.spec.problems import validate
from magnus_render.spec.report import Place
from magnus_render.spec.tree import Map, Value, kind

if TYPE_CHECKING:
    from magnus_render.plan import Branch, Scope
    from magnus_render.spec.config import Settings
    from magnus_render.spec.models import Spec
    from magnus_render.spec.reader import Reader
    from magnus_render.spec.report import Report
    from magnus_render.spec.variables import Variables

MAX_NODES = 30_000
MAX_NESTING = 100
MAX_NAME = 100
MAX_ADDRESS = 2000
MAP_BRANCH = "_"
DAG_BRANCH = "branch"
DEFAULT_BRANCH = "default"
_TYPES = (*MODELS, "stub")
_OTHER_WORDS = frozenset(("choice", "switch", "case", "if", "when", "branch", "decision"))
"""Words of other systems for a conditional."""
_NO_NAME_FOR_VALUE = "let the step before set a word for such a value, and name the branch by that word"
"""The fix for a branch of a conditional if its value cannot be a name."""


@dataclass(slots=True)
class GraphInfo:
    """One graph as it was read."""

    address: str
    path: str
    """Definition dot path, '' for the root."""
    owner: str
    """What to call it in messages."""
    raw: Map
    place: Place
    """Where the graph is named: the key that holds it."""
    files: tuple[str, ...]
    """Real paths of the files that led here, outermost first."""
    scopes: list[Scope]
    steps: list[str] = field(default_factory=list)
    """Addresses of its nodes in reading order."""
    slugs: dict[str, str] = field(default_factory=dict)
    """Slug by name."""
    spec: GraphSpec | None = None
    start: str = ""
    """Slug of the first step, '' if there is none."""


@dataclass(slots=True)
class Step:
    """One node as it was read; `spec` is None if it has errors."""

    address: str
    name: str
    slug: str
    path: str
    type: str
    raw: Map
    place: Place
    """Where the node's name stands."""
    graph: GraphInfo
    own: Value = None
    """Its `executor_config` as it was written, with the places of its parts."""
    spec: Any = None
    branches: list[Branch] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """What to call it in messages."""
        return f"step '{self.path}'"


class Definition:
    """A definition: the networkx graph, and the graphs and steps by address, in reading order."""

    def __init__(self) -> None:
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self.graphs: dict[str, GraphInfo] = {}
        self.steps: dict[str, Step] = {}
        self.complete = True
        """False if there are too many nodes: what was read is only a part."""
        self.reached: set[str] | None = None
        """Cache of `checks.reachable`."""


class Builder:
    """Reads graph after graph. Those still to read stand on a stack of iterators, so that nesting costs no recursion."""

    def __init__(self, reader: Reader, variables: Variables, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self._variables = variables
        self._report: Report = reader.report
        self._definition = Definition()

    def build(self, root: Map, place: Place, file: str) -> Definition:
        """Read the root graph and all below it; what is wrong goes to the report."""
        info = GraphInfo("", "", "dag", root, place, (self._reader.files.identity(file),), [])
        stack: list[Iterator[Step]] = [self._begin(info)]
        while stack and self._definition.complete:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
            elif step.type in COMPOSITES:
                stack += [self._begin(graph) for graph in reversed(self._branches(step))]
        self._connect()
        return self._definition

    def _begin(self, info: GraphInfo) -> Iterator[Step]:
        report = self._report
        raw = self._variables.tree(info.raw, skip=frozenset(("steps",)))
        if None in raw.values():
            raw = raw.without(*(key for key, value in raw.items() if value is None))
        info.raw = raw
        info.spec = validate(GraphSpec, raw, info.owner, info.place, report)
        if info.address:
            for name in ("max_time", "name"):
                included = len(info.files) > 1 and name == "name"
                if name in raw and not included:
                    what = f"{info.owner}: '{name}' is ignored: only the root graph has one"
                    report.warning(codes.ROOT_ONLY, raw.key_place(name), what, "remove it")
        self._definition.graphs[info.address] = info
        steps = raw.get("steps")
        return self._steps(info, steps if isinstance(steps, Map) else Map())

    def _steps(self, info: GraphInfo, steps: Map) -> Iterator[Step]:
        definition = self._definition
        prefix = info.address + "." if info.address else ""
        path = info.path + "." if info.path else ""
        parent = info.scopes[-1]["address"] if info.scopes else ""
        taken: dict[str, str] = {}
        marks = steps.marks if steps else []
        for number, (name, raw) in enumerate(steps.items()):
            if len(definition.steps) >= MAX_NODES:
                self._too_many(steps.key_place(name))
                return
            place = Place(steps.source, marks[2 * number])
            slug = self._name(name, place, taken, f"step '{path}{name}'")
            step = self._step(info, slug, name, path + name, raw, place)
            step.address = prefix + slug
            if len(step.address) > MAX_ADDRESS:
                what = (
                    f"{step.owner}: its address has {len(step.address)} characters, {MAX_ADDRESS} are allowed"
                )
                self._report.error(
                    codes.LONG_ADDRESS, place, what, "shorten the names around it, or nest less"
                )
            info.slugs[name] = slug
            if step.address in definition.steps:
                continue
            info.steps.append(step.address)
            definition.steps[step.address] = step
            definition.graph.add_node(
                step.address, name=name, type=step.type, path=step.path, graph=info.address, step=step
            )
            if parent:
                definition.graph.add_edge(parent, step.address, via=("contains",))
            yield step

    def _too_many(self, place: Place) -> None:
        self._definition.complete = False
        what = f"the definition has more than {MAX_NODES:,} nodes, included ones counted as often as they are used"
        self._report.error(codes.TOO_MANY, place, what, "use a map, or split the pipeline")

    def _name(
        self, name: str, place: Place, taken: dict[str, str], owner: str, fix: str = "choose another name"
    ) -> str:
        """Check the name of a step or branch, return its slug."""
        problem = _name_problem(name)
        if problem:
            self._report.error(codes.BAD_NAME, place, f"{owner}: a name {problem}", fix)
        slug = slug_of(name)
        other = taken.setdefault(slug, name)
        if other != name:
            what = f"{owner}: this name and '{other}' have the same identifier, '{slug}'"
            self._report.error(codes.SAME_SLUG, place, what, "rename one of the two")
        return slug

    def _step(self, info: GraphInfo, slug: str, name: str, path: str, raw: Value, place: Place) -> Step:
        report = self._report
        step = Step("", name, slug, path, "", Map.at(place), place, info)
        if not isinstance(raw, Map):
            what = f"{step.owner} must be a mapping, not {kind(raw)}"
            report.error(
                codes.WRONG_TYPE,
                place,
                what,
                "such as {type: task, command: package.module.function, next: ...}",
            )
            return step
        raw = legacy.node(self._variables.node(raw), step.owner, report)
        if "executor_config" in raw or "overrides" in raw:
            step.own = raw.get("executor_config")
            raw = self._settings.node(raw, step.owner)
        if raw.get("type") == TASK and not self._settings.data_folder_named:
            raw = legacy.from_data_folder(raw, self._settings.data_folder, step.owner, report)
        step.raw = raw
        given = raw.get("type")
        model: type[Spec] | None = MODELS.get(given) if isinstance(given, str) else None
        if given is None:
            fix = "one of " + ", ".join(MODELS)
            report.error(codes.MISSING_FIELD, place, f"{step.owner}: 'type' is missing", fix)
        elif model is None:
            fix = ""
            if isinstance(given, str):
                other = given.lower() in _OTHER_WORDS
                fix = "did you mean 'conditional'?" if other else report.did_you_mean(given, _TYPES)
            what = f"{step.owner}: {kind(given)} is no node type"
            report.error(
                codes.UNKNOWN_TYPE, raw.value_place("type"), what, fix or "one of " + ", ".join(MODELS)
            )
        else:
            step.type = given
            step.spec = validate(model, raw, step.owner, place, report)
        return step

    def _branches(self, step: Step) -> list[GraphInfo]:
        """Return the graphs of a composite, and note its branches."""
        info, raw = step.graph, step.raw
        if len(info.scopes) >= MAX_NESTING:
            what = f"{step.owner}: nested deeper than {MAX_NESTING} composite nodes"
            self._report.error(codes.TOO_DEEP, step.place, what)
            return []
        if step.type == PARALLEL:
            return self._named(step)
        if step.type == CONDITIONAL:
            return self._conditional(step)
        if step.type == DAG and "branch" not in raw:
            return self._included(step)
        branch = raw.get("branch")
        if not isinstance(branch, Map):
            return []
        slug = MAP_BRANCH if step.type == MAP else DAG_BRANCH
        return [self._inner(step, slug, slug, branch, raw.key_place("branch"), info.files)]

    def _conditional(self, step: Step) -> list[GraphInfo]:
        default = step.raw.get("default")
        found = self._named(step, DEFAULT_BRANCH if isinstance(default, Map) else "")
        if not isinstance(default, Map):
            return found
        place = step.raw.key_place("default")
        return [*found, self._inner(step, DEFAULT_BRANCH, DEFAULT_BRANCH, default, place, step.graph.files)]

    def _named(self, step: Step, default: str = "") -> list[GraphInfo]:
        """Return the graphs of `branches`. `default` is the slug of a graph beside them, which no branch may have."""
        branches = step.raw.get("branches")
        if not isinstance(branches, Map):
            return []
        fix = _NO_NAME_FOR_VALUE if step.type == CONDITIONAL else "choose another name"
        found: list[GraphInfo] = []
        taken: dict[str, str] = {}
        for name, raw in branches.items():
            place = branches.key_place(name)
            owner = f"branch '{step.path}.{name}'"
            slug = self._name(name, place, taken, owner, fix)
            if slug == default:
                what = f"{owner}: this is the name of the graph 'default:' beside 'branches'"
                fix = "remove this branch: 'default:' runs for the text 'default' too"
                self._report.error(codes.SAME_SLUG, place, what, fix)
                continue
            if not isinstance(raw, Map):
                what = f"{owner} must be a graph with 'start_at' and 'steps', not {kind(raw)}"
                self._report.error(codes.WRONG_TYPE, place, what)
            elif taken[slug] == name:
                found.append(self._inner(step, slug, name, raw, place, step.graph.files))
        return found

    def _inner(
        self, step: Step, slug: str, name: str, raw: Map, place: Place, files: tuple[str, ...]
    ) -> GraphInfo:
        step.branches.append({"slug": slug, "name": name})
        iterate_as = step.raw.get("iterate_as", "") if step.type == MAP else ""
        scope: Scope = {"address": step.address, "type": step.type, "iterate_as": iterate_as}  # type: ignore[typeddict-item]
        if getattr(step.spec, "fail_fast", False):
            scope["fail_fast"] = True
        path = f"{step.path}.{name}"
        return GraphInfo(
            f"{step.address}.{slug}", path, f"graph '{path}'", raw, place, files, [*step.graph.scopes, scope]
        )

    def _included(self, step: Step) -> list[GraphInfo]:
        named = step.raw.get("dag_definition")
        if not isinstance(named, str) or not named:
            return []
        place = step.raw.value_place("dag_definition")
        path = self._reader.files.beside(place.source.path, named)
        real = self._reader.files.identity(path)
        files = step.graph.files
        if real in files:
            shown = [os.path.basename(file) for file in (*files[files.index(real) :], real)]
            what = f"{step.owner}: the file includes itself: {' -> '.join(shown)}"
            self._report.error(codes.INCLUDE_CYCLE, place, what, "a dag node cannot contain itself")
            return []
        tree = self._reader.read(path, place)
        dag = dag_block(tree, path, place, self._report) if tree is not None else None
        if dag is None:
            return []
        return [self._inner(step, DAG_BRANCH, DAG_BRANCH, dag, tree.key_place("dag"), (*files, real))]

    def _connect(self) -> None:
        """Add the edges of `next` and `on_failure` to steps that exist."""
        graph = self._definition.graph
        for info in self._definition.graphs.values():
            slugs = info.slugs
            prefix = info.address + "." if info.address else ""
            info.start = _slug(slugs, info.raw.get("start_at")) or ""
            for address in info.steps:
                raw = self._definition.steps[address].raw
                to = _slug(slugs, raw.get("next"))
                failing = _slug(slugs, raw.get("on_failure"))
                if to is not None:
                    both = ("next", "on_failure") if failing == to else ("next",)
                    graph.add_edge(address, prefix + to, via=both)
                if failing is not None and failing != to:
                    graph.add_edge(address, prefix + failing, via=("on_failure",))


def dag_block(tree: Value, path: str, place: Place | None, report: Report) -> Map | None:
    """Return the `dag` of a definition file; report what is wrong if it has none."""
    if not isinstance(tree, Map):
        what = f"'{path}' must be a mapping with the key 'dag', not {kind(tree)}"
        (
            report.error(codes.EMPTY, place, what, "begin with 'dag:'")
            if place
            else report.error_without_line(codes.EMPTY, path, what, "begin with 'dag:'")
        )
        return None
    dag = tree.get("dag")
    if isinstance(dag, Map):
        return dag
    if dag is not None:
        what = f"'dag' must be a mapping with 'start_at' and 'steps', not {kind(dag)}"
        report.error(codes.WRONG_TYPE, tree.value_place("dag"), what)
        return None
    fix = "begin with 'dag:'"
    if "steps" in tree or "start_at" in tree:
        fix = "put 'dag:' above, and indent 'start_at' and 'steps' below it"
    report.error(codes.MISSING_FIELD, tree.place(), "'dag' is missing", fix)
    return None


def _slug(slugs: dict[str, str], name: Value) -> str | None:
    return slugs.get(name) if isinstance(name, str) and name else None


def _name_problem(name: str) -> str:
    if not name:
        return "is empty"
    if len(name) > MAX_NAME:
        return f"has at most {MAX_NAME} characters, this has {len(name)}"
    if "." in name:
        return "contains no '.', which separates the parts of a dot path"
    if "%" in name:
        return "contains no '%'"
    if control_characters(name):
        return "contains no control characters"
    return ""
