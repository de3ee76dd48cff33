"""The shapes of records: what a store gives back is checked before it is believed.

A disk, a person or another program may have changed a record. The tables follow the typed dictionaries of plan.py; names
that they do not have are let through. Small and without imports, for every callback reads its records by this module.
"""

from __future__ import annotations

from magnus_render import jsontext
from magnus_render.errors import Refused
from magnus_render.plan import COMPOSITES, CONDITIONAL, FAIL_NODE, RUN, SKIP, SUCCESS_NODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from magnus_render.plan import Branch, CompositeStart

    Shape = Any

LATEST = 1e11
"""Seconds since the epoch: no time of a record is behind that (the year 5138), which calendars can still tell."""
_LARGEST = 1 << 63
_SLUG = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_ADDRESS = _SLUG | {"."}
_ID = _ADDRESS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Damaged(Refused):
    """A record of a run is not what it must be: trying again does not help."""

    def __init__(self, run_id: str, key: str, why: str) -> None:
        super().__init__(f"run {run_id}: the record {key} is damaged: {why}")
        self.run_id = run_id
        self.why = f"{key}: {why}"


class Kind:
    """What a single value must be: `words` say it, `types` are its Python types, `allowed` its characters or its range."""

    __slots__ = ("allowed", "types", "words")

    def __init__(self, words: str, types: tuple[type, ...], allowed: Any = None) -> None:
        self.words = words
        self.types = types
        self.allowed = allowed

    def fits(self, value: Any) -> bool:
        """Tell whether a value is of this kind."""
        if type(value) not in self.types:
            return False
        allowed = self.allowed
        if allowed is None or value is None:
            return True
        if type(allowed) is tuple:
            return bool(allowed[0] <= value <= allowed[1])
        if type(value) is str:
            return bool(allowed.issuperset(value)) and len(value) <= 4096
        return value in allowed


TEXT = Kind("a text", (str,))
FLAG = Kind("true or false", (bool,))
WHOLE = Kind("a whole number from 0", (int,), (0, _LARGEST))
COUNT = Kind("a whole number from 1", (int,), (1, _LARGEST))
MAYBE_WHOLE = Kind("a whole number or null", (int, type(None)), (0, _LARGEST))
NUMBER = Kind("a number", (int, float), (-_LARGEST, _LARGEST))
MAYBE_NUMBER = Kind("a number or null", (int, float, type(None)), (-_LARGEST, _LARGEST))
TIME = Kind("a time in seconds", (int, float), (0, LATEST))
MAYBE_TIME = Kind("a time in seconds or null", (int, float, type(None)), (0, LATEST))
OBJECT = Kind("an object", (dict,))
SLUG = Kind("a slug", (str,), _SLUG)
ADDRESS = Kind("an address", (str,), _ADDRESS)
ID = Kind("a run id", (str,), _ID)
HASH = Kind("a hash", (str,), _SLUG)
ANY = None
STATUSES = frozenset(("SUCCESS", "FAIL", "CRASHED"))
TYPES = frozenset(("task", "as-is", SUCCESS_NODE, FAIL_NODE)) | COMPOSITES


class Maybe:
    """A shape that may be null."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


class Each:
    """An object whose values all have one shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


_PACKED = {"values": OBJECT, "large": Each(HASH)}
_FILES = Each({"sha256": HASH, "size": WHOLE, "mode?": WHOLE})
_CODE = {"commit": TEXT, "dirty": FLAG}
_RUN = {
    "version": WHOLE, "run_id": ID, "name": TEXT, "dag_hash": HASH, "pages": COUNT, "parameters": _PACKED, "tag": TEXT,
    "target": TEXT, "walk": TEXT, "code": _CODE, "original_run_id": ID, "changed": FLAG, "created": TIME,
    "max_time": MAYBE_NUMBER, "variables": Each(TEXT),
}  # fmt: skip
_NATIVE = {"dag_hash": TEXT, "target": TEXT, "walk": TEXT, "input": ANY}
_STATE = {"parameters": _PACKED, "files": _FILES, "set": [TEXT], "filed": [TEXT], "mocked": FLAG}
_ATTEMPT_START = {
    "attempt": COUNT, "try_": WHOLE, "time": TIME, "sees": HASH, "after": SLUG, "deadline": MAYBE_TIME,
}  # fmt: skip
_CATALOGUED = {"path": TEXT, "stage": TEXT, "sha256": HASH, "size": WHOLE, "mode?": WHOLE}
_ATTEMPT_END = {
    "attempt": WHOLE, "try_": WHOLE, "status": STATUSES, "time": TIME, "message": TEXT, "set": _PACKED,
    "catalog": [_CATALOGUED], "metrics": OBJECT, "sees": HASH, "platform": FLAG,
}  # fmt: skip
_OUTCOME = {**_ATTEMPT_END, "handed_to": SLUG, "state": HASH, "mock": FLAG, "skipped?": FLAG}
_COMPOSITE_START = {
    "sees": HASH,
    "count": MAYBE_WHOLE,
    "choice?": SLUG,
    "message": TEXT,
    "items_mocked": Maybe([FLAG]),
}
_GRAPH_END = {"status": STATUSES, "state": HASH, "time": TIME, "mock": FLAG}
_WALKER = {"host": TEXT, "boot": TEXT, "pids": TEXT, "pid": COUNT, "began": TEXT}

