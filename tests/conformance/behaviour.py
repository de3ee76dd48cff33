"""What tasks of conformance pipelines do: a small language of actions.

A table says, for each dot path and attempt of the user's, what the task does: fail, set parameters, write files, ... The
reference interpreter reads the table itself; for the engines it is written into the case's folder in two forms, so that
a task finds its own action by `$MAGNUS_STEP` and `$MAGNUS_ATTEMPT` on whatever engine it runs:

- `act.sh`, for shell tasks: `command: . ./act.sh`. Builtins of `/bin/sh` only, but for files: seldom is a process started.
- `act.py` and `act.json`, for python tasks: `command: act.run`.

Besides doing its action, a task tracks the metric `saw`: all parameters and map variables that it sees, so that two
engines whose tasks saw different things have different logs. Tasks with another command do what that says; then the
table tells the reference alone what comes of it (`fails`, `final`, `warns`, `set`, `metrics`).
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tests.conformance.naming import slug

SHELL_COMMAND = ". ./act.sh"
PYTHON_COMMAND = "act.run"


@dataclass(frozen=True)
class Action:
    """What one attempt does, in this order; the failing ends (`exit` and below) come last."""

    clean: bool = False
    """Remove all files of the data folder: what a put glob matches is then the same on every engine."""
    list_files: bool = False
    """Track the metric `files`: the files in the data folder before this step wrote any, sorted."""
    set: dict[str, Any] = field(default_factory=dict)
    """Parameters to set."""
    large: dict[str, int] = field(default_factory=dict)
    """Parameters to set to text of this many characters."""
    lines: list[str] = field(default_factory=list)
    """Lines for `$MAGNUS_OUTPUT`, `name=value` (shell only)."""
    collect: str = ""
    """Name of a parameter to set to the object of everything the task sees."""
    folder: str = "data"
    """The data folder, as the step's `compute_data_folder` has it."""
    files: dict[str, str] = field(default_factory=dict)
    """Files to write into the data folder, in place of those that are there: path -> text."""
    blanks: dict[str, int] = field(default_factory=dict)
    """The same, with so many blanks in them: large files."""
    modes: dict[str, str] = field(default_factory=dict)
    """What to make of the modes of files: path -> octal digits. Others have 644."""
    hollow: list[str] = field(default_factory=list)
    """Folders to make that stay empty."""
    unclosed: bool = False
    """Leave the files that are written open (python only)."""
    copies: dict[str, str] = field(default_factory=dict)
    """Files to copy inside the data folder: new path -> path."""
    metrics: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)
    """Parameters to set by the environment's `MAGNUS_PRM_*`: name -> text."""
    print: str = ""
    leaves: str = ""
    """How a shell ends well: by an exit `trap` of its own, by exit in a `function`, by `exec` of another program."""
    exit: int = 0
    """Exit status."""
    signal: int = 0
    """Number of the signal with which the task ends itself."""
    sleep: float = 0
    """Seconds to sleep at last: longer than the step's timeout, or pointless."""
    raises: str = ""
    """Text of a RuntimeError to raise (python only)."""
    fails: str = ""
    """The runtime refuses this attempt with that message (for the reference only)."""
    final: bool = False
    """No further attempt is made of a step that fails so (for the reference only)."""
    warns: list[str] = field(default_factory=list)
    """What the runtime has to say of an attempt that succeeds (for the reference only)."""


def written(action: Action) -> dict[str, str]:
    """Return the files that an action writes, with their texts."""
    return {**action.files, **{path: " " * size for path, size in action.blanks.items()}}


def large_values(action: Action) -> dict[str, str]:
    """Return the parameters that `large` of an action stands for."""
    return {name: "x" * size for name, size in action.large.items()}


class Behaviour:
    """The table: dot paths, `*` standing for any one segment, to the actions of the attempts; the first match counts.

    The last action of a list is repeated. A task that matches nothing does nothing (but tell what it saw).
    """

    def __init__(self, table: dict[str, Any]) -> None:
        known = {f.name for f in fields(Action)}
        self.rules: list[tuple[list[str], list[Action]]] = []
        for path, actions in table.items():
            listed = actions if isinstance(actions, list) else [actions]
            for action in listed:
                if not set(action) <= known:
                    raise ValueError(f"{path}: unknown in an action: {sorted(set(action) - known)}")
            self.rules.append((path.split("."), [Action(**action) for action in listed]))

    def action(self, path: str, attempt: int) -> Action:
        """Return what attempt `attempt` (from 1) of the task at a dot path does."""
        segments = path.split(".")
        for pattern, actions in self.rules:
            if len(pattern) == len(segments) and all(
                p in ("*", s) for p, s in zip(pattern, segments, strict=True)
            ):
                return actions[min(attempt, len(actions)) - 1]
        return Action()

    def write(self, folder: Path) -> None:
        """Write act.sh, act.py and act.json into a case's folder."""
        cases = "".join(
            f"{_label(pattern, None if last else n)})\n{_shell(action)};;\n"
            for pattern, actions in self.rules
            for n, action in enumerate(actions, 1)
            for last in [n == len(actions)]
        )
        (folder / "act.sh").write_text(
            f'{_SAW}case "$#:$MAGNUS_STEP/$MAGNUS_ATTEMPT" in\n{cases}esac\n', encoding="utf-8"
        )
        table = [
            [[p if p == "*" else slug(p) for p in pattern], [_changed(a) for a in actions]]
            for pattern, actions in self.rules
        ]
        (folder / "act.json").write_text(json.dumps(table), encoding="utf-8")
        (folder / "act.py").write_text(Path(__file__).with_name("act.py").read_text(encoding="utf-8"))


