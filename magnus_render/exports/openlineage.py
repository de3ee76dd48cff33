"""OpenLineage, for lineage tools: one event a line, by its specification 2-0-2 (OpenLineage.json).

A step of the definition is a job, and each of its attempts a run with the run around it as its parent. A catalogued file is
a dataset whose version is the hash of its content. Data without a facet in the standard stands in the facet `magnus`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.exports.base import AT_WORK, GOOD, BaseExport, as_json, producer
from magnus_render.plan import COMPOSITES
from magnus_render.runtime.fold_attempts import iso
from magnus_render.runtime.records import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.exports.base import Execution, ExportedRun, File

_SPEC = "https://openlineage.io/spec/"
_EVENT = f"{_SPEC}2-0-2/OpenLineage.json#/$defs/RunEvent"
_OWN_FACET = f"{_SPEC}2-0-2/OpenLineage.json#/$defs/RunFacet"
"""The facet `magnus` uses the schema of all facets, which allows further fields."""


class OpenLineage(BaseExport):
    """Events of OpenLineage, one a line, in the order of their times."""

    name = "openlineage"
    summary = "events for lineage tools (Marquez, DataHub, OpenMetadata), one JSON object a line"

    def text(self, run: ExportedRun) -> str:
        return "".join(f"{as_json(event)}\n" for event in _Events(run).sorted())


class _Events:
    def __init__(self, run: ExportedRun) -> None:
        self._run = run
        self._producer = producer()
        self._jobs = {one.address: one.definition for one in run.executions}

    def sorted(self) -> list[dict[str, Any]]:
        """Return the events by time; at the same time parents start first, and end last."""
        run = self._run
        timed = [(run.began, 0, 0, self._root("START"))]
        many = len(run.executions)
        for number, one in enumerate(run.executions, 1):
            timed.append((one.began, 0, number, self._start(one)))
            if one.ended is not None:
                timed.append((one.ended, 1, many - number, self._end(one)))
        if run.ended is not None:
            timed.append((run.ended, 1, many, self._root(_kind(run.status, False))))
        timed.sort(key=lambda entry: entry[:3])
        return [event for *_, event in timed]

    # ---- the run ----

    def _root(self, kind: str) -> dict[str, Any]:
        run, record = self._run, self._run.record
        own: dict[str, Any] = {
            "runId": record["run_id"],
            "definitionHash": record["dag_hash"],
            "engine": record["target"],
            "tag": record["tag"],
            "usesCached": record["original_run_id"],
            "commit": record["code"]["commit"],
            "commitHasChanges": record["code"]["dirty"],
        }
        facets = {"executionParameters": self._parameters(run.parameters)}
        if kind != "START":
            own["status"] = run.status
            facets |= self._error(run.error)
        facets["magnus"] = self._own(own)
        job = self._job(record["name"], "DAG")
        when = run.began if kind == "START" or run.ended is None else run.ended
        return self._event(kind, when, {"runId": str(run.id), "facets": facets}, job)

    # ---- what happened in it ----

    def _start(self, one: Execution) -> dict[str, Any]:
        facets = {
            **self._shared(one),
            "executionParameters": self._parameters(one.saw),
            "magnus": self._own(self._told(one)),
        }
        return self._event("START", one.began, self._run_of(one, facets), self._job_of(one))

    def _end(self, one: Execution) -> dict[str, Any]:
        own = self._told(one) | {"status": one.status, "set": one.set, "metrics": one.metrics}
        own |= {"takenOver": one.taken_over} if one.taken_over else {}
        facets = {**self._shared(one), **self._error(one.error), "magnus": self._own(own)}
        event = self._event(
            _kind(one.status, one.platform), one.ended or 0.0, self._run_of(one, facets), self._job_of(one)
        )
        if not one.taken_over:
            event["inputs"] = [self._dataset(file, "input") for file in one.got]
            event["outputs"] = [self._dataset(file, "output") for file in one.put]
        return event

    def _told(self, one: Execution) -> dict[str, Any]:
        told: dict[str, Any] = {"runId": self._run.record["run_id"], "step": one.path, "attempt": one.attempt}
        branch = self._run.branches.get(one.branch)
        return told | ({"branch": branch.name, "item": branch.item} if branch else {})

    def _shared(self, one: Execution) -> dict[str, Any]:
        root = self._identity("", self._run.record["name"])
        parent = self._identity(one.parent, self._jobs[one.parent]) if one.parent else root
        return {"parent": self._facet("1-2-0/ParentRunFacet", **parent, root=root)}

    def _identity(self, address: str, job: str) -> dict[str, Any]:
        name = f"{self._run.record['name']}.{job}" if address else job
        return {
            "run": {"runId": str(self._run.id_of(address))},
            "job": {"namespace": self._run.namespace, "name": name},
        }

    def _run_of(self, one: Execution, facets: dict[str, Any]) -> dict[str, Any]:
        return {"runId": str(self._run.id_of(one.address, one.attempt)), "facets": facets}

    def _job_of(self, one: Execution) -> dict[str, Any]:
        kind = one.kind.upper() if one.kind in COMPOSITES else "TASK"
        name = f"{self._run.record['name']}.{one.definition}"
        job = self._job(name, kind)
        if one.description:
            job["facets"]["documentation"] = self._facet(
                "1-1-0/DocumentationJobFacet", description=one.description
            )
        return job

    # ---- parts of events ----

    def _event(self, kind: str, when: float, run: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
        return {
            "eventType": kind,
            "eventTime": iso(when),
            "producer": self._producer,
            "schemaURL": _EVENT,
            "run": run,
            "job": job,
            "inputs": [],
            "outputs": [],
        }

    def _job(self, name: str, kind: str) -> dict[str, Any]:
        facet = self._facet(
            "2-0-4/JobTypeJobFacet", processingType="BATCH", integration="MAGNUS", jobType=kind
        )
        return {"namespace": self._run.namespace, "name": name, "facets": {"jobType": facet}}

    def _dataset(self, file: File, way: str) -> dict[str, Any]:
        """Return a file as a dataset. Its name begins with the pipeline's: a run sees files of its own pipeline alone."""
        version = self._facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=file.sha256)
        dataset: dict[str, Any] = {
            "namespace": self._run.namespace,
            "name": f"{self._run.record['name']}/{file.name}",
            "facets": {"version": version},
        }
        schema = {
            "input": "1-0-0/InputStatisticsInputDatasetFacet",
            "output": "1-0-2/OutputStatisticsOutputDatasetFacet",
        }[way]
        statistics = self._facet(schema, size=file.size, fileCount=1)
        return dataset | {f"{way}Facets": {f"{way}Statistics": statistics}}

    def _parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        told = [{"key": name, "value": as_text(value)} for name, value in values.items()]
        return self._facet("1-0-0/ExecutionParametersRunFacet", parameters=told)

    def _error(self, text: str) -> dict[str, Any]:
        if not text:
            return {}
        facet = self._facet("1-0-1/ErrorMessageRunFacet", message=text, programmingLanguage="unknown")
        return {"errorMessage": facet}

    def _own(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"_producer": self._producer, "_schemaURL": _OWN_FACET, **values}

    def _facet(self, schema: str, **values: Any) -> dict[str, Any]:
        """Return a facet of the standard; `schema` is its version and name."""
        name = schema.partition("/")[2]
        url = f"{_SPEC}facets/{schema}.json#/$defs/{name}"
        return {"_producer": self._producer, "_schemaURL": url, **values}


def _kind(status: str, platform: bool) -> str:
    """Return the type of the event that ends a run. A skipped step is complete: the walk went on from it."""
    if status in AT_WORK:
        return "RUNNING"
    if status in GOOD:
        return "COMPLETE"
    return "ABORT" if platform else "FAIL"
