"""The parts of a project file, as pydantic models.

As with nodes, a model validates one part at a time. `project/read.py` validates the entries of a mapping one by one, so that
a message names its entry. It also checks that the file or folder of a path exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from magnus_render.spec import codes
from magnus_render.spec.fields import Folder, Text, wrong
from magnus_render.spec.models import Spec


def _below(path: str) -> str:
    if path == ".":
        raise wrong(codes.BAD_PROJECT, "must be a folder of its own", "such as 'rendered', the default")
    return path


def _no_entry(value: Any) -> Any:
    return {} if value is None else value


Variables = Annotated[dict[str, str], BeforeValidator(_no_entry)]


class TargetSpec(Spec):
    """How pipelines are rendered for one target. `magnus render` has the same options."""

    mistakes: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("configuration", "config_file", "file", "configs"), "use 'config'"
    ) | {"bundles": "use 'bundle: true'"}
    config: Folder | None = Field(None, examples=["argo.yaml"])
    """The configuration file for this target."""
    templates: Folder | None = Field(None, examples=["our_templates"])
    """A folder of templates, which replace those of the target with the same name."""
    compact: bool = Field(False)
    """If true, the artefact is written with few bytes."""
    bundle: bool = Field(False, examples=[True])
    """If true, a bundle is written, which holds the artefact, in place of the artefact alone."""


class PipelineSpec(Spec):
    """One pipeline."""

    mistakes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("file", "dag", "path", "pipeline"), "use 'definition'"),
        **dict.fromkeys(("parameters_file", "params"), "use 'parameters'"),
        **dict.fromkeys(("tests", "test"), "use 'cases'"),
        "config": "a configuration file belongs to a target: 'targets: {argo: {config: argo.yaml}}'",
    }
    definition: Folder = Field(examples=["pipelines/daily.yaml"])
    """The file with its definition."""
    parameters: Folder | None = Field(None, examples=["pipelines/parameters.yaml"])
    """A file of initial parameters."""
    cases: Folder | None = Field(None, examples=["pipelines/cases.yaml"])
    """A file of cases for `magnus test`."""
    targets: list[Text] | None = Field(None, min_length=1, examples=[["argo"]])
    """The targets it is rendered for. Default: all of the project."""


Entries = Annotated[dict[str, Any], BeforeValidator(_no_entry)]


class EnvironmentSpec(Spec):
    """What is different in one environment."""

    mistakes: ClassVar[Mapping[str, str]] = dict.fromkeys(("vars", "var", "env"), "use 'variables'")
    variables: Variables = Field(default_factory=dict, examples=[{"bucket": "acme-dev"}])
    """Values of ${name} in definitions and configuration files."""
    targets: Entries = Field(default_factory=dict, examples=[{"argo": {"config": "argo.yaml"}}])
    """The targets that pipelines are rendered for, by name."""


class ProjectSpec(EnvironmentSpec):
    """A project: its pipelines, and how they are rendered. `variables` and `targets` hold in every environment."""

    mistakes: ClassVar[Mapping[str, str]] = {
        **EnvironmentSpec.mistakes,
        **dict.fromkeys(("golden", "goldens", "output", "outputs", "artefacts"), "use 'rendered'"),
        **dict.fromkeys(("definition", "parameters", "cases"), "it belongs to a pipeline, in 'pipelines'"),
        "dag": "a definition has a file of its own: 'pipelines: {NAME: {definition: dag.yaml}}'",
    }
    pipelines: dict[str, Any] = Field(min_length=1, examples=[{"daily": {"definition": "daily.yaml"}}])
    """The pipelines by their names."""
    environments: Entries = Field(
        default_factory=dict, examples=[{"dev": {"variables": {"bucket": "acme-dev"}}}]
    )
    """Environments by their names, such as dev and prod."""
    rendered: Annotated[Folder, AfterValidator(_below)] = Field("rendered")
    """The folder of the artefacts."""


ENTRIES: Mapping[str, type[Spec]] = {
    "pipelines": PipelineSpec,
    "targets": TargetSpec,
    "environments": EnvironmentSpec,
}
"""The model for the entries of each mapping."""
