"""A step's secrets: the variables it gets, and what is masked or refused because it would show one.

docs/semantics.md, "Secrets", has the rules.
"""

from __future__ import annotations

import os

from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from magnus_render.plan import CatalogRecord, Json, Node, Services
    from magnus_render.runtime.tasks.results import Results
    from magnus_render.services.base import BaseSecrets

SHORTEST = 6
"""Characters of a line that is masked: shorter ones stand in any text by chance."""
MASK = b"********"
CUT = "…"
"""Ends a message that was too long."""
_TEXT = 0
"""Number of the stream that texts are masked in; those of a process are 1 and 2."""


class Masker:
    """Replaces secrets in streams of bytes, also where one is split between reads.

    What any spelling of any secret covers is masked, a run of it by one mask, so it makes no difference how a stream
    comes in pieces. Takes time in proportion to the stream.
    """

    def __init__(self) -> None:
        self._spellings: dict[bytes, list[bytes]] = {}
        """By their first bytes, the longest first."""
        self._begun: set[bytes] = set()
        """All beginnings of spellings that are shorter than those first bytes."""
        self._finder: re.Pattern[bytes] | None = None
        self._streams: dict[int, _Stream] = {}

    def add(self, value: str) -> None:
        """Mask a value from now on; a short one is not (`SHORTEST`)."""
        from magnus_render.runtime.spellings import spellings

        for text in spellings(value):
            alike = self._spellings.setdefault(text[:SHORTEST], [])
            if text not in alike:
                alike.append(text)
                alike.sort(key=len, reverse=True)
            self._begun.update(text[:length] for length in range(1, SHORTEST))
            self._finder = None

    def feed(self, stream: int, data: bytes) -> bytes:
        """Return what can be shown of a stream; what may be the beginning of a secret is held back."""
        return self._mask(stream, data, final=False) if self._spellings else data

    def flush(self, stream: int) -> bytes:
        """Return what is still held of a stream."""
        return self._mask(stream, b"", final=True) if stream in self._streams else b""

    def hide(self, text: str) -> str:
        """Return a text with all secrets in it masked, and one in which it was cut off, as `CUT` at its end tells."""
        if not self._spellings:
            return text
        from magnus_render.runtime.spellings import encoded

        shown = self.feed(_TEXT, encoded(text.removesuffix(CUT)))
        if not text.endswith(CUT):
            return (shown + self.flush(_TEXT)).decode("utf-8", "surrogateescape")
        begun = self._streams.pop(_TEXT).held
        rest = MASK if len(begun) >= SHORTEST else begun
        return (shown + rest).decode("utf-8", "surrogateescape") + CUT

    def _mask(self, stream: int, data: bytes, final: bool) -> bytes:
        state = self._streams.pop(stream, None) or _Stream()
        data = state.held + data
        covered, held = self._search(data, final)
        shown = []
        at, masked = state.covered, state.masked
        for start, end in covered:
            if start > at:
                shown.append(data[at:start])
                masked = False
            if end > at:
                if not masked:
                    shown.append(MASK)
                at, masked = end, True
        if at < held:
            shown.append(data[at:held])
            masked = False
        if not final:
            self._streams[stream] = _Stream(data[held:], max(0, at - held), masked)
        return b"".join(shown)

    def _search(self, data: bytes, final: bool) -> tuple[list[tuple[int, int]], int]:
        """Return where spellings stand, and from where on the data may be one that goes on behind its end."""
        covered: list[tuple[int, int]] = []
        finder = self._finder = self._finder or _finder(self._spellings)
        at = 0
        while found := finder.search(data, at):
            at = found.start()
            for text in self._spellings[found[0]]:
                if at + len(text) > len(data):
                    if not final and text.startswith(data[at:]):
                        return covered, at
                elif data.startswith(text, at):
                    covered.append((at, at + len(text)))
                    break
            at += 1
        if not final:
            first = max(0, len(data) - SHORTEST + 1)
            return covered, next((i for i in range(first, len(data)) if data[i:] in self._begun), len(data))
        return covered, len(data)


class _Stream:
    """What is known of a stream between two reads."""

    __slots__ = ("covered", "held", "masked")

    def __init__(self, held: bytes = b"", covered: int = 0, masked: bool = False) -> None:
        self.held = held
        self.covered = covered
        """How many bytes at the front of `held` a mask that was shown stands for."""
        self.masked = masked
        """What was shown last is a mask."""


