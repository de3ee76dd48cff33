"""Python tasks: arguments, results, failures."""

from __future__ import annotations

import gzip
import importlib
import shelve
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from magnus_render.runtime.tasks.values import exact
from tests.unit.task_runs import Outcome, Runner


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def run(runner: Runner, source: str, parameters: dict[str, Any] | None = None, **more: Any) -> Outcome:
    """Run `f` of a module."""
    runner.module(source)
    return runner.run("steps.f", parameters=parameters, **more)


@pytest.mark.parametrize(
    ("source", "parameters", "expected"),
    [
        ("def f(): pass", {"a": 1}, {}),
        ("def f(a): return {'b': a}", {"a": 1}, {"b": 1}),
        ("def f(a, b=2): return {'r': [a, b]}", {"a": 1}, {"r": [1, 2]}),
        ("def f(a, b=2): return {'r': [a, b]}", {"b": 3, "a": 1}, {"r": [1, 3]}),
        ("def f(*, a, b=4): return {'r': [a, b]}", {"a": 1}, {"r": [1, 4]}),
        ("def f(a=7, /, b=8): return {'r': [a, b]}", {"b": 1}, {"r": [7, 1]}),
        (
            "def f(a, /, b, *args, c): return {'r': [a, b, args, c]}",
            {"a": 1, "b": 2, "c": 3},
            {"r": [1, 2, [], 3]},
        ),
        ("def f(a, **rest): return rest", {"a": 1, "b": 2, "not a name": 3}, {"b": 2, "not a name": 3}),
        ("def f(a, /, **rest): return {'r': a, **rest}", {"a": 1, "b": 2}, {"r": 1, "b": 2}),
        ("from typing import Optional\ndef f(a: Optional[int] = None): return {'r': a}", {}, {"r": None}),
        (
            "from typing import Optional\ndef f(a: Optional[int] = 3): return {'r': a}",
            {"a": None},
            {"r": None},
        ),
        (
            "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere\n"
            "def f(a: nowhere.Thing, b: int | None = None): return {'r': [a, b]}",
            {"a": "123"},
            {"r": ["123", None]},
        ),
        ("def f(a: int): return {'r': a}", {"a": "123"}, {"r": 123}),
        ("f = lambda a: {'r': a}", {"a": True}, {"r": True}),
        (
            "async def f(a):\n    import asyncio\n    await asyncio.sleep(0)\n    return {'r': a}",
            {"a": 1},
            {"r": 1},
        ),
        (
            "import functools\ndef d(g):\n    @functools.wraps(g)\n    def w(*a, **k): return g(*a, **k)\n    return w\n"
            "@d\ndef f(a, b=2): return {'r': [a, b]}",
            {"a": 1, "unknown": 2},
            {"r": [1, 2]},
        ),
        ("class C:\n    def __call__(self, a): return {'r': a}\nf = C()", {"a": 1, "z": 2}, {"r": 1}),
        ("class C:\n    def m(self, a): return {'r': a}\nf = C().m", {"a": 1, "z": 2}, {"r": 1}),
        (
            "import functools\ndef g(a, b): return {'r': [a, b]}\nf = functools.partial(g, b=2)",
            {"a": 1},
            {"r": [1, 2]},
        ),
        (
            "def f(): return {'t': (1, 'a'), 'n': {'Deep': [None, 1.5]}}",
            {},
            {"t": [1, "a"], "n": {"Deep": [None, 1.5]}},
        ),
        ("def f(): return {'Case': 1, 'case': 2}", {}, {"Case": 1, "case": 2}),
        ("import sys\ndef f(): sys.exit()", {}, {}),
        ("import sys\ndef f(): sys.exit(0)", {}, {}),
    ],
)
def test_arguments_and_results(
    runner: Runner, source: str, parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    outcome = run(runner, source, parameters)
    assert (outcome.message, outcome.set) == ("", expected), outcome.err


@pytest.mark.parametrize(
    "value", [True, False, 0, 1, 1.0, "123", "true", "null", None, "", [], {}, [1, [2]], "é\n\t"]
)
def test_json_types_arrive_and_leave_as_they_are(runner: Runner, value: Any) -> None:
    outcome = run(runner, "def f(a): return {'r': a, 'type': type(a).__name__}", {"a": value})
    assert outcome.set["r"] == value and outcome.set["type"] == type(value).__name__


def test_map_variables_are_arguments_and_shadow_parameters(runner: Runner) -> None:
    outcome = run(
        runner, "def f(a, i): return {'r': [a, i]}", {"a": 1, "i": 2}, map_variables={"i": {"x": 3}}
    )
    assert outcome.set == {"r": [1, {"x": 3}]}


MODEL = (
    "from typing import Optional\nfrom pydantic import BaseModel, Field\n"
    "class M(BaseModel):\n    x: int\n    y: str = 'y'\n"
)


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("def f(m: M): return {'r': m.x + 1}", {"x": 1}, {"r": 2}),
        ("def f(m: M): return m", {"x": 1}, {"x": 1, "y": "y"}),
        ("def f(m: Optional[M]): return {'r': m is None}", None, {"r": True}),
        ("def f(m: Optional[M]): return {'r': m.x}", {"x": 1}, {"r": 1}),
        ("def f(m: M = None): return {'r': m}", None, {"r": None}),
        ("def f(m: 'Optional[M]' = None): return {'r': m.x}", {"x": 1}, {"r": 1}),
        ("def f(m: list[M]): return {'r': [i.x for i in m]}", [{"x": 1}, {"x": 2}], {"r": [1, 2]}),
        ("def f(m: dict[str, M]): return {'r': m['k'].x}", {"k": {"x": 1}}, {"r": 1}),
        ("class C:\n    def __call__(self, m: M): return {'r': m.x}\nf = C()", {"x": 1}, {"r": 1}),
    ],
)
def test_pydantic(runner: Runner, future: str, source: str, value: Any, expected: dict[str, Any]) -> None:
    outcome = run(runner, future + MODEL + source, {"m": value})
    assert (outcome.message, outcome.set) == ("", expected), outcome.err


