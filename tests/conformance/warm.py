"""The command line in a process that has imported it before: what makes 10,000 pipelines affordable.

`Warm` starts one server process, which imports the whole package once; every `run` forks it, and the child does what
`magnus` does with those arguments, in that folder and environment. The server has one thread, so forking is safe.

    python -m tests.conformance.warm        the server: requests as JSON lines on stdin, replies on stdout
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Warm:
    """A warm `magnus`; one call at a time."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def run(self, argv: list[str], *, cwd: Path, env: dict[str, str], stdout: Path, stderr: Path) -> int:
        """Run `magnus ARGV` in a folder with an environment; return its exit status (negative: a signal)."""
        if self._server is None or self._server.poll() is not None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.conformance.warm"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._server.stdin and self._server.stdout
        request = {"argv": argv, "cwd": str(cwd), "env": env, "stdout": str(stdout), "stderr": str(stderr)}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        reply = self._server.stdout.readline()
        if not reply:
            raise RuntimeError("the warm server has died")
        status = json.loads(reply)
        assert isinstance(status, int)
        return status

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.communicate()
            self._server = None


def child(request: dict[str, Any]) -> int:
    """Be `magnus` with a request's `argv`, `cwd`, `env`, `stdout` and `stderr`, in a forked child; return its status."""
    os.chdir(request["cwd"])
    os.umask(0o022)
    os.environ.clear()
    os.environ.update(request["env"])
    for number, path in ((1, request["stdout"]), (2, request["stderr"])):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.argv = ["magnus", *request["argv"]]
    from magnus_render.cli.main import main

    status: Any = 0
    try:
        main()
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


def preload() -> None:
    """Import all that `magnus` may import."""
    import magnus_render

    names = [module.name for module in pkgutil.walk_packages(magnus_render.__path__, "magnus_render.")]
    libraries = (
        "botocore.session",
        "jinja2",
        "networkx",
        "obstore",
        "obstore.store",
        "pydantic",
        "typer",
        "yaml",
    )
    for name in (*names, *libraries):
        try:
            import_module(name)
        except ImportError:  # an optional extra that is not installed
            pass
    gc.collect()
    gc.freeze()


def serve() -> None:
    preload()
    requests, replies = os.dup(0), os.dup(1)
    with os.fdopen(requests) as lines:
        for line in iter(lines.readline, ""):
            pid = os.fork()
            if pid == 0:
                status = 70
                try:
                    os.close(requests)
                    os.close(replies)
                    status = child(json.loads(line))
                finally:
                    os._exit(status)
            _, ended = os.waitpid(pid, 0)
            os.write(replies, f"{os.waitstatus_to_exitcode(ended)}\n".encode())


if __name__ == "__main__":
    serve()
