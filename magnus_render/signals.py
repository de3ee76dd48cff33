"""Signals by their numbers, without their enumerations: for those `signal` loads `enum`, and what that needs.

That takes two fifths of the time of `python -c pass`; every callback would pay for it. The interpreter has the same
functions in a module of its own, of which `signal` of the standard library is made.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal
    except ImportError:  # another interpreter
        import signal

__all__ = ["signal"]
