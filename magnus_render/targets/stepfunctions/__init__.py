"""The Step Functions target: state machines in the Amazon States Language that call back for every step."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from magnus_render import naming
from magnus_render.errors import Refused
from magnus_render.plan import AS_IS, CONDITIONAL, DAG, MAP, PARALLEL, RUN, SKIP, TASK, as_is_text
from magnus_render.services.s3 import DEFAULT_PREFIX, Place
from magnus_render.targets import codes as common_codes
from magnus_render.targets import options
from magnus_render.targets.base import BaseTarget, Document, Finding, Findings, Output, Source, own_config
from magnus_render.targets.stepfunctions import codes, jobs, jsonata, limits
from magnus_render.targets.stepfunctions.check_config import check_config
from magnus_render.targets.stepfunctions.compile import compile_plan
from magnus_render.targets.stepfunctions.computes import COMPUTES
from magnus_render.targets.stepfunctions.config import StepFunctionsConfig
from magnus_render.targets.stepfunctions.integrations import (
    CatalogOnDisk,
    RunLogOnDisk,
    SecretsInEnvironment,
    SecretsInFile,
)
from magnus_render.targets.stepfunctions.lint.codes import DEFINITION_SIZE
from magnus_render.targets.stepfunctions.model import all_states
from magnus_render.targets.stepfunctions.names import StateNames

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from magnus_render.plan import Config, Node, Plan, ServiceConfig
    from magnus_render.targets.base import Made
    from magnus_render.targets.stepfunctions.lint.conditionals import Conditional

BUCKET = "magnus"
"""The bucket of the output where the configuration names none; the user is to replace it."""
_STORES: tuple[Literal["run_log_store", "catalog"], ...] = ("run_log_store", "catalog")
_NATIVE = ("Task", "Pass", "Wait", "Map", "Parallel")
_OURS = ("Next", "End", "Catch")
_LEAST_BYTES = 480
"""Bytes of the smallest step. A pipeline that does not fit even so is refused before it is rendered."""


class StepFunctionsTarget(BaseTarget):
    """State machines for AWS Step Functions, standard workflows."""

    name = "aws-step-functions"
    aliases = ("stepfunctions",)
    older_keys: ClassVar[Mapping[str, str]] = {"docker_image": "image"}
    summary = "a state machine for AWS Step Functions (Amazon States Language, JSONata)"
    template = "stepfunctions/machine.asl.json.j2"
    suffix = "asl.json"
    marks = ("Run id = execution name; run log s3://", ", rendered by magnus. To be deployed as ")
    integrations = (RunLogOnDisk, CatalogOnDisk, SecretsInFile, SecretsInEnvironment)
    bring = (
        "use secrets: {{type: aws-secrets-manager}}; or let the job definition set it, and write "
        "secret_environment: [{0}] into executor.config"
    )
    capabilities: ClassVar[Mapping[str, frozenset[str]]] = {
        TASK: frozenset({"retry", "timeout", "catalog", "secrets", "when", "on_failure"}),
        PARALLEL: frozenset({"max_concurrency", "fail_fast", "on_failure"}),
        MAP: frozenset({"max_concurrency", "fail_fast", "on_failure"}),
        DAG: frozenset({"on_failure", "separate"}),
        CONDITIONAL: frozenset({"on_failure"}),
        AS_IS: frozenset({"on_failure"}),
    }

    @classmethod
    def configuration(cls) -> type[StepFunctionsConfig]:
        """Return the model of `executor.config`."""
        return StepFunctionsConfig

    def completed(self, config: Config, absent: Collection[str]) -> tuple[Config, list[Finding]]:
        """Return the configuration with stores on S3 where none were named, and a warning for each stand-in."""
        findings = Findings()
        found: Config = {**config}
        for block in _STORES:
            if block in absent:
                values = {"bucket": BUCKET, "prefix": DEFAULT_PREFIX[block]}
                store: ServiceConfig = {"type": "s3", "config": values}
                found[block] = store
                what = f"{block} is not configured: the output uses the bucket '{BUCKET}'"
                _warn(findings, what, f"write {block}: {{type: s3, config: {{bucket: ...}}}}", block)
        given = options.common(self, config)
        compute = COMPUTES.get(given.get("compute", "batch"))
        placeholders = compute.placeholders if compute is not None else ()
        findings.items += options.unset(StepFunctionsConfig, given, placeholders, codes.PLACEHOLDER)
        return found, findings.items

    def check(self, plan: Plan, config: Config) -> list[Finding]:
        """Return what stands against rendering: capabilities, executor configuration, native states."""
        findings = Findings(super().check(plan, config))
        before = len(findings.items)
        options.check(self, StepFunctionsConfig, plan, config, findings)
        readable = len(findings.items) == before
        check_config(self, plan, config, findings)
        for node in plan["nodes"].values():
            if node["type"] == AS_IS:
                problem, fix = _native_problem(_text(node))
                if problem:
                    findings.add(codes.NATIVE_STATE, node, problem, fix, "render_string")
        for block in _STORES:
            if config[block]["type"] == "s3":
                try:
                    _place(block, config)
                except Refused as error:
                    what = error.shown().removeprefix("magnus: ")
                    findings.add(common_codes.STORE, None, what, config=(block,))
        tasks = sum(node["type"] == TASK for node in plan["nodes"].values())
        if tasks * _LEAST_BYTES > limits.DEFINITION_BYTES and not any(
            n.get("separate") for n in plan["nodes"].values()
        ):
            most = f"{limits.DEFINITION_BYTES:,} bytes"
            what = f"{tasks:,} steps are more than fit in a definition of {most}, Step Functions' limit"
            fix = "move parts into nodes of type dag with `separate: true`: each becomes a state machine of its own"
            findings.add(DEFINITION_SIZE, None, what, fix)
        if readable:
            self._check_computes(plan, config, findings)
        return findings.items

    def brings(self, node: Node, config: Config) -> Collection[str]:
        """Return the variables that are rendered, and those that the configuration says are set where the step runs."""
        both = (options.common(self, config), own_config(self, node))
        keys = ("environment", "secret_environment")
        return {str(name) for given in both for key in keys for name in given.get(key) or ()}

    def _check_computes(self, plan: Plan, config: Config, findings: Findings) -> None:
        made = self._jobs(plan, config, Source(""))
        for node in plan["nodes"].values():
            if node["type"] == TASK:
                own = made.config(node)
                values = {**made.base, **{k: str(v) for k, v in own.environment.items()}}
                for what, fix, field in COMPUTES[own.compute].refuses(node, values):
                    findings.add(codes.COMPUTE_LIMIT, node, what, fix, field)

    def compile(self, plan: Plan, config: Config, source: Source) -> Iterator[Output]:
        """Yield the state machines: `docs/targets/stepfunctions.md` describes every variable of their contexts."""
        made = self._jobs(plan, config, source)
        machines = compile_plan(plan, made, _native)
        log = config["run_log_store"]["config"]
        folder = f"{_place('run_log_store', config).prefix}/"
        separate = len(machines) > 1
        base = {
            "plan": plan,
            "target": self.name,
            "bucket": log["bucket"],
            "prefix": jsonata.string(folder)[1:-1],
            "kms_key": log.get("kms_key"),
            "environment": made.environment,
            "queueing": jobs.QUEUEING,
            "separate": separate,
            "timeout": None,
        }
        for machine in machines:
            computes = {state.job.compute for state in all_states(machine) if state.job is not None}
            common = COMPUTES[made.common.compute]
            shares = any(COMPUTES[name].shares for name in computes)
            context = {
                **base,
                "machine": machine,
                "platform_retry": shares,
                "resources": (
                    common.resources(made.common) if common.shares and common.name in computes else None
                ),
                "tags": common.tags(made.common) if common.name in computes else None,
            }
            context["carried"] = [
                name
                for name, carried in (
                    ("run", True),
                    ("walk", separate),
                    ("environment", True),
                    ("platformRetry", shares),
                    ("resources", context["resources"]),
                    ("tags", context["tags"]),
                )
                if carried
            ]
            if machine.name:
                node = plan["nodes"][machine.graph.rpartition(".")[0]]
                context["comment"] = (
                    f"{StateNames(plan).of(node)} of pipeline {plan['name']}, rendered by magnus. To be deployed as "
                    f"{machine.name}; started by the pipeline's machine."
                )
                yield Output(naming.without_indices(node["address"]), plan, context)
            else:
                context["comment"] = _comment(plan, f"s3://{log['bucket']}/{folder}<run id>/")
                if plan["max_time"] is not None:
                    context["timeout"] = int(plan["max_time"]) + 1 + jobs.QUEUEING
                yield Output("", plan, context)

    def _jobs(self, plan: Plan, config: Config, source: Source) -> jobs.Jobs:
        return jobs.Jobs(self, plan, config, source, options.common(self, config))

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """Return the filters that put values into JSON and into expressions."""
        return {
            "json": jsonata.compact,
            "expression": jsonata.expression,
            "plain": jsonata.plain,
            "code": lambda field: field.removeprefix("{% ").removesuffix(" %}"),
            "cut": lambda text, length: text[:length].rstrip("-"),
            "machine_arn": _machine_arn,
            **_of_bundles(),
        }

    def finish(self, output: Output, text: str, compact: bool) -> Document:
        """Return the machine laid out for reading, or in as few bytes as it can have."""
        machine = json.loads(text)
        return Document(jsonata.compact(machine) + "\n" if compact else jsonata.pretty(machine), machine)

    def for_bundle(self, plan: Plan, config: Config) -> Config:
        """Return the configuration with a parameter of the bundle for each name that is not given."""
        from magnus_render.targets.stepfunctions import bundle

        return bundle.with_parameters(self, plan, config)

    def check_bundle(self, plan: Plan, config: Config) -> list[Finding]:
        """Return what a bundle cannot do, or cannot know."""
        from magnus_render.targets.stepfunctions import bundle

        return bundle.check(self, plan, config)

    def needs_no_image(self, config: Config) -> str:
        """Return '' where the bundle makes the job definition; a job definition that exists already names its image."""
        given = options.common(self, config)
        if given.get("compute", "batch") == "batch" and "job_definition" not in given:
            return ""
        return "the configuration names what runs steps, and that has an image already"

    def bundle(
        self,
        plan: Plan,
        config: Config,
        made: Sequence[Made],
        write: Callable[[str, Mapping[str, Any]], str],
    ) -> Mapping[str, str]:
        """Return what deploys all that belongs to the machines, the machines, and a README."""
        from magnus_render.targets.stepfunctions import bundle

        return bundle.files(self, plan, config, made, write)

    def lint(self, document: Document, output: Output, others: Sequence[Document]) -> list[Finding]:
        """Check structure, references, expressions, service parameters and limits."""
        from magnus_render.targets.stepfunctions.lint.run import verify

        return verify(
            document.content,
            size=len(document.text.encode()),
            node_of=_NodesByState(output.plan),
            conditionals=_conditionals(output.plan),
        )


class _NodesByState(dict[str, str]):
    """Definition addresses by state names, made when a finding first asks for one."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def get(self, name: str, default: Any = None) -> Any:
        if not self:
            names = StateNames(self._plan)
            self.update((names.of(node), node["address"]) for node in self._plan["nodes"].values())
        return super().get(name, default)


