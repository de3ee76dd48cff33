"""Creates the record of a run: the definition in pages, the initial parameters, who walks it."""

from __future__ import annotations

import json
import os
import time

from magnus_render.errors import Refused, UsageError
from magnus_render.plan import AS_IS, RECORDS_VERSION, as_is_text
from magnus_render.runtime import shapes
from magnus_render.runtime.records import Run, check_run_id, dumps, page_of
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.runtime.tasks.values import check, exact
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from magnus_render.plan import (
        CodeIdentity,
        Json,
        NativeStart,
        Plan,
        RunRecord,
    )
    from magnus_render.services.base import BaseRunLogStore

PAGE_NODES = 16
INPUTS = {"parameters": dict, "use_cached": str, "tag": str}
"""What an execution's input may hold, by the kind of value."""
PREFIX = "MAGNUS_PRM_"


def from_environment(environment: Mapping[str, str]) -> dict[str, Json]:
    """Return the initial parameters that an environment gives; names keep their case."""
    return {
        name[len(PREFIX) :]: exact(value)
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and len(name) > len(PREFIX)
    }


def initial_parameters(
    of_input: Mapping[str, Json],
    of_file: Mapping[str, Json],
    environment: Mapping[str, str],
    texts: Sequence[str],
) -> dict[str, Json]:
    """Return the initial parameters of a run: of an execution's input, a file, an environment, and `NAME=VALUE`.

    Of two values the later wins. Raises `UsageError` for a text that is not NAME=VALUE.
    """
    parameters = {**of_input, **of_file, **from_environment(environment)}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--param takes NAME=VALUE, not '{text}'")
        parameters[name] = exact(value)
    return parameters


