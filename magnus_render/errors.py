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
"""The status of a callback with `--again 76` whose step failed, if one of the user's attempts is left. `FAILED` then means
that no attempt is left, or that a further attempt could not help."""

CHANGED = 2
"""The status of `magnus plan` if the definitions differ."""

SHORTAGES = frozenset((EAGAIN, ENOMEM, EMFILE, ENFILE))
"""Numbers of the system's errors that mean: no more processes, memory or descriptors."""


def is_shortage(error: BaseException) -> bool:
    """Tell whether an exception means that the system has no more processes, memory or descriptors.

    From the loader of shared libraries it is an `ImportError` with the reason in its text.
    """
    if isinstance(error, ImportError):
        return any(os.strerror(number) in str(error) for number in SHORTAGES)
    return getattr(error, "errno", None) in SHORTAGES


class Ended(SystemExit):
    """The end of a command with the exit status 2, which typer itself would use for wrong usage."""


class MagnusError(Exception):
    """An error of magnus, with a message for the user and the exit status of the process.

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
