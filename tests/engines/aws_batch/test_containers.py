"""Runs that go on from job to job on AWS Batch, whose jobs are real containers of podman.

A few of the conformance cases, and what only a container shows. `MAGNUS_BATCH_CONTAINERS=all` runs more of the cases:

    MAGNUS_BATCH_CONTAINERS=all pytest -v -n 0 --durations=0 tests/engines/aws_batch/test_containers.py
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magnus_render.image.containerfile import USER
from tests.conformance import cases
from tests.conformance.aws_batch import BatchContainers
from tests.conformance.checking import run
from tests.conformance.engines import EngineFailure
from tests.engines import images
from tests.engines.aws_batch.test_runs import ENDS, Project, run_id, shell
from tests.engines.stepfunctions.client import Client
from tests.engines.stepfunctions.containers import LABEL
from tests.tools import said

__all__ = ["run_id"]
FEW = ("catalog-flow", "conditional-simple")
MORE = (
    *("as-is-text", "cached-after-failure", "cached-map", "concurrency-bounded"),
    *("dag-files", "files-modes", "map-of-maps", "map-simple", "retry-third-attempt"),
    *("nesting-deep", "parallel-handled-inside", "parallel-success", "python-api", "python-environment"),
    *("shell-exits", "timeout", "walk-handled", "when-simple"),
    "max-time-over-handled",
)
ALL = os.environ.get("MAGNUS_BATCH_CONTAINERS") == "all"
HERE = "/here"
"""Where jobs see the test's own folder, by a volume of the job definition."""


@pytest.fixture(autouse=True)
def _podman() -> None:
    images.require()


def engine(shared: Path, **container: Any) -> BatchContainers:
    """Return the engine with a folder that all containers see."""
    volumes = [{"name": "here", "host": {"sourcePath": str(shared)}}]
    points = [{"sourceVolume": "here", "containerPath": HERE}]
    return BatchContainers(volumes=volumes, mountPoints=points, **container)


def attempts(outcome: Any, step: str) -> list[tuple[str, str]]:
    return [(one["status"], one["message"]) for one in outcome.log["steps"][step]["attempts"]]


def reasons(project: Project, step: str) -> list[tuple[int | None, str]]:
    """Return the exit code and the reason of each run of the first job of a step, as AWS Batch tells them."""
    job = next(job for job in project.client.jobs(project.spec.run_id) if job["argv"][3] == step)
    (told,) = project.client.aws("batch").describe_jobs(jobs=[job["id"]])["jobs"]
    containers = [attempt["container"] for attempt in told["attempts"]]
    return [(container.get("exitCode"), container.get("reason", "")) for container in containers]


def left(client: Client, word: str) -> list[str]:
    """Return the containers of the jobs of a run that are there."""
    found = []
    for job in client.jobs(word):
        listed = images.podman("ps", "--all", "--quiet", "--filter", f"label={LABEL}={job['id']}")
        found += listed.stdout.split()
    return found


@pytest.mark.parametrize("name", (*FEW, *MORE) if ALL else FEW)
def test_cases(name: str, tmp_path: Path) -> None:
    case = cases.load(name)
    assert case.needs <= BatchContainers.abilities
    run(case, [BatchContainers()], tmp_path / "case")


def during(project: Project, began: Path, action: Callable[[str], None]) -> Any:
    """Run a project; do something with the id of the last job once a step has written to the pipe `began`."""
    found: list[Any] = []
    with said(began) as wait:
        thread = threading.Thread(
            target=lambda: found.append(project.engine.run(project.folder, project.spec))
        )
        thread.start()
        wait()
        action(project.client.jobs(project.spec.run_id)[-1]["id"])
        thread.join()
    assert found, "the run has failed: see above"
    return found[0]


def kill(job: str) -> None:
    (container,) = images.podman("ps", "--quiet", "--filter", f"label={LABEL}={job}").stdout.split()
    assert images.podman("kill", container).returncode == 0


