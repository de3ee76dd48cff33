"""A step's secrets: the variables it gets, and the values that are masked in whatever it says (DESIGN §4)."""

from __future__ import annotations

import os

from magnus_render.errors import MagnusError
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Node, Services


class Masker:
    """Replaces secrets in two streams of bytes, also where a secret is split between reads."""

    def __init__(self) -> None:
        self._secrets: list[bytes] = []
        self._held: dict[int, bytes] = {}

    def add(self, value: str) -> None:
        """Mask a value from now on; an empty one is ignored."""
        data = value.encode("utf-8", "surrogateescape")
        if data and data not in self._secrets:
            self._secrets.append(data)
            self._secrets.sort(key=len, reverse=True)

    def feed(self, stream: int, data: bytes) -> bytes:
        """Return what can be shown of a stream; what may be the beginning of a secret is held back."""
        if not self._secrets:
            return data
        return self._mask(stream, self._held.pop(stream, b"") + data, final=False)

    def flush(self, stream: int) -> bytes:
        """Return what is still held of a stream."""
        return self._mask(stream, self._held.pop(stream, b""), final=True)

    def _mask(self, stream: int, data: bytes, final: bool) -> bytes:
        shown = []
        while data:
            held = len(data) if final else self._partial(data)
            found, secret = len(data), b""
            for candidate in self._secrets:  # longest first: of those that begin at one place, it wins
                at = data.find(candidate, 0, found + len(candidate) - 1)
                if 0 <= at < found:
                    found, secret = at, candidate
            if held <= found:
                shown.append(data[:held])
                if held < len(data):
                    self._held[stream] = data[held:]
                break
            shown += [data[:found], b"********"]
            data = data[found + len(secret) :]
        return b"".join(shown)

    def _partial(self, data: bytes) -> int:
        """Return where the longest end of the data begins that may become a secret; its length if there is none."""
        for start in range(max(0, len(data) - len(self._secrets[0]) + 1), len(data)):
            if any(
                len(secret) > len(data) - start and secret.startswith(data[start:])
                for secret in self._secrets
            ):
                return start
        return len(data)


class Secrets:
    """The secrets a step gets as variables, and the values to mask in what it prints."""

    def __init__(self, services: Services, node: Node, folder: str) -> None:
        self.environment: dict[str, str] = {}
        self._used = os.path.join(folder, "secrets")
        self._size = 0
        self._store = lookup.load("secrets", services["secrets"])
        self._pending: list[str] = []
        self._shown: list[str] = []
        for variable, name in (node.get("secrets") or {}).items():
            try:
                self.environment[variable] = self._store.get(name)
            except KeyError:
                raise TaskFailure(f"secret '{name}' is not there") from None
        self._pending += self.environment.values()
        for name in self._store.known():
            self._pending.append(self._store.get(name))

    def mask(self, masker: Masker) -> None:
        """Add what must be masked by now: the declared secrets, and those the step has asked for since."""
        try:
            size = os.stat(self._used).st_size
        except OSError:
            size = 0
        if size != self._size:
            self._size = size
            for name in read_text(self._used).splitlines():
                try:
                    self._pending.append(self._store.get(name))
                except (KeyError, MagnusError):
                    continue
        while self._pending:
            self._shown.append(self._pending.pop())
            masker.add(self._shown[-1])

    def hide(self, text: str) -> str:
        """Return a text with all secrets masked that the step, which has ended, may have known."""
        self.mask(Masker())
        for value in sorted(self._shown, key=len, reverse=True):
            text = text.replace(value, "********") if value else text
        return text


def read_text(path: str) -> str:
    """Return a small file's text without newlines around it, '' if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip("\n")
    except FileNotFoundError:
        return ""