def test_a_pydantic_argument_that_is_not_valid_says_what_is_wrong(runner: Runner) -> None:
    outcome = run(runner, MODEL + "def f(m: M): pass", {"m": {"x": "many"}})
    assert outcome.message.startswith("argument 'm' is not valid: x: Input should be a valid integer")
    assert "1 validation error" in outcome.err and "Traceback" not in outcome.err
    field = MODEL + "from typing import Annotated\ndef f(m: Annotated[int, Field(gt=3)]): return {'r': m}"
    assert run(runner, field, {"m": 4}).set == {"r": 4}
    assert run(runner, field, {"m": 3}).message == "argument 'm' is not valid: Input should be greater than 3"


DEEP = "parameter 'x' is not JSON: x is nested deeper than 200 levels"
EVERYWHERE = "the project's folder, on PYTHONPATH or installed"
FIX = "check the name, or set PYTHONPATH to the folder that it is in"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(a): pass", "argument 'a' has no parameter"),
        ("def f(*, a): pass", "argument 'a' has no parameter"),
        ("def f(): return 3", "returned int: a task returns a dict, a pydantic model or None"),
        ("def f(): return [{}]", "returned list: a task returns a dict, a pydantic model or None"),
        ("def f(): yield {}", "returned generator: a task returns a dict, a pydantic model or None"),
        ("def f(): return {'x': float('nan')}", "parameter 'x' is not JSON: x is nan"),
        ("def f(): return {'x': [1, {'y': float('-inf')}]}", "parameter 'x' is not JSON: x[1].y is -inf"),
        ("def f(): return {'ok': 1, 'x': {1, 2}}", "parameter 'x' is not JSON: x is of type set"),
        ("def f(): return {'x': {1: 2}}", "parameter 'x' is not JSON: x has the key 1, which is no text"),
        ("def f(): return {'x': b'bytes'}", "parameter 'x' is not JSON: x is of type bytes"),
        (
            "def f(): return {'x': chr(0xd800)}",
            "parameter 'x' is not JSON: x is text with half of a surrogate pair",
        ),
        ("def f(): return {'x': 10 ** 5000}", "parameter 'x' is not JSON: x has more than 14,000 bits"),
        ("def f():\n    x = []\n    x.append(x)\n    return {'x': x}", DEEP),
        (
            "def f():\n    x = []\n    for _ in range(100000): x = [x]\n    return {'x': x}",
            DEEP,
        ),
        ("def f(): return {1: 2}", "a parameter name must be a non-empty string"),
        ("def f(): return {'': 2}", "a parameter name must be a non-empty string"),
        ("def f(): raise ValueError('one\\ntwo')", "ValueError: one"),
        ("def f(): assert False", "AssertionError"),
        ("def f(): raise KeyError('k')", "KeyError: 'k'"),
        (
            "class Odd(Exception):\n    def __str__(self): return 1/0\ndef f(): raise Odd",
            "Odd: <exception str() failed>",
        ),
        ("import sys\ndef f(): sys.exit(3)", "exited with status 3"),
        ("import sys\ndef f(): sys.exit(256)", "exited with status 256"),
        ("import sys\ndef f(): sys.exit('bad')", "exited with status 1"),
        ("import os\ndef f(): os._exit(7)", "exited with status 7"),
        ("import os\ndef f(): os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("import nowhere", "cannot import 'steps': ModuleNotFoundError: No module named 'nowhere'"),
        ("def g(): pass", "module 'steps' has no function 'f'"),
        ("f = 3", "module 'steps' has no function 'f'"),
        ("def f(:", "cannot import 'steps': SyntaxError: invalid syntax (steps.py, line 1)"),
    ],
)
def test_failures(runner: Runner, source: str, message: str) -> None:
    outcome = run(runner, source)
    assert outcome.message == message, outcome.err
    assert outcome.status != 0 and outcome.set == {}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nowhere.f", f"cannot import 'nowhere': there is no 'nowhere' in {EVERYWHERE}: {FIX}"),
        ("step.f", f"cannot import 'step': there is no 'step' in {EVERYWHERE} (did you mean 'steps'?)"),
        ("steps.inner.f", f"cannot import 'steps.inner': there is no 'steps.inner' in 'steps': {FIX}"),
        ("f", "'f' names no function: write module.function"),
        ("steps:C.g", "module 'steps' has no function 'C.g'"),
    ],
)
def test_commands_that_name_nothing(runner: Runner, command: str, message: str) -> None:
    runner.module("class C: pass")
    outcome = runner.run(command)
    assert outcome.message == message and outcome.err == ""