def test_a_container_that_is_killed_spends_an_attempt(tmp_path: Path, run_id: str) -> None:
    script = f'test "$MAGNUS_ATTEMPT" = 2 || {{ echo > {HERE}/began; exec sleep 60; }}'
    project = Project(tmp_path / "p", run_id, {"a": shell(script, retry=2)}, engine(tmp_path))
    outcome = during(project, tmp_path / "began", kill)
    assert outcome.status == 0, outcome.stderr
    assert [status for status, _ in attempts(outcome, "a")] == ["CRASHED", "SUCCESS"]
    assert project.runs("a") == [[137, 0], [0]]
    assert left(project.client, run_id) == []


FILL = "b = bytearray(600 << 20)"


def test_a_step_that_takes_too_much_memory(tmp_path: Path, run_id: str) -> None:
    """The kernel ends the step's own process, the largest one; the job tells why, and goes on to the handler."""
    more = {"local-aws-batch": {"resources": {"memory": 1024}}}
    steps = {
        "a": shell(f"exec python3 -c '{FILL}'", "b", executor_config=more),
        "b": shell(f"exec python3 -c '{FILL}'", on_failure="c"),
        "c": shell("true"),
    }
    project = Project(tmp_path / "p", run_id, steps, engine(tmp_path))
    outcome = project.engine.run(project.folder, project.spec)
    assert outcome.status == 0, outcome.stderr
    assert attempts(outcome, "a") == [("SUCCESS", "")]
    assert attempts(outcome, "b") == [("FAIL", "killed by signal 9: the container ran out of memory")]


def test_a_job_that_is_killed_for_its_memory(tmp_path: Path, run_id: str) -> None:
    """The kernel ends the job itself, which AWS Batch runs again, to record the crash.

    podman tells of the reason on systems with control groups of version 2 alone.
    """
    script = f"echo 1000 > /proc/1/oom_score_adj; exec python3 -c '{FILL}'"
    project = Project(
        tmp_path / "p", run_id, {"a": shell(script, on_failure="b"), "b": shell("true")}, engine(tmp_path)
    )
    outcome = project.engine.run(project.folder, project.spec)
    assert outcome.status == 0, outcome.stderr
    assert [status for status, _ in attempts(outcome, "a")] == ["CRASHED"]
    (killed, _), second = reasons(project, "a")
    assert (killed, second) == (137, (0, ""))


def test_the_platforms_failure_spends_none(tmp_path: Path, run_id: str) -> None:
    """A host is lost, and then one ends its containers by TERM: exit 75 is run again by the retry strategy."""
    script = f"test -e {HERE}/began || {{ echo > {HERE}/began; kill -TERM 1; sleep 60; }}"
    project = Project(tmp_path / "p", run_id, {"a": shell(script)}, engine(tmp_path))
    project.client.fault([run_id, "a"], host_loss=["start"])
    outcome = project.engine.run(project.folder, project.spec)
    assert outcome.status == 0, outcome.stderr
    assert project.runs("a") == [[None, 75, 0]]
    assert [one["status"] for one in outcome.log["steps"]["a"]["attempts"] if not one.get("platform")] == [
        "SUCCESS"
    ]


def test_branches_that_are_stopped(tmp_path: Path, run_id: str) -> None:
    """fail_fast: the container of the other branch gets TERM, ends its step, and is gone."""
    os.mkfifo(tmp_path / "began")
    slow = {"start_at": "t", "steps": {"t": shell(f"echo > {HERE}/began; exec sleep 60"), **ENDS}}
    bad = {"start_at": "t", "steps": {"t": shell(f"cat {HERE}/began; exit 3"), **ENDS}}
    both = {"type": "parallel", "fail_fast": True, "branches": {"slow": slow, "bad": bad}}
    steps = {"p": {**both, "next": "success", "on_failure": "h"}, "h": shell("true")}
    project = Project(tmp_path / "p", run_id, steps, engine(tmp_path))
    outcome = project.engine.run(project.folder, project.spec)
    assert outcome.status == 0, outcome.stderr
    assert (project.runs("p.slow.t"), project.runs("p.bad.t")) == ([[75]], [[0]])
    assert left(project.client, run_id) == []


