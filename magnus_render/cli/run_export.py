"""`magnus runs export`: reads a run from its records, for the formats of `magnus_render.exports`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from magnus_render import naming, registry
from magnus_render.errors import Refused, UsageError
from magnus_render.exports.base import AT_WORK, Branch, Execution, ExportedRun, File
from magnus_render.plan import COMPOSITES, FAIL_NODE, ITEMS_PER_PAGE, MAP, PARALLEL, SUCCESS_NODE
from magnus_render.report.told import Told
from magnus_render.runtime.fold_attempts import Tried
from magnus_render.runtime.reading import steps_of
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.exports.base import BaseExport
    from magnus_render.plan import AttemptEnd, CompositeStart, GraphEnd, Packed

    Step = dict[str, Any]
    Place = tuple[str, Step]
    """Dot path and folded step."""


def export_format(name: str) -> BaseExport:
    """Return the format of a name; raise `UsageError` if there is none, `Refused` if it cannot be loaded."""
    found = registry.find("export", registry.canonical("export", name))
    if found is None:
        known = ", ".join(registry.names("export"))
        raise UsageError(f"runs export: no format '{safe(name)}'; there are {known}")
    made: BaseExport = found()
    return made


def check_place(output: str, force: bool) -> None:
    """Raise `Refused` if the file exists already, unless `force`. Pipes and devices are accepted."""
    if not force and (os.path.isfile(output) or os.path.isdir(output)):
        raise Refused(f"{safe(output)} is there already: -o FILE writes elsewhere, --force replaces a file")


def write(text: str, output: str) -> None:
    """Write a text to a file, as a whole or not at all, or to standard output. Raises `PlatformError`."""
    if output:
        from magnus_render.render.output import write as replace

        replace(output, text)
    else:
        sys.stdout.write(text)


def check_namespace(namespace: str) -> None:
    """Raise `UsageError` if a namespace is empty: jobs and datasets must have one."""
    if not namespace:
        raise UsageError("runs export: --namespace NAME is empty; leave it out for 'magnus'")


def read(told: Told, namespace: str) -> ExportedRun:
    """Return the data of a run for export. Raises `MagnusError` for records that cannot be read."""
    return _Reading(told).run(namespace)


class _Reading:
    def __init__(self, told: Told) -> None:
        self._told = told
        self._record = told.run.record
        self._pages: dict[tuple[str, int], dict[str, Any]] = {}
        self._branches: dict[str, Branch] = {}
        self._states: dict[str, dict[str, Any]] = {}

    def run(self, namespace: str) -> ExportedRun:
        log = self._told.log
        executions = self._executions(steps_of(log))
        end: GraphEnd | None = self._told.records.of("", "end")
        ended = None
        if log["status"] not in AT_WORK:
            ends = [end["time"]] if end else [one.ended for one in executions if one.ended is not None]
            ended = max([self._record["created"], *ends])
        return ExportedRun(
            record=self._record,
            status=log["status"],
            began=self._record["created"],
            ended=ended,
            parameters=_bounded(self._record["parameters"]),
            executions=executions,
            branches=self._branches,
            files=sorted(
                {file.name: file for one in executions for file in one.put}.values(),
                key=lambda file: file.name,
            ),
            namespace=namespace,
        )

    # ---- what happened, and when ----

    def _executions(self, steps: list[Place]) -> list[Execution]:
        """Return the executions: composites before the nodes inside them, and no node that the walk has not come to."""
        for path, step in steps:
            if step["step_type"] in (MAP, PARALLEL):
                self._note_branches(path, step)
        steps = [place for place in steps if place[1]["step_type"] not in (SUCCESS_NODE, FAIL_NODE)]
        by_address = {step["internal_name"]: self._recorded(path, step) for path, step in steps}
        times, open_ = _times(steps, by_address), _open(by_address)
        found = []
        clocks: dict[str, float] = {"": self._record["created"]}
        for path, step in steps:
            address = step["internal_name"]
            status, graph = "PROCESSING" if address in open_ else step["status"], naming.parent(address)
            before = clocks[graph] if graph in clocks else clocks[naming.parent(graph)]
            began, ended = times[address] or (before, before)
            # A composite begins when its predecessor ends, even if the first record inside it is later.
            began = min(began, before)
            clocks[address], clocks[graph] = began, max(before, ended)
            own = by_address[address]
            if not own and status != "TRIGGERED":
                own = [self._composite(path, step, began, None if status in AT_WORK else ended)]
                own[0].status = status
            found += own
        return found

    def _note_branches(self, path: str, step: Step) -> None:
        for dot_path, branch in step["branches"].items():
            name, address = dot_path[len(path) + 1 :], step["internal_name"]
            if step["step_type"] == MAP:
                self._branches[f"{address}.{name}"] = Branch(
                    name, branch["status"], self._item(address, int(name))
                )
            else:
                self._branches[f"{address}.{naming.slug(name)}"] = Branch(name, branch["status"], {})

    def _item(self, address: str, index: int) -> dict[str, Any]:
        """Return the variable of a map with its value for an item; nothing if it is not recorded."""
        key = (address, index // ITEMS_PER_PAGE)
        if key not in self._pages:
            page: Packed | None = self._told.records.of(address, f"items.{key[1]}")
            self._pages[key] = _bounded(page) if page else {}
        items = self._pages[key]
        name = self._told.run.node(address)["iterate_as"]
        return {name: items[str(index)]} if str(index) in items else {}

    def _recorded(self, path: str, step: Step) -> list[Execution]:
        """Return the attempts of a step. If it has none, but its outcome is recorded, return one execution for that."""
        if step["step_type"] in COMPOSITES:
            return []
        tried = Tried(self._told.records, step["internal_name"])
        if step["attempts"]:
            return [self._attempt(path, step, tried, one) for one in step["attempts"]]
        outcome = tried.outcome
        moments = [start["time"] for start in tried.starts.values()] + ([outcome["time"]] if outcome else [])
        if not moments:
            return []
        execution = self._execution(path, step, min(moments), outcome["time"] if outcome else None)
        if outcome is not None and step["mock"] and step["status"] != "SKIPPED":
            execution.taken_over = self._record["original_run_id"]
            _add_end(execution, outcome)
        return [execution]

    def _attempt(self, path: str, step: Step, tried: Tried, told: Step) -> Execution:
        number = told["attempt_number"]
        start, end = tried.starts.get(number), tried.ends.get(number)
        began = start["time"] if start else end["time"] if end else self._record["created"]
        later = [one["time"] for n, one in tried.starts.items() if n > number]
        status, ended = told["status"], max(began, end["time"]) if end else min(later, default=began)
        # While a run is at work, records of a successor may come just before that of the success. So an attempt without
        # an end has not crashed yet.
        if end is None and not later and self._told.running:
            status = "PROCESSING"
        execution = self._execution(path, step, began, None if status in AT_WORK else ended)
        execution.attempt, execution.platform = number, bool(told.get("platform"))
        execution.status, execution.message = status, told["message"]
        execution.saw = self._parameters(start["sees"] if start else end["sees"] if end else "")
        if end is not None:
            _add_end(execution, end)
        return execution

    def _composite(self, path: str, step: Step, began: float, ended: float | None) -> Execution:
        execution = self._execution(path, step, began, ended)
        start: CompositeStart | None = self._told.records.of(step["internal_name"], "start")
        execution.saw = self._parameters(start["sees"]) if start else {}
        return execution

    def _parameters(self, digest: str) -> dict[str, Any]:
        """Return the parameters of a state; nothing if it is not recorded."""
        if digest not in self._states:
            state = self._told.records.state(digest)
            self._states[digest] = _bounded(state["parameters"]) if state else {}
        return self._states[digest]

    def _execution(self, path: str, step: Step, began: float, ended: float | None) -> Execution:
        graph = naming.parent(step["internal_name"])
        node = self._told.run.node(step["internal_name"])
        return Execution(
            address=step["internal_name"],
            path=path,
            name=step["name"],
            kind=step["step_type"],
            definition=node["path"],
            job=node["address"],
            order=node["order"],
            description=node.get("description", ""),
            parent=naming.parent(graph),
            branch=graph if graph in self._branches else "",
            status=step["status"],
            message=step["message"],
            began=began,
            ended=ended,
        )


def _times(
    steps: list[Place], by_address: dict[str, list[Execution]]
) -> dict[str, tuple[float, float] | None]:
    """Return the times of steps by address: when each began and ended, by its own records or those inside it."""
    moments: dict[str, list[float]] = {}
    for _, step in reversed(steps):
        address = step["internal_name"]
        own = moments.setdefault(address, [])
        for one in by_address[address]:
            own += [one.began, one.began if one.ended is None else one.ended]
        if own:
            moments.setdefault(naming.parent(naming.parent(address)), []).extend((min(own), max(own)))
    return {address: (min(own), max(own)) if own else None for address, own in moments.items()}


def _open(by_address: dict[str, list[Execution]]) -> set[str]:
    """Return the addresses of composites in which a step is at work."""
    found: set[str] = set()
    for executions in by_address.values():
        if executions and executions[-1].ended is None:
            around = executions[-1].parent
            while around and around not in found:
                found.add(around)
                around = naming.parent(naming.parent(around))
    return found


def _add_end(execution: Execution, end: AttemptEnd) -> None:
    """Add the data of an attempt's end: parameters that it set, metrics, files (the last one of each name)."""
    execution.set, execution.metrics = _bounded(end["set"]), end["metrics"]
    files = {(entry["stage"], entry["path"]): _file(entry) for entry in end["catalog"]}
    execution.got = [file for (stage, _), file in sorted(files.items()) if stage == "get"]
    if execution.status == "SUCCESS":
        execution.put = [file for (stage, _), file in sorted(files.items()) if stage == "put"]


def _file(entry: Any) -> File:
    return File(entry["path"], entry["sha256"], entry["size"])


def _bounded(packed: Packed) -> dict[str, Any]:
    """Return values by name, sorted. A large value is its hash, as in the records."""
    values = {**packed["values"], **{name: f"sha256:{digest}" for name, digest in packed["large"].items()}}
    return dict(sorted(values.items()))
