"""`slurm` without a cluster: what a configuration may say, and what the answers of Slurm's programs mean."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render import integrations
from magnus_render.cli.main import run as magnus
from magnus_render.errors import MagnusError, PlatformError, Refused
from magnus_render.executors.slurm import NAME_LENGTH, SlurmExecutor, SlurmSubmitter, job_name, script, word
from magnus_render.executors.submitter import Job


def job(**more: Any) -> Job:
    told = {"run_id": "r", "address": "a", "path": "a", "attempt": 1, "argv": ["run_job", "r", "a"]}
    return Job(**{**told, **more})


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, lines: str) -> None:
    """Put a program of Slurm on the PATH that says what a test asks for."""
    (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"partition": "a b"}, "'partition' is no name, and no names with ',' between"),
        ({"time": "soon"}, "'time' is no time, such as 30 (minutes), 2:30:00 or 1-12 (days and hours)"),
        ({"memory": "4X"}, "'memory' is no size, such as 512M or 4G"),
        ({"cpus": 0}, "'cpus' must be more than 0, not 0"),
        ({"gpus": "many of them"}, "'gpus' is no number of graphics processors, such as 1 or a100:2"),
        ({"nodelist": "n1 n2"}, "'nodelist' is no list of nodes, such as node7 or node[1-4]"),
        ({"environment": {"a b": 1}}, "is no variable's name"),
        ({"inherit": ["AWS *"]}, "is no variable's name, with or without '*'"),
        ({"setup": ["a\nb"]}, "holds a control character"),
        ({"queue": "x"}, "unknown key 'queue': known keys: partition,"),
        ({"sbatch_options": ["--array=1-3"]}, "holds '--array=1-3', which is for magnus to say"),
        ({"sbatch_options": ["--depend", "x"]}, "holds '--depend', which is for magnus to say"),
        ({"sbatch_options": ["-Wx"]}, "holds '-Wx', which is for magnus to say"),
        (
            {"sbatch_options": ["--export=A"]},
            "for magnus to say: `environment` and `inherit` say what jobs see",
        ),
    ],
)
def test_a_wrong_configuration(config: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as caught:
        SlurmExecutor(config)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        *(
            {"time": time}
            for time in (30, "30", "1:30", "2:30:00", "1-12", "1-12:30", "1-12:30:15", "UNLIMITED")
        ),
        *({"memory": memory} for memory in (512, "512", "512M", "4G")),
        *({"gpus": gpus} for gpus in (1, "2", "a100:2", "a100:1,v100:2")),
        {"partition": "short,long", "nodelist": "n[1-4,7],gpu-2", "constraint": "ssd&!old"},
        {"sbatch_options": ["--exclusive", "-x", "n3", "--mail-type=FAIL"]},
    ],
)
def test_what_sbatch_takes_is_taken(config: dict[str, Any]) -> None:
    SlurmExecutor(config)


def test_a_node_overrides_what_is_its_own() -> None:
    executor = SlurmExecutor({"partition": "short"})
    own = {"slurm": {"partition": "long", "inherit": ["A"], "cpus": -1}}
    node: Any = {"type": "task", "path": "a", "executor_config": own}
    assert [text for _, text in executor.check({"nodes": {"a": node}})] == [
        "step 'a': executor_config.slurm: 'inherit' is of the whole run: write it into executor.config",
        "step 'a': executor_config.slurm: 'cpus' must be more than 0, not -1",
    ]


def test_variables_of_a_node_are_added_to_those_of_the_pipeline(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("squeue", "scancel"):
        program(project, monkeypatch, name, "exit 0")
    program(project, monkeypatch, "sbatch", 'cat >/dev/null; env >"$WRITTEN"; echo 7')
    monkeypatch.setenv("WRITTEN", str(project / "written"))
    executor = {"type": "slurm", "config": {"environment": {"TEAM": "pricing", "SIZE": 1}}}
    own = {"slurm": {"environment": {"SIZE": 2, "WHO": "a"}}}
    steps = {"a": {"type": "task", "command_type": "shell", "command": "true", "executor_config": own}}
    steps = {"a": {**steps["a"], "next": "s"}, "s": {"type": "success"}, "f": {"type": "fail"}}
    (project / "dag.yaml").write_text(
        json.dumps({"executor": executor, "dag": {"start_at": "a", "steps": steps}})
    )
    assert magnus(["execute", "-f", "dag.yaml", "--detach"]) == 0
    lines = (project / "written").read_text().splitlines()
    assert {"TEAM=pricing", "SIZE=2", "WHO=a"} <= set(lines)


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ("Batch job submission failed: Invalid account or account/partition combination specified", Refused),
        (
            "Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
            Refused,
        ),
        ("Batch job submission failed: Access/permission denied", Refused),
        (
            "AssocGrpCPUMinutesLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job "
            "submit limit, user's size and/or time limits)",
            Refused,
        ),
        (
            "QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
            "(job submit limit, user's size and/or time limits)",
            PlatformError,
        ),
        ("Batch job submission failed: Unable to contact slurm controller (connect failure)", PlatformError),
        ("Batch job submission failed: Socket timed out on send/recv operation", PlatformError),
        ("Batch job submission failed: Resource temporarily unavailable", PlatformError),
        ("Munge encode failed: Failed to access socket: No such file or directory", PlatformError),
    ],
)
def test_what_a_refused_submission_means(
    complaint: str, kind: type[MagnusError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, "sbatch", f'echo "sbatch: error: {complaint}" >&2; exit 1')
    with pytest.raises(kind) as caught:
        SlurmSubmitter({}).submit(job())
    said = str(caught.value)
    assert said.startswith("slurm: sbatch does not take the job of step 'a': ") and "\n" not in said
    assert complaint.split("error: ")[-1] in said


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ("allocation failure: Requested node configuration is not available", None),
        ("allocation failure: Required node not available (down, drained or reserved)", None),
        ("allocation failure: Invalid partition name specified", Refused),
        ("sbatch: unrecognized option '--x'", Refused),
        ("allocation failure: Unable to contact slurm controller (connect failure)", PlatformError),
        ("sbatch: fatal: Could not establish a configuration source", PlatformError),
    ],
)
def test_a_scheduler_is_asked_before_the_run(
    complaint: str, kind: type[MagnusError] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("squeue", "scancel"):
        program(tmp_path, monkeypatch, name, "exit 1")
    program(tmp_path, monkeypatch, "sbatch", f'echo "{complaint}" >&2; exit 1')
    if kind is None:
        SlurmSubmitter({}).ready()
    else:
        with pytest.raises(kind, match="slurm: .*" + complaint.split(": ")[-1].split("'")[0].split("(")[0]):
            SlurmSubmitter({}).ready()


def test_states_by_what_squeue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that Slurm itself has put away was not cancelled by anybody."""
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    states = {
        **{"1": ("PENDING", "Dependency"), "2": ("RUNNING", "None"), "3": ("COMPLETING", "None")},
        **{"4": ("COMPLETED", "None"), "5": ("FAILED", "NonZeroExitCode"), "6": ("TIMEOUT", "TimeLimit")},
        **{
            "7": ("CANCELLED", "DependencyNeverSatisfied"),
            "8": ("CANCELLED", "None"),
            "9": ("NODE_FAIL", "x"),
        },
    }
    lines = [f"echo '{id_} {state} {reason}'" for id_, (state, reason) in states.items()]
    program(tmp_path, monkeypatch, "squeue", "\n".join(['[ -z "$SQUEUE_PARTITION" ] || exit 1', *lines]))
    found = SlurmSubmitter({}).states([*states, "10"])
    assert {state: "".join(id_ for id_ in found if found[id_] == state) for state in found.values()} == {
        "waiting": "1",
        "running": "23",
        "ended": "457910",
        "overtime": "6",
        "cancelled": "8",
    }


