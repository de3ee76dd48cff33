"""What people see of conditionals: `runs show`, `runs diff`, `runs list`, pictures of runs, `magnus test`, mocked tasks."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from magnus_render.cli.main import run as magnus
from tests.tools import environment
from tests.unit.front_end import magnus as command

ENDS = "ok: {type: success}, no: {type: fail}"
PIPELINE = f"""dag:
  start_at: judge
  steps:
    judge: {{type: task, command: to.come, next: pick}}
    pick:
      type: conditional
      parameter: quality
      branches:
        good: {{start_at: publish, steps: {{publish: {{type: task, command: to.come, next: ok}}, {ENDS}}}}}
        not good: {{start_at: repair, steps: {{repair: {{type: task, command: to.come, next: ok}}, {ENDS}}}}}
      default: {{start_at: look, steps: {{look: {{type: task, command: to.come, next: ok}}, {ENDS}}}}}
      next: report
      on_failure: tell
    report: {{type: task, command: to.come, next: success}}
    tell: {{type: task, command: to.come, next: fail}}
    success: {{type: success}}
    fail: {{type: fail}}
"""
IN_A_MAP = f"""dag:
  start_at: each
  steps:
    each:
      type: map
      iterate_on: marks
      iterate_as: mark
      next: success
      branch:
        start_at: pick
        steps:
          pick:
            type: conditional
            parameter: mark
            branches:
              1: {{start_at: praise, steps: {{praise: {{type: task, command: to.come, next: ok}}, {ENDS}}}}}
              2: {{start_at: ok, steps: {{{ENDS}}}}}
              6: {{start_at: ok, steps: {{{ENDS}}}}}
            next: ok
          ok: {{type: success}}
          no: {{type: fail}}
    success: {{type: success}}
    fail: {{type: fail}}
"""


def run(run_id: str, *, status: int = 0, **parameters: object) -> str:
    """Execute `dag.yaml` without running a task; return what was said."""
    Path("mocked.yaml").write_text("executor: {type: mocked}\n")
    given = [f"--param={name}={json.dumps(value)}" for name, value in parameters.items()]
    done = command(Path(), "execute", "-f", "dag.yaml", "-c", "mocked.yaml", "--run-id", run_id, *given)
    assert done.returncode == status, done.stderr
    return done.stderr


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what a command prints, without durations."""
    magnus(list(words))
    return re.sub(r",? +\d+\.\d+ s$", "", capsys.readouterr().out, flags=re.MULTILINE).splitlines()


def tree(capsys: pytest.CaptureFixture[str], run_id: str) -> list[str]:
    """Return the lines of `runs show` from the first step on."""
    lines = told(capsys, "runs", "show", run_id)
    return lines[lines.index("") + 1 :]


@pytest.fixture
def pipeline(project: Path) -> Path:
    (project / "dag.yaml").write_text(PIPELINE)
    return project


@pytest.mark.parametrize(
    ("quality", "branch", "step"),
    [("good", "good", "publish"), ("not good", "not good", "repair"), (3, "default", "look")],
)
def test_show_says_what_decided(
    pipeline: Path, capsys: pytest.CaptureFixture[str], quality: object, branch: str, step: str
) -> None:
    said = run("r", quality=quality)
    assert f"magnus: pick.{branch}.{step}: success" in said and "3 steps done" in said
    assert tree(capsys, "r") == [
        "  SUCCESS    judge",
        f"  SUCCESS    pick  conditional, by quality: {branch}",
        f"    SUCCESS    {step}",
        "  SUCCESS    report",
    ]


def test_show_says_why_no_branch_ran(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pipeline / "dag.yaml").write_text(re.sub("      default.*\n", "", PIPELINE))
    for run_id, given, why in (
        ("missing", {}, "parameter 'quality' is missing"),
        ("none", {"quality": "bad"}, "no branch is named like the value of parameter 'quality'"),
    ):
        said = run(run_id, status=1, **given)
        assert f"magnus:   pick: {why}\n" in said
        assert tree(capsys, run_id) == [
            "  SUCCESS    judge",
            "  FAIL       pick  conditional, by quality",
            f"             {why}",
            "  SUCCESS    tell",
            "",
            "What failed:",
            f"  FAIL pick: {why}",
        ]
    assert [line.split()[:2] for line in told(capsys, "runs", "list")[1:]] == [
        ["none", "FAIL"],
        ["missing", "FAIL"],
    ]


