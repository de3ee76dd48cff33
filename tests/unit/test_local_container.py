"""`local-container` with an engine that is a script: what it is asked to run, and what its answers mean."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import Refused
from magnus_render.executors import container_engine, pool
from magnus_render.executors.container import LocalContainerExecutor
from magnus_render.executors.container_engine import Engine
from magnus_render.executors.container_place import _mount
from tests.tools import said

MAGNUS = str(Path(sys.executable).with_name("magnus"))
ENGINE = """#!/bin/sh
# Writes its arguments down, and runs what stands behind the image with the variables that are passed on.
printf '%s\\0' "$@" >> "$LOG"; printf '\\n' >> "$LOG"
case $1 in
run) [ -z "$BEGUN" ] || { echo >"$BEGUN"; exec sleep 60; } ;;
esac
case $1 in
image) [ "$4 $5" = "{{.Config.WorkingDir}} $IMAGE" ] || { echo "no such image" >&2; exit 1; }; pwd; exit ;;
run) [ -z "$STATUS" ] || { printf "%s\\n\\nUsage:  docker run\\n\\nRun 'docker run --help'" "$SAID" >&2; exit "$STATUS"; } ;;
*) exit 0 ;;
esac
while [ "$1" != "$IMAGE" ]; do
  case $1 in
  --entrypoint) entry=$2; shift ;;
  --env) case $2 in *=*) export "$2" ;; esac; shift ;;
  --mount) case $2 in *target=*/.magnus) own=${2#*source=}; own=${own%%,*} ;; esac; shift ;;
  esac
  shift
done
shift
exec "$entry" "$@"
"""
STEPS = """dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: 'echo "$WHO"; test "$WHO" = 7', next: ok, retry: 2}
    ok: {type: success}
    no: {type: fail}
"""


def prepare(folder: Path, name: str, steps: str, config: dict[str, Any]) -> dict[str, str]:
    """Write a pipeline and such an engine into a folder; return the environment to run it in."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / name).write_text(ENGINE)
    (programs / name).chmod(0o755)
    (folder / "dag.yaml").write_text(steps)
    given = {"image": "churn:1", "environment": {"WHO": 7}, "max_workers": 1, "engine": name, **config}
    given["magnus_command"] = [MAGNUS]
    (folder / "c.yaml").write_text(json.dumps({"executor": {"type": "local-container", "config": given}}))
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "LOG": str(folder / "calls"),
        "IMAGE": "churn:1",
        "CI": "1",
        "AWS_REGION": "here",
    }


