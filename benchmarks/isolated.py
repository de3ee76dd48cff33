"""Measure what `--isolated` costs a step: making a folder of its own for it, and removing it again.

The project has some files in folders of ten. The cost of one file is that of the largest project less that of the empty one,
divided by their number. Medians of the processor's time, which other programs on the machine change little; the file
system of TMPDIR is what is measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from magnus_render.runtime import workspace

IN_A_FOLDER = 10


def seconds(files: int, repeat: int) -> float:
    """Return the processor's time of making a step's folder in a project of so many files, and of removing it."""
    taken = []
    with tempfile.TemporaryDirectory(prefix="magnus-bench-") as project:
        for number in range(files):
            path = Path(project, f"folder{number // IN_A_FOLDER}", f"file{number}")
            path.parent.mkdir(exist_ok=True)
            path.touch()
        os.chdir(project)
        place = os.path.join(os.getcwd(), workspace.ROOT, "workspaces", "a-run", "step", "_work")
        for _ in range(repeat):
            began = time.process_time()
            workspace.make(place, workspace.DATA, fresh=True)
            workspace.clear(place)
            taken.append(time.process_time() - began)
        os.chdir(os.sep)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="files of the larger project (default 2000)")
    parser.add_argument("--repeat", type=int, default=15, help="how often each is measured (default 15)")
    options = parser.parse_args()
    empty, full = (seconds(files, options.repeat) for files in (0, options.files))
    print(f"a step     {empty * 1000:6.2f} ms, in a project without files")
    print(f"each file  {(full - empty) / options.files * 1000:6.3f} ms, in one of {options.files} files")


if __name__ == "__main__":
    main()
