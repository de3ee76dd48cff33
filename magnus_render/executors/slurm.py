"""Slurm as a scheduler, by its command line: `sbatch` submits jobs, `squeue` tells their states, `scancel` ends them.

Sources: sbatch(1), squeue(1), scancel(1) and slurm.conf(5) of Slurm 22.05. `sacct` is not used, because not every cluster
keeps accounts. How a step ended is in the records of the run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from magnus_render.errors import PLATFORM, PlatformError, Refused
from magnus_render.executors import configured
from magnus_render.executors.decentral import DecentralExecutor
from magnus_render.executors.slurm_integrations import INTEGRATIONS
from magnus_render.executors.submitter import Submitter
from magnus_render.runtime.workspace import ROOT
from magnus_render.texts import safe, scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from magnus_render.errors import MagnusError
    from magnus_render.executors.submitter import Job, State
    from magnus_render.plan import Plan

OPTIONS = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "time": "time",
    "cpus": "cpus-per-task",
    "memory": "mem",
    "gpus": "gpus",
    "gres": "gres",
    "nodelist": "nodelist",
    "constraint": "constraint",
}
"""Keys of the configuration -> options of sbatch."""
OUTPUT = "_slurm"
"""The folder of the files that Slurm itself writes, one for each job."""
PROGRAMS = ("sbatch", "squeue", "scancel")
PATIENCE = 90.0
"""Seconds that a program of Slurm may take. Each gives up by itself after some 10 s (`MessageTimeout`), but sbatch waits
longer if the controller has too many jobs at the moment."""
NAME_LENGTH = 64
AT_ONCE = 200
"""Jobs that one call of scancel ends."""
_WAITING = frozenset(("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"))
_RUNNING = frozenset(
    ("RUNNING", "CONFIGURING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED")
)
_NEVER = (
    "ambiguous",
    "denied",
    "Invalid",
    "Job violates",
    "not supported",
    "Pathname of a file",
    "permission",
    "Requested",
    "requires an argument",
    "unrecognized option",
)
"""Parts of error messages of sbatch that would come again at the next try. After any other message a retry may work."""
_NO_ROOM = "Submit"
"""A part of the names of limits that hold only until other jobs have ended, such as `QOSMaxSubmitJobPerUserLimit`."""
_CLUSTER = ("SLURM_CONF", "SLURM_JWT", "SLURM_CLUSTERS")
"""Variables that lead Slurm's programs to a cluster."""
_MISLEADING = ("SLURM_", "SBATCH_ARRAY_INX", "SBATCH_WAIT", "SQUEUE_", "SCANCEL_")
"""Prefixes of variables that hold for the present job, not for the next one, or that change a program's answer."""
_ALWAYS = ("HOME", "PATH", *_CLUSTER)


class SlurmSubmitter(Submitter):
    """Speaks to the cluster that the environment variables of this process name."""

    delays = True
    guards = True

    def ready(self) -> None:
        """Make sure that jobs can be submitted here, and that partition, account and the like exist."""
        for program in PROGRAMS:
            if shutil.which(program) is None:
                raise Refused(
                    f"slurm: {program} is not on the PATH: start the run where jobs are submitted, such as on the login "
                    "node of the cluster"
                )
        argv = ["sbatch", "--test-only", "--output=/dev/null", *_resources(self.config)]
        status, _, complaint = _called(argv, _environment({}), "#!/bin/bash\n")
        if status == 0:
            return
        if any(one in complaint for one in ("Invalid", "unrecognized", "ambiguous")):
            raise Refused(f"slurm: sbatch takes no job with this executor.config: {_why(complaint)}")
        # An "allocation failure" means that no node is up, or large enough, at the moment. A job may wait for one.
        asked = "allocation failure" in complaint
        if not asked or any(one in complaint for one in ("contact", "timed out")):
            raise PlatformError(f"slurm: the scheduler does not answer: {_why(complaint)}")

    def submit(self, job: Job) -> str:
        # Among the workspaces of the run, so that it is deleted with them. No step has a workspace of that name.
        folder = os.path.abspath(os.path.join(ROOT, "workspaces", job.run_id, OUTPUT))
        os.makedirs(folder, exist_ok=True)
        argv = [
            "sbatch",
            "--parsable",
            "--export=ALL",
            "--requeue",
            "--ntasks=1",
            f"--job-name={job_name(job)}",
            f"--comment=magnus run {job.run_id} step {safe(job.path)} attempt {job.attempt}",
            f"--output={folder.replace('%', '%%')}/{job_name(job)}.%j.log",
        ]
        if job.delay > 0:
            argv.append(f"--begin=now+{-int(-job.delay // 1)}")
        if job.after_loss:
            argv += [f"--dependency=afternotok:{job.after_loss}", "--kill-on-invalid-dep=yes"]
        argv += _resources(job.config)
        status, answer, complaint = _called(argv, _handed(job), script(job))
        if status != 0:
            raise _failure(job, complaint)
        return answer.split(";")[0].strip()

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        # Asked for a job that it does not know, squeue fails. So it is asked for all jobs of the user, also in one request.
        argv = [
            "squeue",
            "--noheader",
            "--all",
            "--states=all",
            f"--user={os.getuid()}",
            "--format=%i %T %r",
        ]
        status, answer, complaint = _called(argv, _environment({}))
        if status != 0:
            raise PlatformError(f"slurm: squeue does not tell how jobs stand: {_why(complaint)}")
        told = {line.split()[0]: line.split(None, 2)[1:] for line in answer.splitlines() if line.strip()}
        return {one: _state(told.get(one, [])) for one in ids}

    def cancel(self, ids: Iterable[str]) -> None:
        wanted = list(ids)
        for start in range(0, len(wanted), AT_ONCE):
            argv = ["scancel", "--quiet", *wanted[start : start + AT_ONCE]]
            status, _, complaint = _called(argv, _environment({}))
            if status != 0:
                raise PlatformError(f"slurm: scancel has not ended all jobs: {_why(complaint)}")

    def before(self, environment: Mapping[str, str]) -> str:
        """Return `platform` in a job that Slurm has started again: its node was lost, or a more important job took it."""
        return "platform" if environment.get("SLURM_RESTART_COUNT", "0") != "0" else ""


