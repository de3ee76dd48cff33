"""Runs one job, given its folder, its delay, the folder of the job that it stands guard for, and its words for `magnus`.

It starts without any package, as there is one for each job that waits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

_PERIOD = 0.02


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read() or 0)
    except FileNotFoundError:
        return 0


def _write(path: str, number: int) -> None:
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(str(number))
    os.replace(f"{path}.new", path)


def _run(folder: str, delay: float, guarded: str, argv: list[str]) -> None:
    begins = time.time() + delay
    while True:
        if os.path.exists(os.path.join(folder, "cancelled")):
            return
        if guarded:
            ended = os.path.join(guarded, "status")
            if os.path.exists(ended):
                if _number(ended) == 0:
                    break
                guarded = ""
            elif os.path.exists(os.path.join(guarded, "cancelled")) and not os.path.exists(
                os.path.join(guarded, "job")
            ):
                guarded = ""
        elif time.time() >= begins:
            break
        time.sleep(_PERIOD)
    status = 0
    if not guarded:
        child = subprocess.Popen(["magnus", *argv])
        _write(os.path.join(folder, "job"), child.pid)
        status = child.wait()
    _write(os.path.join(folder, "status"), status)


_run(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:])
print(f"ended: {' '.join(sys.argv[4:6])}", file=sys.stderr)
