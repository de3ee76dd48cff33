"""`magnus plan OLD NEW`: how two definitions differ, and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from magnus_render.cli.main import run
from magnus_render.errors import CHANGED, REFUSED, USAGE
from magnus_render.planning.document import schema
from tests.tools import require
from tests.unit.front_end import INLINE, dag

A_TO_B = """\
    a: {type: task, command: m.a, next: b}
    b: {type: task, command: m.b, next: success}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MAGNUS_CONFIG_FILE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Return the exit status and the document of a comparison, which fits the schema."""
    status = run(["plan", *words, "--json"])
    out, complaint = capsys.readouterr()
    assert status in (0, CHANGED), complaint
    document = json.loads(out)
    jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)
    return status, document


def compared(capsys: pytest.CaptureFixture[str], old: str, new: str, *words: str) -> tuple[int, Any]:
    return told(capsys, write("old.yaml", old), write("new.yaml", new), *words)


def changes(document: Any) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Return old and new value by node and field; of the pipeline under ''."""
    nodes = [{"path": "", "changes": document["pipeline"]}, *document["nodes"]]
    return {
        node["path"]: {one["field"]: (one.get("old"), one.get("new")) for one in node["changes"]}
        for node in nodes
        if node["changes"]
    }


def whys(document: Any) -> dict[str, str]:
    return {one["field"]: one["why"] for node in document["nodes"] for one in node["changes"] if one["why"]}


