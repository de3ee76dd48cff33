"""The part of the fold that looks at one task or as-is: its attempts, its status, where it handed over."""

from __future__ import annotations

import time
from functools import lru_cache

from magnus_render import naming
from magnus_render.runtime import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.plan import AttemptEnd, AttemptStart, Node, Outcome, Packed, RunRecord, State

    Step = dict[str, Any]

GRACE = 30.0
"""Seconds after an attempt's deadline when it can no longer be running."""


KEPT = 20_000
"""Records of one run that are kept as they were parsed: what tells of a run looks at most of them again."""


class Records:
    """The records of a run by key (without the run id), parsed when they are looked at: nobody may change what is given."""

    def __init__(self, records: Mapping[str, Any], run_id: str) -> None:
        self._records = records
        self._run_id = run_id
        self._parsed: dict[str, Any] = {}
        self.direct: dict[str, list[str]] = {}
        """Names of the records directly in a folder."""
        self._below: set[str] = set()
        for key in records:
            folder, _, name = key.rpartition("/")
            self.direct.setdefault(folder, []).append(name)
        for folder in self.direct:
            while folder and folder not in self._below:
                self._below.add(folder)
                folder = folder.rpartition("/")[0]

    def get(self, key: str) -> Any:
        """Return a record, or None; raise `shapes.Damaged` if it is no such record."""
        if key in self._parsed:
            return self._parsed[key]
        record = self._records.get(key)
        if isinstance(record, bytes):
            record = shapes.record(self._run_id, key, record)
            if len(self._parsed) < KEPT:
                self._parsed[key] = record
        return record

    def of(self, address: str, name: str) -> Any:
        """Return the record `name` (without `.json`) of an instance address, or None."""
        return self.get(f"{naming.key(address)}/{name}.json")

    def there(self, address: str, name: str) -> bool:
        """Tell whether there is a record `name` (without `.json`) of an instance address."""
        return f"{naming.key(address)}/{name}.json" in self._records

    def has(self, address: str) -> bool:
        """Tell whether anything is recorded of an instance address or below it."""
        return naming.key(address) in self._below

    def state(self, sha256: str) -> State | None:
        """Return a state, or None if there is none (yet)."""
        state: State | None = self.get(f"states/{sha256}.json") if sha256 else None
        return state

    def unpack(self, packed: Packed, names: list[str] | None = None) -> dict[str, Any]:
        """Return values of a packed mapping: all, or those named; those that are not there are left out."""
        wanted = [*packed["values"], *packed["large"]] if names is None else names
        values = {}
        for name in wanted:
            if name in packed["values"]:
                values[name] = packed["values"][name]
            elif name in packed["large"]:
                key = f"values/{packed['large'][name]}.json"
                if key in self._records:
                    values[name] = self.get(key)
        return values


