"""The engine's server process: all of AWS that it has, on 127.0.0.1.

    python -m tests.engines.stepfunctions.server --work FOLDER [--port 0] [--warm]

prints its port, and ends when its standard input does, so that it never outlives the test run that started it.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import threading
from pathlib import Path

from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.engines.stepfunctions import compute, control, fixes, jobs, permissions
from tests.engines.stepfunctions.containers import ContainerStarter
from tests.engines.stepfunctions.warm import WarmStarter


class _QuietHandler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *args: object) -> None:
        pass


def serve(port: int, work: Path, warm: bool) -> None:
    """Serve until standard input ends."""
    for name in ("moto", "werkzeug"):  # they report every execution that fails
        logging.getLogger(name).setLevel(logging.CRITICAL)
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    fixes.apply()
    logs = work / "jobs"
    logs.mkdir(parents=True, exist_ok=True)
    permissions.apply()
    application = control.wrap(permissions.wrap(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=_QuietHandler)
    os.environ["MOTO_PORT"] = str(server.port)
    endpoint = f"http://127.0.0.1:{server.port}"
    starter = WarmStarter(work) if warm else None
    compute.use(
        compute.Compute(
            folder=logs,
            environment=lambda folder: jobs.environment(endpoint, folder),
            start=starter or jobs.Process,
            start_container=ContainerStarter(endpoint),
        )
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    os.dup2(2, 1)  # nobody reads on
    sys.stdin.buffer.read()
    jobs.kill_all()
    if starter is not None:
        starter.close()
    shutil.rmtree(work, ignore_errors=True)
    os._exit(0)  # states of unfinished executions wait in threads of their own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for log files, which is removed in the end"
    )
    parser.add_argument("--warm", action="store_true", help="fork jobs that call magnus")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.work, arguments.warm)


if __name__ == "__main__":
    main()
