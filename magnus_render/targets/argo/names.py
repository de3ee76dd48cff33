"""Names in a manifest: of templates, tasks, volumes and objects, all lowercase, as Kubernetes has them."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render import naming

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PIPELINE, STEP, PASS, EXIT, RECORD = "pipeline", "step", "pass", "exit", "record"
"""Names of templates: the root graph, a callback, one that does nothing, the exit handler. `RECORD` is a task's name."""
SHARED = frozenset((PIPELINE, STEP, PASS, EXIT))
LONGEST = 63
"""Characters of a template's name, which becomes part of the names of pods (RFC 1123 label)."""
_RESERVED = frozenset({
    "all", "and", "any", "contains", "count", "date", "duration", "else", "endswith", "false", "filter", "if", "in",
    "inputs", "item", "items", "len", "let", "map", "matches", "nil", "none", "not", "now", "one", "or", "outputs", "split",
    "startswith", "steps", "tasks", "trim", "true", "workflow",
})  # fmt: skip
"""Words with a meaning of their own in Argo's expressions (expr-lang, "Language Definition")."""
_PREFIXED = re.compile(r"(p-)*[0-9]")
"""Names that get a `p-` in front: `7days`, but also `p-7days`, so that the two stay different."""


def object_name(pipeline: str, address: str = "") -> str:
    """Return the name of the object of a pipeline, or of its separate dag at an address.

    The parts are joined by a dot, which no slug has. So the separate dag of one pipeline never has the name of another
    pipeline's object.
    """
    name = naming.join(naming.slug(pipeline), *naming.without_indices(address).split("."))
    return shortened(f"p-{name}" if _PREFIXED.match(name) else name, 52)


def readable(address: str) -> str:
    """Return an address as a part of a name: without the dots, and without the branches that stand for any index."""
    return naming.without_indices(address).replace(".", "-")


def task_name(slug: str) -> str:
    """Return the name of a node's task: `depends` knows no name that begins with a digit, or that is a word of its own."""
    return slug if slug[0].isalpha() and slug not in _RESERVED else f"n-{slug}"


def shortened(name: str, longest: int = LONGEST) -> str:
    """Return a name within its limit, with a short hash of the whole where something was cut."""
    return name if len(name) <= longest else f"{name[: longest - 9].rstrip('-.')}-{_hash(name)}"


def distinct(wanted: Mapping[str, str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a name for each key: the one it wants, if no other wants it too, else that and a short hash of the key.

    `taken` are names that nobody may have. Which name a key has does not depend on the order of the keys.
    """
    names = {key: shortened(name) for key, name in wanted.items()}
    counts = Counter(names.values())
    counts.update(taken)
    used = set(counts)
    for key in sorted(key for key, name in names.items() if counts[name] > 1):
        names[key] = _free(names[key], key, used)
        used.add(names[key])
    return names


def _free(name: str, key: str, used: Collection[str]) -> str:
    """Return a name with a short hash of its key behind it; another hash if the user has given that very name."""
    while (found := f"{name[: LONGEST - 9].rstrip('-')}-{_hash(key)}") in used:
        key += "\n"
    return found


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
