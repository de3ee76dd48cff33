"""One bundle for several environments: the first one's objects as a base, and for each environment what differs from it.

What kustomize builds of an overlay is what a bundle of that environment alone would be (kustomize's documentation,
"Kustomization file": `resources`, `patches`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo.lint.yaml import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Write = Callable[[str, Mapping[str, Any]], str]

KUSTOMIZATION, README = "kustomization.yaml", "README.md"
_PATH = str.maketrans({"~": "~0", "/": "~1"})
"""How keys stand in a path (RFC 6901)."""


def files(bundles: Mapping[str, Mapping[str, str]], readme: str, write: Write) -> dict[str, str]:
    """Return the files of one bundle made of one for each environment, the first of which is the base."""
    base = next(iter(bundles.values()))
    found = {f"base/{name}": text for name, text in base.items() if name != README}
    found[README] = readme
    for environment, own in bundles.items():
        there = f"overlays/{environment}"
        patches, added = list[dict[str, Any]](), dict[str, str]()
        for name in sorted({*base, *own} - {KUSTOMIZATION, README}):
            before, after = _objects(base.get(name, "")), _objects(own.get(name, ""))
            if list(before) == list(after):
                patches += _patches(before, after)
            else:
                patches += [_deletion(one) for one in before.values()]
                added |= {name: own[name]} if name in own else {}
        context = {"environment": environment, "added": sorted(added), "patches": patches}
        found[f"{there}/{KUSTOMIZATION}"] = write("argo/bundle/overlay.yaml.j2", context)
        found |= {f"{there}/{name}": text for name, text in added.items()}
    return found


def _objects(text: str) -> dict[tuple[str, str, str], Any]:
    """Return the objects of a file by version, kind and name."""
    return {(one["apiVersion"], one["kind"], one["metadata"]["name"]): one for one in load(text)}


def _patches(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    for (version, kind, name), old in before.items():
        changes = list(_changes(old, after[version, kind, name], ""))
        if changes:
            group = {"group": version.rpartition("/")[0]} if "/" in version else {}
            lines = [f"- {json.dumps(change, ensure_ascii=False)}" for change in changes]
            yield {"target": {**group, "kind": kind, "name": name}, "lines": lines}


def _deletion(found: Mapping[str, Any]) -> dict[str, Any]:
    named = {"$patch": "delete", "apiVersion": found["apiVersion"], "kind": found["kind"]}
    named["metadata"] = {
        key: found["metadata"][key] for key in ("name", "namespace") if key in found["metadata"]
    }
    return {"target": None, "lines": [json.dumps(named, ensure_ascii=False)]}


def _changes(old: Any, new: Any, path: str) -> Iterator[dict[str, Any]]:
    """Yield what makes one value of another (RFC 6902)."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(one for one in new if one not in old)]:
            where = f"{path}/{key.translate(_PATH)}"
            if key not in new:
                yield {"op": "remove", "path": where}
            elif key not in old:
                yield {"op": "add", "path": where, "value": new[key]}
            else:
                yield from _changes(old[key], new[key], where)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _changes(left, right, f"{path}/{number}")
    elif type(old) is not type(new) or old != new:
        yield {"op": "replace", "path": path, "value": new}
