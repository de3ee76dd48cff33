"""`magnus`: knows the commands by name and imports only the one that is called.

The callbacks go straight to the runtime. The others are typer functions, one module each; help on all of them is printed
from the table below, so that neither typer nor any command is imported for it.
"""

from __future__ import annotations

import sys
from os import environ

from magnus_render import registry
from magnus_render.errors import FAILED, USAGE, Ended, MagnusError
from magnus_render.runtime import callback
from magnus_render.texts import ended_by, flushed, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from typer import Typer

# name -> (module in magnus_render.cli, function or app in that module, one line for `magnus --help`)
COMMANDS = {
    "render": (
        "render",
        "render",
        f"Print the pipeline for another engine: {', '.join(registry.BUILT_IN['target'])}.",
    ),
    "bundle": ("bundle", "bundle", "Write the artefact with all that its deployment needs, into a folder."),
    "execute": ("execute_front", "execute", "Run the pipeline here, and show how it goes."),
    "init": ("init", "init", "Make a small project that works: pipeline, code, configurations, CI file."),
    "validate": ("validate", "validate", "Check definitions; every error at once, with its place and fix."),
    "test": ("test", "test", "Test which way the pipeline goes, by cases. No task runs."),
    "plan": ("plan", "plan", "Tell what changes between definitions, or what a run takes over."),
    "graph": ("graph", "graph", "Draw the pipeline, with the outcome of a run if wanted."),
    "image": ("image", "image", "Write a Containerfile for the project, and build its image."),
    "runs": (
        "runs",
        "app",
        "Runs: list, show, resume, cancel, report, diff, export, prune; their logs and files.",
    ),
    "ci": ("ci", "ci", "Print what the project needs in GitHub, GitLab or pre-commit."),
    "explain": ("explain", "explain", "Say what a diagnostic code means."),
    "schema": ("schema", "schema", "Print the JSON Schema of a definition, for editors."),
    "targets": ("targets", "targets", "List what a pipeline can be rendered for."),
    "execute_step": ("single", "execute_step", "Run one step of a pipeline alone."),
    "execute_function": ("single", "execute_function", "Run one Python function, wrapped as a step."),
    "execute_notebook": ("single", "execute_notebook", "Run one notebook, wrapped as a step."),
}
OF_A_PROJECT = ("render_all", "render_all")
"""Module and function, as in `COMMANDS`, of `render` if `--all` is given: it has other options then."""
EXECUTING = ("execute", "execute_step", "execute_function", "execute_notebook")
"""Commands that read their command line in a process of its own, and run a pipeline: see `cli/execute.py`."""
CALLBACKS = {
    "execute_single_node": "Run one attempt of one step.",
    "start_run": "Create the record of a run.",
    "map_count": "Record a map's items and print their number.",
    "choose": "Record which branch of a conditional runs, or whether a task does; print that.",
    "fan_in": "Record what a composite sees.",
}
_USAGE_OF_TYPER = 2
_COMPLETION = ("--install-completion", "--show-completion")
COMPLETING = "_MAGNUS_COMPLETE"
"""The environment variable by which a shell asks for completions; its value is `complete_SHELL`."""


def main() -> None:
    """Run the command line of this process and exit with its status."""
    _open_streams()
    _leave(run(sys.argv[1:]))


