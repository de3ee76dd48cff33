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

from tests.conformance import decentral
from tests.conformance.behaviour import Behaviour
from tests.conformance.draw_tasks import AS_IS_FAILS, LISTS, VARIABLE, WAY, Drawing
from tests.conformance.reference import branch_named_by, interpret

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


def may_be_name(text: str) -> bool:
    """Tell whether a branch may have this name; `*` has a meaning of its own in a table of actions."""
    return 0 < len(text) <= 100 and text != "*" and not re.search(r"[.%\x00-\x1f\x7f]", text)


NATIVE_SUCCESS = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets"}
IN_A_SHELL = ("local", "bash", "local-container", "processes", "slurm", "local-aws-batch")
"""Engines that run the text of an as-is in a shell."""
NATIVE_FAILURE = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
    "Arguments": {"Bucket": "there-is-no-such-bucket", "Key": "x"},
}


@dataclass(repr=False)
class Pipeline:
    """A drawn pipeline: its files (`dag.yaml` and those its `dag` nodes name), its parameters, what its tasks do."""

    files: dict[str, Any]
    parameters: dict[str, Any]
    table: dict[str, Any]
    again: dict[str, Any] | None
    """What tasks do in a second run with `--use-cached`, if there is one."""
    needs: list[str]
    lying: dict[str, str]
    """Files in the data folder that no run wrote."""

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
        case = {"about": "A random pipeline.", "needs": self.needs, "lying": self.lying, "runs": runs}
        (folder / "case.yaml").write_text(_yaml(case), encoding="utf-8")

    def text(self) -> str:
        """Return the pipeline's files as text."""
        parts = [f"# {name}\n{_yaml(_escaped(definition))}" for name, definition in self.files.items()]
        parts.append(f"# parameters\n{_yaml(self.parameters)}")
        parts.append(f"# behaviour\n{_yaml(self.table)}")
        if self.lying:
            parts.append(f"# files in the data folder\n{_yaml(self.lying)}")
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
    if drawing.chance(90):
        parameters[WAY] = drawing.choice(drawing.ways)
    again = None
    if drawing.chance(15):
        again = {path: drawing.better(actions) for path, actions in drawing.table.items()}
    pipeline = Pipeline(
        {"dag.yaml": {"dag": root}, **drawing.files},
        parameters,
        drawing.table,
        again,
        ["as-is-text"] if drawing.has_text else [],
        drawing.lying(),
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


class _Drawing(Drawing):
    """The graphs of one pipeline as they are drawn."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        super().__init__(draw)
        self.files: dict[str, Any] = {}
        self.has_text = False
        self.left = 15  # nodes that may still be drawn

    def names(self, count: int) -> list[str]:
        return list(self.draw(st.lists(NAMES, min_size=count, max_size=count, unique=True)))

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
            kinds += ["parallel"] * 2 + ["map"] * 4 + ["dag"] + ["conditional"] * 3
        kind = self.choice(kinds)
        if kind == "task":
            return self.task(path)
        if kind == "as-is":
            return self.as_is(path)
        count = self.choice([1] * 6 + [2] * 4 + [3] * 2 + [0])
        if kind == "conditional":
            return self.conditional(path, depth, count)
        node: dict[str, Any] = {"type": kind}
        if kind != "dag" and self.chance(15):
            node["max_concurrency"] = self.draw(st.integers(1, 3))
        if kind == "parallel":
            names = self.names(self.choice([1, 2, 2, 3]))
            node["branches"] = {name: self.graph((*path, name), depth - 1, count) for name in names}
        elif kind == "map":
            node["iterate_on"] = self.choice([*LISTS * 12, "item", "a", "nowhere"])
            node["iterate_as"] = self.choice([VARIABLE] * 6 + ["it em"] * 2 + ["a", "list", WAY])
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

    def conditional(self, path: tuple[str, ...], depth: int, count: int) -> dict[str, Any]:
        """Draw a conditional: mostly on the parameter `WAY` or, in a map, on the map's variable."""
        in_map = [VARIABLE] * 8 if "*" in path else []
        others = [VARIABLE, "it em", "a", "b", "list", "nowhere"]
        node: dict[str, Any] = {
            "type": "conditional",
            "parameter": self.choice([WAY] * 12 + in_map + others),
        }
        expected = [name for name in map(branch_named_by, self.ways) if may_be_name(name)]
        names = dict.fromkeys(
            self.choice(expected) if expected and self.chance(60) else self.draw(NAMES)
            for _ in range(self.choice([1, 2, 2, 3, 4]))
        )
        node["branches"] = {
            name: self.graph((*path, name), depth - 1, self.choice([count, count, 1, 0])) for name in names
        }
        if "default" not in names and self.chance(60):
            node["default"] = self.graph((*path, "default"), depth - 1, count)
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
                    **dict.fromkeys(IN_A_SHELL, text),
                    "aws-step-functions": native,
                    "argo": template,
                    **{engine.name: text for engine in decentral.EVERY},
                }
            if exit:
                self.table[".".join(path)] = AS_IS_FAILS
        elif self.chance(30):
            node["render_string"] = {"some-other-engine": "exit 1"}
        return node
