"""Notebook tasks, with a real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from magnus_render.graph.load import load
from magnus_render.runtime.names import executed_notebook
from magnus_render.runtime.tasks.notebook import NotebookTask
from tests.unit.task_runs import Runner


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    pytest.importorskip("papermill")
    pytest.importorskip("ipykernel")
    return Runner(tmp_path)


def write(
    runner: Runner, *cells: str, path: str = "books/note.ipynb", metadata: dict[str, Any] | None = None
) -> str:
    book = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {"tags": ["parameters"]} if number == 0 else {},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
        "metadata": metadata or {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    file = runner.project / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(book))
    return path


def test_a_notebook_gets_and_sets_parameters_and_is_catalogued(runner: Runner) -> None:
    book = write(
        runner,
        "a = 0\nflag = None",
        "from magnus import set_parameter, get_parameter, track_this, get_run_id\nimport os\n"
        "print('hello', get_run_id())",
        "set_parameter(r=[a, flag, i, get_parameter('not a name')], cwd=os.getcwd())\ntrack_this(m=0.5)",
    )
    outcome = runner.run(
        book,
        "notebook",
        parameters={"a": "1", "flag": True, "not a name": None},
        map_variables={"i": {"x": None}},
    )
    assert outcome.message == "", outcome.err
    assert outcome.set == {"r": ["1", True, {"x": None}, None], "cwd": str(runner.project)}
    assert outcome.metrics == {"m": 0.5} and "hello run-1\n" in outcome.out
    assert [(entry["stage"], entry["path"]) for entry in outcome.catalog] == [("put", "note_out.ipynb")]
    assert "hello run-1" in (runner.project / "data/note_out.ipynb").read_text()


def test_a_failing_cell_is_the_message(runner: Runner) -> None:
    book = write(
        runner, "a = 1", "from magnus import set_parameter\nset_parameter(b=1)\nraise ValueError('one\\ntwo')"
    )
    outcome = runner.run(
        book, "notebook", config={"notebook_output_path": "out/done.ipynb", "kernel_name": "python3"}
    )
    assert outcome.message == "ValueError: one" and outcome.set == {"b": 1}
    assert [entry["path"] for entry in outcome.catalog] == ["out/done.ipynb"]
    assert "ValueError" in outcome.err
    book = write(runner, "a = 1", "from magnus import get_secret\nget_secret('x')")
    config = {"optional_ploomber_args": {"timeout": 100, "unknown": 1}}
    outcome = runner.run(book, "notebook", config=config)
    assert outcome.message == "secret 'x' is not there: looked in secrets (dotenv)"
    assert "a notebook task has no option 'unknown'" in outcome.err


def test_the_same_outputs_give_the_same_bytes_and_nothing_of_ours_is_said(runner: Runner) -> None:
    book = write(runner, "a = 1", "import warnings\nwarnings.warn('look')\nprint(a, b)")
    file = runner.project / book
    older = {**json.loads(file.read_text()), "nbformat": 4, "nbformat_minor": 4}
    for cell in older["cells"]:
        del cell["id"]
    file.write_text(json.dumps(older))
    outcomes = [runner.run(book, "notebook", parameters={"b": 2}) for _ in range(2)]
    assert outcomes[0].catalog == outcomes[1].catalog and outcomes[0].message == ""
    assert "TCP" not in outcomes[0].err and "IPKernelApp" not in outcomes[0].err
    executed = json.loads((runner.project / "data/note_out.ipynb").read_text())
    assert executed["metadata"]["papermill"]["parameters"] == {"b": 2}
    assert "/project" not in json.dumps(executed["metadata"])


LINGERS = """
import time
handlers = get_ipython().kernel.shell_handlers
def slowly(handle):
    async def handled(*request):
        await handle(*request)
        time.sleep(0.3)
    return handled
for kind in ("execute_request", "kernel_info_request"):
    handlers[kind] = slowly(handlers[kind])
