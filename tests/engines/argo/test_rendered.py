"""What is rendered, on the real controller: kinds, hostile texts, secrets, bounds, long graphs, stores on S3.

The conformance suite holds what pipelines mean; `test_crashes.py` what happens where something breaks.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.comparing import check_equal, comparable
from tests.engines.argo import build
from tests.engines.argo.faults import Crash, Fault
from tests.engines.argo.nasty import NAMES, TEXTS
from tests.engines.argo.pipeline import RUN_ID, Ended, Project, each, graph, shell, undisturbed
from tests.engines.argo.version import on_both

ITEMS = {"items": [3, 1, 2]}
TAKES = '''"""The task of the pipelines with hostile texts."""

import os
from typing import Any


def take(values: Any) -> dict[str, Any]:
    """Return what arrived."""
    return {"got": values, "environment": {k: v for k, v in os.environ.items() if k.startswith("NASTY_")}}
'''


@pytest.fixture(autouse=True)
def _engine() -> None:
    build.require()


def check(project: Project, ended: Ended, folder: Path, parameters: dict[str, Any] | None = None) -> None:
    """Assert that a run left what `magnus execute` leaves of the same definition."""
    expected = undisturbed(project, folder / "local", parameters)
    check_equal(expected, comparable(ended.log), "local", ended.run.told)


# ---- kinds ----


def dag(name: str, steps: dict[str, Any], then: str = "success") -> dict[str, Any]:
    return {name: {"type": "dag", "branch": graph(steps), "separate": True, "next": then}}


NOTES = shell('echo "n=$MAGNUS_PRM_item" >> "$MAGNUS_OUTPUT"')
SEVERAL: dict[str, Any] = {
    "list": shell("true", "each"),
    "each": each(
        dag("outer", {"t": NOTES | {"next": "inner"}, **dag("inner", {"u": shell("true")})}), "apart"
    ),
    **dag("apart", {"v": shell("true")}, "last"),
    "last": shell("true"),
}
"""With dags that are templates of their own: in a map, in one another, in the root."""


@pytest.mark.parametrize("compact", [False, True], ids=["", "compact"])
@pytest.mark.parametrize("kind", ["Workflow", "WorkflowTemplate", "CronWorkflow"])
def test_every_kind_runs_the_same(tmp_path: Path, kind: str, compact: bool) -> None:
    """No pod is made but those of steps: the first counts the items of the map."""
    schedule = {"schedule": "0 2 * * *"} if kind == "CronWorkflow" else {}
    project = Project(tmp_path / "argo", SEVERAL, executor={"kind": kind, **schedule})
    manifests = project.render(*["--compact"] * compact)
    assert len(manifests) == 4
    assert manifests[0].startswith("{") == compact
    ended = project.run(parameters=ITEMS, manifests=manifests)
    check(project, ended, tmp_path, ITEMS)
    assert len(ended.run.pods) == 1 + 3 * 2 + 1 + 1, ended.run.told


@pytest.mark.parametrize("kind", ["Workflow", "WorkflowTemplate"])
def test_a_run_is_called_as_its_workflow_unless_told(tmp_path: Path, kind: str) -> None:
    project = Project(tmp_path / "p", {"a": shell('test "$MAGNUS_RUN_ID" != ""')}, executor={"kind": kind})
    ended = project.run("")
    assert ended.log["run_id"] == ended.run.name
    assert ended.log["status"] == "SUCCESS"


# ---- refusals ----


def test_a_run_id_is_not_used_twice(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", {"a": shell('echo >> "$HOME/ran"', on_failure="h"), "h": shell("true")})
    before = project.run()
    with project.start() as started:
        run = started.wait()
    assert run.phase == "Failed", run.told
    assert [pod.exit_code for pod in run.pods] == [
        65
    ] * 3, run.told  # the step, its handler, the exit handler
    assert "belongs to another walk" in run.told
    assert project.log() == before.log
    assert (project.folder / "ran").read_text() == "\n"


def test_a_manifest_that_is_not_of_the_images_definition_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", {"a": shell('touch "$HOME/ran"')})
    manifests = project.render()
    Project(project.folder, {"a": shell('touch "$HOME/ran"', timeout=7)})
    with project.start(manifests=manifests) as started:
        run = started.wait()
    assert run.phase == "Failed", run.told
    assert [pod.exit_code for pod in run.pods] == [65] * 2, run.told
    assert "have drifted apart; render again" in run.told
    assert not (project.folder / "ran").exists()


@pytest.mark.parametrize("text", ["[1]", "nonsense", '{"a": 1', "1"])
def test_arguments_that_are_no_object_are_refused(tmp_path: Path, text: str) -> None:
    project = Project(tmp_path / "p", {"a": shell("true")})
    with project.start(parameters=text) as started:
        run = started.wait()
    assert run.phase == "Failed"
    assert {pod.exit_code for pod in run.pods} == {65}, run.told


# ---- hostile texts ----


def test_texts_arrive_as_they_are(tmp_path: Path) -> None:
    """Values of parameters, of the pipeline's environment and of a step's own; names of steps, branches, parameters."""
    common = {f"NASTY_{number}": text for number, text in enumerate(TEXTS)}
    own = {f"NASTY_OWN_{number}": text for number, text in enumerate(TEXTS)}
    task = {"type": "task", "command": "takes.take", "next": "success"}
    steps: dict[str, Any] = {}
    for name, then in zip(NAMES, [*NAMES[1:], "take"], strict=True):
        steps[name] = shell("true", then)
    steps["take"] = task | {"next": "own"}
    steps["own"] = task | {"executor_config": {"argo": {"environment": own}}, "next": "all"}
    steps["all"] = {
        "type": "parallel",
        "branches": {n: graph({n: shell("true")}) for n in NAMES[:9]},
        "next": "m",
    }
    steps["m"] = {
        "type": "map",
        "iterate_on": "values",
        "iterate_as": "{{item}}",
        "branch": graph({"{{item}}": {"type": "as-is", "next": "success"}}),
        "next": "success",
    }
    project = Project(tmp_path / "argo", escaped(steps), executor={"environment": escaped(common)})
    given = {"values": [*TEXTS, "😀"], **{f"p {text}": text for text in TEXTS}}
    for folder in (project.folder, tmp_path / "local"):
        folder.mkdir(exist_ok=True)
        (folder / "takes.py").write_text(TAKES)
    local = Project(tmp_path / "local", project.steps, environment=common | own)
    ended = project.run(parameters=base64.b64encode(json.dumps(given).encode()).decode())
    check(local, ended, tmp_path, given)
    got = ended.log["parameters"]
    assert got["got"] == [*TEXTS, "😀"]
    assert got["environment"] == common | own, ended.run.told


def escaped(value: Any) -> Any:
    """Return a definition's values with `${` as a literal; keys are left as they are."""
    if isinstance(value, dict):
        return {key: escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [escaped(inner) for inner in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def test_parameters_are_of_any_text_and_size(tmp_path: Path) -> None:
    """As JSON too, unless it holds a tag that Argo knows; 60 KB of it."""
    inert = [text for text in TEXTS if "{{" not in text]
    given = {"values": inert, "large": 'é\\"$(HOME)' * 5000}
    project = Project(tmp_path / "argo", {"a": shell("true")})
    ended = project.run(parameters=given)
    check(project, ended, tmp_path, given)
    assert ended.log["parameters"] == given


def test_parameters_with_tags_survive_the_loss_of_the_first_pod(tmp_path: Path) -> None:
    """Argo expands tags in a workflow's arguments after its first look at them: base64 has none."""
    given = {"x": "{{workflow.name}} {{=1+1}}"}
    project = Project(tmp_path / "p", {"a": shell("true")})
    text = base64.b64encode(json.dumps(given).encode()).decode()
    ended = project.run(parameters=text, faults=[Fault([RUN_ID, "a"], crashes=[Crash("evict")])])
    assert ended.log["parameters"] == given


# ---- secrets ----


def test_a_secret_is_nowhere_but_in_its_step(tmp_path: Path) -> None:
    value = "hunter-2-and-then-some"
    prints = f'test "$PASSWORD" = {value[:8]}"{value[8:]}" && echo "the password is $PASSWORD" && echo "$PASSWORD" >&2'
    steps = {"a": shell(prints, "b", secrets={"PASSWORD": "DB"}), "b": shell('test -z "${DB-}" && exit 7')}
    project = Project(
        tmp_path / "p",
        steps,
        executor={"secret_environment": {"DB": {"secret": "churn-db", "key": "password"}}},
        config={"secrets": {"type": "env"}},
    )
    ended = project.run(secrets={"churn-db": {"password": value}})
    assert ended.step("a")["status"] == "SUCCESS", ended.run.told
    assert ended.step("b")["message"] == "exited with status 7", "its pod does not have it"
    assert "the password is" in ended.run.told
    assert value not in ended.run.told  # what all pods printed
    assert value not in json.dumps([ended.run.workflow, ended.run.nodes, ended.log])
    seen = [path for path in project.folder.rglob("*") if path.is_file()]
    assert [path for path in seen if value.encode() in path.read_bytes()] == []
    assert len(seen) > 10


# ---- bounds ----

MEET = """
echo + >> "$HOME/marks"
until test -e "$HOME/go" || test "$(grep -c + "$HOME/marks")" -ge {many}; do sleep 0.02; done
touch "$HOME/go"
sleep 0.05
echo - >> "$HOME/marks"
"""
"""Shell that goes on when so many of its kind are at work: it ends only if the bound lets them."""


def at_once(folder: Path) -> tuple[int, int]:
    """Return how many of the steps that ran `MEET` were at work at the same time, at most, and how many there were."""
    marks = (folder / "marks").read_text().split()
    counts = [marks[:end].count("+") - marks[:end].count("-") for end in range(len(marks) + 1)]
    return max(counts), marks.count("+")


def parallel(command: str, many: int, **fields: Any) -> dict[str, Any]:
    branches = {f"b{number}": graph({"t": shell(command)}) for number in range(many)}
    return {"p": {"type": "parallel", "branches": branches, "next": "success", **fields}}


@pytest.mark.parametrize("composite", ["map", "parallel"])
def test_max_concurrency_is_kept_and_used(tmp_path: Path, composite: str) -> None:
    command = MEET.format(many=2)
    steps = parallel(command, 5, max_concurrency=2)
    if composite == "map":
        steps = {"m": each({"t": shell(command)}, max_concurrency=2)}
    project = Project(tmp_path / "p", steps)
    ended = project.run(parameters={"items": list(range(5))})
    assert ended.log["status"] == "SUCCESS", ended.run.told
    assert at_once(project.folder) == (2, 5)


@on_both
def test_parallelism_bounds_the_pods_of_a_run(tmp_path: Path) -> None:
    steps = {"m": each(parallel(MEET.format(many=3), 2))}
    project = Project(tmp_path / "p", steps, executor={"parallelism": 3})
    ended = project.run(parameters=ITEMS)
    assert ended.log["status"] == "SUCCESS", ended.run.told
    assert at_once(project.folder) == (3, 6)


@pytest.mark.parametrize("composite", ["map", "parallel"])
@pytest.mark.parametrize("fail_fast", [False, True])
def test_fail_fast_begins_no_sibling_more(tmp_path: Path, composite: str, fail_fast: bool) -> None:
    """One branch at a time: the first fails. The others' pods are made, for the controller does not act on failFast."""
    command = 'case $MAGNUS_STEP in *0.t) exit 1;; esac; echo >> "$HOME/ran"'
    bounds: dict[str, Any] = {"max_concurrency": 1, "fail_fast": fail_fast}
    steps = (
        parallel(command, 4, **bounds)
        if composite == "parallel"
        else {"m": each({"t": shell(command)}, **bounds)}
    )
    project = Project(tmp_path / "argo", steps)
    given = {"items": [0, 1, 2, 3]}
    ended = project.run(parameters=given)
    assert ended.log["status"] == "FAIL", ended.run.told
    if fail_fast:
        assert not (project.folder / "ran").exists(), ended.run.told
    else:
        check(project, ended, tmp_path, given)
        assert (project.folder / "ran").read_text() == "\n" * 3


def test_siblings_go_on_where_one_fails(tmp_path: Path) -> None:
    """The one that fails has ended before the other goes on."""
    command = 'case $MAGNUS_STEP in *b0.t) exit 1;; esac; until test -e "$HOME/go"; do sleep 0.02; done'
    project = Project(tmp_path / "argo", parallel(command, 2) | {"h": shell("true")})
    project.steps["p"]["on_failure"] = "h"
    project = Project(project.folder, project.steps)
    with project.start() as started:
        started.until(lambda run: "Failed" in run.phases("b0"))
        (project.folder / "go").touch()
        ended = project.ended(started)
    assert ended.log["status"] == "SUCCESS", ended.run.told
    branches = ended.step("p")["branches"]
    assert [branches[name]["status"] for name in ("p.b0", "p.b1")] == ["FAIL", "SUCCESS"]


# ---- conditionals ----

TYPES: list[Any] = ["3", 3, True, "null", None, "a-b", "2026-01-02", "x", "success", "no-branch", "1e3"]
"""Values that Argo would take for something else than a text, or for a task of ours, were they not quoted."""


def chosen(value: Any) -> dict[str, Any]:
    """Return a step, a conditional with a branch for each of the values but x, and its handler."""
    names = ["3", "true", "null", "a-b", "2026-01-02", "2026-01-03", "success", "no-branch", "1e3", "1000"]
    branches = {name: graph({"t": shell('echo "$MAGNUS_STEP" > "$HOME/ran"')}) for name in names}
    pick = {"type": "conditional", "parameter": "p", "branches": branches, "next": "success"}
    return {"a": shell("true", "pick"), "pick": {**pick, "on_failure": "h"}, "h": shell("true")}


def test_a_branch_is_chosen_by_its_text(tmp_path: Path) -> None:
    """Each by one pod; none by none, but that of the handler."""
    for number, value in enumerate(TYPES):
        project = Project(tmp_path / f"argo-{number}", chosen(value))
        ended = project.run(parameters={"p": value})
        check(project, ended, tmp_path / str(number), {"p": value})
        assert (ended.log["status"], len(ended.run.pods)) == ("SUCCESS", 2), ended.run.told
        ran = project.folder / "ran"
        assert ("h" in ended.log["steps"], ran.exists()) == ((True, False) if value == "x" else (False, True))


def test_a_choice_that_nobody_handles_fails_the_run(tmp_path: Path) -> None:
    steps = chosen("x")
    del steps["pick"]["on_failure"], steps["h"]
    project = Project(tmp_path / "argo", steps)
    with project.start(parameters={"p": "x"}) as started:
        run = started.wait()
    assert (run.phase, len(run.pods)) == ("Error", 2), run.told  # the step, the exit handler
    check(project, Ended(run, project.log()), tmp_path, {"p": "x"})
    assert "could not be parsed as a JSON list: choice: no branch was chosen" in run.told


# ---- long graphs ----


@pytest.mark.parametrize("fails", [None, "s120", "s249"])
def test_parts_share_a_handler(tmp_path: Path, fails: str | None) -> None:
    steps: dict[str, Any] = {f"s{n}": {"type": "as-is", "next": f"s{n + 1}"} for n in range(250)}
    for name in ("s0", "s120", "s220", "s249"):
        following = f"s{int(name[1:]) + 1}"
        steps[name] = shell("exit 1" if name == fails else "true", following, on_failure="alert")
    steps["s250"] = shell("true", on_failure="alert")
    steps["alert"] = shell("true", "fail")
    project = Project(tmp_path / "argo", steps)
    (manifest,) = project.render()
    assert "              || from-s0.Errored\n" in manifest
    ended = project.run(manifests=[manifest])
    check(project, ended, tmp_path)
    assert ended.log["status"] == ("FAIL" if fails else "SUCCESS")
    assert ended.run.phases("alert") == ["Succeeded" if fails else "Omitted"], ended.run.told


@pytest.mark.parametrize("ends", ["success", "failure"])
def test_a_graph_of_many_steps_runs_in_parts(tmp_path: Path, ends: str) -> None:
    """One fails and is handled within its part; one more is handled by none. Most need no pod, to be quick."""
    steps: dict[str, Any] = {}
    for number in range(250):
        name, then = f"s{number}", f"s{number + 1}" if number < 249 else "success"
        steps[name] = {"type": "as-is", "next": then}
        if number in (0, 99, 205, 249):
            steps[name] = shell(f'echo "x=$((${{MAGNUS_PRM_x:-0}} + {number}))" >> "$MAGNUS_OUTPUT"', then)
        if number == 30:
            steps[name] = shell("exit 1", then, on_failure="h")
            steps["h"] = shell("true", "s33")
        if number == 120 and ends == "failure":
            steps[name] = shell("exit 1", then)
    project = Project(tmp_path / "argo", steps)
    (manifest,) = project.render()
    assert "pipeline-from-" in manifest
    ended = project.run(manifests=[manifest])
    check(project, ended, tmp_path)
    assert ended.log["status"] == ("SUCCESS" if ends == "success" else "FAIL")
    # s0, s30, h, s99, then s205 and s249, or s120 and the exit handler
    assert len(ended.run.pods) == 6, ended.run.told


# ---- stores ----


def test_stores_on_s3_need_no_volume(tmp_path: Path) -> None:
    from tests.engines.stepfunctions.client import shared

    client = shared()
    client.bucket("argo-runs")
    steps = {
        "make": shell("mkdir -p data; echo made > data/x.txt", "m", catalog={"put": ["x.txt"]}),
        "m": each({"t": shell('test "$(cat data/x.txt)" = made', catalog={"get": ["*.txt"]})}),
    }
    stores = {
        block: {"type": "s3", "config": {"bucket": "argo-runs", "prefix": block}}
        for block in ("run_log_store", "catalog")
    }
    project = Project(tmp_path / "argo", steps, executor={"persistent_volumes": []}, config=stores)
    project.environment = client.environment
    (manifest,) = project.render()
    assert "volume" not in manifest
    ended = project.run(parameters=ITEMS, manifests=[manifest])
    assert ended.log["status"] == "SUCCESS", ended.run.told
    project.environment = {}
    check(project, ended, tmp_path, ITEMS)
