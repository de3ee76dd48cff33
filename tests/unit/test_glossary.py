"""The glossary and what it speaks of agree: each term is used, and the words that it refuses are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
TERM = re.compile(r"^\*\*([^*]+)\*\*: (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```[\s\S]*?^```$|^ {4,}\S.*$|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE)
"""What stands in a document as it is written elsewhere: code, and the addresses of links."""


def documents() -> list[Path]:
    """Return what people read: documents, and explanations of codes."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    found += [*(ROOT / "benchmarks").glob("*.md"), *(ROOT / "magnus_render").rglob("explanations/*.md")]
    return [path for path in found if path != GLOSSARY]


def terms() -> list[tuple[str, str]]:
    """Return (term, what it means) in the order of the page."""
    return TERM.findall(GLOSSARY.read_text(encoding="utf-8"))


def refused() -> list[str]:
    """Return the words that documents do not use."""
    table = GLOSSARY.read_text(encoding="utf-8").partition("| not | but |\n|---|---|\n")[2]
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]


def misused(text: str, words: list[str]) -> Iterator[str]:
    """Yield `line: word` for each of the words that a document uses outside of code."""
    plain = _CODE.sub(lambda match: "\n" * match.group().count("\n"), text)
    for word in words:
        pattern = r"\b" + r"\s+".join(map(re.escape, word.split())) + r"(s|ies)?\b"
        for match in re.finditer(pattern, plain, re.IGNORECASE):
            yield f"{plain.count(chr(10), 0, match.start()) + 1}: {match.group()}"


def test_terms_stand_in_order_and_once() -> None:
    names = [name for name, _ in terms()]
    assert len(names) > 40
    assert names == sorted(set(names), key=str.casefold)


@pytest.mark.parametrize(("name", "meaning"), terms())
def test_a_meaning_is_one_or_two_sentences(name: str, meaning: str) -> None:
    assert 1 <= len(re.findall(r"[.?!](?=\s|$)", _CODE.sub("code", meaning))) <= 2
    assert meaning.endswith(".")


@pytest.fixture(scope="module")
def used() -> str:
    """Return the text of all documents and of the code: words apart by single blanks."""
    files = [*documents(), *(ROOT / "magnus_render").rglob("*.py")]
    return " ".join(" ".join(path.read_text(encoding="utf-8") for path in files).split()).casefold()


@pytest.mark.parametrize("name", [name for name, _ in terms()])
def test_each_term_is_used(name: str, used: str) -> None:
    assert re.search(rf"\b{re.escape(name.casefold())}(s|es)?\b", used)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_do_not_use_refused_words(path: Path) -> None:
    assert list(misused(path.read_text(encoding="utf-8"), refused())) == []


def test_refused_words_are_found_in_prose_and_not_in_code() -> None:
    text = "See the upstream\nstep.\n\n```\nupstream: 1\n```\n\n    upstream\n\n`upstream` and a store\nof secrets.\n"
    assert list(misused(text, ["upstream", "store of secrets"])) == ["1: upstream", "10: store\nof secrets"]
    assert len(refused()) > 8