def create(
    store: BaseRunLogStore,
    run_id: str,
    plan: Plan,
    *,
    parameters: Mapping[str, Json],
    walk: str,
    target: str,
    tag: str = "",
    use_cached: str = "",
) -> Run:
    """Create a run, or return the one that the same walk created before.

    Raises `Refused` if it exists and differs: another definition, other parameters, another walk.
    """
    if use_cached == run_id:
        raise UsageError("--use-cached names the run itself")
    given, changed = dict(parameters), False
    try:
        check(given, {})
    except TaskFailure as error:
        raise Refused(f"initial parameters: {error}") from None
    original = None
    if use_cached:
        original = Run.open(store, check_run_id(use_cached, "--use-cached: "))
        if original is None:
            raise Refused(f"--use-cached: there is no run '{use_cached}' in the run log store")
        old = original.unpack(original.record["parameters"])
        changed = any(name not in old or dumps(old[name]) != dumps(value) for name, value in given.items())
        given = {**old, **given}
    pages = -(-len(plan["nodes"]) // PAGE_NODES)
    record: RunRecord = {
        "version": RECORDS_VERSION,
        "run_id": run_id,
        "name": plan["name"],
        "dag_hash": plan["dag_hash"],
        "pages": pages,
        "parameters": {"values": {}, "large": {}},
        "tag": tag,
        "target": target,
        "walk": walk,
        "code": {"commit": "", "dirty": False},
        "original_run_id": use_cached,
        "changed": changed,
        "created": time.time(),
        "max_time": plan["max_time"],
        "variables": plan["variables"],
    }
    run = Run(store, run_id, record)
    record["parameters"] = run.pack(given)
    existing = Run.open(store, run_id)
    if existing is None:
        record["code"] = code_identity()
        _write_pages(run, plan, pages)
        if run.create("run.json", record):
            if original is not None:
                _say_of_other_code(original.record, record)
            return run
        existing = Run.open(store, run_id)
        assert existing is not None
    _compare(existing.record, record)
    return existing


def _say_of_other_code(original: RunRecord, record: RunRecord) -> None:
    """Say so if the results that are taken over were made by other code: a step's hash tells its definition alone."""
    there, here = original["code"], record["code"]
    if there != here:
        say(
            f"--use-cached: run {original['run_id']} was made by {_code(there)}, this project is {_code(here)}: what "
            "succeeded there is taken over where the definition is the same, whatever its code does now"
        )


def _code(code: CodeIdentity) -> str:
    if not code["commit"]:
        return "code of no known commit"
    return f"commit {code['commit'][:12]}{' with changes' if code['dirty'] else ''}"


def native_start(store: BaseRunLogStore, run_id: str) -> NativeStart | None:
    """Return what an engine wrote of a run as its first act, or None.

    Raises `Refused` if the execution's input is not what a run is started with.
    """
    data = store.read(f"{run_id}/start.json")
    if data is None:
        return None
    start: NativeStart = shapes.record(run_id, "start.json", data)
    start["input"] = checked_input(start["input"])
    return start


def given_input(encoded: str) -> dict[str, Any]:
    """Return what an engine that has no store hands to every callback: the input's JSON in base64, '' for none.

    Raises `Refused` if it is not what a run is started with.
    """
    if not encoded:
        return {}
    import base64

    try:
        given = json.loads(base64.b64decode(encoded, validate=True))
    except (ValueError, RecursionError) as error:
        raise Refused(f"MAGNUS_INPUT is not JSON in base64: {error}") from None
    return checked_input(given)


def checked_input(given: Any) -> dict[str, Any]:
    """Return the input of an execution; raise `Refused` if it is not what a run is started with."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused("the execution's input is not a JSON object")
    for name in given:
        if name not in INPUTS and not name.startswith("AWS_"):
            raise Refused(f"the execution's input has an unknown name '{name}': it takes {', '.join(INPUTS)}")
    if isinstance(given.get("parameters"), str):
        given = {**given, "parameters": _from_text(given["parameters"])}
    for name, kind in INPUTS.items():
        if not isinstance(given.get(name, kind()), kind):
            what = "a JSON object" if kind is dict else "a text"
            raise Refused(f"the execution's input: '{name}' must be {what}")
    return dict(given)


def _from_text(text: str) -> Any:
    """Return parameters that were given as a text: the JSON of an object, or that in base64.

    An engine may hand numbers on as its own kind of number (1.0 as 1, large integers rounded), or expand what it takes for
    tags of its own. Text, or text that means nothing to it, it leaves alone.
    """
    found = text.strip() or "{}"
    try:
        if not found.startswith("{"):
            import base64

            found = base64.b64decode(found, validate=True).decode()
        return json.loads(found)
    except (ValueError, RecursionError) as error:
        what = "'parameters' is a text, but neither JSON nor that in base64"
        raise Refused(f"the execution's input: {what}: {error}") from None


def from_native(store: BaseRunLogStore, run_id: str, plan: Plan, start: NativeStart) -> Run:
    """Create the run that an engine has started."""
    if start["dag_hash"] != plan["dag_hash"]:
        raise Refused(
            f"the definition is {plan['dag_hash']}, the machine was rendered from {start['dag_hash']}: "
            "they have drifted apart; render again and deploy both"
        )
    given = start["input"]
    return create(
        store,
        run_id,
        plan,
        parameters=given.get("parameters", {}),
        walk=start["walk"],
        target=start["target"],
        tag=given.get("tag", ""),
        use_cached=given.get("use_cached", ""),
    )


def _compare(there: RunRecord, mine: RunRecord) -> None:
    if there["walk"] != mine["walk"]:
        raise Refused(
            f"run id '{mine['run_id']}' is in use: another walk created it ({there['target']}). "
            "Choose another id, or --resume to go on with an interrupted walk"
        )
    check_hash(there, mine["dag_hash"])
    for field, words in (
        ("parameters", "other initial parameters"),
        ("original_run_id", "another --use-cached"),
        ("tag", "another tag"),
    ):
        if dumps(there[field]) != dumps(mine[field]):  # type: ignore[literal-required]
            raise Refused(f"run '{mine['run_id']}' exists with {words}")


def check_hash(there: RunRecord, dag_hash: str) -> None:
    """Refuse a caller whose definition is not the run's: manifest and image have drifted apart."""
    if dag_hash and there["dag_hash"] != dag_hash:
        raise Refused(
            f"run '{there['run_id']}' has the definition {there['dag_hash']}, the caller has {dag_hash}: "
            "manifest and definition have drifted apart; render again and deploy both"
        )


def resume(store: BaseRunLogStore, run_id: str, parameters: Mapping[str, Json]) -> Run:
    """Return a run that an interrupted walk left, to go on with it.

    Raises `Refused` if there is none, if it reached its fail node, or if other initial parameters are given.
    """
    run = Run.open(store, run_id)
    if run is None:
        raise Refused(f"--resume: there is no run '{run_id}' in the run log store")
    end = run.of("", "end")
    if end and end["status"] == "FAIL":
        raise Refused(
            f"run '{run_id}' has failed and is closed: start a new run with --use-cached {run_id} "
            "to run again from the failure"
        )
    frozen = run.unpack(run.record["parameters"])
    for name, value in parameters.items():
        if name not in frozen or dumps(frozen[name]) != dumps(value):
            raise Refused(f"run '{run_id}': parameter '{name}' differs from the one the run was started with")
    return run


def _write_pages(run: Run, plan: Plan, pages: int) -> None:
    books: list[dict[str, Any]] = [{} for _ in range(pages)]
    for address, node in plan["nodes"].items():
        page: dict[str, Any] = {k: v for k, v in node.items() if k not in ("render", "executor_config")}
        if node["type"] == AS_IS:
            page["silent"] = as_is_text(node, run.record["target"]) is None
        books[page_of(address, pages)][address] = page
    folder = f"plan/{plan['dag_hash']}"
    run.create(f"{folder}/graphs.json", {k: v for k, v in plan.items() if k != "nodes"})
    for number, nodes in enumerate(books):
        run.create(f"{folder}/{number}.json", {"nodes": nodes})


def code_identity() -> CodeIdentity:
    """Return the git commit of the working folder and whether it has changes; empty without git or a repository."""
    commit = _git("rev-parse", "HEAD").strip()
    return {"commit": commit, "dirty": bool(commit) and bool(_git("status", "--porcelain"))}


def _git(*words: str) -> str:
    import shutil

    if shutil.which("git") is None:
        return ""
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    actions = [
        (os.POSIX_SPAWN_DUP2, null, 0),
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_DUP2, null, 2),
    ]
    pid = os.posix_spawnp("git", ["git", *words], os.environ, file_actions=actions)
    os.close(writer)
    os.close(null)
    with os.fdopen(reader, "rb") as stream:
        output = stream.read().decode("utf-8", "replace")
    _, status = os.waitpid(pid, 0)
    return output if status == 0 else ""
