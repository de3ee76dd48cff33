"""What is rendered for bash: golden files, linters, what bash 3.2 knows, and that the code walks as the graph does."""

from __future__ import annotations

import json
import re
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from magnus_render.diagnostics import DefinitionError
from magnus_render.render import render
from magnus_render.targets.bash import BashTarget, flow, quote
from tests.golden import FOLDER, pairs
from tests.tools import require

ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}
CASES = [case for case, target in pairs() if target == "bash"]
MACHINERY = "# ---- How it runs"

NEWER_THAN_3_2 = {
    "associative array": r"(declare|local|typeset)\s+-\w*A",
    "name reference": r"(declare|local|typeset)\s+-\w*n\b",
    "case conversion": r"\$\{\w+(\[[^]]*\])?(\^|,)",
    "wait -n": r"\bwait\s+-",
    "mapfile": r"\b(mapfile|readarray)\b",
    "|& and &>>": r"\|&|&>>",
    "BASHPID": r"\bBASHPID\b",
    "EPOCHSECONDS": r"\bEPOCH(SECONDS|REALTIME)\b",
    "coproc": r"\bcoproc\b",
    "printf time": r"printf\s+'[^']*%\(",
    "negative length or index": r"\$\{\w+:[^}]*:\s*-|\[-\d+\]",
    "transformation": r"\$\{\w+@",
    ";& and ;;&": r";&|;;&",
    "[[ -v ]]": r"\[\[\s+(!\s+)?-[vR]\s",
    "globstar and lastpipe": r"\b(globstar|lastpipe|inherit_errexit)\b",
    "descriptor in a variable": r"\{\w+\}[<>]",
    "case or here-document in a substitution": r"\$\([^)]*(\bcase\b|<<)",
}