def test_the_schema_is_one_and_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert run(["schema", "--plan"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_comments_layout_and_what_holds_anyway_are_no_change(capsys: pytest.CaptureFixture[str]) -> None:
    first = "    # first\n    a:\n      command: m.a\n      type: task\n      retry: 1\n      catalog: {get: []}\n"
    spelt = dag(f"{first}      next: b\n    b: {{type: task, command: m.b, next: success}}\n")
    status, document = compared(capsys, dag(A_TO_B), spelt)
    assert (status, document["changed"], document["counts"]["same"]) == (0, False, 2)


def test_a_step_between_two_others_is_added_and_moves_them(capsys: pytest.CaptureFixture[str]) -> None:
    new = dag(A_TO_B.replace("next: b", "next: c") + "    c: {type: task, command: m.c, next: b}\n")
    status, document = compared(capsys, dag(A_TO_B), new)
    assert status == CHANGED
    assert [(node["action"], node["path"]) for node in document["nodes"]] == [
        ("move", "a"), ("move", "b"), ("add", "c"),
    ]  # fmt: skip
    assert changes(document)["a"] == {"next": ("b", "c")}
    assert changes(document)["b"] == {"after": (["a"], ["c"])}
    assert changes(document)["c"]["command"] == (None, "m.c")


def test_a_removed_step_keeps_its_place_and_says_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    new = dag("    a: {type: task, command: m.a, next: success}\n")
    _, document = compared(capsys, dag(A_TO_B), new)
    assert [(node["action"], node["path"]) for node in document["nodes"]] == [("move", "a"), ("remove", "b")]
    removed = document["nodes"][1]
    assert removed["place"] == {"file": "old.yaml", "line": 5, "column": 5}
    assert changes(document)["b"]["command"] == ("m.b", None)


def test_a_step_of_another_name_is_told_to_be_like_the_old_one(capsys: pytest.CaptureFixture[str]) -> None:
    new = dag(A_TO_B.replace("next: b", "next: z").replace("    b:", "    z:"))
    _, document = compared(capsys, dag(A_TO_B), new)
    assert {node["path"]: node["why"] for node in document["nodes"]} == {
        "a": "",
        "b": "defined like 'z', which is added",
        "z": "defined like 'b', which is removed",
    }


def test_fields_of_the_pipeline_and_of_its_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    old = dag(A_TO_B, rest="run_log_store: {type: file-system, config: {path: here}}\n")
    new = dag(A_TO_B, start="b", rest="run_log_store: {type: file-system, config: {path: there}}\n")
    new = new.replace("dag:\n", "dag:\n  max_time: 60\n  name: nightly\n")
    _, document = compared(capsys, old, new)
    assert changes(document)[""] == {
        "name": ("new", "nightly"),
        "max_time": (None, 60.0),
        "run_log_store.config.path": ("here", "there"),
        "start_at": ("a", "b"),
    }
    assert [node["path"] for node in document["nodes"] if node["action"] == "remove"] == ["a"]


def test_a_definition_without_a_name_has_that_of_the_new_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(capsys, dag(A_TO_B), dag(A_TO_B))[0] == 0


def test_a_default_of_the_catalog_block_is_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    rest = "catalog: {type: file-system, config: {compute_data_folder: %s}}\n"
    steps = A_TO_B.replace("m.b,", "m.b, catalog: {compute_data_folder: own},")
    _, document = compared(capsys, dag(steps, rest=rest % "x"), dag(steps, rest=rest % "y"))
    assert changes(document) == {"a": {"catalog.compute_data_folder": ("x", "y")}}
    assert whys(document) == {
        "catalog.compute_data_folder": "the default of the catalog block has changed: x -> y"
    }


def test_an_anchor_elsewhere_is_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    steps = """\
    a: {type: task, command: m.a, retry: &r {attempts: %d}, next: b}
    b:
      type: task
      command: m.b
      retry: *r
      next: c
    c: {type: task, command: m.c, retry: {attempts: %d}, next: success}
"""
    _, document = compared(capsys, dag(steps % (1, 1)), dag(steps % (2, 2)))
    found = {node["path"]: [one["why"] for one in node["changes"]] for node in document["nodes"]}
    assert found == {
        "a": [""],
        "b": ["the value stands at new.yaml:4:56, outside of the step"],
        "c": [""],
    }


def test_overrides_of_the_executor_are_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    steps = "    a: {type: task, command: m.a, overrides: {argo: big}, next: success}\n"
    rest = "executor: {type: argo, config: {image: x, overrides: {big: {image: %s}}}}\n"
    _, document = compared(capsys, dag(steps, rest=rest % "y"), dag(steps, rest=rest % "z"))
    assert changes(document) == {"a": {"executor_config.argo.image": ("y", "z")}}
    why = "the value stands in 'overrides' of the executor's configuration"
    assert whys(document) == {"executor_config.argo.image": why}


def test_a_nested_definition_is_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    part = "dag: {start_at: x, steps: {x: {type: task, command: m.%s, next: ok}, ok: {type: success}, no: {type: fail}}}"
    write("old/part.yaml", part % "x")
    write("new/part.yaml", part % "y")
    steps = "    a: {type: dag, dag_definition: part.yaml, next: success}\n"
    for name in ("old", "new"):
        write(f"{name}/dag.yaml", dag(steps))
    _, document = told(capsys, "old/dag.yaml", "new/dag.yaml")
    (node,) = document["nodes"]
    assert (node["path"], node["why"]) == ("a.branch.x", "it stands in the nested definition new/part.yaml")


def test_steps_of_an_added_branch_come_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    steps = "    a: {type: parallel, branches: {%s}, next: success}\n"
    one = INLINE.replace(
        "ok: {type: success}", "s: {type: task, command: m.s, next: ok}, ok: {type: success}"
    )
    one = one.replace("start_at: ok", "start_at: s")
    old, new = dag(steps % f"one: {one}"), dag(steps % f"two: {one}, one: {one}")
    _, document = compared(capsys, old, new)
    assert changes(document)["a"] == {"branches": (["one"], ["two", "one"])}
    _, document = compared(capsys, dag("    a: {type: task, command: m.a, next: success}\n"), new)
    added = {node["path"]: node["why"] for node in document["nodes"] if node["action"] == "add"}
    assert set(added) == {f"a.{branch}.{step}" for branch in ("one", "two") for step in ("s", "ok", "no")}


def test_another_order_is_a_change_for_a_run_log_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    other = "".join(reversed(A_TO_B.splitlines(keepends=True)))
    status, document = compared(capsys, dag(A_TO_B), dag(other))
    assert status == CHANGED
    assert document["pipeline"][0]["field"] == "order of steps"
    assert document["nodes"] == []


def test_with_a_target_its_bytes_decide(capsys: pytest.CaptureFixture[str]) -> None:
    steps = "    a: {type: as-is, render_string: {argo: %s}, next: success}\n"
    old, new = dag(steps % "{container: {image: x}}"), dag(steps % "{container: {image: y}}")
    assert compared(capsys, old, new)[0] == CHANGED
    status, document = compared(capsys, old, new, "--target", "bash")
    assert (status, document["changed"]) == (0, True)
    assert document["output"] == {"target": "bash", "same": True, "changes": []}
    config = write("bash.yaml", "executor: {type: bash, config: {magnus_command: [mg]}}\n")
    plain = write("plain.yaml", "executor: {type: bash}\n")
    status, document = compared(capsys, old, old, "-t", "bash", "-c", config, "--old-config", plain)
    assert status == CHANGED
    assert document["output"]["changes"][0]["name"] == ""
    assert "executor.config.magnus_command" in changes(document)[""]


def test_all_errors_of_both_are_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    old = write("old.yaml", dag("    a: {type: task, command: m.a, next: nowhere}\n"))
    new = write("new.yaml", dag("    a: {type: tusk, command: m.a, next: success}\n"))
    assert run(["plan", old, new]) == REFUSED
    complaint = capsys.readouterr().err
    assert "old.yaml:4:" in complaint and "new.yaml:4:" in complaint


@pytest.mark.parametrize(
    "words",
    [
        ["a.yaml"],
        ["a.yaml", "b.yaml", "--use-cached", "r"],
        ["a.yaml", "b.yaml", "--json", "--markdown"],
        ["a.yaml", "b.yaml", "-p", "p.json"],
        ["a.yaml", "--use-cached", "r", "--target", "bash"],
    ],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *words]) == USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


# ---- what people see ----


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    new = A_TO_B.replace("m.b,", "m.b, retry: 3, timeout: 9,")
    assert run(["plan", write("old.yaml", dag(A_TO_B)), write("new.yaml", dag(new))]) == CHANGED
    assert capsys.readouterr().out == (
        "old.yaml -> new.yaml\n\n"
        "~ b  (task)\n"
        "    retry.attempts  1 -> 3\n"
        "    timeout         null -> 9.0\n\n"
        "1 changed; 1 step is the same.\n"
    )


def test_lines_of_a_command_are_compared_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    head = "    a:\n      type: task\n      command_type: shell\n      next: success\n"
    steps = f"{head}      command: |\n        one\n        %s\n"
    run(["plan", write("old.yaml", dag(steps % "two")), write("new.yaml", dag(steps % "2"))])
    assert "      -two\n      +2\n" in capsys.readouterr().out


def test_names_command_no_terminal_and_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    old = write("old.yaml", dag(A_TO_B))
    new = write("new.yaml", dag(A_TO_B.replace("m.b,", 'm.b, description: "\\e[31m @all | <b>",')))
    run(["plan", old, new])
    assert "\x1b" not in capsys.readouterr().out
    run(["plan", old, new, "--markdown"])
    out = capsys.readouterr().out
    assert "\x1b" not in out and "@all \\| <b>" in out
    assert all(line.count("|") - line.count("\\|") == 7 for line in out.splitlines() if line.startswith("|"))


# ---- revisions of git ----


def git(*words: str) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "x",
        "GIT_AUTHOR_EMAIL": "x@y",
        "GIT_COMMITTER_NAME": "x",
        "GIT_COMMITTER_EMAIL": "x@y",
    }
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *words], check=True, env=environment, capture_output=True)


