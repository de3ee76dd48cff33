"""`local-container` with an engine that is a script: what it is asked to run, and what its answers mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import Refused
from magnus_render.executors import container_engine
from magnus_render.executors.container import LocalContainerExecutor
from magnus_render.executors.container_engine import Engine
from magnus_render.executors.container_place import _mount

MAGNUS = str(Path(sys.executable).with_name("magnus"))
ENGINE = """#!/bin/sh
# Writes its arguments down, and runs what stands behind the image with the variables that are passed on.
printf '%s\\0' "$@" >> "$LOG"; printf '\\n' >> "$LOG"
case $1 in
image) [ "$4 $5" = "{{.Config.WorkingDir}} $IMAGE" ] || { echo "no such image" >&2; exit 1; }; pwd; exit ;;
run) [ -z "$STATUS" ] || { echo "engine: it does not work" >&2; exit "$STATUS"; } ;;
*) exit 0 ;;
esac
while [ "$1" != "$IMAGE" ]; do
  case $1 in
  --env) case $2 in *=*) export "$2" ;; esac; shift ;;
  --mount) case $2 in *target=*/.magnus) own=${2#*source=}; own=${own%%,*} ;; esac; shift ;;
  esac
  shift
done
shift
exec "$@"
"""
STEPS = """dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: 'echo "$WHO"; test "$WHO" = 7', next: ok, retry: 2}
    ok: {type: success}
    no: {type: fail}