def _finder(beginnings: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return the pattern of any of these texts: which byte comes first is decided but once."""
    import re

    rests: dict[bytes, list[bytes]] = {}
    for text in beginnings:
        rests.setdefault(re.escape(text[:1]), []).append(re.escape(text[1:]))
    return re.compile(b"|".join(b"%b(?:%b)" % (first, b"|".join(rest)) for first, rest in rests.items()))


class Secrets:
    """What one attempt knows of secrets: those that its step declares, and those that it has asked for by name."""

    def __init__(self, services: Services, node: Node, folder: str) -> None:
        """Read the declared secrets. Raise `TaskFailure` for one that is not there, `MagnusError` as the store does."""
        self.environment: dict[str, str] = {}
        """The variables that the step gets."""
        self._service = services["secrets"]
        self._store: BaseSecrets | None = None
        self._used = os.path.join(folder, "secrets")
        self._size = 0
        self._values: dict[str, str] = {}
        self._pending: list[str] = []
        self._masker = Masker()
        for variable, name in (node.get("secrets") or {}).items():
            try:
                self.environment[variable] = self._read(name)
            except KeyError:
                raise TaskFailure(not_there(name, self._loaded().where())) from None

    def _loaded(self) -> BaseSecrets:
        if self._store is None:
            self._store = lookup.load("secrets", self._service)
        return self._store

    def _read(self, name: str) -> str:
        if name not in self._values:
            self._values[name] = self._loaded().get(name)
            self._pending.append(name)
        return self._values[name]

    def mask(self, masker: Masker) -> None:
        """Add what must be masked by now: the declared secrets, and those the step has asked for since.

        The masker is that of the step's output from its first read on. Raises `MagnusError` as the store does: what cannot
        be read again cannot be masked, and the step must not go on showing it.
        """
        self._masker = masker
        self._look()
        while self._pending:
            masker.add(self._values[self._pending.pop()])

    def ended(self) -> None:
        """Take note of what the step has asked for, now that it has ended and asks no more."""
        self.mask(self._masker)

    def _look(self) -> None:
        try:
            size = os.stat(self._used).st_size
        except OSError:
            size = 0
        if size != self._size:
            self._size = size
            for name in read_text(self._used).splitlines():
                try:
                    self._read(name)
                except KeyError:  # read from variables that the step itself has set
                    continue

    def unmasked(self) -> list[str]:
        """Return a warning for each secret that is too short to be masked, by name."""
        if not self._values:
            return []
        from magnus_render.runtime.spellings import maskable

        why = f"is not masked: it has no line of {SHORTEST} characters or more"
        short = (name for name, value in sorted(self._values.items()) if value and not maskable(value))
        return [f"secret '{name}' {why}" for name in short]

    # ---- what a record would show ----

    def hide(self, text: str) -> str:
        """Return a message with all secrets in it masked."""
        return self._masker.hide(text)

    def hidden(self, value: Json) -> Json:
        """Return a JSON value with the secrets in its keys, texts and numbers masked."""
        if self.holder(value) is None:
            return value
        if isinstance(value, dict):
            return {self.hide(key): self.hidden(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.hidden(inner) for inner in value]
        return self.hide(value) if isinstance(value, str) else MASK.decode()

    def holder(self, value: Json) -> str | None:
        """Return the name of a secret that a JSON value holds, wherever in it, or None."""
        if not self._values:
            return None
        import json

        text = json.dumps(value, ensure_ascii=False)
        return next((name for name in self._names_in(text)), None)

    def _names_in(self, text: str) -> Iterator[str]:
        if self._masker.hide(text) == text:
            return
        for name, value in sorted(self._values.items()):
            alone = Masker()
            alone.add(value)
            if alone.hide(text) != text:
                yield name

    def refuse(self, parameters: dict[str, Json], files: Iterable[CatalogRecord]) -> None:
        """Raise `TaskFailure` for a parameter that holds a secret, or a catalogued file whose name does."""
        for name, value in parameters.items():
            self._refuse({name: value}, f"parameter '{name}'")
        for file in files:
            self._refuse(file["path"], f"the name of the file '{file['path']}'")

    def _refuse(self, value: Json, what: str) -> None:
        secret = self.holder(value)
        if secret is not None:
            raise TaskFailure(f"{what} holds the secret '{secret}': a record would show it")

    def keep(self, found: Results) -> Results:
        """Return what an attempt that has failed may record: all that `refuse` does not refuse."""
        found.set = {name: value for name, value in found.set.items() if self.holder({name: value}) is None}
        found.catalog = [file for file in found.catalog if self.holder(file["path"]) is None]
        return found


def not_there(name: str, where: str) -> str:
    """Return the message for a secret that does not exist; `where` is that of its store."""
    return f"secret '{name}' is not there: {where}" if where else f"secret '{name}' is not there"


def read_text(path: str) -> str:
    """Return a small file's text without newlines around it, '' if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip("\n")
    except FileNotFoundError:
        return ""
