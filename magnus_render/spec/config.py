"""Reads the configuration blocks: executor, run log store, catalog and secrets, with their defaults and keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from magnus_render import registry
from magnus_render.errors import Refused
from magnus_render.registry import Described
from magnus_render.spec import codes, kinds, legacy
from magnus_render.spec.models import ServiceSpec
from magnus_render.spec.problems import validate
from magnus_render.spec.tree import Map, Seq, Value, kind, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus_render.plan import Config, ServiceConfig
    from magnus_render.spec.report import Place, Report
    from magnus_render.spec.variables import Variables

BLOCKS = ("executor", "run_log_store", "catalog", "secrets")
DEFAULT_DATA_FOLDER = "data"
_KINDS = {"executor": ("executor", "target")}
"""Kinds of things that the type of a block may name, if not only the block's own: executors and targets share a block."""


class Settings:
    """The configuration of a definition, and the parts of it that nodes need."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.config = cast(
            "Config", {block: {"type": registry.DEFAULT[block], "config": {}} for block in BLOCKS}
        )
        self.data_folder = DEFAULT_DATA_FOLDER
        """The `compute_data_folder` of a task that names none."""
        self.data_folder_named = False
        """True if the configuration names it."""
        self.overrides: dict[str, Value] = {}
        """Named overrides of older files, by name."""
        self.absent: set[str] = set()
        """The blocks that the user left out."""
        self.unknown: set[str] = set()
        """The blocks whose type is not known."""
        self.incomplete: set[str] = set()
        """The blocks in which a required key is missing."""
        self._unset = False
        self._engines: dict[str, str] = {}
        self._written: dict[str, tuple[Place, Map]] = {}
        """Where each block stands, and its config as it was written."""

    def read(self, definition: Map, separate: Map | None, variables: Variables) -> None:
        """Take each block from the separate file if it has it, else from the definition, else the default."""
        before = variables.unset
        for block in BLOCKS:
            holder = separate if separate is not None and block in separate else definition
            self.config[block] = self._service(block, holder, variables)  # type: ignore[literal-required]
        self._unset = variables.unset > before

    def place(self, path: Sequence[str | int]) -> Place | None:
        """Return where a value of the configuration stands: `path` is its block, then the keys of `config` that lead to it.

        If not all of these keys are written, it is the place of the last one that is. None if the block is not written, or
        for an empty path.
        """
        if not path or path[0] not in self._written:
            return None
        place, value = self._written[str(path[0])]
        return _walk(value, path[1:])[0] or place

    def not_known(self, path: Sequence[str | int]) -> bool:
        """Tell whether a value of the configuration has a variable that is not set. Such a variable has been reported."""
        if not (self._unset and path and path[0] in self._written):
            return False
        return "${" in json.dumps(plain(_walk(self._written[str(path[0])][1], path[1:])[1]))

    def _service(self, block: str, holder: Map, variables: Variables) -> ServiceConfig:
        raw: Value = holder.get(block)
        if raw is None:
            self.absent.add(block)
        given = Map.at(holder.place() if raw is None else holder.key_place(block))
        name = registry.DEFAULT[block]
        if raw is not None and not isinstance(raw, Map):
            what = f"'{block}' must be a mapping with 'type', not {kind(raw)}"
            fix = f"write {block}: {{type: {raw if isinstance(raw, str) else name}}}"
            self._report.error(codes.WRONG_TYPE, holder.value_place(block), what, fix, breaks=False)
        elif raw is not None:
            raw = variables.tree(raw)
            if raw.get("config", raw) is None:
                raw = raw.without("config")
            spec = validate(ServiceSpec, raw, block, holder.key_place(block), self._report)
            if isinstance(raw.get("type"), str):
                name = _canonical(block, raw["type"])
                if not name and spec is not None:
                    self._unknown(block, raw["type"], raw.value_place("type"))
                name = name or raw["type"]
            if spec is not None and isinstance(raw.get("config"), Map):
                given = legacy.config(block, _find(block, name), raw["config"], self._report)
        given = self._own_keys(block, given)
        if raw is not None:
            self._written[block] = holder.key_place(block), given
        described = _find(block, name)
        config = _checked(described, name, given, block, self._report)
        for key in described.needed if described else ():
            if key not in given:
                self.incomplete.add(block)
                what = f"{block}: '{name}' needs '{key}'"
                self._report.error(
                    codes.BAD_CONFIG, given.place(), what, f"write config: {{{key}: ...}}", breaks=False
                )
        defaults = described.defaults if described else {}
        return {"type": name, "config": {**defaults, **config}}

    def _own_keys(self, block: str, given: Map) -> Map:
        """Take out the keys that are used here, and that no executor sees."""
        if block == "catalog" and "compute_data_folder" in given:
            from magnus_render.spec.models import CatalogSpec

            only = given.without(*(key for key in given if key != "compute_data_folder"))
            spec = validate(CatalogSpec, only, block, given.place(), self._report)
            if spec is not None and spec.compute_data_folder:
                self.data_folder, self.data_folder_named = spec.compute_data_folder, True
            return given.without("compute_data_folder")
        if block == "executor" and "overrides" in given:
            self.overrides = self._entries(given)
            return given.without("overrides")
        return given

    def _entries(self, given: Map) -> dict[str, Value]:
        """Return the entries of `overrides` in the executor's config, after an error for each that is no mapping."""
        entries = given["overrides"]
        if not isinstance(entries, Map):
            if entries is not None:
                what = f"executor: 'overrides' must be a mapping of names to mappings, not {kind(entries)}"
                fix = "such as overrides: {large: {...}}, which a step names"
                self._report.error(codes.WRONG_TYPE, given.value_place("overrides"), what, fix, breaks=False)
            return {}
        for name, value in entries.items():
            if not isinstance(value, Map):
                what = f"executor: 'overrides.{name}' must be a mapping, not {kind(value)}"
                self._report.error(codes.WRONG_TYPE, entries.value_place(name), what, breaks=False)
        return dict(entries)

    def node(self, raw: Map, owner: str) -> Map:
        """Return a node whose `executor_config` holds checked overrides by executor type.

        Two older forms are understood too: the flat form, which holds for the executor in use, and `overrides`, which name
        entries under `overrides` of the executor's config.
        """
        given = raw.get("executor_config", Map.at(raw.place()))
        if not isinstance(given, Map):
            return raw
        if "overrides" in raw:
            at = raw.key_place("overrides")
            named = self._named(raw["overrides"], raw.value_place("overrides"), owner)
            raw = raw.without("overrides")
            if "executor_config" not in raw:
                raw.put("executor_config", given, at)
        else:
            named = {}
        if "executor_config" not in raw:
            return raw
        result: dict[str, Any] = {}
        for name, value in {**named, **self._by_executor(given, owner)}.items():
            engine = _find("executor", name)
            config = legacy.config("executor", engine, value, self._report)
            if "overrides" in config and "overrides" not in (kinds.of(engine) or {"overrides": ""}):
                what = f"{owner}: 'overrides' stands beside 'executor_config', not in it"
                fix = f"write overrides: {{{name}: NAME}} at the step"
                self._report.error(codes.BAD_CONFIG, config.key_place("overrides"), what, fix, breaks=False)
                config = config.without("overrides")
            result[name] = _checked(engine, name, config, owner, self._report)
        return raw.replaced({**raw, "executor_config": result})

    def _named(self, given: Value, place: Place, owner: str) -> dict[str, Map]:
        """Return the values that a node's `overrides` name, by executor type; `place` is where they stand."""
        if not isinstance(given, Map):
            what = f"{owner}: 'overrides' must be a mapping of executors to names, not {kind(given)}"
            name = given if isinstance(given, str) else "NAME"
            fix = f"write overrides: {{{self.config['executor']['type']}: {name}}}"
            self._report.error(codes.WRONG_TYPE, place, what, fix, breaks=False)
            return {}
        found: dict[str, Map] = {}
        for name, value in given.items():
            self._known(given, name, owner)
            executor = self.engine(name)
            if isinstance(value, Map):
                found[executor] = value
            elif not isinstance(value, str):
                what = f"{owner}: 'overrides.{name}' must be the name of an override, not {kind(value)}"
                self._report.error(codes.WRONG_TYPE, given.value_place(name), what, breaks=False)
            elif executor == self.config["executor"]["type"]:
                override = self.overrides.get(value)
                if isinstance(override, Map):
                    found[executor] = override
                elif value not in self.overrides:
                    what = f"{owner}: the executor's config has no override {kind(value)}"
                    fix = self._report.did_you_mean(value, self.overrides)
                    fix = fix or f"write the values at the node: executor_config: {{{executor}: {{...}}}}"
                    self._report.error(codes.NOT_RESOLVED, given.value_place(name), what, fix, breaks=False)
        return found

    def _known(self, given: Map, name: str, owner: str) -> None:
        """Warn of a name that is no executor or target here. It is no error: its package may be installed elsewhere."""
        if name in self._engines or _canonical("executor", name):
            return
        what = f"{owner}: there is no executor or target '{name}' here: what is written for it has no effect"
        known = registry.names(*_kinds("executor"))
        fix = self._report.did_you_mean(name, known) or "known: " + ", ".join(known)
        self._report.warning(codes.UNKNOWN_SERVICE, given.key_place(name), what, fix)

    def _by_executor(self, given: Map, owner: str) -> dict[str, Map]:
        """Sort a node's overrides by executor type."""
        configured = self.config["executor"]["type"]
        engine = _find("executor", configured)
        own = kinds.of(engine)
        nested: dict[str, Map] = {}
        flat: list[str] = []
        for key, value in given.items():
            if own and key in own:
                flat.append(key)
            elif isinstance(value, Map) and not self._is_flat(key):
                self._known(given, key, owner)
                nested[self.engine(key)] = value
            elif _canonical("executor", key):
                what = f"{owner}: 'executor_config.{key}' must be a mapping, not {kind(value)}"
                self._report.error(codes.WRONG_TYPE, given.value_place(key), what, breaks=False)
            else:
                flat.append(key)
        taken = given.without(*(key for key in given if key not in flat))
        taken = legacy.config("executor", engine, taken, self._report)
        for key in taken:
            if own is not None and key not in own and _is_anyones(key):
                taken = taken.without(key)  # meant for another executor
        if taken:
            nested[configured] = nested[configured].over(taken) if configured in nested else taken
        return nested

    def _is_flat(self, key: str) -> bool:
        """Tell whether a key belongs to the flat form: some executor has such a key, and no executor has that name."""
        return key not in self._engines and not _canonical("executor", key) and _is_anyones(key)

    def engine(self, name: str) -> str:
        """Return the name of an executor or target, given that name or an alias; an unknown name is returned as it is."""
        if name not in self._engines:
            self._engines[name] = _canonical("executor", name) or name
        return self._engines[name]

    def _unknown(self, block: str, name: str, place: Place) -> None:
        known = registry.names(*_kinds(block))
        fix = self._report.did_you_mean(name, known) or "known: " + ", ".join(known)
        self.unknown.add(block)
        what = f"{block}: there is no type '{name}'"
        self._report.error(codes.UNKNOWN_SERVICE, place, what, fix, breaks=False)


