"""A project whose pipeline is rendered and run on the engine: what the tests of rendered manifests share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.argo import MANIFEST, VOLUME, Argo
from tests.conformance.comparing import comparable
from tests.conformance.engines import Local, RunSpec, magnus, show
from tests.engines import argo_lint
from tests.engines.argo.client import Namespace, shared
from tests.engines.argo.faults import Fault
from tests.engines.argo.run import Run

ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}
RUN_ID = "run-1"


def shell(command: str, then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a task that runs a command of the shell."""
    return {"type": "task", "command_type": "shell", "command": command, "next": then, **fields}


def graph(steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return a graph that starts with the first of its steps."""
    return {"start_at": next(iter(steps), "success"), "steps": {**steps, **ENDS}}


def each(branch: Mapping[str, Any], then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a map over the parameter `items`."""
    over = {"iterate_on": "items", "iterate_as": "item"}
    return {"type": "map", **over, "next": then, "branch": graph(branch), **fields}


@dataclass
class Ended:
    """What became of a run: the workflow, and the folded log."""

    run: Run
    log: dict[str, Any]

    def attempts(self, *path: str) -> list[str]:
        """Return the statuses of a step's attempts; within a composite, with the paths of the branch and the step."""
        return [attempt["status"] for attempt in self.step(*path)["attempts"]]

    def step(self, *path: str) -> dict[str, Any]:
        """Return what the log has of a step: of `m`, or with `m`, `m.0`, `m.0.t` of one in a branch."""
        steps = self.log["steps"]
        for composite, branch in zip(path[::2], path[1::2], strict=False):
            steps = steps[composite]["branches"][branch]["steps"]
        found: dict[str, Any] = steps[path[-1]]
        return found


@dataclass
class Project:
    """A folder with a definition; `executor` and `config` are put into the configuration."""

    folder: Path
    steps: Mapping[str, Any]
    dag: Mapping[str, Any] = field(default_factory=dict)
    executor: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / VOLUME).mkdir(exist_ok=True)
        definition = {"dag": {**graph(self.steps), **self.dag}}
        (self.folder / "dag.yaml").write_text(json.dumps(definition), encoding="utf-8")

    def spec(self, run_id: str = RUN_ID, **fields: Any) -> RunSpec:
        """Return a run of it. Its pods share the project's folder, so that a test can see what they leave."""
        executor = {"environment": {"MAGNUS_WORKSPACES": "step"}, **self.executor}
        return RunSpec(run_id, executor=executor, config=self.config, environment=self.environment, **fields)

    def render(self, *options: str) -> list[str]:
        """Return its manifests, checked by Argo's own lint."""
        config = Argo().configure(self.folder, self.spec())
        for old in self.folder.glob("workflow*.yaml"):
            old.unlink()
        argv = ["render", "dag.yaml", "--target", "argo", "-c", config, "-o", MANIFEST, *options]
        status, stderr = magnus(argv, self.folder, {})
        assert status == 0, stderr
        manifests = Argo.manifests(self.folder)
        assert argo_lint.missing() is not None or argo_lint.lint(manifests) == []
        return list(manifests.values())

    def start(
        self,
        run_id: str = RUN_ID,
        parameters: Mapping[str, Any] | str | None = None,
        *,
        manifests: Sequence[str] | None = None,
        faults: Iterable[Fault] = (),
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        **arguments: str,
    ) -> Namespace:
        """Submit it (or other manifests); parameters that are a text are given as they are."""
        text = parameters if isinstance(parameters, str) else json.dumps(parameters or {}, ensure_ascii=False)
        given = {"run-id": run_id, "parameters": text}
        given.update({name.replace("_", "-"): value for name, value in arguments.items()})
        return self.open(faults, secrets).submit(
            self.render() if manifests is None else manifests,
            {name: value for name, value in given.items() if value},
        )

    def open(
        self, faults: Iterable[Fault] = (), secrets: Mapping[str, Mapping[str, str]] | None = None
    ) -> Namespace:
        """Make a namespace in which its pods run, for workflows of whoever submits them."""
        return shared().open(
            self.folder,
            env=self.environment,
            volumes={VOLUME: self.folder / VOLUME},
            secrets=secrets,
            faults=faults,
        )

    def run(
        self, run_id: str = RUN_ID, parameters: Mapping[str, Any] | str | None = None, **more: Any
    ) -> Ended:
        """Submit it, wait for its end, and check that the workflow's phase agrees with the run's status."""
        with self.start(run_id, parameters, **more) as started:
            return self.ended(started, run_id)

    def ended(self, started: Namespace, run_id: str = RUN_ID) -> Ended:
        """Wait for the end of a workflow, and check that its phase agrees with the run's status."""
        found = Ended(run := started.wait(), self.log(run_id or started.workflow, run.told))
        said = "Succeeded" if found.log["status"] == "SUCCESS" else "Failed"
        assert run.phase == said, f"the run is {found.log['status']}: {run.told}"
        return found

    def log(self, run_id: str = RUN_ID, told: str = "") -> dict[str, Any]:
        """Return the folded log of a run."""
        log = show(self.folder, self.spec(run_id), "config-argo.yaml", self.environment, told)
        assert isinstance(log, dict)
        return log


def undisturbed(
    project: Project, folder: Path, parameters: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the comparable log of `magnus execute` of the same definition in another folder."""
    other = Project(folder, project.steps, project.dag, environment=project.environment)
    (folder / "parameters.json").write_text(json.dumps(parameters or {}), encoding="utf-8")
    spec = RunSpec(RUN_ID, parameter_file="parameters.json", environment=other.environment, **more)
    return comparable(Local().run(folder, spec).log)
