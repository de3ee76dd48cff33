"""Checks of a CronWorkflow's schedules.

Argo reads them as the Go package robfig/cron does: five fields, no seconds, weekdays 0 to 6. The CRDs of Argo 4 take
numbers alone where that package takes names too, and no time zone in front (`CronWorkflowSpec.schedules`, its pattern).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.lint.report import mapping, shown

if TYPE_CHECKING:
    from magnus_render.targets.argo.lint.manifest import Document, Owner, Report

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_WEEKDAYS = "sun mon tue wed thu fri sat"
_WORDS = {
    "month": {name: number for number, name in enumerate(_MONTHS.split(), 1)},
    "weekday": {name: number for number, name in enumerate(_WEEKDAYS.split())},
}
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_NUMBERS = {name: str(number) for words in _WORDS.values() for name, number in words.items()}
_ZONES = ("TZ=", "CRON_TZ=")
_RANGE = re.compile(r"(\*|\?|(\w+)(?:-(\w+))?)(?:/(\d+))?\Z")


def check_schedules(document: Document, report: Report) -> None:
    """Check the schedules and the time zone of a CronWorkflow."""
    spec = mapping(document.body["spec"])
    schedules = spec.get("schedules")
    if isinstance(schedules, list) and not schedules:
        report.error(codes.SCHEDULE, document, "schedules is empty", "add at least one")
    check_times(schedules, document, report)
    for schedule in schedules if isinstance(schedules, list) else ():
        if isinstance(schedule, str) and schedule != numbered(schedule):
            what = f"schedule {shown(schedule)}: Argo 4 takes numbers alone"
            report.error(codes.SCHEDULE, document, what, f"write {shown(numbered(schedule))}")
    check_zone(spec.get("timezone"), document, report)


def numbered(schedule: str) -> str:
    """Return a schedule with numbers for the names of months and weekdays: `0 6 * * 1-5` for `0 6 * * MON-FRI`."""
    if schedule.startswith("@"):
        return schedule
    return re.sub("[A-Za-z]+", lambda word: _NUMBERS.get(word[0].lower(), word[0]), schedule.strip())


def check_times(schedules: Any, owner: Owner, report: Report) -> None:
    """Check a list of schedules; names of months and weekdays are let through."""
    seen: set[str] = set()
    for schedule in schedules if isinstance(schedules, list) else ():
        if not isinstance(schedule, str):
            continue
        problem, fix = schedule_problem(schedule), "see crontab(5)"
        times = " ".join(numbered(schedule).split())
        if not problem and times in seen:
            problem, fix = "it stands there twice", "keep one of them"
        if schedule.startswith(_ZONES):
            fix = "write it as timezone"
        if problem:
            report.error(codes.SCHEDULE, owner, f"schedule {shown(schedule)}: {problem}", fix)
        seen.add(times)


def check_zone(zone: Any, owner: Owner, report: Report) -> None:
    """Check the name of a time zone."""
    if isinstance(zone, str) and zone and not _is_zone(zone):
        report.error(
            codes.SCHEDULE, owner, f"timezone is {shown(zone)}", "write a name such as Europe/Berlin"
        )


def schedule_problem(schedule: str) -> str:
    """Return what is wrong with a schedule, '' if nothing."""
    if schedule.startswith(_ZONES):
        return "Argo 4 takes no time zone in it"
    if schedule.startswith("@"):
        every = re.fullmatch(r"@every ([0-9]+(ns|us|µs|ms|s|m|h))+", schedule)
        return "" if schedule in _DESCRIPTORS or every else f"one of {', '.join(_DESCRIPTORS)}, @every 1h30m"
    given = schedule.split()
    if len(given) != len(_FIELDS):
        return f"it has {len(given)} fields, not 5"
    for part, (name, least, most) in zip(given, _FIELDS, strict=True):
        for span in part.split(","):
            match = _RANGE.match(span)
            ends = [_ordinal(end, name) for end in match.group(2, 3) if end] if match else [None]
            if match is None or None in ends or match.group(4) == "0":
                return f"{name} {shown(span)} cannot be read"
            numbers = [end for end in ends if end is not None]
            if any(not least <= number <= most for number in numbers) or numbers != sorted(numbers):
                return f"{name} {shown(span)} is not within {least} to {most}"
    return ""


def _ordinal(word: str, field: str) -> int | None:
    if word.isdecimal() and word.isascii():
        return int(word)
    return _WORDS.get(field, {}).get(word.lower())


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        try:
            ZoneInfo("Europe/London")
        except (ValueError, OSError, KeyError):
            return bool(
                re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", name)
            )  # no database on this machine
        return False
    return True
