"""Where a step can run, one class each: what differs between them in a Task state, and what each refuses."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import texts
from magnus_render.executors import aws_batch_rules
from magnus_render.spec import blocks
from magnus_render.targets.stepfunctions import limits
from magnus_render.targets.stepfunctions.jsonata import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.plan import Node
    from magnus_render.targets.stepfunctions.config import StepFunctionsConfig

_SAGEMAKER_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]{0,255}")
"""Amazon SageMaker API reference, ProcessingJob, Environment."""
_ELSEWHERE = "choose another compute for the node"


class Compute:
    """A service that runs steps; `state-<name>.json.j2` writes its states."""

    name: ClassVar[str]
    placeholders: ClassVar[tuple[str, ...]]
    """Configuration keys whose defaults must be replaced."""
    shares: ClassVar[bool] = False
    """Its states read two things from variables of the machine: the resources of a step, and the platform's retries."""

    def tags(self, config: StepFunctionsConfig) -> Any:
        """Return the tags as fields of the call, None if it takes none."""
        return [{"Key": key, "Value": value} for key, value in self._tags(config).items()]

    def resources(self, config: StepFunctionsConfig) -> Any:
        """Return what a step asks for as fields of the call, None if nothing is asked."""
        return None

    def refuses_variable(self, name: str) -> str:
        """Return why an environment variable cannot have a name here, '' if it can."""
        return ""

    def refuses(self, node: Node, environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Yield what of a task this service would refuse, the fix, and the node's field it is about or ''."""
        return iter(())

    @staticmethod
    def _tags(config: StepFunctionsConfig) -> dict[str, Any]:
        return {name: plain(texts.scalar(value)) for name, value in config.tags.items()}


class Batch(Compute):
    """Jobs of AWS Batch."""

    name = "batch"
    placeholders = ("job_queue", "job_definition")
    shares = True

    def tags(self, config: StepFunctionsConfig) -> Any:
        """Return the tags as a mapping."""
        return self._tags(config)

    def resources(self, config: StepFunctionsConfig) -> Any:
        """Return the resource requirements."""
        asked = config.resources
        wanted = aws_batch_rules.requirements(asked.vcpus, asked.memory, asked.gpus)
        return [{"Type": kind, "Value": value} for kind, value in wanted] or None

    def refuses_variable(self, name: str) -> str:
        """Return why a name is reserved."""
        return aws_batch_rules.refuses_variable(name)


class Ecs(Compute):
    """Tasks of Amazon ECS."""

    name = "ecs"
    placeholders = ("cluster", "task_definition", "container", "subnets")

    def resources(self, config: StepFunctionsConfig) -> Any:
        """Return the overrides of a container (API reference, ContainerOverride)."""
        asked = config.resources
        sizes: dict[str, Any] = {}
        if asked.vcpus is not None:
            sizes["Cpu"] = math.ceil(asked.vcpus * 1024)
        if asked.memory is not None:
            sizes["Memory"] = asked.memory
        if asked.gpus is not None:
            sizes["ResourceRequirements"] = [{"Type": "GPU", "Value": str(asked.gpus)}]
        return sizes or None


class SageMaker(Compute):
    """Processing jobs of Amazon SageMaker."""

    name = "sagemaker"
    placeholders = ("image", "role")

    def refuses_variable(self, name: str) -> str:
        """Return why a name has another form than `_SAGEMAKER_NAME`."""
        if not _SAGEMAKER_NAME.fullmatch(name):
            return f"SageMaker takes no variable '{blocks.short(name)}': at most 256 letters, digits and '_'"
        return ""

    def refuses(self, node: Node, environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Yield the variables whose values are too long."""
        for name in sorted(
            name for name, value in environment.items() if len(value) > limits.SAGEMAKER_VALUE
        ):
            what = f"the variable {name} has more than {limits.SAGEMAKER_VALUE} characters, SageMaker's limit"
            yield what, f"shorten it, or {_ELSEWHERE}", ""


class Lambda(Compute):
    """Invocations of a function of AWS Lambda."""

    name = "lambda"
    placeholders = ("function",)

    def tags(self, config: StepFunctionsConfig) -> Any:
        """Return None: an invocation takes no tags."""
        return None

    def refuses(self, node: Node, environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Yield a timeout that no function can keep."""
        timeout = node["timeout"] or 0
        if timeout > limits.LAMBDA_SECONDS:
            what = (
                f"a timeout of {timeout:g} s on Lambda, which ends a function after {limits.LAMBDA_SECONDS} s"
            )
            yield what, _ELSEWHERE, "timeout"


COMPUTES: dict[str, Compute] = {one.name: one for one in (Batch(), Ecs(), SageMaker(), Lambda())}
