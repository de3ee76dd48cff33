"""A stand-in for `magnus` that rendered scripts call: it notes how it was called, and ends as it is told.

What it does is told by files in a folder. `ADDRESS.ATTEMPT`, `ADDRESS` or `COMMAND` holds an exit status, a list of
them (one for each call, the last for all that follow), `await:STATUS` (once the test says so) or `hang` (until
stopped). A step that fails (1) leaves an attempt; `final` says that none would change anything. `ADDRESS.count` holds the
number of items that a step or a `map_count` reports, or the branch that a step or a `choose` does. `ADDRESS.confirm` stands
in for `ADDRESS` where a failure is to be confirmed, which it is without one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import weakref
from pathlib import Path

from magnus_render.render import render
from tests.tools import require

STUB = r"""#!/bin/sh
printf '%s|' "$@" >>"$STUB/calls.$$"
echo >>"$STUB/calls.$$"
cat "$STUB/calls.$$" >>"$STUB/log"
rm "$STUB/calls.$$"
command=$1 address=$3 attempt='' again=1 fan_out='' status=0 confirm=''
while [ $# -gt 0 ]; do
  case $1 in
    --attempt) attempt=$2 ;;
    --again) again=$2 ;;
    --fan-out) fan_out=$2 ;;
    --exit-status) [ "$2" = 0 ] || status=1 ;;
    --confirm-failure) confirm=.confirm ;;
  esac
  shift
done
[ -z "$confirm" ] || command='' address=$address.confirm
if [ -n "$fan_out" ] && [ -f "$STUB/$address.count" ]; then
  cat "$STUB/$address.count" >"$fan_out"
fi
for key in "$address.$attempt" "$address" "$command"; do
  [ -n "$key" ] && [ -f "$STUB/$key" ] || continue
  read -r now later <"$STUB/$key"
  [ -z "$later" ] || echo "$later" >"$STUB/$key"
  case $now in
    hang)
      trap 'echo "stopped|$address|" >>"$STUB/log"; kill -KILL $!; exit 75' TERM
      sleep 600 &
      echo "$address" >"$STUB/hanging"
      wait $!
      exit 9 ;;
    await:*)
      read -r line <"$STUB/go"
      exit "${now#await:}" ;;
    1) exit "$again" ;;
    final) exit 1 ;;
    *) exit "$now" ;;
  esac
done
case $command in map_count | choose) cat "$STUB/$address.count" ;; esac
exit "$status"
"""


class Script:
    """A pipeline rendered into a folder, with the stand-in beside it."""

    def __init__(self, folder: Path, dag: str, config: str = "") -> None:
        self.bash = require("bash")
        self.folder = folder
        self.stub = folder / "stub"
        (folder / "bin").mkdir(parents=True)
        self.stub.mkdir()
        self.pipe, self.gate = self._both_ways("hanging"), self._both_ways("go")
        magnus = folder / "bin" / "magnus"
        magnus.write_text(STUB)
        magnus.chmod(0o755)
        definition = folder / "dag.yaml"
        definition.write_text(dag)
        settings = folder / "config.yaml"
        if config:
            settings.write_text(config)
        text = render(str(definition), "bash", str(settings) if config else None).text
        self.path = folder / "run.sh"
        self.path.write_text(text.replace('sleep "$seconds" &', "sleep 0 &"))

    def _both_ways(self, name: str) -> int:
        """Make a named pipe, and open it for both ways, so that it never ends; it is closed with this object."""
        os.mkfifo(self.stub / name)
        descriptor = os.open(self.stub / name, os.O_RDWR)
        weakref.finalize(self, os.close, descriptor)
        return descriptor

    def tell(self, **what: str) -> None:
        """Tell the stand-in what to do: names of files, with `__` for a dot and `_` for a dash."""
        for name, text in what.items():
            self.told(name.replace("__", ".").replace("_", "-"), text)

    def told(self, name: str, text: str) -> None:
        """Tell the stand-in one thing."""
        (self.stub / name).write_text(text)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the script."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAGNUS_")}
        environment |= {"STUB": str(self.stub), "MAGNUS_MAX_CONCURRENCY": "3", **variables}
        environment["PATH"] = f"{self.folder / 'bin'}:{environment['PATH']}"
        return subprocess.Popen(
            [self.bash, "run.sh", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def hanging(self) -> str:
        """Wait until a call hangs; return its address."""
        line = b""
        while not line.endswith(b"\n"):  # byte by byte: the lines of several writers are read one by one
            line += os.read(self.pipe, 1)
        return line.decode().strip()

    def go(self) -> None:
        """Let one call that awaits this go on."""
        os.write(self.gate, b"go\n")

    def stop(self, process: subprocess.Popen[str], number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        process.send_signal(number)
        process.communicate(timeout=60)
        return process.returncode

    def calls(self) -> list[list[str]]:
        """Return the arguments of every call, in order."""
        log = self.stub / "log"
        return [line.split("|")[:-1] for line in log.read_text().splitlines()] if log.exists() else []

    def steps(self) -> list[str]:
        """Return what was called, in order: addresses, with the attempt where it is not the first; other callbacks
        by name."""
        found = []
        for call in self.calls():
            if "--confirm-failure" in call:
                found.append(f"confirm {call[2]}")
            elif call[0] == "execute_single_node":
                attempt = call[call.index("--attempt") + 1] if "--attempt" in call else "1"
                found.append(call[2] + (f"#{attempt}" if attempt != "1" else ""))
            else:
                found.append(
                    " ".join((call[0], *call[2:3])) if call[0] not in ("start_run", "stopped") else call[0]
                )
        return found

    def left(self) -> list[str]:
        """Return what is left in the project's `.magnus` folder; nothing if that is gone."""
        folder = self.folder / ".magnus"
        return sorted(os.listdir(folder)) if folder.exists() else []
