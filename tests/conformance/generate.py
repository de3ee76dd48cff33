"""Random pipelines, for hypothesis: any graph that DESIGN §2 allows, with what its tasks do in each attempt.

`pipelines()` draws a `Pipeline`; `Pipeline.write` makes a case of it, a folder like those in `pipelines/`. Sizes are
bounded so that thousands can be run: about six attempts each, seldom more than `MOST_ATTEMPTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.conformance.behaviour import PYTHON_COMMAND, SHELL_COMMAND, Behaviour
from tests.conformance.reference import interpret

MOST_ATTEMPTS = 25
DEPTH = 4

HOSTILE = [
    "a b", "it's", 'say "so"', "$(touch pwned)", "`touch pwned`", "a;touch pwned", "back\\slash", "\\", "{{x}}",
    "{{workflow/name}}", "-rf", "--help", "$HOME", "${HOME}", "$${x}", "*?[a]", "a|b&c", ">out", "#", "a: b", "- a",
    "!tag", "&a", "@", "null", "true", "no", "1", "01", "1e3", "0", "_", "__", "~", "é", "漢字", "😀", "ﬁ", "\u2028",
    "A", "a", "Step", "step", "STEP", "step-1", "step-", "success", "fail", "branch", "end", "join", "start", "in",
    "Makefile", "run_1", " ", "a\\nb", "x" * 100, "X" * 100, "é" * 100, "a-very-long-name-of-a-step-that-goes-on-and-on",
    "CON", "··",
]  # fmt: skip
_LETTERS = st.characters(codec="utf-8", exclude_characters=".%", exclude_categories=["Cc", "Cs"])
NAMES = (
    st.sampled_from(HOSTILE)
    | st.text(_LETTERS, min_size=1, max_size=8).filter(lambda name: name != "*")
    | st.text("aA -_'\"$`\\", min_size=1, max_size=3)
)

TEXTS = st.sampled_from(
    [
        "",
        "1",
        "true",
        "a b",
        "$(exit 1)`id`;'\"\\",
        "two\nlines\n",
        "\t{{x}}\r",
        "é漢😀\u2028",
        "\x00",
        "{{workflow.name}}{{=1+1}}{{item}}$$$(HOME)$(MAGNUS_WALK)",
    ]
)
NUMBERS = st.sampled_from([0, 1, -1, 1.0, 0.1, -0.0, 1e300, 2**53 + 1, 10**30])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(st.sampled_from(["k", "", "a b"]), SCALARS | st.lists(SCALARS, max_size=2), max_size=2)
)
PARAMETERS = ["a", "b", "A", "list", "rows", "a b", "$(id)'\"", "é"]
LISTS = ["list", "rows"]
PATHS = ["a.txt", "B.txt", "b c.txt", "sub/d.csv", "it's $(x).csv", "é.txt"]
GETS = ["*"] * 6 + ["**/*.csv", "[ab].txt", "ghost*", "ghost.txt", "a.txt", "b c.txt", "sub"]
NATIVE_SUCCESS = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets"}
NATIVE_FAILURE = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
    "Arguments": {"Bucket": "there-is-no-such-bucket", "Key": "x"},
}
AS_IS_FAILS = [{"exit": 1, "clean": False}]
"""What an as-is does that fails: no task's actions are equal to it."""


@dataclass(repr=False)
class Pipeline:
    """A drawn pipeline: its files (`dag.yaml` and those its `dag` nodes name), its parameters, what its tasks do."""

    files: dict[str, Any]
    parameters: dict[str, Any]
    table: dict[str, Any]
    again: dict[str, Any] | None
    """What tasks do in a second run with `--use-cached`, if there is one."""
    needs: list[str]

    @property
    def attempts(self) -> int:
        """Attempts of tasks that one engine makes in the first run."""
        root = self.files["dag.yaml"]["dag"]
        return interpret(root, Behaviour(self.table), self.parameters, definitions=self.files).attempts

    def write(self, folder: Path) -> None:
        """Write the pipeline as a case."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, definition in self.files.items():
            (folder / name).write_text(_yaml(_escaped(definition)), encoding="utf-8")
        runs: list[dict[str, Any]] = [{"parameters": self.parameters, "behaviour": self.table}]
        if self.again is not None:
            runs.append({"use_cached": 1, "behaviour": self.again})
        case = {"about": "A random pipeline.", "needs": self.needs, "runs": runs}
        (folder / "case.yaml").write_text(_yaml(case), encoding="utf-8")

    def text(self) -> str:
        """Return the pipeline's files as text."""
        parts = [f"# {name}\n{_yaml(_escaped(definition))}" for name, definition in self.files.items()]
        parts.append(f"# parameters\n{_yaml(self.parameters)}")
        parts.append(f"# behaviour\n{_yaml(self.table)}")
        if self.again is not None:
            parts.append(f"# behaviour of the second run, with --use-cached\n{_yaml(self.again)}")
        return "\n".join(parts)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes no aliases, and quotes all but words: no reader of any YAML version may take text for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def text(self, data: str) -> Any:
        word = re.fullmatch("[A-Za-z][A-Za-z -]*[a-z]", data)
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if word else '"')


