"""What a notebook's kernel is asked besides its cells. Imports papermill: only a notebook task's own process loads it."""

from __future__ import annotations

import json
import os
import queue

from nbclient.util import run_sync  # type: ignore[import-not-found,unused-ignore]
from papermill import engines  # type: ignore[import-untyped,unused-ignore]
from papermill.clientwrap import PapermillNotebookClient  # type: ignore[import-untyped,unused-ignore]

from magnus_render.runtime.tasks.variables import PARAMETER, TRACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TELL = """(lambda os, json: open({path!r}, "w").write(json.dumps(
    {{k: v for k, v in os.environ.items() if k.startswith({prefixes!r})}})))(__import__("os"), __import__("json"))"""

_IDLE = 10
"""Seconds for which a kernel that has replied may say nothing."""


def bring_variables_home(path: str) -> None:
    """Have every Python kernel of this process write its variables of ours to a file when its cells are done.

    It is asked silently: the notebook does not show it, no name is left behind.
    """

    class Client(PapermillNotebookClient):  # type: ignore[misc,unused-ignore]
        def start_new_kernel(self, **options: Any) -> None:
            if (
                self.km.ipykernel
            ):  # its warning that TCP is not encrypted is of how we reach it, not of the notebook
                self.extra_arguments += ["--IPKernelApp.log_level=ERROR"]
            super().start_new_kernel(**options)

        def papermill_execute_cells(self) -> None:
            super().papermill_execute_cells()
            if self.km.kernel_spec.language == "python":
                code = _TELL.format(path=path, prefixes=(PARAMETER, TRACK))
                self.wait_for_reply(self.kc.execute(code, silent=True, store_history=False))

        def wait_for_reply(self, msg_id: str, *more: Any) -> Any:
            reply = super().wait_for_reply(msg_id, *more)
            run_sync(_idle)(self.kc, msg_id)
            return reply

    engines.PapermillNotebookClient = Client


async def _idle(client: Any, asked: str) -> None:
    """Wait until a kernel has done with a request: the reply comes before that.

    A kernel is interrupted before it is shut down, which it must not take for an interruption of its work. One that says
    nothing any more has ended.
    """
    try:
        while True:
            message = await client.get_iopub_msg(timeout=_IDLE)
            of_ours = message["parent_header"].get("msg_id") == asked
            if of_ours and message["content"].get("execution_state") == "idle":
                return
    except queue.Empty:
        pass


def take_over(path: str) -> None:
    """Set in this process what a kernel has written to a file, as if its cells had run here."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            os.environ.update(json.load(file))
