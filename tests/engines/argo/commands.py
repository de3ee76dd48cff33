"""`argo` and `kubectl`, unmodified, as people type them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.engines.argo import build
from tests.engines.argo.client import Namespace


@dataclass(frozen=True)
class Terminal:
    """A terminal in a folder, whose commands reach a namespace of the cluster."""

    namespace: Namespace
    folder: Path

    def __call__(self, line: str) -> str:
        """Run a command of words that hold no spaces; return what it printed.

        Raises:
            AssertionError: it failed; the text is what it printed.
        """
        program, *words = line.split()
        config = self.namespace.kubeconfig
        done = subprocess.run(
            [build.program(program), "-n", self.namespace.name, *words],
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(config), "KUBECACHEDIR": str(config.with_name("kubectl"))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()
