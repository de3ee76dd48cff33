"""The interface to a scheduler for a decentralised walk: it submits jobs, tells their states, and ends them.

There is one class for each scheduler. `executors/decentral.py` decides, for all of them, which job follows which.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

State = Literal["waiting", "running", "ended", "cancelled", "overtime"]
"""`ended`: also a job that the scheduler does not know any more. `cancelled`: a person ended it. `overtime`: the scheduler
ended it because its time was over, and would do so again."""


class Job:
    """One job to be submitted: it runs one attempt of one step, and then submits what follows."""

    def __init__(
        self,
        run_id: str,
        address: str,
        path: str,
        attempt: int,
        argv: list[str],
        environment: Mapping[str, str] = MappingProxyType({}),
        config: Mapping[str, Any] = MappingProxyType({}),
        delay: float = 0.0,
        after_loss: str = "",
    ) -> None:
        self.run_id = run_id
        self.address = address
        """Address of the step."""
        self.path = path
        """Dot path of the step."""
        self.attempt = attempt
        """The user's attempt, from 1."""
        self.argv = argv
        """The words behind `magnus`."""
        self.environment = environment
        """Variables that the job must see, besides those that its system gives it."""
        self.config = config
        """The executor's configuration, with the keys that the step overrides."""
        self.delay = delay
        """Seconds before which it must not begin. Zero where the scheduler has no delayed start."""
        self.after_loss = after_loss
        """Id of the job for which this one is the guard: it runs only if that job fails, and records what was lost."""


class Submitter:
    """A scheduler. It keeps nothing between calls, because each job makes an object of its own."""

    delays: ClassVar[bool] = False
    """True if `submit` honours `delay`. Otherwise the job before sleeps for the pause."""
    guards: ClassVar[bool] = False
    """True if `submit` honours `after_loss`. Otherwise the scheduler itself runs a lost job again."""

    pauses: ClassVar[tuple[float, ...]] = (1.0, 5.0, 15.0, 60.0)
    """Pauses in seconds, after which a job tries again to reach its scheduler."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take `executor.config`, which has been checked."""
        self.config = config

    def ready(self) -> None:
        """Make sure that the scheduler can be reached; raise `errors.MagnusError` with the likely fix."""

    def refuses(self, job: Job) -> str:
        """Return why the scheduler would never take a job; '' if no reason is known without asking it.

        This is asked of every step before a run begins.
        """
        return ""

    def submit(self, job: Job) -> str:
        """Submit a job and return its id: letters, digits, `-` and `_`.

        Raises `errors.PlatformError` if the scheduler cannot be reached or has no room, `errors.Refused` if it will never
        take such a job.
        """
        raise NotImplementedError

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        """Return the states of jobs; raise `errors.PlatformError` if the scheduler cannot be asked."""
        raise NotImplementedError

    def cancel(self, ids: Iterable[str]) -> None:
        """End jobs that wait or run, by TERM before KILL. Jobs that have ended are left out, and no error is raised."""
        raise NotImplementedError

    def ending(self, job: str) -> str:
        """Return how a job has ended, in the scheduler's words, for people; '' if the scheduler knows nothing."""
        return ""

    def before(self, environment: Mapping[str, str]) -> str:
        """Return how the scheduler's earlier run of this same job ended: `crashed` or `platform`; '' in its first run.

        `crashed`: its own process was killed, for example because memory was short. That spends an attempt. `platform`: its
        host was lost, or it ended with 75. That spends none.
        """
        return ""
