"""The command lines of callbacks, without a parser library: this module is started for every step of every run."""

from __future__ import annotations

import os

from magnus_render import naming
from magnus_render.errors import UsageError
from magnus_render.runtime.records import check_run_id

FROM_ENVIRONMENT = {
    "--plan": "MAGNUS_PLAN",
    "--file": "MAGNUS_FILE",
    "--walk": "MAGNUS_WALK",
    "--dag-hash": "MAGNUS_DAG_HASH",
    "--target": "MAGNUS_TARGET",
}
"""Options that an engine may give to all callbacks at once, by variables; what stands on the command line wins."""
_SHORT = {"-f": "--file", "-c": "--config", "-p": "--parameters-file"}
_OLDER = {"--config-file": "--config", "--log-level": "--log-level"}
"""Options of older versions, and what they are called; `--log-level` has no meaning any more."""
_VALUES = {
    "--file": "FILE         the definition, where no plan is given",
    "--config": "FILE       configuration blocks that stand beside the definition",
    "--plan": "FILE         resolved plan and stores, by `magnus render --plan`",
    "--parameters-file": "FILE  initial parameters, YAML or JSON",
    "--param": "NAME=VALUE  one initial parameter; may be repeated",
    "--use-cached": "RUN_ID do not run again what succeeded in that run",
    "--walk": "WALK         who walks the graph: a run id belongs to one walk",
    "--dag-hash": "HASH     of the definition the caller was rendered from",
    "--tag": "TAG           of the run",
    "--target": "TARGET     that the caller was rendered for",
}
_NODE_VALUES = {"--after": "STEP        the step that handed over to this one"}
_FAN_OUT = {
    "--fan-out": "FILE      where to write the item count of the map that follows (to a .json file, the list of its "
    "indices), the branch of the conditional, or run or skip"
}
_STEP_VALUES = {
    **_NODE_VALUES,
    **_FAN_OUT,
    "--attempt": "N         the user's attempt, from 1",
    "--map-variable": "JSON the map variables the caller believes in",
    "--again": "STATUS      exit status of a failure after which an attempt is left, instead of 1",
    "--exit-status": "N     record how a native as-is ended",
}
_OWN_VALUES = {
    "execute_single_node": _STEP_VALUES,
    "map_count": {**_NODE_VALUES, **_FAN_OUT},
    "choose": {**_NODE_VALUES, **_FAN_OUT},
    "fan_in": _NODE_VALUES,
    "start_run": {},
}
_STEP_FLAGS = {
    "--confirm-failure": "  go on from the step's failure, or from one that leads to it: 0 if it is on record"
}
_FLAGS = {"--resume": "           go on with an interrupted walk", "--help": "             this text"}


def usage(command: str) -> str:
    """Return the help of a callback."""
    step = "" if command == "start_run" else " STEP"
    own_flags = _STEP_FLAGS if command == "execute_single_node" else {}
    options = {**_VALUES, **_OWN_VALUES[command], **own_flags, **_FLAGS}
    long = {v: f"{k}, {v}" for k, v in _SHORT.items()}
    lines = [f"  {long.get(name, name)} {text}" for name, text in options.items()]
    return "\n".join(
        (
            f"usage: magnus {command} RUN_ID{step} [OPTION...]\n",
            *lines,
            "\nExit status: 0 success, 1 failed, 64 usage, 65 refused, 75 the platform failed (try again).",
        )
    )


class CommandLine:
    """A command line, understood. Raises `UsageError`."""

    def __init__(self, argv: list[str]) -> None:
        self.command = argv[0]
        self.values: dict[str, str] = {}
        self.params: list[str] = []
        self.resume = False
        self.confirm = False
        words = self._parse(argv[1:])
        self.plan_given = "--plan" in self.values
        for option, variable in FROM_ENVIRONMENT.items():
            if os.environ.get(variable):
                self.values.setdefault(option, os.environ[variable])
        wanted = ["RUN_ID"] if self.command == "start_run" else ["RUN_ID", "STEP"]
        if len(words) != len(wanted):
            raise UsageError(f"{self.command} takes {' '.join(wanted)}, not {len(words)} words: see --help")
        self.run_id = check_run_id(words[0])
        self.address = naming.from_dot_path(words[1]) if len(words) > 1 else ""

    def _parse(self, argv: list[str]) -> list[str]:
        known = {**_VALUES, **_OWN_VALUES[self.command], **_OLDER}
        words: list[str] = []
        rest = iter(argv)
        for word in rest:
            name, equals, value = word.partition("=")
            name = _OLDER.get(name, _SHORT.get(name, name))
            if word == "--":
                words.extend(rest)
            elif name == "--resume" and not equals:
                self.resume = True
            elif name in _STEP_FLAGS and self.command == "execute_single_node" and not equals:
                self.confirm = True
            elif name in known:
                if not equals:
                    value = next(rest, "\0")
                    if value == "\0":
                        raise UsageError(f"{name} needs a value")
                if name == "--param":
                    self.params.append(value)
                else:
                    self.values[name] = value
            elif word.startswith("-") and word != "-":
                raise UsageError(f"{self.command} has no option {name}: see --help")
            else:
                words.append(word)
        return words

    def after(self) -> str:
        """Return the slug of the node that handed over, '' if the caller does not say."""
        return naming.last(naming.from_dot_path(self.values["--after"])) if self.values.get("--after") else ""

    def number(self, name: str, default: int) -> int:
        """Return the whole number that an option gives; raise `UsageError` if it is none."""
        text = self.values.get(name)
        if text is None:
            return default
        whole = text.isascii() and text.isdigit() and len(text) <= 9
        if not whole or (name == "--attempt" and int(text) < 1):
            raise UsageError(f"{name} takes a whole number, not '{text}'")
        return int(text)
