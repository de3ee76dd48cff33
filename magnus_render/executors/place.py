"""The places where callbacks of a walk run. `Here` is this process: each callback is a fork of it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from magnus_render.errors import AGAIN, FAILED
from magnus_render.plan import services_of
from magnus_render.services import lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus_render.executors.base import Order
    from magnus_render.executors.frames import Call
    from magnus_render.executors.pool import Child
    from magnus_render.plan import Config, Node


class Place:
    """How a callback is started, and what its end means. The walk is the same at every place.

    All methods are called in the process that walks. Only the function that `work` returns is called in a child.
    """

    def ready(self) -> None:
        """Prepare the place before the run is created. Raises `errors.MagnusError` if callbacks could not run."""

    def mode(self, node: Node | None) -> str:
        """Return which steps have folders of their own (see `runtime.workspace`); without a node, that of the whole run."""
        raise NotImplementedError

    def folder(self, call: Call) -> tuple[str, str]:
        """Return two paths of a folder that this process and a call share: the path here, and the path in the call."""
        raise NotImplementedError

    def work(self, call: Call | None, argv: list[str], environment: Mapping[str, str]) -> Callable[[], int]:
        """Return the function that a forked child of this process calls to run a callback; it returns the exit status.

        `argv` begins with the command; `call` is None as the run is created.
        """
        raise NotImplementedError

    def listens(self, call: Call) -> bool:
        """Tell whether a running callback ends in good order after a signal. If not, it may be killed at once."""
        return True

    def ended(self, call: Call, child: Child) -> int:
        """Clean up after a callback whose child has ended; return its exit status, negative if a signal killed it."""
        raise NotImplementedError

    def how(self, call: Call, status: int) -> str:
        """Return in words how a callback failed."""
        status = FAILED if status == AGAIN else status
        return f"exit {status}" if status >= 0 else f"killed by signal {-status}"

    def close(self) -> None:
        """Clean up when the walk is over."""


class Here(Place):
    """Runs every callback in a fork of this process. A step is cheap, because the code is imported already."""

    def __init__(
        self, order: Order, config: Config, scratch: str, isolated: Callable[[Node | None], bool]
    ) -> None:
        """`isolated` tells whether a node has a folder of its own, or, without a node, whether all have."""
        self.plan = order.plan
        self.services = services_of(config)
        self.scratch = scratch
        self._isolated = isolated

    def ready(self) -> None:
        """Import what every callback needs, once, so that no forked child has to."""
        from magnus_render.runtime import attempt, callback, create, handover, state, tasks  # noqa: F401
        from magnus_render.runtime.tasks import python, shell  # noqa: F401

        lookup.find("catalog", self.services["catalog"]["type"])
        lookup.find("secrets", self.services["secrets"]["type"])

    def mode(self, node: Node | None) -> str:
        return "step" if self._isolated(node) else "branch"

    def folder(self, call: Call) -> tuple[str, str]:
        return self.scratch, self.scratch

    def work(self, call: Call | None, argv: list[str], environment: Mapping[str, str]) -> Callable[[], int]:
        walker = str(os.getpid())

        def run() -> int:
            from magnus_render.runtime import callback

            os.environ.update(environment, MAGNUS_CONFIG=json.dumps(self.services), MAGNUS_WALKER=walker)
            # Only the creation of the run gets the plan: a later callback must not create a run again that was deleted.
            plan = self.plan if call is None else None
            return callback.main(argv, plan=plan, services=self.services)

        return run

    def ended(self, call: Call, child: Child) -> int:
        assert child.status is not None
        return child.status
