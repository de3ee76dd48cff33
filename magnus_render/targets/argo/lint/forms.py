"""The forms that `rules.txt` names: what Kubernetes and Argo accept as a name, an image, a duration and so on.

Rules: Kubernetes' documentation, "Object Names and IDs", "Labels and Selectors" and "Pod v1 core"; Argo's validation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.lint.fields import Format
from magnus_render.targets.lint.report import shown

if TYPE_CHECKING:
    from magnus_render.targets.argo.lint.manifest import Owner, Report

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_DURATION = re.compile(r"(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)(((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*)\Z")
_IMAGE = re.compile(
    r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:\d+)?/|\[[0-9a-fA-F:]+\](:\d+)?/)?"
    r"[a-z0-9]([-a-z0-9._/]*[a-z0-9])?(:\w[\w.-]{0,127})?(@[A-Za-z][-+._A-Za-z0-9]*:[0-9a-fA-F]{32,})?\Z",
    re.ASCII,
)
"""As container runtimes read it, if more loosely (distribution's reference grammar)."""
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*\Z")


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.isdecimal() and value.isascii()
    return type(value) is int and value >= 0


def _is_deadline(value: Any) -> bool:
    return _is_whole(value) and int(value) > 0


def _is_duration(value: str) -> bool:
    return not value or value.isdecimal() or bool(_DURATION.match(value))


FORMATS = {
    "name": Format(lambda value: bool(SUBDOMAIN.match(value)), "lowercase letters, digits, - and ."),
    "label": Format(lambda value: bool(_LABEL.match(value)), "at most 63 lowercase letters, digits and -"),
    "image": Format(
        lambda value: not value or bool(_IMAGE.match(value)),
        "write registry/name:tag or registry/name@digest: no blanks, and the name in lowercase",
    ),
    "variable": Format(
        lambda value: bool(_VARIABLE.match(value)), "letters, digits and _, no digit at the front"
    ),
    "duration": Format(_is_duration, "write a number with the unit s, m or h, such as 90s"),
    "unit": Format(
        lambda value: not value or bool(_DURATION.match(value)),
        "write a number with the unit s, m or h, such as 90s",
    ),
    "whole": Format(_is_whole, "write a whole number"),
    "deadline": Format(_is_deadline, "write a whole number of seconds, at least 1"),
    "mount": Format(
        lambda value: value.startswith("/") and ":" not in value, "an absolute path, without a colon"
    ),
    "below": Format(
        lambda value: value[:1] != "/" and ".." not in value.split("/"), "a path inside the volume"
    ),
    "path": Format(lambda value: not value or value.startswith("/"), "write an absolute path"),
}


def check_image(image: Any, place: str, owner: Owner, report: Report) -> None:
    """Check that an image's name is one that can be pulled."""
    form = FORMATS["image"]
    if isinstance(image, str) and "{{" not in image and not form.fits(image):
        report.error(codes.IMAGE, owner, f"{place} is {shown(image)}", form.fix)
