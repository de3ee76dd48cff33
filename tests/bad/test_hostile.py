"""Hostile files end in a clear error, within bounded processor time and 500 MB, in a process that is held to that."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MEGABYTE = 1024 * 1024
HEAD = "dag:\n  start_at: a\n  steps:\n"
TAIL = "    success: {type: success}\n    fail: {type: fail}\n"
PROGRAM = """
import sys
from magnus_render.diagnostics import DefinitionError
from magnus_render.graph.load import load
try:
    load(sys.argv[1])
except DefinitionError as error:
    print("\\n".join(f"{item.code} {item.line}" for item in error.diagnostics[:3]))
    print(len(str(error)) < 10_000_000)
"""


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (500 * MEGABYTE, 500 * MEGABYTE))
    # The largest takes 2 seconds: ten times that leaves room on a slow machine, and work that multiplies exceeds it.
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


def refused(path: Path) -> list[str]:
    """Return code and line of the first diagnostics for a file."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        preexec_fn=_limits,
        check=False,
    )
    assert done.stderr == "", done.stderr[-2000:]
    assert done.returncode == 0, f"ended by signal {-done.returncode}"
    *found, short = done.stdout.split("\n")[:-1]
    assert short == "True"
    return found


def alias_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines)


def merge_bomb() -> str:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: v}}" for n in range(1, 12)]
    return "\n".join(lines)


def steps_in_a_circle(count: int) -> str:
    lines = (f"    s{n}: {{type: task, command: m.f, next: s{(n + 1) % count}}}\n" for n in range(count))
    return HEAD.replace("t: a", "t: s0") + "".join(lines) + TAIL


HOSTILE: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "aliases of aliases": ("MR010 6", alias_bomb),
    "merges of merges": ("MR010 7", merge_bomb),
    "nested lists in flow": ("MR009 1", lambda: "[" * 10_000 + "]" * 10_000),
    "nested mappings in flow": ("MR009 1", lambda: "{a: " * 10_000 + "}" * 10_000),
    "nested lists in blocks": ("MR009 1", lambda: "- " * 10_000),
    "nested mappings in blocks": ("MR009 501", lambda: "".join(" " * n + "a:\n" for n in range(4000))),
    "nested keys": ("MR013 1", lambda: "? " * 10_000),
    "nested quotes": ("MR005 1", lambda: "a: " + "'" * 999_999),
    "an open list of a million": ("MR010 1", lambda: "[" + "1," * 1_500_000),
    "a million keys": ("MR010", lambda: "".join(f"k{n}: 1\n" for n in range(600_000))),
    "a key twice": ("MR007 2", lambda: "a: 1\n" * 20_000),
    "directives": (
        "MR005 1",
        lambda: "".join(f"%TAG !a{n}! tag:x\n" for n in range(300_000)) + "---\na: 1\n",
    ),
    "directives behind": ("MR011", lambda: "a: 1\n" + "".join(f"%TAG !a{n}! x\n" for n in range(300_000))),
    "anchors": ("MR021", lambda: "a: [" + ", ".join(f"&a{n} 1" for n in range(200_000)) + "]"),
    "one line of text": ("MR012", lambda: "x" * (15 * MEGABYTE)),
    "comments": ("MR012 1", lambda: "#\n" * (7 * MEGABYTE)),
    "blanks": ("MR012 1", lambda: " " * (15 * MEGABYTE)),
    "line breaks": ("MR012 1", lambda: "\n" * (15 * MEGABYTE)),
    "tabs": ("MR006", lambda: "a:\n" + "\t" * (15 * MEGABYTE) + "b"),
    "zeros": ("MR004 1", lambda: b"\0" * (15 * MEGABYTE)),
    "not UTF-8": ("MR003 1", lambda: b"a: " + b"\xff" * (15 * MEGABYTE)),
    "a long number": ("MR016 1", lambda: "a: " + "9" * (15 * MEGABYTE)),
    "too large": ("MR002 0", lambda: b"a: 1\n" * (20 * MEGABYTE)),
    "a circle of 10,000": ("MR043", lambda: steps_in_a_circle(10_000)),
    "10,000 steps that lead nowhere": (
        "MR042 2",
        lambda: HEAD
        + "".join(f"    s{n}: {{type: task, command: m.f, next: t{n}}}\n" for n in range(10_000))
        + TAIL,
    ),
    "10,000 misspelt fields": (
        "MR042 2",
        lambda: HEAD
        + "".join(f"    s{n}: {{type: task, comand: m.f, next: success}}\n" for n in range(10_000))
        + TAIL,
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_file(what: str, tmp_path: Path) -> None:
    expected, content = HOSTILE[what]
    data = content()
    path = tmp_path / "dag.yaml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    found = refused(path)
    assert any(line == expected or line.startswith(expected + " ") for line in found), found


def test_endless_file() -> None:
    assert refused(Path("/dev/zero"))[0].startswith("MR002")


def test_includes_that_multiply(tmp_path: Path) -> None:
    for level in range(30):
        steps = "".join(
            f"    {name}: {{type: dag, dag_definition: dag{level + 1}.yaml, next: {after}}}\n"
            for name, after in (("a", "b"), ("b", "success"))
        )
        name = "dag.yaml" if level == 0 else f"dag{level}.yaml"
        (tmp_path / name).write_text(HEAD + steps + TAIL)
    (tmp_path / "dag30.yaml").write_text("dag: {start_at: s, steps: {s: {type: success}, f: {type: fail}}}")
    assert refused(tmp_path / "dag.yaml")[0].startswith("MR010")