@pytest.mark.parametrize("case", CASES)
def test_shellcheck_finds_nothing(case: str) -> None:
    done = subprocess.run(
        [require("shellcheck"), FOLDER / case / "bash.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_no_rule_of_shellcheck_is_disabled() -> None:
    for case in CASES:
        assert not re.search(r"(?m)^\s*#\s*shellcheck", (FOLDER / case / "bash.sh").read_text())


@pytest.mark.parametrize("what", NEWER_THAN_3_2)
def test_bash_3_2_knows_it(what: str) -> None:
    for case in CASES:
        text = (FOLDER / case / "bash.sh").read_text()
        code = "\n".join(
            line.split("   # ")[0] for line in text.splitlines() if not line.lstrip().startswith("#")
        )
        if case == "names":  # names are data
            code = code[code.index("usage()") :]
        assert not re.search(NEWER_THAN_3_2[what], code), (case, what)


@pytest.mark.parametrize("what", NEWER_THAN_3_2)
def test_the_search_for_newer_constructs_finds_them(what: str) -> None:
    examples = {
        "associative array": "local -A x",
        "name reference": "local -n x",
        "case conversion": "${x^^}",
        "wait -n": "wait -n",
        "mapfile": "mapfile x",
        "|& and &>>": "a |& b",
        "BASHPID": "$BASHPID",
        "EPOCHSECONDS": "$EPOCHSECONDS",
        "coproc": "coproc x",
        "printf time": "printf '%(%F)T'",
        "negative length or index": "${x:0:-1}",
        "transformation": "${x@Q}",
        ";& and ;;&": "x ;;&",
        "[[ -v ]]": "[[ -v x ]]",
        "globstar and lastpipe": "shopt -s lastpipe",
        "descriptor in a variable": "exec {fd}>x",
        "case or here-document in a substitution": "$(case x in",
    }
    assert re.search(NEWER_THAN_3_2[what], examples[what])


def test_the_machinery_is_the_same_in_every_script() -> None:
    assert len({(FOLDER / case / "bash.sh").read_text().partition(MACHINERY)[2] for case in CASES}) == 1


def test_a_step_more_is_a_line_more(tmp_path: Path) -> None:
    before, after = (_render(tmp_path, _linear(n)).splitlines() for n in (5, 6))
    changed = [line for line in after if line not in before]
    assert [line.split()[0] for line in changed] == ["dag_hash=" + changed[0].split("=")[1], "step"]


def test_size_of_a_step(tmp_path: Path) -> None:
    few, many = (len(_render(tmp_path, _linear(n))) for n in (1000, 2000))
    assert (many - few) / 1000 < 100


@pytest.mark.parametrize(
    ("count", "kind"),
    [(10_000, "chain"), (3_000, "handlers of handlers"), (3_000, "shared handler"), (50, "nested")],
)
def test_large_pipelines(tmp_path: Path, count: int, kind: str) -> None:
    if kind == "chain":
        steps = _linear(count)
    elif kind == "handlers of handlers":
        steps = {f"s{i}": _task(on_failure=f"s{i + 1}") for i in range(count)} | {f"s{count}": _task()}
    elif kind == "shared handler":
        steps = {f"s{i}": _task(f"s{i + 1}", on_failure="alert") for i in range(count)}
        steps |= {f"s{count}": _task(), "alert": _task("fail")}
    else:
        steps = {"s0": _task()}
        for i in range(count):
            branch = {"start_at": "s0", "steps": {**steps, **ENDS}}
            kinds: list[dict[str, Any]] = [
                {"type": "map", "iterate_on": "x", "iterate_as": f"i{i}", "branch": branch},
                {"type": "parallel", "branches": {"b": branch}},
                {"type": "dag", "branch": branch},
            ]
            steps = {"s0": {**kinds[i % 3], "next": "success"}}
    text = _render(tmp_path, steps)  # parsed by `bash -n`
    assert text.count("\n") < 3 * count + 600
    assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 20


# ---- quoting


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_word_is_itself_to_bash(text: str) -> None:
    assert _echo(quote.word(text)) == text


@pytest.mark.parametrize(
    "text", ["日$(id)", "日\\`id`'", "é\\", "~", "a=~", "-n", "", "\n", "\\", "'", "!x", "*", "{a,b}"]
)
def test_words_with_a_meaning(text: str) -> None:
    assert _echo(quote.word(text)) == text


def _echo(word: str) -> str:
    done = subprocess.run(
        [require("bash"), "-c", f"printf %s {word}"], capture_output=True, check=True, env={"LC_ALL": "C"}
    )
    return done.stdout.decode()


@given(st.text())
def test_a_comment_is_one_harmless_line(text: str) -> None:
    shown = quote.comment(text)
    assert not any(unicodedata.category(c)[0] == "C" for c in shown)
    assert not shown.lstrip().startswith("shellcheck")
    assert len(quote.brief(text)) <= quote.COMMENT_LENGTH + 4


@given(st.lists(st.sampled_from(["END_OF_LINES", "END_OF_LINES_2", "END_OF_LINES_3", "x"]), max_size=4))
def test_a_delimiter_is_no_line(lines: list[str]) -> None:
    assert quote.delimiter("\n".join(lines)) not in lines


def test_pauses() -> None:
    retry = {"attempts": 5, "delay": 2.0, "backoff": 3.0, "max_delay": 20.0}
    assert flow.pauses(retry) == [2, 6, 18, 20]  # type: ignore[arg-type]
    assert flow.pauses({**retry, "delay": 0.0}) == [0, 0, 0, 0]  # type: ignore[arg-type]
    endless = {"attempts": 900, "delay": 1.0, "backoff": 10.0, "max_delay": None}
    assert flow.pauses(endless)[-1] == flow.LONGEST_PAUSE  # type: ignore[arg-type]
    assert quote.seconds(flow.LONGEST_PAUSE) == "100000000"


@given(st.lists(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True), min_size=1, max_size=4))
def test_identifiers_can_be_read_back(parts: list[str]) -> None:
    plan: Any = {"nodes": {}}
    identifier = flow._identifier(plan, ".".join(parts))
    assert re.fullmatch("[a-zA-Z0-9_]+", identifier)
    assert [part.replace("_", "-").replace("X", "-") for part in identifier.split("__")] == parts


# ---- the code walks as the graph does


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an acyclic graph in which every step leads to later ones."""
    count = draw(st.integers(1, 9))
    names = [f"s{i}" for i in range(count)]
    steps: dict[str, Any] = {}
    for i, name in enumerate(names):
        later = st.sampled_from([*names[i + 1 :], "success", "fail"])
        near = st.just(names[i + 1]) if i + 1 < count else st.just("success")
        steps[name] = _task(draw(st.one_of(near, later)))
        if draw(st.integers(0, 3)) == 0:
            steps[name] = {"type": "as-is", "next": steps[name]["next"]}
        handler = draw(st.one_of(st.none(), later))
        if handler is not None:
            steps[name]["on_failure"] = handler
    return steps


@settings(max_examples=1000, deadline=None)
@given(graphs(), st.sets(st.integers(0, 8)), st.sets(st.integers(0, 8)))
@example(  # a handler of a handler that rejoins two blocks further out
    {
        "s0": {"type": "task", "command": "m.f", "next": "s6", "on_failure": "s1"},
        "s1": {"type": "task", "command": "m.f", "next": "s4"},
        "s4": {"type": "task", "command": "m.f", "next": "success", "on_failure": "s5"},
        "s5": {"type": "task", "command": "m.f", "next": "s6"},
        "s6": {"type": "task", "command": "m.f", "next": "success"},
    },
    {0, 4},
    set(),
)
def test_code_walks_as_the_graph_does(
    steps: dict[str, Any], failing_numbers: set[int], lost_numbers: set[int]
) -> None:
    """Of the steps that fail, those that are lost leave no record."""
    lost = {f"s{number}" for number in lost_numbers}
    failing = {f"s{number}" for number in failing_numbers} | lost
    failing -= {name for name, step in steps.items() if step["type"] == "as-is"}
    expected, slug = [], "s0"
    while slug in steps:
        expected.append(slug)
        if slug not in failing:
            slug = steps[slug]["next"]
        elif slug in lost and _leads_to_success(steps, steps[slug].get("on_failure", "fail")):
            slug = "fail"
        else:
            slug = steps[slug].get("on_failure", "fail")
    functions = {
        function.name: function.lines
        for function in flow.compile_plan(_plan(steps), lambda _: [], lambda _: None)
    }
    lines = [line for lines in functions.values() for line in lines]
    assert all(line.confirm for line in lines if line.otherwise == "success")
    walked: list[str] = []
    succeeded = _interpret(functions, failing, lost, walked)
    assert (walked, succeeded) == (expected, slug == "success")
    emitted = [line.slug for line in lines if line.kind == "node"]
    assert len(emitted) == len(set(emitted))


def _leads_to_success(steps: dict[str, Any], slug: str) -> bool:
    """Tell whether no task stands between a step and success."""
    while slug in steps and steps[slug]["type"] == "as-is":
        slug = steps[slug]["next"]
    return slug == "success"


def test_how_a_failure_is_confirmed(tmp_path: Path) -> None:
    """On the way to success, wherever that stands; a step with a handler has nothing of it."""
    quiet = {"type": "as-is", "next": "success"}
    steps: dict[str, Any] = {
        "a": _task("b", on_failure="success"),
        "b": _task("c", on_failure="q"),
        "c": _task("d", on_failure="r"),
        "d": _task("e", on_failure="r"),
        "e": _task("f", on_failure="h"),
        "f": _task("s", on_failure="s"),
        "h": _task(),
        **dict.fromkeys("qrs", quiet),
    }
    text = _render(tmp_path, steps)
    code = [line.partition("   # ")[0].rstrip() for line in text.splitlines()]
    first = code.index("pipeline() {")
    assert code[first : code.index("}", first)] == [
        "pipeline() {",
        "  step a || { confirm; return; }",
        "  step b || {",
        "    confirm || return 1",
        "    pass q",
        "    return 0",
        "  }",
        "  step c || { confirm && next=from_r; return; }",
        "  step d || { confirm && next=from_r; return; }",
        "  step e || {",
        "    step h || return 1",
        "    return 0",
        "  }",
        "  step f || confirm || return 1",
        "  pass s",
    ]


def _interpret(
    functions: dict[str, list[flow.Line]], failing: set[str], lost: set[str], walked: list[str]
) -> bool:
    """Do what bash does with the lines."""
    name: str | None = flow.ROOT
    status = True
    while name is not None:
        lines, name, place = functions[name], None, 0
        status = True
        while place < len(lines):
            line = lines[place]
            place += 1
            if line.kind == "return":
                status = line.status == 0
                break
            if line.kind == "go":
                name = line.target
                break
            if line.kind == "end":
                continue
            if line.kind == "confirm":
                if walked[-1] in lost:
                    status = False
                    break
                continue
            walked.append(line.slug)
            fails = line.slug in failing
            if line.otherwise == "block":
                if not fails:
                    place = next(
                        i
                        for i in range(place, len(lines))
                        if lines[i].kind == "end" and lines[i].depth == line.depth
                    )
            elif fails and line.confirm and line.slug in lost:
                status = False
                break
            elif fails and line.otherwise != "on":
                name = line.target if line.otherwise == "go" else None
                status = line.otherwise == "success"
                break
    return status


def _plan(steps: dict[str, Any]) -> Any:
    head = {"address": "", "start": "s0", "success": "success", "fail": "fail"}
    nodes = {}
    for name, step in steps.items():
        nodes[name] = {
            "address": name,
            "name": name,
            "path": name,
            "type": step["type"],
            "retry": {"attempts": 1},
            "graph": head,
            "next": {"slug": step["next"], "type": "task"},
            **({"on_failure": {"slug": step["on_failure"], "type": "task"}} if "on_failure" in step else {}),
        }
    return {"nodes": nodes, "graphs": {"": {**head, "nodes": [*steps, "success", "fail"]}}}


# ---- what is refused


def _task(then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "task", "command": "m.f", "next": then, **fields}


def _linear(count: int) -> dict[str, Any]:
    return {f"step-{i}": _task(f"step-{i + 1}" if i + 1 < count else "success") for i in range(count)}


def _render(folder: Path, steps: dict[str, Any], config: str | None = None) -> str:
    definition = folder / "dag.yaml"
    definition.write_text(json.dumps({"dag": {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}}))
    return render(str(definition), "bash", config).text


def _refused(folder: Path, steps: dict[str, Any]) -> Iterator[tuple[str, int]]:
    with pytest.raises(DefinitionError) as caught:
        _render(folder, steps)
    return ((item.code, item.line) for item in caught.value.diagnostics if item.severity == "error")


@pytest.mark.parametrize("value", [{"Type": "Pass"}, ["a"], {"a": {"b": 1}}])
def test_native_text_of_another_engine_is_refused(tmp_path: Path, value: Any) -> None:
    step = {"type": "as-is", "render_string": {"bash": value}, "next": "success"}
    found = list(_refused(tmp_path, {"a": step}))
    assert found
    assert all(line == 1 for _, line in found)


@pytest.mark.parametrize("text", ["if true; then", "echo 'x", "fi", "cat <<E\n", ")"])
def test_as_is_lines_that_bash_cannot_parse(tmp_path: Path, text: str) -> None:
    require("bash")
    assert [
        code
        for code, _ in _refused(tmp_path, {"a": {"type": "as-is", "render_string": text, "next": "success"}})
    ] == ["MR105"]


def test_what_is_not_declared_is_refused() -> None:
    class Less(BashTarget):
        name = "less"
        capabilities = {"task": frozenset({"on_failure"})}  # noqa: RUF012

    steps = {"s0": _task()}
    plan = _plan(steps)
    plan["nodes"]["s0"]["retry"] = {"attempts": 2, "delay": 0.0, "backoff": 1.0, "max_delay": None}
    plan["nodes"]["m"] = {**plan["nodes"]["s0"], "type": "map", "address": "m", "path": "m"}
    found = [(item.code, item.address) for item in Less().undeclared(plan)]
    assert found == [("MR102", "s0"), ("MR101", "m")]
