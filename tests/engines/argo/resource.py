"""What Argo's executor does for a `resource` template, as the pod's account: the action, the wait, the outputs.

    python resource.py KUBECTL USER NAMESPACE FOLDER

reads the template in FOLDER and leaves its outputs there. Source of the rules: `workflow/executor/resource.go`, which has
kubectl within. It reads with nothing but `get`, and looks at once and then every five seconds; a refusal ends the pod.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_TEMPLATE, _MANIFEST = "template.json", "manifest.yaml"
_CONDITION = re.compile(r"\s*(\S+?)\s*(==|=|!=|>|<)\s*(\S*)\s*")
"""Of the syntax of label selectors, what compares."""
_SECONDS_BETWEEN_LOOKS = 0.1
_KNOWN = {"action", "manifest", "mergeStrategy", "flags", "successCondition", "failureCondition"}


def missing(template: dict[str, Any]) -> str | None:
    """Return what a template asks for that the engine does not do, if there is anything."""
    resource = template["resource"]
    conditions = [one for key in ("successCondition", "failureCondition") for one in _split(resource, key)]
    sources = [one.get("valueFrom", {}) for one in template.get("outputs", {}).get("parameters", ())]
    more = [
        *sorted(resource.keys() - _KNOWN),
        *(one for one in conditions if not _CONDITION.fullmatch(one)),
        *("an output without jsonPath" for one in sources if "jsonPath" not in one),
    ]
    return f"the engine knows of a resource template no {', '.join(more)}" if more else None


def prepare(template: dict[str, Any], folder: Path) -> None:
    """Write what this program reads."""
    (folder / _TEMPLATE).write_text(json.dumps(template), encoding="utf-8")
    (folder / _MANIFEST).write_text(template["resource"].get("manifest", ""), encoding="utf-8")


def told(template: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the template with its outputs read from where this program has left them."""
    found = copy.deepcopy(template)
    for one in found.get("outputs", {}).get("parameters", ()) if "resource" in found else ():
        one["valueFrom"] = {"path": str(folder / f"{one['name']}.output")}
    return found


def _split(resource: dict[str, Any], key: str) -> list[str]:
    return [one for one in resource.get(key, "").split(",") if one]


class _Executor:
    def __init__(self, kubectl: str, user: str, namespace: str, folder: str) -> None:
        self._words = [kubectl, "--as", user, "-n", namespace]
        self._folder = Path(folder)
        self._template = json.loads((self._folder / _TEMPLATE).read_text(encoding="utf-8"))
        self._resource = self._template["resource"]

    def run(self) -> None:
        printed = self._kubectl(*self._arguments())
        if self._resource["action"] == "delete":
            return
        made = json.loads(printed)
        group, _, _ = made["apiVersion"].rpartition("/")
        name = f"{made['kind'].lower()}.{group}/{made['metadata']['name']}"
        while self._waits(name):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        for one in self._template.get("outputs", {}).get("parameters", ()):
            value = self._kubectl("get", name, "-o", f"jsonpath={one['valueFrom']['jsonPath']}")
            (self._folder / f"{one['name']}.output").write_text(value, encoding="utf-8")

    def _arguments(self) -> list[str]:
        action, file = self._resource["action"], str(self._folder / _MANIFEST)
        words = [action]
        strategy = self._resource.get("mergeStrategy") or "strategic"
        words += ["--ignore-not-found"] if action == "delete" else []
        words += ["--type", strategy, "--patch-file", file] if action == "patch" else []
        words += self._resource.get("flags", ())
        words += [] if (action, strategy) == ("patch", "json") else ["-f", file]
        return [*words, "-o", "name" if action == "delete" else "json"]

    def _waits(self, name: str) -> bool:
        success, failure = (_split(self._resource, key) for key in ("successCondition", "failureCondition"))
        if not success and not failure:
            return False
        found = json.loads(self._kubectl("get", name, "-o", "json"))
        for one in failure:
            if _holds(one, found):
                sys.exit(f"failure condition '{one}' evaluated true")
        return not all(_holds(one, found) for one in success)

    def _kubectl(self, *words: str) -> str:
        done = subprocess.run([*self._words, *words], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.returncode)
        print(done.stdout, end="", flush=True)
        return done.stdout


def _holds(condition: str, found: Any) -> bool:
    match = _CONDITION.fullmatch(condition)
    assert match
    path, sign, wanted = match.groups()
    for key in path.split("."):
        found = found[int(key)] if isinstance(found, list) else (found or {}).get(key)
    text = found if isinstance(found, str) else json.dumps(found)
    if sign in "<>":
        return found is not None and (int(text) < int(wanted) if sign == "<" else int(text) > int(wanted))
    return (found is not None and text == wanted) == (sign != "!=")


if __name__ == "__main__":
    _Executor(*sys.argv[1:]).run()