@pytest.fixture
def repository() -> None:
    """A repository with a definition in a folder, which names another one, and a configuration; then all are changed."""
    require("git")
    steps = "    a: {type: dag, dag_definition: ../parts/part.yaml, next: success}\n"
    part = "dag: {start_at: x, steps: {x: {type: task, command: m.%s, next: ok}, ok: {type: success}, no: {type: fail}}}"
    write("flows/dag.yaml", dag(steps))
    write("parts/part.yaml", part % "x")
    write("c.yaml", "run_log_store: {type: file-system, config: {path: old}}\n")
    git("init", "-q", ".")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "v1")
    write("parts/part.yaml", part % "y")
    write("c.yaml", "run_log_store: {type: file-system, config: {path: new}}\n")


def test_a_revision_is_read_with_what_it_names_and_without_a_checkout(
    repository: None, capsys: pytest.CaptureFixture[str]
) -> None:
    status, document = told(capsys, "v1:flows/dag.yaml", "flows/dag.yaml")
    assert (status, changes(document)) == (CHANGED, {"a.branch.x": {"command": ("m.x", "m.y")}})
    git("commit", "-qam", "second")
    status, document = told(capsys, "HEAD~1:flows/dag.yaml", "HEAD:flows/dag.yaml")
    assert (status, changes(document)) == (CHANGED, {"a.branch.x": {"command": ("m.x", "m.y")}})
    assert told(capsys, "v1:flows/dag.yaml", "HEAD^{/first}:flows/dag.yaml")[0] == 0
    assert told(capsys, ":flows/dag.yaml", "flows/dag.yaml")[0] == 0


