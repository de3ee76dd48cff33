"""The engine itself: faults on order, time limits, signals, submitted kinds, its own end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engines.argo import build, cluster
from tests.engines.argo.api import ApiError
from tests.engines.argo.client import Client, shared
from tests.engines.argo.faults import Crash, Fault
from tests.engines.argo.run import Run
from tests.engines.argo.scenarios import ALWAYS, Json, dag, manifest, only, sh, workflow


@pytest.fixture(scope="module")
def client() -> Client:
    build.require()
    return shared()


@pytest.mark.parametrize("when", ["start", "end", "file"])
@pytest.mark.parametrize(
    ("kind", "message"), [("kill", "main: Error (exit code 137)"), ("evict", "low on resource")]
)
def test_crashes(client: Client, tmp_path: Path, kind: Any, message: str, when: str) -> None:
    marker = tmp_path / "marker"
    template = sh(
        "main", "touch ran marker; test -e second || { touch second; exec sleep 0.5; }", retryStrategy=ALWAYS
    )
    crash = Crash(kind, marker if when == "file" else when)
    run = client.run([workflow(template)], tmp_path, faults=[Fault(template="main", crashes=[crash])])
    assert run.phase == "Succeeded", run.told
    assert [pod.exit_code for pod in run.pods] == [137, 0]
    assert run.pods[0].reason == ("Evicted" if kind == "evict" else "")
    (failed,) = (node for node in run.nodes.values() if node["name"].endswith("(0)"))
    assert failed["phase"] == "Failed"
    assert message in failed["message"]
    assert ("sh" in run.pods[0].argv) and (tmp_path / "ran").exists()


def test_a_crash_that_has_no_occasion_does_not_happen(client: Client, tmp_path: Path) -> None:
    faults = [
        Fault(template="other"),
        Fault(words=["other"]),
        Fault(words=["sh"], crashes=[Crash("kill", tmp_path / "never")]),
    ]
    run = client.run([workflow(sh("main", "true"))], tmp_path, faults=faults)
    assert run.phase == "Succeeded", run.told


@pytest.mark.parametrize("condition", ["successCondition", "failureCondition"])
def test_an_object_is_made_and_looked_at(client: Client, tmp_path: Path, condition: str) -> None:
    text = json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"n": "7"}}
    )
    make: Json = {"resource": {"action": "create", "manifest": text, condition: "data.n > 6, kind != Pod"}}
    make["outputs"] = {"parameters": [{"name": "n", "valueFrom": {"jsonPath": "{.data.n}"}}]}
    use = sh("use", "test {{inputs.parameters.n}} = 7", inputs={"parameters": [{"name": "n"}]})
    given = {"parameters": [{"name": "n", "value": "{{tasks.make.outputs.parameters.n}}"}]}
    then = {"name": "use", "depends": "make", "template": "use", "arguments": given}
    both = dag("main", {"name": "make", "inline": make}, then)
    run = client.run([workflow(both, use)], tmp_path)
    assert run.phase == ("Succeeded" if condition == "successCondition" else "Failed"), run.told
    assert ("failure condition 'data.n > 6' evaluated true" in run.told) == (condition == "failureCondition")


def test_a_lost_pod_is_made_again(client: Client, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    template = sh("main", "test -e marker || sleep 30", retryStrategy=ALWAYS)
    faults = [Fault(words=["sh"], crashes=[Crash("delete", marker)])]
    with client.start([workflow(template)], tmp_path, faults=faults) as started:
        started.until(lambda run: run.phases("main") == ["Running"] * 2)  # the attempt, and the node of all
        marker.touch()
        run = started.wait()
    assert run.phase == "Succeeded", run.told
    assert [(pod.exit_code, pod.reason) for pod in run.pods] == [(None, "Deleted"), (0, "")]
    assert run.pods[0].name == run.pods[1].name  # the same attempt: no retry is used up


def test_a_template_has_a_deadline(client: Client, tmp_path: Path) -> None:
    template = sh("main", "trap 'touch told; exit 0' TERM; sleep 30 & wait", activeDeadlineSeconds=1)
    run = client.run([workflow(template)], tmp_path)
    assert run.phase == "Failed", run.told
    assert only(run)["message"] == "Pod was active on the node longer than the specified deadline"
    assert run.pods[0].reason == "DeadlineExceeded"
    assert (tmp_path / "told").exists()


def test_a_workflow_has_a_deadline(client: Client, tmp_path: Path) -> None:
    """The pod has what is left of it as its own deadline, and the controller ends pods then too: either may come first."""
    template = sh("main", "trap 'touch told; exit 3' TERM; sleep 30 & wait")
    run = client.run([workflow(template, activeDeadlineSeconds=2)], tmp_path)
    assert run.phase == "Failed", run.told
    assert (tmp_path / "told").exists()


def test_a_pod_that_cannot_start_has_a_deadline_too(client: Client, tmp_path: Path) -> None:
    missing = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x"}}}]
    run = client.run(
        [workflow(sh("main", "true", container={"env": missing}, activeDeadlineSeconds=1))], tmp_path
    )
    assert (run.phase, run.pods[0].exit_code) == ("Failed", None), run.told


def test_what_ignores_the_end_is_killed(client: Client, tmp_path: Path) -> None:
    patch = json.dumps({"terminationGracePeriodSeconds": 1})
    template = sh("main", "trap '' TERM; sleep 30", activeDeadlineSeconds=1, podSpecPatch=patch)
    run = client.run([workflow(template)], tmp_path)
    assert (run.phase, run.pods[0].exit_code) == ("Failed", 137), run.told


@pytest.mark.parametrize(("strategy", "exits"), [("stop", ["Succeeded"]), ("terminate", [])])
def test_a_workflow_can_be_shut_down(client: Client, tmp_path: Path, strategy: str, exits: list[str]) -> None:
    os.mkfifo(tmp_path / "trapped")
    os.mkfifo(tmp_path / "told")
    told = os.open(tmp_path / "told", os.O_RDWR | os.O_NONBLOCK)
    main = sh("main", "trap 'echo > told; exit 3' TERM; echo > trapped; sleep 30 & wait")
    with client.start([workflow(main, sh("exit", "true"), onExit="exit")], tmp_path) as started:
        (tmp_path / "trapped").read_text()
        started.until(lambda run: run.phases("main") == ["Running"])
        getattr(started, strategy)()
        run = started.wait(30)
        heard = select.select([told], [], [], 30)[0]  # the pod may end after the workflow
    os.close(told)
    assert run.phase == "Failed", run.told
    assert heard
    assert run.phases("exit") == exits


def test_a_template_is_submitted(client: Client, tmp_path: Path) -> None:
    called = {"name": "t", "templateRef": {"name": "other", "template": "called"}}
    main = manifest(
        "WorkflowTemplate",
        {"name": "main", "namespace": "elsewhere"},
        dag(
            "main",
            {**called, "arguments": {"parameters": [{"name": "x", "value": "{{workflow.parameters.x}}"}]}},
        ),
        sh("exit", "echo {{workflow.status}}"),
        arguments={"parameters": [{"name": "x", "value": "default"}]},
        onExit="exit",
    )
    other = manifest(
        "WorkflowTemplate",
        {"name": "other"},
        sh("called", "echo {{inputs.parameters.x}}", inputs={"parameters": [{"name": "x"}]}),
    )
    for given, said in (({}, "default\n"), ({"x": "given"}, "given\n")):
        run = client.run([main, other], tmp_path, given)
        assert run.phase == "Succeeded", run.told
        assert [pod.log for pod in run.pods] == [said, "Succeeded\n"]
        assert run.name.startswith("main-")
        labels = run.workflow["metadata"]["labels"]
        assert labels["workflows.argoproj.io/workflow-template"] == "main"


def test_a_cron_workflow_is_submitted(client: Client, tmp_path: Path) -> None:
    spec: Json = {"entrypoint": "main", "templates": [sh("main", "echo {{workflow.parameters.x}}")]}
    spec["arguments"] = {"parameters": [{"name": "x", "value": "1"}]}
    cron = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "nightly"},
        "spec": {"schedules": ["* * * * *"], "workflowSpec": spec},
    }
    run = client.run([json.dumps(cron)], tmp_path, {"x": "2"})
    assert [pod.log for pod in run.pods] == ["2\n"], run.told
    assert run.workflow["metadata"]["labels"]["workflows.argoproj.io/cron-workflow"] == "nightly"


def test_pods_may_be_collected(client: Client, tmp_path: Path) -> None:
    tasks = [{"name": "a", "template": "t"}, {"name": "b", "template": "t", "depends": "a"}]
    text = workflow(dag("main", *tasks), sh("t", "echo ran"), podGC={"strategy": "OnPodCompletion"})
    run = client.run([text], tmp_path)
    assert run.phase == "Succeeded", run.told
    assert [pod.log for pod in run.pods] == ["ran\n", "ran\n"]


def test_the_api_server_refuses_unknown_fields(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="nonsense"):
        client.run([workflow(sh("main", "true", nonsense=1))], tmp_path)


def test_a_workflow_that_is_wrong(client: Client, tmp_path: Path) -> None:
    run = client.run([workflow(dag("main", {"name": "a", "template": "nowhere"}))], tmp_path)
    assert run.phase in ("Failed", "Error")
    assert "nowhere" in run.message
    assert run.pods == []


def test_runs_do_not_meet(client: Client, tmp_path: Path) -> None:
    def run(number: int) -> Run:
        folder = tmp_path / str(number)
        folder.mkdir()
        template = manifest("WorkflowTemplate", {"name": "same"}, sh("main", f"echo {number} > file"))
        return client.run([template], folder)

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(run, range(8)))
    assert [found.phase for found in runs] == ["Succeeded"] * 8
    assert [(tmp_path / str(number) / "file").read_text() for number in range(8)] == [
        f"{n}\n" for n in range(8)
    ]
    assert threading.active_count() < 200


_START_AND_WAIT = """
import sys
from pathlib import Path
from tests.engines.argo.client import Client
client = Client()
client.start([sys.argv[1]], Path(sys.argv[2]))
print(Path(sys.argv[2], "pid").read_text(), flush=True)
input()
"""


def test_pods_end_with_who_started_them(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    text = workflow(sh("main", "echo $$$$ > pid; sleep 60"))
    starter = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT, text, str(tmp_path)],
        cwd=cluster.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout
    pod = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.communicate()
    assert psutil.wait_procs([pod], timeout=30)[1] == []
    assert cluster.status() is not None


def test_the_cluster_ends_with_its_last_user(client: Client) -> None:
    with tempfile.TemporaryDirectory() as folder:  # another cluster: it is looked for in a folder of this
        script = "from tests.engines.argo import cluster; c = cluster.join(); print(*c.processes.values()); input()"
        users = [
            subprocess.Popen(
                [sys.executable, "-uc", script],
                cwd=cluster.ROOT,
                env={**os.environ, "TMPDIR": folder},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        told = [user.stdout.readline() for user in users if user.stdout]
        assert told[0] == told[1]
        processes = [psutil.Process(int(word)) for word in told[0].split()]
        assert len(processes) == 4
        users[0].kill()
        users[0].communicate()
        assert all(process.is_running() for process in processes)
        users[1].kill()
        users[1].communicate()
        assert psutil.wait_procs(processes, timeout=30)[1] == []
