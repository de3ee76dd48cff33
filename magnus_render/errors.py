"""Exit statuses of the callbacks and the errors that carry them."""

from __future__ import annotations

import os
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

SUCCESS = 0
FAILED = 1
USAGE = 64
REFUSED = 65
PLATFORM = 75
AGAIN = 76
"""Of a callback that is called with `--again 76`: its step failed, and one of the user's attempts is left. A plain
`FAILED` then says that no attempt is left, or that none would change anything."""

CHANGED = 2
"""Of `magnus plan`: the definitions differ."""

SHORTAGES = frozenset((EAGAIN, ENOMEM, EMFILE, ENFILE))
"""Numbers of the errors by which a system says that it can give no more processes, memory or descriptors."""


def is_shortage(error: BaseException) -> bool:
    """Tell whether an exception says that the system can give no more processes, memory or descriptors.

    The loader of shared libraries says so in the text of an `ImportError`.
    """
    if isinstance(error, ImportError):
        return any(os.strerror(number) in str(error) for number in SHORTAGES)
    return getattr(error, "errno", None) in SHORTAGES


class Ended(SystemExit):
    """The end of a command with an exit status of ours that typer gives to wrong usage: 2."""


class MagnusError(Exception):
    """An error of ours with a message for the user and the exit status of the process.

    `str(error)` is one or more lines, without a traceback: what is wrong and, where known, the likely fix.
    """

    status = FAILED

    def shown(self) -> str:
        """Return the text for standard error."""
        from magnus_render.texts import safe_lines

        return f"magnus: {safe_lines(str(self))}"


class UsageError(MagnusError):
    """The command line cannot be understood."""

    status = USAGE


class Refused(MagnusError):
    """Bad definition, drift between manifest and image, a run id in use by another walk, a closed run."""

    status = REFUSED


class PlatformError(MagnusError):
    """A store or the machine failed, not the step: an engine may try again without spending the user's attempts."""

    status = PLATFORM
