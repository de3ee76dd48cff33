"""Masking: what is masked in which spelling, what is not, and that it makes no difference how a stream comes in pieces."""

from __future__ import annotations

import base64
import html
import json
import os
import random
import shlex
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from xml.sax import saxutils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnus_render.errors import PlatformError
from magnus_render.runtime.masking import MASK, SHORTEST, Masker, Secrets
from magnus_render.runtime.spellings import maskable, spellings
from magnus_render.services import lookup
from magnus_render.services.base import BaseSecrets

NASTY = "a'b\"c\\d $e`f!é€🎉<&>\t+/~%#"
KEY = (
    "-----BEGIN KEY-----\n"
    + base64.encodebytes(random.Random(1).randbytes(120)).decode()
    + "-----END KEY-----\n"
)


def masker(*values: str) -> Masker:
    made = Masker()
    for value in values:
        made.add(value)
    return made


def shown(made: Masker, data: bytes, sizes: list[int] | None = None) -> bytes:
    """Return what is shown of a stream that comes in pieces of these sizes, and then the rest."""
    out, at = [], 0
    for size in [*(sizes or []), len(data)]:
        out.append(made.feed(1, data[at : at + size]))
        at += size
    return b"".join([*out, made.flush(1)])


def naive(values: list[str], data: bytes) -> bytes:
    """What is to be shown: whatever a spelling covers, run by run, is one mask."""
    covered = [False] * len(data)
    for text in {text for value in values for text in spellings(value)}:
        at = data.find(text)
        while at >= 0:
            covered[at : at + len(text)] = [True] * len(text)
            at = data.find(text, at + 1)
    out = bytearray()
    for at, hidden in enumerate(covered):
        if not hidden:
            out.append(data[at])
        elif not at or not covered[at - 1]:
            out += MASK
    return bytes(out)


# ---- properties ----

alphabet = st.sampled_from("ab'\"\\\n é%")
secrets = st.lists(st.text(alphabet, max_size=14), min_size=1, max_size=3)


@given(secrets, st.data())
@settings(max_examples=300, deadline=None)
def test_how_a_stream_comes_in_pieces_makes_no_difference(values: list[str], data: st.DataObject) -> None:
    texts = [text for value in values for text in sorted(spellings(value))] or [b"x"]
    pieces = st.one_of(st.sampled_from(texts), st.text(alphabet, max_size=6).map(str.encode))
    cut = pieces.flatmap(lambda text: st.integers(0, len(text)).map(lambda end: text[:end]))
    stream = b"".join(data.draw(st.lists(st.one_of(pieces, cut), max_size=6)))
    sizes = data.draw(st.lists(st.integers(0, 9), max_size=40))
    assert shown(masker(*values), stream, sizes) == naive(values, stream)


def written(value: str) -> list[str]:
    """The value as programs write it, by the libraries they use."""
    data = value.encode()
    return [
        value, repr(value), ascii(value), repr([value, "'\""]), repr(data), str(KeyError(value)),
        json.dumps(value), json.dumps({"k": value}, ensure_ascii=False), json.dumps(json.dumps(value)),
        json.dumps(repr(value)), shlex.quote(value),
        value.replace("'", "''"), html.escape(value), html.escape(value, quote=False),
        saxutils.escape(value, {chr(34): "&quot;"}),
        urllib.parse.quote(value), urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value),
    ]  # fmt: skip


def based(value: str) -> list[str]:
    """The value in base64, at each of the three places in which it can begin."""
    found = []
    for before in (b"", b"u", b"u:"):
        found.append(base64.b64encode(before + value.encode()).decode())
        found.append(base64.urlsafe_b64encode(before + value.encode() + b"@host").decode())
    return found


plain = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0*")
long_secrets = st.text(plain, min_size=12, max_size=40).filter(lambda text: len(text.strip()) >= 12)


@given(long_secrets)
@settings(max_examples=200, deadline=None)
def test_no_spelling_of_a_long_secret_is_shown(value: str) -> None:
    value = value.strip()
    made = masker(value)
    for text in written(value):
        hidden = made.hide(f"<{text}>")
        assert MASK.decode() in hidden
        assert len(hidden) <= len("<['', '\\'\"']>") + len("KeyError()") + 2 * len(MASK), (text, hidden)
    for text in based(value):
        hidden = made.hide(text)
        assert len(hidden.replace(MASK.decode(), "")) <= len("dTo" + "BAaG9zdA=="), (text, hidden)


