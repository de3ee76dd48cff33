"""The lines at the end of a run: how it ended, which steps failed and why, where their logs are, how to go on."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus_render import naming
from magnus_render.errors import MagnusError
from magnus_render.executors.led_to_fail import led_to_fail
from magnus_render.executors.terminal import duration, fit
from magnus_render.plan import COMPOSITES
from magnus_render.runtime import outcome as outcomes
from magnus_render.runtime.masking import Masker
from magnus_render.runtime.reading import read_folded
from magnus_render.runtime.records import Run, attempts_of
from magnus_render.services import lookup
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.executors.base import Order
    from magnus_render.plan import Config, Services
    from magnus_render.services.base import BaseRunLogStore

_MOST_FAILURES = 10
_ITEM_COLUMNS = 80


def failures(store: BaseRunLogStore, order: Order, failed: list[tuple[str, str]]) -> Iterator[str]:
    """Yield lines about graphs that came to their fail node, then about the nodes (address, path) that failed for good.

    The nodes stand in the order they failed.
    """
    run = Run.open(store, order.run_id)
    if run is None:
        return
    with suppress(MagnusError):  # a node whose record cannot be read has a line below
        yield from led_to_fail(read_folded(store, order.run_id)[-1], run, _MOST_FAILURES)
    for address, path in failed[:_MOST_FAILURES]:
        item = ""
        try:
            message, log = _reason(run, address)
            item = of_item(run, address, order.config)
        except MagnusError as error:
            message, log = f"its record cannot be read: {error}", ""
        first, *more = message.splitlines() or [""]
        yield f"{safe(path)}{item}: {safe(first)}{' ...' if more else ''}"
        if log:
            yield f"  log: {safe(log)}"
    if len(failed) > _MOST_FAILURES:
        yield f"and {len(failed) - _MOST_FAILURES} more: `magnus runs show {order.run_id}`"


def of_item(run: Run, address: str, services: Services | Config | None = None) -> str:
    """Return which items of maps a node at an address was for, such as ` (region = "EU")`; '' if it is in no map.

    With `services`, the node's secrets are masked. Raises `MagnusError` if records or secrets cannot be read.
    """
    node = run.node(address)
    values = run.map_variables(address, node["scopes"])
    if not values:
        return ""
    masker = Masker()
    if services is not None and node.get("secrets"):
        provider = lookup.load("secrets", services["secrets"])
        for name in node["secrets"].values():
            with suppress(KeyError):
                masker.add(provider.get(name))
    told = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
    return f" ({fit(safe(masker.hide(', '.join(told))), _ITEM_COLUMNS)})"


def _reason(run: Run, address: str) -> tuple[str, str]:
    """Return why a node failed, and where its log is ('' if it has none)."""
    if run.node(address)["type"] in COMPOSITES:
        start = run.of(address, "start")
        return (start and start["message"]) or "failed", ""
    numbers = attempts_of(run.names(address), "start")
    if not numbers:
        return "left no record (was it not started?)", ""
    done = outcomes.of(run, address)
    number = (done and done["attempt"]) or max(numbers)
    # An attempt that was still at work when its node was settled has its own message in its end record.
    told = (end["message"] for end in (done, run.of(address, f"{number}.end")) if end)
    message = next(filter(None, told), "ended without a message (was it killed?)")
    return message, _log(run, address, number)


def _log(run: Run, address: str, number: int) -> str:
    name = f"{number}.log"
    if name not in run.names(address):
        return ""
    key = f"{run.run_id}/{naming.key(address)}/{name}"
    folder = getattr(run.store, "path", None)
    if not isinstance(folder, str):
        return key
    path = os.path.join(folder, key)
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def outcome(order: Order, status: int, seconds: float, counts: tuple[int, int, int, int]) -> tuple[str, str]:
    """Return the line that says how the run ended, and the word in it that a console may colour.

    `status` is the exit status, `counts` the numbers of steps that succeeded, that failed for good, that were taken over
    from another run (of those that succeeded), and that were skipped.
    """
    word = {0: "success", 1: "failed", 64: "refused", 65: "refused", 75: "broken off"}.get(status, "stopped")
    succeeded, failed, taken, skipped = counts
    steps = f"{succeeded} step{'s' * (succeeded != 1)} done"
    if taken:
        run = succeeded - taken
        steps = f"{taken} step{'s' * (taken != 1)} taken over, {run} run"
    steps += f", {skipped} skipped" if skipped else ""
    steps += f", {failed} failed" if failed else ""
    return f"run {order.run_id}: {word} after {duration(seconds)} ({steps})", word


def going_on(order: Order, status: int) -> str:
    """Return the command that goes on from where a run ended, or '' if there is none."""
    store = lookup.find("run_log_store", order.config["run_log_store"]["type"])
    if store.local_only or status in (0, 64, 65) or not order.file:
        return ""
    words = ["magnus", "execute", "-f", order.file]
    if order.config_file:
        words += ["-c", order.config_file]
    if status == 1:
        return "to run again from the failure: " + shlex.join([*words, "--use-cached", order.run_id])
    return "to go on with it: " + shlex.join([*words, "--run-id", order.run_id, "--resume"])
