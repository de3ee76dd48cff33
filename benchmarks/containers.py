"""Measure what `local-container` adds to the engine's own `run` of the same image, side by side in one run.

`python benchmarks/containers.py IMAGE [ENGINE...]`: the image has magnus on its PATH. Medians of wall-clock time, for a
container is the work of several processes: the engine's own `run` of `magnus --version`, its own `run` of the callback
of one step, typed by hand, and the steps of a chain. What `local-container` adds is what it takes beyond the second.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS, REPEAT = 10, 5
STORES = {
    "run_log_store": {"type": "file-system", "config": {"path": ".run_log_store"}},
    "catalog": {"type": "file-system", "config": {"path": ".catalog"}},
    "secrets": {"type": "do-nothing", "config": {}},
}


def seconds(argv: list[str], cwd: str) -> float:
    """Return how long a command takes that must succeed."""
    began = time.monotonic()
    subprocess.run(argv, cwd=cwd, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.monotonic() - began


def chain(steps: int) -> str:
    """Return a definition of empty shell steps in a chain."""
    ends = "    ok: {type: success}\n    no: {type: fail}\n"
    lines = []
    for number in range(steps):
        after = f"s{number + 1}" if number + 1 < steps else "ok"
        lines.append(f"    s{number}: {{type: task, command_type: shell, command: 'true', next: {after}}}\n")
    return f"dag:\n  start_at: s0\n  steps:\n{''.join(lines)}{ends}"


def main(image: str, engine: list[str]) -> None:
    """Print the figures and their ratios."""
    magnus = shutil.which("magnus")
    if magnus is None:
        sys.exit("magnus is not on the PATH")
    with tempfile.TemporaryDirectory(prefix="magnus-bench-") as folder:
        config = {"image": image, "engine": engine, "pull": "never", "max_workers": 1}
        (Path(folder) / "c.yaml").write_text(
            json.dumps({"executor": {"type": "local-container", "config": config}})
        )
        files = {}
        for steps in (1, STEPS + 1):
            files[steps] = f"{steps}.yaml"
            (Path(folder) / files[steps]).write_text(chain(steps))
        run_it = [*engine, "run", "--rm", "--pull", "never"]
        here = ["--volume", f"{folder}:{folder}", "--workdir", folder, "--env", "MAGNUS_CONFIG"]
        os.environ["MAGNUS_CONFIG"] = json.dumps(STORES)
        empty, by_hand, ours = [], [], []
        for number in range(REPEAT):
            empty.append(seconds([*run_it, image, "magnus", "--version"], folder))
            run_id = f"by-hand-{number}"
            seconds([magnus, "start_run", run_id, "-f", files[1]], folder)
            by_hand.append(
                seconds([*run_it, *here, image, "magnus", "execute_single_node", run_id, "s0"], folder)
            )
            whole = {
                steps: seconds([magnus, "execute", "-f", file, "-c", "c.yaml"], folder)
                for steps, file in files.items()
            }
            ours.append((whole[STEPS + 1] - whole[1]) / STEPS)
        step = statistics.median(ours)
        print(f"a step of local-container: {step:.2f} s")
        for what, found in (("magnus --version", empty), ("the callback of a step", by_hand)):
            run = statistics.median(found)
            print(f"run of {what}: {run:.2f} s; a step takes {step / run:.2f} times that")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or ["podman"])