class Tried:
    """What is recorded of one task or as-is."""

    def __init__(self, records: Records, address: str) -> None:
        self.starts: dict[int, AttemptStart] = {}
        self.ends: dict[int, AttemptEnd] = {}
        self.outcome: Outcome | None = None
        folder = naming.key(address)
        for name in records.direct.get(folder, ()):
            number, _, kind = name.partition(".")
            if name == "outcome.json":
                self.outcome = records.get(f"{folder}/{name}")
            elif number.isdecimal() and kind == "start.json":
                self.starts[int(number)] = records.get(f"{folder}/{name}")
            elif number.isdecimal() and kind == "end.json":
                self.ends[int(number)] = records.get(f"{folder}/{name}")
        if self.outcome is not None and self.outcome["attempt"]:
            own = self.ends.get(self.outcome["attempt"], self.outcome)
            # One that was settled may have said later how it ended: that decides nothing, but it is the reason.
            message = self.outcome["message"] or own["message"]
            shown: Outcome = {**self.outcome, "message": message, "metrics": own["metrics"]}
            self.ends[own["attempt"]] = shown
        self.numbers = sorted(self.starts.keys() | self.ends.keys())
        self.late = self._late()
        """What another delivery or the outcome came before: the platform's attempts, whatever they did."""

    def _late(self) -> set[int]:
        if len(self.numbers) < 2:
            return set()
        ended = [(end["try_"], end["time"], n) for n, end in self.ends.items() if not end["platform"]]
        first: dict[int, int] = {}
        for try_, _, number in sorted(ended):
            first.setdefault(try_, number)
        tries = {number: record["try_"] for number, record in (*self.starts.items(), *self.ends.items())}
        late = set()
        if self.outcome is not None and self.outcome["attempt"]:
            first[self.outcome["try_"]] = self.outcome["attempt"]
            late = {number for number, try_ in tries.items() if try_ > self.outcome["try_"]}
        return late | {number for number, try_ in tries.items() if first.get(try_, number) != number}

    @property
    def last(self) -> int:
        """The number of the last attempt that counts."""
        return max(number for number in self.numbers if number not in self.late)

    @property
    def recorded(self) -> bool:
        """True if anything is recorded."""
        return self.outcome is not None or bool(self.numbers)

    @property
    def last_end(self) -> AttemptEnd | None:
        """The outcome if there is one, else the last attempt that ended."""
        if self.outcome is not None:
            return self.outcome
        ended = self.ends.keys() - self.late
        return self.ends[max(ended)] if ended else None

    def status(self, over: bool, now: float) -> str:
        """Return the step's status. `over`: its graph has ended or the walk went on, so nothing of it runs."""
        if self.outcome is not None:
            return self.outcome["status"]
        last = self.last
        end = self.ends.get(last)
        if end is None:
            return "CRASHED" if self._crashed(last, over, now) else "PROCESSING"
        if end["platform"]:
            return "CRASHED"
        return "FAIL" if over else "PROCESSING"  # another attempt is to come

    def attempts(self, run: RunRecord, address: str, over: bool, now: float) -> list[dict[str, Any]]:
        """Return the folded attempts, in order."""
        over = over or self.outcome is not None
        folded = []
        for number in self.numbers:
            start, end = self.starts.get(number), self.ends.get(number)
            late = number in self.late
            if end is not None:
                status = "CRASHED" if late else end["status"]
            else:
                status = "CRASHED" if self._crashed(number, over, now) else "PROCESSING"
            began, ended = start and start["time"], end and end["time"]
            attempt: dict[str, Any] = {
                "attempt_number": number,
                "status": status,
                "start_time": iso(began),
                "end_time": iso(ended),
                "duration": None if began is None or ended is None else round(ended - began, 3),
                "message": end["message"] if end else "",
                "log": f"{run['run_id']}/{naming.key(address)}/{number}.log",
                "code_identity": run["code"],
            }
            if late or (end["platform"] if end else self._repeated(number)):
                attempt["platform"] = True
            folded.append(attempt)
        return folded

    def _crashed(self, number: int, over: bool, now: float) -> bool:
        """Tell whether an attempt without an end can no longer be running."""
        deadline = self.starts[number]["deadline"]
        return over or number < self.numbers[-1] or (deadline is not None and now > deadline + GRACE)

    def _repeated(self, number: int) -> bool:
        """Tell whether the platform lost an attempt without an end: another took its place as the user's attempt."""
        try_ = self.starts[number]["try_"]
        later = any(n > number and self.starts[n]["try_"] == try_ for n in self.starts)
        return later or any(end["try_"] == try_ for end in self.ends.values())


def blank(node: Node, address: str, name: str) -> Step:
    """Return a folded step that nothing is known of yet."""
    return {
        "name": name,
        "internal_name": address,
        "step_type": node["type"],
        "status": "TRIGGERED",
        "message": "",
        "mock": False,
        "attempts": [],
        "user_defined_metrics": {},
        "data_catalog": [],
        "branches": {},
    }


def task_step(tried: Tried, run: RunRecord, node: Node, address: str, over: bool, now: float) -> Step:
    """Return the folded step of a task that was tried, or that a mock stands for."""
    step = blank(node, address, node["name"])
    step["status"] = tried.status(over, now)
    step["attempts"] = tried.attempts(run, address, over, now)
    step["mock"] = tried.outcome is not None and tried.outcome["mock"]
    if tried.outcome is not None and tried.outcome.get("skipped"):
        step["status"] = "SKIPPED"
    end = tried.last_end
    if end is not None:
        step["user_defined_metrics"] = end["metrics"]
        step["data_catalog"] = _catalog(end)
    if step["status"] in ("SUCCESS", "FAIL", "CRASHED"):
        number = tried.outcome["attempt"] if tried.outcome else tried.last
        decided = tried.ends.get(number, tried.outcome)
        step["message"] = decided["message"] if decided else ""
    return step


def as_is_step(tried: Tried, node: Node, address: str) -> Step:
    """Return the folded step of an as-is that was recorded; it never has attempts."""
    step = blank(node, address, node["name"])
    step["status"] = tried.outcome["status"] if tried.outcome else "PROCESSING"
    step["message"] = tried.outcome["message"] if tried.outcome else ""
    return step


def _catalog(end: AttemptEnd) -> list[dict[str, Any]]:
    """Gets first, then puts, each sorted by name; of one name the last."""
    unique = {(entry["stage"], entry["path"]): entry for entry in end["catalog"]}
    return [
        {"name": path, "stage": stage, "sha256": entry["sha256"], "size": entry["size"]}
        for (stage, path), entry in sorted(unique.items())
    ]


def iso(seconds: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    if seconds is None:
        return None
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{_iso_second(whole)}.{thousandths:03d}+00:00"


@lru_cache(maxsize=1024)
def _iso_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
