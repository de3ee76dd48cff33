"""The templates that start containers: one for callbacks that differ in nothing but the step, more where they do."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus_render import errors, naming, texts
from magnus_render.plan import AS_IS, CONDITIONAL, MAP, TASK
from magnus_render.targets import environment as callbacks
from magnus_render.targets import options
from magnus_render.targets.argo import names, quote
from magnus_render.targets.argo.config import ArgoConfig
from magnus_render.targets.argo.secrets import Secrets
from magnus_render.targets.base import own_config

if TYPE_CHECKING:

    from magnus_render.plan import Config, Node, Plan, Retry
    from magnus_render.targets.argo.config import SecretKey
    from magnus_render.targets.base import BaseTarget, Source

GRACE = 900
"""Seconds by which the engine's limit is longer than the runtime's own. The engine's limit is only for a runtime that
hangs: its clock also runs while images are pulled and machines are made, so it must never end a step that works."""
PLATFORM_RETRIES = 2
"""How often a callback that the platform ended is tried again."""
_FINAL = ", ".join(f"'{status}'" for status in (errors.FAILED, errors.USAGE, errors.REFUSED))
PLATFORM = f"lastRetry.status == 'Error' || !(lastRetry.exitCode in [{_FINAL}])"
"""A callback ends by itself with 0, 1, 64, 65 or 75, or with `AGAIN`; anything else, and a pod that was lost, is the
platform's doing. What a try had recorded by then counts: the runtime tells which of the user's attempts are spent."""
ITEMS_FILE = "/tmp/magnus/items.json"
CHOICE_FILE = "/tmp/magnus/choice"
_TOLD = {MAP: ("items", ITEMS_FILE), CONDITIONAL: ("choice", CHOICE_FILE), TASK: ("choice", CHOICE_FILE)}
"""Type of the node that a decision is for -> the end of a template's name, and the file that has the decision."""
_CHOSEN = {
    CONDITIONAL: "the branch of the conditional that follows",
    TASK: "whether the step that follows runs",
}
_ARGUMENTS = {"parameters": "parameters", "use_cached": "use-cached", "tag": "tag"}
"""What a run is started with, and the workflow's argument that has it."""
_INPUT = "{" + ", ".join(f"'{key}': workflow.parameters['{name}']" for key, name in _ARGUMENTS.items()) + "}"


@dataclass(slots=True)
class Retries:
    """A retryStrategy."""

    limit: int
    expression: str = ""
    backoff: dict[str, str] = field(default_factory=dict)
    comment: str = ""


@dataclass(slots=True)
class Template:
    """A template that starts a container, or does nothing (`pass`); `kind` tells which template writes it."""

    name: str
    kind: str
    title: str = ""
    address: str = ""
    """Address of the node, where the template is for one node alone."""
    inputs: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    retries: Retries | None = None
    deadline: int = 0
    """Seconds the engine gives an attempt, 0 for no limit."""
    counts: bool = False
    """Whether its output is the list of a map's indices."""
    chooses: str = ""
    """If its output is a decision, such as the branch of a conditional: words for it, for a comment; else ''."""
    own: ArgoConfig | None = None
    """The configuration that the node itself sets, if any."""
    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, SecretKey] = field(default_factory=dict)
    mounts: list[tuple[str, str]] = field(default_factory=list)
    source: str = ""
    native: dict[str, Any] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """The name of the template that writes it."""
        return f"argo/step-{self.kind}.yaml.j2"