def _open_streams() -> None:
    """Open a standard stream on the null device if it is closed at the start (`>&-`, daemons).

    Otherwise Python would have no object for it, and the next file that is opened would get its number.
    """
    import os

    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            else:
                os.set_inheritable(number, True)
        how = {"encoding": "utf-8", "errors": "backslashreplace", "closefd": False}
        stream = open(number, mode, **how)  # type: ignore[call-overload]  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _leave(status: int) -> NoReturn:
    """End the process without Python's clean-up, which takes a third of the time of a small rendering."""
    import atexit
    import os

    atexit._run_exitfuncs()
    os._exit(flushed(status))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit status."""
    name = argv[0] if argv else "--help"
    if name in CALLBACKS:
        return callback.main(argv, front=_Front())
    if name == "run_job":
        from magnus_render.executors import job

        return job.main(argv)
    if COMPLETING in environ:
        return _complete()
    if name in _COMPLETION:
        return _guarded(lambda: _app((), argv)(argv, prog_name="magnus"))
    if name in ("--help", "-h", "help"):
        print(_help())
        return 0
    if name in ("--version", "-V"):
        from magnus_render import __version__

        print(f"magnus {__version__}")
        return 0
    if name not in COMMANDS:
        from magnus_render.cli.options import GONE

        if name in GONE:
            say(f"there is no command '{name}' any more: {GONE[name]}")
            return USAGE
        say(f"no command '{name}'{_meant(name)}; `magnus --help` lists them")
        return USAGE
    if name in EXECUTING:
        from magnus_render.cli import execute

        return _guarded(lambda: execute.main(lambda hand_over: _typer([name], argv, hand_over)))
    return _typer([name], argv)


def _complete() -> int:
    """Print completions for a shell: of one command its options, if the command is known, else the names of all."""
    from magnus_render.cli import completion

    words = completion.words(environ)
    known = words[:1] if len(words) > 1 else ()
    return completion.quietly(lambda: _app(known, words)(prog_name="magnus"))


def _help() -> str:
    width = max(map(len, [*COMMANDS, *CALLBACKS]))
    commands = "\n".join(f"  {name:{width}}  {entry[2]}" for name, entry in COMMANDS.items())
    callbacks = "\n".join(f"  {name:{width}}  {text}" for name, text in CALLBACKS.items())
    return f"""Usage: magnus COMMAND [OPTION...]

One pipeline definition, any engine, the same run.

Commands:
{commands}

Called by rendered pipelines:
{callbacks}

Options:
  --version              Print the version.
  --install-completion   Install completion for the current shell.
  --show-completion      Print the completion script.

`magnus COMMAND --help` says more about a command."""


def _meant(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [*COMMANDS, *CALLBACKS], n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _typer(names: list[str], argv: list[str], given: object = None) -> int:
    """Run a command line with typer, with only some of the commands. `given` is in the context of their calls."""
    from magnus_render import collecting

    with collecting.put_off():
        app = _app(names, argv)
        return _guarded(lambda: app(argv, prog_name="magnus", standalone_mode=True, obj=given))


def _app(names: Sequence[str], argv: list[str]) -> Typer:
    """Return the typer application with some of the commands. With none, it has the names of all commands."""
    from importlib import import_module

    import typer

    from magnus_render.cli import examples

    app = typer.Typer(
        name="magnus",
        add_completion=not names or COMPLETING in environ,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)
    if not names:
        for name, (_, _, text) in COMMANDS.items():
            app.command(name, help=text)(lambda: None)
    for name in names:
        module, attribute, text = COMMANDS[name]
        shown = name
        if name == "render" and "--all" in argv:
            (module, attribute), shown = OF_A_PROJECT, "render --all"
        command: Any = getattr(import_module(f"magnus_render.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=text, epilog=examples.put_below(name, command))
        else:
            app.command(name, epilog=examples.epilog(shown))(command)
    return app


def _guarded(work: Callable[[], int | None]) -> int:
    """Do the work of a command and return the exit status; print the error that ends it, if one does."""
    try:
        return work() or 0
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except (MagnusError, OSError) as error:
        return ended_by(error)
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return USAGE if code == _USAGE_OF_TYPER and not isinstance(end, Ended) else code


class _Front:
    """The front end, imported only when a callback must read YAML."""

    def load(self, file: str, config: str | None) -> tuple[Any, Any]:
        """See `runtime.callback.Front`."""
        from magnus_render.graph.load import load

        loaded = load(file, config)
        for diagnostic in loaded.diagnostics:
            print(diagnostic, file=sys.stderr)
        return loaded.plan, loaded.config

    def parameters(self, file: str) -> dict[str, Any]:
        """See `runtime.callback.Front`."""
        from magnus_render.graph.load import load_parameters

        return load_parameters(file)