def place_of_own(given: Value, names: Sequence[str], path: Sequence[str | int]) -> Place | None:
    """Return where a value of a node's `executor_config` stands: under one of the names of its executor, or flat.

    If not all keys of `path` are written, it is the place of the last one that is; None if none is.
    """
    if not isinstance(given, Map):
        return None
    known = [name for name in names if name in given]
    places = (_walk(holder, path)[0] for holder in (*(given[name] for name in known), given))
    return next((place for place in places if place is not None), None)


def _walk(value: Value, path: Sequence[str | int]) -> tuple[Place | None, Value]:
    """Return the place and the value of the last key of a path that is written; the place is None if none is written."""
    place = None
    for part in path:
        if isinstance(value, Map) and part in value:
            place, value = value.key_place(str(part)), value[str(part)]
        elif isinstance(value, Seq) and isinstance(part, int) and part < len(value):
            place, value = value.item_place(part), value[part]
        else:
            break
    return place, value


def types_of(block: str) -> Iterator[tuple[str, type[Described]]]:
    """Yield (name, class) of each executor, target or service that the type of a block may name."""
    for one in _kinds(block):
        yield from registry.described(one)


def _kinds(block: str) -> tuple[str, ...]:
    return _KINDS.get(block, (block,))


def _canonical(block: str, name: str) -> str:
    """Return the name for a block's type, which may be an alias; '' if there is no such type."""
    return next(filter(None, (registry.canonical(one, name) for one in _kinds(block))), "")


