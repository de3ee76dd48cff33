"""The user API: the same in Python tasks, in programs that shell tasks start, and under the name `magnus`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import magnus_render
from magnus_render import api
from tests.unit.task_runs import Outcome, Runner


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def step(runner: Runner, body: str, **more: object) -> Outcome:
    """Run a Python task with the API imported by its two names, in turn."""
    runner.module(f"from magnus{'_render' * (runner.number % 2)} import *\ndef f():\n    {body}\n")
    return runner.run("steps.f", **more)  # type: ignore[arg-type]


def test_parameters(runner: Runner) -> None:
    see = {"parameters": {"a": 1, "b": [None]}, "map_variables": {"i": "item"}}
    outcome = step(runner, "return {'all': get_parameter(), 'one': get_parameter('b'), 'i': 0}", **see)
    assert outcome.message == "'i' is the map's variable and cannot be set"
    outcome = step(runner, "return {'all': get_parameter(), 'one': get_parameter('b')}", **see)
    assert outcome.set == {"all": {"a": 1, "b": [None], "i": "item"}, "one": [None]}
    outcome = step(
        runner, "set_parameter(a='2', N=None); set_parameter(a='3'); return {'r': get_parameter()}", **see
    )
    assert outcome.set == {"a": "3", "N": None, "r": {"a": "3", "b": [None], "i": "item", "N": None}}
    outcome = step(runner, "set_parameter(a=2); return {'a': 3}", **see)
    assert outcome.set == {"a": 3}
    assert step(runner, "set_parameter(); import sys; set_parameter(a=2); sys.exit(0)").set == {"a": 2}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("get_parameter('x')", "parameter 'x' is missing"),
        ("set_parameter(x={1})", "parameter 'x' is not JSON: x is of type set"),
        ("set_parameter(i=1)", "'i' is the map's variable and cannot be set"),
        ("track_this(x={1})", "metric 'x' is not JSON: x is of type set"),
        ("get_secret('x')", "secret 'x' is not there: looked in secrets (dotenv)"),
        ("get_from_catalog('x')", "catalog: nothing to get for 'x'"),
        ("get_object('x')", "catalog: nothing to get for 'x.pickle'"),
        ("put_in_catalog('x')", "catalog: nothing to put for 'x'"),
    ],
)
def test_errors_are_the_steps_message(runner: Runner, body: str, message: str) -> None:
    outcome = step(runner, body, map_variables={"i": 0})
    assert outcome.message == message and outcome.set == {}
    assert "steps.py" in outcome.err  # where the user called it


def test_what_is_missing_can_be_caught_as_a_key_error(runner: Runner) -> None:
    body = "\n    ".join(("try: get_parameter('x')", "except KeyError as error: return {'r': str(error)}"))
    assert step(runner, body).set == {"r": "parameter 'x' is missing"}


def test_metrics(runner: Runner) -> None:
    body = "track_this(loss=1, note='a'); track_this(note='b'); track_this(step=0, acc=0.5); track_this(1, acc=0.7)"
    assert step(runner, body).metrics == {"loss": 1, "note": "b", "acc": {"0": 0.5, "1": 0.7}}


def test_secrets_are_noted_before_they_are_returned(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("TOKEN=hush\n")
    body = "value = get_secret('TOKEN'); import os; folder = os.path.dirname(os.environ['MAGNUS_OUTPUT']);"
    body += " return {'r': value, 'noted': open(folder + '/secrets').read()}"
    assert step(runner, body).set == {"r": "hush", "noted": "TOKEN\n"}


def test_run_id(runner: Runner) -> None:
    assert step(runner, "return {'r': get_run_id()}").set == {"r": "run-1"}


def test_catalog(runner: Runner) -> None:
    write = "import os; os.makedirs('data/sub'); os.makedirs('out'); "
    for path in ("data/a.txt", "data/sub/b.txt", "out/c.txt", "../d.txt"):
        write += f"open('{path}', 'w').write('{path}'); "
    outcome = step(
        runner,
        write
        + "put_in_catalog('data/a.txt'); put_in_catalog('sub/b.txt'); put_in_catalog(os.path.abspath('out/c.txt')); "
        "put_in_catalog('../d.txt'); return {'again': open(get_from_catalog('a.txt', 'elsewhere')).read()}",
    )
    assert outcome.message == "" and outcome.set == {"again": "data/a.txt"}
    assert [(entry["stage"], entry["path"], entry["size"]) for entry in outcome.catalog] == [
        ("put", "a.txt", 10), ("put", "sub/b.txt", 14), ("put", "out/c.txt", 9), ("put", "d.txt", 8), ("get", "a.txt", 10),
    ]  # fmt: skip
    body = (
        "import shutil; shutil.rmtree('data'); p = get_from_catalog('sub/b.txt'); q = get_from_catalog('./d.txt', '.'); "
        "return {'p': [p, open(p).read()], 'q': [q, open('d.txt').read()]}"
    )
    outcome = step(runner, body)
    assert outcome.set["p"] == [str(runner.project / "data/sub/b.txt"), "data/sub/b.txt"], outcome.err
    assert outcome.set["q"][1] == "../d.txt"


def test_objects(runner: Runner) -> None:
    outcome = step(runner, "put_object({1, 2}, 'some set')")
    assert [entry["path"] for entry in outcome.catalog] == ["some set.pickle"], outcome.err
    assert step(runner, "return {'r': sorted(get_object('some set'))}").set == {"r": [1, 2]}


def test_a_store_that_fails_is_not_the_steps_fault(runner: Runner, tmp_path: Path) -> None:
    assert step(runner, "put_object(1, 'one')").message == ""
    (blob,) = (path for path in (tmp_path / "catalog").rglob("*") if path.is_file())
    blob.unlink()
    outcome = step(runner, "get_object('one')")
    assert outcome.status == 75 and "no content" in outcome.message
    assert (tmp_path / f"step-{runner.number}" / "platform").is_symlink()
    assert "Traceback" not in outcome.err


def test_a_catalog_that_keeps_nothing(runner: Runner) -> None:
    runner.services["catalog"] = {"type": "do-nothing", "config": {}}
    body = "import os; os.makedirs('data'); open('data/a', 'w').close(); put_in_catalog('a')"
    outcome = step(runner, body)
    assert (outcome.message, outcome.catalog) == ("", [])
    assert step(runner, "return {'r': get_from_catalog('a')}").set == {"r": str(runner.project / "data/a")}


def test_programs_that_a_shell_step_starts_have_it_too(runner: Runner) -> None:
    program = "from magnus import get_parameter, set_parameter; set_parameter(r=get_parameter('a') + 1)"
    outcome = runner.run(
        f'printf x=1 >> "$MAGNUS_OUTPUT"; "$PY" -c "{program}"',
        "shell",
        parameters={"a": 1},
        environment={"PY": sys.executable},
    )
    assert outcome.set == {"x": "1", "r": 2}, outcome.err


def test_a_python_without_the_package_has_it_too(runner: Runner) -> None:
    program = (
        "from magnus import set_parameter; import magnus_render; set_parameter(r=magnus_render.__version__)"
    )
    # -S -s: without installed packages
    outcome = runner.run(f'"$PY" -S -s -c "{program}"', "shell", environment={"PY": sys.executable})
    assert outcome.set == {"r": magnus_render.__version__}, outcome.err


def test_the_projects_own_magnus_wins(runner: Runner) -> None:
    runner.module("mine = 1", "magnus")
    runner.module("def f():\n    import magnus\n    return {'r': magnus.mine}")
    assert runner.run("steps.f").set == {"r": 1}


def test_outside_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGNUS_CONTEXT", raising=False)
    with pytest.raises(api.OutsideStepError, match="get_parameter works inside a step only"):
        magnus_render.get_parameter("x")
    monkeypatch.setenv("MAGNUS_CONTEXT", "/no/such/file")
    with pytest.raises(api.OutsideStepError, match="cannot be read"):
        api.set_parameter(x=1)


def test_importing_the_package_loads_nothing() -> None:
    program = (
        "import __future__, sys; before = set(sys.modules); import magnus_render; "
        "print(sorted(set(sys.modules) - before))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAGNUS_")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "['magnus_render']\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        magnus_render.nothing  # noqa: B018
    assert set(magnus_render.__all__) <= set(api.__all__)


# ---- calls of older versions ----


def test_calls_of_older_versions(runner: Runner) -> None:
    (runner.tmp_path / "secrets").write_text("A=first-secret\nB=second-secret\n")
    source = """
