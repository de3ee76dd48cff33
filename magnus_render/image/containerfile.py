"""The text of a project's Containerfile, and of the ignore file, which limits the files that an engine may see.

The form: the Dockerfile reference of docker, `Containerfile(5)` and `containerignore(5)` of podman.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

from magnus_render.errors import Refused
from magnus_render.render.templates import from_folders

if sys.version_info >= (3, 11):
    import tomllib

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTAINERFILE, IGNORE = "Containerfile", ".containerignore"
USER = "10001:10001"
"""A user that no machine has, and that is not root. It is a number, because Kubernetes can check only a number."""
Manifest = Literal["requirements", "hashed", "uv", "pyproject", ""]
MARK = "# Written by `magnus image`"
"""The beginning of a sealed text."""
_SEAL = f"{MARK}, and written anew while nobody changes it. Sha256 of the lines below: "
_REASON = (
    "# The engine sees what stands here with a '!', and no more: what git tracked when this was written."
)
_OTHERS = re.compile(r"(?:-r|-c|--requirement|--constraint)=?(.*)")
_LOCAL = re.compile(r"-e|--editable|\.{0,2}/|\.$|file:")
_PLAIN = re.compile(r"[\w./-]+")


class Packages(NamedTuple):
    """The files that name the packages of a project."""

    manifest: Manifest
    files: list[str]
    """All files that name packages, in the order in which they refer to each other."""


def packages(folder: str, files: Sequence[str], named: str = "") -> Packages:
    """Return where a project's packages stand: in the file `named`, else in the first of its tracked files that tells.

    Raises `Refused` if git does not track what is named, or what it refers to, or if it cannot be read here.
    """
    if named or "requirements.txt" in files:
        found = _referred(folder, files, os.path.normpath(named or "requirements.txt"))
        hashed = any("--hash" in word for name in found for line in _lines(folder, name) for word in line)
        return Packages("hashed" if hashed else "requirements", found)
    if "pyproject.toml" in files and "uv.lock" in files:
        return Packages("uv", ["pyproject.toml", "uv.lock"])
    if "pyproject.toml" in files and _has_dependencies(_text(folder, "pyproject.toml")):
        return Packages("pyproject", ["pyproject.toml"])
    return Packages("", [])


def containerfile(templates: str, base: str, magnus: str, needed: Packages) -> str:
    """Return the Containerfile of a project, sealed. `magnus` is the requirement that pip installs."""
    for name in needed.files:
        if not _PLAIN.fullmatch(name):
            raise Refused(
                f"{name}: a file of requirements needs a plain name: letters, digits, '.', '_', '-', '/'"
            )
    text = (
        from_folders(templates)
        .get_template("image/Containerfile.j2")
        .render(
            base=base,
            magnus=shlex.quote(magnus),
            manifest=needed.manifest,
            files=needed.files,
            requirements=needed.files[0] if needed.files else "",
            user=USER,
        )
    )
    return seal(text)


def ignore(files: Sequence[str], without: Sequence[str]) -> str:
    """Return the ignore file, sealed: an engine may see these files, but none that fits the patterns `without`."""
    lines = [_REASON, "*", *(f"!{pattern(name)}" for name in files), *without]
    return seal("".join(f"{line}\n" for line in lines))


def seal(text: str) -> str:
    """Put a line in front of a text, by which it can be checked later that the text was not changed."""
    return f"{_SEAL}{sha256(text.encode()).hexdigest()[:16]}\n{text}"


def is_sealed(text: str) -> bool:
    """Tell whether a text is as `seal` returned it, by this version or another."""
    return seal(text.partition("\n")[2]) == text


def _referred(folder: str, files: Sequence[str], name: str) -> list[str]:
    """Return a file of requirements and those that it takes in, each once."""
    found, waiting = [], [name]
    while waiting:
        name = waiting.pop(0)
        if name in found or "://" in name:
            continue
        if name not in files:
            raise Refused(f"git does not track {name}, which says what the project needs: git add {name}")
        found.append(name)
        for words in _lines(folder, name):
            if _LOCAL.match(words[0]):
                raise Refused(
                    f"{name}: '{' '.join(words)}' installs what lies in the project, which is copied later. Leave the line "
                    "out: steps find the project's modules in their working folder; or install it by a line of your own "
                    "in the Containerfile"
                )
            if match := _OTHERS.fullmatch(words[0]):
                other = match[1] or "".join(words[1:2])
                waiting.append(
                    other if "://" in other else os.path.normpath(os.path.join(os.path.dirname(name), other))
                )
    return found


def _lines(folder: str, name: str) -> list[list[str]]:
    """Return the words of each line of a file of requirements, comments left out.

    The form: https://pip.pypa.io/en/stable/reference/requirements-file-format/.
    """
    text = _text(folder, name).removeprefix("\ufeff").replace("\\\n", " ")
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    return [_words(line) for line in lines if line]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # pip says what is wrong with it
        return line.split()


def _text(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def _has_dependencies(text: str) -> bool:
    if sys.version_info >= (3, 11):
        try:
            project: object = tomllib.loads(text).get("project")
        except tomllib.TOMLDecodeError as error:
            raise Refused(f"pyproject.toml cannot be read: {error}") from error
        return isinstance(project, dict) and isinstance(project.get("dependencies"), list)
    if re.search(r"^dependencies\s*=", text, re.MULTILINE):
        raise Refused(
            "pyproject.toml says what the project needs, and it takes Python 3.11 to read it: name a file of "
            "requirements instead: --requirements FILE"
        )
    return False


def pattern(name: str) -> str:
    """Return the pattern that matches a name and no other."""
    if not name.isprintable() or name != name.strip():
        raise Refused(
            f"{name!r}: a name that is not UTF-8, or has a line break or a blank at an end, cannot stand in {IGNORE}: "
            "rename the file"
        )
    escaped = re.sub(r"([*?\[\]\\])", r"\\\1", name)
    return f"\\{escaped}" if escaped[0] in "!#" else escaped
