"""Checks of values in the configuration that the services would refuse: tags, variables, names and ARNs.

The pipeline's configuration and each node's own are checked by the rules of the services' API references. The patterns and
limits are those of botocore's service models (`data/<service>/<version>/service-2.json`). They are checked here, before
anything is rendered, because a message can name the place in the configuration only here. A value that holds `${` gets its
final form when the machine is deployed, so it is not checked.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from magnus_render import texts
from magnus_render.executors.aws_batch_rules import (
    JOB_DEFINITION,
    JOB_QUEUE,
    MOST_TAGS,
    OR_ARN,
    Name,
    or_arn,
    wrong_tag,
)
from magnus_render.executors.configured import merged
from magnus_render.plan import AS_IS, TASK
from magnus_render.spec import blocks
from magnus_render.spec.blocks import VARIABLE_NAME, VARIABLE_RULE
from magnus_render.targets import options
from magnus_render.targets.codes import EXECUTOR_CONFIG
from magnus_render.targets.environment import is_ours
from magnus_render.targets.stepfunctions import codes
from magnus_render.targets.stepfunctions.computes import COMPUTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Findings

    Path: TypeAlias = tuple[str | int, ...]
    Problem: TypeAlias = tuple[str, Path, str, str]
    """A code, the keys that lead to the value, what is wrong with it, the fix."""

MOST_SUBNETS, MOST_GROUPS = 16, 5
"""Amazon ECS API reference, AwsVpcConfiguration."""
_STORES = ("run_log_store", "catalog")

_ECS, _REVISION = "[A-Za-z0-9_-]{1,255}", r"(:\d+)?"
_FUNCTION = r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]+)?"
_MACHINE = r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}(:[A-Za-z0-9_-]+)?"
_ID = "[0-9a-f]{8}([0-9a-f]{9})?"
_IN_WORDS = "and 8 or 17 hexadecimal digits"
NAMES = {
    "job_queue": JOB_QUEUE,
    "job_definition": JOB_DEFINITION,
    "cluster": Name(or_arn(_ECS, "ecs", "cluster/"), f"at most 255 {OR_ARN}", "churn"),
    "task_definition": Name(
        or_arn(_ECS + _REVISION, "ecs", "task-definition/"),
        f"at most 255 {OR_ARN}, with ':' and a revision if wanted",
        "churn-task:3",
    ),
    "container": Name(_ECS, "at most 255 letters, digits, '-' and '_'", "main"),
    "subnets": Name(f"subnet-{_ID}", f"'subnet-' {_IN_WORDS}", "subnet-0a1b2c3d"),
    "security_groups": Name(f"sg-{_ID}", f"'sg-' {_IN_WORDS}", "sg-0a1b2c3d"),
    "image": Name(
        r"\S{1,255}", "at most 255 characters without blanks", "ACCOUNT.dkr.ecr.REGION.amazonaws.com/churn:7"
    ),
    "role": Name(
        r"(?=.{20,2048}\Z)arn:aws[a-z-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@/-]+",
        "the ARN of a role",
        "arn:aws:iam::111122223333:role/churn",
    ),
    "instance_type": Name(
        r"ml\.[a-z0-9-]+\.[a-z0-9]+", "the name of a type, which begins with 'ml.'", "ml.m5.large"
    ),
    "function": Name(
        rf"\d{{12}}:function:{_FUNCTION}|{or_arn(_FUNCTION, 'lambda', 'function:')}",
        f"at most 64 {OR_ARN}, with ':' and a version or an alias if wanted",
        "churn-steps",
    ),
    "state_machine": Name(
        or_arn(_MACHINE, "states", "stateMachine:"),
        "a name of at most 80 characters, or the ARN of a state machine",
        "arn:aws:states:eu-west-1:111122223333:stateMachine:churn-billing",
    ),
}
"""By key: what the services take (their API references: SubmitJob, RunTask, CreateProcessingJob, Invoke, StartExecution)."""
_BUCKET = Name(
    r"[A-Za-z0-9._-]{3,255}|arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[/:][a-z0-9-]+",
    "3 to 63 lowercase letters, digits, '-' and '.', or the ARN of an access point",
    "churn-runs",
)
"""Older buckets may have up to 255 characters, uppercase letters and '_' (Amazon S3 user guide, "Bucket naming rules")."""
_KEY = Name("[a-zA-Z0-9:/_-]{1,2048}", "the id, the alias or the ARN of a key", "alias/churn")
_STORE_KEYS = {"bucket": _BUCKET, "kms_key": _KEY}
_MOST = {"subnets": MOST_SUBNETS, "security_groups": MOST_GROUPS}


def check_config(target: BaseTarget, plan: Plan, config: Config, findings: Findings) -> None:
    """Add what the services would refuse of the pipeline's configuration, of each node's own, and of the stores'.

    A value that has a finding already is left out.
    """
    given = options.common(target, config)
    told = {(item.address, item.config) for item in findings.items}
    common = list(_problems(given, given))
    for code, path, what, fix in common:
        if ("", ("executor", *path)) not in told:
            findings.add(code, None, f"executor.config: {what}", fix, config=("executor", *path))
    for node, own in options.owners(target, plan):
        if "bundle" in own:
            text = f"executor_config.{target.name}: 'bundle' is the whole pipeline's"
            at = ("executor", "bundle")
            findings.add(
                EXECUTOR_CONFIG, node, text, "write it into executor.config", "executor_config", config=at
            )
        for code, path, what, fix in _of_node(node, given, own, common):
            if (node["address"], ("executor", *path)) not in told:
                text = f"executor_config.{target.name}: {what}"
                findings.add(code, node, text, fix, "executor_config", config=("executor", *path))
    for block in _STORES:
        store = config[block]  # type: ignore[literal-required]
        for key, rule in _STORE_KEYS.items() if store["type"] == "s3" else ():
            for code, path, what, fix in _named(key, store["config"].get(key), rule):
                findings.add(code, None, f"{block}: {what}", fix, config=(block, *path))


def _of_node(
    node: Node, given: Mapping[str, Any], own: Mapping[str, Any], common: list[Problem]
) -> Iterator[Problem]:
    """Yield what is wrong with a node's own configuration, and with inherited values if the node has another compute.

    `common` are the problems that were reported for the pipeline already.
    """
    whole = merged(given, own)
    yield from _problems(own, whole)
    if node["type"] in (TASK, AS_IS) and _compute(whole) != _compute(given):
        inherited = {key: _left(value, own.get(key)) for key, value in given.items()}
        yield from (problem for problem in _problems(inherited, whole) if problem not in common)


def _left(value: Any, own: Any) -> Any:
    """Return the part of a pipeline's value that still holds for a node; None if the node replaces it."""
    if isinstance(value, dict) and isinstance(own, dict):
        return {key: part for key, part in value.items() if key not in own}
    return value if own is None else None


