"""What all tests need of the process they run in."""

from __future__ import annotations

import signal

# A shell without job control starts background commands with SIGINT ignored, nohup with SIGHUP, and bash cannot trap a
# signal that was ignored when it started: under such a runner, no test of signals could pass.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