@given(st.text(plain, max_size=SHORTEST - 1))
def test_nothing_short_is_masked(value: str) -> None:
    assert not maskable(value)
    assert spellings(value) == set()


# ---- values of several lines ----


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_masked_alone_indented_and_prefixed(end: str) -> None:
    made = masker(KEY.replace("\n", end))
    lines = KEY.splitlines()
    for text in (
        KEY,
        *lines,
        "\n".join(f"    {line}" for line in lines),
        "\r\n".join(f"key: {x}" for x in lines),
    ):
        hidden = made.hide(text)
        assert not [line for line in lines if line in hidden]
    assert made.hide(" ".join(lines)).replace(MASK.decode(), "").strip() == ""  # echo $KEY
    assert "BEGIN" not in made.hide(repr(KEY)) + made.hide(json.dumps(KEY))


def test_short_lines_are_masked_beside_long_ones() -> None:
    value = "{\n  user: anna\n  pin: 1234\n  x\n\n  y\n}\n"
    made = masker(value)
    assert made.hide(value).split() == [MASK.decode()] * 2
    assert made.hide(repr(value)) == f"'{MASK.decode()}\\n  {MASK.decode()}\\n'"
    assert made.hide("x y } user: anna") == f"x y }} {MASK.decode()}"


def test_short_lines_alone_are_masked_as_a_whole() -> None:
    value = "1234\n5678\n"
    assert not maskable(value)
    assert masker(value).hide(f"<{value}> 1234 5678") == f"<{MASK.decode()}\n> 1234 5678"


def test_a_key_kept_with_escapes_for_the_ends_of_its_lines() -> None:
    made = masker(KEY.replace("\n", "\\n"))
    assert not [line for line in KEY.splitlines() if line in made.hide(KEY)]


def test_base64_as_programs_wrap_it() -> None:
    made = masker(KEY)
    for program in (["base64"], ["base64", "-w0"], ["base64", "-w64"]):
        text = subprocess.run(program, input=KEY.encode(), capture_output=True, check=True).stdout.decode()
        assert len(made.hide(text).replace(MASK.decode(), "").replace("\n", "")) <= 4, made.hide(text)


# ---- what shells write ----

SHELLS = [
    ["sh", "-xc", ': "$V"'],
    ["sh", "-c", 'echo "$V"'],
    ["sh", "-c", "export -p"],
    ["sh", "-c", "set"],
    ["bash", "-xc", ': "$V"'],
    ["bash", "-c", 'echo -e "$V"'],
    ["bash", "-c", "declare -p V"],
    ["bash", "-c", 'printf "%q\n" "$V"'],
    ["bash", "-c", 'echo "${V@Q}"'],
    ["bash", "-c", "env"],
]


@pytest.mark.parametrize(
    "value",
    [
        NASTY,
        "it's secret",
        "''two'' 'quotes'",
        "line one\nline 'two'",
        "bell\x07\x1b\x01 end",
        "back\\end\\nx",
    ],
)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_shells(argv: list[str], locale: str, value: str) -> None:
    made = masker(value)
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": locale, "V": value}
    done = subprocess.run(argv, env=environment, capture_output=True, check=True, cwd="/", timeout=60)
    hidden = shown(made, done.stdout + done.stderr)
    assert MASK in hidden
    for part in ("secret", "$e`f", "one", "two", "end", "ell"):
        assert part not in value or part.encode() not in hidden, hidden


def test_a_traceback(tmp_path: os.PathLike[str]) -> None:
    code = f"raise KeyError({NASTY!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert masker(NASTY).hide(done.stderr).rstrip().endswith(f"KeyError: '{MASK.decode()}'")


