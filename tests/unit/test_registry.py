"""What is found under a name: ours and other packages', by one path."""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, ClassVar

import pytest

from magnus_render import integrations, registry
from magnus_render.diagnostics import DefinitionError
from magnus_render.errors import Refused
from magnus_render.executors.local import LocalExecutor
from magnus_render.integrations.base import BaseIntegration
from magnus_render.registry import Described
from magnus_render.services.base import BaseCatalog
from magnus_render.spec import kinds
from magnus_render.targets.lookup import find
from tests.plugins import install
from tests.unit.front_end import dag, loaded

STEP = "    a: {type: as-is, next: success}"
NAMED = [(kind, name) for kind, found in registry.BUILT_IN.items() for name in found]


class Mine(Described):
    """Something of somebody else's."""

    aliases = ("ours-now",)
    keys: ClassVar[dict[str, str]] = {"a": "count"}


@pytest.mark.parametrize("kind", registry.BUILT_IN)
def test_the_table_has_what_we_register(kind: str) -> None:
    declared = {
        point.name: point.value
        for point in importlib.metadata.entry_points(group=f"magnus_render.{kind}")
        if point.dist is not None and point.dist.name == "magnus-render"
    }
    assert registry.BUILT_IN[kind] == declared


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_each_is_found_by_its_name_and_its_aliases(kind: str, name: str) -> None:
    found = registry.find(kind, name)
    assert issubclass(found, Described)
    assert getattr(found, "name", name) == name
    for known in (name, *found.aliases):
        assert registry.canonical(kind, known) == name


@pytest.mark.parametrize("kind", registry.BUILT_IN)
def test_no_two_have_a_name_in_common(kind: str) -> None:
    known = [known for name, found in registry.described(kind) for known in (name, *found.aliases)]
    assert len(known) == len(set(known))
    if kind == "target":
        assert not set(known) & set(registry.names("executor"))


@pytest.mark.parametrize(("kind", "name"), [one for one in NAMED if one[0] != "task"])
def test_each_says_what_it_is_configured_by(kind: str, name: str) -> None:
    found = registry.find(kind, name)
    keys = kinds.of(found)
    assert keys is not None
    assert {*found.needed, *found.defaults, *found.older_keys.values()} <= keys.keys()


def test_kinds_of_a_model() -> None:
    found = kinds.of(registry.find("target", "argo"))
    assert found is not None
    wanted = {
        "image": "text",
        "kind": "text",
        "schedule": "any",
        "magnus_command": "argv",
        "parallelism": "count",
        "ttl_seconds_after_completion": "seconds",
        "resources": "mapping",
        "environment": "mapping",
        "tolerations": "list",
        "pod_spec_patch": "any",
    }
    assert {key: found[key] for key in wanted} == wanted
    found = kinds.of(registry.find("target", "aws-step-functions"))
    assert found is not None
    assert (found["distributed"], found["volume_size"], found["subnets"]) == ("flag", "count", "list")


def test_what_others_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.names("target") == sorted(registry.BUILT_IN["target"])
    install(tmp_path, {"target": {"mine": f"{__name__}:Mine", "lost": "not_here:Target"}})
    monkeypatch.syspath_prepend(tmp_path)
    assert {"mine", "lost"} < set(registry.names("target"))
    assert registry.canonical("target", "ours-now") == registry.canonical("target", "mine") == "mine"
    assert registry.find("target", "mine") is Mine
    assert registry.canonical("target", "nothing") == "" and registry.find("target", "nothing") is None
    with pytest.raises(
        Refused, match=r"target 'lost' \(not_here:Target\) cannot be loaded: ModuleNotFoundError"
    ):
        registry.find("target", "lost")


class Refusing(BaseIntegration):
    """An integration of somebody else's, of an engine and a store of ours."""

    executor = "bash"
    service = "catalog"
    provider = "file-system"

    def validate(self, executor: str, config: Any) -> list[str]:
        return [f"not under {executor}"]


class Store(BaseCatalog):
    """A catalog of somebody else's."""

    aliases = ("older-store",)
    keys: ClassVar[dict[str, str]] = {"folder": "text", "most": "count"}
    needed = ("folder",)
    defaults: ClassVar[dict[str, int]] = {"most": 3}
    older_keys: ClassVar[dict[str, str]] = {"place": "folder"}


def test_integrations_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {"integration": {"refusing": f"{__name__}:Refusing"}})
    monkeypatch.syspath_prepend(tmp_path)
    config = loaded(tmp_path, dag(STEP)).config
    assert list(integrations.problems(find("bash"), config)) == [("catalog", "not under bash")]
    assert list(integrations.problems(LocalExecutor({}), config)) == []


def test_stores_of_others_are_described_as_ours_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "packages", {"catalog": {"mine": f"{__name__}:Store"}})
    monkeypatch.syspath_prepend(tmp_path / "packages")
    given = "catalog: {type: older-store, config: {place: here, most: '4'}}\n"
    assert loaded(tmp_path, dag(STEP, rest=given)).config["catalog"] == {
        "type": "mine",
        "config": {"folder": "here", "most": 4},
    }
    with pytest.raises(DefinitionError) as caught:
        loaded(tmp_path, dag(STEP, rest="catalog: {type: mine, config: {foldr: here}}\n"))
    error, lacking = sorted(caught.value.diagnostics, key=lambda item: "needs" in item.message)
    assert error.message == "catalog: 'mine' has no key 'foldr'" and error.fix == "did you mean 'folder'?"
    assert lacking.message == "catalog: 'mine' needs 'folder'"


def test_ours_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {"target": {"bash": f"{__name__}:Mine"}})
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.find("target", "bash") is not Mine


def test_metadata_are_not_read_where_nobody_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(**_: str) -> None:
        raise AssertionError("the metadata of all packages were read")

    monkeypatch.setattr(importlib.metadata, "entry_points", read)
    # Libraries that another test has loaded may have brought finders of their own.
    ours = [one for one in sys.meta_path if one is PathFinder or not hasattr(one, "find_distributions")]
    monkeypatch.setattr(sys, "meta_path", ours)
    assert registry.names("integration") == []


@pytest.mark.parametrize("how", ["archive", "egg", "finder"])
def test_packages_that_are_found_in_other_ways(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a quick look cannot tell, the metadata are read."""
    if how == "archive":
        (tmp_path / "packages.zip").write_bytes(b"")
        monkeypatch.syspath_prepend(tmp_path / "packages.zip")
    elif how == "egg":
        (tmp_path / "some.egg").mkdir()
        monkeypatch.syspath_prepend(tmp_path / "some.egg")
    else:
        finder = type("Finder", (), {"find_distributions": None, "find_spec": staticmethod(lambda *_: None)})
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    asked: list[str] = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: asked.append(group) or ())
    assert registry.names("integration") == [] and asked == ["magnus_render.integration"]
