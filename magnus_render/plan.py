"""The resolved definition and the records of a run, as plain JSON data.

The front end makes a plan, targets render it, the runtime executes it; all three know only these types. They are
typed dictionaries, so that reading one costs a callback no more than `json.loads`. At run time this module is
nearly empty on purpose: import the types under `TYPE_CHECKING`.
"""

from __future__ import annotations

PLAN_VERSION = 1
RECORDS_VERSION = 2
"""The format of the records that a run's callbacks write, and the only one that they read."""
ITEMS_PER_PAGE = 32
LARGE_VALUE = 4096

TASK, PARALLEL, MAP, DAG, CONDITIONAL, AS_IS = "task", "parallel", "map", "dag", "conditional", "as-is"
SUCCESS_NODE, FAIL_NODE = "success", "fail"
COMPOSITES = frozenset((PARALLEL, MAP, DAG, CONDITIONAL))
DECIDED = frozenset((MAP, CONDITIONAL))
"""Composites of which a callback records, as the walk enters them, which branches there are."""
RUN, SKIP = "run", "skip"
"""What is decided of a task that has a condition, `when`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Service = Literal["run_log_store", "catalog", "secrets"]

SERVICES: tuple[Service, ...] = ("run_log_store", "catalog", "secrets")


def is_decided(what: Node | After) -> bool:
    """Tell whether a callback decides something of a node as the walk comes to it: branches, or whether a task runs."""
    return what["type"] in DECIDED or "when" in what


def failure_target(node: Node) -> str:
    """Return the slug of the node that a failure hands over to."""
    handler = node.get("on_failure")
    return handler["slug"] if handler else node["graph"]["fail"]


def file_entry(record: Mapping[str, Any]) -> FileEntry:
    """Return what is kept of a catalogued file besides its name."""
    return {key: record[key] for key in ("sha256", "size", "mode") if key in record}  # type: ignore[return-value]


def services_of(config: Config) -> Services:
    """Return what callbacks are told of a configuration: where the stores are."""
    return {
        "run_log_store": config["run_log_store"],
        "catalog": config["catalog"],
        "secrets": config["secrets"],
    }


def as_is_text(node: Node, engine: str) -> Any:
    """Return what an `as-is` has for an engine, by the engine's name; None if there is nothing to do there."""
    render = node.get("render")
    return (render.get(engine) if isinstance(render, dict) else render) or None