# ---- streams ----


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_over_the_edges_of_reads(size: int) -> None:
    made = masker("s3cret-s3cret!", "", "s3c", "cret-s")
    text = b"a s3cret-s3cret! b s3cret-s3cret s3c s3 end s3cret-s3cret!"
    sizes = [size] * (len(text) // size)
    assert shown(made, text, sizes) == b"a ******** b s3******** s3c s3 end ********".replace(
        b"s3******** s3c", b"s3********3cret s3c"
    )


def test_streams_are_masked_apart() -> None:
    made = masker("secret")
    assert made.feed(1, b"sec") == b""
    assert made.feed(2, b"ret") == b"ret"
    assert made.feed(1, b"ond") == b"second"


def test_what_cannot_become_a_secret_is_shown_at_once() -> None:
    made = masker("secret-one", "secret-two")
    assert made.feed(1, b"loading secre") == b"loading "
    assert made.feed(1, b"cy...") == b"secrecy..."
    assert made.feed(1, b"\n") == b"\n"


def test_secrets_that_overlap_are_masked_whole() -> None:
    assert masker("AAAAAABBBBBB", "BBBBBBCCCCCC").hide("<AAAAAABBBBBBCCCCCC>") == "<********>"


def test_a_message_that_was_cut_off_within_a_secret() -> None:
    made = masker("secret-one")
    assert made.hide("E: secret-on…") == "E: ********…"
    assert made.hide("E: secr…") == "E: secr…"


def test_time_grows_with_the_stream_alone() -> None:
    """Many secrets and one that repeats itself: in pieces of one byte a hundred times longer would show."""
    values = [KEY, "a" * 5000 + "b", *(f"secret number {n}" for n in range(100))]
    made = masker(*values)
    text = (b"a" * 5000 + b" plain text of a log, " * 500) * 4
    began = time.process_time()
    assert shown(made, text) == text
    once = time.process_time() - began
    began = time.process_time()
    assert shown(made, text * 4, [1000] * (len(text) * 4 // 1000)) == text * 4
    assert time.process_time() - began < 20 * max(once, 0.2)


# ---- the secrets of one attempt ----


class Store(BaseSecrets):
    """Holds what a test says, and fails when it says so."""

    values: ClassVar[dict[str, str]] = {}
    fails = False
    reads: ClassVar[list[str]] = []

    def __init__(self, config: Mapping[str, Any]) -> None:
        pass

    def get(self, name: str) -> str:
        if self.fails:
            raise PlatformError("cannot be reached")
        self.reads.append(name)
        return self.values[name]


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Secrets]:
    """Return what makes the secrets of an attempt that declares some; its folder is `tmp_path`."""
    monkeypatch.setattr(Store, "values", {"A": "secret-one", "B": "secret-two", "S": "dev"})
    monkeypatch.setattr(Store, "reads", [])
    monkeypatch.setattr(lookup, "load", lambda kind, service: Store({}))
    services: Any = {"secrets": {"type": "a test's", "config": {}}}
    return lambda **declared: Secrets(services, {"secrets": declared}, str(tmp_path))  # type: ignore[typeddict-item]


def test_a_step_without_secrets_asks_no_store(attempt: Callable[..., Secrets]) -> None:
    secrets, masker = attempt(), Masker()
    secrets.mask(masker)
    secrets.ended()
    assert secrets.hide("secret-one") == "secret-one" and secrets.unmasked() == []
    assert masker.feed(1, b"secret-one") == b"secret-one"
    assert Store.reads == []


def test_what_was_not_asked_for_is_shown(attempt: Callable[..., Secrets], tmp_path: Path) -> None:
    secrets, masker = attempt(X="A"), Masker()
    assert secrets.environment == {"X": "secret-one"}
    secrets.mask(masker)
    assert masker.feed(1, b"secret-one secret-two ") == b"******** secret-two "
    (tmp_path / "secrets").write_text("B\nS\nof its own\n")
    secrets.mask(masker)
    assert masker.feed(1, b"secret-one secret-two ") == b"******** ******** "
    assert Store.reads == ["A", "B", "S", "of its own"]
    assert secrets.unmasked() == ["secret 'S' is not masked: it has no line of 6 characters or more"]


def test_a_secret_that_cannot_be_read_again(
    attempt: Callable[..., Secrets], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = attempt(X="A")
    monkeypatch.setattr(Store, "fails", True)
    (tmp_path / "secrets").write_text("B\n")
    with pytest.raises(PlatformError):
        secrets.mask(Masker())


def test_a_value_is_hidden_wherever_it_stands(attempt: Callable[..., Secrets]) -> None:
    Store.values["N"] = "31415926"
    secrets = attempt(X="A", N="N", S="S")
    secrets.ended()
    value = {"k secret-one": ["a", 31415926, 3.1, None, True, {"x": "secret-one"}], "dev": "dev"}
    hidden = {"k ********": ["a", "********", 3.1, None, True, {"x": "********"}], "dev": "dev"}
    assert secrets.hidden(value) == hidden
    assert [secrets.holder(one) for one in (value, hidden, 31415926, "secret")] == ["A", None, "N", None]
