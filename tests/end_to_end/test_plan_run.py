"""`magnus plan FILE --use-cached RUN_ID` and `magnus execute --dry-run`: what a run would do, and why."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from magnus_render.cli.main import run
from magnus_render.planning.document import schema
from tests.unit.front_end import dag, magnus

STORES = "run_log_store: {type: file-system}\ncatalog: {type: file-system}\n"
SHELL = "type: task, command_type: shell"
ENDS = "ok: {type: success}, no: {type: fail}"
ITEM = f"{{start_at: s, steps: {{s: {{{SHELL}, command: 'test $MAGNUS_PRM_i != %s', next: ok}}, {ENDS}}}}}"


def definition(steps: str, start: str = "a") -> str:
    return dag(steps, start, STORES)


def done(folder: Path, *words: str, status: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    ended = magnus(folder, *words, **variables)
    assert ended.returncode == status, ended.stderr
    return ended


def ran(folder: Path, text: str, status: int = 0, *words: str) -> None:
    """Run a definition under the id `first`."""
    (folder / "dag.yaml").write_text(text, encoding="utf-8")
    done(folder, "execute", "-f", "dag.yaml", "--run-id", "first", *words, status=status)


def planned(folder: Path, text: str, *words: str) -> dict[str, tuple[str, str, list[str]]]:
    """Return verdict, reason and conditions by path of what a run of a definition would do with `first`."""
    (folder / "dag.yaml").write_text(text, encoding="utf-8")
    before = stored(folder)
    status, told, complaint = plan(folder, "--use-cached", "first", "--json", *words)
    assert status == 0, complaint
    assert stored(folder) == before, "something was written"
    document = json.loads(told)
    jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)
    return {one["path"]: (one["verdict"], one["why"], one["conditions"]) for one in document["steps"]}


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def plan(folder: Path, *words: str) -> tuple[int, str, str]:
    """Return exit status, output and complaint of `magnus plan dag.yaml` in a folder."""
    out, complaint = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with working_in(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaint):
        status = run(["plan", "dag.yaml", *words])
    out.seek(0)
    return status, out.read(), complaint.getvalue()


def stored(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.name != "dag.yaml"}


def verdicts(found: dict[str, tuple[str, str, list[str]]]) -> dict[str, str]:
    return {path: verdict for path, (verdict, _, _) in found.items()}


CHAIN = f"""\
    a: {{{SHELL}, command: 'export MAGNUS_PRM_x=1', next: b}}
    b: {{{SHELL}, command: 'false', next: c}}
    c: {{{SHELL}, command: 'true', next: success, on_failure: d}}
    d: {{{SHELL}, command: 'true', next: fail}}
"""


def test_what_failed_runs_and_what_is_behind_it(tmp_path: Path) -> None:
    ran(tmp_path, definition(CHAIN), 1)
    found = planned(tmp_path, definition(CHAIN))
    behind = ("runs if reached", "it is behind 'b', which runs", [])
    assert found == {
        "a": ("taken over", "", []), "b": ("runs", "it failed there", []), "c": behind, "d": behind,
    }  # fmt: skip


def test_reasons(tmp_path: Path) -> None:
    ran(tmp_path, definition(CHAIN), 1)
    changed = CHAIN.replace("command: 'export MAGNUS_PRM_x=1'", "retry: 3, command: 'export MAGNUS_PRM_x=2'")
    why = planned(tmp_path, definition(changed))["a"][1]
    expected = 'command "export MAGNUS_PRM_x=1" -> "export MAGNUS_PRM_x=2", retry.attempts 1 -> 3'
    assert why == f"definition changed: {expected}"
    why = planned(tmp_path, definition(CHAIN), "--param", "n=3")["a"][1]
    assert why == "initial parameters changed: parameter n none -> 3"
    before = f"    z: {{{SHELL}, command: 'true', next: a}}\n"
    assert planned(tmp_path, definition(before + CHAIN, "z"))["z"] == (
        "runs", "that run's definition has no such step", [],
    )  # fmt: skip
    gone = CHAIN.replace("    a:", "    unused:")
    assert planned(tmp_path, definition(gone, "b"))["b"][1] == "it failed there"
    assert planned(tmp_path, definition(gone, "c"))["c"][1] == "it did not run there"


def test_a_step_that_sees_something_else_runs(tmp_path: Path) -> None:
    steps = f"""\
    a: {{{SHELL}, command: 'export MAGNUS_PRM_x=1', next: b}}
    b: {{{SHELL}, command: 'true', next: success}}
