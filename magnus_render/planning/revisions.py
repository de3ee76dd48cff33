"""Files of a revision of git, named `REV:path` as for `git show`, and read without a checkout."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess

from magnus_render.errors import Refused
from magnus_render.spec.files import Files

_NAMED = re.compile(r"((?:\{[^}]*\}|[^:{])*):(.+)", re.DOTALL)
"""A revision may have a colon in braces: `HEAD^{/fix: all}`."""
_FOLDER, _LINK, _SUBMODULE = "040000", "120000", "160000"
"""Git's modes for the kinds of entries in a tree."""


class Revisions(Files):
    """Reads files of this machine, and of revisions of git.

    A path in a revision counts from the top of the repository, or from the working folder if it begins with `./` or `../`.
    Files that a file of a revision names are read from the same revision. An empty REV stands for the staged files.
    """

    def __init__(self) -> None:
        super().__init__()
        self._trees: dict[str, str] = {}
        """Git's id of each revision, by the name that the user gave."""

    def named(self, path: str) -> str:
        """Return the path for `read` of a file that the user named; raise `Refused` for a revision that does not exist.

        A file of this machine keeps its path, also if it has a colon.
        """
        match = _NAMED.fullmatch(path)
        if match is None or os.path.exists(path):
            return path
        revision, inner = match.groups()
        if shutil.which("git") is None:
            raise Refused(
                f"there is no file '{path}', and git, which could find it in a revision, is not installed"
            )
        if revision not in self._trees:
            self._trees[revision] = _tree(revision, path)
        if inner.startswith(("./", "../")):
            inner = _said("rev-parse", "--show-prefix")[1].strip() + inner
        return f"{revision}:{posixpath.normpath(inner)}"

    def here(self, path: str) -> str:
        """Return the path of a file as if it stood in the working folder, given its path for `read`."""
        split = self._split(path)
        if split is None:
            return path
        return os.path.relpath(split[1], _said("rev-parse", "--show-prefix")[1].strip() or os.curdir)

    # ---- the methods of `Files` ----

    def read(self, path: str, limit: int) -> tuple[int, bytes]:
        split = self._split(path)
        if split is None:
            return super().read(path, limit)
        revision, inner = split
        if "\n" in inner or inner == ".." or inner.startswith(("../", "/")):
            raise ValueError("it is outside of the repository, so no revision has it")
        asked = f"{self._trees[revision]}:{inner}\n".encode("utf-8", "surrogateescape")
        said = subprocess.run(
            ["git", "cat-file", "--batch", "--follow-symlinks"], input=asked, capture_output=True, check=False
        )
        head, _, content = said.stdout.partition(b"\n")
        words = head.split()
        if len(words) != 3 or words[1] != b"blob":
            raise ValueError(self._missing(revision, inner))
        size = int(words[2])
        return size, content[:size]

    def beside(self, path: str, named: str) -> str:
        split = self._split(path)
        if split is None:
            return super().beside(path, named)
        revision, inner = split
        return f"{revision}:{posixpath.normpath(posixpath.join(posixpath.dirname(inner), named))}"

    def identity(self, path: str) -> str:
        return super().identity(path) if self._split(path) is None else path

    def _split(self, path: str) -> tuple[str, str] | None:
        """Return revision and path of a file of a revision; None for a file of this machine."""
        match = _NAMED.fullmatch(path)
        return (match[1], match[2]) if match and match[1] in self._trees else None

    def _missing(self, revision: str, inner: str) -> str:
        """Return why a file does not exist in a revision, with a suggestion."""
        tree, where = self._trees[revision], _revision(revision)
        parts = inner.split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            mode = _mode(tree, path)
            if mode == _SUBMODULE:
                return f"'{path}' is a submodule, whose files {where} does not have: check it out, and name a file of it"
            if mode == _LINK:
                return f"in {where} '{path}' is a symbolic link to what {where} does not have"
        if mode == _FOLDER:
            return f"in {where} it is a folder"
        prefix = _said("rev-parse", "--show-prefix")[1].strip()
        if prefix and _mode(tree, prefix + inner):
            return f"{where} has no such file (its paths count from the top of the repository: did you mean ./{inner}?)"
        return f"{where} has no such file"


def _mode(tree: str, path: str) -> str:
    """Return git's mode of an entry of a tree, or of a staged file; '' if there is none."""
    if tree:
        return _said("ls-tree", tree, "--full-tree", "--", path)[1].partition(" ")[0]
    return _said("ls-files", "--stage", "--full-name", "--", f":(top,literal){path}")[1].partition(" ")[0]


def _revision(name: str) -> str:
    return f"the revision '{name}'" if name else "what is staged"


def _tree(revision: str, path: str) -> str:
    """Return the id of a revision's tree, '' for the staged files. Unlike a branch, the id does not move meanwhile."""
    asked = ["--verify", "--end-of-options", f"{revision}^{{tree}}"] if revision else ["--git-dir"]
    status, said, why = _said("rev-parse", *asked)
    if status != 0:
        reason = why.strip().partition("\n")[0].removeprefix("fatal: ")
        if reason == "Needed a single revision":
            reason = f"git knows no revision '{revision}' here"
        raise Refused(
            f"there is no file '{path}', and no revision has it: {reason}\n"
            "  help: write REV:path, such as HEAD:dag.yaml; `git log` lists revisions"
        )
    return said.strip() if revision else ""


def _said(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(["git", *words], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)