class SlurmExecutor(DecentralExecutor):
    """Runs each step as a job of Slurm."""

    name = "slurm"
    summary = "steps as jobs of Slurm, which go on by themselves"
    integrations = INTEGRATIONS
    submitter = SlurmSubmitter
    workspaces = "step"
    hands_secrets = True

    @classmethod
    def configuration(cls) -> Any:
        from magnus_render.executors.slurm_config import SlurmConfig

        return SlurmConfig

    @classmethod
    def problems(cls, config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        return configured.problems(cls, config, {})

    def __init__(self, config: Mapping[str, Any]) -> None:
        configured.check(type(self), config, {})
        self.given = dict(config)

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        from magnus_render.executors.slurm_config import PER_RUN

        yield from super().check(plan)
        yield from configured.node_problems(self.name, self.configuration(), self.given, plan, PER_RUN)


def job_name(job: Job) -> str:
    """Return the name of a job: the address of its step, or the end of a long one; squeue shows 8 characters of it."""
    ending = f"-{job.attempt}" + ("-guard" if job.after_loss else "")
    room = NAME_LENGTH - len(ending)
    address = job.address if len(job.address) <= room else f"...{job.address[3 - room:]}"
    return address + ending


def script(job: Job) -> str:
    """Return the batch script of a job. Its last line becomes magnus by `exec`, so that magnus gets the scheduler's signals.

    It checks the working folder itself: if the node has no such folder, Slurm would run the job in /tmp.
    """
    folder = os.getcwd()
    lines = [
        "#!/bin/bash",
        f'cd -- {word(folder)} || {{ echo "magnus: $(hostname) has no folder" {word(folder)} >&2; exit {PLATFORM}; }}',
        *job.config.get("setup", []),
        " ".join(["exec", *map(word, [*job.config.get("magnus_command", ["magnus"]), *job.argv])]),
        "",
    ]
    return "\n".join(lines)


def word(text: str) -> str:
    """Return a text as one word of bash. sbatch takes no script with a carriage return before the end of a line."""
    if "\r" not in text:
        return shlex.quote(text)
    return (
        "$'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\r", "\\r").replace("\n", "\\n") + "'"
    )


def _resources(config: Mapping[str, Any]) -> list[str]:
    """Return the options of sbatch that a configuration asks for."""
    named = [f"--{option}={config[key]}" for key, option in OPTIONS.items() if config.get(key) is not None]
    return [*named, *config.get("sbatch_options", [])]


def _handed(job: Job) -> dict[str, str]:
    """Return the environment of sbatch, which becomes that of the job: so no command line or script shows its values."""
    own = {name: scalar(value) for name, value in job.config.get("environment", {}).items()}
    given = {**own, **job.environment}
    for name, value in given.items():
        if "\0" in value:
            raise Refused(f"slurm: step '{job.path}': the variable '{name}' has a zero byte in its value")
    return _environment(given, job.config.get("inherit", ["*"]))


def _environment(given: Mapping[str, str], inherited: Iterable[str] = ("*",)) -> dict[str, str]:
    wanted = (*_ALWAYS, *inherited)
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name in _CLUSTER or not name.startswith(_MISLEADING))
        and any(fnmatchcase(name, pattern) for pattern in wanted)
    }
    return {**kept, **given}


def _called(argv: list[str], environment: Mapping[str, str], text: str = "") -> tuple[int, str, str]:
    """Run a program of Slurm; return its exit status, its answer and its complaint."""
    try:
        done = subprocess.run(
            argv,
            input=text,
            env=dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            start_new_session=True,  # Ctrl-C is for magnus alone
        )
    except subprocess.TimeoutExpired:
        raise PlatformError(f"slurm: {argv[0]} has not answered in {PATIENCE:.0f} s") from None
    except OSError as error:
        raise PlatformError(f"slurm: {argv[0]} cannot be started: {error.strerror}") from error
    return done.returncode, done.stdout, done.stderr


def _failure(job: Job, complaint: str) -> MagnusError:
    text = f"slurm: sbatch does not take the job of step '{job.path}': {_why(complaint)}"
    final = any(one in complaint for one in _NEVER) and _NO_ROOM not in complaint
    return Refused(text) if final else PlatformError(text)


def _why(complaint: str) -> str:
    """Return the error message of a program of Slurm, in one line."""
    lines = [line.split("error: ", 1)[-1].strip() for line in complaint.splitlines() if "--help" not in line]
    return "; ".join(filter(None, lines)) or "it has not said why"


def _state(told: list[str]) -> State:
    """Return the state of a job, given squeue's word for it and the reason."""
    state, reason = (*told, "", "")[:2]
    if state in _WAITING:
        return "waiting"
    if state in _RUNNING:
        return "running"
    if state == "TIMEOUT":
        return "overtime"
    # Slurm itself cancels a guard that is no longer needed.
    by_someone = state == "CANCELLED" and reason != "DependencyNeverSatisfied"
    return "cancelled" if by_someone else "ended"
