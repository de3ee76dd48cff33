"""Random pipelines run twice: what `magnus plan --use-cached` says of the second run is what then happens.

    python -m tests.conformance.plan_runs --count 300

Between the two runs the definition, the initial parameters, or neither is edited at random. The tasks do the same in both
runs, or better where the pipeline says so. What is compared, step by step: the steps that were taken over, those that ran,
and those that were skipped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conformance import cases
from tests.conformance.edits import RERUN, edited
from tests.conformance.engines import EngineFailure, Local, magnus
from tests.conformance.generate import Pipeline, pipelines

Steps = dict[str, dict[str, Any]]

CHUNK = 50
"""Examples with one seed: the larger ones come later."""


class Figures(dict[str, int]):
    """How many runs and steps there were, by what became of them."""

    def add(self, what: str, count: int = 1) -> None:
        self[what] = self.get(what, 0) + count


def check_runs(number: int, count: int, folder: Path) -> Figures:
    """Check `count` pairs of runs; raise `AssertionError` for one that did not go as predicted."""
    figures = Figures()

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pipelines(), st.integers(0, 2**32))
    def examine(pipeline: Pipeline, chance: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        _check(pipeline, Random(chance), folder, figures)

    examine()
    return figures


def _check(first: Pipeline, random: Random, folder: Path, figures: Figures) -> None:
    second = edited(random, first, RERUN) if random.random() < 0.6 else first
    second = replace(second, parameters=dict(second.parameters))
    if second.parameters and random.random() < 0.15:
        second.parameters[random.choice(list(second.parameters))] = "another"
    engine = Local()
    for name, pipeline in (("first", first), ("second", second)):
        replace(pipeline, again=None).write(folder / name)
    case = cases.read(folder / "first")
    project = folder / "project"
    cases.prepare(case, project)
    cases.prepare_run(case.runs[0], project)
    engine.run(project, case.runs[0].spec)
    for file in first.files:
        (project / file).unlink()
    for file in second.files:
        shutil.copy(folder / "second" / file, project / file)
    if first.again is not None:
        cases.Behaviour(first.again).write(project)
    parameters = second.parameters if second.parameters != first.parameters else {}
    (project / "second.json").write_text(json.dumps(parameters), encoding="utf-8")
    spec = replace(case.runs[0].spec, run_id="run-2", use_cached="run-1", parameter_file="second.json")
    told = folder / "plan.json"
    argv = ["plan", "dag.yaml", "-c", engine.configure(project, spec), "-p", "second.json", "--json"]
    status, complaint = magnus([*argv, "--use-cached", "run-1"], project, {}, told)
    if status == 65 and "MR" in complaint:
        figures.add("not valid")
        return
    assert status == 0, complaint
    predicted = json.loads(told.read_text(encoding="utf-8"))["steps"]
    try:
        log = engine.run(project, spec).log
    except EngineFailure as error:
        raise AssertionError(str(error)) from None
    wrong = list(_wrong(predicted, _steps(log), figures))
    if wrong:
        lines = [*wrong, json.dumps(predicted, indent=1, ensure_ascii=False), first.text(), second.text()]
        raise AssertionError("\n".join(lines))
    figures.add("runs")


def _steps(log: dict[str, Any]) -> Steps:
    """Return tasks and as-is nodes of a folded log by their dot paths, at any depth."""
    found: Steps = {}
    pending = [log]
    while pending:
        for path, step in pending.pop()["steps"].items():
            if step["step_type"] in ("task", "as-is"):
                found[path] = step
            pending += step["branches"].values()
    return found


def _wrong(predicted: list[dict[str, Any]], steps: Steps, figures: Figures) -> Any:
    """Yield what did not go as predicted."""
    verdicts = {one["path"]: one for one in predicted}
    for path, step in steps.items():
        if step["step_type"] == "as-is":
            continue
        verdict = _verdict(verdicts, path)
        if verdict is None:
            yield f"{path}: nothing was predicted, it is {step['status']}"
            continue
        figures.add(f"steps: {verdict['verdict']}")
        if step["mock"] and step["status"] == "SUCCESS":
            happened = "taken over"
        else:
            happened = "skipped" if step["status"] == "SKIPPED" else "runs"
        if not _fits(verdict, happened, steps):
            yield f"{path}: {verdict['verdict']} was predicted, {happened} is what happened"
    for path, verdict in verdicts.items():
        certain = verdict["verdict"] in ("taken over", "skipped", "runs") and not verdict["conditions"]
        if certain and path not in steps:
            yield f"{path}: {verdict['verdict']} was predicted, but it is not in the log"


def _verdict(verdicts: dict[str, dict[str, Any]], path: str) -> dict[str, Any] | None:
    """Return the verdict on a step, by its own path or that of all items of a map."""
    if path in verdicts:
        return verdicts[path]
    for known, verdict in verdicts.items():
        left, right = known.split("."), path.split(".")
        if len(left) == len(right) and all(
            a == b or (a == "_" and b.isdigit()) for a, b in zip(left, right, strict=True)
        ):
            return verdict
    return None


def _fits(verdict: dict[str, Any], happened: str, steps: Steps) -> bool:
    word = verdict["verdict"]
    if word == "runs if reached":
        return happened == "runs"
    if word == "undecided":
        return happened in ("runs", "skipped")
    if happened == word:
        return True
    # What was said to hold if text of the engine succeeds need not hold where it failed.
    texts = [one.split("'", 1)[1].rsplit("'", 1)[0] for one in verdict["conditions"] if one.startswith("if ")]
    failed = any(steps[path]["status"] != "SUCCESS" for path in texts if path in steps)
    return failed and happened in ("runs", "skipped")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.plan_runs", description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    total = Figures()
    for number in range(-(-arguments.count // CHUNK)):
        with tempfile.TemporaryDirectory() as folder:
            found = check_runs(arguments.seed + number, CHUNK, Path(folder) / "case")
        for what, count in found.items():
            total.add(what, count)
        print(dict(sorted(total.items())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