def _conditionals(plan: Plan) -> dict[str, Conditional]:
    """Return the conditionals of a plan, and its tasks that have a condition, by the names of their Choices."""
    found = [node for node in plan["nodes"].values() if node["type"] == CONDITIONAL or "when" in node]
    if not found:
        return {}
    from magnus_render.targets.stepfunctions.lint.conditionals import Conditional

    names = StateNames(plan)
    told = {}
    for node in found:
        name = names.of(node)
        if node["type"] == TASK:
            told[f"{name}: when"] = Conditional(node["address"], (SKIP, RUN), name)
        else:
            branches = tuple(branch["slug"] for branch in node["branches"])
            told[name] = Conditional(node["address"], branches)
    return told


def _place(block: Literal["run_log_store", "catalog"], config: Config) -> Place:
    """Return where a block's store is; raise `Refused` if there can be no such store."""
    return Place(f"{block} 's3'", config[block]["config"], DEFAULT_PREFIX[block])


def _comment(plan: Plan, where: str) -> str:
    about = f": {' '.join(plan['description'].split())}" if plan["description"].strip() else ""
    return f"Pipeline {plan['name']}{about}{'' if about.endswith('.') else '.'} Run id = execution name; run log {where}"


def _warn(findings: Findings, what: str, fix: str, block: str) -> None:
    findings.items.append(Finding(codes.PLACEHOLDER, what, fix, severity="warning", config=(block,)))


