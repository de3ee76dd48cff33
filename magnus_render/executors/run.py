"""One run that magnus walks: this process has it created, walks its graph, and prints how it ended.

A `Place` knows where a callback runs. In every case this process waits for a child process.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from magnus_render import errors
from magnus_render.executors import summary, texts
from magnus_render.executors.console import DETAIL, MOST_MAPS, REMARK, Console, Items, Progress, console
from magnus_render.executors.frames import DECIDING, Call
from magnus_render.executors.pool import Child, Pool
from magnus_render.executors.terminal import duration
from magnus_render.executors.usual import usual
from magnus_render.executors.walk import Walk
from magnus_render.plan import FAIL_NODE
from magnus_render.runtime import lease, outcome, workspace
from magnus_render.runtime.records import Run
from magnus_render.services import lookup
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.executors.base import Order
    from magnus_render.executors.place import Place
    from magnus_render.plan import Config, Json

TEXT_GRACE = 10.0
"""Seconds between TERM and KILL for the text of an `as-is` node."""
_HURRY = 2.0
"""Seconds that children have to end after a second signal."""
_NICE = 10
"""The niceness of a child that does no work of the run."""


def walked(engine: str, order: Order, config: Config, place: Place, scratch: str, max_workers: int) -> int:
    """Walk a run and return the exit status of the process.

    `engine` is the executor's name; `config` leads this process to the stores; `scratch` is a folder for the time of the
    walk; at most `max_workers` callbacks run at a time.
    """
    shown = console(f"{order.plan['name']} {order.run_id}", form=order.form)
    try:
        return _Run(engine, order, config, place, scratch, max_workers, shown).run()
    finally:
        shown.end()


class _Run:
    """One run, walked."""

    def __init__(
        self,
        engine: str,
        order: Order,
        config: Config,
        place: Place,
        scratch: str,
        max_workers: int,
        shown: Console,
    ) -> None:
        self.engine = engine
        self.order = order
        self.place = place
        self.scratch = scratch
        self.max_workers = max_workers
        self.shown = shown
        self.store = lookup.load("run_log_store", config["run_log_store"])
        self.began = time.monotonic()
        self.walk_id = f"{engine}-{os.urandom(8).hex()}"
        self.walk: Walk
        self.run_: Run
        self.pool = Pool(self._output, shown.outlets.values())
        self.signals: list[int] = []
        """Signals that told this process to stop."""
        self.said = ""
        """The last line of standard error of the call that broke the walk off."""
        self.taken = 0
        """How many steps were taken over from the run that --use-cached names."""
        self.looking: Child | None = None
        """The child that finds out how long earlier runs took."""
        self.usual: float | None = None
        """Seconds that earlier runs took."""
        self.counts: dict[Call, str] = {}
        """Files to which running steps write a decision for their successor, such as the item count of a map."""

    def run(self) -> int:
        self.place.ready()
        self.shown.say(f"run {self.order.run_id}")
        self.shown.tell("run_started", run_id=self.order.run_id, pipeline=self.order.plan["name"])
        with self.pool:
            status = self._start_run()
            if status == 0:
                self._walk()
                assert self.walk.status is not None
                status = self.walk.status
                if self.walk.cancelled:
                    status = 128 + self.signals[0]
            elif self.signals:
                status = 128 + self.signals[0]
        lease.release(os.getcwd(), self.order.run_id)
        self._tell(status)
        return status

    # ---- the walk ----

    def _start_run(self) -> int:
        """Create the run, in a child; return the exit status."""
        argv = ["start_run", self.order.run_id, *self._common()]
        argv += ["--target", self.engine, "--tag", self.order.tag, "--use-cached", self.order.use_cached]
        if self.order.parameters:
            path = os.path.join(self.scratch, "parameters.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self.order.parameters, file)
            argv += ["--parameters-file", path]
        for text in self.order.param:
            argv += ["--param", text]
        child = self.pool.start(self.place.work(None, argv, {workspace.MODE: self.place.mode(None)}), None)
        while child.status is None:
            self.pool.wait(None)
            self._stop_children()
        return child.status if child.status >= 0 else errors.PLATFORM

    def _walk(self) -> None:
        run = Run.open(self.store, self.order.run_id)
        assert run is not None
        self.run_ = run
        deadline = None
        if run.record["max_time"] is not None:
            deadline = time.monotonic() + run.record["created"] + run.record["max_time"] - time.time()
        self.walk = walk = Walk(self.order.plan, self.engine, deadline)
        if self.signals:
            walk.cancel()
        at_work: dict[Call, Child] = {}
        if self.shown.live and not (self.order.resume or self.order.use_cached):
            self._look_back()
        while walk.status is None:
            now = time.monotonic()
            over = deadline is not None and now >= deadline
            while len(at_work) < self.max_workers and (call := walk.take(now)):
                if over and call.kind == "text":
                    walk.finish(call, errors.FAILED, now)  # max_time: nothing more starts
                elif (child := self._started(call)) is not None:
                    at_work[call] = child
                else:
                    walk.finish(call, errors.PLATFORM, now)
            for call in walk.stops():
                if not (
                    child := at_work[call]
                ).stopped:  # a second signal would take its step's time to end in good order
                    self._stop(child)
            if over:
                for call, child in at_work.items():
                    if call.kind == "text" and not child.stopped:
                        self._stop(child)
            if walk.status is not None:
                break
            for child in self.pool.wait(self._pause(walk, deadline)):
                if child is self.looking:
                    self.usual = _number(child.output)
                    continue
                call = child.key
                del at_work[call]
                self._ended(call, child)
            self._stop_children()
            if self.signals:
                walk.cancel()

    def _pause(self, walk: Walk, deadline: float | None) -> float | None:
        """Update the display; return for how many seconds there is nothing to do."""
        if self.pool.resized:
            self.pool.resized = False
            self.shown.resized()
        now = time.monotonic()
        running = [_Shown(child.key.path, child.began) for child in self._children()]
        at_work = (one for one in walk.maps if one.running)
        maps = [Items(one.path, one.count, one.ended, one.lost) for one in islice(at_work, MOST_MAPS)]
        counts = (walk.waiting(), walk.succeeded, len(walk.failures))
        pauses = [self.shown.refresh(Progress(running, *counts, maps, self.usual))]
        if (due := walk.due()) is not None and len(running) < self.max_workers:
            pauses.append(due - now)
        if deadline is not None and now < deadline:
            pauses.append(deadline - now)
        known = [pause for pause in pauses if pause is not None]
        return max(0.0, min(known)) if known else None

    def _look_back(self) -> None:
        """Let a child find out how long earlier runs took: no step waits for it, and a damaged record does no harm."""

        def work() -> int:
            os.nice(_NICE)
            print(usual(self.run_))
            return 0

        with suppress(OSError):
            self.looking = self.pool.start(work, None, capture=True)

    def _children(self) -> list[Child]:
        """Return the children that do the work of the run."""
        return [child for child in self.pool.children.values() if child is not self.looking]

    def _started(self, call: Call) -> Child | None:
        """Start a call; None if the system has no room for a process now, which counts as a failure of the platform."""
        try:
            return self._begin(call)
        except OSError as error:
            self.said = f"cannot be started: {error.strerror or error}"
            self.shown.say(f"{safe(call.path)}: {self.said}", "failed")
            return None

    def _begin(self, call: Call) -> Child:
        if call.kind == "step" and call.node["type"] != FAIL_NODE:
            self.shown.tell("step_started", step=call.path, address=call.address, attempt=call.attempt)
        if call.kind == "text":
            return self.pool.start(self._shell(call), call)
        environment, fan_out = {}, ""
        if call.kind in ("step", "record"):
            if call.fan_out:
                here, there = self.place.folder(call)
                name = f"count-{os.urandom(8).hex()}"
                self.counts[call] = os.path.join(here, name)
                fan_out = os.path.join(there, name)
            environment[workspace.MODE] = self.place.mode(call.node)
        argv = call.argv(self.order.run_id, self._common(), fan_out)
        work = self.place.work(call, argv, environment)
        return self.pool.start(work, call, capture=call.kind in DECIDING)

    def _common(self) -> list[str]:
        common = ["--walk", self.walk_id, "--dag-hash", self.order.plan["dag_hash"]]
        return [*common, "--resume"] if self.order.resume else common

    def _shell(self, call: Call) -> Callable[[], int]:
        return lambda: texts.execute(call.text, self.order.run_id, self.scratch)

    def _ended(self, call: Call, child: Child) -> None:
        now = time.monotonic()
        decided = child.output.decode("ascii", "replace").strip()
        if call in self.counts:
            decided = _taken(self.counts.pop(call))
        status = self.place.ended(call, child)
        kind, attempt, skipped = call.kind, call.attempt, len(self.walk.skipped)
        self.walk.finish(call, status, now, decided)
        if self.walk.broken is call:
            self.said = child.said
        if child.stopped or call.node["type"] == FAIL_NODE or kind == "text":
            return
        where, took = safe(call.path), duration(now - child.began)
        told: dict[str, Json] = {"attempt": attempt, "seconds": round(now - child.began, 3)}
        if status == 0:
            if kind in ("step", "record"):
                if original := self._taken_over(call):
                    self.taken += 1
                    self.shown.say(f"{where}: taken over from run {original}")
                    self._tell_step(call, "taken over", run=original)
                else:
                    self.shown.say(f"{where}: success after {took}", "success")
                    self._tell_step(call, "success", **told)
        elif self.walk.broken is not call and (kind != "confirm" or status != errors.FAILED):
            again, pause = "", None
            if call.attempt > attempt or (status == errors.PLATFORM and call.repeats):
                pause = max(0.0, call.due - now)
                again = f", again in {duration(pause)}" if pause else ", again"
            tried = f" attempt {attempt}" if kind == "step" and call.node["retry"]["attempts"] > 1 else ""
            how = self.place.how(call, status)
            self.shown.say(f"{where}{self._item(call)}:{tried} failed after {took} ({how}){again}", "failed")
            self._tell_step(call, "failed", **told, how=how, again_in=pause and round(pause, 3))
        for path in self.walk.skipped[skipped:]:
            self.shown.say(f"{safe(path)}: skipped")
            self.shown.tell("step_ended", step=path, status="skipped")

    def _item(self, call: Call) -> str:
        """Return the items of maps that a failed call was for; '' if they may hold a secret, or cannot be read.

        The lines at the end of the run have them again, with secrets masked.
        """
        with suppress(errors.MagnusError):
            return "" if call.node.get("secrets") else summary.of_item(self.run_, call.address)
        return ""

    def _tell_step(self, call: Call, status: str, **details: Json) -> None:
        """Tell a program how an attempt of a step ended."""
        self.shown.tell("step_ended", step=call.path, address=call.address, status=status, **details)

    def _taken_over(self, call: Call) -> str:
        """Return the run that a step's success was taken over from; '' if the step was run."""
        original = self.run_.record["original_run_id"]
        done = outcome.of(self.run_, call.address) if original else None
        return original if done is not None and done["mock"] else ""

    # ---- signals, output, the end ----

    def _stop_children(self) -> None:
        """Pass signals on: the first ends the children in good order, a second one makes them hurry."""
        while self.pool.signals:
            number = self.pool.signals.pop(0)
            self.signals.append(number)
            if len(self.signals) == 1:
                self.shown.say(f"run {self.order.run_id}: stopping ({signal.Signals(number).name})")
            for child in self._children():
                self._stop(child, hurry=len(self.signals) > 1)

    def _stop(self, child: Child, hurry: bool = False) -> None:
        text = child.key is not None and child.key.kind == "text"
        if hurry and text:
            child.stop(0.0)
        elif hurry:
            # At its second signal a callback kills its step at once, and records that. The second one is of another kind,
            # because the system may merge two pending signals of one kind.
            child.stop(_HURRY, signal.SIGINT)
        elif text:
            child.stop(TEXT_GRACE)
        elif child.key is not None and not self.place.listens(child.key):
            child.stop(0.0)
        else:
            child.stop()

    def _output(self, child: Child, stream: int, line: bytes) -> None:
        if child is self.looking:
            return
        if child.key is None:
            self.shown.say(line.decode("utf-8", "backslashreplace").removeprefix("magnus: "), REMARK)
        else:
            self.shown.output(child.key.path, stream, line)

    def _tell(self, status: int) -> None:
        """Print how the run ended, and clean up after a success."""
        self.shown.close()
        walk = getattr(self, "walk", None)
        counts = (0, 0, 0, 0)
        if walk:
            counts = (walk.succeeded, len(walk.failures), self.taken, len(walk.skipped))
        seconds = time.monotonic() - self.began
        line, word = summary.outcome(self.order, status, seconds, counts)
        self.shown.say(line, word)
        if walk is not None and status != 0:
            for text in summary.failures(self.store, self.order, walk.failures):
                self.shown.say(f"{DETAIL}{text}")
            if walk.broken is not None:
                said = safe(self.said.removeprefix("magnus: "))
                self.shown.say(f"{DETAIL}{safe(walk.broken.path)}: {said}")
            if again := summary.going_on(self.order, status):
                self.shown.say(f"{DETAIL}{again}")
        named = dict(zip(("done", "failed", "taken_over", "skipped"), counts, strict=True))
        run_id = self.order.run_id
        self.shown.tell("run_ended", run_id=run_id, exit_status=status, seconds=round(seconds, 3), **named)
        self.shown.close()
        if status == 0:
            workspace.remove(self.order.run_id)


class _Shown:
    """A step at work, for the display."""

    __slots__ = ("began", "path")

    def __init__(self, path: str, began: float) -> None:
        self.path = path
        self.began = began


def _number(output: bytes) -> float | None:
    """Return the number that a child printed; None if it printed none."""
    try:
        return float(output)
    except ValueError:
        return None


def _taken(path: str) -> str:
    """Read a small file and delete it; '' if there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read().strip()
        os.unlink(path)
    except FileNotFoundError:
        return ""
    return text
