"""An executed notebook as it is catalogued: without what differs from one execution to the next."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEPT = ("default_parameters", "exception", "parameters", "status", "version")
"""What stays of papermill's notes on a notebook or a cell: no times, nor paths of this machine."""
_KERNEL = r"ipykernel_\d+/"
"""The folder that warnings say a cell's code is in; it has the kernel's process id."""


def settle(path: str, notebook: str) -> None:
    """Rewrite the executed notebook at `path`, so that the same outputs give the same bytes."""
    import re

    with open(path, encoding="utf-8") as file:
        book: dict[str, Any] = json.load(file)
    with open(notebook, encoding="utf-8") as file:
        known = {cell.get("id") for cell in json.load(file).get("cells", [])}
    _notes(book)
    for number, cell in enumerate(book["cells"]):
        _notes(cell)
        cell["metadata"].pop("execution", None)
        if "id" in cell and cell["id"] not in known:
            cell["id"] = _free(f"magnus-{number}", known)
        if cell.get("outputs"):
            cell["outputs"] = json.loads(re.sub(_KERNEL, "ipykernel/", json.dumps(cell["outputs"])))
    temporary = f"{path}.tmp-{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", errors="surrogatepass") as file:
        json.dump(book, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")
    os.replace(temporary, path)


def _notes(part: dict[str, Any]) -> None:
    notes = part["metadata"].get("papermill")
    if isinstance(notes, dict):
        part["metadata"]["papermill"] = {key: notes[key] for key in _KEPT if key in notes}


def _free(name: str, known: set[Any]) -> str:
    while name in known:
        name += "-"
    return name
