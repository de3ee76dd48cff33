"""What tasks of random pipelines are and do, for hypothesis: see generate.py, which draws the graphs around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.conformance.behaviour import PYTHON_COMMAND, SHELL_COMMAND

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
VARIABLE = "item"
"""The variable of most maps."""
PARAMETERS = ["a", "b", "A", "list", "rows", "a b", "$(id)'\"", "é"]
LISTS = ["list", "rows"]
WAY = "way"
"""The parameter whose value conditionals mostly ask for."""
WAYS = [
    "good", "poor", "1", 1, 1.0, True, "true", None, "", "a b", "it's $(x)`id`;'\"\\", "{{x}}", "é漢😀", "default", "-rf",
    "*", [], ["a", 1], {"k": 1, "a b": [None]}, 10**30, 1e300, "x" * 101, "two\nlines", "Good", "~", "${HOME}", "[ab]*",
]  # fmt: skip
"""Values that it may have; most are the name of a branch somewhere."""
PATHS = ["a.txt", "B.txt", "b c.txt", "sub/d.csv", "it's $(x).csv", "é.txt"]
GETS = ["*"] * 6 + ["**/*.csv", "[ab].txt", "ghost*", "ghost.txt", "a.txt", "b c.txt", "sub"]
CONTENTS = ["x", "y", "", "é\n"]
MODES = ["755", "755", "700", "600", "444"]
DATA_FOLDERS = ["out", "out/put", "é b"]
EXPORTED = ["a", "b", "A"]
EXPORTS = ["x", "", "1", "-5", "true", "null", "two words", "é", "1.10", "007", "1e3", "0.5", '{"k": 1.10}']
AS_IS_FAILS = [{"exit": 1, "clean": False}]
"""What an as-is does that fails: no task's actions are equal to it."""


