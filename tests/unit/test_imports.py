"""Modules that are not there are found before the first step runs; those that cannot be imported, if that is asked for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from magnus_render.executors import imports
from tests.tools import environment


def magnus(folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["magnus", *argv],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def dag(folder: Path, *commands: str, last: str = "", **first: str) -> None:
    """Write a chain of Python tasks, `first` being fields of the first one."""
    lines = ["dag:", "  start_at: s0", "  steps:"]
    for number, command in enumerate(commands):
        following = f"s{number + 1}" if number + 1 < len(commands) else "success"
        fields = "".join(f", {name}: {value}" for name, value in first.items() if number == 0)
        lines.append(f"    s{number}: {{type: task, command: {command}, next: {following}{fields}}}")
    lines += [
        "    success: {type: success}",
        "    fail: {type: fail}",
        "run_log_store: {type: file-system}",
        last,
    ]
    (folder / "dag.yaml").write_text("\n".join(lines))


def found(folder: Path, *argv: str, **variables: str) -> list[tuple[str, str, int, str, str]]:
    done = magnus(folder, "validate", "--imports", "--format", "json", "dag.yaml", *argv, **variables)
    assert not done.stderr
    told = json.loads(done.stdout)
    errors = any(one["severity"] == "error" for one in told)
    assert done.returncode == (65 if errors else 0)
    return [(one["code"], one["severity"], one["line"], one["message"], one["fix"]) for one in told]


NOT_THERE = "in the project's folder, on PYTHONPATH or installed"


def test_all_that_cannot_be_imported_is_told_at_once(tmp_path: Path) -> None:
    modules = {
        "script": "def train(): pass\nclass C:\n    def run(self): pass\n",
        "broken": "import os\nimport no_such_thing\n",
        "leaves": "import sys\nsys.exit(0)\n",
        "dies": "import os\nprint('seen', flush=True)\nos.kill(os.getpid(), 9)\n",
        "ends": "import os\nos._exit(3)\n",
        "wrong": "def f(:\n",
        "raises": "import os\nTOKEN = os.environ['NO_SUCH_VARIABLE']\n",
        "calendar": "def days(): return {'n': 1}\n",
        "package.good": "",
    }
    for name, text in modules.items():
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    dag(
        tmp_path,
        "scirpt.train", "script.trian", "broken.f", "leaves.f", "dies.f", "ends.f", "wrong.f", "raises.f", "package.god.f",
        "script.train", "script:C.run", "calendar.days", "os.path.join", "magnus.get_parameter",
    )  # fmt: skip
    told = found(tmp_path)
    everywhere = f"looked in {tmp_path}, on PYTHONPATH (not set) and in what "
    assert told[0][4].startswith(everywhere)
    assert [(code, line, message.partition(": ")[2]) for code, _, line, message, _ in told] == [
        ("MR076", 4, f"cannot import 'scirpt': there is no 'scirpt' {NOT_THERE} (did you mean 'script'?)"),
        ("MR077", 5, "module 'script' has no function 'trian' (did you mean 'train'?)"),
        ("MR076", 6, "cannot import 'broken': ModuleNotFoundError: No module named 'no_such_thing'"),
        ("MR076", 7, "module 'leaves' ended the program while it was imported, before 'f' was defined: "
         "put what it runs under `if __name__ == '__main__':`"),
        ("MR076", 8, "cannot import 'dies': the process that imported it was killed by signal 9"),
        ("MR076", 9, "cannot import 'ends': the process that imported it ended with status 3"),
        ("MR076", 10, "cannot import 'wrong': SyntaxError: invalid syntax (wrong.py, line 1)"),
        ("MR076", 11, "cannot import 'raises': KeyError: 'NO_SUCH_VARIABLE'"),
        ("MR076", 12, "cannot import 'package.god': there is no 'package.god' in 'package' (did you mean 'good'?)"),
    ]  # fmt: skip
    assert [told[n][4] for n in (2, 3, 7, 8)] == [
        "it arises in broken.py, line 2",
        "it arises in leaves.py, line 2",
        "it arises in raises.py, line 2",
        f"looked in {tmp_path}/package",
    ]


def test_plain_validate_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("open('ran', 'w')\ndef f(): pass\n")
    dag(tmp_path, "m.f", "none.f")
    assert magnus(tmp_path, "validate", "dag.yaml").returncode == 0
    assert not (tmp_path / "ran").exists()
    assert [code for code, *_ in found(tmp_path)] == ["MR076"] and (tmp_path / "ran").exists()


def test_modules_of_pythonpath_and_notebooks(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "m.py").write_text("def f(): pass\n")
    (tmp_path / "good.ipynb").write_text('{"metadata": {}, "cells": []}')
    dag(tmp_path, "m.f", "lost.ipynb, command_type: notebook", "good.ipynb, command_type: notebook")
    lost = (
        "MR078",
        "warning",
        5,
        "step 's1': cannot read the notebook 'lost.ipynb': No such file or directory",
        "",
    )
    assert found(tmp_path, PYTHONPATH="src") == [lost]
    first, second = found(tmp_path, PYTHONPATH="elsewhere")
    assert first[:2] == ("MR076", "error") and "on PYTHONPATH (elsewhere)" in first[4] and second == lost


def test_an_import_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless_one.py").write_text("import signal\nsignal.pause()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(imports, "LONGEST", 0.5)
    told = imports._tried("endless_one.f")
    assert told["message"] == "cannot import 'endless_one': that takes more than 0.5 s"


def test_a_run_that_is_sure_to_fail_is_refused(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("def train(): pass\n")
    dag(tmp_path, "scirpt.train", "nothing_there.f", secrets="[KEY]", last="secrets: {type: dotenv}")
    done = magnus(tmp_path, "execute", "-f", "dag.yaml")
    assert done.returncode == 65
    assert "dag.yaml:4:31: error MR076: step 's0': cannot import 'scirpt'" in done.stderr
    assert "(did you mean 'script'?)" in done.stderr and f"help: looked in {tmp_path}, on" in done.stderr
    assert "error MR075" in done.stderr and "dag.yaml:5:31: warning MR076: step 's1'" in done.stderr
    assert not (tmp_path / ".run_log_store").exists()


def test_what_a_step_before_may_write_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "writer.py").write_text(
        "def write():\n"
        "    open('written.py', 'w').write('def f(): pass')\n"
        "    open('package/more.py', 'w').write('def f(): pass')\n"
    )
    dag(tmp_path, "writer.write", "written.f", "package.more.f")
    done = magnus(tmp_path, "execute", "-f", "dag.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("warning MR076: step 's2'") < done.stderr.index("magnus: run ")
    assert done.stderr.count("warning MR076") == 2


def test_a_failure_that_is_handled_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    dag(tmp_path, "fast_version.f", "m.f", on_failure="s1")
    done = magnus(tmp_path, "execute", "-f", "dag.yaml", "--run-id", "r")
    assert done.returncode == 0 and done.stderr.count("warning MR076") == 1, done.stderr
    dag(tmp_path, "fast_version.f", "m.f")
    done = magnus(tmp_path, "execute", "-f", "dag.yaml", "--use-cached", "r")
    assert done.returncode == 1 and done.stderr.count("warning MR076") == 1, done.stderr


@pytest.mark.parametrize(
    "module",
    ["lazy.parts", "m.inner", "spaces.deep", "os.path", "zipimport", "_io", "json.decoder", "__main__"],
)
def test_what_only_an_import_can_tell_is_not_told(module: str, tmp_path: Path) -> None:
    (tmp_path / "lazy").mkdir()
    (tmp_path / "lazy" / "__init__.py").write_text("__path__.append('elsewhere')\n")
    (tmp_path / "m.py").touch()
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "deep.py").touch()
    dag(tmp_path, f"{module}.f")
    done = magnus(tmp_path, "execute", "-f", "dag.yaml")
    assert "MR076" not in done.stderr and done.returncode == 1