def silent_end(
    node_at: Callable[[str], Node | None], graph_at: Callable[[str], Graph | None], graph: str, slug: str
) -> str:
    """Return SUCCESS or FAIL if a graph ends so behind a node without any record on the way, '' if records decide.

    `graph` is a definition address. `node_at` and `graph_at` look up such addresses in the pages of a run.
    """
    while (node := node_at(f"{graph}.{slug}".lstrip("."))) is not None:
        if node["type"] in (SUCCESS_NODE, FAIL_NODE):
            return "SUCCESS" if node["type"] == SUCCESS_NODE else "FAIL"
        ends = {"SUCCESS" if node.get("silent") else ""}
        if node["type"] in COMPOSITES - DECIDED:
            inner = (graph_at(f"{node['address']}.{branch['slug']}") for branch in node["branches"])
            ends = {
                silent_end(node_at, graph_at, one["address"], one["start"]) if one else "" for one in inner
            }
        if "FAIL" not in ends and ends != {"SUCCESS"}:
            return ""
        slug = failure_target(node) if "FAIL" in ends else node["next"]["slug"]
    return ""


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, TypedDict

    from typing_extensions import NotRequired

    Json = Any
    NodeType = Literal["task", "parallel", "map", "dag", "conditional", "as-is", "success", "fail"]
    Status = Literal["SUCCESS", "FAIL", "PROCESSING", "TRIGGERED", "CRASHED", "SKIPPED"]

    class Retry(TypedDict):
        """Attempts in all (1 or more); `delay` and `max_delay` in seconds, `backoff` a factor of 1 or more."""

        attempts: int
        delay: float
        backoff: float
        max_delay: float | None

    class Catalog(TypedDict):
        """Globs relative to `compute_data_folder` (itself relative to the project's folder)."""

        get: list[str]
        put: list[str]
        compute_data_folder: str

    class Scope(TypedDict):
        """A composite that encloses a node, outermost first."""

        address: str  # definition address of the composite
        type: NodeType
        iterate_as: str  # of a map, else ''
        fail_fast: NotRequired[bool]  # there if true

    class Before(TypedDict):
        """A possible predecessor in the same graph."""

        slug: str
        via: Literal["next", "on_failure"]
        type: NodeType

    class After(TypedDict):
        """What a hand-over leads to."""

        slug: str
        type: NodeType
        iterate_on: str  # of a map, else ''
        iterate_as: str
        when: NotRequired[bool]  # there if true: a task that has a condition

    class When(TypedDict):
        """A condition: the value of a parameter, as text, is (`among`) or is not one of some."""

        parameter: str
        values: list[str]
        among: bool

    class Node(TypedDict):
        """One node of a plan. Fields that a type does not have are absent; all times are in seconds."""

        address: str  # definition address
        name: str
        path: str  # definition dot path, for people: names, with `_` where a map's index stands
        type: NodeType
        hash: str  # of the definition: what `--use-cached` compares
        order: int  # position in reading order, from 0, in the whole plan
        graph: GraphHead  # of the graph the node stands in
        scopes: list[Scope]
        before: list[Before]  # empty for a graph's start node
        description: NotRequired[str]
        next: NotRequired[After]
        on_failure: NotRequired[After]  # only if the user wrote one; else the graph's fail node
        # task
        command: NotRequired[str]
        command_type: NotRequired[str]  # entry-point name in `magnus_render.task`
        command_config: NotRequired[dict[str, Json]]
        catalog: NotRequired[Catalog]
        retry: NotRequired[Retry]
        timeout: NotRequired[float | None]
        when: NotRequired[When]
        secrets: NotRequired[dict[str, str]]  # environment variable -> secret name
        # composites
        branches: NotRequired[
            list[Branch]
        ]  # parallel: as declared; map: one, slug `_`; dag: one, slug `branch`; conditional: as declared, the default last
        iterate_on: NotRequired[str]
        iterate_as: NotRequired[str]
        max_concurrency: NotRequired[int | None]
        fail_fast: NotRequired[bool]
        # map, conditional, task with a condition: slug of the task whose hand-over tells the engine what is decided (the
        # item count, the branch, whether it runs), '' if none can
        counted_by: NotRequired[str]
        parameter: NotRequired[str]  # conditional: its value names the branch
        default: NotRequired[
            str
        ]  # conditional: slug of the branch that runs if no other is named, '' if there is none
        fan_in: NotRequired[
            bool
        ]  # parallel: a `fan_in` callback must come first (a composite before a composite)
        separate: NotRequired[bool]
        # as-is
        render: NotRequired[str | dict[str, Json]]
        silent: NotRequired[
            bool
        ]  # added to the pages of a run: there is no text for its target, nothing is recorded
        executor_config: NotRequired[dict[str, dict[str, Json]]]

    class Branch(TypedDict):
        slug: str
        name: str

    class GraphHead(TypedDict):
        """What a node must know of its graph; all but `address` are slugs of nodes in it."""

        address: str
        start: str
        success: str
        fail: str

    class Graph(GraphHead):
        """A graph of a plan."""

        nodes: list[str]  # slugs in reading order, status nodes included

    class Plan(TypedDict):
        version: int
        name: str
        description: str
        max_time: float | None
        dag_hash: str  # 16 hexadecimal digits
        variables: dict[str, str]  # those that were substituted
        graphs: dict[str, Graph]
        nodes: dict[str, Node]

    class ServiceConfig(TypedDict):
        type: str
        config: dict[str, Json]

    class Services(TypedDict):
        """What a callback needs to find its stores: rendered into outputs as `MAGNUS_CONFIG`."""

        run_log_store: ServiceConfig
        catalog: ServiceConfig
        secrets: ServiceConfig

    class Config(Services):
        """The resolved configuration blocks."""

        executor: ServiceConfig

    # ---- records (docs/architecture.md has their keys) ----

    class CodeIdentity(TypedDict):
        commit: str  # '' when the project is not under git
        dirty: bool

    class RunRecord(TypedDict):
        version: int  # of the records' format
        run_id: str
        name: str
        dag_hash: str
        pages: int
        parameters: Packed
        tag: str
        target: str
        walk: str
        code: CodeIdentity
        original_run_id: str  # of --use-cached, else ''
        changed: bool  # initial parameters differ from those of original_run_id
        created: float  # seconds since the epoch
        max_time: float | None
        variables: dict[str, str]

    class Walker(TypedDict):
        """A process that walks a run, and the system that it is a process of."""

        host: str
        boot: str  # tells one start of the machine from another
        pids: str  # what shares process ids there: a container has its own
        pid: int
        began: str  # as the system says it

    class NativeStart(TypedDict):
        """What an engine writes of a run as its first act, where no callback starts it."""

        dag_hash: str
        target: str
        walk: str
        input: Any  # the execution's: parameters, use_cached, tag; all optional

    class Packed(TypedDict):
        """A mapping whose large values (over 4 KiB as JSON) stand in `values/<sha256>.json`."""

        values: dict[str, Json]
        large: dict[str, str]  # name -> sha256

    class State(TypedDict):
        """What is visible after a success; `set` and `filed` name what was added since the graph began."""

        parameters: Packed
        files: dict[str, FileEntry]
        set: list[str]
        filed: list[str]
        mocked: bool  # all before this on its path was mocked (or nothing came before)

    class FileEntry(TypedDict):
        sha256: str
        size: int
        mode: NotRequired[int]  # permission bits; records of older versions have none

    class AttemptStart(TypedDict):
        attempt: int
        try_: int  # the user's attempt this one counts as (several, if the platform ended one)
        time: float
        sees: str  # sha256 of the state
        after: str  # slug of the predecessor, '' at a graph's start
        deadline: float | None  # seconds since the epoch after which it can't be running

    class CatalogRecord(TypedDict):
        path: str
        stage: Literal["get", "put"]
        sha256: str
        size: int
        mode: NotRequired[int]

    class AttemptEnd(TypedDict):
        attempt: int  # 0 of a mocked step, of one that never began, and of a composite
        try_: int
        status: Status
        time: float
        message: str
        set: Packed
        catalog: list[CatalogRecord]
        metrics: dict[str, Json]
        sees: str  # sha256 of the state that it saw
        platform: bool  # ended by the platform or a signal: does not count as one of the user's attempts

    class Outcome(AttemptEnd):
        """How a node ended for good: a step by its last attempt, or by what somebody recorded in place of it.

        Of a composite `set` is what its branches set, merged, and `message` the warnings about that.
        """

        handed_to: str  # slug of the node that the walk goes to
        state: str  # sha256 of what is visible afterwards: after a failure, what the step saw
        mock: bool
        skipped: NotRequired[bool]  # there if true: its condition did not hold, so it did not run

    class CompositeStart(TypedDict):
        """What was decided as the walk came to a composite, or to a task that has a condition."""

        sees: str  # sha256 of the state the composite sees
        count: int | None  # of a map
        choice: NotRequired[
            str
        ]  # of a conditional: slug of the branch that runs, '' if it failed; of a task: run or skip
        message: str  # not empty: the map or conditional failed, and why
        items_mocked: list[bool] | None  # of a map in a run with --use-cached: same item at the same index

    class FailFast(TypedDict):
        branch: str  # slug or index of the branch that failed first

    class GraphEnd(TypedDict):
        status: Status
        state: str
        time: float
        mock: bool
