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


def run() -> Any:
    action = _action()
    saw = get_parameter()
    track_this(saw=saw)
    if action.get("list_files"):
        track_this(files=sorted(os.listdir("data")) if os.path.isdir("data") else [])
    if action.get("clean"):
        shutil.rmtree("data", ignore_errors=True)
        os.makedirs("data")
    values = dict(action.get("set", {}))
    values.update((name, "x" * size) for name, size in action.get("large", {}).items())
    if "collect" in action:
        values[action["collect"]] = saw
    for path, text in action.get("files", {}).items():
        os.makedirs(os.path.dirname("data/" + path), exist_ok=True)
        with open("data/" + path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    for path, source in action.get("copies", {}).items():
        os.makedirs(os.path.dirname("data/" + path), exist_ok=True)
        shutil.copyfile("data/" + source, "data/" + path)
    for key, value in action.get("metrics", {}).items():
        track_this(**{key: value})
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
