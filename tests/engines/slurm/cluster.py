"""A cluster: munged, slurmctld and several slurmd, in a temporary folder, with ports of their own.

A supervisor process runs the daemons. It ends them, their jobs and itself when its standard input ends, so nothing outlives
a test process, however that dies. There is no slurmdbd, as on many a small cluster. Nodes claim more processors than this
machine has: what waits for a processor here waits for the machine, not for Slurm.

    python -m tests.engines.slurm.cluster SECONDS     the supervisor: commands by lines on stdin, a line of answer to each
"""

from __future__ import annotations

import ctypes
import functools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests import tools
from tests.conformance.warm import ROOT

DAEMONS = ("munged", "slurmctld", "slurmd")
PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
NODES = ("n1", "n2", "n3", "n4")
START_LIMIT = 30.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None)
_SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
# The main scheduler and backfill each look once in a second, at other times of it, and where a job has ended.
_CONFIGURATION = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
DefMemPerCPU=100
MaxJobCount=20000
MinJobAge=300
KillWait=2
MessageTimeout={patience}
ReturnToService=2
"""


def missing() -> str | None:
    """Return why there can be no cluster here, if so."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a cluster of Slurm needs root on Linux"
    absent = [name for name in (*DAEMONS, *PROGRAMS) if shutil.which(name, path=_SBIN) is None]
    return f"{', '.join(absent)} not installed" if absent else None


def require() -> None:
    """Skip the test if there can be no cluster here; with CI=true, fail it."""
    if (reason := missing()) is not None:
        tools.unavailable(reason)


class ClusterError(Exception):
    """The cluster could not be started; the text says why, with the end of its logs."""


class Cluster:
    """A running cluster, until it is closed or this process ends."""

    def __init__(self, patience: int = 10) -> None:
        """`patience`: seconds that programs wait for an answer of the controller."""
        if (reason := missing()) is not None:
            raise ClusterError(reason)
        with tempfile.TemporaryFile() as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", __name__, str(patience)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            assert self._supervisor.stdout
            told = self._supervisor.stdout.readline().strip()
            if not told:
                self._supervisor.wait()
                log.seek(0)
                raise ClusterError(log.read().decode(errors="replace"))
        self.folder = Path(told)
        """Logs: slurmctld.log, slurmd-NODE.log."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead Slurm's programs to this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *argv: str) -> str:
        """Run a program of Slurm and return what it prints."""
        done = subprocess.run(
            argv, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60
        )
        if done.returncode != 0:
            raise ClusterError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def jobs(self, states: str = "all") -> dict[str, str]:
        """Return the states of all jobs that the controller remembers, by id."""
        lines = self.call(
            "squeue", "--noheader", "--all", f"--states={states}", "--format=%i %T"
        ).splitlines()
        return dict(line.split() for line in lines)

    def shown(self, job: str) -> dict[str, str]:
        """Return what the controller knows of a job, by the names that scontrol gives it."""
        lines = self.call("scontrol", "show", "job", job).splitlines()
        return dict(line.strip().partition("=")[::2] for line in lines if "=" in line)

    def wait(self, job: str, *states: str) -> None:
        """Wait until a job has one of some states."""
        until(lambda: self.jobs().get(job) in states, f"job {job} is not {' or '.join(states)}")

    def stop(self, daemon: str) -> None:
        """End `slurmctld`, or the daemon of a node."""
        self._ask(f"stop {daemon}")

    def start(self, daemon: str) -> None:
        """Start what `stop` has ended, and wait until it answers."""
        self._ask(f"start {daemon}")

    def pause(self, daemon: str) -> None:
        """Let a daemon take connections and answer none, until `go_on`."""
        self._ask(f"pause {daemon}")

    def go_on(self, daemon: str) -> None:
        """End a pause."""
        self._ask(f"go_on {daemon}")

    def _ask(self, command: str) -> None:
        assert self._supervisor.stdin and self._supervisor.stdout
        self._supervisor.stdin.write(command + "\n")
        self._supervisor.stdin.flush()
        answer = self._supervisor.stdout.readline().strip()
        if answer != "done":
            raise ClusterError(f"{command}: {answer or 'the supervisor has ended'}")

    def close(self) -> None:
        """End the jobs and the daemons, and remove the folder."""
        self._supervisor.communicate()


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until something is so; raise `ClusterError`, which says `otherwise`, if it takes too long."""
    end = time.monotonic() + START_LIMIT
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(otherwise)
        time.sleep(0.05)


@functools.cache
def shared() -> Cluster:
    """Return a cluster that lasts as long as this process."""
    return Cluster()


