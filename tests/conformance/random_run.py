"""Runs random pipelines by the thousand.

    python -m tests.conformance.random_run --count 10000 --jobs 2    prints progress and, at the end, the figures
    python -m tests.conformance.random_run --count 200 --engines local,stepfunctions
    python -m tests.conformance.random_run --replay FOLDER           runs one again that was found

The examples come in chunks, each with a seed and a process of its own: the n-th chunk is the same in every run with the
same engines. (Hypothesis draws constants of the modules that its process has loaded, too.) A pipeline on which the
reference and the engines disagree is shrunk, printed, and kept as a case in `.hypothesis/conformance/`; moved to
`tests/conformance/pipelines/`, it is a test for ever.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.conformance import cases
from tests.conformance.checking import check, check_across
from tests.conformance.engines import EngineFailure
from tests.conformance.generate import Pipeline, pipelines

CHUNK = 50
FOUND = Path(".hypothesis/conformance")


class Found(AssertionError):
    """A pipeline on which the reference and the engines disagree."""


def run_chunk(number: int, count: int, shrink: bool = True) -> tuple[int, int]:
    """Check the first `count` pipelines of a chunk; return how many were run, and their attempts in all.

    Raises `Found` for the smallest pipeline found that goes wrong.
    """
    figures = [0, 0]
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(pipelines())
    def examine(pipeline: Pipeline) -> None:
        figures[0] += 1
        figures[1] += pipeline.attempts
        check_pipeline(pipeline, FOUND / f"chunk-{number}")

    examine()
    return figures[0], figures[1]


def run_apart(
    tasks: list[tuple[int, int]], jobs: int = 1, shrink: bool = True
) -> Iterator[tuple[int, int, int, str]]:
    """Run chunks, (number, examples), each in a process of its own.

    Yield for each, as it ends, its number, how many pipelines were run, their attempts, and what was found wrong.
    """
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_told, [(*task, shrink) for task in tasks], chunksize=1)


def _told(task: tuple[int, int, bool]) -> tuple[int, int, int, str]:
    number, count, shrink = task
    try:
        return (number, *run_chunk(number, count, shrink), "")
    except Found as found:
        return number, 0, 0, str(found)


def check_pipeline(pipeline: Pipeline, keep: Path) -> None:
    """Run a pipeline on all engines; write it to `keep` and raise `Found` if something is wrong."""
    with _folder() as folder:
        pipeline.write(folder / "case")
        try:
            case = cases.read(folder / "case")
            for run in case.runs:
                run.spec.plan = True
            check(case, folder)
            if len(case.runs) > 1:
                check_across(case, folder, pipeline.attempts)
        except (AssertionError, EngineFailure) as error:
            shutil.rmtree(keep, ignore_errors=True)
            pipeline.write(keep)
            raise Found(
                f"{error}\n\nThe pipeline:\n\n{pipeline.text()}\n"
                f"To run it again: python -m tests.conformance.random_run --replay {keep}"
            ) from None


class _folder:
    """A temporary folder, in memory if possible."""

    def __enter__(self) -> Path:
        memory = "/dev/shm"
        base = memory if os.access(memory, os.W_OK) and "TMPDIR" not in os.environ else None
        self.path = tempfile.mkdtemp(prefix="conformance-", dir=base)
        return Path(self.path)

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def chunks(count: int, first: int = 0, size: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Yield the chunks, (number, examples), that make up a count of examples."""
    for number, done in enumerate(range(0, count, size), first):
        yield number, min(size, count - done)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.random_run", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="pipelines to run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk")
    parser.add_argument(
        "--chunk", type=int, default=200, help="pipelines with one seed; larger ones come later in it"
    )
    parser.add_argument(
        "--engines", default="local,bash", help="which to run on; also: stepfunctions, processes"
    )
    parser.add_argument("--no-shrink", action="store_true", help="print what was found as it was found")
    parser.add_argument("--replay", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    os.environ.setdefault("MAGNUS_ENGINES", arguments.engines)
    if arguments.replay:
        with _folder() as folder:
            case = cases.read(arguments.replay)
            check(case, folder)
            check_across(case, folder) if len(case.runs) > 1 else None
        print("all engines left the predicted log")
        return 0
    began = time.monotonic()
    done = attempts = wrong = 0
    tasks = list(chunks(arguments.count, arguments.first, arguments.chunk))
    for number, ran, tried, found in run_apart(tasks, arguments.jobs, not arguments.no_shrink):
        done, attempts = done + ran, attempts + tried
        if found:
            wrong += 1
            print(f"chunk {number}:\n{found}\n", flush=True)
        seconds = time.monotonic() - began
        print(
            f"{done} pipelines, {attempts} attempts of steps on each engine, {wrong} chunks wrong, {seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    print(
        f"{done} random pipelines with {attempts} attempts on each engine in {time.monotonic() - began:.0f} s: "
        + (f"{wrong} chunks found a difference" if wrong else "all logs as predicted, equal on all engines")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
