"""A run, read and folded, for its report and for the commands that show runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.errors import Refused
from magnus_render.executors.terminal import duration
from magnus_render.plan import COMPOSITES, FAIL_NODE, SUCCESS_NODE
from magnus_render.runtime.comparing import users_attempts
from magnus_render.runtime.fold_attempts import Records, Tried
from magnus_render.runtime.reading import read_folded, steps_of
from magnus_render.runtime.records import Run
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import CatalogRecord, CompositeStart, Outcome, Plan, State
    from magnus_render.services.base import BaseRunLogStore

    Step = dict[str, Any]
    Log = dict[str, Any]
    Span = tuple[float, float] | None
    Files = dict[str, tuple[CatalogRecord, str]]

RUNNING = ("PROCESSING", "TRIGGERED")


@dataclass
class Told:
    """A run, read and folded."""

    run: Run
    log: dict[str, Any]
    records: Records
    plan: Plan

    @classmethod
    def read(cls, store: BaseRunLogStore, run_id: str) -> Told:
        """Read a run; raise `MagnusError` if it is not there or cannot be read."""
        plan, run, records, log = read_folded(store, run_id)
        return cls(Run(store, run_id, run), log, records, plan)

    @property
    def running(self) -> bool:
        """True if the run may go on."""
        return self.log["status"] in RUNNING

    def step(self, name: str) -> tuple[str, Step]:
        """Return dot path and step, given its dot path or its address; raise `Refused` with suggestions if there is none."""
        steps = dict(steps_of(self.log))
        for path, step in steps.items():
            if name in (path, step["internal_name"]):
                return path, step
        from difflib import get_close_matches

        near = get_close_matches(name, steps, n=3)
        hint = (
            f"did you mean {' or '.join(map(safe, near))}?" if near else "`magnus runs show` lists its steps"
        )
        raise Refused(f"run '{self.run.run_id}' came to no step '{safe(name)}': {hint}")

    def may_come_to(self, name: str) -> bool:
        """Tell whether the walk may still come to a step, by its dot path or address: whether the definition has it."""
        form = naming.normal(name)
        known = ((node["address"], node["path"]) for node in self.plan["nodes"].values())
        return self.running and any(form in map(naming.normal, both) for both in known)

    def saw(self, step: Step) -> State | None:
        """Return the state that a step saw; None if that is not recorded."""
        address = step["internal_name"]
        if step["step_type"] in COMPOSITES:
            start: CompositeStart | None = self.records.of(address, "start")
            return self.records.state(start["sees"]) if start else None
        tried = Tried(self.records, address)
        if tried.outcome is not None:
            return self.records.state(tried.outcome["sees"])
        return self.records.state(tried.starts[tried.last]["sees"]) if tried.starts else None

    def set(self, step: Step) -> dict[str, Any]:
        """Return the parameters that a step set.

        Those of a failed step are included, though no other step sees them. Those of a composite are included once its
        outcome is recorded.
        """
        address = step["internal_name"]
        if step["step_type"] in COMPOSITES:
            done: Outcome | None = self.records.of(address, "outcome")
            return self.records.unpack(done["set"]) if done else {}
        end = Tried(self.records, address).last_end
        return self.records.unpack(end["set"]) if end else {}

    def files(self) -> Files:
        """Return the files that successful steps put, by name: the last file of each name, and the dot path of its step."""
        found: Files = {}
        for path, step in steps_of(self.log):
            if step["step_type"] in COMPOSITES or step["status"] != "SUCCESS":
                continue
            end = Tried(self.records, step["internal_name"]).last_end
            for entry in end["catalog"] if end else ():
                if entry["stage"] == "put":
                    found[entry["path"]] = (entry, path)
        return found


def attempts(step: Step) -> Iterator[str]:
    """Yield how many attempts a step had, if they were several, and how many of them were not the user's."""
    if (count := len(step["attempts"])) > 1:
        yield f"{count} attempts"
        if ended := count - len(users_attempts(step)):
            yield f"{ended} ended by the platform"


def spans(log: Log, now: float) -> dict[str, Span]:
    """Return when each step began and ended (seconds since the epoch), by dot path; the whole run's under ''.

    For a running step, `now` is the end.
    """
    result: dict[str, Span] = {}
    steps = steps_of(log)
    for path, step in reversed(steps):
        times = [
            datetime.fromisoformat(attempt[key]).timestamp()
            for attempt in step["attempts"]
            for key in ("start_time", "end_time")
            if attempt[key]
        ]
        if times and step["attempts"][-1]["status"] == "PROCESSING":
            times.append(now)
        for branch in step["branches"].values():
            for inner in branch["steps"]:
                times += result[inner] or ()
        result[path] = (min(times), max(times)) if times else None
    moments = [moment for path in log["steps"] for moment in (result[path] or ())]
    result[""] = (min(moments), max(moments)) if moments else None
    return result


def took(span: Span) -> str:
    """Return the length of a span, for people; '' if it is not known."""
    return "" if span is None else duration(span[1] - span[0])


def failed_steps(log: Log) -> Iterator[tuple[str, Step]]:
    """Yield the steps that failed by themselves: tasks and as-is nodes, and maps that could not start."""
    for path, step in steps_of(log):
        if step["status"] not in ("FAIL", "CRASHED") or step["step_type"] in (SUCCESS_NODE, FAIL_NODE):
            continue
        if step["step_type"] not in COMPOSITES or not step["branches"]:
            yield path, step


def size(count: int) -> str:
    """Return a number of bytes for people: `12 B`, `3.4 KiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