_SAW = """saw=
while IFS= read -r line || [ -n "$line" ]; do saw=$saw$line; done < "$MAGNUS_PARAMETERS"
printf '{"saw": %s}\\n' "$saw" >> "$MAGNUS_METRICS"
blanks=$IFS
IFS=.
set -- $MAGNUS_STEP
IFS=$blanks
"""


def _changed(action: Action) -> dict[str, Any]:
    return {
        f.name: value
        for f in fields(Action)
        if (value := getattr(action, f.name)) != getattr(Action(), f.name)
    }


def _label(pattern: list[str], attempt: int | None) -> str:
    """The `case` label of an action; slugs are inert in a shell.

    The number of segments comes first, so that no `*` can stand for more than one of them.
    """
    return f"{len(pattern)}:" + ".".join(p if p == "*" else slug(p) for p in pattern) + f"/{attempt or '*'}"


def _json_line(value: Any) -> str:
    return "printf '%s\\n' " + shlex.quote(json.dumps(value))


def _shell(action: Action) -> str:
    lines = []
    folder = shlex.quote(action.folder)
    if action.list_files:
        lines += [
            "files=",
            f'for f in {folder}/*; do if [ -e "$f" ]; then files="$files${{files:+, }}\\"${{f#{folder}/}}\\""; fi; done',
            'printf \'{"files": [%s]}\\n\' "$files" >> "$MAGNUS_METRICS"',
        ]
    if action.clean:
        lines.append(f"rm -rf {folder}/*")
    for values in (action.set, large_values(action)):
        if values:
            lines.append(_json_line(values) + ' >> "$MAGNUS_OUTPUT"')
    for line in action.lines:
        lines.append(f"printf '%s\\n' {shlex.quote(line)} >> \"$MAGNUS_OUTPUT\"")
    if action.collect:
        lines.append(
            f'printf \'{{%s: %s}}\\n\' {shlex.quote(json.dumps(action.collect))} "$saw" >> "$MAGNUS_OUTPUT"'
        )
    lines += _shell_files(action)
    if action.metrics:
        lines.append(_json_line(action.metrics) + ' >> "$MAGNUS_METRICS"')
    for name, text in action.exports.items():
        lines.append(f"MAGNUS_PRM_{name}={shlex.quote(text)}; export MAGNUS_PRM_{name}")
    if action.print:
        lines.append(f"printf '%s\\n' {shlex.quote(action.print)}")
    if action.sleep:
        lines.append(f"sleep {action.sleep}")
    if action.signal:
        lines.append(f"kill -{action.signal} $$")
    if action.exit:
        lines.append(f"exit {action.exit}")
    if not (action.signal or action.exit):
        lines += _LEAVES[action.leaves]
    return "\n".join([*lines, ""])


_LEAVES = {
    "": [],
    "trap": ["trap 'true at the end' EXIT", "exit 0"],
    "function": ["leave() { exit 0; }", "leave", "exit 1"],
    "exec": ["exec true"],
}


def _shell_files(action: Action) -> list[str]:
    def quoted(path: str) -> str:
        return shlex.quote(f"{action.folder}/{path}")

    lines = []
    paths = [*action.files, *action.blanks, *action.copies]
    # The data folder itself is there when a step begins.
    for path in [*(path.rpartition("/")[0] for path in paths), *action.hollow]:
        if path:
            lines.append(f"mkdir -p {quoted(path)}")
    if paths:
        lines.append("rm -f " + " ".join(map(quoted, paths)))
    lines += [f"printf %s {shlex.quote(text)} > {quoted(path)}" for path, text in action.files.items()]
    lines += [f"printf '%{size}s' '' > {quoted(path)}" for path, size in action.blanks.items()]
    lines += [f"cp {quoted(source)} {quoted(path)}" for path, source in action.copies.items()]
    lines += [f"chmod {mode} {quoted(path)}" for path, mode in action.modes.items()]
    return lines
