"""The reference interpreter itself: it says of central cases what a person says."""

from __future__ import annotations

import pytest

from tests.conformance import cases
from tests.conformance.comparing import check_equal
from tests.conformance.naming import slug

BY_HAND = [name for name in cases.names() if (cases.PIPELINES / name / "expected.yaml").exists()]


@pytest.mark.parametrize("name", BY_HAND)
def test_reference_agrees_with_the_log_written_by_hand(name: str) -> None:
    case = cases.load(name)
    expected = case.runs[-1].expected
    assert case.by_hand is not None
    if expected is not None:
        check_equal(case.by_hand, expected, "expected.yaml", "reference")


def test_there_are_enough_cases() -> None:
    assert len(cases.names()) >= 60
    assert len(BY_HAND) >= 15


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "a"),
        ("step-1", "step-1"),
        ("0", "0"),
        ("x" * 40, "x" * 40),
        ("A", "a-559aead0"),
        ("a b", "a-b-c8687a08"),
        ("-a", "-a".strip("-") + "-"),
        ("é", "e-"),
        ("日本", ""),
        ("x" * 41, "x" * 31 + "-"),
    ],
)
def test_slugs(name: str, expected: str) -> None:
    import hashlib

    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    complete = expected if expected == name or expected.endswith(digest) else expected + digest
    assert slug(name) == complete
    assert slug(slug(name)) == slug(name)
