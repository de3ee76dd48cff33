"""OTLP, for tracing tools: traces as JSON, in the form of the OpenTelemetry protocol, in one line.

A run is a trace, each attempt of a step a span, and composites and their branches are spans around them. A span is included
only when it has ended, as tracing tools expect. So the trace of a run at work has no outer spans yet. In the protocol's
JSON, ids are hexadecimal, times are nanoseconds since the epoch as texts, and whole numbers of 64 bits are texts too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.exports.base import AT_WORK, GOOD, BaseExport, as_json
from magnus_render.runtime.records import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from magnus_render.exports.base import Execution, ExportedRun

_INTERNAL = 1
_OK, _ERROR = 1, 2
_LARGEST = 2**63


class Otlp(BaseExport):
    """A trace of OpenTelemetry in JSON."""

    name = "otlp"
    summary = "a trace for OpenTelemetry collectors and what stands behind them, in OTLP's JSON"

    def text(self, run: ExportedRun) -> str:
        from magnus_render import __version__

        record = run.record
        resource = {
            "service.name": record["name"],
            "service.namespace": run.namespace,
            "vcs.ref.head.revision": record["code"]["commit"],
            "magnus.commit_has_changes": record["code"]["dirty"],
            "magnus.definition_hash": record["dag_hash"],
            "magnus.engine": record["target"],
        }
        scope = {"name": "magnus-render", "version": __version__}
        spans = list(_Trace(run).spans())
        scopes = [{"scope": scope, "spans": spans}]
        return (
            as_json(
                {
                    "resourceSpans": [
                        {"resource": {"attributes": _attributes(_known(resource))}, "scopeSpans": scopes}
                    ]
                }
            )
            + "\n"
        )


class _Trace:
    def __init__(self, run: ExportedRun) -> None:
        self._run = run
        self._names = {one.address: one.name for one in run.executions}
        self._inside: dict[str, list[Execution]] = {}
        for one in run.executions:
            if one.branch:
                self._inside.setdefault(one.branch, []).append(one)

    def spans(self) -> Iterator[dict[str, Any]]:
        """Yield the spans that have ended, outer ones first."""
        run, record = self._run, self._run.record
        if run.ended is not None:
            about = {
                "magnus.run_id": record["run_id"],
                "magnus.status": run.status,
                **_known({"magnus.tag": record["tag"], "magnus.uses_cached": record["original_run_id"]}),
                **_named("magnus.parameter", run.parameters),
            }
            yield self._span(run.id, None, record["name"], run.began, run.ended, about, run.error)
        told: set[str] = set()
        for one in run.executions:
            if one.branch and one.branch not in told:
                told.add(one.branch)
                yield from self._branch(one.branch, one.parent)
            if one.ended is not None:
                yield self._execution(one, one.ended)

    def _branch(self, address: str, composite: str) -> Iterator[dict[str, Any]]:
        branch, inside = self._run.branches[address], self._inside[address]
        ends = [one.ended for one in inside if one.ended is not None]
        if branch.status in AT_WORK or len(ends) < len(inside):
            return
        about = {
            "magnus.status": branch.status,
            "magnus.branch": branch.name,
            **_named("magnus.item", branch.item),
        }
        error = "" if branch.status in GOOD else "the branch failed"
        name = f"{self._names[composite]}[{branch.name}]"
        ids = self._run.id_of(address), self._run.id_of(composite)
        yield self._span(*ids, name, min(one.began for one in inside), max(ends), about, error)

    def _execution(self, one: Execution, ended: float) -> dict[str, Any]:
        facts = {
            "magnus.attempt": one.attempt,
            "magnus.ended_by_platform": one.platform,
            "magnus.taken_over_from": one.taken_over,
        }
        about = {
            "magnus.step": one.path,
            "magnus.step_type": one.kind,
            "magnus.status": one.status,
            **_known(facts),
            **_named("magnus.saw", one.saw),
            **_named("magnus.set", one.set),
            **_named("magnus.metric", one.metrics),
            **{f"magnus.get.{file.name}": f"sha256:{file.sha256}" for file in one.got},
            **{f"magnus.put.{file.name}": f"sha256:{file.sha256}" for file in one.put},
        }
        own, above = self._run.id_of(one.address, one.attempt), self._run.id_of(one.branch or one.parent)
        return self._span(own, above, one.name, one.began, ended, about, one.error)

    def _span(
        self,
        own: UUID,
        above: UUID | None,
        name: str,
        began: float,
        ended: float,
        about: dict[str, Any],
        error: str,
    ) -> dict[str, Any]:
        span: dict[str, Any] = {
            "traceId": self._run.id.hex,
            "spanId": _span_id(own),
            "name": name,
            "kind": _INTERNAL,
            "startTimeUnixNano": _nanoseconds(began),
            "endTimeUnixNano": _nanoseconds(ended),
            "attributes": _attributes(about),
            "status": {"code": _ERROR, "message": error} if error else {"code": _OK},
        }
        if above is not None:
            span["parentSpanId"] = _span_id(above)
        if error:
            said = _attributes({"exception.type": about["magnus.status"], "exception.message": error})
            span["events"] = [
                {"timeUnixNano": span["endTimeUnixNano"], "name": "exception", "attributes": said}
            ]
        return span


def _span_id(whole: UUID) -> str:
    """Return the half of an id that is never zero, as a span's id must be: a UUID has its variant there."""
    return whole.hex[-16:]


def _nanoseconds(seconds: float) -> str:
    """Return a time in nanoseconds, rounded to microseconds: a float of a present time is not more exact."""
    return f"{round(seconds * 1_000_000)}000"


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not empty."""
    return {name: value for name, value in values.items() if value}


def _named(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in values.items()}


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    """Return a value in OTLP's form. A value without a simple kind there is JSON in a text."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": as_text(value)}
