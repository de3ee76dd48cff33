"""What the reference says of one attempt of a task: what it gets, sets and puts, and how it ends (DESIGN §3.5, §3.6)."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.behaviour import PYTHON_COMMAND, SHELL_COMMAND, Action, large_values, written
from tests.conformance.reference_state import File, Log, Place, State


@dataclass
class Attempt:
    """What one attempt of a task leaves in its record."""

    message: str = ""
    failed: bool = False
    set: dict[str, Any] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    catalog: list[Log] = field(default_factory=list)

    def fail(self, message: str) -> Attempt:
        self.failed, self.message, self.set, self.files = True, message, {}, {}
        return self


def run_attempt(node: Any, action: Action, here: Place, state: State) -> Attempt:
    """One attempt: get files, run the command, take what it set, put files. Any failure ends it."""
    attempt = Attempt()
    warnings = []

    # get
    got: dict[str, File] = {}
    for pattern in node.get("catalog", {}).get("get", []):
        found = matching(pattern, state.files)
        if not found and is_glob(pattern):
            warnings.append(f"catalog: '{pattern}' matches nothing to get")
        elif not found:
            return attempt.fail(f"catalog: nothing to get for '{pattern}'")
        got.update(found)
    attempt.catalog = entries("get", got)

    # the command
    visible = {**state.parameters, **here.variables}
    if node["command"] in (SHELL_COMMAND, PYTHON_COMMAND):
        attempt.metrics["saw"] = visible
    if action.list_files:
        attempt.metrics["files"] = sorted(got)
    attempt.metrics.update(action.metrics)
    # what this attempt got or wrote, and it alone: nothing else can be put
    in_folder = {**({} if action.clean else got)}
    in_folder.update((path, File(text)) for path, text in written(action).items())
    for path, source in action.copies.items():
        in_folder[path] = File(in_folder[source].text)
    for path, mode in action.modes.items():
        in_folder[path] = in_folder[path]._replace(mode=int(mode, 8))

    # what it sets; by a function call, a map's variable is refused at once, else when the command has ended
    attempt.set = {**action.set, **large_values(action)}
    for line in action.lines:
        name, _, value = line.partition("=")
        attempt.set[name] = value
    if action.collect:
        attempt.set[action.collect] = visible
    called = set(attempt.set) if node["command"] == PYTHON_COMMAND else set()
    attempt.set.update(exported(action.exports, visible))
    forbidden = next((key for key in attempt.set if key in here.variables), None)
    refusal = f"'{forbidden}' is the map's variable and cannot be set"
    if forbidden in called:
        return attempt.fail(refusal)

    # how it ends
    if action.sleep:
        return attempt.fail(f"timed out after {node['timeout']:g} s")
    if action.signal:
        return attempt.fail(f"killed by signal {action.signal}")
    if action.exit:
        return attempt.fail(f"exited with status {action.exit}")
    if action.raises:
        return attempt.fail("RuntimeError: " + action.raises.split("\n")[0])
    if action.fails:
        return attempt.fail(action.fails)

    if forbidden is not None:
        return attempt.fail(refusal)

    # put
    folder = node.get("catalog", {}).get("compute_data_folder", "data")
    for pattern in node.get("catalog", {}).get("put", []):
        found = matching(pattern, in_folder)
        if not found and is_glob(pattern):
            warnings.append(f"catalog: '{pattern}' matches nothing to put")
        elif not found:
            return attempt.fail(
                f"catalog: nothing to put for '{pattern}': this attempt has not written it in '{folder}'"
                + likely(pattern, folder, in_folder)
            )
        attempt.files.update(found)
    attempt.catalog += entries("put", attempt.files)
    attempt.message = "\n".join([*warnings, *action.warns])
    return attempt


def likely(name: str, folder: str, files: dict[str, File]) -> str:
    """The question whether another file was meant: one that the name has the data folder in front of, or the most alike."""
    for file in files:
        if name == f"{folder}/{file}":
            return f" (did you mean '{file}'?)"
    alike = difflib.get_close_matches(name, files, 1)
    return f" (did you mean '{alike[0]}'?)" if alike else ""


def exported(exports: dict[str, str], visible: dict[str, Any]) -> dict[str, Any]:
    """What variables of the environment set: those that are not as they were given.

    A string parameter stays a string, any other is JSON where the text parses, but for a number that is written otherwise.
    """
    found: dict[str, Any] = {}
    for name, text in exports.items():
        before = visible.get(name)
        if name in visible and text == (before if isinstance(before, str) else json.dumps(before)):
            continue
        try:
            value = text if isinstance(before, str) else json.loads(text)
            found[name] = text if type(value) in (int, float) and str(value) != text else value
        except ValueError:
            found[name] = text
    return found


def entries(stage: str, files: dict[str, File]) -> list[Log]:
    """Catalog entries of a step's log."""
    return [
        {
            "name": path,
            "stage": stage,
            "sha256": hashlib.sha256(files[path].text.encode()).hexdigest(),
            "size": len(files[path].text.encode()),
        }
        for path in sorted(files)
    ]


def is_glob(pattern: str) -> bool:
    return any(c in pattern for c in "*?[")


def matching(pattern: str, files: dict[str, File]) -> dict[str, File]:
    """The files that a pattern names: `*` and `?` do not cross a `/`, `**/` stands for any folders.

    A pattern that names a folder names all files below it.
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[a-z]+\])", pattern)
    meaning = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    meaning.update((part, part) for part in parts if part.startswith("["))
    expression = "".join(meaning.get(part) or re.escape(part) for part in parts) + "(/.*)?"
    return {path: file for path, file in files.items() if re.fullmatch(expression, path, re.DOTALL)}
