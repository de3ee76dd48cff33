"""References `$(NAME)` in commands, arguments and variables, as Kubernetes expands them."""

from __future__ import annotations

import re
from collections.abc import Mapping

# `$(` without an end stands for itself, and what follows it is looked at again; `$` and any other character, or the end
# of the text, too: only `$$` gives one `$`.
_REFERENCE = re.compile(r"\$(?:(?P<escaped>\$)|\((?P<name>[^)]*)\))", re.S)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its references replaced; one to no variable stays as it is."""

    def replace(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        return variables.get(found["name"], found[0])

    return _REFERENCE.sub(replace, text)
