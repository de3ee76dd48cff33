"""SHA-256 of small data: names, and records of a run.

`hashlib` loads OpenSSL, which takes a quarter of the time that `python -c pass` takes; every callback would pay for it. The
interpreter has the same function in a module of its own, which `random` of the standard library takes for the same reason.
Content of files is hashed by `hashlib`, which is the faster one by far.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256
    except ImportError:  # Python 3.11
        try:
            from _sha256 import sha256
        except ImportError:  # an interpreter that was built without it
            from hashlib import sha256

__all__ = ["sha256"]
