"""Reads the configuration blocks: executor, run log store, catalog and secrets, with their defaults and keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus_render.spec import codes, legacy
from magnus_render.spec.models import ServiceSpec
from magnus_render.spec.problems import validate
from magnus_render.spec.tree import Map, Seq, Value, kind, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_render.plan import Config, ServiceConfig
    from magnus_render.spec.report import Place, Report
    from magnus_render.spec.variables import Variables

BLOCKS = ("executor", "run_log_store", "catalog", "secrets")
DEFAULT_DATA_FOLDER = "data"
_DEFAULTS: dict[str, str] = {
    "executor": "local",
    "run_log_store": "file-system",
    "catalog": "file-system",
    "secrets": "do-nothing",
}
_PATHS = {
    ("run_log_store", "file-system"): ".run_log_store",
    ("catalog", "file-system"): ".catalog",
    ("secrets", "dotenv"): ".env",
}

_BATCH = {"job_queue": "text", "job_definition": "text", "resources": "mapping", "environment": "mapping"}
_S3 = {"bucket": "text", "prefix": "text", "region": "text", "endpoint_url": "text", "kms_key": "text"}
KEYS: dict[str, dict[str, dict[str, str]]] = {
    "executor": {
        "local": {"max_workers": "count", "isolated": "flag"},
        "bash": {"launcher": "argv", "magnus_command": "argv", "isolated": "flag"},
        "aws-step-functions": {
            **_BATCH,
            "secret_environment": "list",
            "compute": "text",
            "magnus_command": "argv",
            "plan": "text",
            "tags": "mapping",
            "distributed": "flag",
            "mounts": "list",
            "cluster": "text",
            "task_definition": "text",
            "container": "text",
            "launch_type": "text",
            "subnets": "list",
            "security_groups": "list",
            "assign_public_ip": "flag",
            "image": "text",
            "role": "text",
            "instance_type": "text",
            "volume_size": "count",
            "function": "text",
            "state_machine": "text",
        },
        "argo": {
            "image": "text",
            "image_pull_policy": "text",
            "image_pull_secrets": "list",
            "namespace": "text",
            "service_account_name": "text",
            "kind": "text",
            "magnus_command": "argv",
            "plan": "text",
            "schedule": "any",
            "timezone": "text",
            "parallelism": "count",
            "resources": "mapping",
            "node_selector": "mapping",
            "tolerations": "list",
            "environment": "mapping",
            "secret_environment": "mapping",
            "persistent_volumes": "list",
            "labels": "mapping",
            "annotations": "mapping",
            "security_context": "mapping",
            "pod_spec_patch": "any",
            "pod_gc": "text",
            "ttl_seconds_after_completion": "seconds",
        },
    },
    "run_log_store": {
        "buffered": {"log_limit": "count"},
        "file-system": {"path": "text", "log_limit": "count"},
        "s3": {**_S3, "log_limit": "count"},
    },
    "catalog": {"do-nothing": {}, "file-system": {"path": "text"}, "s3": _S3},
    "secrets": {
        "do-nothing": {},
        "env": {"prefix": "text"},
        "dotenv": {"path": "text"},
        "aws-secrets-manager": {"region": "text", "endpoint_url": "text", "prefix": "text"},
    },
}
"""Keys of what is built in, by block and type."""
_NEEDED = {("run_log_store", "s3"): "bucket", ("catalog", "s3"): "bucket"}

_ARGV = "a command and its arguments, all texts"
_BOUNDS = {"count": (1, 10**9 - 1), "seconds": (0, 2**31 - 1)}
"""Kinds of whole numbers; Kubernetes keeps seconds in 32 bits."""
_GROUPS = {
    "executor": ("magnus_render.executor", "magnus_render.target"),
    "run_log_store": ("magnus_render.run_log_store",),
    "catalog": ("magnus_render.catalog",),
    "secrets": ("magnus_render.secrets",),
}


class Settings:
    """The configuration of a definition, and what the definition's nodes need of it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.config: Config = {
            "executor": {"type": "local", "config": {}},
            "run_log_store": {"type": "file-system", "config": {}},
            "catalog": {"type": "file-system", "config": {}},
            "secrets": {"type": "do-nothing", "config": {}},
        }
        self.data_folder = DEFAULT_DATA_FOLDER
        """`compute_data_folder` of tasks that name none."""
        self.data_folder_named = False
        """True if the configuration names it."""
        self.overrides: dict[str, Value] = {}
        """Named overrides of older files, by name."""
        self.absent: set[str] = set()
        """The blocks that nobody wrote."""
        self.unknown: set[str] = set()
        """The blocks whose type is not known."""
        self.incomplete: set[str] = set()
        """The blocks that lack what they need."""
        self._unset = False
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

        It is the place of the last key that is written; None if the block is not, or for an empty path.
        """
        if not path or path[0] not in self._written:
            return None
        place, value = self._written[str(path[0])]
        return _walk(value, path[1:])[0] or place

    def not_known(self, path: Sequence[str | int]) -> bool:
        """Tell whether a value of the configuration waits for a variable that is not set, which has been reported."""
        if not (self._unset and path and path[0] in self._written):
            return False
        return "${" in json.dumps(plain(_walk(self._written[str(path[0])][1], path[1:])[1]))

    def _service(self, block: str, holder: Map, variables: Variables) -> ServiceConfig:
        raw: Value = holder.get(block)
        if raw is None:
            self.absent.add(block)
        given = Map.at(holder.place() if raw is None else holder.key_place(block))
        name = _DEFAULTS[block]
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
                name = legacy.SERVICES[block].get(raw["type"], raw["type"])
                if spec is not None:
                    self._known(block, name, raw.value_place("type"))
            if spec is not None and isinstance(raw.get("config"), Map):
                given = legacy.config(block, name, raw["config"], self._report)
        given = self._own_keys(block, given)
        if raw is not None:
            self._written[block] = holder.key_place(block), given
        config = checked(block, name, given, block, self._report)
        if _NEEDED.get((block, name), "type") not in {"type", *given}:
            self.incomplete.add(block)
        if (block, name) in _PATHS:
            config = {"path": _PATHS[block, name], **config}
        return {"type": name, "config": config}

    def _own_keys(self, block: str, given: Map) -> Map:
        """Take out the keys that the front end itself obeys."""
        if block == "catalog" and "compute_data_folder" in given:
            from magnus_render.spec.models import CatalogSpec

            only = given.without(*(key for key in given if key != "compute_data_folder"))
            spec = validate(CatalogSpec, only, block, given.place(), self._report)
            if spec is not None and spec.compute_data_folder:
                self.data_folder, self.data_folder_named = spec.compute_data_folder, True
            return given.without("compute_data_folder")
        if block == "executor" and isinstance(given.get("overrides"), Map):
            self.overrides = dict(given["overrides"])
            return given.without("overrides")
        return given

    def node(self, raw: Map, owner: str) -> Map:
        """Return a node whose `executor_config` holds checked overrides by executor type.

        Understood too: the flat form of older files, which is meant for whatever executor is in use, and `overrides`,
        which name entries under `overrides` of the executor's config.
        """
        given = raw.get("executor_config", Map.at(raw.place()))
        if not isinstance(given, Map):
            return raw
        if "overrides" in raw and raw.get("type") != "as-is":
            named = self._named(raw["overrides"], owner)
            at = raw.key_place("overrides")
            raw = raw.without("overrides")
            if "executor_config" not in raw:
                raw.put("executor_config", given, at)
        else:
            named = {}
        if "executor_config" not in raw:
            return raw
        result: dict[str, Any] = {}
        for name, value in {**named, **self._by_executor(given, owner)}.items():
            config = legacy.config("executor", name, value, self._report)
            result[name] = checked("executor", name, config, owner, self._report)
        return raw.replaced({**raw, "executor_config": result})

    def _named(self, given: Value, owner: str) -> dict[str, Map]:
        found: dict[str, Map] = {}
        for name, value in given.items() if isinstance(given, Map) else ():
            executor = legacy.EXECUTORS.get(name, name)
            if isinstance(value, Map):
                found[executor] = value
            elif executor == self.config["executor"]["type"]:
                override = self.overrides.get(value) if isinstance(value, str) else None
                if isinstance(override, Map):
                    found[executor] = override
                else:
                    what = f"{owner}: the executor's config has no override {kind(value)}"
                    fix = f"write the values at the node: executor_config: {{{executor}: {{...}}}}"
                    self._report.error(codes.NOT_RESOLVED, given.value_place(name), what, fix, breaks=False)
        return found

    def _by_executor(self, given: Map, owner: str) -> dict[str, Map]:
        """Sort a node's overrides by executor type."""
        known = KEYS["executor"]
        configured = self.config["executor"]["type"]
        own = known.get(configured)
        nested: dict[str, Map] = {}
        flat: list[str] = []
        for key, value in given.items():
            name = legacy.EXECUTORS.get(key, key)
            if isinstance(value, Map) and not (own and key in own):
                nested[name] = value
            elif name in known:
                what = f"{owner}: 'executor_config.{key}' must be a mapping, not {kind(value)}"
                self._report.error(codes.WRONG_TYPE, given.value_place(key), what, breaks=False)
            else:
                flat.append(key)
        taken = given.without(*(key for key in given if key not in flat))
        taken = legacy.config("executor", configured, taken, self._report)
        for key in taken:
            everywhere = [keys for keys in known.values() if key in keys]
            if own is not None and key not in own and everywhere:
                taken = taken.without(key)  # meant for another executor
        if taken:
            nested[configured] = nested[configured].over(taken) if configured in nested else taken
        return nested

    def _known(self, block: str, name: str, place: Place) -> None:
        if name in KEYS[block]:
            return
        registered = [entry for group in _GROUPS[block] for entry in registered_names(group)]
        if name in registered:
            return
        known = sorted({*KEYS[block], *registered})
        fix = self._report.did_you_mean(name, known) or "known: " + ", ".join(known)
        self.unknown.add(block)
        what = f"{block}: there is no type '{name}'"
        self._report.error(codes.UNKNOWN_SERVICE, place, what, fix, breaks=False)


