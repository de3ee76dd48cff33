"""The base class of targets. Targets register in the entry-point group `magnus_render.target`.

A target is a description and a few functions. The description says as data what the target is called, how it is
configured and what it can do. A definition that needs more is refused before anything is rendered. The functions are
called in this order (docs/targets/own.md has an example):

    compile(plan, config, source) -> outputs     what is to be written: a context of the main template for each text
    finish(output, text) -> document             the text that the template made, as it is to be printed, and read
    lint(document, output) -> findings           what the engine would refuse, or what would fail there
    bundle(plan, config, made, write) -> files   if it is offered: the artefact with all that its deployment needs

A function hands on what it has found out by what it returns. A target keeps nothing between two calls, so that one target
can serve several definitions at a time.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from magnus_render import naming
from magnus_render.plan import COMPOSITES, CONDITIONAL, DAG, FAIL_NODE, MAP, SUCCESS_NODE
from magnus_render.registry import Described
from magnus_render.targets import codes, secrets
from magnus_render.texts import condition, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from magnus_render.diagnostics import Severity
    from magnus_render.integrations.base import BaseIntegration
    from magnus_render.plan import Config, Node, Plan

_TITLE = 80
"""Characters of a condition in a comment."""
_STATUS_NODES = frozenset((SUCCESS_NODE, FAIL_NODE))


@dataclass(frozen=True)
class Finding:
    """A diagnostic of a target, before `render/` adds file, line and column."""

    code: str
    message: str
    fix: str = ""
    severity: Severity = "error"
    address: str = ""
    """Definition address of the node it is about, '' if it is about the whole."""
    field: str = ""
    """The node's field it is about, '' if it is about the node."""
    config: tuple[str | int, ...] = ()
    """The value of the configuration it is about: a block, then the keys of its `config` that lead there.

    With an address and the field `executor_config`: the keys that lead there in the node's own.
    """
    entry: str = ""
    """The key or item of the node's field that it is about, '' if it is about the whole field."""


@dataclass(frozen=True)
class Source:
    """Where a plan came from, as far as a target may know it. Nothing here depends on machine or time."""

    file: str
    """Path of the definition relative to the project's folder, as callbacks there will open it."""


@dataclass(frozen=True)
class Output:
    """One text that a plan becomes: the pipeline's own, or that of a `separate` dag."""

    name: str
    """Address of the dag without indices, '' for the pipeline's own."""
    plan: Plan
    context: Mapping[str, Any]
    """The variables of the main template."""


@dataclass(frozen=True)
class Document:
    """The text of an output, as it is to be printed."""

    text: str
    content: Any = None
    """The parsed text, if `finish` parsed it, so that `lint` need not."""


Made = tuple[Output, Document]
"""An output, and the document that it became."""


class Bundling(NamedTuple):
    """The parts of a bundle, as `BaseTarget.bundle` gets them."""

    plan: Plan
    config: Config
    made: Sequence[Made]


@dataclass(frozen=True)
class Capability:
    """How to tell that a node needs a capability: `asks` is called with the value of the field, for nodes that have it."""

    asks: Callable[[Any], bool]
    meaning: str
    """The words for it in an error message."""


CHECKED: Mapping[str, Capability] = {
    "retry": Capability(lambda value: value["attempts"] > 1, "more than one attempt"),
    "timeout": Capability(lambda value: value is not None, "a timeout"),
    "catalog": Capability(lambda value: bool(value["get"] or value["put"]), "catalogued files"),
    "secrets": Capability(bool, "secrets"),
    "when": Capability(bool, "a condition"),
    "on_failure": Capability(bool, "a handler"),
    "max_concurrency": Capability(lambda value: value is not None, "a bound on concurrency"),
    "fail_fast": Capability(bool, "stopping the other branches when one fails"),
    "separate": Capability(bool, "an output of its own"),
}
"""Fields of a node that a target must declare before a definition may use them."""