import magnus
from pydantic import BaseModel

class Egg(BaseModel):
    size: int

def f():
    magnus.put_object(data=[1, 2], name="numbers")
    assert magnus.get_object("numbers") == [1, 2]
    magnus.set_parameter(egg=Egg(size=3))
    assert magnus.get_parameter("egg") == {"size": 3}
    assert magnus.get_parameter("egg", cast_as=Egg).size == 3
    assert magnus.get_parameter("number", cast_as=str) == "5"
    assert magnus.get_secret() == {"A": "first-secret", "B": "second-secret"}
    magnus.store_parameter(update=False, number=6, other=7)
    assert magnus.get_tag() == ""
    with magnus.get_experiment_tracker_context():
        pass
    try:
        magnus.get_run_log()
    except NotImplementedError as error:
        assert "magnus runs show" in str(error)
    return {"nested": {"egg": Egg(size=4)}}
"""
    runner.module(source)
    outcome = runner.run("steps.f", parameters={"number": 5})
    assert outcome.message == "", outcome.err
    assert outcome.set == {"egg": {"size": 3}, "other": 7, "nested": {"egg": {"size": 4}}}
    assert "track_this" in outcome.err


def test_a_value_that_cannot_be_cast_is_named(runner: Runner) -> None:
    runner.module("import magnus\ndef f(): magnus.get_parameter('n', cast_as=int)\n")
    outcome = runner.run("steps.f", parameters={"n": "many"})
    assert outcome.message == "parameter 'n' is not valid: it takes int, and the parameter is \"many\""