def execute(
    folder: Path, name: str = "docker", steps: str = STEPS, status: str = "", said: str = "", **config: Any
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Run a pipeline with such an engine on the PATH; return how it ended, and the arguments of the engine's calls."""
    environment = prepare(folder, name, steps, config)
    done = subprocess.run(
        [MAGNUS, "execute", "-f", "dag.yaml", "-c", "c.yaml"],
        cwd=folder,
        env={**environment, "STATUS": status, "SAID": said},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    calls = folder / "calls"
    made = calls.read_bytes().decode().split("\n") if calls.exists() else []
    calls_ = [line.split("\0")[:-1] for line in made if line]
    return done, [call for call in calls_ if call[0] != "info"]  # asked for without root alone


@pytest.mark.parametrize("name", container_engine.KNOWN)
def test_what_an_engine_is_asked_to_run(name: str, tmp_path: Path) -> None:
    done, calls = execute(
        tmp_path,
        name,
        resources={"cpus": 1.5, "memory": "1g", "gpus": 2},
        volumes=["/data:/data:ro"],
        network="none",
        run_options="--cap-drop all",
    )
    assert done.returncode == 0, done.stderr
    (run,) = (call for call in calls if call[0] == "run")
    text = " ".join(run)
    user = "0:0" if name == "nerdctl" and os.geteuid() else f"{os.getuid()}:{os.getgid()}"
    for words in (
        "--rm --pull never --name magnus-",
        "--label magnus.step=a",
        f"--workdir {tmp_path} --mount type=bind,source={tmp_path},target={tmp_path},readonly",
        f"--mount type=bind,source={tmp_path}/.run_log_store,target={tmp_path}/.run_log_store ",
        f"--mount type=bind,source={tmp_path}/.catalog,target={tmp_path}/.catalog ",
        "--volume /data:/data:ro",
        f"--user {user}",
        "--env WHO=7",
        "--env MAGNUS_CONFIG",
        "--network none --cpus 1.5 --memory 1g",
        "--device nvidia.com/gpu=0 --device nvidia.com/gpu=1" if name == "podman" else "--gpus 2",
        f"--cap-drop all --entrypoint {MAGNUS} churn:1 execute_single_node",
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
    ("status", "complaint", "expected", "calls", "said"),
    [
        ("126", f'exec: "{MAGNUS}": permission denied', 65, ["run"], "image 'churn:1' cannot start"),
        ("127", f"no file `{MAGNUS}`", 65, ["run"], f"(no file `{MAGNUS}`): install magnus-render in it"),
        ("127", "no libnvidia-ml.so.1", 75, ["run"] * 3, "a: no libnvidia-ml.so.1\n"),
        ("125", "it does not work", 75, ["run", "rm"] * 3, "a: it does not work\n"),
        (
            "0",
            "",
            75,
            ["run"] * 3,
            "a: docker says that the container ended with status 0, but the step has left no",
        ),
        (
            "137",
            "",
            1,
            ["run", "rm"] * 2,
            "the container was killed: it took more memory than its limit of 1g",
        ),
    ],
)
def test_a_status_of_the_engine_is_not_the_steps(
    status: str, complaint: str, expected: int, calls: list[str], said: str, tmp_path: Path
) -> None:
    done, made = execute(tmp_path, status=status, said=complaint, resources={"memory": "1g"})
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
    node: Any = {"type": "task", "path": "a", "executor_config": own}
    problems = [text for _, text in executor.check({"nodes": {"a": node}})]
    assert problems == [
        "step 'a': executor_config.local-container: 'pull' is of the whole run: write it into executor.config",
        "step 'a': executor_config.local-container: 'resources.cpus' must be more than 0, not 0",
    ]


def test_mappings_of_a_node_are_merged_with_those_of_the_pipeline(tmp_path: Path) -> None:
    own = "{environment: {WHO: 8, SIZE: 2}, resources: {memory: 2g}}"
    steps = STEPS.replace(
        'test "$WHO" = 7\'', f'test "$WHO$SIZE$TZ" = 82UTC\', executor_config: {{local-container: {own}}}'
    )
    common = {"environment": {"WHO": 7, "TZ": "UTC"}, "resources": {"cpus": 1}}
    done, calls = execute(tmp_path, steps=steps, **common)
    assert done.returncode == 0, done.stderr
    (run,) = (" ".join(call) for call in calls if call[0] == "run")
    assert "--cpus 1 --memory 2g" in run


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
    for name in ("podman", "nerdctl", "env"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (Engine([]).command, Engine([]).name) == (["podman"], "podman")
    assert Engine(["env", "/usr/bin/nerdctl"]).name == "nerdctl"
    assert Engine(["env", "my-engine"]).name == "docker"
    with pytest.raises(Refused, match="passes on neither the environment"):
        Engine(["sudo", "/usr/bin/nerdctl"])
    with pytest.raises(Refused, match="nerdctl cannot mount '/a,b'"):
        Engine(["nerdctl"]).check_path("/a,b")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(Refused, match="looked for docker, podman, nerdctl"):
        Engine([])


def test_a_removal_that_docker_has_begun_is_waited_for(tmp_path: Path) -> None:
    """docker begins it itself for a container of `run --rm` that is killed."""
    (tmp_path / "docker").write_text(
        f"#!/bin/sh\necho x >>{tmp_path}/calls\ntest $(wc -l <{tmp_path}/calls) -ge 3 && exit\n"
        "echo 'Error response from daemon: removal of container a is already in progress' >&2; exit 1\n"
    )
    (tmp_path / "docker").chmod(0o755)
    Engine([str(tmp_path / "docker")]).remove("a")
    assert len((tmp_path / "calls").read_text().splitlines()) == 3


def test_a_complaint_is_about_the_command_if_it_quotes_it() -> None:
    """126 and 127 are docker's for mounts and devices as well, whose paths may hold the command's name."""
    for complaint in ('exec: "magnus": executable file not found', "executable file `magnus` not found"):
        assert container_engine.is_about(complaint, "magnus")
    for complaint in (
        "mkdir /nfs/.magnus: permission denied",
        'device "/dev/magnus": no such file or directory',
    ):
        assert not container_engine.is_about(complaint, "magnus")


def test_a_mount_is_a_line_of_csv() -> None:
    assert _mount("/a,b", '/c"d', readonly=True) == [
        "--mount",
        'type=bind,"source=/a,b","target=/c""d",readonly',
    ]


def test_a_container_that_hears_no_signal_yet_is_removed_at_once(tmp_path: Path) -> None:
    """The kernel keeps signals from a container's first process until it handles them."""
    environment = prepare(tmp_path, "docker", STEPS, {})
    with said(tmp_path / "begun") as wait:
        process = subprocess.Popen(
            [MAGNUS, "execute", "-f", "dag.yaml", "-c", "c.yaml"],
            cwd=tmp_path,
            env={**environment, "BEGUN": str(tmp_path / "begun")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait()
    began = time.monotonic()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - began < pool.GRACE
    assert (tmp_path / "calls").read_bytes().splitlines()[-1].startswith(b"rm\0--force\0magnus-")


def test_a_variable_that_is_not_set_is_not_passed_on_in_silence(tmp_path: Path) -> None:
    done, calls = execute(tmp_path, secret_environment=["TOKEN", "PATH"])
    assert (done.returncode, calls) == (65, [])
    assert "secret_environment names what is not set here: TOKEN\n" in done.stderr


def test_an_engine_that_does_not_answer_is_no_missing_image(tmp_path: Path) -> None:
    done, _ = execute(
        tmp_path, engine=["sh", "-c", "echo cannot connect to the daemon >&2; exit 1"], pull="never"
    )
    assert (done.returncode, done.stderr) == (
        75,
        "magnus: docker does not answer (cannot connect to the daemon)\n",
    )


BAKED = """dag:
  start_at: a
  steps:
    a: {type: task, command: asks.named, secrets: [TOKEN], next: ok}
    ok: {type: success}
    no: {type: fail}
secrets: {type: dotenv}
"""


@pytest.mark.parametrize("project", ["mount", "baked"])
def test_a_step_is_given_the_secrets_that_it_names(project: str, tmp_path: Path) -> None:
    """The file with all of them is hidden where the project is in the image; the API finds those that are named."""
    (tmp_path / "real.env").write_text("TOKEN=s3cr3t-value\nOTHER=an0ther-value\n")
    (tmp_path / ".env").symlink_to("real.env")
    (tmp_path / "asks.py").write_text(
        "from magnus_render import get_secret\n\n\ndef named():\n    assert get_secret('TOKEN') == 's3cr3t-value'\n"
    )
    done, calls = execute(tmp_path, steps=BAKED, project=project)
    assert done.returncode == 0, done.stderr
    (run,) = (call for call in calls if call[0] == "run")
    assert f"type=bind,source=/dev/null,target={tmp_path}/real.env,readonly" in run
    assert "MAGNUS_HANDED_SECRET_TOKEN" in run and "s3cr3t" not in str(calls) and "OTHER" not in str(calls)