def test_commands(runner: Runner) -> None:
    runner.module("class C:\n    @staticmethod\n    def g(a): return {'r': a}", "pack.age")
    assert runner.run("pack.age:C.g", parameters={"a": 1}).set == {"r": 1}
    runner.module("def f(): return {'r': 1}", "json_like")
    assert runner.run("json_like.f", "python-function").set == {"r": 1}


def test_the_map_variable_cannot_be_set(runner: Runner) -> None:
    outcome = run(runner, "def f(i): return {'i': 1}", map_variables={"i": 0})
    assert outcome.message == "'i' is the map's variable and cannot be set"


def test_numpy_like_scalars_are_not_json(runner: Runner) -> None:
    source = "class int64:\n    def __int__(self): return 3\n    __index__ = __int__\ndef f(): return {'n': int64()}"
    assert run(runner, source).message == "parameter 'n' is not JSON: n is of type steps.int64"


def test_a_traceback_shows_the_users_frames_alone(runner: Runner) -> None:
    outcome = run(runner, "def g():\n    raise ValueError('no')\n\nasync def f():\n    g()\n")
    assert "Traceback (most recent call last):\n" in outcome.err
    assert 'steps.py", line 5, in f' in outcome.err and outcome.err.rstrip().endswith("ValueError: no")
    assert "magnus_render" not in outcome.err and "asyncio" not in outcome.err
    outcome = run(runner, "def f():\n    raise ValueError('no')\n1/0\n")
    assert 'steps.py", line 3, in <module>' in outcome.err
    assert "magnus_render" not in outcome.err and "importlib" not in outcome.err


def test_output_streams_and_is_whole(runner: Runner) -> None:
    source = (
        "import sys, threading, atexit, subprocess\n"
        "def late(): print('late')\n"
        "def f():\n"
        "    print('é', end=''); sys.stderr.write('x' * 200000)\n"
        "    subprocess.run(['echo', 'child'])\n"
        "    threading.Thread(target=late).start(); atexit.register(print, 'exit')\n"
        "    return {'stdin': sys.stdin.read(), 'argv': sys.argv}\n"
    )
    outcome = run(runner, source)
    assert outcome.err == "x" * 200000 and sorted(outcome.out.replace("é", "").split()) == [
        "child",
        "exit",
        "late",
    ]
    assert outcome.set == {"stdin": "", "argv": ["steps.f"]}


