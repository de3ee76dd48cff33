"""The table of which services work under which executor or target, made from the integrations themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from magnus_render import integrations, registry
from magnus_render.plan import SERVICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_render.plan import Service

Verdict = Literal["works", "needs", "refused"]


class Cell(NamedTuple):
    """One service under one executor or target."""

    engine: str
    service: Service
    provider: str
    verdict: Verdict
    text: str
    """What is needed, or why it is refused and what to use instead; '' if it works as it is."""


def cells(*, installed: bool = True) -> list[Cell]:
    """Return all cells: executors before targets, services in their order, what is built in before what is `installed`.

    Raises `Refused` if an installed package cannot be loaded.
    """

    def named(kind: str) -> list[str]:
        ours = list(registry.BUILT_IN[kind])
        return [*ours, *(name for name in registry.names(kind) if installed and name not in ours)]

    engines = [registry.find(kind, name) for kind in ("executor", "target") for name in named(kind)]
    return [
        _cell(engine, service, provider)
        for engine in engines
        for service in SERVICES
        for provider in named(service)
    ]


def table(found: Sequence[Cell]) -> list[list[str]]:
    """Return the rows of a table: a head, then one row for each provider, with a column for each engine.

    A cell that does not work as it is has the number of its note.
    """
    engines = list(dict.fromkeys(cell.engine for cell in found))
    by_place = {(cell.service, cell.provider, cell.engine): cell for cell in found}
    numbers = {text: number for number, text in enumerate(notes(found), 1)}
    rows = [["service", "type", *engines]]
    for service, provider in dict.fromkeys((cell.service, cell.provider) for cell in found):
        row = [by_place[service, provider, engine] for engine in engines]
        rows.append([service, provider, *(_shown(cell, numbers) for cell in row)])
    return rows


def notes(found: Sequence[Cell]) -> list[str]:
    """Return the texts of the cells, each once; a table names them by their numbers, from 1."""
    return list(dict.fromkeys(cell.text for cell in found if cell.text))


def markdown(found: Sequence[Cell]) -> str:
    """Return the table and its notes, as documents have them."""
    head, *rows = table(found)
    lines = [head, ["---"] * len(head), *rows]
    text = "".join(f"| {' | '.join(row)} |\n" for row in lines)
    return text + "\n" + "".join(f"{number}. {note}\n" for number, note in enumerate(notes(found), 1))


def _cell(engine: Any, service: Service, provider: str) -> Cell:
    config = integrations.least(engine, service, provider)
    why = [problem for of, problem in integrations.problems(engine, config) if of == service]
    needs = [one.needs for of, one in integrations.applying(engine, config) if of == service and one.needs]
    if needs:
        return Cell(engine.name, service, provider, "needs", "; ".join(needs))
    return Cell(engine.name, service, provider, "refused" if why else "works", "; ".join(why))


def _shown(cell: Cell, numbers: dict[str, int]) -> str:
    return f"{cell.verdict} ({numbers[cell.text]})" if cell.text else cell.verdict
