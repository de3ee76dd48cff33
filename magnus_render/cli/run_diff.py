"""What differs between two runs: `magnus runs diff`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from magnus_render.executors.terminal import duration, fit
from magnus_render.plan import CONDITIONAL, FAIL_NODE, SUCCESS_NODE
from magnus_render.report.told import spans
from magnus_render.runtime.comparing import users_attempts
from magnus_render.runtime.fold_attempts import Records
from magnus_render.runtime.merge import json_equal
from magnus_render.runtime.reading import read_folded, steps_of
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import Plan, RunRecord
    from magnus_render.services.base import BaseRunLogStore

    Log = dict[str, Any]
    Step = dict[str, Any]

_COLUMNS = 60
_SLOWER_SECONDS = 1.0
_SLOWER_SHARE = 0.2


class Told:
    """One run, read and folded."""

    def __init__(self, plan: Plan, run: RunRecord, records: Records, log: Log) -> None:
        self.plan = plan
        self.run = run
        self.log = log
        self.steps = dict(steps_of(log))
        self.initial = records.unpack(run["parameters"])

    @classmethod
    def read(cls, store: BaseRunLogStore, run_id: str) -> Told:
        """Read a run and fold it. Raises `MagnusError`."""
        return cls(*read_folded(store, run_id))


def write(a: Told, b: Told) -> int:
    """Print the differences, durations last; return 1 if anything but durations differs, else 0."""
    found = list(differences(a, b))
    slower = list(durations(a, b))
    for line in [*found, *(["durations:", *(f"  {line}" for line in slower)] if slower else [])]:
        print(line)
    if not found:
        aside = ", durations aside" if slower else ""
        print(f"{a.run['run_id']} and {b.run['run_id']} do not differ{aside}")
    return int(bool(found))


def differences(a: Told, b: Told) -> Iterator[str]:
    """Yield lines about differences other than times; none if the runs are equal."""
    yield from _titled("definition", _definitions(a.plan, b.plan))
    yield from _titled("initial parameters", _values(a.initial, b.initial))
    if a.log["status"] != b.log["status"]:
        yield f"status: {a.log['status']} -> {b.log['status']}"
    left, right = a.steps, b.steps
    branches = [{path for step in steps.values() for path in step["branches"]} for steps in (left, right)]
    alone = branches[0] ^ branches[1]
    for path in [*left, *(path for path in right if path not in left)]:
        first, second = left.get(path), right.get(path)
        if (first or second or {})["step_type"] in (SUCCESS_NODE, FAIL_NODE):
            continue  # the line about their graph's status says it
        if path.rpartition(".")[0] in alone:
            continue  # lines about the branches say it
        yield from _titled(safe(path), _steps(first, second))
    yield from _titled("final parameters", _values(a.log["parameters"], b.log["parameters"]))


def durations(a: Told, b: Told) -> Iterator[str]:
    """Yield lines about steps, and the whole run, that took noticeably longer or shorter."""
    now = time.time()
    left, right = spans(a.log, now), spans(b.log, now)
    for path in ("", *a.steps):
        first, second = left.get(path), right.get(path)
        if first is None or second is None:
            continue
        before, after = first[1] - first[0], second[1] - second[0]
        if abs(after - before) >= max(_SLOWER_SECONDS, _SLOWER_SHARE * min(before, after)):
            yield f"{safe(path) or 'the whole run'}: {duration(before)} -> {duration(after)}"


def _titled(title: str, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if not number:
            yield f"{title}:"
        yield f"  {line}"


def _definitions(a: Plan, b: Plan) -> Iterator[str]:
    if a["dag_hash"] == b["dag_hash"]:
        return
    yield f"{a['dag_hash']} -> {b['dag_hash']}"
    for address in [*a["nodes"], *(address for address in b["nodes"] if address not in a["nodes"])]:
        left, right = a["nodes"].get(address), b["nodes"].get(address)
        if right is None and left is not None:
            yield f"- {safe(left['path'])}"
        elif left is None and right is not None:
            yield f"+ {safe(right['path'])}"
        elif left is not None and right is not None:
            changed = [] if left["hash"] == right["hash"] else ["changed"]
            for edge in ("next", "on_failure"):
                before, after = (node.get(edge, {}).get("slug", "none") for node in (left, right))  # type: ignore[attr-defined]
                if before != after:
                    changed.append(f"{edge}: {before} -> {after}")
            if changed:
                yield f"~ {safe(left['path'])}: {', '.join(changed)}"


def _values(a: dict[str, Any], b: dict[str, Any]) -> Iterator[str]:
    for name in sorted(a.keys() | b.keys()):
        if name not in b:
            yield f"- {safe(name)} = {_short(a[name])}"
        elif name not in a:
            yield f"+ {safe(name)} = {_short(b[name])}"
        elif not json_equal(a[name], b[name]):
            yield f"~ {safe(name)}: {_short(a[name])} -> {_short(b[name])}"


def _short(value: Any) -> str:
    return fit(safe(json.dumps(value, ensure_ascii=False, sort_keys=True)), _COLUMNS)


def _steps(a: Step | None, b: Step | None) -> Iterator[str]:
    if a is None or b is None:
        there, sign = (a, "-") if b is None else (b, "+")
        yield f"{sign} {there['status'] if there else ''} (the other run did not reach it)"
        return
    for key, word in (("status", "status"), ("step_type", "type"), ("mock", "not run again")):
        if a[key] != b[key]:
            yield f"{word}: {a[key]} -> {b[key]}"
    if a["step_type"] == b["step_type"] == CONDITIONAL:
        before, after = (_branch_of(step) for step in (a, b))
        if before != after:
            yield f"the branch that ran: {before} -> {after}"
    elif a["branches"].keys() != b["branches"].keys():
        yield f"branches: {len(a['branches'])} -> {len(b['branches'])}"
    if a["message"] != b["message"]:
        yield f"message: {_short(a['message'])} -> {_short(b['message'])}"
    left, right = ([attempt["status"] for attempt in users_attempts(step)] for step in (a, b))
    if left != right:
        yield f"attempts: {_listed(left)} -> {_listed(right)}"
    for line in _values(a["user_defined_metrics"], b["user_defined_metrics"]):
        yield f"metric {line}"
    files = [
        {f"{entry['stage']} {entry['name']}": entry["sha256"][:12] for entry in step["data_catalog"]}
        for step in (a, b)
    ]
    for line in _values(files[0], files[1]):
        yield f"catalog {line}"


def _branch_of(step: Step) -> str:
    """Return the name of the branch of a conditional that ran, `none` if there is none."""
    return safe("".join(path.rpartition(".")[2] for path in step["branches"])) or "none"


def _listed(statuses: list[str]) -> str:
    return ", ".join(statuses) or "none"
