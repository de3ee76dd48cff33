"""The python task of conformance pipelines: does what act.json says (see behaviour.py). Copied into each case's folder."""

import json
import os
import shutil
import sys
import time
from typing import Any

from magnus_render import get_parameter, set_parameter, track_this


def _action() -> Any:
    with open("act.json", encoding="utf-8") as file:
        rules = json.load(file)
    segments = os.environ["MAGNUS_STEP"].split(".")
    attempt = int(os.environ["MAGNUS_ATTEMPT"])
    for pattern, actions in rules:
        if len(pattern) == len(segments) and all(
            p in ("*", s) for p, s in zip(pattern, segments, strict=True)
        ):
            return actions[min(attempt, len(actions)) - 1]
    return {}


_open = []


def _write(action: Any, folder: str) -> None:
    """Write files; those that are there are removed first, so that their modes count for nothing."""
    for path in action.get("hollow", []):
        os.makedirs(os.path.join(folder, path), exist_ok=True)
    texts = {**action.get("files", {}), **{p: " " * size for p, size in action.get("blanks", {}).items()}}
    for path in [*texts, *action.get("copies", {})]:
        if os.path.dirname(path):  # the data folder itself is there when a step begins
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        if os.path.lexists(os.path.join(folder, path)):
            os.remove(os.path.join(folder, path))
    for path, text in texts.items():
        file = open(os.path.join(folder, path), "w", encoding="utf-8", newline="")  # noqa: SIM115
        file.write(text)
        if action.get("unclosed"):
            _open.append(file)
        else:
            file.close()
    for path, source in action.get("copies", {}).items():
        shutil.copyfile(os.path.join(folder, source), os.path.join(folder, path))
    for path, mode in action.get("modes", {}).items():
        os.chmod(os.path.join(folder, path), int(mode, 8))


def run() -> Any:
    action = _action()
    folder = action.get("folder", "data")
    saw = get_parameter()
    track_this(saw=saw)
    if action.get("list_files"):
        track_this(files=sorted(os.listdir(folder)) if os.path.isdir(folder) else [])
    if action.get("clean"):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    values = dict(action.get("set", {}))
    values.update((name, "x" * size) for name, size in action.get("large", {}).items())
    if "collect" in action:
        values[action["collect"]] = saw
    _write(action, folder)
    for key, value in action.get("metrics", {}).items():
        track_this(**{key: value})
    for name, text in action.get("exports", {}).items():
        os.environ["MAGNUS_PRM_" + name] = text
    if "print" in action:
        print(action["print"])
    failing = any(key in action for key in ("sleep", "signal", "exit", "raises"))
    if failing:  # an attempt that ends badly returns nothing, so it sets by the other way
        for key, value in values.items():
            set_parameter(**{key: value})
    if "sleep" in action:
        time.sleep(action["sleep"])
    if "signal" in action:
        os.kill(os.getpid(), action["signal"])
    if "exit" in action:
        sys.exit(action["exit"])
    if "raises" in action:
        raise RuntimeError(action["raises"])
    return values
