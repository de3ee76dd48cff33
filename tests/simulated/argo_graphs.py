"""Random definitions: any graph that may be written, and long ones that can be cut into parts."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.unit.argo_rendering import ENDS, as_is, task

Steps = dict[str, dict[str, Any]]


def any_graph(rng: random.Random, size: int) -> dict[str, Any]:
    """Return a dag of that many steps, and their handlers: of all types, with shared handlers, skips and ways to fail."""
    drawn = _Drawn(
        rng, rng.choice([0, 0.15, 0.3]), rng.choice([0, 0.15, 0.3]), rng.choice([1, 2, 3]), rng.choice([0, 0.05, 0.2])
    )  # fmt: skip
    return drawn.graph("", size)


def long_graph(rng: random.Random, size: int) -> dict[str, Any]:
    """Return a long dag that can mostly be cut: its ways rejoin near by, handlers are shared over stretches of it."""
    return _Long(rng, rng.choice([0, 0, 0.05]), rng.choice([0, 0.02]), 1, rng.choice([0, 0, 0.003])).long(
        size
    )


def is_silent(step: dict[str, Any]) -> bool:
    """Tell whether a step cannot fail: an as-is without text."""
    return step["type"] == "as-is" and "render_string" not in step


class _Drawn:
    """Draws graphs: `natives` and `composites` are shares of the steps, `to_fail` of those whose success leads to fail."""

    def __init__(
        self, rng: random.Random, natives: float, composites: float, depth: int, to_fail: float
    ) -> None:
        self.rng = rng
        self.natives = natives
        self.composites = composites
        self.depth = depth
        self.to_fail = to_fail
        self.conditions = rng.choice([0, 0, 0.2, 0.5])

    # ---- steps ----

    def step(self, address: str, level: int) -> dict[str, Any]:
        """Return a step that leads on nowhere yet."""
        rng = self.rng
        if rng.random() < self.natives:
            container = {"image": "i", "command": ["native"], "args": [address]}
            texts: list[Any] = [None, "echo x\n", {"container": container}]
            text = rng.choice(texts)
            return as_is(text) if text else {"type": "as-is"}
        if level < self.depth and rng.random() < self.composites:
            return self.composite(address, level)
        when = {"when": {"parameter": "p", "is": "v"}} if rng.random() < self.conditions else {}
        return task(retry=2, **when) if rng.random() < 0.05 else task(**when)

    def composite(self, address: str, level: int) -> dict[str, Any]:
        """Return a parallel, a map, a conditional or a dag."""
        rng = self.rng

        def branch(name: str) -> dict[str, Any]:
            return self.graph(f"{address}.{name}", rng.choice([0, 1, 1, 2, 3, 4]), level + 1)

        step: dict[str, Any] = {"type": rng.choice(["parallel", "map", "dag", "conditional"])}
        if step["type"] == "dag":
            return {**step, "branch": branch("branch"), "separate": rng.random() < 0.2}
        if step["type"] == "conditional":
            step |= {
                "parameter": "p",
                "branches": {name: branch(name) for name in "xyz"[: rng.choice([1, 2, 3])]},
            }
            return {**step, "default": branch("default")} if rng.random() < 0.3 else step
        if step["type"] == "map":
            step |= {"iterate_on": "l", "iterate_as": f"v{level}", "branch": branch("_")}
        else:
            step["branches"] = {name: branch(name) for name in "xyz"[: rng.choice([1, 2, 3])]}
        if rng.random() < 0.3:
            step["max_concurrency"] = 2
        if rng.random() < 0.1:
            step["fail_fast"] = True
        return step

    # ---- graphs ----

    def graph(self, address: str, size: int, level: int = 0) -> dict[str, Any]:
        """Return a graph of that many steps, and their handlers."""
        rng = self.rng
        prefix = f"{address}." if address else ""
        names = [f"{rng.choice('abcdefgk')}{number}" for number in range(size)]
        shared = [f"sh{number}" for number in range(rng.choice([0, 0, 1, 1, 2, 3]) if size > 2 else 0)]
        to_shared = rng.choice([0, 0.3, 0.3, 0.95, 1]) if shared else 0
        handled = rng.choice([0, 0.3, 0.3, 1])
        skips = rng.choice([0, 0, 0.1, 0.3])
        steps: Steps = {}

        def after(number: int) -> str:
            return names[number + 1] if number + 1 < size else "success"

        def later(number: int) -> str:
            rest = names[number + 1 :]
            if not rest or rng.random() < 0.03:
                return rng.choice(["success", "success", "fail"])
            return rest[min(len(rest) - 1, int(rng.expovariate(0.4)))] if rng.random() < 0.5 else rest[0]

        def anywhere(number: int) -> str:
            return after(number) if rng.random() < 0.6 else rng.choice([later(number), "fail", "success"])

        for number, name in enumerate(names):
            step = steps[name] = self.step(prefix + name, level)
            step["next"] = "fail" if rng.random() < self.to_fail else after(number)
            if rng.random() < skips:
                step["next"] = later(number)
            if is_silent(step) and rng.random() < 0.9:
                continue
            if rng.random() < to_shared:
                stretch = shared[number * len(shared) // size]
                step["on_failure"] = stretch if rng.random() < 0.8 else rng.choice(shared)
            elif rng.random() < handled and rng.random() < 0.3:
                step["on_failure"] = rng.choice([later(number), step["next"], "success", "fail"])
            elif rng.random() < handled:
                step["on_failure"] = f"h{number}"
                others = shared if rng.random() < 0.3 else []
                steps |= self.chain(prefix, level, f"h{number}", partial(anywhere, number), others)
        for number, name in enumerate(one for one in shared if one != "success"):
            steps |= self.last(prefix, level, name, shared[number + 1 :])
        found = list(steps.items())
        if rng.random() < 0.3:
            rng.shuffle(found)
        # A pipeline that begins with its fail node is refused.
        start = names[0] if names else rng.choice(["success", "success", "fail"]) if address else "success"
        return {"start_at": start, "steps": {**dict(found), **ENDS}}

    def chain(
        self, prefix: str, level: int, first: str, onward: Callable[[], str], shared: list[str]
    ) -> Steps:
        """Return a handler and, sometimes, further ones behind it; `onward` chooses a step that one leads to."""
        rng = self.rng
        names = [first, *(f"{first}c{number}" for number in range(rng.choice([0, 0, 0, 1, 2])))]
        steps: Steps = {}
        for number, name in enumerate(names):
            step = steps[name] = self.step(prefix + name, level)
            step["next"] = onward()
            if name != names[-1]:
                behind = names[number + 1]
                if is_silent(step) or rng.random() < 0.5:
                    step["next"] = behind
                else:
                    step["on_failure"] = behind
                    step["next"] = rng.choice([step["next"], behind])
            if "on_failure" not in step and not is_silent(step) and shared:
                step["on_failure"] = rng.choice(shared)
        return steps

    def last(self, prefix: str, level: int, name: str, others: list[str]) -> Steps:
        """Return a handler that steps from all over share, and what stands behind it."""
        rng = self.rng
        step = self.step(prefix + name, level)
        step["next"] = rng.choice(["success", "fail", "fail", *others[:1]])
        if others and not is_silent(step) and rng.random() < 0.3:
            step["on_failure"] = rng.choice(others)
        steps = {name: step}
        if rng.random() < 0.3:
            steps[f"{name}t"] = task(step["next"])
            step["next"] = f"{name}t"
            if others and rng.random() < 0.5:
                steps[f"{name}t"]["on_failure"] = others[0]
        return steps


class _Long(_Drawn):
    def long(self, size: int) -> dict[str, Any]:
        """Return a long graph."""
        rng = self.rng
        names = [f"{rng.choice('abcdefgk')}{number}" for number in range(size)]
        shared = [f"sh{number}" for number in range(rng.choice([0, 1, 1, 2, 3]))]
        if rng.random() < 0.2:
            shared[-1:] = ["success"]
        most = rng.choice([1, 1, 0.98])  # of the steps lead to a shared handler, where there is one
        handled = rng.choice([0, 0.1, 0.4])
        steps: Steps = {}

        def near(number: int) -> str:
            if rng.random() < self.to_fail:
                return rng.choice(["fail", "success"])
            place = number + (1 if rng.random() < 0.9 else rng.choice([2, 3, 4]))
            return names[place] if place < size else "success"

        for number, name in enumerate(names):
            step = steps[name] = self.step(name, 0)
            step["next"] = near(number)
            stretch = [shared[number * len(shared) // size]] if shared and rng.random() < most else []
            if is_silent(step):
                continue
            if rng.random() < handled:
                step["on_failure"] = f"h{number}"
                steps |= self.chain("", 0, f"h{number}", partial(near, number), stretch)
            elif stretch:
                step["on_failure"] = stretch[0]
        for number, name in enumerate(one for one in shared if one != "success"):
            steps |= self.last("", 0, name, shared[number + 1 :])
        found = list(steps.items())
        if rng.random() < 0.4:
            rng.shuffle(found)
        return {"start_at": names[0], "steps": {**dict(found), **ENDS}}
