"""The data of an exported run, and the base class of formats. `magnus runs export` reads a run and hands it to a format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import NAMESPACE_OID, UUID, uuid5

from magnus_render.registry import Described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.plan import RunRecord

AT_WORK = ("PROCESSING", "TRIGGERED")
GOOD = ("SUCCESS", "SKIPPED")
LOST = "the attempt left no record of its end: its process or its machine was lost"


@dataclass(frozen=True)
class File:
    """A catalogued file. The catalog keeps content by its SHA-256; `size` is in bytes."""

    name: str
    sha256: str
    size: int


@dataclass
class Execution:
    """One attempt of a step. A step without attempts, such as a composite or a skipped task, has one execution.

    Times are in seconds since the epoch. Values over 4 KiB are `sha256:` and their hash, as in the records.
    """

    address: str
    path: str
    """The dot path, for people."""
    name: str
    kind: str
    """The type of the node (`plan.NodeType`)."""
    definition: str
    """The dot path in the definition, with `_` where a map's index stands; the address with `_` is `job`."""
    job: str
    order: int
    """Position in the definition, from 0."""
    description: str
    parent: str
    """The address of the composite around it, '' in the root graph."""
    branch: str
    """The address of the branch that it stands in, if the composite has several, else ''."""
    status: str
    message: str
    began: float
    ended: float | None
    """None while it is at work."""
    attempt: int = 0
    """Its number in the records, from 1; 0 if the step has no attempts."""
    platform: bool = False
    """True if the platform ended it: it did not count as one of the user's attempts."""
    taken_over: str = ""
    """The run that it was taken over from, with nothing run again; else ''."""
    saw: Mapping[str, Any] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    got: list[File] = field(default_factory=list)
    put: list[File] = field(default_factory=list)
    """Files that the attempt put, if it succeeded: no other step sees files of a failed one."""

    @property
    def error(self) -> str:
        """Why it failed, for people; '' if it did not."""
        if self.status in (*GOOD, *AT_WORK):
            return ""
        return self.message or (LOST if self.status == "CRASHED" else "failed")


@dataclass(frozen=True)
class Branch:
    """A branch of a map or of a parallel. `item` has the value of the map's variable."""

    name: str
    status: str
    item: Mapping[str, Any]


@dataclass
class ExportedRun:
    """A run, read from its records. Composites stand before the steps in them, and siblings in the order of the walk."""

    record: RunRecord
    status: str
    began: float
    ended: float | None
    parameters: Mapping[str, Any]
    """Initial parameters."""
    executions: list[Execution]
    branches: Mapping[str, Branch]
    files: list[File]
    """Files that it left: the last one of each name, sorted by name."""
    namespace: str
    """A name that tells the pipelines of one team from those of another."""

    @cached_property
    def id(self) -> UUID:
        """The id of the run itself. A run of the same name in another store has another id."""
        return uuid5(
            NAMESPACE_OID, f"magnus-render {self.record['run_id']} {json.dumps(self.record['created'])}"
        )

    def id_of(self, address: str, attempt: int = 0) -> UUID:
        """Return the id of an execution, by its address: the same whenever the run is exported."""
        return uuid5(self.id, f"{address} {attempt}") if address else self.id

    @property
    def error(self) -> str:
        """The steps that failed the run, for people; '' if none did."""
        if self.status in (*GOOD, *AT_WORK):
            return ""
        last = {one.path: one.status for one in self.executions}
        failed = [path for path, status in last.items() if status in ("FAIL", "CRASHED")]
        return f"failed: {', '.join(failed)}" if failed else "came to its fail node"


class BaseExport(Described):
    """A format that a run is exported in. It is registered as an entry point in `magnus_render.export`."""

    keys: ClassVar[Mapping[str, str] | None] = {}
    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    def text(self, run: ExportedRun) -> str:
        """Return the whole text, the same for the same records; it reaches no network and starts no process."""
        raise NotImplementedError


def producer() -> str:
    """Return the URI of this version of magnus-render (a package URL)."""
    from magnus_render import __version__

    return f"pkg:pypi/magnus-render@{__version__}"


def as_json(value: Any) -> str:
    """Return JSON that is the same for the same value, in one line."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