def test_the_projects_modules_come_first(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)  # whatever other tests have imported
    runner.module("def f(): return {'r': 'mine'}", "colorsys")
    assert runner.run("colorsys.f").set == {"r": "mine"}
    assert run(runner, "import os, sys\ndef f(): return {'r': sys.path[0] == os.getcwd()}").set == {"r": True}


def test_broken_pipes_are_errors_as_in_any_python_process(runner: Runner) -> None:
    source = "import os\ndef f():\n    r, w = os.pipe(); os.close(r); os.write(w, b'x')\n"
    assert run(runner, source).message == "BrokenPipeError: [Errno 32] Broken pipe"


@pytest.mark.parametrize(
    ("command", "parameters", "expected", "message"),
    [
        ("lambda x: {'y': x + 1}", {"x": 1}, {"y": 2}, ""),
        ("  lambda: {'y': sorted([2, 1])}", {}, {"y": [1, 2]}, ""),
        ("lambda x, **k: {'y': __import__('math').floor(x), **k}", {"x": 1.5, "z": 1}, {"y": 1, "z": 1}, ""),
        ("lambda x=3: {'y': x}", {}, {"y": 3}, ""),
        ("lambda x: {'y': x}", {}, {}, "argument 'x' has no parameter"),
        ("lambda: 1 / 0", {}, {}, "ZeroDivisionError: division by zero"),
        ("lambda: os.getcwd()", {}, {}, "NameError: name 'os' is not defined"),
        ("1 + 1", {}, {}, "the command is of type int, not a lambda expression"),
        ("lambda x: {'y': (x :=", {}, {}, None),
    ],
)
def test_lambda(
    runner: Runner, command: str, parameters: dict[str, Any], expected: dict[str, Any], message: str | None
) -> None:
    outcome = runner.run(command, "python-lambda", parameters=parameters)
    assert outcome.set == expected
    if message is None:
        assert outcome.message.startswith("SyntaxError: ")
    else:
        assert outcome.message == message
    assert "magnus_render" not in outcome.err


def test_metrics_by_environment(runner: Runner) -> None:
    source = (
        "import os\ndef f():\n    os.environ['MAGNUS_TRACK_Loss'] = '0.5'; os.environ['MAGNUS_TRACK_note'] = 'fine: 1e999'\n"
        "    os.environ['MAGNUS_TRACK_n'] = 'NaN'"
    )
    assert run(runner, source).metrics == {"Loss": 0.5, "note": "fine: 1e999", "n": "NaN"}
    failing = run(runner, source + "\n    raise ValueError")
    assert failing.metrics["Loss"] == 0.5 and failing.message == "ValueError"


# ---- how a task ends ----

LEFT_OPEN = """
import ctypes, functools, gzip, os, shelve, sys, threading, zipfile
os.makedirs("data", exist_ok=True)
MODULE = open("data/module", "w")

class Holder:
    pass

@functools.lru_cache
def cached():
    found = open("data/cache", "w")
    found.write("cache")
    return found

def thread():
    Holder.thread = open("data/thread", "w")
    Holder.thread.write("thread")

def write():
    MODULE.write("module")
    Holder.attribute = open("data/attribute", "w")
    Holder.attribute.write("attribute")
    cached()
    ring = [gzip.open("data/ring.gz", "wb")]
    ring[0].write(b"ring")
    ring.append(ring)
    Holder.archive = zipfile.ZipFile("data/archive.zip", "w")
    Holder.archive.writestr("name", "archive")
    Holder.shelf = shelve.open("data/shelf", writeback=True)
    Holder.shelf["key"] = []
    Holder.shelf["key"].append("shelf")
    threading.Thread(target=thread).start()
    local = open("data/closure", "w")
    local.write("closure")
    Holder.closure = lambda: local
    ctypes.CDLL(None).puts(b"of C")
    sys.__stdout__.write("of __stdout__\\n")
    sys.__stderr__.write("of __stderr__\\n")
"""


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("return {'x': 1}", 0),
        ("raise KeyError('no')", 1),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit(0)", 0),
    ],
)
def test_what_is_left_open_is_written(runner: Runner, ending: str, status: int) -> None:
    outcome = run(runner, f"{LEFT_OPEN}\ndef f():\n    write()\n    {ending}\n")
    assert outcome.status == status
    assert outcome.set == ({"x": 1} if "return" in ending else {})
    data = runner.project / "data"
    for name in ("module", "attribute", "cache", "closure", "thread"):
        assert (data / name).read_text() == name
    assert gzip.decompress((data / "ring.gz").read_bytes()) == b"ring"
    assert zipfile.ZipFile(data / "archive.zip").read("name") == b"archive"
    with shelve.open(str(data / "shelf")) as shelf:
        assert shelf["key"] == ["shelf"]
    assert "of C\n" in outcome.out and "of __stdout__\n" in outcome.out
    assert "of __stderr__\n" in outcome.err