def test_paths_from_this_folder_and_configurations_of_a_revision(
    repository: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("flows")
    words = ["-c", "../c.yaml", "--old-config", "v1:../c.yaml", "--target", "bash"]
    _, document = told(capsys, "v1:./dag.yaml", "dag.yaml", *words)
    assert changes(document)[""] == {"run_log_store.config.path": ("old", "new")}
    assert not document["output"]["same"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("v2:flows/dag.yaml", "git knows no revision 'v2' here"),
        ("v1:dag.yaml", "the revision 'v1' has no such file"),
        ("v1:flows", "in the revision 'v1' it is a folder"),
        ("v1:flows/none.yaml", "the revision 'v1' has no such file\n"),
        ("v1:/flows/dag.yaml", "outside of the repository"),
        ("-x:flows/dag.yaml", "No such option"),
        ("nowhere.yaml", "cannot read 'nowhere.yaml'"),
    ],
)
def test_what_is_not_there_is_said(
    repository: None, named: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", named, "flows/dag.yaml"]) in (USAGE, REFUSED)
    assert said in capsys.readouterr().err


def test_what_a_revision_cannot_have_is_said(
    repository: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a submodule, what a link leads out to, and a path that counts from the wrong folder."""
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    os.symlink("/nowhere/dag.yaml", "link.yaml")
    git("add", "link.yaml")
    git("commit", "-qm", "second")
    monkeypatch.chdir("flows")
    for named, said in (
        ("HEAD:module/x/dag.yaml", "'module' is a submodule, whose files the revision 'HEAD' does not have"),
        (":module/dag.yaml", "'module' is a submodule, whose files what is staged does not have"),
        ("HEAD:link.yaml", "'link.yaml' is a symbolic link to what the revision 'HEAD' does not have"),
        ("HEAD:dag.yaml", "did you mean ./dag.yaml?"),
        ("HEAD:./none.yaml", "the revision 'HEAD' has no such file\n"),
    ):
        assert run(["plan", named, "dag.yaml"]) == REFUSED
        assert said in capsys.readouterr().err


def test_without_a_repository_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    require("git")
    write("dag.yaml", dag("    a: {type: task, command: m.x, next: success}\n"))
    for named in ("HEAD:dag.yaml", ":dag.yaml"):
        assert run(["plan", named, "dag.yaml"]) == REFUSED
        assert "not a git repository" in capsys.readouterr().err


def test_an_error_in_a_revision_names_it(repository: None, capsys: pytest.CaptureFixture[str]) -> None:
    write("parts/part.yaml", "dag: {start_at: x}\n")
    git("commit", "-qam", "broken")
    assert run(["plan", "v1:flows/dag.yaml", "HEAD:flows/dag.yaml"]) == REFUSED
    assert "HEAD:parts/part.yaml:1:" in capsys.readouterr().err


def test_colours_are_for_a_terminal(repository: None) -> None:
    import pty

    def out(**variables: str) -> bytes:
        leader, follower = pty.openpty()
        words = ["plan", "v1:flows/dag.yaml", "flows/dag.yaml"]
        command = [sys.executable, "-c", "from magnus_render.cli.main import main; main()", *words]
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", **variables}
        with subprocess.Popen(command, stdout=follower, env=environment) as process:
            os.close(follower)
            text = b""
            while True:
                try:
                    text += (part := os.read(leader, 4096))
                except OSError:
                    break
                if not part:
                    break
        os.close(leader)
        assert process.returncode == CHANGED
        return text

    assert b"\x1b[33m~ a.branch.x\x1b[0m" in out()
    assert b"\x1b" not in out(NO_COLOR="1")


def test_a_condition_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    when = "next: b, when: {parameter: quality, is: good}}"
    old, new = A_TO_B.replace("next: b}", when), A_TO_B.replace(
        "next: b}", when.replace("is: good", "in: [good, 3]")
    )
    _, document = compared(capsys, dag(old), dag(new))
    assert changes(document)["a"] == {"when": ("quality is good", "quality is good or 3")}
    _, document = compared(capsys, dag(A_TO_B), dag(new))
    assert changes(document)["a"] == {"when": (None, "quality is good or 3")}
