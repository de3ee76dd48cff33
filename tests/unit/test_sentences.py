"""Sentences of documents are short: most of them have at most some 25 words, and none has more than 30."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST = 30
NOT_READ = ("docs/reference/", "docs/adr/")
"""Pages that are made of help texts and explanations, and decisions, which stay as they were taken."""
_CODE = re.compile(r"^```.*?^```$|^ {4,}\S.*?$", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"([-*]|\d+\.) ")
_TESTS = re.compile(r"\((case|cases|`tests?[/_])[^()]*\)")
"""Names of tests behind a rule: they are no part of its sentence."""
_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z*\"'(\d])")


def documents() -> list[Path]:
    """Return the documents whose sentences are counted."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if not str(path.relative_to(ROOT)).startswith(NOT_READ)]


def blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs, items of lists and cells of tables of a document, without its code."""
    block: list[str] = []
    for line in [*_CODE.sub("", text).splitlines(), ""]:
        line = line.strip()
        if not line or line.startswith(("#", "|")) or _ITEM.match(line):
            yield " ".join(block)
            block = []
        if line.startswith("|"):
            yield from line.strip("|").split("|")
        elif not line.startswith("#"):
            block.append(_ITEM.sub("", line, count=1) if _ITEM.match(line) else line)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a document, each piece of code and each link's address as one word."""
    for block in blocks(text):
        plain = re.sub(r"`[^`]*`|<code>.*?</code>", "Code", _TESTS.sub("", block))
        yield from _END.split(re.sub(r"\]\([^)]*\)", "]", plain))


def words(sentence: str) -> int:
    """Return the number of words of a sentence."""
    return len(re.findall(r"[\w$'’.-]*\w[\w'’-]*", sentence))


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_of_a_document_is_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [sentence for sentence in sentences(text) if words(sentence) > MOST] == []


def test_sentences_are_found_in_paragraphs_items_and_tables() -> None:
    text = (
        "# A title\n\nOne `a b c` is\none. Two is two (case `x`, `y`).\n\n"
        "```\nno code\n```\n\n- an item\n  goes on\n- another\n\n| a cell | b [c](d/e.md) |\n|---|---|\n"
    )
    found = [(sentence.strip(), words(sentence)) for sentence in sentences(text) if words(sentence)]
    assert found == [
        ("One Code is one.", 4),
        ("Two is two .", 3),
        ("an item goes on", 4),
        ("another", 1),
        ("a cell", 2),
        ("b [c]", 2),
    ]
