"""`magnus test`: cases of a pipeline, whose code is not run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.executors.rehearsal import Rehearsal
from magnus_render.graph.load import load
from tests.conformance import cases as conformance
from tests.conformance.comparing import comparable
from tests.end_to_end.test_mocked import DAG
from tests.tools import environment

CASES = """all is well:
  steps:
    fetch: {set: {regions: [a, b]}, fail: 2}
    each._.train: {set: {score: 0.5}}
  expect:
    steps: {fetch: SUCCESS, each.1.train: SUCCESS, tell: null, report: SUCCESS}
    parameters: {score: [0.5, 0.5], limit: 3}
  parameters: {limit: 3}
a region fails:
  steps: {fetch: {set: {regions: [a]}}, each._.train: {fail: true}}
  expect: {steps: {each.0.train: FAIL, tell: SUCCESS, report: null}}
no list:
  expect: {steps: {each: FAIL, tell: SUCCESS}}
"""


@pytest.fixture(autouse=True)
def _dag(project: Path) -> None:
    (project / "dag.yaml").write_text(DAG)


def run(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run cases; return the exit status, and what was printed. Nothing may be left."""
    Path("cases.yaml").write_text(text)
    before = sorted(os.listdir())
    status = magnus(["test", "dag.yaml", "cases.yaml"])
    assert sorted(os.listdir()) == before
    found = capsys.readouterr()
    return status, found.out, found.err


def test_cases_that_pass(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(CASES, capsys)
    assert (status, err) == (0, "")
    *lines, last = out.splitlines()
    assert lines == ["ok      all is well", "ok      a region fails", "ok      no list"]
    assert last.startswith("3 cases: 3 passed, 0 failed, in ")


def test_a_case_that_fails_says_in_what(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(
        "wrong:\n  steps: {fetch: {set: {regions: [a]}}, each._.train: {set: {score: 1}}}\n"
        "  expect: {status: FAIL, steps: {tell: SUCCESS, report: null}, parameters: {score: [2], a: 1}}\n",
        capsys,
    )
    assert status == 1
    assert out.splitlines()[:-1] == [
        "FAILED  wrong",
        "        the run is SUCCESS, and should be FAIL",
        "        tell is not run, and should be SUCCESS",
        "        report is SUCCESS, and should not be run",
        "        the parameter score is [1], and should be [2]",
        "        the parameter a is not set, and should be 1",
        "        what was run: fetch SUCCESS, each SUCCESS, each.0.train SUCCESS, report SUCCESS, note SUCCESS",
    ]


def test_all_that_is_wrong_with_a_file_is_told_at_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(
        "a:\n  stepps: {}\n  steps:\n    ftch: {}\n    fetch: {fail: x}\n    report: 3\n"
        "  expect:\n    steps: {each.0.trin: FAIL, fetch: OK}\n    status: GOOD\n    parameters: [1]\nb: 3\n",
        capsys,
    )
    assert status == 65
    for line in (
        "2:3: error MR079: case 'a' has no key 'stepps'",
        "4:5: error MR079: case 'a': there is no task 'ftch'",
        "5:13: error MR079: case 'a': 'fetch': 'fail' must be a number of attempts, or true for all of them, not 'x'",
        "6:5: error MR079: case 'a': 'report' must be a mapping",
        "8:13: error MR079: there is no step 'each.0.trin'",
        "8:39: error MR079: 'fetch' is 'OK', not SUCCESS, FAIL or SKIPPED",
        "9:13: error MR079: 'status' is 'GOOD', not SUCCESS or FAIL",
        "10:17: error MR079: case 'a': expect: 'parameters' must be a mapping",
        "11:4: error MR079: case 'b' must be a mapping",
    ):
        assert f"cases.yaml:{line}" in err, err
    assert run("", capsys)[0] == 65 and run("- a\n", capsys)[0] == 65


def test_a_step_that_sets_a_map_variable_fails_as_it_would(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(
        "a:\n  steps: {fetch: {set: {regions: [a]}}, each._.train: {set: {region: 1}}}\n"
        "  expect: {steps: {each.0.train: FAIL}}\n",
        capsys,
    )
    assert status == 0, out


def test_parameters_are_those_of_the_case(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGNUS_PRM_EXTRA", "1")
    status, out, _ = run(
        "a:\n  parameters: {'a=b': '007', -x: null, regions: [1]}\n"
        "  expect: {parameters: {'a=b': '007', -x: null, EXTRA: 1}}\n",
        capsys,
    )
    assert status == 1 and os.environ["MAGNUS_PRM_EXTRA"] == "1"
    assert out.splitlines()[1:-2] == ["        the parameter EXTRA is not set, and should be 1"]


def test_a_run_without_processes_leaves_the_log_of_one_with_them(tmp_path: Path) -> None:
    """The case of the conformance suite that all engines run, and its log written by hand."""
    case = conformance.load("mocked")
    os.chdir(case.folder)
    plan = load("dag.yaml").plan
    steps = {
        node["path"]: node["command_config"] for node in plan["nodes"].values() if node["type"] == "task"
    }
    os.chdir(tmp_path)
    log = comparable(Rehearsal(plan, str(tmp_path)).run(steps, {}))
    assert case.by_hand is not None
    assert {key: log[key] for key in ("status", "steps")} == {
        key: case.by_hand[key] for key in ("status", "steps")
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(project: Path, number: signal.Signals) -> None:
    (project / "cases.yaml").write_text("".join(f"case {number}: {{}}\n" for number in range(3000)))
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-c",
            "from magnus_render.cli.main import main; main()",
            "test",
            "dag.yaml",
            "cases.yaml",
        ],
        cwd=project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    folder = Path(f"/proc/{process.pid}/cwd").readlink()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, folder.name[:12], folder.exists()) == (
        128 + number,
        "magnus-test-",
        False,
    ), err


def test_what_can_never_be_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that no run log has would be `not run` whatever happens."""
    for path in ("done", "each._.train", "each.a.train", "each.0"):
        status, _, err = run(f"a: {{expect: {{steps: {{{path}: null}}}}}}\n", capsys)
        assert status == 65 and f"there is no step '{path}'" in err
    (project / "dag.yaml").write_text(DAG.replace("each:", "'7':").replace("next: each", "next: '7'"))
    assert run("a: {expect: {steps: {'7': FAIL, 7.0.train: null}}}\n", capsys)[0] == 0


def test_a_task_that_is_mocked_in_the_definition_stays_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "command: to.come\n      command_type: mocked\n      command_config: {set: {regions: [a]}}\n      next: each"
    (project / "dag.yaml").write_text(DAG.replace("command: to.come\n      next: each", told))
    assert run("a: {expect: {steps: {each.0.train: SUCCESS}}}\n", capsys)[0] == 0
    assert (
        run("a: {steps: {fetch: {set: {regions: []}}}, expect: {steps: {each.0.train: null}}}\n", capsys)[0]
        == 0
    )
