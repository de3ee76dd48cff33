"""A scheduler whose jobs are processes of this machine: the least that a decentralised walk asks for, with faults on order.

`scheduler_of_processes.py` is what another package would be: an executor with its submitter. It is found by its metadata,
which `path` writes.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

from tests.plugins import install


def path(folder: Path | None = None) -> str:
    """Return what stands in PYTHONPATH where the executor `processes` is installed."""
    place = folder or Path(mkdtemp(prefix="magnus-processes-"))
    entries = {"executor": {"processes": "scheduler_of_processes:ProcessesExecutor"}}
    install(place, entries, "scheduler_of_processes")
    return f"{place}:{Path(__file__).parent}"
