"""Jobs on a real cluster: what they see, in which order they run, how they end, and what a lost scheduler means."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import PlatformError, Refused
from magnus_render.executors.slurm import SlurmSubmitter
from magnus_render.executors.submitter import Job
from tests import tools
from tests.engines.slurm import cluster
from tests.engines.slurm.cluster import Cluster
from tests.tools import said

NASTY = "a,b='c' \"$HOME\" `x` \\ %j\n\r\tü = {}"


@pytest.fixture(scope="module")
def slurm() -> Cluster:
    cluster.require()
    return cluster.shared()


@pytest.fixture
def submitter(slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmSubmitter:
    """A submitter for a project's folder that Slurm has to be told carefully."""
    project = tmp_path / "a project, 100%j 'quoted'"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    return SlurmSubmitter({})


def job(command: str, **more: Any) -> Job:
    """Return a job that runs lines of bash in place of magnus."""
    config = {"magnus_command": ["bash", "-c", command], **more.pop("config", {})}
    told = {"run_id": "r", "address": "a.0.b", "path": "a.0.b", "attempt": 1, "argv": ["run_job", NASTY]}
    return Job(**{**told, "config": config, **more})


def test_what_a_job_is_told_reaches_it_unchanged(
    submitter: SlurmSubmitter, slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", NASTY)
    monkeypatch.setenv("SBATCH_WAIT", "1")  # sbatch would answer when the job has ended
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "7")  # of the job that submits this one
    large = {f"LARGE_{number}": "x" * 100_000 for number in range(10)}
    environment = {"OWN": NASTY, "EMPTY": "", **large}
    lines = 'env -0 >env; pwd >pwd; printf "%s\\0" "$@" >words'
    sent = job(
        lines,
        environment=environment,
        path="a.0.lower ü, 'b'\n",
        config={
            "environment": {"FLAG": True, "NUMBER": 3},
            "setup": ["export SETUP=done"],
            "cpus": 2,
            "memory": "300M",
            "time": 5,
            "partition": "main",
            "sbatch_options": ["--nice=3"],
        },
    )
    id_ = submitter.submit(sent)
    slurm.wait(id_, "COMPLETED")
    found = dict(part.split("=", 1) for part in Path("env").read_bytes().decode().split("\0") if part)
    wanted = {**environment, "INHERITED": NASTY, "FLAG": "true", "NUMBER": "3", "SETUP": "done"}
    assert {name: found.get(name) for name in wanted} == wanted
    assert "SLURM_MEM_PER_CPU" not in found and "SBATCH_WAIT" not in found
    assert Path("pwd").read_text().strip() == os.getcwd()
    assert Path("words").read_bytes().decode() == f"{NASTY}\0"
    shown = slurm.shown(id_)
    assert shown["JobId"] == f"{id_} JobName=a.0.b-1"
    assert shown["Comment"].startswith("magnus run r step a.0.lower ü, 'b'\\n attempt 1")
    assert shown["NumNodes"].split()[1:3] == ["NumCPUs=2", "NumTasks=1"] and "mem=300M" in shown["TRES"]
    script = slurm.call("scontrol", "write", "batch_script", id_, "-")
    assert "LARGE" not in script and "OWN" not in script