class Drawing:
    """Tasks as they are drawn; `table` gathers what they do, `ways` are the values that `WAY` has in this pipeline."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.table: dict[str, Any] = {}
        self.ways: list[Any] = draw(st.lists(st.sampled_from(WAYS), min_size=1, max_size=3))

    def chance(self, percent: int) -> bool:
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def choice(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def items(self) -> list[Any]:
        length = self.choice([0, 1, 2, 2, 2, 3, 3, 4, 7, 20])
        item = SCALARS | st.lists(SCALARS, max_size=2) | st.sampled_from(self.ways)
        return list(self.draw(st.lists(item, min_size=length, max_size=length)))

    def values(self, most: int) -> dict[str, Any]:
        values = self.draw(st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=most))
        values = {
            name: self.items() if name in LISTS and self.chance(95) else v for name, v in values.items()
        }
        if self.chance(20):
            values[WAY] = self.choice(self.ways)
        return values

    def task(self, path: tuple[str, ...]) -> dict[str, Any]:
        python = self.chance(15)
        node: dict[str, Any] = {"type": "task"}
        if python:
            node["command"] = PYTHON_COMMAND
        else:
            node.update(command_type="shell", command=SHELL_COMMAND)
        if self.chance(15):
            node["when"] = self.condition(path)
        attempts = self.choice([1, 1, 1, 1, 2, 3])
        if attempts > 1:
            node["retry"] = {"attempts": attempts, "delay": 0} if self.chance(30) else attempts
        puts, folder = self.catalog(node) if self.chance(25) else ([], "")

        def actions() -> list[dict[str, Any]]:
            return [self.action(python, puts, folder) for _ in range(attempts)]

        if "*" in path and self.chance(40):  # one item that differs
            index = str(self.draw(st.integers(0, 3)))
            self.table[".".join(index if part == "*" else part for part in path)] = actions()
        self.table[".".join(path)] = actions()
        return node

    def condition(self, path: tuple[str, ...]) -> dict[str, Any]:
        """Draw a task's `when`: mostly on the parameter `WAY` or, in a map, on the map's variable."""
        in_map = [VARIABLE] * 6 if "*" in path else []
        others = [VARIABLE, "it em", *PARAMETERS, "nowhere"]
        value = (
            st.sampled_from(self.ways * 3 + WAYS) | VALUES | st.sampled_from(["run", "skip", "1.0", "null"])
        )
        test = self.choice(["is", "is", "is_not", "in"])
        told = self.draw(st.lists(value, min_size=1, max_size=3) if test == "in" else value)
        return {"parameter": self.choice([WAY] * 12 + in_map + others), test: told}

    def catalog(self, node: dict[str, Any]) -> tuple[list[str], str]:
        """Draw a task's `catalog`; return what it should write, and its data folder if that has another name."""
        puts: list[str] = []
        catalog: dict[str, Any] = {}
        if self.chance(60):
            puts = self.draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=2, unique=True))
            catalog["put"] = [self.choice(["*", "**"])] if self.chance(20) else [*puts]
            if self.chance(5):
                catalog["put"].append(self.choice(["ghost.txt", "ghost*", "hollow"]))
        if self.chance(60) or not catalog:
            catalog["get"] = self.draw(st.lists(st.sampled_from(GETS), min_size=1, max_size=2, unique=True))
        folder = self.choice(DATA_FOLDERS) if self.chance(15) else ""
        if folder:
            catalog["compute_data_folder"] = folder
        node["catalog"] = catalog
        return puts, folder

    def action(self, python: bool, puts: list[str], folder: str) -> dict[str, Any]:
        action: dict[str, Any] = {}
        if self.chance(60):
            action["set"] = self.values(2)
        if self.chance(5):
            action["collect"] = self.choice(PARAMETERS)
        if self.chance(3):
            action["large"] = {self.choice(["b", "é"]): self.choice([4094, 4095, 5000, 70000])}
        if not python and self.chance(5):
            action["lines"] = [self.choice(["a=1", "b= x=y ", "a b=$(id)", "A="])]
        if self.chance(8):
            action["exports"] = {self.choice(EXPORTED): self.choice(EXPORTS)}
        if not python and self.chance(10):
            action["leaves"] = self.choice(["trap", "function", "exec"])
        action.update(self.writes(puts, folder))
        if python and "files" in action and self.chance(50):
            action["unclosed"] = True
        if self.chance(5):
            action["metrics"] = {"m": self.draw(VALUES)}
        if self.chance(12):
            action.update(self.failure(python))
        return action

    def writes(self, puts: list[str], folder: str) -> dict[str, Any]:
        """Draw the files that one attempt writes: mostly those that are put, now and then others."""
        paths = [path for path in puts if self.chance(92)]
        if self.chance(8):
            paths.append(self.choice([*PATHS, "ghost.txt"]))
        action: dict[str, Any] = {"files": {path: self.choice(CONTENTS) for path in paths}} if paths else {}
        if paths and self.chance(5):
            action["blanks"] = {paths[0]: self.choice([70000, (1 << 20) + 1])}
        modes = {path: self.choice(MODES) for path in dict.fromkeys(paths) if self.chance(30)}
        if modes:
            action["modes"] = modes
        if self.chance(3):
            action["hollow"] = [self.choice(["hollow", "sub"])]
        if folder:
            action["folder"] = folder
        return action

    def lying(self) -> dict[str, str]:
        """Draw files that lie in the data folder before the first run."""
        paths = st.sampled_from([*PATHS, "ghost.txt", "ghost2"])
        if self.chance(60):
            return {}
        return dict(self.draw(st.dictionaries(paths, st.sampled_from(CONTENTS), min_size=1, max_size=3)))

    def failure(self, python: bool) -> dict[str, Any]:
        if python and self.chance(50):
            return {"raises": self.choice(["boom", "two\nlines", "it's {{x}}"])}
        ends = [{"exit": 1}, {"exit": 1}, {"exit": 75}, {"exit": 255}, {"signal": 9}, {"signal": 15}]
        return dict(self.choice(ends))

    def better(self, actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what a task does the next time: the same, without some of the failures."""
        ends = ("exit", "signal", "raises")
        if actions == AS_IS_FAILS:  # its text does not change
            return actions
        return [
            {key: value for key, value in action.items() if key not in ends} if self.chance(80) else action
            for action in actions
        ]
