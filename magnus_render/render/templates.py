"""The template environment, and where templates are found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import jinja2

from magnus_render.targets import codes
from magnus_render.targets.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from magnus_render.targets.base import BaseTarget

SUFFIX = ".j2"


class TemplateFault(Exception):
    """A template cannot be used; `finding` says which and why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def folder() -> str:
    """Return the folder of the templates that come with the package, in a wheel as in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    inside = os.path.join(package, "templates")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "templates")


def environment(target: BaseTarget, overrides: str | None = None) -> jinja2.Environment:
    """Return the environment of a target: its filters, its templates, those in `overrides` before them."""
    loaders = [jinja2.FileSystemLoader(path) for path in (overrides, folder()) if path is not None]
    created = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # else each use of a template looks at its file
    )
    created.filters.update(target.filters())
    return created


def run(target: BaseTarget, context: Mapping[str, Any], overrides: str | None = None) -> str:
    """Return the text of a target's main template; raise `TemplateFault` if a template is broken."""
    try:
        return environment(target, overrides).get_template(target.template).render(context)
    except jinja2.TemplateSyntaxError as error:
        raise _fault(f"template {error.name or error.filename}:{error.lineno}: {error.message}") from error
    except jinja2.TemplateNotFound as error:
        raise _fault(f"there is no template {error.name}") from error
    except jinja2.TemplateError as error:
        raise _fault(f"template {target.template}: {error.message}") from error


def unknown(target: BaseTarget, overrides: str) -> Iterable[Finding]:
    """Yield what is wrong with a folder of overrides: files that override nothing, or no folder at all."""
    if not os.path.isdir(overrides):
        yield Finding(codes.TEMPLATES, f"there is no template folder '{overrides}'")
        return
    own = target.template.rpartition("/")[0]
    known = set(_names(os.path.join(folder(), own)))
    for name in _names(os.path.join(overrides, own)):
        if name not in known:
            yield Finding(
                codes.TEMPLATES,
                f"'{own}/{name}' overrides no template of {target.name}",
                f"its templates are {', '.join(sorted(known))}",
                severity="warning",
            )
    if not os.path.isdir(os.path.join(overrides, own)):
        yield Finding(
            codes.TEMPLATES,
            f"'{overrides}' has no folder '{own}', so it overrides nothing",
            f"put templates into '{os.path.join(overrides, own)}'",
            severity="warning",
        )


def _names(path: str) -> list[str]:
    return sorted(name for name in os.listdir(path) if name.endswith(SUFFIX)) if os.path.isdir(path) else []


def _fault(message: str) -> TemplateFault:
    return TemplateFault(Finding(codes.TEMPLATES, message))
