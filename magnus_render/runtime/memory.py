"""Whether the kernel has ended a process of this container for its memory. Imported only where a task was killed."""

from __future__ import annotations

import os

_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Files of a control group, version 2 and 1, with a line `oom_kill NUMBER` (Linux, admin-guide/cgroup-v2.rst)."""


def ran_out() -> bool:
    """Tell whether that is known. Of a process that is not its container's first, the group may be that of others too."""
    if os.getpid() != 1:
        return False
    return any(_killed(path) for path in _COUNTS)


def _killed(path: str) -> bool:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:
        return False
    return any(words[0] == "oom_kill" and words[-1] != "0" for words in lines if words)