def _find(block: str, name: str) -> type[Described] | None:
    """Return the description of a block's type; None if there is none, or none that can be imported here."""
    for one in _kinds(block):
        try:
            found = registry.find(one, name)
        except Refused:  # the user is told when it is used
            return None
        if found is not None:
            return found if isinstance(found, type) and issubclass(found, Described) else None
    return None


def _is_anyones(key: str) -> bool:
    """Tell whether any executor or target has a key in its configuration, by today's name or an older one."""
    engines = (found for _, found in types_of("executor"))
    return any(key in (kinds.of(found) or {}) or key in found.older_keys for found in engines)


def _checked(
    described: type[Described] | None, name: str, given: Map, owner: str, report: Report
) -> dict[str, Any]:
    """Return plain configuration values, after checking the keys and kinds that a class describes."""
    keys = kinds.of(described) if given else {}
    if keys is None:
        unchecked: dict[str, Any] = plain(given)
        return unchecked
    result: dict[str, Any] = {}
    for key, value in given.items():
        if key not in keys:
            fix = report.did_you_mean(key, keys)
            if not fix:
                fix = "known: " + ", ".join(sorted(keys)) if keys else f"'{name}' takes no configuration"
            what = f"{owner}: '{name}' has no key '{key}'"
            report.error(codes.BAD_CONFIG, given.key_place(key), what, fix, breaks=False)
            continue
        problem, settled = kinds.read(keys[key], value)
        if not problem:
            result[key] = settled
        else:
            shown = (
                ", ".join(map(kind, value))
                if isinstance(value, Seq) and problem == kinds.ARGV_RULE
                else kind(value)
            )
            what = f"{owner}: '{key}' must be {problem}, not {shown}"
            report.error(codes.BAD_CONFIG, given.value_place(key), what, breaks=False)
    whole: dict[str, Any] = plain(result)
    return whole
