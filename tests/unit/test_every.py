"""`--every N`, by which `make test` runs a part of the costly tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests import conftest

TESTS = Path(conftest.__file__).parent


def test_one_of_every_so_many_cases_of_each_costly_test_runs() -> None:
    items: list[Any] = [
        SimpleNamespace(path=TESTS / folder / "test_x.py", originalname=test, name=f"{test}[{number}]")
        for folder, test in (("conformance", "test_a"), ("conformance", "test_b"), ("unit", "test_a"))
        for number in range(5)
    ]
    left: list[Any] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    config: Any = SimpleNamespace(getoption=lambda _: 4, hook=hook)
    conftest.pytest_collection_modifyitems(config, items)
    kept = [(one.path.parent.name, one.name) for one in items]
    assert kept == [
        *(("conformance", f"test_{test}[{number}]") for test in "ab" for number in (0, 4)),
        *(("unit", f"test_a[{number}]") for number in range(5)),
    ]
    assert len(left) == 6


def test_all_costly_folders_are_there() -> None:
    assert [folder for folder in conftest.COSTLY if not (TESTS / folder).is_dir()] == []