class Supervisor:
    """Starts the daemons, and ends them."""

    def __init__(self, patience: str) -> None:
        self._patience = patience
        self.folder = Path(tempfile.mkdtemp(prefix="magnus-slurm-"))
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def run(self) -> None:
        """Be the supervisor, until standard input ends."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(0))
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            self._begin()
            print(self.folder, flush=True)
            while True:
                # Processes of jobs become children of this one as their parents end, for nobody else may take them.
                if not select.select([0], [], [], 1.0)[0]:
                    self._reap()
                elif line := os.read(0, 4096).decode():
                    what, daemon = line.split()
                    getattr(self, what)(daemon)
                    print("done", flush=True)
                else:
                    return
        finally:
            self._end()

    def _begin(self) -> None:
        munge = self.folder / "munge"
        self.folder.chmod(0o755)
        munge.mkdir(mode=0o755)
        (self.folder / "state").mkdir()
        key = munge / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        ports = iter(_free_ports(1 + len(NODES)))
        host = socket.gethostname().partition(".")[0]
        lines = [
            _CONFIGURATION.format(host=host, port=next(ports), folder=self.folder, patience=self._patience)
        ]
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={next(ports)} CPUs=8 RealMemory=64000\n"
            for node in NODES
        ]
        lines.append("PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n")
        (self.folder / "slurm.conf").write_text("".join(lines))
        self._launch("munged")
        self._wait(lambda: (munge / "socket").exists())
        for daemon in ("slurmctld", *NODES):
            self._launch(daemon)
        self._wait(self._is_up)

    def stop(self, daemon: str) -> None:
        """End a daemon. The controller writes down first what it knows."""
        self._daemons[daemon].terminate()
        self._daemons[daemon].wait()

    def start(self, daemon: str) -> None:
        """Start a daemon again."""
        self._launch(daemon)
        self._wait(lambda: bool(self._call("sinfo", "--noheader")))

    def pause(self, daemon: str) -> None:
        """Stop a daemon without ending it."""
        self._daemons[daemon].send_signal(signal.SIGSTOP)

    def go_on(self, daemon: str) -> None:
        """End a pause."""
        self._daemons[daemon].send_signal(signal.SIGCONT)

    def _launch(self, name: str) -> None:
        munge = self.folder / "munge"
        argv = {
            "munged": [
                "munged",
                "--foreground",
                "--num-threads=2",
                f"--socket={munge}/socket",
                f"--key-file={munge}/key",
                f"--pid-file={munge}/pid",
                f"--log-file={munge}/log",
                f"--seed-file={munge}/seed",
            ],
            "slurmctld": ["slurmctld", "-D"],
        }.get(name, ["slurmd", "-D", "-N", name])
        with open(self.folder / f"{name}.out", "ab") as output:
            self._daemons[name] = subprocess.Popen(
                [str(shutil.which(argv[0], path=_SBIN)), *argv[1:]],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _environment(self) -> dict[str, str]:
        return {"PATH": _SBIN, "HOME": str(self.folder), "SLURM_CONF": str(self.folder / "slurm.conf")}

    def _call(self, *argv: str) -> str:
        done = subprocess.run(
            argv, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        return done.stdout if done.returncode == 0 else ""

    def _is_up(self) -> bool:
        states = self._call("sinfo", "--noheader", "--Node", "--format=%T").split()
        return len(states) == len(NODES) and not {"unknown", "down", "down*", "unknown*"} & set(states)

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            ClusterError: a daemon has ended, or it takes too long.
        """
        end = time.monotonic() + START_LIMIT
        while not ready():
            for name, process in self._daemons.items():
                if process.poll() is not None:
                    raise ClusterError(f"{name} has ended with {process.returncode}:\n{self._log(name)}")
            if time.monotonic() > end:
                raise ClusterError(f"not up in {START_LIMIT:.0f} seconds:\n{self._log('slurmctld')}")
            time.sleep(0.05)

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(errors="replace")[-3000:]

    def _end(self) -> None:
        if "slurmctld" in self._daemons and self._daemons["slurmctld"].poll() is None:
            self._daemons["slurmctld"].send_signal(signal.SIGCONT)
        for process in reversed(self._daemons.values()):
            process.kill()
            process.wait()
        self._daemons.clear()
        for pid in self._left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._reap(os.WEXITED)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _reap(self, options: int = os.WEXITED | os.WNOHANG) -> None:
        """Take the exit statuses of processes of jobs; without `WNOHANG`, wait for all of them."""
        daemons = {process.pid for process in self._daemons.values()}
        try:
            while (found := os.waitid(os.P_ALL, 0, options | os.WNOWAIT)) and found.si_pid not in daemons:
                os.waitpid(found.si_pid, 0)
        except ChildProcessError:
            pass

    def _left(self) -> list[int]:
        """Return processes of jobs, and Slurm's own beside them: those whose environment leads to this cluster."""
        mark = f"SLURM_CONF={self.folder}/".encode()
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and int(entry) != os.getpid():
                try:
                    if mark in Path("/proc", entry, "environ").read_bytes():
                        found.append(int(entry))
                except OSError:
                    continue
        return found


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _free_ports(count: int) -> list[int]:
    found = [socket.socket() for _ in range(count)]
    try:
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
    finally:
        for one in found:
            one.close()


def main() -> None:
    try:
        Supervisor(sys.argv[1]).run()
    except ClusterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
