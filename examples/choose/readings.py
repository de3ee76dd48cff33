"""Readings of a thermometer: are they good enough to be published?"""

from __future__ import annotations

import shutil
from pathlib import Path

DATA = Path("data")
REPAIRED = DATA / "repaired.csv"


def _read() -> list[tuple[str, str]]:
    rows = Path("readings.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [(hour, celsius) for hour, _, celsius in (row.partition(",") for row in rows)]


def check(most_gaps: float = 0.3) -> dict[str, object]:
    """Say how good the readings are; `most_gaps` is the share of gaps that can be repaired."""
    readings = _read()
    gaps = sum(not celsius for _, celsius in readings)
    if not gaps:
        quality = "good"
    else:
        quality = "poor" if gaps <= most_gaps * len(readings) else "useless"
    return {"gaps": gaps, "quality": quality}


def repair() -> dict[str, object]:
    """Fill each gap with the reading before it."""
    DATA.mkdir(exist_ok=True)
    lines, last = ["hour,celsius"], ""
    for hour, celsius in _read():
        last = celsius or last
        lines.append(f"{hour},{last}")
    REPAIRED.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"repaired": True}


def publish(repaired: bool = False) -> dict[str, object]:
    """Publish the readings; `repaired` is set only in the branch that repairs them."""
    DATA.mkdir(exist_ok=True)
    published = DATA / "published.csv"
    shutil.copyfile(REPAIRED if repaired else "readings.csv", published)
    return {"published": len(published.read_text(encoding="utf-8").splitlines()) - 1}


def reject(gaps: int) -> None:
    """Say why nothing is published."""
    print(f"{gaps} gaps: these readings are of no use")
