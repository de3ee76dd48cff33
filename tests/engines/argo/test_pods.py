"""What kubelet and Argo's executor do for a pod: command, environment, volumes, exit code, outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.argo import build
from tests.engines.argo.client import Client, shared
from tests.engines.argo.expansion import expand
from tests.engines.argo.scenarios import OUT, dag, only, output, sh, workflow


@pytest.fixture(scope="module")
def client() -> Client:
    build.require()
    return shared()


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
    write = f"mkdir -p $(dirname {OUT}); echo '[0,1,2]' > {OUT}"
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
                    f"test ! -e {OUT}; echo {{{{inputs.parameters.i}}}}",
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
    scripts = [f"mkdir -p $(dirname {OUT}); echo {n} > {OUT}; sleep 0.2; echo >> {OUT}" for n in range(2)]
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
