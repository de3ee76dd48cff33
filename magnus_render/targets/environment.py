"""The environment variables by which rendered outputs inform every callback (docs/architecture.md, "The callbacks")."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from magnus_render.plan import RECORDS_VERSION, services_of

if TYPE_CHECKING:
    from magnus_render.plan import Config, Plan
    from magnus_render.targets.base import Source

CONFIG, DAG_HASH, PLAN, FILE = "MAGNUS_CONFIG", "MAGNUS_DAG_HASH", "MAGNUS_PLAN", "MAGNUS_FILE"
RUN_ID, WALK, INPUT, TARGET = "MAGNUS_RUN_ID", "MAGNUS_WALK", "MAGNUS_INPUT", "MAGNUS_TARGET"
RECORDS = "MAGNUS_RECORDS"
"""The variable for the format of the records that an output was rendered for; a callback of another format refuses."""
VARIABLE = "MAGNUS_VAR_"
"""Prefix of the environment variables that carry the definition's variables."""
_OURS = re.compile(
    "MAGNUS_(RUN_ID|WALK|INPUT|TARGET|RECORDS|DAG_HASH|CONFIG|PLAN|FILE|STEP|BRACE|OWN_BRACE|VAR_.*)",
    re.DOTALL,
)


def is_ours(name: str) -> bool:
    """Tell whether rendered outputs themselves set a variable, so that no configuration may set it."""
    return _OURS.fullmatch(name) is not None


def stores(config: Config) -> str:
    """Return the value of `MAGNUS_CONFIG`: where the stores are, as canonical JSON."""
    return json.dumps(services_of(config), sort_keys=True, separators=(",", ":"))


def shared(plan: Plan, config: Config, source: Source, plan_file: str = "") -> dict[str, str]:
    """Return what tells every callback of a pipeline where its stores are, and what it was rendered from and for.

    `plan_file` is the path, where callbacks run, of the file that `magnus render --plan` wrote. Without it the callback
    that creates the run reads the definition, with the values that its variables had.
    """
    told = {CONFIG: stores(config), RECORDS: str(RECORDS_VERSION), DAG_HASH: plan["dag_hash"]}
    if plan_file:
        return {**told, PLAN: plan_file}
    variables = {f"{VARIABLE}{name}": value for name, value in sorted(plan["variables"].items())}
    return {**told, FILE: source.file, **variables}
