"""Scenarios for a definition: each pod fails alone, some fail together, and some are refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from magnus_render.targets.argo.verify_yaml import load
from tests.unit.argo_rendering import made
from tests.unit.argo_walk import NATIVE, START, Comparison, Key, Scenario

Found = tuple[Scenario, list[str]]


def compared(folder: Path, dag: dict[str, Any]) -> tuple[Comparison, bool]:
    """Return a definition beside its manifest, and whether that is in parts."""
    rendered = made(folder, dag)
    texts = [rendered.text, *rendered.others.values()]
    comparison = Comparison(rendered.plan, [found for text in texts for found in load(text)])
    return comparison, any("-from-" in name for _, name in comparison.workflow.dags)


def check(
    comparison: Comparison, rng: random.Random, singles: int, several: int, refused: int
) -> tuple[list[Found], int]:
    """Run up to so many scenarios of each sort; return those that differ from the walk, and how many there were."""
    wrong: list[Found] = []
    count = 0
    for items in (0, rng.randint(1, 99)):
        plain = Scenario(items=items)
        base = _run(comparison, plain, wrong)
        keys = [key for key in base if key[0] != START]
        ran = [(plain, base)]
        for key in rng.sample(keys, min(singles, len(keys))):
            scenario = Scenario({key: _phase(rng)}, items, order=rng.randrange(3))
            ran.append((scenario, _run(comparison, scenario, wrong)))
        for _ in range(several if keys else 0):
            scenario, pods = rng.choice(ran)
            # Further failures, rather behind the first than before it.
            more = [key for key in pods if key not in base] or keys
            fails = {**scenario.fails}
            for _ in range(rng.choice([1, 1, 2, 4])):
                key = rng.choice(more if rng.random() < 0.7 else keys)
                fails[key] = _phase(rng)
                scenario = Scenario({**fails}, items, order=rng.randrange(3))
                pods = _run(comparison, scenario, wrong)
                more = [key for key in pods if key not in {*fails, *base}] or keys
                count += 1
            ran.append((scenario, pods))
        count += len(ran)
        for _ in range(refused):
            scenario, pods = rng.choice(ran)
            places = [place for place, key in enumerate(pods) if key[0] != NATIVE]
            if places:
                place = rng.choice(places)
                _run(comparison, Scenario(scenario.fails, items, place, scenario.order), wrong)
                count += 1
    return wrong, count


def _run(comparison: Comparison, scenario: Scenario, wrong: list[Found]) -> list[Key]:
    found = comparison.run(scenario)
    if found.problems:
        wrong.append((scenario, found.problems))
    return found.ran


def _phase(rng: random.Random) -> str:
    return rng.choice(["Failed", "Error"])
