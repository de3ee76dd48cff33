"""How many requests a callback makes of a run log on S3: each costs a step some 20 ms, and money."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from magnus_render import registry
from magnus_render.executors import job
from magnus_render.executors.decentral import DecentralExecutor, walk_of
from magnus_render.executors.job_records import JobRecords
from magnus_render.executors.submitter import Job, Submitter
from magnus_render.graph.load import load
from magnus_render.runtime import callback
from magnus_render.runtime.records import Run
from magnus_render.services import lookup
from magnus_render.services.s3_client import Client
from tests.contract import aws
from tests.unit.view_graphs import each, graph, parallel, task

MOST = 8
GOES_ON = 10
"""Requests that a job makes at most besides those of its callback, in a branch of one step that succeeds."""
BRANCHES = int(os.environ.get("MAGNUS_BRANCHES", "12"))


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
    services = started(tmp_path, dag)
    return lambda *words: callback.main(["execute_single_node", "r", *words], services=services)


def started(tmp_path: Path, dag: dict[str, Any], run_id: str = "r") -> Any:
    """Start a run of a definition; return its stores."""
    Path("dag.yaml").write_text(json.dumps({"dag": dag}))
    nothing: dict[str, Any] = {"type": "do-nothing", "config": {}}
    store = {"type": "s3", "config": {"bucket": aws.BUCKET, "prefix": tmp_path.name}}
    services: Any = {"run_log_store": store, "catalog": nothing, "secrets": nothing}
    plan = load("dag.yaml").plan
    items = f"items={json.dumps(list(range(BRANCHES)))}"
    assert callback.main(["start_run", run_id, "--param", items], plan=plan, services=services) == 0
    return services


class Jobs(Submitter):
    """Takes jobs, and runs none."""

    guards = True
    taken: ClassVar[list[Job]] = []

    def submit(self, job: Job) -> str:
        self.taken.append(job)
        return f"j{len(self.taken)}"


class JobsExecutor(DecentralExecutor):
    """Jobs that the test runs."""

    name = "jobs"
    submitter = Jobs


@pytest.fixture
def jobs(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what begins a run of a definition whose jobs are taken."""
    monkeypatch.setitem(registry.BUILT_IN["executor"], "jobs", f"{__name__}:JobsExecutor")
    monkeypatch.setattr(Jobs, "taken", [])

    def begin(dag: dict[str, Any]) -> list[Job]:
        services = started(tmp_path, dag)
        monkeypatch.setenv("MAGNUS_CONFIG", json.dumps(services))
        run = Run.open(lookup.load("run_log_store", services["run_log_store"]), "r")
        assert run is not None
        JobRecords(run).begin({"executor": "jobs", "config": {}, "services": services, "nodes": {}})
        walk_of(run, Jobs({})).begin()
        return Jobs.taken

    return begin


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


@pytest.mark.parametrize("fields", [{}, {"max_concurrency": 2}])
@pytest.mark.parametrize("kind", ["parallel", "map"])
def test_jobs_that_end_the_branches_of_a_composite(
    tmp_path: Path, jobs: Any, asked: list[str], kind: str, fields: dict[str, Any]
) -> None:
    """The job of a branch makes the requests of its callback, and ten more at most.

    It reads how the run is walked, and records and lists the ends of branches. The last of them, and each where branches
    wait for their turn, submits a job and one that stands guard for it.
    """
    dag = join(kind, fields)
    services = started(tmp_path, dag, "callbacks")
    if kind == "map":
        assert callback.main(["map_count", "callbacks", "p"], services=services) == 0
    taken = jobs(dag)
    for line in taken:
        if line.after_loss or line.address == "c":
            continue
        asked.clear()
        assert callback.main(["execute_single_node", "callbacks", line.address], services=services) == 0
        alone = len(asked)
        asked.clear()
        assert job.main(line.argv) == 0
        assert 0 < len(asked) - alone <= GOES_ON, asked
    submitted = [line.address for line in taken]
    assert (len(set(submitted)), submitted.count("c")) == (BRANCHES + 1, 2)


def join(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a definition of many branches of one step, and a step behind them."""
    if kind == "map":
        p = each(fields, graph(t=task()))
    else:
        p = parallel(fields, **{f"b{n}": graph(t=task()) for n in range(BRANCHES)})
    return graph(p=p, c=task())


def test_a_job_in_a_chain(jobs: Any, asked: list[str]) -> None:
    taken = jobs(graph(a=task(), b=task(), c=task()))
    assert job.main(taken[0].argv) == 0
    asked.clear()
    assert job.main(taken[2].argv) == 0
    assert taken[4].address == "c"
    assert 0 < len(asked) <= MOST + 6, asked
