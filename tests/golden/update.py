"""Write all golden files anew: `make golden`, which runs `python -m tests.golden.update`."""

from __future__ import annotations

from magnus_render.render.output import write
from tests.golden import CASES, FOLDER, OUTPUTS, rendered


def main() -> None:
    """Render every case for every target."""
    for case in CASES:
        for target, name in OUTPUTS.items():
            result = rendered(case, target)
            write(str(FOLDER / case / name), result.text, executable=result.executable)


if __name__ == "__main__":
    main()