"""
    ran(tmp_path, definition(steps))
    found = planned(tmp_path, definition(steps, "b"))
    assert found["b"] == ("runs", "it sees something else: parameter x 1 -> none", [])


def test_items_of_a_map_that_are_the_same_are_taken_over(tmp_path: Path) -> None:
    steps = f"""\
    m: {{type: map, iterate_on: l, iterate_as: i, next: e, branch: {ITEM % 3}}}
    e: {{{SHELL}, command: 'true', next: success}}
"""
    ran(tmp_path, definition(steps, "m"), 1, "--param", "l=[1,2,3]")
    found = planned(tmp_path, definition(steps, "m"))
    assert verdicts(found) == {
        "m.0.s": "taken over", "m.1.s": "taken over", "m.2.s": "runs", "e": "runs if reached",
    }  # fmt: skip
    assert found["e"][1] == "it is behind 'm', which runs"
    _, text, _ = plan(tmp_path, "--use-cached", "first")
    assert "taken over       m._.s (2 of them)\n" in text
    assert text.endswith("2 taken over from run first, 1 to run, 1 runs if reached. Nothing was run.\n")


def test_items_are_told_together_with_what_is_behind_their_steps(tmp_path: Path) -> None:
    item = ITEM.replace("next: ok", f"next: t}}, t: {{{SHELL}, command: 'true', next: ok")
    steps = f"    m: {{type: map, iterate_on: l, iterate_as: i, next: success, branch: {item % 'x'}}}\n"
    ran(tmp_path, definition(steps, "m"), 0, "--param", "l=[1,2,3]")
    (tmp_path / "dag.yaml").write_text(definition(steps.replace("!= x", "!= y"), "m"), encoding="utf-8")
    _, text, _ = plan(tmp_path, "--use-cached", "first")
    assert text.splitlines()[1].endswith("  it is behind 'm._.s', which runs")
    assert len(text.splitlines()) == 4


def test_what_a_running_step_decides_is_left_open(tmp_path: Path) -> None:
    steps = f"""\
    a: {{{SHELL}, command: 'false', next: m}}
    m: {{type: map, iterate_on: l, iterate_as: i, next: c, branch: {ITEM % 3}}}
    c: {{type: conditional, parameter: x, branches: {{one: {ITEM % 1}}}, next: t}}
    t: {{{SHELL}, command: 'true', when: {{parameter: x, is: 1}}, next: e}}
    e: {{{SHELL}, command: 'true', next: success}}
"""
    ran(tmp_path, definition(steps), 1)
    decided = "decided when 'a' has run"
    assert planned(tmp_path, definition(steps)) == {
        "a": ("runs", "it failed there", []),
        "m": ("undecided", f"its items are {decided}", []),
        "m._.s": ("undecided", decided, []),
        "c": ("undecided", f"its branch is {decided}", []),
        "c.one.s": ("undecided", decided, []),
        "t": ("undecided", f"its condition is {decided}", []),
        "e": ("runs if reached", "it is behind 'a', which runs", []),
    }


def test_conditions_that_are_known_are_told(tmp_path: Path) -> None:
    steps = f"""\
    a: {{{SHELL}, command: 'export MAGNUS_PRM_x=2', next: t}}
    t: {{{SHELL}, command: 'true', when: {{parameter: x, is: 1}}, next: c}}
    c: {{type: conditional, parameter: x, branches: {{one: {ITEM % 1}}}, next: success, on_failure: h}}
    h: {{{SHELL}, command: 'false', next: fail}}
