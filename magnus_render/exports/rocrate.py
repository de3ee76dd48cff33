"""RO-Crate, for archives of research: `ro-crate-metadata.json` of RO-Crate 1.1 with Provenance Run Crate 0.5.

The definition is the workflow, a step in it a `HowToStep` with a tool, each attempt an action. A composite is a workflow in
the workflow. Files of the catalog stand in the crate's folder `files`. If a later step of the run put other content under
the same name, the earlier content is named by its hash (RFC 6920). Skipped steps are left out, as the profile has no term.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from magnus_render.exports.base import AT_WORK, BaseExport, as_json, producer
from magnus_render.runtime.fold_attempts import iso

if TYPE_CHECKING:
    from magnus_render.exports.base import Execution, ExportedRun, File

    Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
WORKFLOW = "dag.yaml"
FILES = "files"
_CRATE = "https://w3id.org/ro/crate/1.1"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_PROVENANCE = ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5")
"""A crate of this profile must have steps, so that of a run without any step does not name it."""
_PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    _PROVENANCE,
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
_LANGUAGE, _ENGINE, _RUN, _ORGANIZE = "#language", "#engine", "#run", "#organize"
_NO_LICENSE = "The records of a run name no licence. Whoever publishes this crate names it here."


class RoCrate(BaseExport):
    """The metadata file of an RO-Crate."""

    name = "rocrate"
    summary = f"{METADATA} for archives of research data: Provenance Run Crate 0.5"

    def text(self, run: ExportedRun) -> str:
        context = [f"{_CRATE}/context", {"sha256": f"{_TERMS}sha256"}]
        whole = {"@context": context, "@graph": _Crate(run).entities()}
        return json.dumps(whole, indent=2) + "\n"


class _Crate:
    def __init__(self, run: ExportedRun) -> None:
        self._run = run
        self._entities: dict[str, Entity] = {}
        self._last = {file.name: file.sha256 for file in run.files}
        self._done = [one for one in run.executions if one.status != "SKIPPED" and not one.taken_over]
        self._inside: dict[str, list[Execution]] = {}
        for one in self._done:
            self._inside.setdefault(one.parent, []).append(one)
        self._workflows = {one.job for one in self._done if one.address in self._inside}
        self._profiles = [one for one in _PROFILES if self._done or one is not _PROVENANCE]

    def entities(self) -> list[Entity]:
        """Return the entities: those that the standard asks for first, then in the order of the walk."""
        run, record = self._run, self._run.record
        self._add(METADATA, "CreativeWork", conformsTo=_ids(_CRATE, _PROFILES[-1][0]), about=_id("./"))
        root = self._add("./", "Dataset", conformsTo=_ids(*[url for url, _, _ in self._profiles]))
        root |= {
            "name": f"Run {record['run_id']} of the pipeline {record['name']}",
            "description": f"What the run {record['run_id']} did: its steps, attempts, parameters and files.",
            "datePublished": iso(run.began if run.ended is None else run.ended),
            "license": _NO_LICENSE,
            "mainEntity": _id(WORKFLOW),
        }
        for url, name, version in self._profiles:
            self._add(url, "CreativeWork", name=name, version=version)
        self._add(_LANGUAGE, "ComputerLanguage", name="magnus pipeline definition")
        self._add(
            _ENGINE, "SoftwareApplication", name="magnus-render", softwareVersion=producer().partition("@")[2]
        )
        self._main()
        for one in self._done:
            self._execution(one)
        files = [name for name, entity in self._entities.items() if "File" in entity["@type"]]
        root["hasPart"] = _ids(*files)
        root["mentions"] = _ids(
            *[name for name, entity in self._entities.items() if entity["@type"] == "CreateAction"]
        )
        return [_compact(entity) for entity in self._entities.values()]

    def _main(self) -> None:
        """Add the workflow, and the action that is the run."""
        run, record = self._run, self._run.record
        main = self._add(WORKFLOW, ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"])
        main |= {"name": record["name"], "version": record["dag_hash"], "programmingLanguage": _id(_LANGUAGE)}
        self._contents(main, "")
        taken = [self._value("parameter", name, value) for name, value in run.parameters.items()]
        if record["code"]["commit"]:
            changed = " with changes" if record["code"]["dirty"] else ""
            taken.append(self._value("code", "git commit", record["code"]["commit"] + changed))
        self._action(_RUN, f"Run {record['run_id']}", WORKFLOW, run.status, run.began, run.ended, run.error)
        self._entities[_RUN] |= {
            "description": f"The run as a whole, walked by {record['target'] or 'magnus'}.",
            "object": _ids(*taken),
            "result": _ids(*[self._file(file) for file in run.files]),
        }
        self._organize(_RUN, "")

    def _execution(self, one: Execution) -> None:
        """Add a step of the definition with its tool, what is inside it, and the action that one attempt of it was."""
        tool, step, action = f"#tool-{one.job}", f"#step-{one.job}", _action_id(one)
        if tool not in self._entities:
            self._tool(one, tool, step)
        elif one.address in self._inside:
            self._contents(self._entities[tool], one.address)
        times = f", attempt {one.attempt}" if one.attempt else ""
        self._action(action, f"{one.path}{times}", tool, one.status, one.began, one.ended, one.error)
        taken = [self._value("parameter", name, value) for name, value in one.saw.items()]
        made = [self._value("parameter", name, value) for name, value in one.set.items()]
        made += [self._value("metric", name, value) for name, value in one.metrics.items()]
        self._entities[action] |= {
            "description": f"One execution of the {one.kind} {one.path}: {one.status}.",
            "object": _ids(*taken, *[self._file(file) for file in one.got]),
            "result": _ids(*made, *[self._file(file) for file in one.put]),
        }
        if one.address in self._inside:
            self._organize(action, one.address)

    def _tool(self, one: Execution, tool: str, step: str) -> None:
        composite = one.job in self._workflows
        kind = (
            ["SoftwareSourceCode", "ComputationalWorkflow", "HowTo"] if composite else "SoftwareApplication"
        )
        made = self._add(tool, kind, name=one.definition, version=self._run.record["dag_hash"])
        if one.description:
            made["description"] = one.description
        if composite:
            made["programmingLanguage"] = _id(_LANGUAGE)
            self._contents(made, one.address)
        self._add(step, "HowToStep", name=one.definition, position=one.order, workExample=_id(tool))

    def _contents(self, workflow: Entity, composite: str) -> None:
        """Add to a workflow the steps and tools of those that were executed in it."""
        jobs = dict.fromkeys(one.job for one in self._inside.get(composite, ()))
        for key, prefix in (("hasPart", "#tool-"), ("step", "#step-")):
            there = [entry["@id"] for entry in workflow.get(key, [])]
            workflow[key] = _ids(*dict.fromkeys([*there, *[f"{prefix}{job}" for job in jobs]]))

    def _organize(self, action: str, composite: str) -> None:
        """Add how the engine led to an action of a workflow: the control of each of its steps."""
        controls: dict[str, Entity] = {}
        for one in self._inside.get(composite, ()):
            name = f"#control-{one.address}"
            if name not in controls:
                controls[name] = self._add(
                    name,
                    "ControlAction",
                    name=f"control of {one.path}",
                    instrument=_id(f"#step-{one.job}"),
                    object=[],
                )
            controls[name]["object"].append(_id(_action_id(one)))
        if controls:
            name = _ORGANIZE + action.removeprefix(_RUN).replace("#", "-")
            organize = self._add(name, "OrganizeAction", name=f"walk of {composite or 'the pipeline'}")
            organize |= {"instrument": _id(_ENGINE), "object": _ids(*controls), "result": _id(action)}

    # ---- kinds of entities ----

    def _action(
        self, name: str, title: str, tool: str, status: str, began: float, ended: float | None, error: str
    ) -> None:
        action = self._add(name, "CreateAction", name=title, instrument=_id(tool), startTime=iso(began))
        state = "Active" if status in AT_WORK else "Failed" if error else "Completed"
        action["actionStatus"] = f"http://schema.org/{state}ActionStatus"
        if ended is not None:
            action["endTime"] = iso(ended)
        if error:
            action["error"] = error

    def _value(self, what: str, name: str, value: Any) -> str:
        """Return the id of a named value, which stands in the crate once however many steps see it."""
        text = value if isinstance(value, str) else as_json(value)
        digest = sha256(f"{what} {name} {as_json(value)}".encode()).hexdigest()
        own = f"#{what}-{digest[:16]}"
        if own not in self._entities:
            self._add(own, "PropertyValue", name=name, value=text)
        return own

    def _file(self, file: File) -> str:
        """Return the id of a file: its place in the crate's folder, or its content's name if a later one has that place."""
        own = f"{FILES}/{quote(file.name)}"
        if self._last.get(file.name) != file.sha256:
            digest = urlsafe_b64encode(bytes.fromhex(file.sha256)).decode().rstrip("=")
            own = f"ni:///sha-256;{digest}"
        if own not in self._entities:
            self._add(own, "File", name=file.name, contentSize=str(file.size), sha256=file.sha256)
        return own

    def _add(self, own: str, kind: str | list[str], **properties: Any) -> Entity:
        self._entities[own] = {"@id": own, "@type": kind, **properties}
        return self._entities[own]


def _compact(entity: Entity) -> Entity:
    """Return an entity with a list of one in the form that RO-Crate wants, the one itself, and without empty lists."""
    short = {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
    }
    return {key: value for key, value in short.items() if value != []}


def _action_id(one: Execution) -> str:
    return f"#action-{one.address}{f'-{one.attempt}' if one.attempt else ''}"


def _id(own: str) -> dict[str, str]:
    return {"@id": own}


def _ids(*names: str) -> list[dict[str, str]]:
    return [_id(name) for name in names]
