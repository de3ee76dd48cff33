"""The rule of slugs (DESIGN §2), written a second time: what people call a step, and what machines call it."""

from __future__ import annotations

import hashlib
import re
import unicodedata


def slug(name: str) -> str:
    """Return `name` if it is a slug of at most 40 characters, else its readable ASCII part and a hash of it."""
    if len(name) <= 40 and re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    readable = "-".join(re.findall("[a-z0-9]+", plain))[:31].strip("-")
    return f"{readable}-{digest}" if readable else digest
