"""The hand-written cases in `pipelines/`: reading them, and what is expected of them.

A case is a folder with

- `dag.yaml` (and what it needs): the definition, with a `dag` block alone; engines bring their configuration;
- `case.yaml`: `about` (one line), `rules` (what of DESIGN it holds), `behaviour` (see behaviour.py), `parameters` (given
  with `-p`), `environment` (of the process that starts the run), `needs` (abilities an engine must have), `lying`
  (files in the data folder that no run wrote: path and text), `config`
  (further configuration blocks), `executor` (keys of the executor's configuration). A case of several runs has a list
  `runs` of mappings with `behaviour`, `parameters`, `environment`, `use_cached` (the number, from 1, of an earlier run) and
  `dag` (another definition) instead. Run n has the id `run-n`;
- `expected.yaml`, of central cases: the log of the last run written by hand, in the short form that `expand` describes.
  With `reference: false` in case.yaml the expectation is this alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.behaviour import Behaviour
from tests.conformance.engines import RunSpec
from tests.conformance.reference import interpret
from tests.conformance.reference_state import Log, Memory

PIPELINES = Path(__file__).with_name("pipelines")


@dataclass(frozen=True)
class CaseRun:
    """One run of a case, with what it is to leave."""

    spec: RunSpec
    parameters: dict[str, Any]
    behaviour: Behaviour
    expected: Log | None
    """The comparable log, from the reference; None if only expected.yaml tells."""


@dataclass(frozen=True)
class Case:
    """A hand-written case."""

    name: str
    folder: Path
    runs: list[CaseRun]
    needs: frozenset[str] = frozenset()
    lying: dict[str, str] = field(default_factory=dict)
    """Files that lie in the data folder before the first run: path -> text."""
    by_hand: Log | None = field(default=None, repr=False)
    """What expected.yaml says of the last run."""


def names() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.parent.name for path in PIPELINES.glob("*/case.yaml"))


def load(name: str) -> Case:
    """Read a case of `pipelines/`; see `read`."""
    return read(PIPELINES / name)


def read(folder: Path) -> Case:
    """Read the case in a folder and ask the reference what its runs leave."""
    text = read_yaml(folder / "case.yaml")
    known = {"about", "rules", "needs", "lying", "config", "executor", "reference", "runs", *_PER_RUN}
    if not set(text) <= known:
        raise ValueError(f"{folder}/case.yaml: unknown {sorted(set(text) - known)}")
    refer = text.get("reference", True)
    definitions = {
        str(path.relative_to(folder)): unescaped(read_yaml(path))
        for path in folder.rglob("*.yaml")
        if path.name not in ("case.yaml", "expected.yaml") and refer
    }
    listed = text.get("runs") or [{key: text[key] for key in _PER_RUN if key in text}]
    runs: list[CaseRun] = []
    memories: list[Memory] = []
    for number, run in enumerate(listed, 1):
        if not set(run) <= set(_PER_RUN):
            raise ValueError(f"{folder}/case.yaml: unknown {sorted(set(run) - set(_PER_RUN))}")
        cached = run.get("use_cached", 0)
        spec = RunSpec(
            run_id=f"run-{number}",
            dag=run.get("dag", "dag.yaml"),
            parameter_file=f"parameters-{number}.json" if "parameters" in run else "",
            environment=run.get("environment", {}),
            use_cached=f"run-{cached}" if cached else "",
            config=text.get("config", {}),
            executor=text.get("executor", {}),
        )
        behaviour = Behaviour(run.get("behaviour", {}))
        expected = None
        if refer:
            outcome = interpret(
                definitions[spec.dag]["dag"],
                behaviour,
                {**run.get("parameters", {}), **from_environment(spec.environment)},
                definitions=definitions,
                cached=memories[cached - 1] if cached else None,
                original_run_id=spec.use_cached,
            )
            memories.append(outcome.memory)
            expected = outcome.log
        runs.append(CaseRun(spec, run.get("parameters", {}), behaviour, expected))
    by_hand = folder / "expected.yaml"
    return Case(
        folder.name,
        folder,
        runs,
        frozenset(text.get("needs", [])),
        text.get("lying", {}),
        expand(read_yaml(by_hand)) if by_hand.exists() else None,
    )


_PER_RUN = ("behaviour", "dag", "environment", "parameters", "use_cached")


def read_yaml(path: Path) -> Any:
    """Parse a YAML file."""
    with path.open("rb") as file:
        return yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def unescaped(value: Any) -> Any:
    """Return a definition with `$${` in its values read as what it stands for; keys are left as they are."""
    if isinstance(value, dict):
        return {key: unescaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unescaped(inner) for inner in value]
    return value.replace("$${", "${") if isinstance(value, str) else value


def from_environment(environment: dict[str, str]) -> dict[str, Any]:
    """Initial parameters of an environment: JSON where it parses, but for a number that would be written otherwise."""
    values = {}
    for name, value in environment.items():
        if name.startswith("MAGNUS_PRM_"):
            try:
                found = json.loads(value, parse_constant=_no_constant)
            except ValueError:
                found = value
            if type(found) in (int, float) and str(found) != value:
                found = value
            values[name.removeprefix("MAGNUS_PRM_")] = found
    return values


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def expand(short: Any) -> Log:
    """Return the log that a hand-written one stands for.

    Left out may be `tag`, `original_run_id`, `message`, `mock`, `metrics`, `catalog` and `branches` when empty or false;
    `name` (the last segment of the dot path), `internal_name` (the dot path) and `attempts` (one, that ended as the step
    did, or none if the step was mocked, was skipped or is not a task). A step is `{type, status, ...}`, an attempt
    `[status, message]`, a catalog entry `[stage, path, text of the file]`.
    """
    return {
        "tag": short.get("tag", ""),
        "original_run_id": short.get("original_run_id", ""),
        "status": short["status"],
        "parameters": short.get("parameters", {}),
        "message": "",
        "steps": {path: _step(path, step) for path, step in short["steps"].items()},
    }


def _step(path: str, step: Any) -> Log:
    status, message, mock = step["status"], step.get("message", ""), step.get("mock", False)
    default = [[status, message]] if step["type"] == "task" and status != "SKIPPED" and not mock else []
    return {
        "name": step.get("name", path.rpartition(".")[2]),
        "internal_name": step.get("internal_name", path),
        "step_type": step["type"],
        "status": status,
        "message": message,
        "mock": mock,
        "attempts": [
            {"attempt_number": n, "status": s, "message": m}
            for n, (s, m) in enumerate(step.get("attempts", default), 1)
        ],
        "user_defined_metrics": step.get("metrics", {}),
        "data_catalog": [
            {
                "name": name,
                "stage": stage,
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "size": len(text.encode()),
            }
            for stage, name, text in step.get("catalog", [])
        ],
        "branches": {
            inner: {"status": branch["status"], "steps": {p: _step(p, s) for p, s in branch["steps"].items()}}
            for inner, branch in step.get("branches", {}).items()
        },
    }


def prepare(case: Case, folder: Path) -> None:
    """Make a case's project folder."""
    import shutil

    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(case.folder, folder, ignore=shutil.ignore_patterns("case.yaml", "expected.yaml"))
    (folder / "data").mkdir(exist_ok=True)
    for path, content in case.lying.items():
        file = folder / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")


def prepare_run(run: CaseRun, folder: Path) -> None:
    """Write what one run needs into the project folder: its parameters, and what its tasks do."""
    if run.spec.parameter_file:
        (folder / run.spec.parameter_file).write_text(json.dumps(run.parameters), encoding="utf-8")
    run.behaviour.write(folder)
