"""Makes a parameter what an argument's annotation says, where that is a type of the standard library.

JSON has fewer types than Python, and what was typed on a command line has fewer still. What is certain is converted; what is
not is refused, for a value of another type than the code says fails later, or gives a wrong result.
"""

from __future__ import annotations

import sys
from types import NoneType, UnionType

from magnus_render import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHOWN = 60


class Misfit(ValueError):
    """A value cannot be made what an annotation says."""


def convert(hint: Any, value: Any) -> Any:
    """Return a value made what a resolved annotation says; as it is where the annotation says nothing that is known.

    Raises `Misfit`.
    """
    if isinstance(hint, type) and type(value) is hint:
        return value
    origin, members = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if isinstance(hint, UnionType) or _is(origin, "typing", "Union"):
        return _one_of(members, value)
    if hint is None or hint is NoneType:
        return _plain(value is None, value)
    if _is(origin, "typing", "Literal"):
        return _plain(any(value == one and type(value) is type(one) for one in members), value)
    if origin is not None:
        return _collection(origin, members, value)
    if not isinstance(hint, type):
        return value
    for type_, maker in _MAKERS.items():
        if hint is type_:
            return maker(value)
    return _of_library(hint, value)


def spoken(hint: Any) -> str:
    """Return an annotation as messages show it."""
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def shown(value: Any) -> str:
    """Return a value as messages show it: as JSON, shortened."""
    text = jsontext.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is(found: Any, module: str, name: str) -> bool:
    """Tell whether a thing is one of a module that is costly to import: whoever has the thing has imported it."""
    loaded = sys.modules.get(module)
    return loaded is not None and found is getattr(loaded, name, module)


def _plain(fits: bool, value: Any) -> Any:
    if not fits:
        raise Misfit
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return jsontext.dumps(value)
    return str(_plain(isinstance(value, str), value))


def _read(maker: Any, value: Any) -> Any:
    """Return what a type makes of a value; raise `Misfit` if the value is not one of that type, or too large for it."""
    try:
        return maker(_plain(not (isinstance(value, str) and "_" in value), value))
    except (ValueError, ArithmeticError):
        raise Misfit from None


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return int(_read(int, value))
    return int(_plain(type(value) is int, value))


def _number(value: Any) -> float:
    return float(_read(float, _plain(type(value) in (str, int, float), value)))


def _flag(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return bool(_plain(isinstance(value, bool), value))


_MAKERS: dict[Any, Any] = {str: _text, int: _whole, float: _number, bool: _flag}


def _one_of(members: tuple[Any, ...], value: Any) -> Any:
    if value is None and NoneType in members:
        return None
    for exact in (True, False):
        for member in members:
            if not exact or type(value) is (getattr(member, "__origin__", None) or member):
                try:
                    return convert(member, value)
                except Misfit:
                    continue
    raise Misfit


def _collection(origin: Any, members: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(origin, type):
        return convert(members[0], value) if _is(origin, "typing", "Annotated") else value
    if origin is dict or origin.__name__ == "Mapping":
        pairs = _plain(isinstance(value, dict), value)
        return {key: convert(members[1], item) for key, item in pairs.items()} if len(members) == 2 else pairs
    if origin is tuple and members and members[-1] is not Ellipsis:
        _plain(isinstance(value, list) and len(value) == len(members), value)
        return tuple(convert(member, item) for member, item in zip(members, value, strict=True))
    if origin in (list, tuple, set, frozenset) or origin.__name__ in ("Sequence", "Iterable", "Collection"):
        found = [convert(members[0], item) for item in _plain(isinstance(value, list), value)]
        return origin(found) if origin in (tuple, set, frozenset) else found
    return value


def _of_library(hint: type, value: Any) -> Any:
    """Convert to a path, a date, an enum, a dataclass and their like: their modules are loaded if they are asked for."""
    names = {base.__module__.partition(".")[0] + "." + base.__name__ for base in hint.__mro__}
    if "enum.Enum" in names:
        return _member(hint, value)
    if "pathlib.PurePath" in names or "uuid.UUID" in names or "decimal.Decimal" in names:
        try:
            return hint(_text(value))
        except (ValueError, ArithmeticError):
            raise Misfit from None
    if hint.__module__ == "datetime" and hasattr(hint, "fromisoformat"):
        text = _text(value)
        try:
            return hint.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") and "T" in text else text)
        except ValueError:
            raise Misfit from None
    if hasattr(hint, "__dataclass_fields__"):
        return _record(hint, value)
    if hint in (list, dict, set, tuple, frozenset):
        wanted = dict if hint is dict else list
        return hint(_plain(isinstance(value, wanted), value))
    return value


def _member(hint: Any, value: Any) -> Any:
    """Return the member of an enum by its value or the text of that, else by its name."""
    text = _text(value) if isinstance(value, bool | int | float) else value
    for wanted in (value, text):
        for member in hint:
            if member.value == wanted and type(member.value) is type(wanted):
                return member
    if isinstance(text, str) and text in hint.__members__:
        return hint[text]
    try:
        return hint(value)
    except ValueError:
        raise Misfit from None


def _record(hint: Any, value: Any) -> Any:
    import typing

    fields = hint.__dataclass_fields__
    _plain(isinstance(value, dict) and value.keys() <= fields.keys(), value)
    hints = typing.get_type_hints(hint)
    try:
        return hint(**{name: convert(hints[name], item) for name, item in value.items()})
    except TypeError:  # a field is missing
        raise Misfit from None