"""


def test_a_kernel_that_is_slow_to_end_a_request_is_not_interrupted_in_it(runner: Runner) -> None:
    outcome = runner.run(write(runner, "a = 1", LINGERS), "notebook")
    assert outcome.message == "" and "KeyboardInterrupt" not in outcome.err, outcome.err


def test_a_name_of_the_executed_notebook_stays_in_the_data_folder(runner: Runner) -> None:
    book = write(runner, "a = 1")
    outcome = runner.run(book, "notebook", config={"notebook_output_path": "../out.ipynb"})
    assert outcome.message == "catalog: '../out.ipynb' leads out of the data folder"
    (runner.project / "elsewhere").write_text("mine")
    (runner.project / "data").mkdir(exist_ok=True)
    (runner.project / "data/note_out.ipynb").symlink_to(runner.project / "elsewhere")
    assert runner.run(book, "notebook").message == ""
    assert (runner.project / "elsewhere").read_text() == "mine"


@pytest.mark.parametrize(
    ("notebook", "step", "name"),
    [
        ("report.ipynb", "", "report_out.ipynb"),
        ("./a//report.ipynb", "", "report_out.ipynb"),
        ("a/report.ipynb", "p.left.run", "report.p.left.run_out.ipynb"),
        ("/abs/report.ipynb", "", "report_out.ipynb"),
        ("../shared/report.ipynb", "", "report_out.ipynb"),
    ],
)
def test_names_of_executed_notebooks(notebook: str, step: str, name: str) -> None:
    assert executed_notebook(notebook, step) == name


def test_notebooks_that_would_have_one_name_are_named_by_their_steps(tmp_path: Path) -> None:
    dag = """
    dag:
      start_at: a
      steps:
        a: {type: task, command_type: notebook, command: x/n.ipynb, next: b}
        b: {type: task, command_type: notebook, command: ./x/n.ipynb, next: c}
        c: {type: task, command_type: notebook, command: y/n.ipynb, next: d}
        d: {type: task, command_type: notebook, command: x/n.ipynb, command_config: {notebook_output_path: o.ipynb}, next: e}
        e: {type: task, command_type: notebook, command: x/n.b.ipynb, next: f}
        f: {type: task, command_type: notebook, command: o.ipynb, next: g}
        g: {type: task, command_type: notebook, command: n.ipynb, command_config: {notebook_output_path: o_out.ipynb},
            next: success}
        success: {type: success}
        fail: {type: fail}
    """
    (tmp_path / "dag.yaml").write_text(textwrap.dedent(dag))
    nodes = load(str(tmp_path / "dag.yaml")).plan["nodes"]
    named = {name: node.get("command_config", {}).get("notebook_output_path") for name, node in nodes.items()}
    assert [named[name] for name in "abcdefg"] == [
        "n.a_out.ipynb",
        "n.b__out.ipynb",
        "n.c_out.ipynb",
        "o.ipynb",
        None,
        "o.f_out.ipynb",
        "o_out.ipynb",
    ]


def test_notebooks_of_one_name_are_both_to_be_had_and_runs_are_equal(runner: Runner) -> None:
    for folder in "ab":
        write(runner, f"print('report {folder}')", path=f"{folder}/report.ipynb")
    dag = """
    dag:
      start_at: a
      steps:
        a: {type: task, command_type: notebook, command: a/report.ipynb, next: b}
        b: {type: task, command_type: notebook, command: b/report.ipynb, next: both}
        both:
          type: task
          command_type: shell
          command: grep -q "report a" data/report.a_out.ipynb && grep -q "report b" data/report.b_out.ipynb
          catalog: {get: ["*.ipynb"]}
          next: success
        success: {type: success}
        fail: {type: fail}
    run_log_store: {type: file-system}
    catalog: {type: file-system}
    """
    (runner.project / "dag.yaml").write_text(textwrap.dedent(dag))
    commands = """
    magnus execute -f dag.yaml --run-id one --isolated
    magnus render dag.yaml --target bash -o run.sh
    bash run.sh two
    magnus runs diff one two
    """
    searched = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", commands], cwd=runner.project, env=searched, check=True)


def test_no_notebook(runner: Runner) -> None:
    outcome = runner.run("none.ipynb", "notebook")
    assert outcome.message == "cannot read the notebook 'none.ipynb': No such file or directory"
    (runner.project / "bad.ipynb").write_text("no")
    assert runner.run("bad.ipynb", "notebook").message == "'bad.ipynb' is not a notebook"


def test_without_papermill(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)
    outcome = runner.run(write(runner, "a = 1"), "notebook")
    assert outcome.message == (
        "a notebook task needs papermill, which is not installed: pip install 'magnus-render[notebook]'"
    )


def test_options() -> None:
    task = NotebookTask({})  # type: ignore[typeddict-item]
    assert task.validate({"kernel_name": "r", "timeout": 3, "optional_ploomber_args": {"log": 1}}) == []
    (wrong,) = task.validate({"kernel": "r", "log": 3})
    assert wrong.startswith(
        "a notebook task has no option 'log'; it has autosave_cell_every, execution_timeout, "
    )
    assert task.validate({"timeout": "3"}) == ["'execution_timeout' is not of type int"]
    assert task.validate({"optional_ploomber_args": 3}) == ["'optional_ploomber_args' is a mapping"]


def test_variables_of_the_kernel_are_parameters_as_in_a_function(runner: Runner) -> None:
    book = write(
        runner,
        "import os\nassert os.environ['MAGNUS_PRM_greeting'] == 'Hello'",
        "os.environ['MAGNUS_PRM_greeting'] = 'World'\nos.environ['MAGNUS_TRACK_score'] = '0.5'",
        "names = sorted(globals())",
    )
    outcome = runner.run(book, "notebook", parameters={"greeting": "Hello"})
    assert outcome.message == "", outcome.err
    assert outcome.set == {"greeting": "World"} and outcome.metrics == {"score": 0.5}
    assert "MAGNUS_PRM" not in (runner.project / "data/note_out.ipynb").read_text().replace(
        "MAGNUS_PRM_greeting", ""
    )
