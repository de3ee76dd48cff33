"""Argo as an engine: `magnus render --target argo`, run by the real controller with pods that are local processes,
each with a disk of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conformance.engines import Engine, EngineFailure, Outcome, RunSpec, magnus, show
from tests.engines import argo_lint, disk
from tests.engines.argo.client import shared
from tests.engines.argo.run import Run

MANIFEST = "workflow.yaml"
VOLUME = "volume"
"""Folder of a case that its pods mount, where it is, as a persistent volume."""


class Argo(Engine):
    """A workflow whose pods mount one volume, with the stores on it."""

    name = "argo"
    abilities = frozenset(("as-is-text", "native-template", "disk-per-step", "secrets-by-api"))

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        (folder / VOLUME).mkdir(exist_ok=True)
        config = self.configure(folder, spec)
        argv = ["render", spec.dag, "--target", "argo", "-c", config, "-o", MANIFEST]
        argv += spec.options()
        status, stderr = magnus(argv, folder, spec.environment)
        if status != 0:
            raise EngineFailure(f"render: exit {status}:\n{stderr}")
        manifests = self.manifests(folder)
        complaints = argo_lint.lint(manifests) if argo_lint.missing() is None else []
        if complaints:
            raise EngineFailure("argo lint: " + "\n".join(complaints))
        arguments = {"run-id": spec.run_id, "parameters": json.dumps(self.parameters(folder, spec))}
        if spec.use_cached:
            arguments["use-cached"] = spec.use_cached
        ended = shared().run(
            list(manifests.values()),
            folder,
            arguments,
            env={**spec.environment, disk.OWN: "yes"},
            volumes={VOLUME: folder / VOLUME},
        )
        if ended.phase not in ("Succeeded", "Failed", "Error"):
            raise EngineFailure(ended.told)
        log = show(folder, spec, config, spec.environment, ended.told)
        self._check_pods(ended)
        return Outcome(0 if ended.phase == "Succeeded" else 1, log, ended.told)

    def stores(self, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """Return stores on the volume."""
        blocks = {
            "run_log_store": {"type": "file-system", "config": {"path": str(folder / VOLUME / "run_log")}},
            "catalog": {"type": "file-system", "config": {"path": str(folder / VOLUME / "catalog")}},
        }
        return blocks, {}

    def configure(self, folder: Path, spec: RunSpec) -> str:
        """Write the configuration file and return its name."""
        executor: dict[str, Any] = {
            "image": "project",
            "persistent_volumes": [{"claim": VOLUME, "mount_path": str(folder / VOLUME)}],
            **spec.executor,
        }
        if spec.plan:
            executor["plan"] = "plan.json"
        blocks, _ = self.stores(folder)
        config = {"executor": {"type": "argo", "config": executor}, **blocks, **spec.config}
        file = f"config-{self.name}.yaml"
        (folder / file).write_text(json.dumps(config), encoding="utf-8")
        return file

    @staticmethod
    def manifests(folder: Path) -> dict[str, str]:
        """Return the rendered manifests by file name, the pipeline's first."""
        files = [folder / MANIFEST, *sorted(folder.glob("workflow.*.yaml"))]
        return {file.name: file.read_text(encoding="utf-8") for file in files}

    @staticmethod
    def _check_pods(ended: Run) -> None:
        """What is tried again by the platform's rule alone must not have been: nothing here breaks the platform."""
        lost = [pod for pod in ended.pods if pod.exit_code in (64, 65, 75)]
        if lost:
            raise AssertionError(f"{len(lost)} pods exited with {lost[0].exit_code}:\n{ended.told}")
