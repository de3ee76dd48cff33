"""The steps of the joins pipeline: monthly readings of a few cities, made up but plausible."""

from __future__ import annotations

import json
from pathlib import Path

DATA = Path("data")
READINGS = {
    "north": {"Bergen": (2, 7, 14, 9), "Oslo": (-4, 5, 17, 6), "Tromsø": (-5, 1, 12, 3)},
    "south": {"Bari": (9, 15, 26, 18), "Lecce": (10, 16, 27, 19)},
}
RAIN = {"Bergen": 2250, "Oslo": 763, "Tromsø": 1031, "Bari": 563, "Lecce": 637}


def stations(country: str) -> dict[str, list[str]]:
    """Write one file of readings per city, and set the list that the map goes over."""
    folder = DATA / "readings"
    folder.mkdir(parents=True, exist_ok=True)
    for city, degrees in READINGS[country].items():
        (folder / f"{city}.csv").write_text(
            f"{','.join(map(str, degrees))}\n{RAIN[city]}\n", encoding="utf-8"
        )
    return {"cities": list(READINGS[country])}


def temperature(city: str) -> dict[str, object]:
    """Find the warmest season. `city` is the map's variable: each branch sees its own."""
    degrees = [int(text) for text in _lines(city)[0].split(",")]
    (DATA / "temperature.txt").write_text(f"{max(degrees)}\n")
    return {"warmest": max(degrees), "unit": "°C"}


def rain(city: str) -> dict[str, object]:
    """Read the year's rain."""
    total = int(_lines(city)[1])
    (DATA / "rain.txt").write_text(f"{total}\n")
    return {"rain": total, "unit": "mm"}


def summarise(city: str, warmest: int, rain: int, unit: str) -> dict[str, int]:
    """Join the two branches: parameters and files of both are here."""
    assert (DATA / "temperature.txt").read_text() == f"{warmest}\n"
    assert (DATA / "rain.txt").read_text() == f"{rain}\n"
    folder = DATA / "summary"
    folder.mkdir(parents=True, exist_ok=True)
    summary = {"city": city, "warmest": warmest, "rain": rain, "unit": unit}
    (folder / f"{city}.json").write_text(json.dumps(summary, ensure_ascii=False) + "\n", encoding="utf-8")
    (DATA / "latest.txt").write_text(f"{city}\n", encoding="utf-8")
    return {"score": 100 * warmest - rain // 10}


def rank(cities: list[str], score: list[int]) -> dict[str, list[str]]:
    """Sort the cities by score, best first; after the map, `score` is a list in the order of `cities`."""
    return {"ranking": [city for _, city in sorted(zip(score, cities, strict=True), reverse=True)]}


def publish(ranking: list[str], unit: list[str]) -> dict[str, int]:
    """Gather the files of all cities; outside the map there is no `city` any more."""
    paths = sorted((DATA / "summary").glob("*.json"))
    summaries = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    year = {
        "ranking": [summaries[city] for city in ranking],
        "unit": unit,
        "latest": (DATA / "latest.txt").read_text(encoding="utf-8").strip(),
    }
    (DATA / "year.json").write_text(json.dumps(year, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {"published": len(summaries)}


def _lines(city: str) -> list[str]:
    return (DATA / "readings" / f"{city}.csv").read_text(encoding="utf-8").splitlines()