def test_exit_functions_and_finalisers_of_a_task(runner: Runner) -> None:
    source = """
import atexit, os, sys

class Loud:
    def __del__(self):
        raise ValueError("in a finaliser")

def late():
    os.environ["MAGNUS_TRACK_late"] = "1"
    print("at exit")

def f():
    global kept
    kept = Loud()
    atexit.register(late)
    atexit.register(lambda: 1 / 0)
"""
    outcome = run(runner, source)
    assert (outcome.status, outcome.message, outcome.metrics) == (0, "", {"late": 1})
    assert outcome.out == "at exit\n"
    assert "ZeroDivisionError" in outcome.err and "in a finaliser" in outcome.err


def test_exit_functions_of_modules_that_were_loaded_before_the_task(runner: Runner) -> None:
    """Those modules register themselves once, in the parent: what the parent had registered itself is not run."""
    import multiprocessing.util
    import weakref

    source = """
import logging.handlers, multiprocessing.util, pathlib, weakref

class Thing: ...
thing = Thing()

def f():
    logging.getLogger().addHandler(logging.handlers.MemoryHandler(9, target=logging.FileHandler("log")))
    logging.getLogger().warning("held back")
    weakref.finalize(thing, pathlib.Path("finalized").touch)
    multiprocessing.util.Finalize(None, pathlib.Path("ended").touch, exitpriority=1)
"""
    parents = weakref.finalize(runner, print, "of the parent")
    others = multiprocessing.util.Finalize(None, print, ("of the parent",), exitpriority=1)
    try:
        outcome = run(runner, source)
    finally:
        parents.detach()
        others.cancel()
    assert (outcome.status, outcome.message, outcome.out) == (0, "", ""), outcome.err
    assert (runner.project / "log").read_text() == "held back\n"
    assert (runner.project / "finalized").exists() and (runner.project / "ended").exists()


def test_os_exit_stays_what_it_is(runner: Runner) -> None:
    outcome = run(
        runner, "import os\nOUT = open('left', 'w')\ndef f():\n    OUT.write('x')\n    os._exit(0)\n"
    )
    assert outcome.status == 0 and (runner.project / "left").read_text() == ""


@pytest.mark.parametrize("end", ["sys.exit()", "sys.exit(0)", "raise SystemExit"])
def test_a_module_that_ends_the_program_as_it_is_imported(runner: Runner, end: str) -> None:
    outcome = run(runner, f"import sys\n{end}\ndef f(): return {{'x': 1}}\n")
    assert outcome.status == 1 and outcome.set == {}
    assert outcome.message.startswith(
        "module 'steps' ended the program while it was imported, before 'f' was defined"
    )


# ---- which modules a task finds ----


@pytest.mark.parametrize(
    "name", ["calendar", "secrets", "csv", "random", "token", "typing", "json", "email", "struct", "yaml"]
)
def test_a_module_of_the_project_wins_over_a_loaded_one(runner: Runner, name: str) -> None:
    importlib.import_module(name)
    runner.module("def f(): return {'x': 'mine'}\nclass Any: pass\n", name)
    assert run(runner, f"import {name}\ndef f(): return {name}.f()\n").set == {"x": "mine"}
    assert runner.run(f"{name}.f").set == {"x": "mine"}


def test_a_package_of_the_project_wins_and_a_plain_folder_does_not(runner: Runner) -> None:
    (runner.project / "calendar").mkdir()
    source = "import calendar\ndef f(): return {'file': calendar.__file__}\n"
    assert str(runner.project) not in run(runner, source).set["file"]
    (runner.project / "calendar" / "__init__.py").write_text("")
    assert str(runner.project) in run(runner, source).set["file"]