@dataclass
class Findings:
    """Findings in the order in which they were made."""

    items: list[Finding] = dataclasses.field(default_factory=list)

    def add(
        self,
        code: str,
        node: Node | None,
        message: str,
        fix: str = "",
        field: str = "",
        *,
        config: tuple[str | int, ...] = (),
    ) -> None:
        """Add an error about a node (its path is put before the message), a value of the configuration, or the whole."""
        text = f"step '{node['path']}': {message}" if node else message
        address = node["address"] if node else ""
        self.items.append(Finding(code, text, fix, address=address, field=field, config=config))


class Unbundled(Exception):
    """A reason against a bundle that shows only while it is written."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        super().__init__(*self.findings)


class BaseTarget(Described):
    """One engine that pipelines are rendered for."""

    name: ClassVar[str]
    """Its name on the command line and as a key of `executor_config` and `render_string`."""
    template: ClassVar[str]
    """Name of its main template in the folder `templates()`, such as `mine/script.sh.j2`."""
    integrations: ClassVar[tuple[type[BaseIntegration], ...]] = ()
    """The integrations of this target with services."""
    executable: ClassVar[bool] = False
    """True if the output is a program: the file that `-o` names may then be run."""
    suffix: ClassVar[str] = "txt"
    """The end of the name of an artefact in a project, without a dot in front."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Texts by which an artefact of this target is known: each one has one of them near its beginning, no other file has.

    A project and `magnus bundle` replace only files that have one.
    """
    bring: ClassVar[str] = ""
    """The fix for a secret that is not among what `brings` returns; `{0}` is its variable."""
    capabilities: ClassVar[Mapping[str, frozenset[str]]]
    """Node types that can be rendered, each with the fields of `CHECKED` that are honoured."""

    @classmethod
    def templates(cls) -> str:
        """Return the folder in which `template` is: `templates` in the package of the class; in a checkout, beside it."""
        package = os.path.dirname(
            os.path.abspath(sys.modules[cls.__module__.partition(".")[0]].__file__ or "")
        )
        inside = os.path.join(package, "templates")
        return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "templates")

    def check(self, plan: Plan, config: Config) -> list[Finding]:
        """Return what stands against rendering a plan: at least what the capabilities do not cover."""
        return [*self.undeclared(plan), *self.missing_secrets(plan, config)]

    def missing_secrets(self, plan: Plan, config: Config) -> Iterator[Finding]:
        """Yield a warning for each secret that a step declares and that is certain not to reach it."""
        for node, entry, what, fix in secrets.missing(self, plan, config):
            text = f"step '{node['path']}': {what}"
            yield Finding(
                codes.NO_SECRET, text, fix, "warning", node["address"], field="secrets", entry=entry
            )

    def brings(self, node: Node, config: Config) -> Collection[str] | None:
        """Return the environment variables that the configuration brings to a step; None if there may be others.

        If a step's secret is read from a variable that is not among them, the user is warned. The configuration may hold
        mistakes.
        """
        return None

    def undeclared(self, plan: Plan) -> Iterator[Finding]:
        """Yield an error for each node type and each field that `capabilities` does not declare."""
        findings = Findings()
        for node in plan["nodes"].values():
            kind = node["type"]
            if kind in _STATUS_NODES:
                continue
            if kind not in self.capabilities:
                what = f"{self.name} cannot render {'a composite' if kind in COMPOSITES else 'a node'} of type {kind}"
                findings.add(codes.NODE_TYPE, node, what, "see `magnus targets` for a target that can")
                continue
            honoured = self.capabilities[kind]
            fields: Mapping[str, Any] = node
            for name, capability in CHECKED.items():
                if name in fields and name not in honoured and capability.asks(fields[name]):
                    findings.add(
                        codes.FIELD,
                        node,
                        f"{self.name} does not honour {capability.meaning} on a node of type {kind}",
                        f"remove '{name}', or see `magnus targets` for a target that honours it",
                        name,
                    )
        yield from findings.items

    def completed(self, config: Config, absent: Collection[str]) -> tuple[Config, list[Finding]]:
        """Return a configuration with a value for all that this target needs, and a warning for each value to be replaced.

        `absent` names the blocks that the user left out.
        """
        return config, []

    def compile(self, plan: Plan, config: Config, source: Source) -> Iterator[Output]:
        """Yield the outputs of a plan, the pipeline's own first. Called only if `check` found no error."""
        raise NotImplementedError

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return the template filters of this target: quoting for its contexts."""
        return {}

    def finish(self, output: Output, text: str, compact: bool) -> Document:
        """Return the document of an output from the text that its template made; raise ValueError if that makes no sense.

        `compact` asks for few bytes, where the format allows for that.
        """
        return Document(text)

    def lint(self, document: Document, output: Output, others: Sequence[Document]) -> Iterable[Finding]:
        """Return what is wrong with a document. `others` are those of the plan's other outputs, which it may refer to."""
        return ()

    @classmethod
    def bundles(cls) -> bool:
        """Tell whether `magnus bundle` can write a bundle for this target."""
        return cls.bundle is not BaseTarget.bundle

    def for_bundle(self, plan: Plan, config: Config) -> Config:
        """Return the configuration that a bundle is rendered from: the user need not name what the bundle itself creates."""
        return config

    def check_bundle(self, plan: Plan, config: Config) -> Iterable[Finding]:
        """Return what stands against a bundle, besides what stands against rendering."""
        return ()

    def bundle(
        self,
        plan: Plan,
        config: Config,
        made: Sequence[Made],
        write: Callable[[str, Mapping[str, Any]], str],
    ) -> Mapping[str, str]:
        """Return the files of a bundle: texts by paths below its folder, with `/` between folders.

        Optional: a target that does not define it has no bundle. `made` are the outputs, the pipeline's own first.
        `write(template, context)` returns the text of a template of this target, such as `mine/bundle/README.md.j2`. A text
        that begins with `#!` becomes a program. Raise `Unbundled` if there can be none.
        """
        raise NotImplementedError

    def needs_no_image(self, config: Config) -> str:
        """Return why a bundle with this configuration needs no image of the project; '' if steps run in one."""
        return f"steps of {self.name} run where the project is"

    @classmethod
    def has_overlays(cls) -> bool:
        """Tell whether one bundle can serve several environments."""
        return cls.overlays is not BaseTarget.overlays

    def overlays(
        self, environments: Mapping[str, Bundling], write: Callable[[str, Mapping[str, Any]], str]
    ) -> Mapping[str, str]:
        """Return the files of one bundle for several environments, which are given by their names; see `bundle`.

        Optional: a target that does not define it has a bundle for one environment.
        """
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """Return the name and the aliases."""
        return (self.name, *self.aliases)


def own_config(target: BaseTarget, node: Node) -> Mapping[str, Any]:
    """Return a node's `executor_config` for a target."""
    own: Mapping[str, Any] = node.get("executor_config", {}).get(target.name, {})
    return own


def graph_title(plan: Plan, address: str) -> str:
    """Return what a graph is, for people: '' for the root graph."""
    if not address:
        return ""
    composite = plan["nodes"][naming.parent(address)]
    if composite["type"] == MAP:
        return f"for each {composite['iterate_as']} of {composite['iterate_on']}"
    if composite["type"] == DAG:
        return f"the steps of {composite['path']}"
    branch = naming.last(address)
    name = next(one["name"] for one in composite["branches"] if one["slug"] == branch)
    if composite["type"] == CONDITIONAL:
        value = "something else" if branch == composite["default"] else name
        return f"{composite['path']}: {composite['parameter']} is {value}"
    return f"branch {name} of {composite['path']}"


def condition_title(node: Node) -> str:
    """Return what the condition of a task is, for people: `if quality is good or 3`, at most `_TITLE` characters."""
    text = safe(f"if {condition(node['when'])}")
    return text if len(text) <= _TITLE else f"{text[: _TITLE - 3]}..."
