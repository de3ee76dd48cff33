"""A tiny supervisor for the tests of task types: fork, run the task, read what it said."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import traceback
from pathlib import Path
from typing import Any

from magnus_render.plan import file_entry
from magnus_render.runtime import tasks
from magnus_render.runtime.tasks import folder as folders
from magnus_render.runtime.tasks.base import Context, TaskFailure
from magnus_render.runtime.tasks.child import run_in_child
from magnus_render.runtime.tasks.results import Results, message, read_results


class Outcome:
    """What came of a task: `message` is empty if it succeeded."""

    def __init__(
        self, results: Results, message: str, status: int, out: str, err: str, warnings: list[str]
    ) -> None:
        self.warnings = warnings
        self.set = results.set
        self.metrics = results.metrics
        self.catalog = results.catalog
        self.message = message
        self.status = status
        self.out = out
        self.err = err


class Runner:
    """Runs tasks in a project's folder, with a catalog and a file of secrets of its own."""

    def __init__(self, tmp_path: Path) -> None:
        self.project = tmp_path / "project"
        self.project.mkdir()
        self.tmp_path = tmp_path
        self.number = 0
        self.files: dict[str, Any] = {}
        """Visible catalogued files: what a task puts is seen by the next."""
        self.services = {
            "run_log_store": {"type": "buffered", "config": {}},
            "catalog": {"type": "file-system", "config": {"path": str(tmp_path / "catalog")}},
            "secrets": {"type": "dotenv", "config": {"path": str(tmp_path / "secrets")}},
        }

    def module(self, source: str, name: str = "steps") -> None:
        """Write a module of the project; `name` may have dots."""
        path = self.project.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")

    def run(
        self,
        command: str,
        command_type: str = "python",
        *,
        parameters: dict[str, Any] | None = None,
        map_variables: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Outcome:
        self.number += 1
        folder = self.tmp_path / f"step-{self.number}"
        folder.mkdir()
        node: Any = {"command": command, "command_type": command_type, "command_config": config or {}}
        context = Context(
            run_id="run-1",
            address="step",
            attempt=1,
            node=node,
            parameters=parameters or {},
            map_variables=map_variables or {},
            folder=str(folder),
            workdir=str(self.project),
        )
        self._context(folder, context)
        task = tasks.load(command_type)(node)
        folders.prepare(context)
        status = self._fork(task, context, folder, environment or {})
        out, err = (folder / "out").read_text("utf-8"), (folder / "err").read_text("utf-8")
        try:
            if os.WIFSIGNALED(status):
                raise TaskFailure(f"killed by signal {os.WTERMSIG(status)}")
            if os.WEXITSTATUS(status):
                raise TaskFailure(message(context) or f"exited with status {os.WEXITSTATUS(status)}")
            task.finish(context)
            results, said = read_results(context), ""
        except TaskFailure as failure:
            results, said = read_results(context, lenient=True), str(failure)
        for entry in results.catalog:
            if entry["stage"] == "put" and not said:
                self.files[entry["path"]] = file_entry(entry)
        return Outcome(results, said, os.waitstatus_to_exitcode(status), out, err, context.warnings)

    def _context(self, folder: Path, context: Context) -> None:
        data = {
            "folder": str(folder),
            "run_id": context.run_id,
            "step": context.address,
            "map_variables": context.map_variables,
            "services": self.services,
            "secrets_where": "looked in secrets (dotenv)",
            "files": self.files,
            "data_folder": str(self.project / "data"),
        }
        (folder / "context.json").write_text(json.dumps(data))

    def _fork(self, task: Any, context: Context, folder: Path, environment: dict[str, str]) -> int:
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MAGNUS_")},
            "MAGNUS_RUN_ID": context.run_id,
            "MAGNUS_MAP_VARIABLE": json.dumps(context.map_variables),
            "MAGNUS_PARAMETERS": str(folder / "parameters.json"),
            "MAGNUS_OUTPUT": str(folder / "output"),
            "MAGNUS_METRICS": str(folder / "metrics"),
            "MAGNUS_CONTEXT": str(folder / "context.json"),
            **environment,
            **task.environment(context),
        }
        # Its thread does not live in a forked child, whose interpreter would wait for it at its end.
        faulthandler.cancel_dump_traceback_later()
        pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1]
        try:
            for number in (signal.SIGTERM, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            for descriptor, path, flags in (
                (0, Path(os.devnull), os.O_RDONLY),
                (1, folder / "out", os.O_WRONLY | os.O_CREAT),
                (2, folder / "err", os.O_WRONLY | os.O_CREAT),
            ):
                os.dup2(os.open(path, flags), descriptor)
            os.chdir(context.workdir)
            os.environ.clear()
            os.environ.update(variables)
            os._exit(run_in_child(task, context) & 255)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(250)
