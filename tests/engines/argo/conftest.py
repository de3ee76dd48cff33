"""Which version of Argo a test runs on, where it is not left to `MAGNUS_ARGO`."""

from __future__ import annotations

import pytest

from tests.engines.argo import build
from tests.engines.argo.version import VARIABLE


@pytest.fixture
def argo_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Use the version that `on_both`, or a parameter of this name, says."""
    version = str(request.param)
    monkeypatch.setenv(VARIABLE, version)
    build.require()
    return version
