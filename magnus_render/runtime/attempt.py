"""One attempt of one step: what it sees, its process, its record, and the hand-over."""

from __future__ import annotations

import time

from magnus_render import naming
from magnus_render.errors import FAILED, PLATFORM, SHORTAGES
from magnus_render.plan import TASK, failure_target
from magnus_render.runtime import earlier, merge, outcome, process, state
from magnus_render.runtime.cached import mock
from magnus_render.runtime.handover import answer, deadline, overdue, stopped
from magnus_render.runtime.records import attempts_of
from magnus_render.runtime.tasks.base import FinalFailure, TaskFailure, Unsaid
from magnus_render.runtime.work import Work
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import (
        AttemptEnd,
        AttemptStart,
        CatalogRecord,
        Node,
        Outcome,
        Services,
        Status,
    )
    from magnus_render.runtime.records import Run

_UP = "../"
_NO_WAY_UP = (
    "note: this step works in a folder of its own: '../' does not lead to the folder above the project. "
    "Use the catalog, or an absolute path"
)


class Options:
    """What the caller of a step says besides its address."""

    __slots__ = ("after", "again", "attempt", "exit_status", "fan_out", "resume", "told", "workspaces")

    def __init__(
        self,
        *,
        attempt: int | None = None,
        again: int = FAILED,
        after: str = "",
        exit_status: int | None = None,
        fan_out: str = "",
        resume: bool = False,
        workspaces: str = "",
    ) -> None:
        self.told = attempt is not None
        self.attempt = attempt or 1
        """The user's attempt, from 1, as the engine counts: it may have counted what never came to an attempt."""
        self.again = again
        """Exit status of a failure that is not the last of the user's attempts."""
        self.after = after
        self.exit_status = exit_status
        self.fan_out = fan_out
        """Where to write the item count if the step hands over to a map, or ''."""
        self.resume = resume
        self.workspaces = workspaces
        """`branch`, `step` or '': see `workspace`."""


def execute(run: Run, services: Services, address: str, node: Node, options: Options) -> int:
    """Run one attempt of a task (or record how an as-is ended); return the exit status of the callback."""
    done = outcome.of(run, address)
    if done is not None:
        return answer(run, address, node, done, options.fan_out)
    if options.resume and earlier.failed(run, address, options.attempt):
        return options.again
    if options.attempt > 1:
        options.attempt = min(options.attempt, 1 + earlier.spent(run, address))
        if node["type"] == TASK and options.attempt > node["retry"]["attempts"]:
            # The engine tries again what broke off; the last of the user's attempts had been begun by then.
            say(f"{naming.shown(node['path'], address)}: no attempt is left")
            settled = outcome.settle(run, address, node)
            assert settled is not None, "attempts that are spent have begun"
            return answer(run, address, node, settled, options.fan_out)
    recorded = options.exit_status is not None  # of what has run already
    why = overdue(run) if recorded else stopped(run, address, node)
    if why:
        say(f"{naming.shown(node['path'], address)}: not started: {why}")
        return FAILED
    with process.Signals() as signals:
        sees = state.seen_by(run, address, options.after)
        if not recorded and (done := spared(run, address, node, sees)) is not None:
            return answer(run, address, node, done, options.fan_out)
        return _Attempt(run, services, address, node, options, sees, signals).run()


def spared(run: Run, address: str, node: Node, sees: str) -> Outcome | None:
    """Return the outcome of a task that need not run: it is skipped, or its success is taken over from an earlier run."""
    if "when" in node:
        from magnus_render.runtime import skipping

        skipping.decide(run, address, sees)
        if (done := outcome.of(run, address)) is not None:
            return done
    return mock(run, address, node, sees)


