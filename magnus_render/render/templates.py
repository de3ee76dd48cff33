"""The template environment, and where templates are found."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, Any, TypeAlias

import jinja2

from magnus_render.diagnostics import Diagnostic
from magnus_render.errors import MagnusError
from magnus_render.render import compiled
from magnus_render.targets import codes
from magnus_render.targets.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_render.targets.base import BaseTarget

SUFFIX = ".j2"
Environments: TypeAlias = "dict[tuple[str, str | None], jinja2.Environment]"
"""Environments with the templates that were compiled in them: by a target's name, and the folder of overrides."""


class TemplateFault(Exception):
    """A template cannot be used; `diagnostic` says which, where and why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class _Loader(jinja2.FileSystemLoader):
    """Reads templates; a file that cannot be read is a fault with the file's name."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Any]:
        try:
            return super().get_source(environment, template)
        except jinja2.TemplateNotFound:  # an OSError too
            raise
        except UnicodeDecodeError as error:
            path = os.path.join(self.searchpath[0], template)
            line = error.object[: error.start].count(b"\n") + 1
            what = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
            raise _fault(what, path, line, "save the file as UTF-8") from None
        except OSError as error:
            path = os.path.join(self.searchpath[0], template)
            raise _fault(f"cannot be read: {error.strerror or error}", path) from None


def environment(target: BaseTarget, overrides: str | None = None) -> jinja2.Environment:
    """Return the environment of a target: its filters, its templates, those in `overrides` before them."""
    created = from_folders(*(path for path in (overrides, target.templates()) if path is not None))
    created.filters.update(target.filters())
    return created


def from_folders(*folders: str, autoescape: bool = False) -> jinja2.Environment:
    """Return an environment for the templates in some folders; the first that has one wins.

    `autoescape` is for templates of HTML.
    """
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([_Loader(path) for path in folders]),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # else each use of a template looks at its file
        optimized=False,  # else results of filters would be kept with the byte code
        bytecode_cache=compiled.kept(autoescape),
    )


def run(
    target: BaseTarget,
    context: Mapping[str, Any],
    overrides: str | None = None,
    made: Environments | None = None,
    template: str = "",
) -> str:
    """Return the text of a target's template, by default the main one; raise `TemplateFault` if a template is broken.

    `made` keeps environments from one call to the next: compiling templates takes most of the time of a small rendering.
    """
    try:
        made = {} if made is None else made
        key = target.name, overrides
        if key not in made:
            made[key] = environment(target, overrides)
        return made[key].get_template(template or target.template).render(context)
    except (MagnusError, TemplateFault):
        raise
    except jinja2.TemplateSyntaxError as error:
        raise _fault(f"{error.message}", error.filename or error.name or "", error.lineno) from None
    except Exception as error:  # a template may call anything, and anything may be raised there
        what = str(error).strip().partition("\n")[0]
        if isinstance(error, jinja2.TemplateNotFound):
            what = f"there is no template '{error.name}'"
        elif not isinstance(error, jinja2.TemplateError):
            what = f"{type(error).__name__}: {what}"
        raise _fault(what, *_where(error, target.templates(), overrides)) from error


def _where(error: Exception, own: str, overrides: str | None) -> tuple[str, int]:
    """Return the template in which an exception was raised, and the line: the user's innermost template, else the target's.

    Jinja puts the lines of templates into tracebacks.
    """
    found = "", 0
    for folders in ([own], [overrides] if overrides is not None else []):
        for frame in traceback.extract_tb(error.__traceback__):
            if any(frame.filename.startswith(os.path.join(one, "")) for one in folders):
                found = frame.filename, frame.lineno or 0
    return found


def unknown(target: BaseTarget, overrides: str) -> Iterable[Finding]:
    """Yield what is wrong with a folder of overrides: files that override nothing, or no folder at all."""
    if not os.path.isdir(overrides):
        yield Finding(codes.TEMPLATES, f"there is no template folder '{overrides}'")
        return
    own = target.template.rpartition("/")[0]
    known = set(_names(os.path.join(target.templates(), own)))
    for name in _names(os.path.join(overrides, own)):
        if name not in known:
            yield Finding(
                codes.TEMPLATES,
                f"'{own}/{name}' overrides no template of {target.name}",
                f"its templates are {', '.join(sorted(known))}",
                severity="warning",
            )
    if not _names(os.path.join(overrides, own)):
        yield Finding(
            codes.TEMPLATES,
            f"'{overrides}' has no templates in a folder '{own}', so it overrides nothing",
            f"put templates into '{os.path.join(overrides, own)}': files that end in '{SUFFIX}'",
            severity="warning",
        )


def overriding(target: BaseTarget, overrides: str) -> list[str]:
    """Return the templates of a folder that replace those of a target, with their paths."""
    own = target.template.rpartition("/")[0]
    known = set(_names(os.path.join(target.templates(), own)))
    path = os.path.join(overrides, own)
    return [os.path.join(path, name) for name in _names(path) if name in known]


def _names(path: str) -> list[str]:
    """Return the templates below a folder, with their paths from there."""
    found = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sorted(os.path.relpath(name, path) for name in found if name.endswith(SUFFIX))


def _fault(what: str, path: str, line: int = 0, fix: str = "") -> TemplateFault:
    shown = f"template {os.path.basename(path)}: {what}" if path else what
    return TemplateFault(
        Diagnostic(codes.TEMPLATES, "error", shown, path, line, 1, fix, *_snippet(path, line))
    )


def _snippet(path: str, line: int) -> tuple[str, int]:
    """Return a line of a file, and its length; '' if it has none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read().split("\n")[line - 1] if line else ""
    except (OSError, IndexError):
        text = ""
    return text, max(1, len(text))
