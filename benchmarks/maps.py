"""Compare a map by the rendered bash script with the same one by `magnus execute`: the processor's time of both, in turns.

Its items are shell steps that do nothing. The whole run is measured, with all processes that it starts, from an installed
wheel.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from bench import STORES, Bench, folder

DEFINITION = """
dag:
  start_at: each
  steps:
    each:
      type: map
      iterate_on: numbers
      iterate_as: number
      next: success
      branch:
        start_at: nothing
        steps:
          nothing: {type: task, command_type: shell, command: "true", next: success}
          success: {type: success}
          fail: {type: fail}
    success: {type: success}
    fail: {type: fail}
"""
BOUND = 2.0


def rounds(bench: Bench, items: int, repeat: int) -> tuple[list[float], list[float]]:
    """Return the seconds of the processor that each round took: by `magnus execute`, and by the script."""
    services = "".join(f"{name}: {json.dumps(block)}\n" for name, block in STORES.items())
    path = folder(bench, "map", DEFINITION + services)
    (path / "parameters.json").write_text(json.dumps({"numbers": list(range(items))}))
    bench.seconds("magnus", "render", "dag.yaml", "--target", "bash", "-o", "run.sh", cwd=path)
    temporary = bench.scratch / "tmp"  # where nothing of others lies, which each attempt would look at
    temporary.mkdir()
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeat):
        for argv, into in zip((("magnus", "execute"), ("bash", "run.sh")), taken, strict=True):
            bench.seconds(*argv, "-p", "parameters.json", cwd=path, TMPDIR=str(temporary))
            into.append(bench.processor)
            for name in ("store", "blobs", ".magnus"):
                shutil.rmtree(path / name, ignore_errors=True)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=2000, help="items of the map (default 2000)")
    parser.add_argument("--repeat", type=int, default=3, help="how often each is measured (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="magnus-bench-") as scratch:
        bench = Bench(Path(scratch), options.repeat)
        taken = rounds(bench, options.items, options.repeat)
    execute, script = (statistics.median(seconds) for seconds in taken)
    for name, seconds, median in (("magnus execute", taken[0], execute), ("run.sh", taken[1], script)):
        each = " ".join(f"{one:.1f}" for one in seconds)
        print(f"{name:15}{median:7.1f} s of {each}, {median / options.items * 1000:.1f} ms an item")
    ratio = script / execute
    print(
        f"the script takes {ratio:.2f} times as much (bound {BOUND:g}: {'met' if ratio <= BOUND else 'NOT MET'})"
    )


if __name__ == "__main__":
    main()
