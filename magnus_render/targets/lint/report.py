"""The findings of a lint, and how its messages show values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from magnus_render.targets.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_render.diagnostics import Severity

_SHOWN = 60

Owner = TypeVar("Owner")


class Report(Generic[Owner]):
    """Findings in the order in which they were made. An owner is what a finding is about, as the lint knows it."""

    def __init__(self, node_of: Mapping[str, str]) -> None:
        self.node_of = node_of
        """Definition address of the pipeline's node, by names of the rendered document; only its `get` is called."""
        self.findings: list[Finding] = []

    def error(self, code: str, owner: Owner, message: str, fix: str = "") -> None:
        """Add what the engine refuses, or what cannot work."""
        self._add(code, owner, message, fix, "error")

    def warning(self, code: str, owner: Owner, message: str, fix: str = "") -> None:
        """Add what is likely not meant."""
        self._add(code, owner, message, fix, "warning")

    def house(self, code: str, owner: Owner, message: str, fix: str = "") -> None:
        """Add what the engine accepts but a rendered pipeline must not have: an error, unless the owner is the user's."""
        if not self.is_users(owner):
            self._add(code, owner, message, fix, "error")

    def label(self, owner: Owner) -> str:
        """Return what messages call an owner; '' for the whole document."""
        raise NotImplementedError

    def address(self, owner: Owner) -> str:
        """Return the definition address of the node that an owner was rendered for, '' if there is none."""
        raise NotImplementedError

    def is_users(self, owner: Owner) -> bool:
        """Tell whether the user wrote an owner."""
        return False

    def _add(self, code: str, owner: Owner, message: str, fix: str, severity: Severity) -> None:
        label = self.label(owner)
        text = f"{label}: {message}" if label else message
        self.findings.append(Finding(code, text, fix, severity, self.address(owner)))


def mapping(value: Any) -> dict[str, Any]:
    """Return a value that is a mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the mappings of a value that is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a value that is a string, or ''."""
    return value if isinstance(value, str) else ""


def dotted(place: Any) -> str:
    """Return a chain of (before, key) as text: `container.env[0].value`."""
    keys = []
    while place is not None:
        place, key = place
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(keys)).removeprefix(".")


def shown(value: Any) -> str:
    """Return a value as a message shows it, shortened where it is long."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= _SHOWN else f"'{value[:_SHOWN]}...'"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "empty" if value is None else str(value).lower()
    return str(value)


def near(word: Any, known: Iterable[str]) -> str:
    """Return the question whether another word was meant, '' if none is like it; capitals do not count."""
    from difflib import get_close_matches

    words = {name.lower(): name for name in known}
    close = get_close_matches(str(word).lower(), words, n=1)
    return f"did you mean '{words[close[0]]}'?" if close else ""
