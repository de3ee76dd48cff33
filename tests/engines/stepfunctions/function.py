"""One invocation of a Lambda function, in a process of its own.

    python FILE HANDLER EVENT RESULT [WORD...]

calls HANDLER (`module.function`) with the JSON of the file EVENT, and writes into the file RESULT what it returned. If it
raised, it writes that as Lambda tells it (developer guide, "Lambda function errors in Python"), and exits with 1. WORDs are
for people.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main(handler: str, event: str, result: str) -> int:
    module, _, name = handler.rpartition(".")
    try:
        answer = getattr(importlib.import_module(module), name)(json.loads(Path(event).read_text()))
        failed = False
    except Exception as error:
        answer, failed = {"errorMessage": str(error), "errorType": type(error).__name__}, True
    Path(result).write_text(json.dumps(answer))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
