"""Test cases of a pipeline: the results of its tasks, and the run that they must lead to. `magnus test` runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.executors.mocked import wrong
from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
from magnus_render.spec import codes
from magnus_render.spec.reader import Reader
from magnus_render.spec.report import Report
from magnus_render.spec.tree import Map, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.plan import Plan
    from magnus_render.runtime.fold import Log

_KEYS = ("parameters", "steps", "expect")
_EXPECTED = ("status", "steps", "parameters")
_STATUSES = ("SUCCESS", "FAIL")
_OF_STEPS = (*_STATUSES, "SKIPPED")


class Case(NamedTuple):
    """One test case."""

    name: str
    parameters: dict[str, Any]
    """Initial parameters."""
    steps: dict[str, Any]
    """Results of tasks, by their paths: the `steps` of the executor `mocked`."""
    status: str
    """The expected status of the run: SUCCESS or FAIL."""
    expected: dict[str, str | None]
    """The expected statuses of steps, by their paths in the run log; None for a step that must not run."""
    left: dict[str, Any]
    """The expected parameters at the end of the run."""


def read(file: str, plan: Plan) -> list[Case]:
    """Return the cases in a YAML file for a definition, in their order.

    Raises `DefinitionError` with everything that is wrong.
    """
    report = Report()
    tree = Reader(report, beginning="begin with a case: 'NAME: {expect: {status: SUCCESS}}'").read(file)
    report.check()
    cases = []
    if not isinstance(tree, Map) or not tree:
        what = "the file must be a mapping of cases"
        report.error_without_line(
            codes.BAD_CASE, file, what, "such as 'all is well: {expect: {status: SUCCESS}}'"
        )
        report.check()
    for name in tree:
        if found := _case(tree, name, plan, report):
            cases.append(found)
    report.check()
    return cases


def read_steps(file: str, plan: Plan) -> dict[str, Any]:
    """Return the results of tasks that a YAML file gives, by the tasks' paths.

    Raises `DefinitionError` with everything that is wrong.
    """
    report = Report()
    tree = Reader(report, beginning="begin with a task: 'NAME: {fail: 1}'").read(file)
    report.check()
    if not isinstance(tree, Map):
        what = "the file must be a mapping of tasks"
        report.error_without_line(codes.BAD_CASE, file, what, "such as 'fetch: {set: {rows: 10}, fail: 1}'")
        report.check()
    _check_steps(tree, plan, "mocked", report)
    report.check()
    found: dict[str, Any] = plain(tree)
    return found


def differences(case: Case, log: Log) -> Iterator[str]:
    """Yield the differences between a run and the expectations of its case."""
    if log["status"] != case.status:
        yield f"the run is {log['status']}, and should be {case.status}"
    found = {path: step["status"] for path, step in _run(log["steps"])}
    for path, status in case.expected.items():
        there = found.get(path)
        if there != status:
            yield f"{path} is {there or 'not run'}, and should {'be ' + status if status else 'not be run'}"
    for name, value in case.left.items():
        if name not in log["parameters"]:
            yield f"the parameter {name} is not set, and should be {_text(value)}"
        elif (there := _text(log["parameters"][name])) != _text(value):
            yield f"the parameter {name} is {there}, and should be {_text(value)}"


def way(log: Log) -> str:
    """Return one line about a run whose case failed: each step with its status and, if it failed, the reason."""
    return ", ".join(
        f"{path} {step['status']}{f' ({_why(step)})' if _why(step) else ''}"
        for path, step in _run(log["steps"])
    )


def _why(step: Mapping[str, Any]) -> str:
    message: str = step["message"] if step["status"] != "SUCCESS" else ""
    return message.partition("\n")[0]


def _run(steps: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the record of all steps of a log but status nodes."""
    for path, step in steps.items():
        if step["step_type"] not in (SUCCESS_NODE, FAIL_NODE):
            yield path, step
        for branch in step["branches"].values():
            yield from _run(branch["steps"])


def _case(tree: Map, name: str, plan: Plan, report: Report) -> Case | None:
    case = tree[name]
    if not isinstance(case, Map):
        fix = f"write {{{', '.join(f'{key}: ...' for key in _KEYS)}}}"
        report.error(codes.BAD_CASE, tree.value_place(name), f"case '{name}' must be a mapping", fix)
        return None
    _check_keys(case, _KEYS, f"case '{name}'", report)
    parameters, steps, expect = (_mapping(case, key, f"case '{name}'", report) for key in _KEYS)
    _check_keys(expect, _EXPECTED, f"case '{name}': expect", report)
    _check_steps(steps, plan, f"case '{name}'", report)
    status = expect.get("status", "SUCCESS")
    _check_status(expect, "status", _STATUSES, "leave it out for SUCCESS", report)
    expected, left = (_mapping(expect, key, f"case '{name}': expect", report) for key in _EXPECTED[1:])
    known = [node["path"] for node in plan["nodes"].values() if node["type"] not in (SUCCESS_NODE, FAIL_NODE)]
    for path, wanted in expected.items():
        if wanted is not None:
            _check_status(
                expected, path, _OF_STEPS, "null stands for a step that the run does not come to", report
            )
        if not any(_is_of(path, one) for one in known):
            shown = ", ".join(one.replace("._.", ".0.") for one in known)
            fix = f"its steps are {shown}; a number is that of a map's item"
            report.error(codes.BAD_CASE, expected.key_place(path), f"there is no step '{path}'", fix)
    return Case(name, plain(parameters), plain(steps), str(status), plain(expected), plain(left))


def _is_of(path: str, defined: str) -> bool:
    """Tell whether a path of the run log is of a step with a path in the definition, which has `_` for an item."""
    parts, others = path.split("."), defined.split(".")
    return len(parts) == len(others) and all(
        part.isdigit() if other == "_" else part == other for part, other in zip(parts, others, strict=True)
    )


def _check_steps(steps: Map, plan: Plan, where: str, report: Report) -> None:
    for path, what, fix in wrong(steps, plan):
        holder = steps[path[0]] if len(path) > 1 else steps
        report.error(codes.BAD_CASE, holder.key_place(path[-1]), f"{where}: {what}", fix)


def _check_status(holder: Map, key: str, known: tuple[str, ...], fix: str, report: Report) -> None:
    status = holder.get(key, known[0])
    if status not in known:
        what = f"'{key}' is {status!r}, not {', '.join(known[:-1])} or {known[-1]}"
        report.error(codes.BAD_CASE, holder.value_place(key), what, fix)


def _check_keys(found: Map, known: tuple[str, ...], where: str, report: Report) -> None:
    for key in found:
        if key not in known:
            fix = report.did_you_mean(key, known) or f"known: {', '.join(known)}"
            report.error(codes.BAD_CASE, found.key_place(key), f"{where} has no key '{key}'", fix)


def _mapping(holder: Map, key: str, where: str, report: Report) -> Map:
    found = holder.get(key)
    if isinstance(found, Map):
        return found
    if found is not None:
        report.error(codes.BAD_CASE, holder.value_place(key), f"{where}: '{key}' must be a mapping")
    return Map.at(holder.place())


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