"""


def execute(
    folder: Path, name: str = "docker", steps: str = STEPS, status: str = "", **config: Any
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Run a pipeline with such an engine on the PATH; return how it ended, and the arguments of the engine's calls."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / name).write_text(ENGINE)
    (programs / name).chmod(0o755)
    (folder / "dag.yaml").write_text(steps)
    given = {"image": "churn:1", "environment": {"WHO": 7}, "max_workers": 1, **config}
    given["magnus_command"] = [MAGNUS]
    (folder / "c.yaml").write_text(json.dumps({"executor": {"type": "local-container", "config": given}}))
    calls = folder / "calls"
    done = subprocess.run(
        [MAGNUS, "execute", "-f", "dag.yaml", "-c", "c.yaml"],
        cwd=folder,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "LOG": str(calls),
            "IMAGE": "churn:1",
            "STATUS": status,
            "CI": "1",
            "AWS_REGION": "here",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    made = calls.read_bytes().decode().split("\n") if calls.exists() else []
    return done, [line.split("\0")[:-1] for line in made if line]


@pytest.mark.parametrize("name", container_engine.KNOWN)
def test_what_an_engine_is_asked_to_run(name: str, tmp_path: Path) -> None:
    done, calls = execute(
        tmp_path,
        name,
        engine=name,
        resources={"cpus": 1.5, "memory": "1g", "gpus": 2},
        volumes=["/data:/data:ro"],
        network="none",
        run_options="--cap-drop all",
    )
    assert done.returncode == 0, done.stderr
    (run,) = (call for call in calls if call[0] == "run")
    text = " ".join(run)
    for words in (
        "--rm --pull never --name magnus-",
        "--label magnus.step=a",
        f"--workdir {tmp_path} --mount type=bind,source={tmp_path},target={tmp_path},readonly",
        f"--mount type=bind,source={tmp_path}/.run_log_store,target={tmp_path}/.run_log_store ",
        f"--mount type=bind,source={tmp_path}/.catalog,target={tmp_path}/.catalog ",
        "--volume /data:/data:ro",
        f"--user {os.getuid()}:{os.getgid()}",
        "--env WHO=7",
        "--env MAGNUS_CONFIG",
        "--network none --cpus 1.5 --memory 1g",
        "--device nvidia.com/gpu=0 --device nvidia.com/gpu=1" if name == "podman" else "--gpus 2",
        "--cap-drop all churn:1",
    ):
        assert words in text
    assert "AWS_REGION" not in run and "{" not in text
    assert [call[0] for call in calls] == ["ps", "image", "run"]


def test_a_step_that_fails_is_tried_again_in_another_container(tmp_path: Path) -> None:
    done, calls = execute(tmp_path, environment={"WHO": 8})
    assert done.returncode == 1
    assert [call[0] for call in calls] == ["ps", "image", "run", "run"]
    assert not list(tmp_path.glob(".magnus/workspaces/*/_containers"))


@pytest.mark.parametrize(
    ("status", "expected", "calls", "said"),
    [
        ("126", 65, ["run"], "image 'churn:1' cannot start"),
        ("127", 65, ["run"], "(engine: it does not work): install magnus-render in it"),
        ("125", 75, ["run", "rm"] * 3, "a: engine: it does not work"),
        ("137", 1, ["run", "rm"] * 2, "the container was killed: it took more memory than its limit of 1g"),
    ],
)
def test_a_status_of_the_engine_is_not_the_steps(
    status: str, expected: int, calls: list[str], said: str, tmp_path: Path
) -> None:
    done, made = execute(tmp_path, status=status, resources={"memory": "1g"})
    assert (done.returncode, said in done.stderr) == (expected, True), done.stderr
    assert [call[0] for call in made] == ["ps", "image", *calls]


def test_stores_on_aws_are_given_this_environments_variables(tmp_path: Path) -> None:
    from magnus_render import integrations
    from magnus_render.executors.container_integrations import MOUNTS, PASSED

    s3: Any = {"type": "s3", "config": {"bucket": "runs"}}
    config: Any = {
        "executor": {"type": "local-container", "config": {"image": "x"}},
        "run_log_store": s3,
        "catalog": s3,
        "secrets": {"type": "aws-secrets-manager", "config": {}},
    }
    for _, integration in integrations.applying(LocalContainerExecutor({"image": "x"}), config):
        config = integration.configure_for_execution(config)
    assert config["executor"]["config"].get(MOUNTS) is None
    assert config["executor"]["config"][PASSED] == ["AWS_*"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "'image' is missing"),
        ({"image": "x", "imag": "y"}, "unknown key 'imag': did you mean 'image'?"),
        ({"image": "x", "resources": {"memory": "lots"}}, "'resources.memory' is no size"),
        ({"image": "x", "project": "copy"}, "is 'copy', not 'mount' or 'baked'"),
        ({"image": "x", "max_workers": 0}, "'max_workers' must be at least 1"),
        ({"image": "x", "environment": {"a b": 1}}, "is no variable's name"),
    ],
)
def test_a_wrong_configuration(config: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as caught:
        LocalContainerExecutor(config)
    assert said in str(caught.value)


def test_a_node_overrides_what_is_its_own() -> None:
    executor = LocalContainerExecutor({"image": "x"})
    own = {"local-container": {"image": "y", "pull": "never", "resources": {"cpus": 0}}}
    node = {"type": "task", "path": "a", "executor_config": own}
    problems = [text for _, text in executor.check({"nodes": {"a": node}})]  # type: ignore[typeddict-item]
    assert problems == [
        "step 'a': executor_config.local-container: 'pull' is of the whole run: write it into executor.config",
        "step 'a': executor_config.local-container: 'resources.cpus' must be more than 0, not 0",
    ]


def test_the_name_tells_whose_container_it_is() -> None:
    mine = container_engine.new_name()
    assert not container_engine._is_left(mine)
    parts = mine.split("-")
    assert container_engine._is_left(
        "-".join([*parts[:2], "0" * 12, *parts[3:]])
    )  # a process of another time
    assert container_engine._is_left("-".join([*parts[:3], "4194305", parts[4]]))  # no process
    assert not container_engine._is_left("-".join([parts[0], "0" * 12, *parts[2:]]))  # of another system
    assert not container_engine._is_left("magnus-of-somebody")


def test_an_engine_is_named_by_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("podman", "nerdctl", "sudo"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (Engine([]).command, Engine([]).name) == (["podman"], "podman")
    assert Engine(["sudo", "/usr/bin/nerdctl"]).name == "nerdctl"
    assert Engine(["sudo", "my-engine"]).name == "docker"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(Refused, match="looked for docker, podman, nerdctl"):
        Engine([])


def test_a_mount_is_a_line_of_csv() -> None:
    assert _mount("/a,b", '/c"d', readonly=True) == [
        "--mount",
        'type=bind,"source=/a,b","target=/c""d",readonly',
    ]