"""
    ran(tmp_path, definition(steps), 1)
    found = planned(tmp_path, definition(steps))
    assert found["a"] == ("taken over", "", [])
    assert found["t"] == ("skipped", "x is not 1", [])
    assert found["c"] == ("fails", "no branch is named like the value of parameter 'x'", [])
    assert found["h"][0] == "runs"


def test_text_of_the_engine_and_fail_fast_are_conditions(tmp_path: Path) -> None:
    one = ITEM.replace("test $MAGNUS_PRM_i != %s", "%s")
    steps = f"""\
    a: {{type: as-is, render_string: 'true', next: p, on_failure: h}}
    p: {{type: parallel, fail_fast: true, branches: {{l: {one % 'true'}, r: {one % 'sleep 0.2; false'}}}, next: success}}
    h: {{{SHELL}, command: 'true', next: fail}}
"""
    ran(tmp_path, definition(steps), 1)
    found = planned(tmp_path, definition(steps))
    assert found["a"] == ("runs", "text of the engine itself is never taken over", [])
    conditions = ["if 'a' succeeds", "unless another branch of 'p' fails first"]
    assert found["p.l.s"] == ("taken over", "", conditions)
    assert found["p.r.s"] == ("runs", "it failed there", ["if 'a' succeeds"])
    assert found["h"] == ("runs if reached", "it is behind 'a', which may fail", [])


def test_a_dry_run_says_the_same_and_runs_nothing(tmp_path: Path) -> None:
    ran(tmp_path, definition(CHAIN), 1)
    before = stored(tmp_path)
    _, told, _ = plan(tmp_path, "--use-cached", "first")
    assert done(tmp_path, "execute", "-f", "dag.yaml", "--dry-run", "--use-cached", "first").stdout == told
    fresh = done(tmp_path, "execute", "-f", "dag.yaml", "--dry-run", MAGNUS_PRM_n="1").stdout
    assert fresh.startswith("runs             a\n") and "taken over" not in fresh
    assert stored(tmp_path) == before


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    ran(tmp_path, definition(CHAIN), 1)
    status, _, complaint = plan(tmp_path, "--use-cached", "frist")
    assert status == 65 and "did you mean first?" in complaint
    assert plan(tmp_path, "--use-cached", "first", "--param", "n")[0] == 64
    (tmp_path / "argo.yaml").write_text("executor: {type: argo, config: {image: x}}\n", encoding="utf-8")
    status, _, complaint = plan(tmp_path, "--use-cached", "first", "-c", str(tmp_path / "argo.yaml"))
    assert status == 65 and "walks the graph itself" in complaint
    done(tmp_path, "execute", "-f", "dag.yaml", "--run-id", "first", "--resume", "--dry-run", status=64)


@pytest.mark.parametrize(
    ("address", "other", "expected"),
    [
        ("a", "b", True),
        ("a", "m.0.x", True),
        ("m.0.x", "b", True),
        ("m.0.x", "m.0.y", True),
        ("m.0.x", "m.1.y", False),
        ("m.0.n.l.x", "m.0.n.r.y", False),
        ("m", "m.0.x", False),
    ],
)
def test_which_stands_before_which(address: str, other: str, expected: bool) -> None:
    from magnus_render.planning.beyond import precedes

    assert precedes(address, other) is expected


def test_a_step_that_began_and_has_no_outcome_did_run(tmp_path: Path) -> None:
    text = definition(f"    a: {{{SHELL}, command: 'true', next: success}}\n")
    ran(tmp_path, text)
    (tmp_path / ".run_log_store/first/steps/a/outcome.json").unlink()
    why = "it had not ended there: it is still at work, or was stopped"
    assert planned(tmp_path, text) == {"a": ("runs", why, [])}


def test_a_dry_run_refuses_the_id_of_a_run_that_is_there(tmp_path: Path) -> None:
    ran(tmp_path, definition(f"    a: {{{SHELL}, command: 'true', next: success}}\n"))
    for name, status in (("first", 65), ("second", 0)):
        done(tmp_path, "execute", "-f", "dag.yaml", "--run-id", name, "--dry-run", status=status)