def test_show_in_a_map(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dag.yaml").write_text(IN_A_MAP)
    run("r", status=1, marks=[1, 2, "5"])
    assert tree(capsys, "r") == [
        "  FAIL       each  map, 3 items, 1 failed",
        "    SUCCESS    [0]",
        "      SUCCESS    pick  conditional, by mark: 1",
        "        SUCCESS    praise",
        "    SUCCESS    [1]",
        "      SUCCESS    pick  conditional, by mark: 2",
        "    FAIL       [2]",
        "      FAIL       pick  conditional, by mark",
        "                 no branch is named like the value of parameter 'mark'",
        "",
        "What failed:",
        "  FAIL each.2.pick (mark = \"5\"): no branch is named like the value of parameter 'mark'",
    ]
    picture = told(capsys, "graph", "dag.yaml", "--run", "r", "--format", "ascii")
    assert [line.strip() for line in picture[1:8]] == [
        "x each  (map, for each mark of marks)  FAIL",
        "x pick  (conditional, by mark)  FAIL 2/3",
        "[1]",
        "+ praise  (task, to.come)  SUCCESS 1/1",
        "+ ok  SUCCESS 1/1",
        "[2]",
        "+ ok  SUCCESS 1/1",
    ]
    assert "[6 (not taken)]" in picture[8]


def test_execute_and_show_say_which_fail_node_ended_a_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reject = f"""{{start_at: pick, steps: {{pick: {{type: conditional, parameter: level, next: ok, branches: {{
      low: {{start_at: no, steps: {{{ENDS}}}}}}},
      default: {{start_at: look, steps: {{look: {{type: task, command: to.come, next: no}}, {ENDS}}}}}}}, {ENDS}}}}}"""
    (project / "dag.yaml").write_text(
        f"dag: {{start_at: m, steps: {{m: {{type: map, iterate_on: levels, iterate_as: level, next: ok, branch: {reject}}},"
        f" {ENDS}}}}}\n"
    )
    why = [
        "the branch 'm.0.pick.low' (level = \"low\") comes to its fail node 'no' at once",
        "the branch 'm.1.pick.default' (level = 0.5) comes to its fail node 'no' behind 'look', which succeeded",
    ]
    said = run("r", status=1, levels=["low", 0.5]).splitlines()
    ended = next(number for number, line in enumerate(said) if "run r: failed after" in line)
    assert said[ended + 1 : ended + 3] == [f"magnus:   {line}" for line in why]
    assert tree(capsys, "r")[-4:] == ["", "What failed:", *(f"  {line}" for line in why)]
    said = run("many", status=1, levels=["low"] * 23).splitlines()
    assert "magnus:   and 13 more came to a fail node in this way" in said
    assert tree(capsys, "many")[-1] == "  and 3 more came to a fail node in this way"


def test_diff_of_two_branches(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("a", quality="good")
    run("b", quality="not good")
    run("c", quality="good")
    assert told(capsys, "runs", "diff", "a", "b") == [
        "initial parameters:",
        '  ~ quality: "good" -> "not good"',
        "pick:",
        "  the branch that ran: good -> not good",
        "final parameters:",
        '  ~ quality: "good" -> "not good"',
    ]
    assert told(capsys, "runs", "diff", "a", "c") == ["a and c do not differ"]


def test_diff_where_one_run_had_no_branch(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("a", quality="good")
    run("b", status=1)
    lines = told(capsys, "runs", "diff", "a", "b")
    at = lines.index("pick:")
    assert lines[at : at + 4] == [
        "pick:",
        "  status: SUCCESS -> FAIL",
        "  the branch that ran: good -> none",
        '  message: "" -> "parameter \'quality\' is missing"',
    ]


def test_the_picture_of_a_run_says_which_branch_was_not_taken(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("r", quality="not good")
    for form, marks in (
        ("ascii", ["[good (not taken)]", "[not good]", "[default: any other value (not taken)]"]),
        ("dot", ['"good (not taken)"', '"not good"', '"default: any other value (not taken)"']),
        ("mermaid", ['"good (not taken)"', '"not good"', '"default: any other value (not taken)"']),
        ("svg", [">good (not taken)<", ">not good<", ">default: any other value (not taken)<"]),
    ):
        text = "\n".join(told(capsys, "graph", "dag.yaml", "--run", "r", "--format", form))
        assert all(mark in text for mark in marks), text


def test_the_picture_of_a_run_that_did_not_choose(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("r", status=1)
    text = "\n".join(told(capsys, "graph", "dag.yaml", "--run", "r", "--format", "ascii"))
    assert "[good (not taken)]" in text and text.count("(not taken)") == 3
    assert "x pick  (conditional, by quality)  on failure -> tell  FAIL" in text


# ---- mocked tasks, and cases


CASES = """good:
  steps: {judge: {set: {quality: good}}, pick.good.publish: {set: {url: here}}}
  expect:
    steps: {pick: SUCCESS, pick.good.publish: SUCCESS, pick.not good.repair: null, pick.default.look: null}
    parameters: {url: here, quality: good}
repaired at the last attempt:
  steps: {judge: {set: {quality: not good}}, pick.not good.repair: {fail: true}}
  expect: {status: FAIL, steps: {pick.not good.repair: FAIL, pick: FAIL, tell: SUCCESS, report: null}}
any other value:
  steps: {judge: {set: {quality: null}}}
  expect: {steps: {pick.default.look: SUCCESS, report: SUCCESS}}
no value:
  expect: {status: FAIL, steps: {pick: FAIL, pick.default.look: null, tell: SUCCESS}}
"""


def test_cases(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pipeline / "cases.yaml").write_text(CASES)
    assert magnus(["test", "dag.yaml", "cases.yaml"]) == 0, capsys.readouterr()
    assert "4 passed, 0 failed" in capsys.readouterr().out


def test_a_case_that_expects_another_branch(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = "steps: {judge: {set: {quality: Good}}}"
    (pipeline / "cases.yaml").write_text(
        f"a:\n  {steps}\n  expect: {{steps: {{pick.good.publish: SUCCESS}}}}\n"
    )
    assert magnus(["test", "dag.yaml", "cases.yaml"]) == 1
    assert capsys.readouterr().out.splitlines()[:3] == [
        "FAILED  a",
        "        pick.good.publish is not run, and should be SUCCESS",
        "        what was run: judge SUCCESS, pick SUCCESS, pick.default.look SUCCESS, report SUCCESS",
    ]


def test_a_case_names_a_branch_that_there_is_not(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pipeline / "cases.yaml").write_text(
        "a: {steps: {pick.goood.publish: {}}, expect: {steps: {pick.0.look: FAIL}}}\n"
    )
    assert magnus(["test", "dag.yaml", "cases.yaml"]) == 65
    said = capsys.readouterr().err
    assert "there is no task 'pick.goood.publish' (did you mean 'pick.good.publish'?)" in said
    assert "there is no step 'pick.0.look'" in said


def test_a_mocked_script_goes_the_same_way(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = {"judge": {"set": {"quality": "good"}}, "pick.good.publish": {"set": {"url": "here"}}}
    (pipeline / "mocks.yaml").write_text(json.dumps(steps))
    (pipeline / "c.json").write_text(json.dumps({"executor": {"type": "mocked", "config": {"steps": steps}}}))
    done = command(pipeline, "execute", "-f", "dag.yaml", "-c", "c.json", "--run-id", "here")
    assert done.returncode == 0, done.stderr
    words = ("-t", "bash", "--mock", "mocks.yaml", "--plan", "plan.json", "-o", "run.sh")
    assert command(pipeline, "render", "dag.yaml", *words).returncode == 0
    script = subprocess.run(
        ["bash", "run.sh", "bash"],
        env=environment(MAGNUS_PLAN="plan.json"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    assert told(capsys, "runs", "diff", "here", "bash") == ["here and bash do not differ"]
    assert "  SUCCESS    pick  conditional, by quality: good" in tree(capsys, "bash")
