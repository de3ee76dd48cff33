"""Policies within IAM's limits: statements that are too long for one policy are spread over several."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from magnus_render.targets.stepfunctions import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus_render.targets.stepfunctions.permissions import Statement

_LONGEST = {"AWS::Partition": 10, "AWS::Region": 14, "AWS::AccountId": 12}
"""Characters of the longest value of each: `aws-us-gov`, `ap-southeast-1`."""
_OPEN = re.compile(r"\$\{([^}]*)\}")


def spread(statements: Iterable[Statement], first: int) -> list[list[Statement]]:
    """Return the statements of one policy of at most `first` characters, then those of managed policies for the rest.

    If all statements fit into the first policy, they are not changed. A statement with many resources may stand in
    several policies, with a part of its resources in each.
    """
    policies: list[list[Statement]] = [[]]
    for one in statements:
        for resource in one.resources:
            grown = _with(policies[-1], one, resource)
            if policies[-1] and size(grown) > (first if len(policies) == 1 else limits.MANAGED_POLICY):
                policies.append([])
                grown = _with([], one, resource)
            policies[-1] = grown
    return policies


def size(statements: Iterable[Statement]) -> int:
    """Return how many characters a policy may have when it is deployed, as IAM counts them: without white space.

    The value of a parameter counts as `limits.FILLED_IN` characters.
    """
    listed = [
        {
            "Sid": one.sid,
            "Effect": "Allow",
            "Action": list(one.actions),
            "Resource": list(one.resources),
            **({"Condition": one.condition} if one.condition else {}),
        }
        for one in statements
    ]
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": listed}, separators=(",", ":"), ensure_ascii=False
    )
    filled = _OPEN.sub(lambda found: "x" * _LONGEST.get(found[1], limits.FILLED_IN), text)
    return sum(not character.isspace() for character in filled)


def _with(policy: list[Statement], one: Statement, resource: str) -> list[Statement]:
    """Return a policy that also allows a statement's actions on a resource."""
    if policy and policy[-1].sid == one.sid:
        return [*policy[:-1], replace(one, resources=(*policy[-1].resources, resource))]
    return [*policy, replace(one, resources=(resource,))]
