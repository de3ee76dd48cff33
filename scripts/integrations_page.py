"""Writes docs/integrations.md: which stores and secrets work under which executor or target, as the code says.

python -m scripts.integrations_page
"""

from __future__ import annotations

from pathlib import Path

from magnus_render.integrations import matrix

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "integrations.md"
_INTRODUCTION = """# What works with what

<!-- Written by scripts/integrations_page.py: change what it prints there, and in the integrations. -->

Executors walk a pipeline; for a target it is rendered. Under each of them a run log store, a catalog or a secrets provider
may *work* as it is. It may *need* something that a configuration or the platform must bring. Or it is *refused*, with the
fix, before anything runs. The numbers are those of the notes below. `magnus targets --matrix` prints the same table, with
what other packages have added; `--json` prints it for programs.

"""


def page() -> str:
    """Return the text of the page."""
    return _INTRODUCTION + matrix.markdown(matrix.cells(installed=False))


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
