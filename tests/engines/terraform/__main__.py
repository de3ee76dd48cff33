"""python -m tests.engines.terraform: build what is missing; end with why it cannot be had, if it cannot."""

from __future__ import annotations

import sys

from tests.engines import terraform

if __name__ == "__main__":
    sys.exit(terraform.missing())
