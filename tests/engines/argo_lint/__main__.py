"""Print what is wrong with manifests, and exit with 1 if anything is."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.engines import argo_lint


def main(files: list[str]) -> int:
    if not files:
        print("usage: python -m tests.engines.argo_lint FILE...", file=sys.stderr)
        return 2
    try:
        complaints = argo_lint.lint({file: Path(file).read_text(encoding="utf-8") for file in files})
    except (argo_lint.LintMissing, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