def _problems(given: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with some values; `whole` is the full configuration that holds there."""
    for key, rule in NAMES.items():
        yield from _named(key, given.get(key), rule)
    yield from _variables(given.get("environment"), _compute(whole))
    yield from _tags(given.get("tags"), whole.get("tags"))


def _compute(given: Mapping[str, Any]) -> str:
    return str(given.get("compute", "batch"))


def _known_later(value: str) -> bool:
    return "${" in value


def _named(key: str, value: Any, rule: Name) -> Iterator[Problem]:
    one, values = isinstance(value, str), value if isinstance(value, list) else [value]
    for number, item in enumerate(values):
        if isinstance(item, str) and item and not _known_later(item) and not re.fullmatch(rule.pattern, item):
            shown = key if one else f"{key}[{number}]"
            what = f"'{shown}' is '{blocks.short(item)}', not {rule.rule}"
            yield codes.NAME, (key,) if one else (key, number), what, f"such as {rule.example}"
    if isinstance(value, list) and len(value) > _MOST.get(key, len(value)):
        what = f"'{key}' has {len(value)} entries, {_MOST[key]} are allowed"
        yield codes.NAME, (key,), what, "leave some out"


def _variables(given: Any, compute: str) -> Iterator[Problem]:
    for name in given if isinstance(given, dict) else ():
        fix = "give it another name"
        if not VARIABLE_NAME.fullmatch(name):
            what = f"'{blocks.short(name)}' {VARIABLE_RULE}"
        elif is_ours(name):
            what = f"the variable '{name}' is one that the rendered output itself sets"
        elif refused := (COMPUTES[compute].refuses_variable(name) if compute in COMPUTES else ""):
            what = refused
        else:
            continue
        yield codes.VARIABLE, ("environment", name), what, fix


def _tags(given: Any, whole: Any) -> Iterator[Problem]:
    if not isinstance(given, dict):
        return
    for key, scalar in given.items():
        value = texts.scalar(scalar)
        parts = (("key", key), ("value", value))
        wrong = (wrong_tag(part, text) for part, text in parts if not _known_later(text))
        for what, fix in chain.from_iterable(wrong):
            yield codes.TAG, ("tags", key), f"the tag '{blocks.short(key)}': {what}", fix
    if isinstance(whole, dict) and len(whole) > MOST_TAGS:
        what = f"{len(whole)} tags, AWS takes {MOST_TAGS}"
        yield codes.TAG, ("tags",), what, "leave some out"
