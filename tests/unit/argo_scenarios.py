"""Scenarios for a definition: pods fail alone, or several, and from some pod on callbacks are refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.targets.argo.lint.yaml import load
from tests.unit.argo_rendering import made
from tests.unit.argo_simulator import BAD
from tests.unit.argo_walk import NATIVE, START, Comparison, Key, Scenario

if TYPE_CHECKING:
    from magnus_render.plan import Plan


class Counts(NamedTuple):
    """How many scenarios of each sort are tried for each number of items in maps."""

    alone: int
    several: int
    refused: int


class Found(NamedTuple):
    """A scenario that differs from the walk."""

    scenario: Scenario
    problems: list[str]


def rendered(folder: Path, dag: dict[str, Any]) -> tuple[Plan, list[Any]]:
    """Return a definition's plan, and its objects: the pipeline, then its separate dags."""
    found = made(folder, dag)
    return found.plan, [one for text in (found.text, *found.others.values()) for one in load(text)]


def check(comparison: Comparison, rng: random.Random, counts: Counts) -> tuple[list[Found], int]:
    """Run scenarios; return those that differ from the walk, and the number of all.

    Maps have two items each at first, then any number, or no list.
    """
    trial = _Trial(comparison, rng)
    for items in (0, rng.randint(1, 99)):
        trial.run_all(items, counts)
    return trial.wrong, trial.number


class _Trial:
    def __init__(self, comparison: Comparison, rng: random.Random) -> None:
        self.comparison = comparison
        self.rng = rng
        self.wrong: list[Found] = []
        self.number = 0

    def run_all(self, items: int, counts: Counts) -> None:
        """Run scenarios in which maps have so many items."""
        rng = self.rng
        plain = Scenario(items=items)
        base = self._run(plain)
        may_fail = [key for key in base if key[0] != START]
        ran = [(plain, base)]
        for key in rng.sample(may_fail, min(counts.alone, len(may_fail))):
            scenario = Scenario({key: rng.choice(BAD)}, items, order=rng.randrange(3))
            ran.append((scenario, self._run(scenario)))
        for _ in range(counts.several if may_fail else 0):
            scenario, keys = rng.choice(ran)
            for _ in range(rng.choice([1, 1, 2, 4])):
                # What only a failure leads to is not tried otherwise.
                behind = [key for key in keys if key not in base and key not in scenario.fails]
                key = rng.choice(behind if behind and rng.random() < 0.8 else may_fail)
                fails = {**scenario.fails, key: rng.choice(BAD)}
                scenario = Scenario(fails, items, order=rng.randrange(3))
                keys = self._run(scenario)
            ran.append((scenario, keys))
        for number in range(counts.refused):
            scenario, keys = rng.choice(ran) if number else ran[0]
            callbacks = [place for place, key in enumerate(keys) if key[0] != NATIVE]
            if callbacks:
                place = rng.choice(callbacks) if number else 0
                self._run(Scenario(scenario.fails, items, place, scenario.order))

    def _run(self, scenario: Scenario) -> list[Key]:
        found = self.comparison.run(scenario)
        self.number += 1
        if found.problems:
            self.wrong.append(Found(scenario, found.problems))
        return found.ran
