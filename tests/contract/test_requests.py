"""How many requests a callback makes of a run log on S3: each costs a step some 20 ms, and money."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.graph.load import load
from magnus_render.runtime import callback
from magnus_render.services.s3_client import Client
from tests.contract import aws
from tests.unit.view_graphs import graph, parallel, task

MOST = 8


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Work in an empty folder, with AWS; return the requests to it from now on, as they are made."""
    aws.use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    made: list[str] = []
    call = Client.call

    def counted(self: Client, request: Any, *more: Any, **options: Any) -> Any:
        made.append(f"{request['op']} {request['key']}")
        return call(self, request, *more, **options)

    monkeypatch.setattr(Client, "call", counted)
    return made


def walk(tmp_path: Path, dag: dict[str, Any]) -> Any:
    """Start a run of a definition; return what makes a callback of it and gives back its exit status."""
    Path("dag.yaml").write_text(json.dumps({"dag": dag}))
    nothing: dict[str, Any] = {"type": "do-nothing", "config": {}}
    store = {"type": "s3", "config": {"bucket": aws.BUCKET, "prefix": tmp_path.name}}
    services: Any = {"run_log_store": store, "catalog": nothing, "secrets": nothing}
    plan = load("dag.yaml").plan
    assert callback.main(["start_run", "r"], plan=plan, services=services) == 0
    return lambda *words: callback.main(["execute_single_node", "r", *words], services=services)


@pytest.mark.parametrize("command, more", [("true", 0), ('echo x=1 >> "$MAGNUS_OUTPUT"; echo said', 2)])
def test_a_step_that_succeeds(tmp_path: Path, asked: list[str], command: str, more: int) -> None:
    """One that sets a parameter writes a state too, and one that prints its log."""
    step = walk(tmp_path, graph(a=task(), b=task(command), c=task()))
    assert step("a") == 0
    asked.clear()
    assert step("b") == 0
    assert 0 < len(asked) <= MOST + more, asked


def test_a_step_that_fails_and_its_handler(tmp_path: Path, asked: list[str]) -> None:
    step = walk(tmp_path, graph(a=task("exit 1", next="c", on_failure="h"), h=task(), c=task()))
    for address, status in (("a", 1), ("h", 0)):
        asked.clear()
        assert step(address) == status
        assert 0 < len(asked) <= MOST, asked


def test_a_join_of_branches(tmp_path: Path, asked: list[str]) -> None:
    """A branch costs its end and its state, and two where it ends in a composite."""
    count = 20
    step = walk(tmp_path, graph(p=parallel({}, **{f"b{n}": graph(t=task()) for n in range(count)}), c=task()))
    assert all(step(f"p.b{n}.t") == 0 for n in range(count))
    asked.clear()
    assert step("c") == 0
    assert 0 < len(asked) <= 4 * count + MOST, asked