def test_only_variables_that_are_named_are_taken_over(
    submitter: SlurmSubmitter, slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("OTHER", "yes")
    id_ = submitter.submit(job("env >env", config={"inherit": ["INHER*"]}))
    slurm.wait(id_, "COMPLETED")
    names = {line.split("=")[0] for line in Path("env").read_text().splitlines()}
    assert {"INHERITED", "PATH", "HOME", "SLURM_CONF"} <= names and "OTHER" not in names


def test_a_guard_runs_if_and_only_if_its_job_fails(submitter: SlurmSubmitter, slurm: Cluster) -> None:
    ends = {"well": "exit 0", "failed": "exit 75", "killed": "kill -9 $$", "nothing": "exec ./no-such"}
    jobs = {name: submitter.submit(job(command)) for name, command in ends.items()}
    guards = {name: submitter.submit(job(f"touch {name}", after_loss=id_)) for name, id_ in jobs.items()}
    for name in ("failed", "killed", "nothing"):
        slurm.wait(guards[name], "COMPLETED")
    slurm.wait(guards["well"], "CANCELLED")
    assert sorted(path.name for path in Path().iterdir() if path.name in ends) == [
        "failed",
        "killed",
        "nothing",
    ]
    assert set(submitter.states([*jobs.values(), *guards.values()]).values()) == {"ended"}
    assert slurm.shown(guards["well"])["JobId"].endswith("JobName=a.0.b-1-guard")


def test_delays_and_states(submitter: SlurmSubmitter, slurm: Cluster) -> None:
    later = submitter.submit(job("true", delay=59.2))
    shown = slurm.shown(later)
    times = [shown[key].split()[0] for key in ("SubmitTime", "StartTime")]
    seconds = [int(text[-2:]) + 60 * int(text[-5:-3]) for text in times]
    assert (seconds[1] - seconds[0]) % 3600 == 60
    assert submitter.states([later, "99999"]) == {later: "waiting", "99999": "ended"}
    submitter.cancel([later, "99999"])
    assert submitter.states([later]) == {later: "cancelled"}
    submitter.cancel([later])


def test_a_job_that_is_cancelled_is_told_first(
    submitter: SlurmSubmitter, slurm: Cluster, tmp_path: Path
) -> None:
    """The callback itself gets TERM, as the script has become it. Its guard runs, and learns that it was cancelled."""
    code = "import signal, sys, time; signal.signal(15, lambda *_: (open('told', 'w').close(), sys.exit(75)))"
    with said(tmp_path / "began") as began:
        wait = f"{code}; open({str(tmp_path / 'began')!r}, 'w').write('+'); time.sleep(60)"
        id_ = submitter.submit(job("", config={"magnus_command": [sys.executable, "-c", wait]}))
        guard = submitter.submit(job("touch guard", after_loss=id_))
        began()
        assert submitter.states([id_, guard]) == {id_: "running", guard: "waiting"}
        submitter.cancel([id_])
        slurm.wait(id_, "CANCELLED")
    slurm.wait(guard, "COMPLETED")
    assert Path("told").exists() and submitter.states([id_]) == {id_: "cancelled"}


def test_a_job_whose_node_is_lost_runs_again(
    submitter: SlurmSubmitter, slurm: Cluster, tmp_path: Path
) -> None:
    with said(tmp_path / "began") as began:
        id_ = submitter.submit(job(f"echo >'{tmp_path / 'began'}'; exec sleep 60", config={"nodelist": "n4"}))
        began()
        slurm.call("scontrol", "update", "nodename=n4", "state=down", "reason=lost")
        slurm.wait(id_, "PENDING")
    assert submitter.states([id_]) == {id_: "waiting"}
    submitter.cancel([id_])
    assert submitter.before({"SLURM_RESTART_COUNT": "1"}) == "platform"
    assert submitter.before({}) == ""


def test_a_node_without_the_folder_runs_nothing(submitter: SlurmSubmitter, slurm: Cluster) -> None:
    elsewhere = Path("elsewhere").resolve()
    elsewhere.mkdir()
    sent = job("touch ran")
    os.chdir(elsewhere)
    id_ = submitter.submit(job("true", delay=2))
    os.chdir(elsewhere.parent)
    subprocess.run(["rm", "-rf", str(elsewhere)], check=True)
    slurm.wait(id_, "FAILED")
    assert sent.address and "JobLaunchFailure" in slurm.shown(id_)["JobState"]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"partition": "nowhere"}, "nvalid partition"),
        ({"nodelist": "n9"}, "Invalid node name"),
        ({"gres": "gpu:1"}, "Invalid generic resource"),
        ({"sbatch_options": ["--no-such-thing"]}, "unrecognized option '--no-such-thing'"),
    ],
)
def test_what_the_cluster_never_takes_is_refused(
    submitter: SlurmSubmitter, config: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Refused, match=complaint):
        SlurmSubmitter(config).ready()
    with pytest.raises(Refused, match=complaint):
        submitter.submit(job("true", config=config))


def test_more_than_any_node_has_is_refused(submitter: SlurmSubmitter) -> None:
    SlurmSubmitter({}).ready()
    with pytest.raises(Refused, match=r"step 'a\.0\.b': .*Requested node configuration is not available"):
        submitter.submit(job("true", config={"memory": "9T"}))


def test_where_there_is_no_slurm(submitter: SlurmSubmitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="sbatch is not on the PATH: start the run where jobs are submitted"):
        submitter.ready()
    for call in (lambda: submitter.submit(job("true")), lambda: submitter.states(["1"])):
        with pytest.raises(PlatformError, match="cannot be started: No such file"):
            call()


def project(folder: Path, steps: str, config: dict[str, Any], **blocks: Any) -> None:
    """Write a pipeline and its configuration into the working folder."""
    (folder / "dag.yaml").write_text(
        f"dag:\n  start_at: a\n  steps:\n{steps}    ok: {{type: success}}\n    no: {{type: fail}}\n"
    )
    executor = {"type": "slurm", "config": {"magnus_command": [magnus()], **config}}
    (folder / "c.yaml").write_text(json.dumps({"executor": executor, **blocks}))


def magnus() -> str:
    return str(Path(sys.executable).with_name("magnus"))


