"""Matches a function's arguments with parameters, by name.

Signatures of plain functions are read off their code objects: `inspect` and `typing` cost more to import than most steps
take, and only what is wrapped or validated needs them.
"""

from __future__ import annotations

import sys
from types import FunctionType

from magnus_render.runtime.tasks.base import TaskFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_VAR_KEYWORDS = 8  # flag of a code object: there is a **kwargs
_NONE: Any = object()


class Argument:
    """One argument of a function; `default` and `annotation` are `_NONE` where there is none."""

    __slots__ = ("annotation", "default", "name", "positional")

    def __init__(self, name: str, positional: bool, default: Any, annotation: Any) -> None:
        self.name = name
        self.positional = positional
        self.default = default
        self.annotation = annotation


def bind(function: Callable[..., Any], given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments to call a function with.

    A `**kwargs` gets all that no other argument takes. Raises `TaskFailure` if a required argument is not given, or
    if a value cannot be made what the annotation says.
    """
    arguments, takes_rest, namespace = _signature(function)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in arguments:
        name = argument.name
        if name in given:
            value = _validated(argument, given[name], namespace)
        elif argument.default is _NONE:
            raise TaskFailure(f"argument '{name}' has no parameter{meant(name, given)}")
        elif argument.positional:
            value = argument.default
        else:
            continue
        if argument.positional:
            args.append(value)
        else:
            kwargs[name] = value
    if takes_rest:
        named = {argument.name for argument in arguments}
        kwargs.update((name, value) for name, value in given.items() if name not in named)
    return args, kwargs


def _signature(function: Callable[..., Any]) -> tuple[list[Argument], bool, dict[str, Any]]:
    """Return the arguments, whether there is a `**kwargs`, and the namespace that annotations stand in."""
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return _inspected(function)
    code = function.__code__
    annotations = _annotations(function)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults: dict[str, Any] = dict(function.__kwdefaults__ or {})
    given = function.__defaults__ or ()
    defaults.update(zip(names[code.co_argcount - len(given) : code.co_argcount], given, strict=True))
    arguments = [
        Argument(name, n < code.co_posonlyargcount, defaults.get(name, _NONE), annotations.get(name, _NONE))
        for n, name in enumerate(names)
    ]
    return arguments, bool(code.co_flags & _VAR_KEYWORDS), function.__globals__


def _annotations(function: FunctionType) -> dict[str, Any]:
    if sys.version_info >= (3, 14):  # evaluated only now: names that type checkers alone see must not matter
        from annotationlib import Format, get_annotations

        return get_annotations(function, format=Format.FORWARDREF)
    return function.__annotations__


def _inspected(function: Callable[..., Any]) -> tuple[list[Argument], bool, dict[str, Any]]:
    """The same for what is not a plain function: decorated ones, methods, classes, callable objects."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a built-in that does not tell
        return [], False, {}
    arguments = [
        Argument(
            p.name,
            p.kind is p.POSITIONAL_ONLY,
            _NONE if p.default is p.empty else p.default,
            _NONE if p.annotation is p.empty else p.annotation,
        )
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    inner: Any = inspect.unwrap(getattr(function, "func", function))
    if inspect.isclass(inner):
        inner = inner.__init__
    elif not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    namespace = getattr(inspect.unwrap(inner), "__globals__", {})
    return arguments, any(p.kind is p.VAR_KEYWORD for p in parameters), namespace


def _validated(argument: Argument, value: Any, namespace: dict[str, Any]) -> Any:
    """Return the value, made what the annotation says."""
    if argument.annotation is _NONE or (value is None and argument.default is None):
        return value
    if type(value) is argument.annotation or type(value).__name__ == argument.annotation:
        return value
    return made(f"argument '{argument.name}'", _resolved(argument.annotation, namespace), value)


def made(what: str, hint: Any, value: Any) -> Any:
    """Return a parameter's value made what a resolved annotation says, by pydantic if it names something of pydantic's.

    Raises `TaskFailure` that begins with `what`, what the value is for.
    """
    if "pydantic" in sys.modules and _is_pydantic(hint):
        return _made_by_pydantic(what, hint, value)
    from magnus_render.runtime.tasks.conversion import Misfit, convert, shown, spoken

    try:
        return convert(hint, value)
    except Misfit:
        takes = f"it takes {spoken(hint)}, and the parameter is {shown(value)}"
        raise TaskFailure(f"{what} is not valid: {takes}") from None


def _made_by_pydantic(what: str, hint: Any, value: Any) -> Any:
    import json

    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_json(json.dumps(value))
    except ValidationError as error:
        print(error, file=sys.stderr)
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        text = f"{where}: {first['msg']}" if where else first["msg"]
        raise TaskFailure(f"{what} is not valid: {text}") from None


def meant(name: str, names: Iterable[str]) -> str:
    """Return the question whether another name was meant, '' if none is like it."""
    from difflib import get_close_matches

    close = get_close_matches(name, names, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _resolved(annotation: Any, namespace: dict[str, Any]) -> Any:
    """Return an annotation with what it names in strings, or `_NONE` if a name is known to type checkers alone."""
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return annotation
    import typing

    def holder() -> None: ...

    holder.__annotations__ = {"argument": annotation}
    try:
        return typing.get_type_hints(holder, namespace, include_extras=True)["argument"]
    except Exception:
        return _NONE


def _is_pydantic(hint: Any) -> bool:
    """Tell whether an annotation has a pydantic model, dataclass or field anywhere in it."""
    from typing import get_args

    from pydantic.fields import FieldInfo

    todo = [hint]
    while todo:
        part = todo.pop()
        if isinstance(part, FieldInfo):
            return True
        if isinstance(part, type) and hasattr(part, "__pydantic_core_schema__"):
            return True
        if isinstance(part, list | tuple):
            todo.extend(part)
        else:
            todo.extend(get_args(part))
            todo.extend(getattr(part, "__metadata__", ()))
    return False
