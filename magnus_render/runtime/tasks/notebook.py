"""Tasks that are Jupyter notebooks, run by papermill (the optional extra `notebook`)."""

from __future__ import annotations

import json
import os
import sys

from magnus_render import registry
from magnus_render.errors import PlatformError, is_shortage
from magnus_render.runtime.names import NOTEBOOK_OUTPUT, executed_notebook, name_of
from magnus_render.runtime.tasks import variables
from magnus_render.runtime.tasks.base import BaseTask, TaskFailure
from magnus_render.runtime.tasks.results import python_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.runtime.tasks.base import Context

_PAPERMILL = {
    "autosave_cell_every": int,
    "execution_timeout": int,
    "kernel_name": str,
    "language": str,
    "report_mode": bool,
    "request_save_on_cell_execute": bool,
    "start_timeout": int,
}
"""Options that papermill takes as they are; both timeouts are in seconds, `execution_timeout` is for one cell."""
_ALIASES = {"kernel": "kernel_name", "timeout": "execution_timeout"}
_VARIABLES = "variables.json"
"""What the kernel had in its environment at the end, in the task's folder."""
_OLDER = "optional_ploomber_args"
_OWN_ERRORS = ("MissingError", "TaskFailure")


class NotebookTask(BaseTask):
    """`command` is a notebook's path, relative to the working folder.

    Visible parameters and map variables are injected after the cell tagged `parameters`. The executed notebook is
    catalogued as `<stem>_out.ipynb`, or `notebook_output_path`, in the data folder, also that of a failed
    attempt; the resolver gives steps that would use one name a path each.
    Parameters are set by `set_parameter` in a cell, or by variables of its environment, as in a Python function.
    """

    extra = "notebook"

    def environment(self, context: Context) -> dict[str, str]:
        return {
            **variables.given(context),
            "PYTHONPATH": python_path(os.environ),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def run(self, context: Context) -> None:
        try:
            from papermill import execute_notebook  # type: ignore[import-untyped,unused-ignore]
            from papermill.exceptions import PapermillExecutionError  # type: ignore[import-untyped,unused-ignore]
        except ModuleNotFoundError as error:
            raise TaskFailure(
                f"a notebook task needs {error.name}, which is not installed: {registry.install(self.extra)}"
            ) from None
        from magnus_render.runtime.tasks import kernel

        notebook = self.node["command"]
        left = os.path.join(context.folder, _VARIABLES)
        kernel.bring_variables_home(left)
        metadata = read_metadata(notebook)
        options = self._options(metadata)
        from magnus_render import api
        from magnus_render.runtime import exchange
        from magnus_render.runtime.tasks.executed import settle

        name = name_of(options.pop(NOTEBOOK_OUTPUT, None) or executed_notebook(notebook))
        output = exchange.make_room(api.data_folder(), name)
        if os.path.islink(output):
            os.unlink(output)
        values = {**context.parameters, **context.map_variables}
        try:
            execute_notebook(
                notebook,
                output,
                parameters={name: values[name] for name in values if _is_name(name)},
                progress_bar=False,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                cwd=context.workdir,
                **options,
            )
        except PapermillExecutionError as error:
            print(error, file=sys.stderr)
            settle(output, notebook)
            api.put_in_catalog(output)
            first = str(error.evalue).strip().split("\n", 1)[0].rstrip()
            if error.ename in _OWN_ERRORS:
                raise TaskFailure(first) from None
            raise TaskFailure(f"{error.ename}: {first}" if first else error.ename) from None
        except Exception as error:  # not of the notebook, which runs in the kernel
            if is_shortage(error):
                raise PlatformError(f"the notebook cannot be run: {error}") from None
            raise
        kernel.take_over(left)
        settle(output, notebook)
        api.put_in_catalog(output)

    def _options(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return what papermill is told; a notebook that names no kernel is a Python one."""
        options: dict[str, Any] = {}
        if not metadata.get("kernelspec", {}).get("name"):
            options.update(kernel_name="python3", language="python")
        for name, value in _flat(self.node.get("command_config", {})).items():
            if name in _PAPERMILL or name == NOTEBOOK_OUTPUT:
                options[name] = value
            else:
                print(f"magnus: a notebook task has no option '{name}': it is ignored", file=sys.stderr)
        return options

    def validate(self, options: Mapping[str, Any]) -> list[str]:
        if not isinstance(options.get(_OLDER) or {}, dict):
            return [f"'{_OLDER}' is a mapping"]
        # Older files have options here that only the library of that time knew: they are ignored, which `run` says.
        ignored = options.get(_OLDER) or {}
        wrong = []
        for name, value in _flat(options).items():
            kind = str if name == NOTEBOOK_OUTPUT else _PAPERMILL.get(name)
            if kind is None:
                if name not in ignored:
                    known = ", ".join(sorted((*_PAPERMILL, NOTEBOOK_OUTPUT)))
                    wrong.append(f"a notebook task has no option '{name}'; it has {known}")
            elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                wrong.append(f"'{name}' is not of type {kind.__name__}")
        return wrong


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options by papermill's names, those of older files among them."""
    given = {**(options.get(_OLDER) or {}), **{k: v for k, v in options.items() if k != _OLDER}}
    return {_ALIASES.get(name, name): value for name, value in given.items()}


def read_metadata(notebook: str) -> dict[str, Any]:
    """Return the metadata of a notebook's file; raise `TaskFailure` if there is none, or if it is no notebook."""
    try:
        with open(notebook, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file).get("metadata", {})
    except OSError as error:
        if is_shortage(error):
            raise
        raise TaskFailure(f"cannot read the notebook '{notebook}': {error.strerror}") from None
    except (ValueError, AttributeError):
        raise TaskFailure(f"'{notebook}' is not a notebook") from None
    return found


def _is_name(name: str) -> bool:
    from keyword import iskeyword

    return name.isidentifier() and not iskeyword(name)
