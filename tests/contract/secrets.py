"""The contract of a secrets provider (services/base.py): subclass `SecretsContract` and say how to make one."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from magnus_render.services.base import BaseSecrets

VALUES = {
    "PLAIN": "s3cr3t",
    "BLANKS": "  in front and behind  ",
    "QUOTES": 'it\'s "quoted"',
    "SHELL": "$(id) `id` ${HOME} $HOME; \\ \\n #no comment",
    "LINES": "-----BEGIN KEY-----\nabc=\n-----END KEY-----\n",
    "UNICODE": "pässwörd ✓",
    "EMPTY": "",
    "EQUALS": "a=b=c",
}


class SecretsContract:
    """Override `make`."""

    values: ClassVar[dict[str, str]] = VALUES
    """Those that the provider can hold."""

    def make(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> BaseSecrets:
        """Return a provider that has these secrets and no others of such names."""
        raise NotImplementedError

    def test_values_come_back_as_they_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = self.make(tmp_path, monkeypatch, self.values)
        assert {name: provider.get(name) for name in self.values} == self.values

    def test_what_is_not_there_is_a_key_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = self.make(tmp_path, monkeypatch, {"THERE": "x"})
        for name in ("MISSING_HERE", "there", ""):
            with pytest.raises(KeyError):
                provider.get(name)

    def test_every_known_name_can_be_had(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = self.make(tmp_path, monkeypatch, self.values)
        for name in provider.known():
            assert provider.get(name) == self.values[name]

    def test_what_is_said_of_a_missing_one_is_a_line_without_values(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = self.make(tmp_path, monkeypatch, self.values)
        for said in (provider.where(), provider.remedy("MISSING_HERE")):
            assert "\n" not in said
            assert not [value for value in self.values.values() if len(value) > 5 and value in said]