def test_the_time_of_a_run(tmp_path: Path, run_id: str) -> None:
    """max_time ends the step at work, or keeps it from starting where the machine is slow, and lets no other one begin."""
    project = Project(
        tmp_path / "p", run_id, {"a": shell("exec sleep 600", "b"), "b": shell("true")}, engine(tmp_path)
    )
    file = project.folder / "dag.yaml"
    definition = json.loads(file.read_text())
    definition["dag"]["max_time"] = 15
    file.write_text(json.dumps(definition))
    outcome = project.engine.run(project.folder, project.spec)
    assert (outcome.status, "b" in outcome.log["steps"]) == (1, False), outcome.stderr
    assert "max_time of 15 s is over" in outcome.stderr


def test_objects_and_secrets(tmp_path: Path, run_id: str) -> None:
    """An object goes through the catalog; a secret is a variable that the job definition sets."""
    steps = {
        "a": {"type": "task", "command": "work.make", "secrets": ["TOKEN"], "next": "b"},
        "b": {"type": "task", "command": "work.use", "next": "success"},
    }
    project = Project(tmp_path / "p", run_id, steps, engine(tmp_path))
    project.spec.environment = {"TOKEN": "s3cr3t-value"}
    project.spec.config = {"secrets": {"type": "env"}}
    (project.folder / "work.py").write_text(
        "import os\nfrom magnus_render import get_object, get_secret, put_object\n\n\n"
        "def make():\n    assert get_secret('TOKEN') == os.environ['TOKEN'] == 's3cr3t-value'\n"
        "    put_object({'made': (1, 2)}, 'found')\n\n\n"
        "def use():\n    assert get_object('found') == {'made': (1, 2)}\n    return {'fine': True}\n"
    )
    outcome = project.engine.run(project.folder, project.spec)
    assert (outcome.status, outcome.log["parameters"]) == (0, {"fine": True}), outcome.stderr


@pytest.mark.parametrize("rights", ["user", "read-only"])
def test_containers_with_fewer_rights(rights: str, tmp_path: Path, run_id: str) -> None:
    """As docs/executors/local-aws-batch.md has it: what the user of the image, or a tmpfs, must be able to write."""
    steps = {
        "a": shell("set -e; test ! -w /etc; echo made > data/a.txt", "b", catalog={"put": ["a.txt"]}),
        "b": shell("cat data/a.txt", "c", catalog={"get": ["a.txt"]}),
        "c": {"type": "task", "command": "work.use", "next": "success"},
    }
    tmpfs = [{"containerPath": path, "size": 64} for path in ("/tmp", f"{tmp_path}/p/data")]
    container = {
        "user": {"user": USER},
        "read-only": {"readonlyRootFilesystem": True, "linuxParameters": {"tmpfs": tmpfs}},
    }
    project = Project(tmp_path / "p", run_id, steps, engine(tmp_path, **container[rights]))
    (project.folder / "work.py").write_text("def use():\n    return {'fine': True}\n")
    for path in (project.folder, project.folder / "data"):
        os.chown(path, *map(int, USER.split(":")))
    outcome = project.engine.run(project.folder, project.spec)
    assert (outcome.status, outcome.log["parameters"]) == (0, {"fine": True}), outcome.stderr


def test_an_image_without_magnus(tmp_path: Path, run_id: str) -> None:
    project = Project(tmp_path / "p", run_id, {"a": shell("true")}, engine(tmp_path))
    project.spec.executor = {"magnus_command": ["not-there"]}
    with pytest.raises(EngineFailure, match=r"(?s)the run stands still.*not-there"):
        project.engine.run(project.folder, project.spec)
    assert reasons(project, "a")[0][0] == 127
    assert len(reasons(project, "a")) == 1, "it is not run again"
    assert "ended with exit code 127" in project.magnus("runs", "show", run_id)[1]