_HEAD = {"address": ADDRESS, "start": SLUG, "success": SLUG, "fail": SLUG}
_GRAPHS = Each({**_HEAD, "nodes": [SLUG]})
_DEFINITION = {
    "version": WHOLE, "name": TEXT, "description": TEXT, "max_time": MAYBE_NUMBER, "dag_hash": HASH,
    "variables": Each(TEXT), "graphs": _GRAPHS,
}  # fmt: skip
_AFTER = {"slug": SLUG, "type": TYPES, "iterate_on": TEXT, "iterate_as": TEXT, "when?": FLAG}
_NODE = {
    "address": ADDRESS, "name": TEXT, "path": TEXT, "type": TYPES, "hash": TEXT, "order": WHOLE, "graph": _HEAD,
    "scopes": [{"address": ADDRESS, "type": TYPES, "iterate_as": TEXT, "fail_fast?": FLAG}],
    "before": [{"slug": SLUG, "via": frozenset(("next", "on_failure")), "type": TYPES}],
    "next?": _AFTER, "on_failure?": _AFTER, "command?": TEXT, "command_type?": TEXT, "command_config?": OBJECT,
    "catalog?": {"get": [TEXT], "put": [TEXT], "compute_data_folder": TEXT},
    "retry?": {"attempts": COUNT, "delay": NUMBER, "backoff": NUMBER, "max_delay": MAYBE_NUMBER},
    "timeout?": MAYBE_NUMBER, "secrets?": Each(TEXT), "branches?": [{"slug": SLUG, "name": TEXT}],
    "iterate_on?": TEXT, "iterate_as?": TEXT, "max_concurrency?": MAYBE_WHOLE, "fail_fast?": FLAG,
    "counted_by?": SLUG, "parameter?": TEXT, "default?": SLUG, "fan_in?": FLAG, "separate?": FLAG, "silent?": FLAG,
    "when?": {"parameter": TEXT, "values": [TEXT], "among": FLAG},
}  # fmt: skip

_OF_TYPE = {"map": ("iterate_on", "iterate_as"), CONDITIONAL: ("parameter", "default")}
"""What nodes of a type have besides."""

_FIXED = {
    "run.json": _RUN,
    "start.json": _NATIVE,
}
_OF_STEPS = {
    "start.json": _COMPOSITE_START,
    "end.json": _GRAPH_END,
    "outcome.json": _OUTCOME,
    "fail_fast.json": {"branch": SLUG},
}
_NUMBERED = {"start.json": _ATTEMPT_START, "end.json": _ATTEMPT_END}


def record(run_id: str, key: str, data: bytes) -> Any:
    """Return the JSON of a record; raise `Damaged` if it is not JSON, or not what a record of that key must be."""
    try:
        value = jsontext.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Damaged(run_id, key, f"not JSON: {error}" if data else "it is empty") from None
    if why := _problem(value, _shape(key)) or _contradiction(key, value):
        raise Damaged(run_id, key, why)
    return value


def node(run_id: str, key: str, address: str, value: Any) -> Any:
    """Return a node of a page of the definition; raise `Damaged` if it is none. Pages are not searched for others."""
    if why := _node_problem(value):
        raise Damaged(run_id, key, f"'{address}' {why}")
    return value


def plan_problem(plan: Any) -> str:
    """Return what is wrong with a plan, '' if nothing is: what `magnus render --plan` wrote may have been changed."""
    if why := _problem(plan, {**_DEFINITION, "nodes": OBJECT}):
        return why
    for address, value in plan["nodes"].items():
        if why := _node_problem(value):
            return f"'nodes.{address}' {why}"
    nodes = plan["nodes"]
    for name, graph in plan["graphs"].items():
        if missing := [slug for slug in _slugs(graph) if f"{name}.{slug}".lstrip(".") not in nodes]:
            return f"'graphs.{name}' names the node '{missing[0]}', which is not there"
    for address, value in nodes.items():
        for branch in value.get("branches", ()):
            if f"{address}.{branch['slug']}" not in plan["graphs"]:
                return f"'nodes.{address}' has the branch '{branch['slug']}', which is not there"
    return "" if "" in plan["graphs"] else "'graphs' has no root"