_Dumper.add_representer(str, _Dumper.text)


def _yaml(value: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def _escaped(value: Any) -> Any:
    """Return a definition with `${` in its values written so that it is no variable."""
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


@st.composite
def pipelines(draw: Callable[[Any], Any]) -> Pipeline:
    """Draw a pipeline."""
    drawing = _Drawing(draw)
    root = drawing.graph((), DEPTH, drawing.choice([1, 3, 4, 4, 5, 5, 6, 7]))
    parameters = drawing.values(4)
    for name in LISTS:
        if drawing.chance(95):
            parameters[name] = drawing.items()
    again = None
    if drawing.chance(15):
        again = {path: drawing.better(actions) for path, actions in drawing.table.items()}
    pipeline = Pipeline(
        {"dag.yaml": {"dag": root}, **drawing.files},
        parameters,
        drawing.table,
        again,
        ["as-is-text"] if drawing.has_text else [],
    )
    for length in (6, 3, 2, 1, 0):
        if pipeline.attempts <= MOST_ATTEMPTS:
            break
        _shorten(pipeline, length)
    return pipeline


def _shorten(pipeline: Pipeline, length: int) -> None:
    """Cut all lists that maps may go over to a length."""
    places = [pipeline.parameters]
    for table in (pipeline.table, pipeline.again or {}):
        places += [action["set"] for actions in table.values() for action in actions if "set" in action]
    for place in places:
        for name in LISTS:
            if isinstance(place.get(name), list):
                place[name] = [i[:length] if isinstance(i, list) else i for i in place[name][:length]]


class _Drawing:
    """The parts of one pipeline as they are drawn."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.table: dict[str, Any] = {}
        self.files: dict[str, Any] = {}
        self.has_text = False
        self.left = 15  # nodes that may still be drawn

    def chance(self, percent: int) -> bool:
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def choice(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def names(self, count: int) -> list[str]:
        return list(self.draw(st.lists(NAMES, min_size=count, max_size=count, unique=True)))

    def items(self) -> list[Any]:
        length = self.choice([0, 1, 2, 2, 2, 3, 3, 4, 7, 20])
        item = SCALARS | st.lists(SCALARS, max_size=2)
        return list(self.draw(st.lists(item, min_size=length, max_size=length)))

    def values(self, most: int) -> dict[str, Any]:
        values = self.draw(st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=most))
        return {name: self.items() if name in LISTS and self.chance(95) else v for name, v in values.items()}

    # ---- graphs and nodes ----

    def graph(self, path: tuple[str, ...], depth: int, count: int) -> dict[str, Any]:
        """Draw a graph of `count` nodes and two status nodes; edges lead onwards, so there is no cycle."""
        self.left -= count
        *nodes, success, fail = self.names(count + 2)
        steps: dict[str, Any] = {}
        for index, name in enumerate(nodes):
            onwards = [*nodes[index + 1 :], success, fail]
            node = self.node((*path, name), depth)
            node["next"] = onwards[0] if self.chance(90) and onwards[0] != fail else self.choice(onwards)
            if self.chance(35):
                node["on_failure"] = node["next"] if self.chance(25) else self.choice(onwards)
            steps[name] = node
        steps[success], steps[fail] = {"type": "success"}, {"type": "fail"}
        order = self.draw(st.permutations(list(steps))) if self.chance(20) else list(steps)
        start = nodes[0] if nodes else self.choice([success, success, fail])
        return {"start_at": start, "steps": {name: steps[name] for name in order}}

    def node(self, path: tuple[str, ...], depth: int) -> dict[str, Any]:
        kinds = ["task"] * 7 + ["as-is"] * (2 if path[1:] else 1)
        if depth and self.left > 0:
            kinds += ["parallel"] * 2 + ["map"] * 4 + ["dag"]
        kind = self.choice(kinds)
        if kind == "task":
            return self.task(path)
        if kind == "as-is":
            return self.as_is(path)
        count = self.choice([1] * 6 + [2] * 4 + [3] * 2 + [0])
        node: dict[str, Any] = {"type": kind}
        if kind != "dag" and self.chance(15):
            node["max_concurrency"] = self.draw(st.integers(1, 3))
        if kind == "parallel":
            names = self.names(self.choice([1, 2, 2, 3]))
            node["branches"] = {name: self.graph((*path, name), depth - 1, count) for name in names}
        elif kind == "map":
            node["iterate_on"] = self.choice([*LISTS * 12, "item", "a", "nowhere"])
            node["iterate_as"] = self.choice(["item"] * 6 + ["it em"] * 2 + ["a", "list"])
            if self.chance(15):
                node["executor_config"] = {"aws-step-functions": {"distributed": True}}
            node["branch"] = self.graph((*path, "*"), depth - 1, count)
        else:
            if self.chance(30):
                node["separate"] = True
            graph = self.graph((*path, "branch"), depth - 1, count)
            if self.chance(30):
                node["dag_definition"] = f"part-{len(self.files)}.yaml"
                self.files[node["dag_definition"]] = {"dag": graph}
            else:
                node["branch"] = graph
        return node

    def as_is(self, path: tuple[str, ...]) -> dict[str, Any]:
        node: dict[str, Any] = {"type": self.choice(["as-is", "stub"])}
        if self.chance(40):
            exit = self.choice([0, 0, 1])
            text = f'echo "it\'s text"\nexit {exit}'
            if self.chance(15):
                self.has_text = True
                node["render_string"] = text
            else:
                native = NATIVE_FAILURE if exit else NATIVE_SUCCESS
                command = ["sh", "-c", f"exit {exit}"]
                template = {"container": {"image": "any", "command": command}} if len(path) % 2 else text
                node["render_string"] = {
                    "local": text,
                    "bash": text,
                    "aws-step-functions": native,
                    "argo": template,
                }
            if exit:
                self.table[".".join(path)] = AS_IS_FAILS
        elif self.chance(30):
            node["render_string"] = {"some-other-engine": "exit 1"}
        return node

    def task(self, path: tuple[str, ...]) -> dict[str, Any]:
        python = self.chance(15)
        node: dict[str, Any] = {"type": "task"}
        if python:
            node["command"] = PYTHON_COMMAND
        else:
            node.update(command_type="shell", command=SHELL_COMMAND)
        attempts = self.choice([1, 1, 1, 1, 2, 3])
        if attempts > 1:
            node["retry"] = {"attempts": attempts, "delay": 0} if self.chance(30) else attempts
        puts: list[str] = []
        glob = False
        if self.chance(25):
            catalog: dict[str, Any] = {}
            if self.chance(60):
                puts = self.draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=2, unique=True))
                glob = self.chance(20)
                catalog["put"] = [self.choice(["*", "**"])] if glob else [*puts]
                if self.chance(5):
                    catalog["put"].append(self.choice(["ghost.txt", "ghost*"]))
            if self.chance(60) or not catalog:
                catalog["get"] = self.draw(
                    st.lists(st.sampled_from(GETS), min_size=1, max_size=2, unique=True)
                )
            node["catalog"] = catalog

        def actions() -> list[dict[str, Any]]:
            return [self.action(python, puts, glob) for _ in range(attempts)]

        if "*" in path and self.chance(40):  # one item that differs
            index = str(self.draw(st.integers(0, 3)))
            self.table[".".join(index if part == "*" else part for part in path)] = actions()
        self.table[".".join(path)] = actions()
        return node

    def action(self, python: bool, puts: list[str], glob: bool) -> dict[str, Any]:
        action: dict[str, Any] = {"clean": True} if glob else {}
        if self.chance(60):
            action["set"] = self.values(2)
        if self.chance(5):
            action["collect"] = self.choice(PARAMETERS)
        if self.chance(3):
            action["large"] = {self.choice(["b", "é"]): self.choice([4094, 4095, 5000, 70000])}
        if not python and self.chance(5):
            action["lines"] = [self.choice(["a=1", "b= x=y ", "a b=$(id)", "A="])]
        if puts:
            action["files"] = {path: self.choice(["x", "y", "", "é\n"]) for path in puts}
        if self.chance(5):
            action["metrics"] = {"m": self.draw(VALUES)}
        if self.chance(12):
            action.update(
                {"raises": self.choice(["boom", "two\nlines", "it's {{x}}"])}
                if python and self.chance(50)
                else self.choice(
                    [{"exit": 1}, {"exit": 1}, {"exit": 75}, {"exit": 255}, {"signal": 9}, {"signal": 15}]
                )
            )
        return action

    def better(self, actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what a task does the next time: the same, without some of the failures."""
        ends = ("exit", "signal", "raises")
        if actions == AS_IS_FAILS:  # its text does not change
            return actions
        return [
            {key: value for key, value in action.items() if key not in ends} if self.chance(80) else action
            for action in actions
        ]