class _Attempt:
    def __init__(
        self,
        run: Run,
        services: Services,
        address: str,
        node: Node,
        options: Options,
        sees: str,
        signals: process.Signals,
    ) -> None:
        self.run_ = run
        self.address = address
        self.node = node
        self.options = options
        self.sees = sees
        self.deadline = deadline(run)
        self.work = Work(
            run,
            services,
            address,
            node,
            run.state(sees),
            attempt=options.attempt,
            mode=options.workspaces,
            deadline=self.deadline,
            signals=signals,
        )

    def run(self) -> int:
        status = self._begin()
        if status is not None:
            return status
        try:
            if "when" in self.node:
                from magnus_render.runtime import skipping

                skipping.check(self.run_, self.address, self.node, self.sees)
            if self.options.exit_status is None:
                self.work.do(self.number)
            elif self.options.exit_status:
                raise TaskFailure(f"exited with status {self.options.exit_status}")
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            self.work.platform = True
            return self._failed(f"the step cannot be started: {error.strerror}")
        except TaskFailure as failure:
            self.work.platform = self.work.platform or isinstance(failure, Unsaid)
            self.work.final = self.work.final or isinstance(failure, FinalFailure)
            message, secrets = str(failure), self.work.secrets
            return self._failed(secrets.hide(message) if secrets else message)
        return self._succeeded()

    def _begin(self) -> int | None:
        """Record that an attempt begins, and its number; return the exit status of one that was delivered before."""
        timeout = self.node.get("timeout")
        now = time.time()
        ends = [end for end in (self.deadline, now + timeout if timeout else None) if end is not None]
        start: AttemptStart = {
            "attempt": 1,
            "try_": self.options.attempt,
            "time": now,
            "sees": self.sees,
            "after": self.options.after,
            "deadline": min(ends) if ends else None,
        }
        folder = naming.key(self.address)
        while not self.run_.create(f"{folder}/{start['attempt']}.start.json", start):
            if done := outcome.of(self.run_, self.address):
                return self._answer(done)
            if self.options.told and self._failed_before():
                return self.options.again
            names = self.run_.names(self.address)
            start["attempt"] = max(attempts_of(names, "start"), default=0) + 1
        self.number = start["attempt"]
        return None

    # ---- the record ----

    def _end(self, status: Status, message: str) -> AttemptEnd:
        return {
            "attempt": self.number,
            "try_": self.options.attempt,
            "status": status,
            "time": time.time(),
            "message": message,
            "set": {"values": {}, "large": {}},
            "catalog": _in_order(self.work.catalogued),
            "metrics": self.work.metrics,
            "sees": self.sees,
            "platform": self.work.platform,
        }

    def _succeeded(self) -> int:
        run = self.run_
        packed = run.pack(self.work.set)
        files = merge.files_put(self.work.catalogued)
        # An as-is sets nothing, so what follows it is as mocked as what came before.
        mocked = self.work.state["mocked"] and self.options.exit_status is not None
        after = run.save({**merge.added(self.work.state, packed, files), "mocked": mocked})
        end = self._end("SUCCESS", "\n".join(self.work.warnings))
        if self._failed_before():
            return self._overtaken(end)
        mine = outcome.made_of({**end, "set": packed}, self.node["next"]["slug"], after)
        there = outcome.decide(run, self.address, mine)
        if there is not mine:
            return self._too_late(end, there)
        for warning in self.work.warnings:
            say(f"{naming.shown(self.node['path'], self.address)}: warning: {warning}")
        return self._answer(mine)

    def _failed(self, message: str) -> int:
        run, node = self.run_, self.node
        end = self._end("CRASHED" if self.work.platform else "FAIL", message)
        there = outcome.of(run, self.address)
        if there is not None:
            return self._too_late(end, there)
        if not self.work.platform and self._failed_before():
            return self._overtaken(end)
        retry = node.get("retry")
        last = (
            self.work.final
            or bool(overdue(run))
            or retry is None
            or self.options.attempt >= retry["attempts"]
        )
        end["set"] = run.pack(self.work.set)
        if last and not self.work.platform:
            mine = outcome.made_of(end, failure_target(node), run.unmocked(self.sees))
            there = outcome.decide(run, self.address, mine)
            if there is not mine:
                return self._too_late(end, there)
            self._say_why(message)
            return self._answer(mine)
        self._record(end)
        self._say_why(message)
        if self.work.platform:
            return PLATFORM
        return self.options.again

    def _failed_before(self) -> bool:
        """Tell whether the user's attempt has failed by another delivery of it, and another attempt is left."""
        return earlier.failed(self.run_, self.address, self.options.attempt)

    def _overtaken(self, end: AttemptEnd) -> int:
        """Record an end that counts for nothing, for another delivery of the user's attempt was quicker to fail."""
        self._count_for_nothing(end, "another delivery of this attempt failed before")
        return self.options.again

    def _too_late(self, end: AttemptEnd, there: Outcome) -> int:
        """Record an end that counts for nothing, and answer by the outcome that somebody recorded before."""
        if there["attempt"] == self.number:  # settled, as somebody went on from its failure
            ended = "it succeeded, but the walk had gone on from its failure"
            message = ended if end["status"] == "SUCCESS" else end["message"]
            self._record({**end, "status": "CRASHED", "message": message})
            self._say(message)
        else:
            how = "succeeded" if there["status"] == "SUCCESS" else "failed"
            # Of the user's attempts it was one, if a later one of them has been made since.
            spent = there["try_"] > self.options.attempt
            self._count_for_nothing(end, f"another attempt {how} before", platform=not spent)
        return self._answer(there)

    def _count_for_nothing(self, end: AttemptEnd, message: str, platform: bool = True) -> None:
        """Record the end of an attempt that the platform had taken for lost, and made another."""
        self._record({**end, "status": "CRASHED", "platform": platform, "message": message})

    def _record(self, end: AttemptEnd) -> None:
        self.run_.create(f"{naming.key(self.address)}/{self.number}.end.json", end)

    def _answer(self, there: Outcome) -> int:
        return answer(self.run_, self.address, self.node, there, self.options.fan_out)

    def _say(self, message: str) -> None:
        say(f"{naming.shown(self.node['path'], self.address)}: {message}")

    def _say_why(self, message: str) -> None:
        """Say why the attempt failed, and what may be behind it. No record has the latter, for engines differ in it."""
        self._say(message)
        if self.work.apart and any(_UP in text for text in (message, self.node["command"])):
            self._say(_NO_WAY_UP)


def _in_order(catalogued: list[CatalogRecord]) -> list[CatalogRecord]:
    """Return gets, then puts, each sorted by name, the last of several of one name."""
    unique = {(c["stage"], c["path"]): c for c in catalogued}
    return [unique[key] for key in sorted(unique)]