def execute(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [magnus(), "execute", "-f", "dag.yaml", "-c", "c.yaml", "--run-id", "r", *argv],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_run_on_the_cluster(submitter: SlurmSubmitter, slurm: Cluster) -> None:
    """Secrets of the environment reach those who ask, by no text that others see; a retry is a further job."""
    steps = """    a: {type: task, command_type: shell, secrets: [TOKEN], retry: 2, next: ok,
        command: 'test -e /tmp/none || test "$MAGNUS_ATTEMPT" = 2 && test "$TOKEN" = s3cr3t',
        executor_config: {slurm: {partition: main, cpus: 2}}}
"""
    project(Path(), steps, {"memory": "200M"}, secrets={"type": "env"})
    done = execute(TOKEN="s3cr3t")
    assert done.returncode == 0, done.stderr
    known = [id_ for id_ in slurm.jobs() if "run r step a " in slurm.shown(id_).get("Comment", "")]
    shown = [slurm.call("scontrol", "show", "job", id_) for id_ in known]
    scripts = [slurm.call("scontrol", "write", "batch_script", id_, "-") for id_ in known]
    assert known and all("NumCPUs=2" in text and "mem=200M" in text for text in shown)
    assert "s3cr3t" not in "".join([*shown, *scripts])
    assert not Path(".magnus").exists()


def test_a_run_that_is_cancelled_can_go_on(submitter: SlurmSubmitter, slurm: Cluster, tmp_path: Path) -> None:
    """All processes of a job are told to end at once. That is no failure of the step."""
    command = (
        f"[ ! -e '{tmp_path}/once' ] || exit 0; touch '{tmp_path}/once'; echo >'{tmp_path}/began'; sleep 60"
    )
    step = {"type": "task", "command_type": "shell", "command": command, "next": "ok"}
    project(Path(), f"    a: {json.dumps(step)}\n", {})
    with said(tmp_path / "began") as began:
        assert execute("--detach").stdout == "r\n"
        began()
    words = ("r", "-f", "dag.yaml", "-c", "c.yaml")
    assert "cancelled: 1 job ended" in tools.magnus(Path(), "runs", "cancel", *words).stdout
    assert "To go on: magnus runs resume r" in tools.magnus(Path(), "runs", "show", *words).stdout
    assert "1 job submitted" in tools.magnus(Path(), "runs", "resume", *words).stdout
    assert ended(slurm) == 0


def ended(slurm: Cluster) -> int:
    """Wait until the run has ended, and return its exit status."""
    end = Path(".run_log_store/r/jobs/end.json")
    cluster.until(
        lambda: end.exists() or not slurm.jobs("PENDING,RUNNING,COMPLETING"), "the run does not end"
    )
    assert end.exists(), "no job goes on with the run"
    status: int = json.loads(end.read_text())["status"]
    return status


@pytest.fixture
def impatient(submitter: SlurmSubmitter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of its own, whose programs do not wait long for the controller; the submitter speaks to it."""
    found = Cluster(patience=2)
    monkeypatch.setenv("SLURM_CONF", found.environment["SLURM_CONF"])
    yield found
    found.close()


def test_the_scheduler_goes_away_for_a_while(submitter: SlurmSubmitter, impatient: Cluster) -> None:
    """Every call says so in bounded time. A job that was taken without a word is there nevertheless."""
    slurm = impatient
    id_ = submitter.submit(job("true"))
    calls: list[Callable[[], Any]] = [
        lambda: submitter.submit(job("true")),
        lambda: submitter.states([id_]),
        lambda: submitter.cancel([id_]),
        submitter.ready,
    ]
    slurm.stop("slurmctld")
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(call) for call in calls]:
            assert "contact" in str(future.exception()) and isinstance(future.exception(), PlatformError)
    slurm.start("slurmctld")
    slurm.wait(id_, "COMPLETED")
    slurm.pause("slurmctld")
    with pytest.raises(PlatformError, match="Socket timed out"):
        submitter.submit(job("touch late", attempt=7))
    slurm.go_on("slurmctld")
    late = [name for name in slurm.jobs() if slurm.shown(name)["JobId"].endswith("a.0.b-7")]
    assert len(late) == 1
    slurm.wait(late[0], "COMPLETED")


def test_a_run_whose_scheduler_goes_away_ends_all_the_same(
    submitter: SlurmSubmitter, impatient: Cluster, tmp_path: Path
) -> None:
    """A job that cannot submit what follows ends with 75. Its guard goes on when the scheduler is back."""
    os.mkfifo(tmp_path / "on")
    command = f"echo >'{tmp_path}/began'; cat '{tmp_path}/on'"
    step = {"type": "task", "command_type": "shell", "command": command, "next": "b"}
    after = "    b: {type: task, command_type: shell, command: 'true', next: ok}\n"
    project(Path(), f"    a: {json.dumps(step)}\n{after}", {})
    with said(tmp_path / "began") as began:
        assert execute("--detach").returncode == 0
        began()
    impatient.stop("slurmctld")
    (tmp_path / "on").write_text("on")
    (log,) = Path(".magnus/workspaces/r/_slurm").glob("a-1.*.log")
    cluster.until(lambda: "sbatch does not take the job of step 'b'" in log.read_text(), "nothing was tried")
    impatient.start("slurmctld")
    assert ended(impatient) == 0


def test_the_computer_that_submits_goes_away(submitter: SlurmSubmitter, slurm: Cluster) -> None:
    step = "{type: task, command_type: shell, command: 'true', next: %s}"
    project(Path(), "".join(f"    {name}: {step % after}\n" for name, after in ("ab", "bc", ("c", "ok"))), {})
    walking = subprocess.Popen(
        [magnus(), "execute", "-f", "dag.yaml", "-c", "c.yaml", "--run-id", "r"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert walking.stderr and "run r" in walking.stderr.readline()
    walking.send_signal(signal.SIGKILL)
    walking.communicate()
    assert ended(slurm) == 0
