"""Runs without processes: the walk and the callbacks of a mocked pipeline in this process, in a few milliseconds."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

from magnus_render import errors
from magnus_render.errors import MagnusError, PlatformError, Refused
from magnus_render.executors.frames import DECIDING
from magnus_render.executors.mocked import MockedExecutor, mocked_plan
from magnus_render.executors.pool import STOPPING
from magnus_render.executors.walk import Walk
from magnus_render.runtime import callback
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_run
from magnus_render.services import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.executors.frames import Call
    from magnus_render.plan import Json, Plan, Services
    from magnus_render.runtime.fold import Log

_LOGS = "run_log"


class Rehearsal:
    """Runs of one definition, one after the other."""

    def __init__(self, plan: Plan, folder: str) -> None:
        """`folder` is for the run logs; the caller deletes it."""
        self._plan = plan
        self._folder = folder
        self._services: Services = {
            "run_log_store": {"type": "file-system", "config": {"path": os.path.join(folder, _LOGS)}},
            "catalog": {"type": "do-nothing", "config": {}},
            "secrets": {"type": "do-nothing", "config": {}},
        }
        self._store = lookup.load("run_log_store", self._services["run_log_store"])
        self._runs = 0

    def run(self, steps: Mapping[str, Any], parameters: Mapping[str, Json]) -> Log:
        """Return the log of a run in which tasks have the results in `steps` (docs/executors/mocked.md).

        It reads and writes nothing in the working folder. Raises `Refused` if the run cannot be created, or ends in a way
        that no step can cause, and `PlatformError` if records cannot be written. Exceptions of signal handlers pass.
        """
        plan = mocked_plan(self._plan, steps)
        self._runs += 1
        run_id = f"case-{self._runs}"
        common = ["--walk", run_id, "--dag-hash", plan["dag_hash"]]
        given = os.path.join(self._folder, "parameters.json")
        with open(given, "w", encoding="utf-8") as file:
            json.dump(dict(parameters), file)
        start = ["start_run", run_id, *common, "--target", MockedExecutor.name]
        self._call([*start, "--parameters-file", given], plan)
        walk = Walk(plan, MockedExecutor.name)
        while walk.status is None:
            call = walk.take(math.inf)  # pauses are skipped
            assert call is not None, "a walk that is not over has a call that is due"
            status, decided = self._made(call, run_id, common)
            walk.finish(call, status, math.inf, decided)
        found, record, records = read_run(self._store, run_id)
        log = fold(found, record, records, record["created"])
        shutil.rmtree(os.path.join(self._folder, _LOGS, run_id))
        return log

    def _made(self, call: Call, run_id: str, common: list[str]) -> tuple[int, str]:
        """Make a call, and return its exit status and its decision, such as an item count or a branch."""
        told = os.path.join(self._folder, "decided")
        tells = call.fan_out or call.kind in DECIDING
        argv = call.argv(run_id, common, told if tells else "")
        status = self._call(argv, None)
        if not tells:
            return status, ""
        try:
            with open(told, encoding="ascii") as file:
                return status, file.read().strip()
        except FileNotFoundError:
            return status, ""
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(told)

    def _call(self, argv: list[str], plan: Plan | None) -> int:
        """Run a callback. If nothing more can be recorded, raise an error whose reason is the callback's output."""
        said = io.StringIO()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # a callback would keep them for its step
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                status = callback.main(argv, plan=plan, services=self._services)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        if status in (errors.USAGE, errors.REFUSED, errors.PLATFORM) or (plan is not None and status):
            last = said.getvalue().strip().rpartition("\n")[2].removeprefix("magnus: ")
            kind: type[MagnusError] = PlatformError if status == errors.PLATFORM else Refused
            raise kind(last)
        return status
