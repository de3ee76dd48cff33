"""A pipeline that crosses every kind of record, made of light shell steps, and how to run and kill it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

DEFINITION = """\
dag:
  name: undisturbed
  start_at: first
  steps:
    first:
      type: task
      command_type: shell
      command: |
        echo '{"items": [1, 2, 3], "x": 1}' >> "$MAGNUS_OUTPUT"
        mkdir -p data && echo one > data/one.txt
      catalog: {put: [one.txt]}
      next: each
    each:
      type: map
      iterate_on: items
      iterate_as: item
      next: both
      branch:
        start_at: work
        steps:
          work:
            type: task
            command_type: shell
            retry: 2
            command: |
              test "$MAGNUS_ATTEMPT" -ge 2 || test "$MAGNUS_PRM_item" != 2
              echo "{\\"square\\": $((MAGNUS_PRM_item * MAGNUS_PRM_item))}" >> "$MAGNUS_OUTPUT"
            next: success
          success: {type: success}
          fail: {type: fail}
    both:
      type: parallel
      next: caught
      branches:
        left:
          start_at: l
          steps:
            l: {type: task, command_type: shell, command: "cat data/one.txt && echo side=left >> $MAGNUS_OUTPUT",
                catalog: {get: [one.txt]}, next: success}
            success: {type: success}
            fail: {type: fail}
        right:
          start_at: r
          steps:
            r: {type: task, command_type: shell, command: "echo other=right >> $MAGNUS_OUTPUT", next: success}
            success: {type: success}
            fail: {type: fail}
    caught: {type: task, command_type: shell, command: exit 3, next: success, on_failure: handler}
    handler: {type: task, command_type: shell, command: "echo handled=yes >> $MAGNUS_OUTPUT", next: success}
    success: {type: success}
    fail: {type: fail}
"""

MAGNUS = [str(Path(sys.executable).parent / "magnus")]


def prepare(folder: Path) -> None:
    """Write the definition and the script rendered from it, which runs the `magnus` beside this Python."""
    (folder / "dag.yaml").write_text(DEFINITION)
    config = {"executor": {"type": "bash", "config": {"magnus_command": MAGNUS}}}
    (folder / "bash.yaml").write_text(json.dumps(config))
    magnus(folder, "render", "dag.yaml", "--target", "bash", "-c", "bash.yaml", "-o", "run.sh", check=True)


def magnus(folder: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `magnus` in a folder."""
    return subprocess.run([*MAGNUS, *words], cwd=folder, text=True, capture_output=True, check=check)


def command(engine: str, run_id: str, *options: str) -> list[str]:
    """Return the command line that runs the pipeline on an engine."""
    if engine == "bash":
        return ["bash", "run.sh", run_id, *options]
    return [*MAGNUS, "execute", "-f", "dag.yaml", "--run-id", run_id, *options]


def records(folder: Path, run_id: str) -> list[Path]:
    """Return the record files of a run, without what a writer had not finished."""
    found = []
    for top, _, names in os.walk(folder / ".run_log_store" / run_id):
        found += [Path(top) / name for name in names if not name.startswith(".")]
    return found


def kill_all(number: int) -> None:
    """Kill a process and all below it without leaving any of them time to react; if it has ended, do nothing."""
    victims: list[psutil.Process] = []
    try:
        process = psutil.Process(number)
        process.suspend()
        victims = [process]
        for victim in victims:  # grows while it is walked
            for child in victim.children():
                child.suspend()
                victims.append(child)
    except psutil.NoSuchProcess:
        pass
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            pass


def whole(path: Path) -> bool:
    """Tell whether a record is whole."""
    if path.suffix == ".log":
        return True
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def log_of(folder: Path, run_id: str) -> dict[str, object]:
    """Return the comparable part of a run's folded log."""
    from magnus_render.runtime.comparing import comparable

    shown = magnus(folder, "runs", "show", run_id, "--json", check=True)
    return comparable(json.loads(shown.stdout))
