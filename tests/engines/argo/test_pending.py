"""Pods that no node takes: which of Argo's limits ends them."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.engines.argo import build, cluster
from tests.engines.argo.api import Api, argo, core
from tests.engines.argo.scenarios import Json, manifest, sh
from tests.engines.argo.version import on_both

LIMIT: Json = {"activeDeadlineSeconds": 1}


@pytest.fixture(autouse=True)
def _engine() -> None:
    build.require()


@contextmanager
def namespace(api: Api) -> Iterator[str]:
    """Give a namespace for whose pods nobody cares."""
    name = f"pending-{uuid.uuid4().hex[:12]}"
    try:
        yield name
    finally:
        for path in (argo(name, "workflows"), core(name, "pods")):
            api.delete(path, {"gracePeriodSeconds": 0})


def looked_at(api: Api, space: str, name: str) -> str:
    """Make the controller look at a workflow until it has ended; return its phase. By itself it looks every 20 minutes."""
    end = time.monotonic() + 60
    for number in itertools.count():
        body = {"metadata": {"annotations": {"engine/look": str(number)}}}
        status = api.patch(argo(space, "workflows", name), body).get("status", {})
        if status.get("finishedAt") or time.monotonic() > end:
            return str(status.get("phase"))
    raise AssertionError


def pending(api: Api, space: str) -> set[str]:
    """Return the workflows that have a pod which is to begin yet."""
    pods = api.get(core(space, "pods"))["items"]
    waiting = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert {pod["status"]["phase"] for pod in waiting} == {"Pending"}
    return {pod["metadata"]["labels"]["workflows.argoproj.io/workflow"] for pod in waiting}


@on_both
def test_a_workflows_deadline_does_and_a_templates_does_not() -> None:
    joined = cluster.join()
    with closing(joined), namespace(joined.api) as space:
        for name, template, spec in (("workflow", {}, LIMIT), ("template", LIMIT, {})):
            text = manifest("Workflow", {"name": name}, sh("main", "true", **template), **spec)
            joined.api.create(argo(space, "workflows"), json.loads(text))
        assert looked_at(joined.api, space, "workflow") == "Failed"
        assert pending(joined.api, space) == {"template"}
        assert joined.api.get(argo(space, "workflows", "template"))["status"]["phase"] == "Running"
