"""The commands that docs/targets/argo.md tells people to type, typed: `argo` and `kubectl` on the real controller."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.comparing import check_equal, comparable
from tests.engines.argo import build
from tests.engines.argo.client import Namespace
from tests.engines.argo.commands import Terminal
from tests.engines.argo.faults import Crash, Fault
from tests.engines.argo.pipeline import Ended, Project, each, graph, shell, undisturbed
from tests.engines.argo.run import EngineError
from tests.engines.argo.version import on_both

NOTE = 'echo "$MAGNUS_STEP" >> "$HOME/ran"; '
"""Shell that notes that a step was run."""
STEPS = {
    "fetch": shell(NOTE, "each"),
    "each": each({"t": shell(NOTE)}, "train"),
    "train": shell(NOTE + 'test -e "$HOME/data/mended"'),
}
"""Fails at `train`, until a file is there."""
GIVEN = {"items": [0, 1], "text": "$(HOME) and 'quotes'"}
CODED = base64.b64encode(json.dumps(GIVEN).encode()).decode()
DOCS = Path(__file__).parents[3] / "docs" / "targets" / "argo.md"


@pytest.fixture(autouse=True)
def _engine() -> None:
    build.require()


def lost(step: str) -> Fault:
    """Return the loss of all pods of a step before they begin."""
    return Fault(["n-7", step], crashes=[Crash("evict")] * 3)


class Session:
    """A project, rendered, and a terminal in its folder."""

    def __init__(self, project: Project, opened: Namespace) -> None:
        self.project, self.opened = project, opened
        self.type = Terminal(opened, project.folder)

    def ended(self, workflow: str, run_id: str = "n-7") -> Ended:
        """Wait for the end of a workflow."""
        self.opened.follow(workflow)
        return self.project.ended(self.opened, run_id)

    def ran(self) -> list[str]:
        """Return the steps that were run so far."""
        return (self.project.folder / "ran").read_text().split()

    def mend(self) -> None:
        """Let `train` succeed from now on."""
        (self.project.folder / "data" / "mended").touch()


@contextmanager
def session(
    folder: Path, steps: dict[str, Any] = STEPS, faults: list[Fault] | None = None, **executor: Any
) -> Iterator[Session]:
    project = Project(folder / "argo", steps, executor=executor)
    project.render()
    given = {"run-id": "n-7", "parameters": json.dumps(GIVEN)}
    (project.folder / "arguments.yaml").write_text(json.dumps(given))
    with project.open(faults or []) as opened:
        yield Session(project, opened)


@on_both
def test_a_workflow_is_submitted_and_seen(tmp_path: Path) -> None:
    with session(tmp_path) as here:
        here.mend()
        assert "no linting errors found" in here.type("argo lint --offline workflow.yaml --no-color")
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        ended = here.ended(name)
        local = Project(tmp_path / "local", STEPS)
        (local.folder / "data" / "mended").touch()
        check_equal(undisturbed(local, local.folder, GIVEN), comparable(ended.log), "local", ended.run.told)
        seen = here.type(f"argo get {name} --no-color")
        assert re.search(r"each\(1:1\)", seen) and re.search(r"train\(0\) +step ", seen), seen


def test_a_template_is_applied_again_and_submitted_from(tmp_path: Path) -> None:
    """Its parameters are JSON, or that in base64."""
    inner = {"type": "dag", "branch": graph({"t": shell(NOTE)}), "separate": True, "next": "success"}
    with session(tmp_path, {"d": inner}, kind="WorkflowTemplate") as here:
        for said in ("created", "unchanged"):
            for file in ("workflow.d.yaml", "workflow.yaml"):
                assert here.type(f"kubectl apply -f {file}").endswith(said)
        submit = "argo submit --from workflowtemplate/dag -o name -p run-id"
        first = here.ended(here.type(submit + '=n-7 -p parameters={"rate":0.1}'))
        assert first.log["parameters"] == {"rate": 0.1}
        second = here.ended(here.type(submit + "=n-8 -p parameters=eyJyYXRlIjogMC4yfQ=="), "n-8")
        assert second.log["parameters"] == {"rate": 0.2}


def test_a_template_is_created(tmp_path: Path) -> None:
    with session(tmp_path, {"a": shell(NOTE)}, kind="WorkflowTemplate") as here:
        assert "Name:" in here.type("argo template create workflow.yaml")
        name = here.type("argo submit --from workflowtemplate/dag -p run-id=n-7 -o name")
        assert here.ended(name).log["status"] == "SUCCESS"


@on_both
def test_a_schedule_starts_runs_that_are_called_as_their_workflows(tmp_path: Path) -> None:
    """And one is started by hand."""
    with session(tmp_path, {"a": shell(NOTE)}, schedule="0 2 * * *") as here:
        assert here.type("kubectl apply -f workflow.yaml").endswith("created")
        by_hand = here.type("argo submit --from cronwf/dag -o name")
        assert here.ended(by_hand, by_hand).log["status"] == "SUCCESS"
        # So often that nobody need wait; a definition has no words for it.
        often = here.project.folder / "often.json"
        often.write_text(json.dumps({"spec": {"schedules": ["@every 1s"]}}))
        here.type("kubectl patch cronworkflow dag --type=merge --patch-file=often.json")
        by_time = here.opened.first_submitted(lambda name: re.fullmatch(r"dag-\d{10}", name) is not None)
        assert here.ended(by_time, by_time).log["status"] == "SUCCESS"


@on_both
def test_a_run_holds_what_it_is_to_hold_and_has_a_priority(tmp_path: Path) -> None:
    """The controller reads the ConfigMap; the API server knows the class of each pod, or refuses it."""
    keys = {
        "priority": 7,
        "priority_class": "n-7-nightly",
        "synchronization": {"mutexes": ["dag"], "semaphores": [{"config_map": "limits", "key": "runs"}]},
        "metrics": [
            {
                "name": "runs",
                "help": "Runs by how they ended",
                "labels": [{"key": "status", "value": "{{workflow.status}}"}],
                "counter": {"value": "1"},
            }
        ],
    }
    with session(tmp_path, {"a": shell(NOTE)}, **keys) as here:
        here.type("kubectl create configmap limits --from-literal=runs=1")
        here.type("kubectl create priorityclass n-7-nightly --value=1000")
        name = here.type("argo submit workflow.yaml -p run-id=n-7 -o name")
        assert here.ended(name).log["status"] == "SUCCESS"
        found = json.loads(here.type(f"kubectl get workflow {name} -o json"))
        assert found["spec"]["priority"] == 7
        assert "MetricsError" not in {one["type"] for one in found["status"].get("conditions", ())}
        here.type("kubectl delete priorityclass n-7-nightly")


def test_a_failed_run_is_gone_on_with(tmp_path: Path) -> None:
    with session(tmp_path) as here:
        failed = here.ended(here.type("argo submit workflow.yaml -f arguments.yaml -o name"))
        assert failed.log["status"] == "FAIL"
        here.mend()
        options = f"-p use-cached=n-7 -p tag=mended -p parameters={CODED}"
        again = here.type(f"argo submit workflow.yaml {options} -o name")
        log = here.ended(again, again).log
        assert (log["status"], log["tag"], failed.log["tag"]) == ("SUCCESS", "mended", "")
        assert sorted(here.ran()) == sorted(["fetch", "each.0.t", "each.1.t", "train", "train"])


LINE = {"a": shell(NOTE, "b"), "b": shell(NOTE + 'test -e "$HOME/data/mended"')}


def test_retry_after_a_failure_on_record_returns_it(tmp_path: Path) -> None:
    with session(tmp_path, LINE) as here:
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        assert here.ended(name).log["status"] == "FAIL"
        here.mend()
        here.type(f"argo retry {name}")
        assert here.ended(name).log["status"] == "FAIL"
        assert here.ran() == ["a", "b"]


@on_both
def test_retry_after_the_platform_lost_a_step_goes_on(tmp_path: Path) -> None:
    with session(tmp_path, LINE, [lost("b")]) as here:
        here.mend()
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        assert here.ended(name).log["status"] == "FAIL"
        here.type(f"argo retry {name}")
        assert here.ended(name).log["status"] == "SUCCESS"
        assert here.ran() == ["a", "b"]


BEFORE: list[dict[str, Any]] = [
    {"type": "dag", "branch": graph({"a": shell(NOTE)})},
    {
        "type": "conditional",
        "parameter": "text",
        "branches": {"x": graph({})},
        "default": graph({"a": shell(NOTE)}),
    },
]


def test_retry_in_a_branch_that_was_chosen_goes_on(tmp_path: Path) -> None:
    steps = {"d": {**BEFORE[1], "default": graph(LINE), "next": "success"}}
    with session(tmp_path, steps, [lost("d.default.b")]) as here:
        here.mend()
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        assert here.ended(name).log["status"] == "FAIL"
        here.type(f"argo retry {name}")
        assert here.ended(name).log["status"] == "SUCCESS"
        assert here.ran() == ["d.default.a", "d.default.b"]


@pytest.mark.parametrize("before", BEFORE, ids=["dag", "conditional"])
def test_retry_behind_a_composite_goes_on_but_the_workflow_stays_running(
    tmp_path: Path, before: dict[str, Any]
) -> None:
    """So does Argo 3.7.4 with any dag before a task with retries: it has reset the dag, and does not look at it again."""
    steps = {"d": {**before, "next": "b"}, "b": LINE["b"]}
    with session(tmp_path, steps, [lost("b")]) as here:
        here.mend()
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        assert here.ended(name).log["status"] == "FAIL"
        here.type(f"argo retry {name}")
        here.opened.follow(name)
        successes = ["Succeeded"] * (3 if before["type"] == "conditional" else 2)
        run = here.opened.until(lambda run: run.phases("success") == successes)
        assert here.project.log("n-7", run.told)["status"] == "SUCCESS", run.told
        assert run.phases("d") == ["Running"], "docs/targets/argo.md need not say so any more"
        here.type(f"argo stop {name}")
        stopped = here.opened.wait()
        assert stopped.phase == "Failed", stopped.told
        assert here.project.log("n-7", stopped.told)["status"] == "SUCCESS", stopped.told


def test_resubmit_is_a_run_of_its_own(tmp_path: Path) -> None:
    with session(tmp_path, LINE) as here:
        here.mend()
        name = here.type("kubectl create -f workflow.yaml -o jsonpath={.metadata.name}")
        assert here.ended(name, name).log["status"] == "SUCCESS"
        again = here.type(f"argo resubmit {name} -o name")
        assert here.ended(again, again).log["status"] == "SUCCESS"
        assert here.ran() == ["a", "b", "a", "b"]


def test_resubmit_of_a_run_with_an_id_is_refused(tmp_path: Path) -> None:
    with session(tmp_path, LINE) as here:
        here.mend()
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        assert here.ended(name).log["status"] == "SUCCESS"
        here.opened.follow(here.type(f"argo resubmit {name} -o name"))
        run = here.opened.wait()
        assert run.phase == "Failed", run.told
        assert {pod.exit_code for pod in run.pods[2:]} == {65}, run.told
        assert here.ran() == ["a", "b"]


def test_resubmit_takes_other_parameters(tmp_path: Path) -> None:
    with session(tmp_path, {"a": shell(NOTE)}) as here:
        name = here.type('argo submit workflow.yaml -p parameters={"rate":0.1} -o name')
        assert here.ended(name, name).log["parameters"] == {"rate": 0.1}
        again = here.type(f'argo resubmit {name} -p parameters={{"rate":0.2}} -o name')
        assert here.ended(again, again).log["parameters"] == {"rate": 0.2}


# ---- permissions ----


def permissions() -> list[dict[str, Any]]:
    """Return the objects that the documentation shows."""
    (found,) = re.findall(r"^## Permissions$.*?```yaml\n(.*?)```", DOCS.read_text(), re.S | re.M)
    return list(yaml.safe_load_all(found))


@pytest.mark.parametrize("lacking", ["", "create", "patch"])
def test_pods_need_the_permissions_that_are_documented_and_no_others(tmp_path: Path, lacking: str) -> None:
    objects = permissions()
    (rule,) = next(one["rules"] for one in objects if one["kind"] == "Role")
    given = rule["verbs"] = [verb for verb in rule["verbs"] if verb != lacking]
    with session(tmp_path, LINE, service_account_name="magnus") as here:
        here.mend()
        (here.project.folder / "permissions.yaml").write_text(yaml.safe_dump_all(objects))
        here.type("kubectl apply -f permissions.yaml")
        account = f"system:serviceaccount:{here.opened.name}:magnus"
        for verb in given:
            here.opened.until_allowed(account, verb, "workflowtaskresults")
        name = here.type("argo submit workflow.yaml -f arguments.yaml -o name")
        if not lacking:
            assert here.ended(name).log["status"] == "SUCCESS"
            return
        here.opened.follow(name)
        with pytest.raises(EngineError, match=f'"{account}" cannot {lacking} resource "workflowtaskresults"'):
            here.opened.wait()