def test_a_module_that_the_library_imports_is_the_projects(runner: Runner) -> None:
    """As `python -c` has it: what a module of the standard library imports is looked for in the same places."""
    importlib.import_module("http.cookiejar")
    runner.module("def timegm(t): return 1\n", "calendar")
    source = "import http.cookiejar as c\ndef f(): return {'x': c.timegm(0)}\n"
    assert run(runner, source).set == {"x": 1}


def test_folders_of_pythonpath_count_too(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "more")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "calendar.py").write_text("X = 'more'\n")
    runner.module("import calendar\ndef f(): return {'x': calendar.X}\n")
    outcome = runner.run("steps.f")
    assert outcome.set == {"x": "more"}


# ---- parameters in the environment ----


def test_parameters_are_in_the_environment_and_what_is_changed_there_counts(runner: Runner) -> None:
    source = """
import os

def f():
    assert os.environ["MAGNUS_PRM_text"] == "1" and os.environ["MAGNUS_PRM_list"] == "[1, 2]"
    os.environ["MAGNUS_PRM_text"] = "2"
    os.environ["MAGNUS_PRM_number"] = "3"
    os.environ["MAGNUS_PRM_version"] = "1.10"
    os.environ["MAGNUS_TRACK_loss_STEP_2"] = "0.5"
    os.environ["MAGNUS_TRACK_loss_STEP_10"] = "1e-3"
    del os.environ["MAGNUS_PRM_list"]
    return {"number": 4, "other": 5}
"""
    outcome = run(runner, source, {"text": "1", "list": [1, 2]})
    assert outcome.message == ""
    assert outcome.set == {"text": "2", "number": 3, "version": "1.10", "other": 5}
    assert outcome.metrics == {"loss": {"2": 0.5, "10": 0.001}}


def test_variables_of_a_task_that_fails_do_not_count(runner: Runner) -> None:
    outcome = run(runner, "import os\ndef f():\n    os.environ['MAGNUS_PRM_x'] = '1'\n    raise ValueError\n")
    assert outcome.message == "ValueError" and outcome.set == {}


def test_the_map_variable_cannot_be_set_by_the_environment_either(runner: Runner) -> None:
    outcome = run(runner, "import os\ndef f(): os.environ['MAGNUS_PRM_i'] = '1'\n", map_variables={"i": 0})
    assert outcome.message == "'i' is the map's variable and cannot be set"


# ---- annotations ----

TYPES = """
from __future__ import annotations
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Literal, Optional, Union

class Size(Enum):
    SMALL = 1
    LARGE = "large"

class Year(str, Enum):
    LAST = "2024"

@dataclass
class Point:
    x: int
    y: float = 0.0
"""


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        ("str", "12345e7", "'12345e7'"),
        ("str", 1.1, "'1.1'"),
        ("str", 5, "'5'"),
        ("str", True, "'true'"),
        ("int", "7", "7"),
        ("int", 5.0, "5"),
        ("float", 5, "5.0"),
        ("float", "1e-4", "0.0001"),
        ("bool", "True", "True"),
        ("bool", False, "False"),
        ("Path", "a/b", "PosixPath('a/b')"),
        ("Path", 2024, "PosixPath('2024')"),
        ("Year", 2024, "<Year.LAST: '2024'>"),
        ("list[Path]", [1, "2"], "[PosixPath('1'), PosixPath('2')]"),
        ("datetime", "2026-01-31T10:00:00", "datetime.datetime(2026, 1, 31, 10, 0)"),
        ("date", "2026-01-31", "datetime.date(2026, 1, 31)"),
        ("Decimal", "1.10", "Decimal('1.10')"),
        ("Size", 1, "<Size.SMALL: 1>"),
        ("Size", "LARGE", "<Size.LARGE: 'large'>"),
        ("Point", {"x": "1"}, "Point(x=1, y=0.0)"),
        ("Optional[int]", None, "None"),
        ("Optional[int]", "3", "3"),
        ("int | str", "3", "'3'"),
        ("int | None", "3", "3"),
        ("Union[Path, None]", "p", "PosixPath('p')"),
        ("list[int]", ["1", 2], "[1, 2]"),
        ("dict[str, Path]", {"a": "b"}, "{'a': PosixPath('b')}"),
        ("tuple[int, str]", [1, 2], "(1, '2')"),
        ("tuple[int, ...]", ["1"], "(1,)"),
        ("set[str]", ["a"], "{'a'}"),
        ("Literal['a', 1]", 1, "1"),
        ("object", [1], "[1]"),
        ("Nowhere", [1], "[1]"),
        ("list", [1], "[1]"),
    ],
)
def test_annotations_are_obeyed(runner: Runner, annotation: str, value: Any, expected: str) -> None:
    outcome = run(runner, f"{TYPES}\ndef f(a: {annotation}): return {{'r': repr(a)}}\n", {"a": value})
    assert (outcome.message, outcome.set) == ("", {"r": expected}), outcome.err


