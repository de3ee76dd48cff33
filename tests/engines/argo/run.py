"""What became of a workflow, as its object and its pods tell it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.engines.argo.api import Json
from tests.engines.argo.runner import Record


class EngineError(Exception):
    """The engine itself failed, not the workflow; the text is a traceback or the end of a log."""


@dataclass(frozen=True)
class Run:
    """What became of a workflow."""

    name: str
    phase: str
    """Succeeded, Failed, Error, or Pending or Running: the time limit was over first."""
    message: str
    nodes: dict[str, Json] = field(repr=False)
    """`status.nodes`: by id, each with name, displayName, type, templateName, phase, message, inputs, outputs,
    children, boundaryID ..."""
    pods: list[Record] = field(repr=False)
    """In the order in which they were made."""
    workflow: Json = field(repr=False)
    """The whole object, as it was last seen."""

    def phases(self, name: str) -> list[str]:
        """Return the phases of all nodes with that display name (or of that template), in the order of their start."""
        found = [
            node
            for node in self.nodes.values()
            if name in (node.get("displayName"), node.get("templateName"))
        ]
        return [node["phase"] for node in sorted(found, key=lambda node: str(node.get("startedAt")))]

    @property
    def completed(self) -> bool:
        """Whether the workflow has come to an end."""
        labels = self.workflow["metadata"].get("labels", {})
        return bool(labels.get("workflows.argoproj.io/completed") == "true")

    @property
    def told(self) -> str:
        """All that helps to understand it: for messages of failed tests."""
        lines = [f"{self.name}: {self.phase} {self.message}"]
        for node in sorted(self.nodes.values(), key=lambda node: str(node["name"])):
            lines.append(f"  {node['name']}: {node['type']} {node.get('phase')} {node.get('message', '')}")
        for pod in self.pods:
            lines.append(f"--- {pod.node}: {' '.join(pod.argv)}: {pod.exit_code} {pod.reason}\n{pod.log}")
        return "\n".join(lines)
