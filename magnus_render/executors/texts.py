"""The text of an `as-is` node: lines for a shell of their own, as in a rendered script."""

from __future__ import annotations

import os
import sys

SHELL = "bash"


def execute(text: str, run_id: str, scratch: str) -> int:
    """Become the shell that runs a text, which it reads from a descriptor; return 127 if there is no shell.

    `scratch` is a folder in which a file may be made and deleted.
    """
    path = os.path.join(scratch, f"text-{os.getpid()}")
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{text}\n")
    descriptor = os.open(path, os.O_RDONLY)
    os.unlink(path)
    if descriptor == 3:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(descriptor, 3)
    try:
        os.execvpe(SHELL, [SHELL, "/dev/fd/3"], {**os.environ, "MAGNUS_RUN_ID": run_id})
    except OSError as error:
        print(f"magnus: {SHELL}: {error.strerror}", file=sys.stderr)
        return 127
