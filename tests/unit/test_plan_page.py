"""The examples of docs/plan.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.tools import environment, require

PAGE = Path(__file__).parents[2] / "docs" / "plan.md"


def test_the_commands_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    require("git")
    text = PAGE.read_text(encoding="utf-8")
    (definition,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "dag.yaml").write_text(definition, encoding="utf-8")
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    variables = {**environment(), **who, "GIT_CONFIG_GLOBAL": os.devnull}
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            ended = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.stdout == expected, f"$ {command}\n{ended.stdout}\n{ended.stderr}"
