"""Write all golden files anew: `make golden`, which runs `python -m tests.golden.update`."""

from __future__ import annotations

from magnus_render.render.output import write
from tests.golden import outputs, pairs


def main() -> None:
    """Render every case for every target."""
    for case, target in pairs():
        for path, text in outputs(case, target):
            write(str(path), text, executable=target == "bash")


if __name__ == "__main__":
    main()
