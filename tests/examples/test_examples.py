"""Every example runs by `magnus execute` and by its rendered bash script, and leaves the same run log."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools import environment, require

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/dag.yaml"))
Log = dict[str, Any]


def run(folder: Path, *argv: str, status: int = 0, **variables: str) -> str:
    done = subprocess.run(
        argv,
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, f"{argv} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def parameters_of(folder: Path) -> list[str]:
    return ["-p", "parameters.yaml"] if (folder / "parameters.yaml").exists() else []


def folded(folder: Path, run_id: str) -> Log:
    log: Log = json.loads(run(folder, "magnus", "runs", "show", run_id, "--json"))
    return log


def by_execute(folder: Path, run_id: str, status: int = 0, **variables: str) -> Log:
    argv = ("magnus", "execute", "-f", "dag.yaml", "--run-id", run_id, *parameters_of(folder))
    run(folder, *argv, status=status, **variables)
    return folded(folder, run_id)


def by_bash(folder: Path, run_id: str, status: int = 0, **variables: str) -> Log:
    run(folder, "magnus", "render", "dag.yaml", "--target", "bash", "-o", "run.sh")
    run(folder, require("bash"), "run.sh", run_id, *parameters_of(folder), status=status, **variables)
    return folded(folder, run_id)


WALKS = {"execute": by_execute, "bash": by_bash}


def steps_of(graph: Log) -> dict[str, Log]:
    """Return all steps below a graph by dot path, a composite before its branches."""
    found: dict[str, Log] = {}
    for path, step in graph["steps"].items():
        found[path] = step
        for branch in step.get("branches", {}).values():
            found |= steps_of(branch)
    return found


def comparable(value: Any) -> Any:
    """Leave out what may differ between two walks (docs/semantics.md, "The folded log")."""
    ignored = {"start_time", "end_time", "duration", "run_id", "log", "code_identity"}
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items() if name not in ignored}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value


def check_expected(log: Log, expected: Log) -> None:
    steps = steps_of(log)
    assert log["status"] == expected["status"]
    assert {path: step["status"] for path, step in steps.items()} == expected["steps"]
    assert {path: step["message"] for path, step in steps.items() if step["message"]} == expected["messages"]
    filed = {
        entry["name"] for step in steps.values() for entry in step["data_catalog"] if entry["stage"] == "put"
    }
    assert sorted(filed) == expected["files"]
    assert log["parameters"].keys() == expected["parameters"].keys()
    for name, value in expected["parameters"].items():
        if value is not None:  # null: it depends on the version of a library
            assert log["parameters"][name] == value, name


def check_wine(log: Log) -> None:
    found = log["parameters"]
    assert found["test_accuracy"] > 0.9
    assert found["accuracy"][found["settings"].index(found["best"])] == max(found["accuracy"])
    steps = steps_of(log)
    measured = [steps[f"tune.{i}.train"]["user_defined_metrics"]["accuracy"] for i in range(6)]
    assert measured == found["accuracy"]


def check_recover(log: Log) -> None:
    attempts = log["steps"]["download"]["attempts"]
    assert [attempt["status"] for attempt in attempts] == ["FAIL", "SUCCESS"]
    assert attempts[0]["message"] == "exited with status 7"
    assert len(log["steps"]["convert"]["attempts"]) == 1


FURTHER = {"wine": check_wine, "recover": check_recover}


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    if name == "wine":
        pytest.importorskip("sklearn")
    return copy(name, tmp_path)


def copy(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=left_overs))


def left_overs(_folder: str, names: list[str]) -> list[str]:
    """Name what a run by hand in the examples' own folders may have left."""
    return [name for name in names if name in ("data", "run.sh", "__pycache__") or name.startswith(".")]


def test_execute_and_bash_leave_the_expected_log(example: Path) -> None:
    expected = json.loads((example / "expected.json").read_text(encoding="utf-8"))
    executed = by_execute(example, "by-execute")
    check_expected(executed, expected)
    shutil.rmtree(example / "data", ignore_errors=True)
    rendered = by_bash(example, "by-bash")
    check_expected(rendered, expected)
    assert comparable(rendered) == comparable(executed)
    FURTHER.get(example.name, lambda _log: None)(executed)


def test_validates_without_a_word(example: Path) -> None:
    assert run(example, "magnus", "validate", "dag.yaml", "--format", "json").strip() in ("", "[]")


@pytest.mark.parametrize("walk", WALKS)
def test_wine_raises_the_alarm(walk: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    folder = copy("wine", tmp_path)
    log = WALKS[walk](folder, "a-run", status=1, MAGNUS_PRM_folds="500")
    status = {path: step["status"] for path, step in log["steps"].items()}
    assert status == {"prepare": "SUCCESS", "tune": "FAIL", "alert": "SUCCESS", "fail": "FAIL"}
    assert log["status"] == "FAIL"
    train = log["steps"]["tune"]["branches"]["tune.0"]["steps"]["tune.0.train"]
    assert [attempt["status"] for attempt in train["attempts"]] == ["FAIL"]
    assert train["message"].startswith("ValueError: ")
    assert "accuracy" not in log["parameters"]


@pytest.mark.parametrize("walk", WALKS)
def test_joins_with_other_parameters(walk: str, tmp_path: Path) -> None:
    folder = copy("joins", tmp_path)
    (folder / "parameters.yaml").write_text("country: south\n")
    log = WALKS[walk](folder, "a-run")
    assert log["parameters"]["ranking"] == ["Lecce", "Bari"]
    assert log["parameters"]["published"] == 2


def test_the_commands_of_the_readme_give_two_equal_runs(tmp_path: Path) -> None:
    copied = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copied, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    before_the_first = (EXAMPLES / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    commands = [line[4:] for line in before_the_first.splitlines() if line.startswith("    ")]
    assert commands[0] == "cd examples/words" and commands[-1] == "magnus runs diff first second"
    searched = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env=searched,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("first and second do not differ")


@pytest.mark.parametrize("cases", sorted(EXAMPLES.glob("*/cases.yaml")), ids=lambda path: path.parent.name)
def test_an_examples_cases_pass(cases: Path) -> None:
    assert " passed, 0 failed, " in run(cases.parent, "magnus", "test", "dag.yaml", cases.name)
