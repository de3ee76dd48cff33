"""Which secrets a step will not find when it runs, as far as this is known when the pipeline is rendered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus_render.integrations.base import within
from magnus_render.runtime.masking import not_there
from magnus_render.services import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.services.base import BaseSecrets
    from magnus_render.targets.base import BaseTarget


_FILE = "use another type of secrets, or mount the file in every container, and give its absolute path there"


def variables(node: Node, store: BaseSecrets) -> dict[str, str]:
    """Return the names of a step's secrets that the store reads from the environment, each with its variable there."""
    names = (node.get("secrets") or {}).values()
    return {name: variable for name in names if (variable := store.variable(name))}


def missing(target: BaseTarget, plan: Plan, config: Config) -> Iterator[tuple[Node, str, str, str]]:
    """Yield each secret that is certain not to reach a step, as the step, the entry of `secrets`, what is wrong, the fix."""
    asking = [node for node in plan["nodes"].values() if node.get("secrets")]
    store = lookup.load("secrets", config["secrets"]) if asking else None
    for node in asking:
        assert store is not None
        needed = variables(node, store)
        brought = target.brings(node, config)
        for entry, name in node["secrets"].items():
            if store.empty:
                yield node, entry, not_there(name, store.where()), store.remedy(name)
            elif brought is not None and (variable := needed.get(name)) and variable not in brought:
                what = f"nothing brings it the secret '{name}', the environment variable {variable}"
                yield node, entry, what, target.bring.format(variable)
            elif brought is not None and any(within(path, os.getcwd()) for path in store.files()):
                what = f"the secret '{name}' stands in a file of the project, which no image may hold"
                yield node, entry, what, _FILE
