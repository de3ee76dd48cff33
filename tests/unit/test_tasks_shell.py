"""Shell tasks: variables in, lines and exported variables out, exit status, nothing spliced."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from magnus_render.runtime.tasks import shell
from tests.unit.task_runs import Runner

SHELLS = [
    None,
    *(shell for shell in ("/bin/bash", "/bin/dash", "zsh", "ksh", "busybox") if shutil.which(shell)),
]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture(params=SHELLS)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param is None:
        return {}
    return {"shell": [request.param, "sh"] if request.param == "busybox" else request.param}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("export MAGNUS_PRM_x=new", {"x": "new"}),
        ("export MAGNUS_PRM_x=new # a comment", {"x": "new"}),
        ("#only a comment", {}),
        ("true", {}),
        ("export MAGNUS_PRM_Case=1 MAGNUS_PRM_case=two", {"Case": 1, "case": "two"}),
        ("export MAGNUS_PRM_x=1\nif true; then\n  export MAGNUS_PRM_x=2\nfi\n", {"x": 2}),
        (
            "MAGNUS_PRM_x=$(cat <<'EOF'\nit's \"here\" $x\nEOF\n)\nexport MAGNUS_PRM_x\n",
            {"x": 'it\'s "here" $x'},
        ),
        ("export MAGNUS_PRM_x='a\nb=c'", {"x": "a\nb=c"}),
        ("export MAGNUS_PRM_x='{\"a\": [1, null]}'", {"x": {"a": [1, None]}}),
        ("export MAGNUS_PRM_x=", {"x": ""}),
        ("export MAGNUS_PRM_x=1; exit 0", {"x": 1}),
        ("export MAGNUS_PRM_x=1; exit 0 # done", {"x": 1}),
        ("set -eu; set -C; export MAGNUS_PRM_x=1; exit", {"x": 1}),
        ("set -eu; export MAGNUS_PRM_x=1", {"x": 1}),
        ("trap 'echo bye' EXIT; export MAGNUS_PRM_x=1", {"x": 1}),
        ("PATH=/nowhere; export MAGNUS_PRM_x=1; cd /", {"x": 1}),
        ("MAGNUS_PRM_x=1", {}),
        ("(export MAGNUS_PRM_x=1)", {}),
        ("unset MAGNUS_PRM_text", {}),
        ("export MAGNUS_PRM_text=1", {"text": "1"}),
        ("export MAGNUS_PRM_text=null", {"text": "null"}),
        ("export MAGNUS_PRM_flag=false", {"flag": False}),
        ("export MAGNUS_PRM_flag=maybe", {"flag": "maybe"}),
        ("export MAGNUS_PRM_x=NaN", {"x": "NaN"}),
        ("export MAGNUS_PRM_x=1e999", {"x": "1e999"}),
        ("exec true", {}),
        ("exec true; exit 1", {}),
        ("export MAGNUS_PRM_x=1; exec true", {"x": 1}),
        ("export MAGNUS_PRM_x=1; exec sh -c 'exit 0' >/dev/null 2>&1", {"x": 1}),
        ("export MAGNUS_PRM_x=1; exec 3</dev/null; export MAGNUS_PRM_x=2; exec 3<&-", {"x": 2}),
        ("true || exec false; export MAGNUS_PRM_x=1", {"x": 1}),
        ("trap 'echo bye' EXIT; export MAGNUS_PRM_x=1; exit 0", {"x": 1}),
        ("trap 'echo bye; exit' EXIT; export MAGNUS_PRM_x=1; exit", {"x": 1}),
        ("trap 'export MAGNUS_PRM_x=1; exit' EXIT", {"x": 1}),
        ("set -e; trap 'exit 0' EXIT; export MAGNUS_PRM_x=1; false", {"x": 1}),
        ("trap - EXIT; export MAGNUS_PRM_x=1; exit 0", {"x": 1}),
        ("trap 'exit 0' TERM; export MAGNUS_PRM_x=1; kill -TERM $$; sleep 9", {"x": 1}),
        ("trap : EXIT; f() { [ -z x ] || exit 0; exit 1; }; export MAGNUS_PRM_x=1; f", {"x": 1}),
        ("trap : EXIT; export MAGNUS_PRM_x=1; (export MAGNUS_PRM_x=2; exit 0); exit 0", {"x": 1}),
        ("trap : EXIT; export MAGNUS_PRM_x=1; while :; do exit 0; done", {"x": 1}),
        ("IFS=0; set -f; trap : EXIT; export MAGNUS_PRM_x=1; exit 0", {"x": 1}),
        ("[ $# -eq 0 ] && export MAGNUS_PRM_x=none", {"x": "none"}),
        ("set -- a b; IFS=x; export MAGNUS_PRM_x=$#", {"x": 2}),
        ("env() { return 3; }; export MAGNUS_PRM_x=1", {"x": 1}),
    ],
)
def test_exported_variables_set_parameters(
    runner: Runner, config: dict[str, Any], command: str, expected: dict[str, Any]
) -> None:
    outcome = runner.run(command, "shell", parameters={"text": "123", "flag": True}, config=config)
    assert (outcome.message, outcome.set, outcome.err) == ("", expected, "")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 3", 3),
        ("export MAGNUS_PRM_x=1; exit 3", 3),
        ("(exit 4) # comment", 4),
        ("false", 1),
        ("set -e\n(exit 5)\nexport MAGNUS_PRM_x=1\ntrue", 5),
        ("trap 'exit 9' EXIT; exit 0", 9),
        ("trap 'true' EXIT; exit 6", 6),
        ("trap 'true' EXIT; (exit 6)", 6),
        ("no_such_command_here", 127),
        ("exec sh -c 'exit 8'", 8),
        ("sh -c 'kill -9 $$'", 137),
        ("export MAGNUS_PRM_x=1; exec false", 1),
        ("false; exit", 1),
        ("trap 'true; exit' EXIT; exit 6", 6),
        ("trap 'true; exit' EXIT; (exit 6)", 6),
        ("exec no_such_command_here", 127),
        ("f() { exit 4; }; (exit 0); f", 4),
    ],
)
def test_the_exit_status_is_the_commands(
    runner: Runner, config: dict[str, Any], command: str, status: int
) -> None:
    outcome = runner.run(command, "shell", config=config)
    if config.get("shell") == "zsh" and "true; exit" in command:
        status = 0  # in zsh, an `exit` of a trap has the status of the command before it, as the trap ran it
    assert outcome.message == (f"exited with status {status}" if status else "") and outcome.set == {}


@pytest.mark.parametrize("command", ["echo 'unended", "if true; then", "echo )", 'echo "a'])
def test_syntax_errors_fail(runner: Runner, config: dict[str, Any], command: str) -> None:
    outcome = runner.run(command, "shell", config=config)
    assert outcome.message.startswith("exited with status ") and outcome.err


def test_killed(runner: Runner) -> None:
    assert runner.run("kill -9 $$", "shell").message == "killed by signal 9"


def test_tracing_shows_the_command_alone(runner: Runner, config: dict[str, Any]) -> None:
    for command in ("set -x; true", "set -x; true; exit 0"):
        err = runner.run(command, "shell", config=config).err
        assert "true" in err and "magnus" not in err.replace("exit", ""), err


def test_line_numbers_are_the_commands(runner: Runner) -> None:
    err = runner.run("true\nno_such_command", "shell", config={"shell": "/bin/bash"}).err
    assert "line 2: no_such_command" in err


def test_parameters_arrive_as_variables(runner: Runner) -> None:
    parameters = {
        "text": "it's $HOME `x` \"q\" \\n", "number": 1.5, "flag": True, "none": None, "list": [1, "ä"], "digits": "123",
        "Upper": 1, "upper": 2, "with-dash": 1, "with blank": 1, "ünïcode": 1, "": 1, "nul": "a\0b", "big": "x" * 65537,
        "fits": "x" * 65536, "1st": 1,
    }  # fmt: skip
    outcome = runner.run(
        "env -0 | grep -z ^MAGNUS_PRM_", "shell", parameters=parameters, map_variables={"i": {"a": 1}}
    )
    seen = dict(entry.split("=", 1) for entry in outcome.out.split("\0") if entry)
    assert seen == {
        "MAGNUS_PRM_text": parameters["text"], "MAGNUS_PRM_number": "1.5", "MAGNUS_PRM_flag": "true",
        "MAGNUS_PRM_none": "null", "MAGNUS_PRM_list": '[1, "ä"]', "MAGNUS_PRM_digits": "123", "MAGNUS_PRM_Upper": "1",
        "MAGNUS_PRM_upper": "2", "MAGNUS_PRM_fits": "x" * 65536, "MAGNUS_PRM_1st": "1", "MAGNUS_PRM_i": '{"a": 1}',
    }  # fmt: skip
    assert outcome.set == {}


def test_all_parameters_are_in_the_file(runner: Runner) -> None:
    parameters = {"big": "x" * 100_000, "a b": None, "bad": "\ud800"}
    outcome = runner.run(
        "python3 -c 'import json, os; d = json.load(open(os.environ[\"MAGNUS_PARAMETERS\"])); print(sorted(map(ascii, d)))'",
        "shell",
        parameters=parameters,
        map_variables={"i": 1},
    )
    assert outcome.out == """["'a b'", "'bad'", "'big'", "'i'"]\n"""


def test_many_large_parameters_do_not_stop_programs(runner: Runner) -> None:
    outcome = runner.run(
        "env | grep -c ^MAGNUS_PRM_p", "shell", parameters={f"p{n}": "x" * 60_000 for n in range(100)}
    )
    assert outcome.message == "" and 0 < int(outcome.out) < 100


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("a=1\nb= two \nc=x=y\nd=", {"a": "1", "b": " two ", "c": "x=y", "d": ""}),
        ('{"a": 1, "b": [true, null]}\n\n', {"a": 1, "b": [True, None]}),
        ('a=1\n{"a": 2}\n', {"a": 2}),
        ('{"a": 1}\na=2', {"a": "2"}),
        ('{\n  "a": {\n    "b": 1\n  }\n}\nc=1\n', {"a": {"b": 1}, "c": "1"}),
        ("a b=ä", {"a b": "ä"}),
        ("", {}),
    ],
)
def test_output_lines(runner: Runner, lines: str, expected: dict[str, Any]) -> None:
    (runner.project / "lines").write_text(lines, encoding="utf-8")
    outcome = runner.run('cat lines >> "$MAGNUS_OUTPUT"', "shell")
    assert (outcome.message, outcome.set) == ("", expected)


@pytest.mark.parametrize(
    ("lines", "message", "kept"),
    [
        ("a=1\nno\n", "output line 2 is neither name=value nor a JSON object", {"a": "1"}),
        ('\n{"a": 1\nb=2\n', "output line 2 is neither name=value nor a JSON object", {"b": "2"}),
        ('{"a": 1} b\n', "output line 1 is neither name=value nor a JSON object", {}),
        ('{"a":\n1}\n[1]\n', "output line 3 is neither name=value nor a JSON object", {"a": 1}),
        ('{"a": NaN, "b": 1}\n', "parameter 'a' is not JSON: a is nan", {"b": 1}),
        ('{"a": 1e999}', "parameter 'a' is not JSON: a is inf", {}),
        ("=1\n", "a parameter name must be a non-empty string", {}),
        ("i=1\n", "'i' is the map's variable and cannot be set", {}),
        ('{"b": 1, "i": 1}\n', "'i' is the map's variable and cannot be set", {"b": 1}),
        ("{" * 100_000, "output line 1 is neither name=value nor a JSON object", {}),
    ],
)
def test_bad_output_lines(runner: Runner, lines: str, message: str, kept: dict[str, Any]) -> None:
    (runner.project / "lines").write_text(lines, encoding="utf-8")
    outcome = runner.run('cat lines >> "$MAGNUS_OUTPUT"', "shell", map_variables={"i": 0})
    assert (outcome.message, outcome.set) == (message, kept)


def test_exporting_the_map_variable_fails(runner: Runner) -> None:
    outcome = runner.run("export MAGNUS_PRM_i=2", "shell", map_variables={"i": 1})
    assert outcome.message == "'i' is the map's variable and cannot be set"


def test_exports_that_are_not_text_fail(runner: Runner) -> None:
    outcome = runner.run("MAGNUS_PRM_x=$(printf '\\377'); export MAGNUS_PRM_x", "shell")
    assert outcome.message == "parameter 'x' is not JSON: x is text with half of a surrogate pair"


def test_exports_that_are_too_large_fail(runner: Runner) -> None:
    command = "x=xxxxxxxxxxxxxxxx; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do x=$x$x; done; export MAGNUS_PRM_x=$x"
    outcome = runner.run(command, "shell")
    assert (
        outcome.message.startswith("exported variables cannot be read")
        and "$MAGNUS_OUTPUT" in outcome.message
    )


def test_exports_follow_an_output_line_without_end(runner: Runner) -> None:
    outcome = runner.run('printf a=1 >> "$MAGNUS_OUTPUT"; export MAGNUS_PRM_b=2', "shell")
    assert outcome.set == {"a": "1", "b": 2}


def test_metrics(runner: Runner) -> None:
    command = (
        'export MAGNUS_TRACK_Loss=0.5 MAGNUS_TRACK_note=good; echo \'{"n": {"a": 1}}\' >> $MAGNUS_METRICS'
    )
    outcome = runner.run(command, "shell", environment={"MAGNUS_TRACK_old": "1", "MAGNUS_PRM_old": "1"})
    assert outcome.metrics == {"n": {"a": 1}, "Loss": 0.5, "note": "good"} and outcome.set == {}
    outcome = runner.run("echo 5 >> $MAGNUS_METRICS", "shell")
    assert outcome.message == "metrics line 1 is not a JSON object"


def test_a_name_that_looks_like_code_is_not_run(runner: Runner) -> None:
    parameters = {"a;touch PWNED": "1", "x": "$(touch PWNED); `touch PWNED`"}
    outcome = runner.run('echo "$MAGNUS_PRM_x"', "shell", parameters=parameters)
    assert outcome.out == parameters["x"] + "\n" and not (runner.project / "PWNED").exists()


def test_large_error_output_and_pipes(runner: Runner) -> None:
    outcome = runner.run("head -c 300000 /dev/zero | tr '\\0' x >&2; yes | head -1; cat", "shell")
    assert (outcome.message, outcome.out, len(outcome.err)) == ("", "y\n", 300_000)


def test_other_shells(runner: Runner) -> None:
    config = {"shell": ["/bin/bash", "-e", "-u", "-o", "pipefail"]}
    assert runner.run("false | true; echo no", "shell", config=config).message == "exited with status 1"
    assert runner.run("a=(1 2); export MAGNUS_PRM_n=${#a[@]}", "shell", config=config).set == {"n": 2}
    assert runner.run("print('hi')", "shell", config={"shell": "python3"}).out == "hi\n"
    missing = runner.run("true", "shell", config={"shell": "/no/such/shell"})
    assert missing.message == "cannot run '/no/such/shell': No such file or directory"


@pytest.mark.parametrize("command", ["command exec true", "unalias exit\nexit"])
def test_exports_that_were_not_seen_are_told_of(runner: Runner, command: str) -> None:
    outcome = runner.run(f"export MAGNUS_PRM_x=1; {command}", "shell", config={"shell": "/bin/bash"})
    assert (outcome.message, outcome.set) == ("", {})
    assert outcome.warnings == [shell._UNSEEN]


def test_without_proc_exports_are_read_all_the_same(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = shell._WRAPPER.replace("/proc/self/", "/nowhere/")
    assert elsewhere != shell._WRAPPER
    monkeypatch.setattr(shell, "_WRAPPER", elsewhere)
    for end in ("", "; exit 0", "; exec true"):
        outcome = runner.run(f"export MAGNUS_PRM_x='a\nb' MAGNUS_TRACK_y=1{end}", "shell")
        assert (outcome.message, outcome.set, outcome.metrics) == ("", {"x": "a\nb"}, {"y": 1})
    large = "x=xxxxxxxxxxxxxxxx; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do x=$x$x; done; export MAGNUS_PRM_x=$x"
    assert runner.run(large, "shell").message == shell._UNREADABLE


@pytest.mark.parametrize("end", ["", "; exit 0", "; exec true"])
def test_only_what_may_count_of_the_environment_reaches_the_disk(runner: Runner, end: str) -> None:
    outcome = runner.run(
        f"export MAGNUS_PRM_x=1 MAGNUS_SECRET=hunter2{end}", "shell", environment={"TOKEN": "hunter2"}
    )
    assert outcome.set == {"x": 1}
    written = [path.read_bytes() for path in runner.tmp_path.rglob("exports*")]
    assert written and all(b"hunter2" not in data for data in written)


def test_a_command_of_any_size(runner: Runner, config: dict[str, Any]) -> None:
    filler = f"# {'x' * 70}\n" * 5000
    outcome = runner.run(f"{filler}export MAGNUS_PRM_x=$0$#\nexit 0", "shell", config=config)
    name = Path(config.get("shell", "sh") if isinstance(config.get("shell", "sh"), str) else "busybox").name
    assert (outcome.message, outcome.set) == ("", {"x": f"{name}0"})
    assert "line 5001" in runner.run(f"{filler}no_such", "shell", config={"shell": "/bin/bash"}).err
    python = {"shell": "python3"}
    assert runner.run(f"{filler}print('hi')", "shell", config=python).out == "hi\n"
