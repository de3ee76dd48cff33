"""The rules of AWS Batch for names, tags, variables and sizes, for all modules that submit jobs to it.

The patterns and limits are those of the service's API reference (botocore has them in `data/batch/*/service-2.json`).
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB_NAME = 128
"""Characters (AWS Batch API reference, SubmitJob)."""
OVERRIDES = 8192
"""Characters of a job's container overrides (AWS Batch user guide, "AWS Batch quotas")."""
SHORTEST_TIMEOUT = 60
"""Seconds: no shorter attempt can be asked of AWS Batch (API reference, JobTimeout)."""
MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256
"""Limits of tags (AWS Batch user guide, "Tag restrictions"); they are the same for ECS and SageMaker."""
OWN_TAGS = ("magnus-run", "magnus-step")
"""Keys of the tags that magnus gives each job: the run id, and the address of the step."""
_TAG_CHARACTERS = "_.:/=+-@ "


class Name(NamedTuple):
    """The rule for the value of a key."""

    pattern: str
    rule: str
    example: str


def or_arn(name: str, service: str, kind: str) -> str:
    """Return a pattern of a name, and of an ARN that ends in it."""
    return rf"({name})|arn:aws[a-z-]*:{service}:[a-z0-9-]+:\d{{12}}:{kind}({name})"


_NAME = "[A-Za-z0-9_-]{1,128}"
OR_ARN = "letters, digits, '-' and '_', or an ARN"
JOB_QUEUE = Name(or_arn(_NAME, "batch", "job-queue/"), f"at most 128 {OR_ARN}", "churn-queue")
JOB_DEFINITION = Name(
    or_arn(rf"{_NAME}(:\d+)?", "batch", "job-definition/"),
    f"at most 128 {OR_ARN}, with ':' and a revision if wanted",
    "churn-job:3",
)


def job_name(text: str) -> str:
    """Return a job's name within its limit: a longer text is cut, and ends in a hash of the whole.

    The text must have valid characters only.
    """
    if len(text) <= JOB_NAME:
        return text
    return f"{text[: JOB_NAME - 9]}-{sha256(text.encode()).hexdigest()[:8]}"


def requirements(vcpus: float | None, memory: int | None, gpus: int | None) -> list[tuple[str, str]]:
    """Return the resources of a job as types and values (API reference, ResourceRequirement)."""
    wanted = (("VCPU", vcpus), ("MEMORY", memory), ("GPU", gpus))
    return [(kind, f"{value:g}") for kind, value in wanted if value is not None]


def refuses_variable(name: str) -> str:
    """Return why a name is reserved (AWS Batch user guide, "AWS Batch job environment variables"), '' if it is not."""
    if name.startswith("AWS_BATCH"):
        return f"the variable '{name}' is AWS Batch's: names that begin with AWS_BATCH are reserved"
    return ""


def wrong_tag(part: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with one part of a tag, `key` or `value`, and the fix."""
    longest = LONGEST_KEY if part == "key" else LONGEST_VALUE
    if len(text) > longest:
        yield f"its {part} has {len(text)} characters, {longest} are allowed", "shorten it"
    if text.lower().startswith("aws:"):
        yield f"its {part} begins with '{text[:4]}', which is AWS's own", "choose another beginning"
    odd = next((c for c in text if not is_tag_character(c)), "")
    if odd:
        yield f"its {part} has {odd!r} in it", "use letters, digits, blanks and _.:/=+-@"


def is_tag_character(character: str) -> bool:
    """Tell whether tags may have a character."""
    return character.isalpha() or character.isnumeric() or character in _TAG_CHARACTERS


def fits(name: Name, value: Any) -> bool:
    """Tell whether a value of a configuration keeps the rule of its key."""
    return isinstance(value, str) and re.fullmatch(name.pattern, value) is not None
