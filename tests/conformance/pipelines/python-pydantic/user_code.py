# ruff: noqa: UP045
from __future__ import annotations

from typing import Optional

from pydantic import BaseModel


class Point(BaseModel):
    x: int
    y: float = 0.5
    label: Optional[str] = None


class Points(BaseModel):
    point: Point
    more: list[Point]


def make():
    return Points(point=Point(x=1), more=[Point(x=2, label="é"), Point(x=3, y=1)])


def take(point: Point, more: list[Point], none: Optional[Point] = None):
    assert isinstance(point, Point) and all(isinstance(p, Point) for p in more) and none is None
    return {"total": point.x + sum(p.x for p in more)}
