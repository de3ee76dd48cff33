"""How a callback is started: the fields of a Task state for each compute, from configuration and node."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus_render import texts
from magnus_render.executors import aws_batch_rules
from magnus_render.executors.configured import merged
from magnus_render.plan import TASK
from magnus_render.targets import environment, options
from magnus_render.targets.base import own_config
from magnus_render.targets.stepfunctions import limits
from magnus_render.targets.stepfunctions.computes import COMPUTES
from magnus_render.targets.stepfunctions.config import StepFunctionsConfig
from magnus_render.targets.stepfunctions.jsonata import expression, literal, plain
from magnus_render.targets.stepfunctions.names import job_name
from magnus_render.targets.stepfunctions.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.plan import Config, Node, Plan, Retry
    from magnus_render.targets.base import BaseTarget, Source

GRACE = 60
"""Seconds by which the engine's limit of an attempt is longer than the runtime's own: it is for a runtime that hangs."""
QUEUEING = 900
"""Seconds that a task may wait for a machine to run on, where the engine's limit includes that time."""


@dataclass
class Job:
    """A callback as the templates need it. Its fields are JSON values, in which a text may be an expression."""

    compute: str
    name: str
    argv: list[str]
    environment: Any
    config: StepFunctionsConfig
    retry_strategy: str = ""
    """How Batch itself tries again after a failure that is not the step's own."""
    resources: Any = None
    tags: Any = None
    limit: int = 0
    """Seconds the engine gives an attempt, 0 for no limit."""
    retry: dict[str, Any] = field(default_factory=dict)
    """The user's retries as fields of a Retrier."""


class Jobs:
    """Makes the jobs of a plan."""

    def __init__(
        self, target: BaseTarget, plan: Plan, config: Config, source: Source, given: Mapping[str, Any]
    ):
        self._target = target
        self._plan = plan
        self._given = given
        self.common = options.read(StepFunctionsConfig, given)
        self.base = environment.shared(plan, config, source, self.common.plan)
        """The environment of every callback: its run, stores and definition. `environment` adds the walk."""

    def config(self, node: Node | None) -> StepFunctionsConfig:
        """Return the configuration that holds for a node."""
        own = own_config(self._target, node) if node is not None else {}
        return StepFunctionsConfig.model_validate(merged(self._given, own)) if own else self.common

    def environment(self, walk: str) -> list[dict[str, str]]:
        """Return the environment that all callbacks share; `walk` is a field's value."""
        values = {name: plain(value) for name, value in self.base.items()}
        values[environment.WALK] = walk
        values.update({name: plain(texts.scalar(value)) for name, value in self.common.environment.items()})
        return pairs(values)

    def make(self, node: Node, scope: Scope, command: list[str], helper: str = "") -> Job:
        """Return the job that calls back for a node: `command` is the callback and its words, as field values.

        `helper` is the name of a job that is no step of the pipeline; '' for the step itself.
        """
        config = self.config(node)
        job = Job(
            config.compute,
            job_name(self._plan["name"], f"{node['address']}.{helper}" if helper else node["address"]),
            [*map(plain, config.magnus_command), *command],
            self._own_environment(config, scope),
            config,
            expression(scope.shared("platformRetry")),
        )
        same = config.compute == self.common.compute
        compute = COMPUTES[config.compute]
        job.resources, job.tags = compute.resources(config), compute.tags(config)
        if job.resources and compute.shares and same and config.resources == self.common.resources:
            job.resources = expression(scope.shared("resources"))
        if job.tags and same and config.tags == self.common.tags:
            job.tags = expression(scope.shared("tags"))
        if not helper and node["type"] == TASK:
            if node["timeout"] is not None:
                job.limit = max(aws_batch_rules.SHORTEST_TIMEOUT, math.ceil(node["timeout"]) + GRACE)
            if node["retry"]["attempts"] > 1:
                job.retry = retrier(node["retry"])
        return job

    def _own_environment(self, config: StepFunctionsConfig, scope: Scope) -> Any:
        shared = scope.shared("environment")
        own = {
            name: texts.scalar(value)
            for name, value in config.environment.items()
            if name not in self.common.environment or self.common.environment[name] != value
        }
        if not own:
            return expression(shared)
        replaced = sorted(own.keys() & self.common.environment.keys())
        kept = shared
        if replaced:
            kept = f"$filter({shared}, function($e) {{ $not($e.Name in {literal(replaced)}) }})"
        return expression(f"$append({kept}, {literal(pairs(own))})")


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return an environment as AWS Batch and ECS take it."""
    return [{"Name": name, "Value": value} for name, value in values.items()]


def retrier(retry: Retry) -> dict[str, Any]:
    """Return a user's retries as fields of a Retrier.

    Delays are whole seconds and at least 1; `MaxDelaySeconds` must exceed `IntervalSeconds`, and without a `BackoffRate`
    each delay would double (Amazon States Language specification, "Retriers").
    """
    interval = min(max(1, math.ceil(retry["delay"])), limits.INTERVAL)
    most = retry["max_delay"]
    fields: dict[str, Any] = {"MaxAttempts": min(retry["attempts"] - 1, limits.INTERVAL)}
    rate = retry["backoff"] if retry["delay"] else 1.0
    if most is not None and math.ceil(most) <= interval:
        interval, rate = max(1, math.ceil(most)), 1.0
    fields["IntervalSeconds"] = interval
    fields["BackoffRate"] = int(rate) if rate == int(rate) else rate
    if most is not None and rate > 1 and math.ceil(most) > interval:
        fields["MaxDelaySeconds"] = min(math.ceil(most), limits.DELAY)
    return fields
