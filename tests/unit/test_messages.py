"""docs/messages.md has every message of the package, every exit status and every status of a step, and nothing else."""

from __future__ import annotations

import re

import pytest

from magnus_render import errors
from tests import messages, pages

PAGE = (pages.ROOT / "docs" / "messages.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    return messages.found()


def told() -> list[str]:
    """Return the messages of the page, in its order."""
    return [line for block in pages.fenced(PAGE, "text") for line in block.splitlines()]


def test_every_message_of_the_code_is_on_the_page(said: dict[str, str]) -> None:
    there = {messages.owner(line, said) for line in told()}
    assert [where for message, where in said.items() if message not in there] == []


def test_every_message_of_the_page_is_in_the_code_and_told_once(said: dict[str, str]) -> None:
    assert [line for line in told() if messages.owner(line, said) is None] == []
    assert len(told()) == len(set(told()))


def test_every_exit_status_is_on_the_page() -> None:
    numbers = {value for name, value in vars(errors).items() if name.isupper() and type(value) is int}
    for number in numbers - {errors.EAGAIN, errors.EMFILE, errors.ENFILE, errors.ENOMEM}:
        assert f"| {number} |" in PAGE


def test_every_status_of_a_step_is_on_the_page() -> None:
    source = (messages.PACKAGE / "plan.py").read_text(encoding="utf-8")
    found = re.search(r"Status = Literal\[([^]]+)\]", source)
    assert found
    for status in re.findall(r'"(\w+)"', found[1]):
        assert f"| `{status}` |" in PAGE


CODE = """
LIMIT = "a limit of ours"

def why(name):
    return f"'{name}' is not right"

def work(run, warnings):
    what = why(run) if run else LIMIT
    if run:
        raise Refused(what)
    warnings.append("it may be wrong" + ": look")
    say(f"{run}: wrong: {what}")
    raise ValueError("not a message")
"""


def test_messages_are_found_through_functions_and_variables() -> None:
    assert set(messages.of_source(CODE)) == {
        "'<name>' is not right",
        "a limit of ours",
        "it may be wrong: look",
        "<run>: wrong: <what>",
    }


def test_a_line_tells_the_message_with_the_most_words_of_its_own() -> None:
    said = ["cannot <do> <path>: <error>", "cannot import '<module>': <error>", "killed by signal <n><why>"]
    assert messages.owner("cannot import '<module>': <reason>", said) == said[1]
    assert messages.owner("cannot read '<path>': <reason>", said) == said[0]
    assert messages.owner("killed by signal <n>: too much memory", said) == said[2]
    assert messages.owner("nothing of the kind", said) is None