class Steps:
    """Makes the templates of a plan, one object after the other."""

    def __init__(self, target: BaseTarget, plan: Plan, config: Config, source: Source) -> None:
        self._target = target
        self._plan = plan
        self.common = options.read(ArgoConfig, options.common(target, config))
        self.secrets = Secrets(self.common.secret_environment, plan, config)
        self.base = self._base(config, source)
        self.templates: dict[str, Template] = {}
        self.claims = self._claims()
        self._names = self._template_names()

    def begin(self, separate: bool) -> None:
        """Start on the templates of another object: the pipeline, or a separate dag.

        A separate dag runs with the environment of the workflow that calls it, but states the hash of its definition
        itself. So a callback notices, and refuses, a separate dag that was not applied anew.
        """
        self._environment = {callbacks.DAG_HASH: self._plan["dag_hash"]} if separate else {}
        self.templates = {}

    # ---- names and addresses ----

    def _template_names(self) -> dict[str, str]:
        wanted: dict[str, str] = {}
        for node in self._plan["nodes"].values():
            address = node["address"]
            wanted[address] = names.readable(address)
            for branch in node.get("branches", ()):
                graph = f"{address}.{branch['slug']}"
                wanted[graph] = names.readable(graph) + ("-branch" if branch["slug"] == "_" else "")
        wanted = {key: name if name[0].isalpha() else f"n-{name}" for key, name in wanted.items()}
        taken = {
            name
            for name in wanted.values()
            if name in names.SHARED or name.startswith((f"{names.STEP}-", "magnus-"))
        }
        return names.distinct(wanted, taken)

    def in_order(self) -> list[Template]:
        """Return the templates made since `begin`: those that steps share, by name, so that none moves when steps do.

        Behind them are those of single steps, in reading order, then the callbacks of the walk.
        """

        def key(made: Template) -> tuple[bool, bool, bool, str]:
            single = bool(made.address)
            return made.kind == "pass", made.name.startswith("magnus-"), single, "" if single else made.name

        return sorted(self.templates.values(), key=key)

    def template(self, address: str) -> str:
        """Return the name of the template of a composite, or of a graph."""
        return self._names[address]

    def free_name(self, wanted: str) -> str:
        """Return a name for one template more: the wanted one, unless that is taken."""
        return names.distinct({wanted: wanted}, {*self._names.values(), *self.templates})[wanted]

    @staticmethod
    def address(address: str) -> str:
        """Return the address of a step as an argument, in which an input stands for the branch of a map.

        Example: `{{inputs.parameters.branch}}.train` for `regions._.train`.
        """
        parts = address.split(".")
        if "_" not in parts:
            return address
        last = len(parts) - parts[::-1].index("_")
        return naming.join("{{inputs.parameters.branch}}", *parts[last:])

    # ---- templates ----

    def nothing(self) -> str:
        """Return the template that ends well, at once, and without a pod."""
        if names.PASS not in self.templates:
            self.templates[names.PASS] = Template(names.PASS, "pass")
        return names.PASS

    def call(
        self,
        node: Node,
        *,
        command: str = "execute_single_node",
        decides: str = "",
        exit_status: int | None = None,
        confirm: bool = False,
    ) -> tuple[str, dict[str, str]]:
        """Return the template and the arguments of a callback for a node.

        `decides` is the type of the node that the callback decides for: the indices of a map, the branch of a
        conditional, or whether a task runs. `exit_status` and `confirm` are for the record of a node that has ended.
        """
        arguments = {"step": self.address(node["address"])}
        step = node["type"] == TASK and command == "execute_single_node" and not confirm
        retry: Retry | None = node["retry"] if step and node["retry"]["attempts"] > 1 else None
        timeout = node["timeout"] if step else None
        own = self._own(node) if step else None
        secrets = self.secrets.of(node) if step else {}
        if own is not None:
            made = self._container(self._names[node["address"]], command, retry, timeout, decides, None)
            made.title, made.address = node["path"], node["address"]
            made.secrets = secrets
            self._settle(made, own)
            self.templates[made.name] = made
            return made.name, arguments
        name = _shared_name(command, retry, timeout, decides, exit_status, confirm)
        name = self.secrets.template(name, secrets)
        if name not in self.templates:
            made = self._container(name, command, retry, timeout, decides, exit_status)
            made.secrets = secrets
            if confirm:
                made.args = [*made.args[:2], "--confirm-failure"]
            self.templates[name] = made
        shared = self.templates[name]
        if shared.chooses and shared.chooses != _CHOSEN[decides]:
            shared.chooses = "the branch that follows, or whether the step does"
        return name, arguments

    def start_run(self, node: Node) -> tuple[str, dict[str, str]]:
        """Return the template of the callback that creates the run; its argument is there for people to see."""
        name, _ = self.call(node, command="start_run")
        self.templates[name].args = ["$(MAGNUS_RUN_ID)"]
        self.templates[name].inputs = []
        return name, {}

    def script(self, node: Node, text: str) -> tuple[str, dict[str, str]]:
        """Return the template that runs the lines of an as-is and records how they ended."""
        mark = quote.marker(text)
        # The script is the last argument. It runs in a bash of its own: a process that it leaves running must not keep
        # the record from being written.
        shell = (
            'bash "$0" </dev/null'
            if not mark
            else f"bash <(sed 's/\\([{{$]\\){mark}/\\1/g' \"$0\") </dev/null"
        )
        record = quote.inert(" ".join([*map(_word, self.common.magnus_command), "execute_single_node"]))
        made = Template(self._names[node["address"]], "script", node["path"], node["address"], ["step"])
        made.command = [
            "bash",
            "-c",
            f'{shell}; exec {record} "$MAGNUS_RUN_ID" "$MAGNUS_STEP" --exit-status $?',
        ]
        made.environment = {"MAGNUS_STEP": "{{inputs.parameters.step}}", **self._environment}
        made.source = quote.broken(text, mark)
        made.retries = _platform_only()
        own = self._own(node)
        if own is not None:
            self._settle(made, own)
        self.templates[made.name] = made
        return made.name, {"step": self.address(node["address"])}

    def native(self, node: Node, text: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """Return the user's own template; within a map it is told the branch it runs for."""
        made = Template(self._names[node["address"]], "native", node["path"], node["address"])
        made.native = {key: value for key, value in text.items() if key != "name"}
        arguments = {}
        if "_" in node["address"].split("."):
            inputs = dict(made.native.get("inputs") or {})
            others = [one for one in inputs.get("parameters") or [] if one.get("name") != "branch"]
            inputs["parameters"] = [{"name": "branch"}, *others]
            made.native = {"inputs": inputs, **{k: v for k, v in made.native.items() if k != "inputs"}}
            arguments = {"branch": "{{inputs.parameters.branch}}"}
        self.templates[made.name] = made
        return made.name, arguments

    def _container(
        self,
        name: str,
        command: str,
        retry: Retry | None,
        timeout: float | None,
        decides: str,
        exit_status: int | None,
    ) -> Template:
        made = Template(name, "container", inputs=["step"], environment=dict(self._environment))
        made.command = [*map(quote.inert, self.common.magnus_command), command]
        made.args = ["$(MAGNUS_RUN_ID)", "{{inputs.parameters.step}}"]
        made.retries = _platform_only() if retry is None else retries(retry)
        if command == "execute_single_node" and exit_status is None:
            made.args += ["--attempt", "{{=asInt(retries) + 1}}"]
        if retry is not None and not retry["delay"]:
            made.args += ["--again", str(errors.AGAIN)]
        if decides:
            made.args += ["--fan-out", _TOLD[decides][1]]
            made.counts, made.chooses = decides == MAP, _CHOSEN.get(decides, "")
        if exit_status is not None:
            made.args += ["--exit-status", str(exit_status)]
        if timeout is not None:
            made.deadline = math.ceil(timeout) + GRACE
        return made

    # ---- settings ----

    def _own(self, node: Node) -> ArgoConfig | None:
        own = own_config(self._target, node)
        return options.read(ArgoConfig, own) if own else None

    def _settle(self, made: Template, own: ArgoConfig) -> None:
        made.own = own
        made.secrets = {**made.secrets, **own.secret_environment}
        mine = environment(own, quote.OWN_BRACE)
        if any(f"$({quote.OWN_BRACE})" in value for value in mine.values()):
            made.environment[quote.OWN_BRACE] = "{"
        made.environment.update(mine)
        made.mounts = [(self.claims[one.claim], one.mount_path) for one in own.persistent_volumes]
        if "magnus_command" in own.model_fields_set and made.kind == "container":
            made.command = [*map(quote.inert, own.magnus_command), "execute_single_node"]

    def node_selector(self, own: ArgoConfig) -> dict[str, str]:
        """Return a node's selector, which replaces the pipeline's as a whole (Argo's field reference, Template)."""
        return {**self.common.node_selector, **own.node_selector}

    def _claims(self) -> dict[str, str]:
        """Return the names of volumes by claim."""
        claims = dict.fromkeys(one.claim for one in self.common.persistent_volumes)
        for node in self._plan["nodes"].values():
            own = self._own(node) if node["type"] in (TASK, AS_IS) else None
            claims.update(dict.fromkeys(one.claim for one in own.persistent_volumes) if own else {})
        return names.distinct({claim: claim.replace(".", "-") for claim in claims})

    def _base(self, config: Config, source: Source) -> dict[str, str]:
        """Return what tells every callback of a run where it belongs, as the environment of its container.

        Argo expands the tags in `templateDefaults` and writes the values into the workflow itself. `argo resubmit` copies
        that, so the new workflow would have the run id of the old one. An expression that asks for the pod's name is
        expanded for each pod instead (Argo 3.7.4, `substituteGlobalVariables`, `FormulateResubmitWorkflow`).
        """
        run_id = "workflow.parameters['run-id']"
        told = callbacks.shared(self._plan, config, source, self.common.plan)
        return {
            callbacks.RUN_ID: _for_each_pod(f"{run_id} == '' ? workflow.name : {run_id}"),
            callbacks.WALK: _for_each_pod("workflow.uid"),
            callbacks.INPUT: _for_each_pod(f"sprig.b64enc(toJson({_INPUT}))"),
            callbacks.TARGET: self._target.name,
            callbacks.DAG_HASH: told.pop(callbacks.DAG_HASH),
            **{name: quote.inert(value) for name, value in told.items()},
        }

    def brace(self) -> bool:
        """Tell whether a value needs the variable that keeps Argo from seeing a tag."""
        found = [*self.base.values(), *environment(self.common).values()]
        for made in self.templates.values():
            found += [*made.environment.values(), *made.command]
        return any(f"$({quote.BRACE})" in value for value in found)


def _for_each_pod(expression: str) -> str:
    return f"{{{{=pod.name == '' ? '' : {expression}}}}}"


def environment(config: ArgoConfig, brace: str = quote.BRACE) -> dict[str, str]:
    """Return the environment that a configuration adds; `brace` names the variable for braces."""
    return {name: quote.inert(texts.scalar(value), brace) for name, value in config.environment.items()}


def retries(retry: Retry) -> Retries:
    """Return a user's retries as a retryStrategy.

    Argo pauses before it evaluates the expression. So with pauses only the limit can decide, and a failure of the
    platform spends one of the attempts. Factors are whole numbers (Argo's field reference, Backoff).
    """
    attempts = retry["attempts"]
    said = f"{attempts} attempts"
    if not retry["delay"]:
        return Retries(
            attempts - 1 + PLATFORM_RETRIES,
            PLATFORM,
            comment=f"{said}, and {PLATFORM_RETRIES} for the platform",
        )
    backoff = {"duration": _duration(retry["delay"])}
    factor = whole_factor(retry)
    if factor > 1:
        backoff["factor"] = str(factor)
    if retry["max_delay"] is not None:
        backoff["cap"] = _duration(retry["max_delay"])
    return Retries(attempts - 1, backoff=backoff, comment=said)


def whole_factor(retry: Retry) -> int:
    """Return the factor of a back-off as Argo can have it: the next whole number."""
    return min(math.ceil(retry["backoff"]), 1_000_000)


def _platform_only() -> Retries:
    return Retries(PLATFORM_RETRIES, PLATFORM, comment="one attempt; again only if the platform ended it")


def _duration(seconds: float) -> str:
    if seconds == int(seconds):
        return f"{int(seconds)}s"
    return f"{max(1, round(seconds * 1000))}ms"


def _shared_name(
    command: str,
    retry: Retry | None,
    timeout: float | None,
    decides: str,
    exit_status: int | None,
    confirm: bool,
) -> str:
    if command != "execute_single_node":
        return f"magnus-{command.replace('_', '-')}"
    parts = [names.STEP]
    if confirm:
        parts.append("confirm")
    if exit_status is not None:
        parts.append("failed" if exit_status else "done")
    if retry is not None:
        parts.append(f"retry-{retry['attempts']}")
        if retry["delay"]:
            parts.append(f"after-{_duration(retry['delay'])}")
            if retry["backoff"] != 1:
                parts.append(f"times-{whole_factor(retry)}")
            if retry["max_delay"] is not None:
                parts.append(f"to-{_duration(retry['max_delay'])}")
    if timeout is not None:
        parts.append(f"timeout-{math.ceil(timeout)}s")
    if decides:
        parts.append(_TOLD[decides][0])
    return names.shortened("-".join(parts))


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_./:=@%+-]+", text) else "'" + text.replace("'", "'\\''") + "'"
