"""Slurm as an engine: `magnus execute` with jobs of a cluster on this machine."""

from __future__ import annotations

import time
from pathlib import Path

from tests.conformance.decentral import Decentral
from tests.conformance.engines import TIME_LIMIT, EngineFailure
from tests.engines.slurm.cluster import shared


class Slurm(Decentral):
    """Each job one of Slurm."""

    name = "slurm"

    def variables(self) -> dict[str, str]:
        return shared().environment

    def settle(self, folder: Path) -> None:
        until = time.monotonic() + TIME_LIMIT
        while open_ := shared().jobs("PENDING,RUNNING,COMPLETING,CONFIGURING,SUSPENDED"):
            if time.monotonic() > until:
                raise EngineFailure(f"jobs are at work still: {open_}")
            time.sleep(0.05)
