"""Slugs and addresses: how names that people write become identifiers that machines use.

One rule for record keys, callback addresses and engine identifiers: stable, shell-inert,
collision-free, also on disks that ignore case. Standard library only: the runtime imports this.
"""

from __future__ import annotations

SLUG_LENGTH = 40
_HASH_LENGTH = 8
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALLOWED = _FIRST | {"-"}


def is_slug(text: str) -> bool:
    """Tell whether `text` is its own slug: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 40 characters."""
    return (
        0 < len(text) <= SLUG_LENGTH
        and text[0] in _FIRST
        and text[-1] in _FIRST
        and _ALLOWED.issuperset(text)
    )


def slug(name: str) -> str:
    """Return the identifier of a name.

    A name that is a slug is its own; any other becomes its readable ASCII part, a dash and eight hexadecimal
    digits of the SHA-256 of the name in UTF-8. `slug(slug(name)) == slug(name)`.
    """
    if is_slug(name):
        return name
    import unicodedata

    from magnus_render.hashing import sha256

    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = "".join(c if c in _FIRST else "-" for c in plain).split("-")
    readable = "-".join(word for word in words if word)
    readable = readable[: SLUG_LENGTH - _HASH_LENGTH - 1].strip("-")
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{readable}-{digest}" if readable else digest


def join(*parts: str) -> str:
    """Join addresses and slugs with dots, leaving out empty parts (the root graph's address is empty)."""
    return ".".join(filter(None, parts))


def without_indices(address: str) -> str:
    """Return a definition address without the `_` of maps, for names that people see: one plan has each but once."""
    return ".".join(part for part in address.split(".") if part != "_")


def parent(address: str) -> str:
    """Return the address of the graph that a node stands in, or of the composite that a graph belongs to."""
    return address.rpartition(".")[0]


def last(address: str) -> str:
    """Return the last segment of an address."""
    return address.rpartition(".")[2]


def normal(address: str) -> str:
    """Return the address with `_` for every all-digit segment: the same for all instances of a definition address.

    Instances and their definition share it, so it can choose a plan page without knowing which segments are map
    indices and which are nodes whose name is a number.
    """
    return ".".join("_" if part.isdigit() else part for part in address.split("."))


def key(address: str) -> str:
    """Return the record folder of an address: one folder per segment, so that no name is ever too long."""
    return "steps/" + address.replace(".", "/") if address else "steps"


def from_dot_path(path: str) -> str:
    """Return the address meant by what a caller wrote: slugs or names, joined by dots.

    `%` stands for a blank in callbacks rendered by older versions; no name may contain it.
    """
    return ".".join(slug(part.replace("%", " ")) for part in path.split("."))


def shown(path: str, address: str) -> str:
    """Return the dot path of an instance for people, given its definition's (`_` for indices) and its address."""
    parts = zip(path.split("."), address.split("."), strict=True)
    return ".".join(index if name == "_" and index.isdigit() else name for name, index in parts)
