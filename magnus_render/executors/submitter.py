"""What a scheduler does for a decentralised walk: it takes jobs, tells how they stand, and ends them.

One class for each scheduler. Which job follows which is decided elsewhere (`executors/decentral.py`), for all of them alike.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

State = Literal["waiting", "running", "ended", "cancelled", "overtime"]
"""`ended` is also a job that the scheduler does not know any more; `cancelled` one that somebody had ended; `overtime` one
that the scheduler has ended as its time was over, which the next try would not change."""


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
        """Of the step: slugs joined by dots."""
        self.path = path
        """The same with the names that a person wrote."""
        self.attempt = attempt
        """The user's attempt, from 1."""
        self.argv = argv
        """The words behind `magnus`."""
        self.environment = environment
        """Variables that the job must see, besides those that its system gives it."""
        self.config = config
        """The executor's configuration, with what the step overrides."""
        self.delay = delay
        """Seconds before which it must not begin. Zero where the scheduler has no delayed start."""
        self.after_loss = after_loss
        """Id of the job behind which this one stands guard: it runs only if that one fails, and records what was lost."""


class Submitter:
    """A scheduler. Between calls it keeps nothing: each job makes one of its own."""

    delays: ClassVar[bool] = False
    """True if `submit` honours `delay`; without, a pause is slept in the job before."""
    guards: ClassVar[bool] = False
    """True if `submit` honours `after_loss`; without, the scheduler itself runs a job again that was lost."""

    pauses: ClassVar[tuple[float, ...]] = (1.0, 5.0, 15.0, 60.0)
    """Seconds before a job asks again that could not reach its scheduler."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take `executor.config`, which has been checked."""
        self.config = config

    def ready(self) -> None:
        """Make sure that the scheduler can be reached; raise `errors.MagnusError` with the likely fix."""

    def refuses(self, job: Job) -> str:
        """Return why the scheduler will never take a job, '' as far as that can be told without asking it.

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
        """Return how jobs stand; raise `errors.PlatformError` if the scheduler cannot be asked."""
        raise NotImplementedError

    def cancel(self, ids: Iterable[str]) -> None:
        """End jobs that wait or run; jobs that have ended are left out without a word. TERM comes before KILL."""
        raise NotImplementedError

    def ending(self, job: str) -> str:
        """Return what the scheduler tells of a job that has ended, for people; '' if it tells nothing."""
        return ""

    def before(self, environment: Mapping[str, str]) -> str:
        """Return how the run of this very job before this one ended: `crashed` or `platform`; '' if this is its first run.

        `crashed`: its own process was killed, as by the system for want of memory: that spends an attempt. `platform`: its
        host was lost, or it ended with 75: that spends none.
        """
        return ""
