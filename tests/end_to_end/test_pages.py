"""Pages of documentation do what they say: each is followed to the letter in a fresh folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from magnus_render import older_api, registry
from magnus_render.cli import options
from magnus_render.spec import legacy
from tests import pages
from tests.tools import require

DOCS = pages.ROOT / "docs"
KINDS = ("executor", "target", "run_log_store", "catalog", "secrets")
COMING_FROM = sorted((DOCS / "coming-from").glob("[!R]*.md"))
FOLLOWED = [DOCS / "start.md", DOCS / "plan.md", *sorted((DOCS / "guide").glob("[!R]*.md")), *COMING_FROM]


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_the_commands_of_a_page_print_what_it_says(page: Path, tmp_path: Path) -> None:
    for tool in ("git", "make"):
        require(tool)
    text = page.read_text(encoding="utf-8")
    assert len(pages.fenced(text, "console")) >= 1
    found = pages.differences(text, tmp_path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", sorted((DOCS / "guide").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_of_the_guide_is_short_and_in_its_index(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 100
    index = (DOCS / "guide" / "README.md").read_text(encoding="utf-8")
    assert page.name == "README.md" or f"]({page.name})" in index


@pytest.mark.parametrize("page", COMING_FROM, ids=lambda page: page.stem)
def test_what_a_page_shows_of_another_tool_can_be_read(page: Path) -> None:
    """Another tool is not installed, so its pipeline is read as Python or YAML only."""
    text = page.read_text(encoding="utf-8")
    for code in pages.fenced(text, "python"):
        compile(code, page.name, "exec")
    for code in pages.fenced(text, "yaml"):
        assert yaml.safe_load(code)
    assert "Sources" in text and "## What is not there" in text and "## What you gain" in text


def test_no_bar_is_escaped_between_backticks() -> None:
    """The site would show the backslash: a table has `<code>a &#124; b</code>`."""
    for page in DOCS.rglob("*.md"):
        text = pages.BLOCK.sub("", page.read_text(encoding="utf-8"))
        assert re.findall(r"`[^`\n]*\\\|[^`\n]*`", text) == [], page.name


def test_the_page_on_older_versions_has_every_older_name() -> None:
    text = (DOCS / "coming-from" / "magnus.md").read_text(encoding="utf-8")
    described = [registry.find(kind, name) for kind in KINDS for name in registry.BUILT_IN[kind]]
    names = {*legacy.BLOCKS, *legacy.TRACKERS, *legacy.GONE, *older_api.__all__}
    names |= {name for one in described for name in one.older_keys}
    names |= {f"magnus {command}" for command in options.GONE}
    assert {name for name in names if f"`{name}`" not in text and f"`{name}:" not in text} == set()


def test_what_a_page_says_wrongly_is_found(tmp_path: Path) -> None:
    text = '```sh title="a.txt"\none\n```\n\n```console\n$ cat a.txt\ntwo\n$ cd / && false\n$ pwd\n/\n```\n'
    found = pages.differences(text, tmp_path)
    assert found == ["$ cat a.txt\none\n(status 0)", "$ cd / && false\n(status 1)"]
    anew = pages.printed_anew(text, pages.follow(text, tmp_path))
    assert anew == text.replace("two", "one")


def test_a_status_that_is_asked_for_and_times_are_no_difference(tmp_path: Path) -> None:
    text = "```console\n$ false\n$ echo $?\n1\n$ echo took 1.5 s\ntook 0.2 s\n```\n"
    assert pages.differences(text, tmp_path) == []
    assert pages.differences(text.replace("\n1\n", "\n2\n"), tmp_path) == ["$ echo $?\n1\n(status 0)"]


def test_a_page_whose_shell_ends_is_found(tmp_path: Path) -> None:
    assert pages.differences("```console\n$ exit 0\n$ true\n```\n", tmp_path) == [
        "0 of 2 commands were typed"
    ]


def test_no_link_of_a_page_leads_out_of_the_site() -> None:
    """Links work on the site and in a browser of the repository; those to pages of other tools are not followed."""
    for page in DOCS.rglob("*.md"):
        for link in re.findall(
            r"\]\((?!https://)([^)#:]+)[^)]*\)", pages.BLOCK.sub("", page.read_text(encoding="utf-8"))
        ):
            target = (page.parent / link).resolve()
            assert target.is_relative_to(DOCS) and target.exists(), f"{page.relative_to(DOCS)}: {link}"