def place_of_own(given: Value, names: Sequence[str], path: Sequence[str | int]) -> Place | None:
    """Return where a value of a node's `executor_config` stands: under one of the names of its executor, or flat.

    It is the place of the last key of `path` that is written; None if none is.
    """
    if not isinstance(given, Map):
        return None
    known = [name for name in names if name in given]
    places = (_walk(holder, path)[0] for holder in (*(given[name] for name in known), given))
    return next((place for place in places if place is not None), None)


def _walk(value: Value, path: Sequence[str | int]) -> tuple[Place | None, Value]:
    """Return the place of the last key on a way that is written, None if not even the first is; and its value."""
    place = None
    for part in path:
        if isinstance(value, Map) and part in value:
            place, value = value.key_place(str(part)), value[str(part)]
        elif isinstance(value, Seq) and isinstance(part, int) and part < len(value):
            place, value = value.item_place(part), value[part]
        else:
            break
    return place, value


def registered_names(group: str) -> list[str]:
    """Return the names that installed packages register in an entry-point group."""
    from importlib.metadata import entry_points

    return [entry.name for entry in entry_points(group=group)]


def checked(block: str, name: str, given: Map, owner: str, report: Report) -> dict[str, Any]:
    """Return plain configuration values, after checking the keys and kinds of what is built in."""
    keys = KEYS[block].get(name)
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
        problem, settled = _as(keys[key], value)
        if not problem:
            result[key] = settled
        else:
            shown = (
                ", ".join(map(kind, value)) if isinstance(value, Seq) and problem == _ARGV else kind(value)
            )
            what = f"{owner}: '{key}' must be {problem}, not {shown}"
            report.error(codes.BAD_CONFIG, given.value_place(key), what, breaks=False)
    needed = _NEEDED.get((block, name))
    if needed is not None and needed not in given:
        what = f"{owner}: '{name}' needs '{needed}'"
        report.error(codes.BAD_CONFIG, given.place(), what, f"write config: {{{needed}: ...}}", breaks=False)
    whole: dict[str, Any] = plain(result)
    return whole


def _as(wanted: str, value: Value) -> tuple[str, Value]:
    """Return what the value should have been ('' if it is), and the value; variables give numbers as texts."""
    if wanted == "text":
        return "" if isinstance(value, str) and value else "a text", value
    if wanted == "flag":
        value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
        return "" if isinstance(value, bool) else "true or false", value
    if wanted in _BOUNDS:
        least, most = _BOUNDS[wanted]
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
            value = int(value)
        fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if fine else f"a whole number from {least} to {most:,}", value
    if wanted == "argv":
        words = _words(value) if isinstance(value, str) else value
        fine = isinstance(words, list) and all(isinstance(word, str) and "\0" not in word for word in words)
        return "" if fine else _ARGV, words
    if wanted == "list":
        return "" if isinstance(value, list) else "a list", value
    if wanted == "mapping":
        return "" if isinstance(value, dict) else "a mapping", value
    return "", value


def _words(command: str) -> list[str] | None:
    import shlex

    try:
        return shlex.split(command)
    except ValueError:
        return None
