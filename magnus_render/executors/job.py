"""`magnus run_job`: one job of a decentralised walk. It makes one call, and then submits the jobs that follow.

Every job starts this module, so it imports only what a walk needs, and nothing of the front end.
"""

from __future__ import annotations

import os
import sys

from magnus_render import registry
from magnus_render.errors import PLATFORM, SUCCESS, MagnusError, Refused, UsageError
from magnus_render.executors.job_records import JobRecords, Submission
from magnus_render.executors.job_walk import JobWalk
from magnus_render.executors.onward import PLATFORM_PAUSES
from magnus_render.plan import TASK
from magnus_render.runtime import earlier, outcome, workspace
from magnus_render.runtime.records import Run, attempts_of
from magnus_render.services import lookup
from magnus_render.texts import ended_by, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from magnus_render.executors.frames import Call, Kind
    from magnus_render.executors.submitter import Submitter

_OPTIONS = ("--attempt", "--repeat", "--after", "--guard")
USAGE = """usage: magnus run_job RUN_ID STEP [OPTION...]

  --attempt N    the user's attempt, from 1
  --repeat N     how often the platform has failed this attempt
  --after STEP   the step that handed over to this one
  --text         the step is an as-is: its text is run, and how that ended is recorded
  --guard ID     the job of that id has failed: record what was lost, and go on

Exit status: 0 it has gone on, whatever the step came to; 64 usage; 65 refused; 75 the platform failed (run it again)."""


class JobLine:
    """The parsed command line of a job. Raises `UsageError`."""

    def __init__(self, argv: list[str]) -> None:
        values: dict[str, str] = {}
        words: list[str] = []
        self.text = False
        rest = iter(argv)
        for word in rest:
            if word == "--text":
                self.text = True
            elif word in _OPTIONS:
                values[word] = next(rest, "")
            elif word.startswith("-"):
                raise UsageError(f"run_job: there is no option '{word}': see --help")
            else:
                words.append(word)
        if len(words) != 2:
            raise UsageError(f"run_job takes RUN_ID and STEP, not {len(words)} words: see --help")
        self.run_id, self.address = words
        self.attempt = _number(values, "--attempt", 1)
        self.repeat = _number(values, "--repeat", 0)
        self.after = values.get("--after", "")
        self.guarded = values.get("--guard", "")
        """The id of the job that this one stands guard for, or ''."""


def _number(values: dict[str, str], name: str, usual: int) -> int:
    text = values.get(name, str(usual))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"run_job: {name} takes a whole number, not '{text}'")
    return int(text)


def main(argv: list[str]) -> int:
    """Run one job and return its exit status; errors go to standard error. `argv` begins with the command."""
    if "--help" in argv or "-h" in argv:
        print(USAGE)
        return SUCCESS
    try:
        return _run(JobLine(argv[1:]))
    except (MagnusError, OSError) as error:
        return ended_by(error)
    finally:
        if (s3 := sys.modules.get("magnus_render.services.s3_client")) is not None:
            s3.client().close()


def _run(line: JobLine) -> int:
    services = lookup.services_of_environment()
    if services is None:
        raise UsageError("run_job: the environment variable MAGNUS_CONFIG is not set")
    store = lookup.load("run_log_store", services["run_log_store"])
    run = Run.open(store, line.run_id)
    if run is None:
        place = services["run_log_store"]["config"].get("path", "")
        where = f" at {os.path.abspath(place)}" if place else ""
        raise Refused(
            f"run '{line.run_id}' is not in the run log store{where}, as host {os.uname().nodename} sees it: "
            "the run log must lie where every host of the jobs reaches it by that same path"
        )
    records = JobRecords(run)
    told = records.walk()
    if told is None:
        raise Refused(f"run '{line.run_id}' is not walked from job to job")
    name, config = told["executor"], told["config"]
    submitter = submitter_of(name, config)
    by = Submission(line.address, line.attempt, line.repeat).by
    walk = JobWalk(records, services, name, config, submitter, os.environ.get(workspace.MODE, ""), by)
    kind: Kind = "text" if line.text else "step"
    call = walk.call(kind, line.address, line.attempt, line.repeat, line.after)
    if line.guarded:
        _stand_in(walk, call, line.guarded)
        return walk.broken
    before = submitter.before(os.environ)
    walk.alone = bool(before)
    found = left(walk, call) if before else ""
    if found == "recorded":
        walk.repeat(call)
    elif found == "open" and before == "crashed":
        walk.crashed(call)
    else:
        walk.work(call)
    return walk.broken


def submitter_of(name: str, config: dict[str, Any]) -> Submitter:
    """Return the scheduler of an executor; raise `Refused` if there is no such decentralised executor."""
    found = registry.find("executor", name)
    if found is None or not hasattr(found, "submitter"):
        raise Refused(f"executor '{name}' submits no jobs here")
    submitter: Submitter = found.submitter(config)
    return submitter


def _stand_in(walk: JobWalk, call: Call, job: str) -> None:
    """Do the work that a failed job has not done.

    - If it left an outcome, go on from that.
    - If its process was killed, or exceeded its time, go on from a crash, which spends an attempt.
    - If the platform failed it, submit it again, with a pause, as often as other walks try again.
    - If somebody has cancelled it, do nothing.
    """
    if walk.is_stopped(call):
        return
    found = left(walk, call)
    state = "" if found == "recorded" else walk.patiently(lambda: walk.submitter.states([job])).get(job)
    if state == "cancelled":
        say(f"{call.path}: its job {job} was cancelled: the run stands still here, until it is resumed")
        walk.broken = PLATFORM
    elif found == "recorded":
        walk.repeat(call)
    elif found == "open" or state == "overtime":
        walk.crashed(call)
    elif call.repeats < len(PLATFORM_PAUSES):
        walk.again(call, PLATFORM_PAUSES[call.repeats])
    else:
        say(f"{call.path}: the platform has failed {call.repeats + 1} times: the run stands still here")
        walk.broken = PLATFORM


def left(walk: JobWalk, call: Call) -> str:
    """Return the state of a call whose process has ended, by the records.

    `recorded`: its end is on record, and to call it again runs nothing. `open`: it has begun, and its end is not on record.
    `nothing`: it did not begin, or the platform ended it.
    """
    run, address = walk.run, call.address
    if outcome.of(run, address) is not None:
        return "recorded"
    if call.node["type"] != TASK:
        began = walk.records.text_began(Submission(address, call.attempt, call.repeats))
        return "open" if began else "nothing"
    if earlier.failed(run, address, call.attempt):
        return "recorded"
    names = run.names(address)
    ended = set(attempts_of(names, "end"))
    for number in attempts_of(names, "start"):
        if number not in ended and run.of(address, f"{number}.start")["try_"] == call.attempt:
            return "open"
    return "nothing"