@pytest.mark.parametrize(
    ("annotation", "value", "takes", "shown"),
    [
        ("str", [1], "str", "[1]"),
        ("str", None, "str", "null"),
        ("int", "1.5", "int", '"1.5"'),
        ("int", True, "int", "true"),
        ("int", "+-5", "int", '"+-5"'),
        ("int", "1_000", "int", '"1_000"'),
        ("int", "9" * 5000, "int", '"' + "9" * 59 + "..."),
        ("float", 10**400, "float", "1" + "0" * 59 + "..."),
        ("float", "1_000.5", "float", '"1_000.5"'),
        ("date", 5, "date", "5"),
        ("Year", 2023, "Year", "2023"),
        ("float", "much", "float", '"much"'),
        ("bool", 1, "bool", "1"),
        ("datetime", "yesterday", "datetime", '"yesterday"'),
        ("Size", "medium", "Size", '"medium"'),
        ("Point", {"z": 1}, "Point", '{"z": 1}'),
        ("Point", {}, "Point", "{}"),
        ("Optional[int]", "x", "Optional[int]", '"x"'),
        ("list[int]", "1", "list[int]", '"1"'),
        ("Literal['a', 1]", "b", "Literal['a', 1]", '"b"'),
    ],
)
def test_what_does_not_fit_an_annotation_is_refused(
    runner: Runner, annotation: str, value: Any, takes: str, shown: str
) -> None:
    outcome = run(runner, f"{TYPES}\ndef f(a: {annotation}): pass\n", {"a": value})
    assert outcome.message == f"argument 'a' is not valid: it takes {takes}, and the parameter is {shown}"


def test_results_that_plainly_stand_for_json(runner: Runner) -> None:
    pytest.importorskip("numpy")
    source = f"""{TYPES}
import uuid
import numpy
from pydantic import BaseModel

class Inner(BaseModel):
    when: date

def f():
    return {{
        "n": numpy.int64(3), "x": [numpy.float32(0.5)], "flag": numpy.bool_(True), "path": Path("a/b"),
        "day": date(2026, 1, 31),
        "size": Size.LARGE, "point": Point(1, 2.0), "inner": {{"model": Inner(when="2026-01-31")}}, "id": uuid.UUID(int=1),
        "pair": (1, Size.SMALL),
    }}
"""
    outcome = run(runner, source)
    assert outcome.message == ""
    assert outcome.set == {
        "n": 3,
        "x": [0.5],
        "flag": True,
        "path": "a/b",
        "day": "2026-01-31",
        "size": "large",
        "point": {"x": 1, "y": 2.0},
        "inner": {"model": {"when": "2026-01-31"}},
        "id": "00000000-0000-0000-0000-000000000001",
        "pair": [1, 1],
    }


def test_what_was_meant_is_suggested(runner: Runner) -> None:
    assert run(runner, "def f(colour): pass", {"color": 1}).message == (
        "argument 'colour' has no parameter (did you mean 'color'?)"
    )
    runner.module("def okay(): pass\n")
    assert (
        runner.run("steps.okkay").message == "module 'steps' has no function 'okkay' (did you mean 'okay'?)"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", "1.10"), ("12345e7", "12345e7"), ("007", "007"), ("1_000", "1_000"), ("1e999", "1e999"), ("-0", "-0"),
        ("NaN", "NaN"), ("5", 5), ("-5", -5), ("0.5", 0.5), ("true", True), ("null", None), ("True", "True"), ('"a"', "a"),
        ('{"a":1.10}', {"a": 1.1}), ("[1, 2 ]", [1, 2]), ("[1", "[1"), ("", ""), (" 5", " 5"),
    ],
)  # fmt: skip
def test_text_stays_text(text: str, value: Any) -> None:
    found = exact(text)
    assert found == value and type(found) is type(value)