def _text(node: Node) -> Any:
    """Return what an as-is has for this target: a mapping, None for nothing, anything else is a mistake."""
    return as_is_text(node, StepFunctionsTarget.name)


def _native(node: Node) -> Any:
    found = _text(node)
    return json.loads(found) if isinstance(found, str) else found


def _native_problem(found: Any) -> tuple[str, str]:
    """Return what is wrong with a native state, and the fix; ('', '') if nothing."""
    if found is None:
        return "", ""
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            fix = "write the state as a mapping under 'aws-step-functions', and other engines' text under their names"
            return "its render_string is text, not a state", fix
    if not isinstance(found, dict):
        return (
            "its render_string for aws-step-functions is not a mapping",
            "write one state: Type, Resource, ...",
        )
    if found.get("Type") not in _NATIVE:
        return (
            f"its state has the Type {found.get('Type')!r}, which cannot stand for a node",
            f"use one of {', '.join(_NATIVE)}",
        )
    ours = [name for name in _OURS if name in found]
    if ours:
        return (
            f"its state has {', '.join(ours)}",
            "leave that out: 'next' and 'on_failure' of the node say it",
        )
    return "", ""


def _of_bundles() -> dict[str, Callable[..., Any]]:
    """Return the filters for the templates of a bundle, by themselves: rendering need not import their modules."""

    def late(module: str, name: str) -> Callable[..., Any]:
        return lambda *given: getattr(import_module(f"magnus_render.targets.stepfunctions.{module}"), name)(
            *given
        )

    own = {"tf": "value", "small": "small", "camel": "camel", "definition": "definition", "prefix": "prefix"}
    return {"sub": late("cloudformation", "sub"), **{name: late("terraform", of) for name, of in own.items()}}


def _machine_arn(target: str) -> str:
    """Return the ARN of a child machine: as given, or that of a machine beside this one."""
    if target.startswith("arn:"):
        return target
    return jsonata.expression(
        f"$replace($states.context.StateMachine.Id, /[^:]+$/, {jsonata.string(target)})"
    )
