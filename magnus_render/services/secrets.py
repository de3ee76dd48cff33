"""Secrets: `do-nothing` (there are none), `env` (the environment), `dotenv` (a file of NAME=value lines)."""

from __future__ import annotations

import os

from magnus_render.errors import Refused
from magnus_render.services.base import BaseSecrets
from magnus_render.services.options import check_keys, platform_error, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

HANDED = "MAGNUS_HANDED_SECRET_"
"""Prefix of the variables by which an executor hands a step the secrets that it names. The API reads them too."""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$", "`": "`"}


class DoNothingSecrets(BaseSecrets):
    """There are no secrets."""

    summary = "no secrets"

    empty = True

    keys: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys("secrets 'do-nothing'", config, self.keys)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that makes this provider again."""
        return {}

    def get(self, name: str) -> str:
        raise KeyError(name)

    def where(self) -> str:
        return "no secrets provider is configured"

    def remedy(self, name: str) -> str:
        return "configure one, such as secrets: {type: dotenv}"


class EnvSecrets(BaseSecrets):
    """A secret is the environment variable of its name, with `prefix` (default none) in front."""

    summary = "environment variables"
    aliases = ("env-secrets-manager", "env-secrets")
    keys: ClassVar[Mapping[str, str]] = {"prefix": "text"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "prefix": ("What stands before a secret's name in the name of its environment variable.", "PROD_"),
    }

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys("secrets 'env'", config, self.keys)
        self.prefix = text("secrets 'env'", config, "prefix", "") if config.get("prefix") else ""

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that makes this provider again."""
        return {"prefix": self.prefix} if self.prefix else {}

    def get(self, name: str) -> str:
        return os.environ[self.variable(name)]

    def known(self) -> list[str]:
        if not self.prefix:  # every variable could be a secret then, so there is nothing to suggest
            return []
        return sorted(name[len(self.prefix) :] for name in os.environ if name.startswith(self.prefix))

    def where(self) -> str:
        if self.prefix == HANDED:
            return "looked among those that the step names in `secrets`"
        named = f", names with '{self.prefix}' in front" if self.prefix else ""
        return f"looked in the environment{named} (env)"

    def remedy(self, name: str) -> str:
        return f"set the environment variable {self.variable(name)}"

    def variable(self, name: str) -> str:
        return self.prefix + name


class DotenvSecrets(BaseSecrets):
    """Secrets in a file, `path` (or `location`; default `.env`, relative to the working folder).

    The file is read at the first use; one that does not exist holds no secrets.
    """

    summary = "lines of a file, such as NAME=value"
    keys: ClassVar[Mapping[str, str]] = {"path": "text"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "path": ("The file that holds the secrets, relative to the working folder.", "secrets/.env"),
    }
    defaults: ClassVar[Mapping[str, Any]] = {"path": ".env"}
    older_keys: ClassVar[Mapping[str, str]] = {"location": "path"}

    def __init__(self, config: Mapping[str, Any]) -> None:
        service = "secrets 'dotenv'"
        check_keys(service, config, (*self.keys, *self.older_keys))
        if "path" in config and "location" in config:
            raise Refused(f"{service}: 'path' and 'location' mean the same: give one")
        key = "location" if "location" in config else "path"
        self._written = text(service, config, key, self.defaults["path"])
        self.path = os.path.abspath(self._written)
        self._values: dict[str, str] | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that finds this file from any working folder."""
        return {"path": self.path}

    def get(self, name: str) -> str:
        return self._all()[name]

    def known(self) -> list[str]:
        return sorted(self._all())

    def files(self) -> list[str]:
        return [self.path]

    def where(self) -> str:
        return f"looked in {self._written} (dotenv)"

    def remedy(self, name: str) -> str:
        there = "" if os.path.exists(self.path) else ", which does not exist"
        return f"write a line {name}=... into {self.path}{there}"

    def _all(self) -> dict[str, str]:
        if self._values is None:
            self._values = self._read()
        return self._values

    def _read(self) -> dict[str, str]:
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise platform_error("read", self.path, error) from error
        try:
            content = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise Refused(f"{self.path}:{line}: not UTF-8") from None
        return parse_dotenv(content, self.path)


def parse_dotenv(content: str, path: str) -> dict[str, str]:
    """Parse lines of `NAME=value`; the last line of a name wins. Errors name `path` and a line, never a
    value.

    `export` before the name, blank lines and comments (`#` at the start of a line or after a blank) are
    allowed. In single quotes all is literal; in double quotes a backslash before n, r, t, a backslash, a
    double quote, `$`, a backtick or a line's end is an escape. Both may span lines. Variables are not
    substituted.
    """
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    position, line = 0, 1
    while position < len(content):
        end = content.find("\n", position)
        end = len(content) if end < 0 else end
        statement = content[position:end].strip()
        if not statement or statement.startswith("#"):
            position, line = end + 1, line + 1
            continue
        equals = content.find("=", position, end)
        name = content[position : max(equals, position)].strip()
        if name.startswith(("export ", "export\t")):
            name = name[6:].strip()
        if not name or any(character.isspace() or character in "'\"#" for character in name):
            raise Refused(f"{path}:{line}: expected NAME=value")
        start = equals + 1
        while start < end and content[start] in " \t":
            start += 1
        if start < end and content[start] in "'\"":
            values[name], after = _quoted(content, start, path, line)
            end = content.find("\n", after)
            end = len(content) if end < 0 else end
            rest = content[after:end].strip()
            if rest and not rest.startswith("#"):
                raise Refused(f"{path}:{line}: text after the closing quote of {name}")
        else:
            values[name] = _unquoted(content[equals + 1 : end])
        line += content.count("\n", position, end) + 1
        position = end + 1
    return values


def _unquoted(rest: str) -> str:
    for index, character in enumerate(rest):
        if character == "#" and (index == 0 or rest[index - 1] in " \t"):
            return rest[:index].strip()
    return rest.strip()


def _quoted(content: str, start: int, path: str, line: int) -> tuple[str, int]:
    """Return the quoted value that begins at `start`, and the position after its closing quote."""
    quote = content[start]
    parts: list[str] = []
    position = start + 1
    while position < len(content):
        character = content[position]
        if character == quote:
            return "".join(parts), position + 1
        if character == "\\" and quote == '"' and position + 1 < len(content):
            follower = content[position + 1]
            if follower != "\n":
                parts.append(_ESCAPES.get(follower, "\\" + follower))
            position += 2
        else:
            parts.append(character)
            position += 1
    raise Refused(f"{path}:{line}: no closing quote")
