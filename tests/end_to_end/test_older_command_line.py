"""Command lines, variables and paths of versions 0.2 to 0.5 work, or say what replaced them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli import options
from magnus_render.diagnostics import DefinitionError
from magnus_render.graph.load import Loaded, load
from tests.unit.front_end import magnus

ENDS = "success: {type: success}, fail: {type: fail}"
HELLO = "mkdir -p data; echo hello > data/hello.txt"


def pipeline(catalog: str = "{put: [data/hello.txt]}", then: str = "success") -> str:
    task = f"{{type: task, command_type: shell, command: '{HELLO}', catalog: {catalog}, next: {then}}}"
    return f"dag: {{start_at: a, steps: {{a: {task}, {ENDS}}}}}\n"


def files(folder: Path, run_id: str, step: str = "a") -> list[str]:
    """Return what a step of a run has put."""
    record = json.loads((folder / f".run_log_store/{run_id}/steps/{step}/outcome.json").read_text())
    return [entry["path"] for entry in record["catalog"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text(pipeline())
    (tmp_path / "config.yaml").write_text("run_log_store: {type: file-system}\n")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["--file", "pipeline.yaml", "--config-file", "config.yaml", "--log-level", "INFO"],
        ["-f", "pipeline.yaml", "-c", "config.yaml"],
        ["--config", "config.yaml", "--tag", "x"],
        [],
    ],
)
def test_execute(folder: Path, words: list[str]) -> None:
    done = magnus(folder, "execute", "--run-id", "r", *words)
    assert done.returncode == 0, done.stderr
    assert files(folder, "r") == ["hello.txt"]
    assert ("--log-level is not used any more" in done.stderr) == ("--log-level" in words)
    assert ("the definition is pipeline.yaml" in done.stderr) == ("pipeline.yaml" not in words)


def test_the_definition_that_is_taken(folder: Path) -> None:
    (folder / "dag.yaml").write_text("not a pipeline")
    assert magnus(folder, "execute").returncode == 0
    (folder / "pipeline.yaml").rename(folder / "dag.yaml")
    done = magnus(folder, "execute_step", "a", "--use-cached", "old", "--log-level", "DEBUG")
    assert done.returncode == 0
    assert "the definition is dag.yaml" in done.stderr and "--use-cached is not used any more" in done.stderr
    (folder / "dag.yaml").unlink()
    done = magnus(folder, "execute")
    assert done.returncode == 64 and "-f FILE" in done.stderr


def test_configurations_that_older_versions_found(folder: Path) -> None:
    (folder / options.OLD_DEFAULTS).write_text(
        "run_log_store: {type: file-system, config: {log_folder: elsewhere}}\n"
    )
    done = magnus(folder, "execute")
    assert done.returncode == 0 and f"give it with -c {options.OLD_DEFAULTS}" in done.stderr
    assert not (folder / "elsewhere").exists()
    done = magnus(folder, "execute", MAGNUS_CONFIG_FILE=options.OLD_DEFAULTS)
    assert done.returncode == 0 and "from MAGNUS_CONFIG_FILE" in done.stderr
    assert (folder / "elsewhere").exists()


def test_execute_function(folder: Path) -> None:
    (folder / "m.py").write_text(
        "import os\ndef f():\n    os.makedirs('out', exist_ok=True)\n    open('out/x.txt', 'w').write('x')\n"
    )
    words = ["-c", "config.yaml", "--log-level", "INFO", "-d", "out", "-put", "*.txt", "--run-id", "r"]
    done = magnus(folder, "execute_function", "m.f", *words)
    assert done.returncode == 0, done.stderr
    assert files(folder, "r", "f") == ["x.txt"]
    done = magnus(
        folder,
        "execute_function",
        "m.f",
        "--data-folder",
        "out",
        "--put-in-catalog",
        "x.txt",
        "--run-id",
        "s",
    )
    assert done.returncode == 0 and files(folder, "s", "f") == ["x.txt"]


@pytest.mark.parametrize(
    "command",
    [["render", "pipeline.yaml", "-t", "bash"], ["validate", "pipeline.yaml"], ["graph", "pipeline.yaml"]],
)
def test_config_file_everywhere(folder: Path, command: list[str]) -> None:
    assert magnus(folder, *command, "--config-file", "config.yaml").returncode == 0
    (folder / "config.yaml").write_text("run_log_store: {type: none}\n")
    assert magnus(folder, *command, "--config-file", "config.yaml").returncode == 65


def test_callbacks(folder: Path) -> None:
    words = ["-f", "pipeline.yaml", "--config-file", "config.yaml", "--log-level", "WARNING"]
    assert magnus(folder, "start_run", "r", *words).returncode == 0
    assert magnus(folder, "execute_single_node", "r", "a", *words).returncode == 0
    assert files(folder, "r") == ["hello.txt"]


@pytest.mark.parametrize("command", list(options.GONE))
def test_commands_that_are_gone(folder: Path, command: str) -> None:
    done = magnus(folder, command, "x")
    assert done.returncode == 64 and options.GONE[command] in done.stderr


# ---- paths that begin with the data folder ----


def loaded(folder: Path, catalog: str, more: str = "") -> Loaded:
    (folder / "dag.yaml").write_text(pipeline(catalog) + more)
    return load(str(folder / "dag.yaml"))


@pytest.mark.parametrize(
    ("catalog", "found", "warnings"),
    [
        ("{put: data/hello.txt}", {"put": ["hello.txt"]}, 1),
        ("{put: hello.txt, get: '*.csv'}", {"put": ["hello.txt"], "get": ["*.csv"]}, 0),
        ("{put: [data/a, b, data/c/d], get: [data/*.csv]}", {"put": ["a", "b", "c/d"], "get": ["*.csv"]}, 3),
        ("{put: [./data/a, data, data/, datas/x]}", {"put": ["data/a", "data", "data/", "datas/x"]}, 0),
        ("{put: [data/a], compute_data_folder: data}", {"put": ["data/a"]}, 0),
        ("{put: [data/a], compute_data_folder: .}", {"put": ["data/a"]}, 0),
    ],
)
def test_paths_from_the_data_folder(
    tmp_path: Path, catalog: str, found: dict[str, Any], warnings: int
) -> None:
    read = loaded(tmp_path, catalog)
    assert {key: read.plan["nodes"]["a"]["catalog"][key] for key in found} == found  # type: ignore[literal-required]
    assert [item.code for item in read.diagnostics] == ["MR049"] * warnings
    assert all(item.line == 1 and item.fix for item in read.diagnostics)


def test_a_configuration_that_names_the_data_folder(tmp_path: Path) -> None:
    named = "catalog: {type: file-system, config: {compute_data_folder: data/}}\n"
    assert loaded(tmp_path, "{put: [data/a]}", named).plan["nodes"]["a"]["catalog"]["put"] == ["data/a"]


@pytest.mark.parametrize(
    "catalog",
    ["{put: 5}", "{put: {a: b}}", "{put: [[data/a]]}", "{put: [data/../../a]}", "{get: /a}", "[data/a]"],
)
def test_paths_that_are_wrong_are_still_refused(tmp_path: Path, catalog: str) -> None:
    with pytest.raises(DefinitionError):
        loaded(tmp_path, catalog)


# ---- the project's code ----


def test_results_of_other_code_are_said_to_be_that(folder: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

    (folder / ".gitignore").write_text(".*\ndata\n")
    git("init")
    git("add", "-A")
    git("commit", "-m", "a")
    assert magnus(folder, "execute", "--run-id", "one").returncode == 0
    said = "--use-cached: run one was made by commit"
    done = magnus(folder, "execute", "--run-id", "two", "--use-cached", "one")
    assert done.returncode == 0 and said not in done.stderr
    (folder / "m.py").write_text("x = 1\n")
    done = magnus(folder, "execute", "--run-id", "three", "--use-cached", "one")
    assert (
        done.returncode == 0
        and done.stderr.count(said) == 1
        and " with changes: what succeeded" in done.stderr
    )
    git("add", "-A")
    git("commit", "-m", "b")
    done = magnus(folder, "execute", "--run-id", "four", "--use-cached", "one")
    assert done.stderr.count(said) == 1
