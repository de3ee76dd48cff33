"""What all tests need of the process they run in."""

from __future__ import annotations

import signal

# A shell without job control starts background commands with SIGINT ignored, and bash cannot trap a signal that was ignored
# when it started: under such a runner, no test of Ctrl-C could pass.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
