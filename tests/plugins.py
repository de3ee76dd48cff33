"""Packages of other people: what they register is found as an installed package's is, by its metadata on `sys.path`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, entries: Mapping[str, Mapping[str, str]], name: str = "somebody_elses") -> None:
    """Write the metadata of a package into a folder of `sys.path`: by kind, names and their `module:class`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    text = ""
    for kind, places in entries.items():
        lines = "".join(f"{entry} = {place}\n" for entry, place in places.items())
        text += f"[magnus_render.{kind}]\n{lines}\n"
    (info / "entry_points.txt").write_text(text)