def _slugs(graph: Any) -> list[str]:
    return [graph["start"], graph["success"], graph["fail"], *graph["nodes"]]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _shape(key: str) -> Shape:
    """Return the shape of the record under a key (without the run id); ANY if it may be anything."""
    folder, _, name = key.rpartition("/")
    if not folder:
        return _FIXED.get(name, ANY)
    top = key.partition("/")[0]
    if top == "steps":
        number, _, kind = name.partition(".")
        if number.isdecimal():
            return _NUMBERED.get(kind, ANY)
        return _PACKED if number == "items" else _OF_STEPS.get(name, ANY)
    if top == "plan":
        return _DEFINITION if name == "graphs.json" else {"nodes": OBJECT}
    return {"states": _STATE, "walks": _WALKER}.get(top, ANY)


def _contradiction(key: str, value: Any) -> str:
    """Return what contradicts itself in a state: names that were set must be visible."""
    if not key.startswith("states/"):
        return ""
    visible = value["parameters"]
    for name in value["set"]:
        if name not in visible["values"] and name not in visible["large"]:
            return f"'set' names {name!r}, which is not visible"
    for path in value["filed"]:
        if path not in value["files"]:
            return f"'filed' names {path!r}, which is not visible"
    return ""


def choice(run_id: str, address: str, branches: list[Branch], start: CompositeStart) -> str:
    """Return the branch that the start of a conditional chose, '' if it failed; raise `Damaged` if it is neither."""
    chosen = start.get("choice")
    known = [branch["slug"] for branch in branches]
    if chosen is None or (chosen not in known if not start["message"] else chosen):
        why = (
            "lacks 'choice'"
            if chosen is None
            else f"'choice' must be one of its branches, not {_short(chosen)}"
        )
        raise Damaged(run_id, f"steps/{address.replace('.', '/')}/start.json", why)
    return chosen


def decision(run_id: str, address: str, start: CompositeStart) -> str:
    """Return what was decided of a task that has a condition, RUN or SKIP; raise `Damaged` if it is neither."""
    decided = start.get("choice")
    if decided not in (RUN, SKIP):
        why = f"'choice' must be {RUN} or {SKIP}, not {_short(decided)}" if decided else "lacks 'choice'"
        raise Damaged(run_id, f"steps/{address.replace('.', '/')}/start.json", why)
    return decided


def _node_problem(value: Any) -> str:
    if why := _problem(value, _NODE):
        return why
    kind = value["type"]
    needed: tuple[str, ...] = ("next",)
    if kind in (SUCCESS_NODE, FAIL_NODE):
        needed = ()
    elif kind in COMPOSITES:
        needed = ("next", "branches", *_OF_TYPE.get(kind, ()))
    if missing := [name for name in needed if name not in value]:
        return f"lacks '{missing[0]}'"
    if kind == CONDITIONAL:
        slugs = [branch["slug"] for branch in value["branches"]]
        if len(set(slugs)) < len(slugs) or value["default"] not in ("", *slugs):
            return "must have branches of which each is another, and its default is one of them"
    return ""


def _problem(value: Any, shape: Shape) -> str:
    """Return what is wrong with a value, such as "'time' must be a number, not 'x'"; '' if it has the shape."""
    kind = type(shape)
    if shape is ANY:
        return ""
    if kind is Kind:
        return "" if shape.fits(value) else f"must be {shape.words}, not {_short(value)}"
    if kind is frozenset:
        there = type(value) is str and value in shape
        return "" if there else f"must be one of {', '.join(sorted(shape))}, not {_short(value)}"
    if kind is Maybe:
        return "" if value is None else _problem(value, shape.shape)
    if kind is list:
        if type(value) is not list:
            return f"must be a list, not {_short(value)}"
        inside = enumerate(value)
        return next((f"'{at}' {why}" for at, one in inside if (why := _problem(one, shape[0]))), "")
    if type(value) is not dict:
        return f"must be an object, not {_short(value)}"
    if kind is Each:
        return next((f"'{at}' {why}" for at, one in value.items() if (why := _problem(one, shape.shape))), "")
    return _member_problem(value, shape)


def _member_problem(value: dict[str, Any], shape: dict[str, Shape]) -> str:
    for name, inner in shape.items():
        if name[-1] == "?":
            name = name[:-1]
            if name not in value:
                continue
        elif name not in value:
            return f"lacks '{name}'"
        one = value[name]
        # Most members are of a plain kind: a call for each would cost a third of reading a large run.
        if type(inner) is Kind and type(one) in inner.types and (inner.allowed is None or inner.fits(one)):
            continue
        if why := _problem(one, inner):
            return f"'{name}' {why}"
    return ""


def _short(value: Any) -> str:
    text = jsontext.dumps(value) if not isinstance(value, (dict, list)) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."
