"""The older version of Argo leaves the predicted log too: cases of what versions may differ in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import cases
from tests.conformance.checking import check
from tests.engines.argo.version import OLDER

CASES = """
    as-is-in-branches cached-map composite-fails-deep concurrency-bounded conditional-in-map crossing-joins dag-separate
    map-empty-at-both-ends map-of-maps max-time-over names-nasty native-templates retry-third-attempt walk-alert
    when-in-branches
"""


@pytest.mark.parametrize("argo_version", [OLDER], indirect=True)
@pytest.mark.parametrize("name", CASES.split())
@pytest.mark.usefixtures("argo_version")
def test_a_case(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGNUS_ENGINES", "argo")
    check(cases.load(name), tmp_path)
