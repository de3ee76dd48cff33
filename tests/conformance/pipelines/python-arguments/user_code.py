# ruff: noqa: UP045
from __future__ import annotations

from typing import Optional


def plain(s, i: int, t: bool, n: None, f: float):
    assert (s, i, t, n, f) == ("text", 2, True, None, 1.0) and type(f) is float
    return {"plain": [s, i, t, n, f]}


def defaults(absent=5, n: Optional[str] = "given", other: Optional[list] = None, i: int | None = None):
    return {"defaults": [absent, n, other, i]}


def keywords(*, s: str, **rest):
    return {"keywords": sorted(rest)}


def item(item, i):
    return {"product": item * i}


def missing(s, nowhere: int):
    raise AssertionError("is not called")


def nothing():
    return None
