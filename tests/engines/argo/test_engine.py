"""The engine itself: what kubelet and Argo's executor do for a pod, faults on order, submitted kinds, its own end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engines.argo import build, cluster
from tests.engines.argo.api import ApiError
from tests.engines.argo.client import Client, Run, shared
from tests.engines.argo.expansion import expand
from tests.engines.argo.faults import Crash, Fault

Json = dict[str, Any]
_OUT = "/tmp/magnus-engine/out.json"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    build.require()
    yield shared()


def workflow(*templates: Json, **spec: Any) -> str:
    """Return a Workflow whose entrypoint is its first template."""
    return manifest("Workflow", {"generateName": "w-"}, *templates, **spec)


def manifest(kind: str, metadata: Json, *templates: Json, **spec: Any) -> str:
    """Return a manifest with these templates."""
    body = {"entrypoint": templates[0]["name"], "templates": list(templates), **spec}
    return json.dumps(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": body}
    )


def sh(name: str, script: str, *, container: Json | None = None, **members: Any) -> Json:
    """Return a template that runs a shell script."""
    return {
        "name": name,
        "container": {"image": "x", "command": ["sh", "-c", script], **(container or {})},
        **members,
    }


def dag(name: str, *tasks: Json) -> Json:
    """Return a DAG template."""
    return {"name": name, "dag": {"tasks": list(tasks)}}


def output(path: str = _OUT, **more: Any) -> Json:
    """Return outputs with a parameter `out` that is read from a file."""
    return {"parameters": [{"name": "out", "valueFrom": {"path": path, **more}}]}


def only(run: Run) -> Json:
    """Return the only node with a pod."""
    (node,) = (node for node in run.nodes.values() if node["type"] == "Pod")
    return node


def test_a_container_has_folder_environment_and_log(client: Client, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    script = 'pwd; echo "$FROM_IMAGE $OVERRIDDEN $FROM_POD $HOSTNAME"; echo error >&2'
    variables = [{"name": "OVERRIDDEN", "value": "pod"}, {"name": "FROM_POD", "value": "a b"}]
    template = sh("main", script, container={"env": variables})
    run = client.run([workflow(template)], tmp_path, env={"FROM_IMAGE": "image", "OVERRIDDEN": "image"})
    assert run.phase == "Succeeded", run.told
    (pod,) = run.pods
    assert pod.log == f"{tmp_path}\nimage pod a b {pod.name}\nerror\n"
    assert (pod.exit_code, pod.template, pod.argv) == (0, "main", ["sh", "-c", script])
    inside = sh("main", "pwd", container={"workingDir": str(tmp_path / "sub")})
    assert client.run([workflow(inside)], tmp_path).pods[0].log == f"{tmp_path / 'sub'}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$$(A) $$$(A) $$$$", "$(A) $1 $$"),
        ("$(MISSING) $A ${A} $ (A) $", "$(MISSING) $A ${A} $ (A) $"),
        ("$(A $(B", "$(A $(B"),
        ("$($(A))", "$($(A))"),
        ("$()", "$()"),
    ],
)
def test_references_are_expanded_as_by_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_references_in_commands_and_variables(client: Client, tmp_path: Path) -> None:
    variables = [
        {"name": "LATER", "value": "$(FIRST)"},
        {"name": "FIRST", "value": "1"},
        {"name": "SECOND", "value": "$(FIRST)2 $$(FIRST) $(PATH)"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    script = 'printf "%s|" "$LATER" "$SECOND" "$@"'
    template = sh(
        "main", script, container={"args": ["-", "$(SECOND)", "$$(FIRST)", "$(NAME)"], "env": variables}
    )
    (pod,) = client.run([workflow(template)], tmp_path).pods
    second = "12 $(FIRST) $(PATH)"
    assert pod.log == f"$(FIRST)|{second}|{second}|$(FIRST)|{pod.name}|"


def test_exit_codes(client: Client, tmp_path: Path) -> None:
    assert (
        only(client.run([workflow(sh("main", "exit 3"))], tmp_path))["message"] == "main: Error (exit code 3)"
    )
    run = client.run([workflow(sh("main", "kill -TERM $$$$"))], tmp_path)
    assert (run.phase, run.pods[0].exit_code) == ("Failed", 137)
    missing = {"name": "main", "container": {"image": "x", "command": ["no-such-program"]}}
    run = client.run([workflow(missing)], tmp_path)
    assert (run.phase, run.pods[0].exit_code) == ("Failed", 64)
    assert "failed to find name in PATH" in run.message


def test_magnus_is_warm(client: Client, tmp_path: Path) -> None:
    template = {
        "name": "main",
        "container": {"image": "x", "command": ["magnus"], "args": ["no-such-command"]},
    }
    run = client.run([workflow(template)], tmp_path)
    assert (run.phase, run.pods[0].exit_code) == ("Failed", 64), run.told
    assert "no-such-command" in run.pods[0].log


def test_a_map_over_an_output(client: Client, tmp_path: Path) -> None:
    write = f"mkdir -p $(dirname {_OUT}); echo '[0,1,2]' > {_OUT}"
    each = {"parameters": [{"name": "i", "value": "{{item}}"}]}
    run = client.run(
        [
            workflow(
                dag(
                    "main",
                    {"name": "list", "template": "list"},
                    {
                        "name": "map",
                        "depends": "list",
                        "template": "each",
                        "withParam": "{{tasks.list.outputs.parameters.out}}",
                        "arguments": each,
                    },
                ),
                sh("list", write, outputs=output()),
                sh(
                    "each",
                    f"test ! -e {_OUT}; echo {{{{inputs.parameters.i}}}}",
                    inputs={"parameters": [{"name": "i"}]},
                ),
            )
        ],
        tmp_path,
    )
    assert run.phase == "Succeeded", run.told
    assert sorted(pod.log for pod in run.pods) == ["", "0\n", "1\n", "2\n"]
    assert run.phases("each") == ["Succeeded"] * 4


def test_output_files_are_private(client: Client, tmp_path: Path) -> None:
    scripts = [f"mkdir -p $(dirname {_OUT}); echo {n} > {_OUT}; sleep 0.2; echo >> {_OUT}" for n in range(2)]
    tasks = [{"name": f"t{n}", "template": f"t{n}"} for n in range(2)]
    templates = [sh(f"t{n}", scripts[n], outputs=output()) for n in range(2)]
    run = client.run([workflow(dag("main", *tasks), *templates)], tmp_path)
    found = {node["displayName"]: node["outputs"] for node in run.nodes.values() if node["type"] == "Pod"}
    for n in range(2):
        (parameter,) = found[f"t{n}"]["parameters"]
        assert parameter["value"] == f"{n}\n"  # only one newline is taken away
        assert found[f"t{n}"]["exitCode"] == "0"
    inside = sh(
        "main", "touch in-folder; echo x > /tmp/out; echo $(ls /tmp | wc -l)", outputs=output("/tmp/out")
    )
    run = client.run([workflow(inside)], tmp_path)
    assert only(run)["outputs"]["parameters"][0]["value"] == "x", run.told
    assert (tmp_path / "in-folder").exists()
    assert not Path("/tmp/out").exists()


def test_missing_output_files(client: Client, tmp_path: Path) -> None:
    run = client.run([workflow(sh("main", "true", outputs=output(default="d")))], tmp_path)
    assert only(run)["outputs"]["parameters"][0]["value"] == "d"
    run = client.run([workflow(sh("main", "true", outputs=output()))], tmp_path)
    assert run.phase == "Error"
    assert run.message.startswith(
        "wait: Error (exit code 64): open /var/run/argo/outputs/parameters/tmp/magnus-engine"
    )
    run = client.run([workflow(sh("main", "exit 5", outputs=output()))], tmp_path)
    assert (run.phase, run.message) == ("Failed", "main: Error (exit code 5)")


def test_a_script_and_its_result(client: Client, tmp_path: Path) -> None:
    source = 'echo "of $(basename "$0")"; echo err >&2; echo end'
    script = {"name": "script", "script": {"image": "x", "command": ["sh"], "source": source}}
    said = {"parameters": [{"name": "said", "value": "{{tasks.a.outputs.result}}"}]}
    run = client.run(
        [
            workflow(
                dag(
                    "main",
                    {"name": "a", "template": "script"},
                    {"name": "b", "template": "b", "depends": "a", "arguments": said},
                ),
                script,
                sh("b", "echo '{{inputs.parameters.said}}'", inputs={"parameters": [{"name": "said"}]}),
            )
        ],
        tmp_path,
    )
    assert run.phase == "Succeeded", run.told
    assert [pod.log for pod in run.pods] == ["of script\nend\nerr\n", "of script\nend\n"]
    assert run.pods[0].argv == ["sh", "/argo/staging/script"]


def test_secrets(client: Client, tmp_path: Path) -> None:
    key = {"secretKeyRef": {"name": "db", "key": "password"}}
    absent = {"secretKeyRef": {"name": "none", "key": "x", "optional": True}}
    variables = [{"name": "PASSWORD", "valueFrom": key}, {"name": "ABSENT", "valueFrom": absent}]
    template = sh("main", 'echo "$PASSWORD ${ABSENT-unset}"', container={"env": variables})
    secrets = {"db": {"password": "$(HOME) ü"}}
    run = client.run([workflow(template)], tmp_path, secrets=secrets)
    assert run.pods[0].log == "$(HOME) ü unset\n"
    run = client.run([workflow(template)], tmp_path, timeout=2)
    assert (run.phase, run.pods[0].exit_code) == ("Running", None)
    assert run.pods[0].reason == 'secrets "db" not found'
    assert only(run)["phase"] == "Pending"


def test_volumes(client: Client, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    mounts = [
        {"name": "store", "mountPath": "/tmp/magnus-engine-store"},
        {"name": "scratch", "mountPath": "/tmp/magnus-engine-store/scratch"},
        {"name": "db", "mountPath": "/tmp/magnus-engine-secret", "readOnly": True},
    ]
    volumes = [
        {"name": "store", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "db", "secret": {"secretName": "db"}},
    ]
    script = (
        "cd /tmp/magnus-engine-store; cat /tmp/magnus-engine-secret/password > file; touch scratch/gone;"
        " touch /tmp/magnus-engine-secret/x 2>/dev/null || echo read-only; echo 1 > out"
    )
    run = client.run(
        [
            workflow(
                sh(
                    "main",
                    script,
                    container={"volumeMounts": mounts},
                    outputs=output("/tmp/magnus-engine-store/out"),
                ),
                volumes=volumes,
            )
        ],
        tmp_path,
        volumes={"claim": store},
        secrets={"db": {"password": "p"}},
    )
    assert run.phase == "Succeeded", run.told
    assert run.pods[0].log == "read-only\n"
    assert (store / "file").read_text() == "p"
    assert list((store / "scratch").iterdir()) == []
    assert only(run)["outputs"]["parameters"][0]["value"] == "1"
    assert not Path("/tmp/magnus-engine-store/file").exists()


def test_retries_wait(client: Client, tmp_path: Path) -> None:
    strategy = {"limit": "2", "retryPolicy": "Always", "backoff": {"duration": "1s", "factor": "2"}}
    script = "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; date +%s.%N; test $n = 2"
    run = client.run([workflow(sh("main", script, retryStrategy=strategy))], tmp_path)
    assert run.phase == "Succeeded", run.told
    assert [pod.exit_code for pod in run.pods] == [1, 1, 0]
    first, second, third = (float(pod.log) for pod in run.pods)
    assert third - second > 1  # of 2: the controller reckons from the second in which a pod has ended
    assert second > first


ALWAYS = {"limit": "2", "retryPolicy": "Always"}


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


@pytest.mark.parametrize("where", ["template", "workflow"])
def test_deadlines(client: Client, tmp_path: Path, where: str) -> None:
    limits: dict[str, Any] = {"template": {"activeDeadlineSeconds": 1}, "workflow": {}}
    template = sh("main", "trap 'touch told; exit 0' TERM; sleep 30 & wait", **limits[where])
    text = workflow(template) if where == "template" else workflow(template, activeDeadlineSeconds=2)
    run = client.run([text], tmp_path)
    assert run.phase == "Failed", run.told
    assert only(run)["message"] == "Pod was active on the node longer than the specified deadline"
    assert run.pods[0].reason == "DeadlineExceeded"
    assert (tmp_path / "told").exists()


def test_what_ignores_the_end_is_killed(client: Client, tmp_path: Path) -> None:
    patch = json.dumps({"terminationGracePeriodSeconds": 1})
    template = sh("main", "trap '' TERM; sleep 30", activeDeadlineSeconds=1, podSpecPatch=patch)
    run = client.run([workflow(template)], tmp_path)
    assert (run.phase, run.pods[0].exit_code) == ("Failed", 137), run.told


@pytest.mark.parametrize(("strategy", "exits"), [("stop", ["Succeeded"]), ("terminate", [])])
def test_a_workflow_can_be_shut_down(client: Client, tmp_path: Path, strategy: str, exits: list[str]) -> None:
    os.mkfifo(tmp_path / "trapped")
    main = sh("main", "trap 'touch told; exit 3' TERM; echo > trapped; sleep 30 & wait")
    with client.start([workflow(main, sh("exit", "true"), onExit="exit")], tmp_path) as started:
        (tmp_path / "trapped").read_text()
        started.until(lambda run: run.phases("main") == ["Running"])
        getattr(started, strategy)()
        run = started.wait(30)
    assert run.phase == "Failed", run.told
    assert (tmp_path / "told").exists()
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
