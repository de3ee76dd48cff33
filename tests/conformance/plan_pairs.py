"""Random pairs of definitions: `magnus plan` finds no change if and only if the bytes of every target are equal.

    python -m tests.conformance.plan_pairs --count 500

A change that no target renders must be one of those that only a local run shows, or an engine that is not ours
(`_NOT_RENDERED`). Pairs of which a definition is not valid count for nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from magnus_render.diagnostics import DefinitionError, has_errors
from magnus_render.graph.load import Loaded, examine
from magnus_render.planning.compare import Comparison, compare
from magnus_render.planning.outputs import compare_outputs
from magnus_render.targets.base import Source
from tests.conformance.edits import DEFINING, edited
from tests.conformance.generate import Pipeline, pipelines

CONFIGS = {"bash": None, "argo": "argo.yaml", "aws-step-functions": "aws.yaml"}
_GOLDEN = Path(__file__).parents[1] / "golden"
_NOT_RENDERED = ("render", "executor_config", "separate", "variables")
"""Fields that belong to one engine each, which need not be a target that is rendered here."""

CHUNK = 50
"""Examples with one seed: the larger ones come later."""


class Figures(dict[str, int]):
    """How many pairs there were, and what was found of them."""

    def add(self, what: str, count: int = 1) -> None:
        self[what] = self.get(what, 0) + count


def check_pairs(number: int, count: int, folder: Path) -> Figures:
    """Check `count` random pairs; raise `AssertionError` for one on which plan and bytes disagree."""
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
    def examine_pair(pipeline: Pipeline, chance: int) -> None:
        other = edited(Random(chance), pipeline, DEFINING)
        _check(pipeline, other, folder / str(sum(figures.values())), figures)

    examine_pair()
    return figures


def _check(old: Pipeline, new: Pipeline, folder: Path, figures: Figures) -> None:
    for name, pipeline in (("old", old), ("new", new)):
        pipeline.write(folder / name)
    try:
        found = compare(*(_read(folder / name, None) for name in ("old", "new")))
    except DefinitionError:
        figures.add("not valid")
        return
    rendered = {target: _same(folder, target) for target in CONFIGS}
    known = [same for same in rendered.values() if same is not None]
    text = f"{_told(found)}\nbytes the same: {rendered}\n{old.text()}\n\n{new.text()}"
    if not found.changed:
        assert all(known), f"no change is found, but bytes differ: {text}"
        figures.add("no change")
    elif all(known):
        fields = [change.field for node in found.nodes for change in node.changes]
        only = all(field.partition(".")[0] in _NOT_RENDERED for field in fields)
        assert only and fields and not found.pipeline, f"a change is found, but no bytes differ: {text}"
        figures.add("a change that no target here renders")
    else:
        figures.add("a change")


def _read(folder: Path, config: str | None) -> Loaded:
    given = str(_GOLDEN / config) if config else None
    loaded = examine(str(folder / "dag.yaml"), given, environ={})
    if has_errors(loaded.diagnostics):
        raise DefinitionError(loaded.diagnostics)
    return loaded


def _same(folder: Path, target: str) -> bool | None:
    """Tell whether a target's bytes are equal; None if it refuses one of the two definitions."""
    config = CONFIGS[target]
    sides = [(_read(folder / name, config), "dag.yaml", None) for name in ("old", "new")]
    try:
        return compare_outputs(target, Source("dag.yaml"), sides[0], sides[1]).same
    except DefinitionError:
        return None


def _told(found: Comparison) -> str:
    return "\n".join([str(found.pipeline), *map(str, found.nodes)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.plan_pairs", description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    total = Figures()
    for number in range(-(-arguments.count // CHUNK)):
        with tempfile.TemporaryDirectory() as folder:
            found = check_pairs(arguments.seed + number, CHUNK, Path(folder))
        for what, count in found.items():
            total.add(what, count)
        print(dict(sorted(total.items())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