def test_names_fit() -> None:
    assert job_name(job(address="a.0.b", attempt=2)) == "a.0.b-2"
    assert job_name(job(address="a.0.b", after_loss="7")) == "a.0.b-1-guard"
    long = job_name(job(address=".".join(["step"] * 40) + ".last", after_loss="7"))
    assert len(long) == NAME_LENGTH and long.startswith("...") and long.endswith("step.last-1-guard")


@pytest.mark.parametrize("text", ["", "a b", "it's", "a\r\nb", "\r\\'\n", '$x `y` "z"', "ü\t"])
def test_words_of_the_script(text: str) -> None:
    written = word(text)
    assert "\r" not in written
    argv = ["bash", "-c", f"printf '%s.' {written}"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout.decode() == f"{text}."


def test_a_node_that_lacks_the_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm itself would run the job in /tmp."""
    folder = tmp_path / "it's gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    text = script(job(config={"setup": ["echo setup"], "magnus_command": ["echo", "ran"]}))
    ended = subprocess.run(["bash"], input=text, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "setup\nran run_job r a\n")
    folder.rmdir()
    ended = subprocess.run(["bash"], input=text, capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (75, "")
    assert f"has no folder {folder}" in ended.stderr


def test_jobs_get_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config: Any = {
        "executor": {"type": "slurm", "config": {}},
        "run_log_store": {"type": "file-system", "config": {"path": "runs"}},
        "catalog": {"type": "file-system", "config": {}},
        "secrets": {"type": "dotenv", "config": {}},
    }
    executor = SlurmExecutor({})
    for _, integration in integrations.applying(executor, config):
        config = integration.configure_for_execution(config)
    paths = {service: block["config"].get("path") for service, block in config.items()}
    assert paths == {
        "executor": None,
        "run_log_store": str(tmp_path / "runs"),
        "catalog": str(tmp_path / ".catalog"),
        "secrets": str(tmp_path / ".env"),
    }


def test_a_job_imports_nothing_of_the_front_end() -> None:
    code = (
        "import json, sys; import magnus_render.executors.job; from magnus_render.executors.slurm import SlurmExecutor; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "yaml", "networkx", "jinja2", "typer"} & set(json.loads(done.stdout))
