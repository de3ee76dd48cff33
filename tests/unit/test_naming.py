"""Slugs and addresses."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from magnus_render import naming

SLUG = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
names = st.text(
    st.characters(exclude_characters=".%", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=100
)


@given(names)
def test_a_slug_is_inert_short_and_its_own_slug(name: str) -> None:
    slug = naming.slug(name)
    assert SLUG.fullmatch(slug) and len(slug) <= naming.SLUG_LENGTH
    assert naming.slug(slug) == slug
    assert naming.is_slug(slug)
    assert (slug == name) == bool(SLUG.fullmatch(name) and len(name) <= naming.SLUG_LENGTH)


@given(names, names)
def test_other_names_have_other_slugs(one: str, other: str) -> None:
    assert (naming.slug(one) == naming.slug(other)) == (one == other)


def test_readable_parts() -> None:
    assert naming.slug("train-2") == "train-2"
    assert re.fullmatch(r"train-[0-9a-f]{8}", naming.slug("Train"))
    assert re.fullmatch(r"resume-du-mois-[0-9a-f]{8}", naming.slug("Résumé du mois!"))
    assert re.fullmatch(r"[0-9a-f]{8}", naming.slug("日本"))
    assert len(naming.slug("x" * 100)) == naming.SLUG_LENGTH


def test_addresses() -> None:
    assert naming.join("", "a") == "a"
    assert naming.join("a", "0", "b") == "a.0.b"
    assert naming.parent("a.0.b") == "a.0" and naming.last("a.0.b") == "b"
    assert naming.parent("a") == ""
    assert naming.normal("a.0.b") == naming.normal("a._.b") == "a._.b"
    assert naming.key("a.0.b") == "steps/a/0/b" and naming.key("") == "steps"
    assert naming.from_dot_path("a.my%step") == f"a.{naming.slug('my step')}"
    assert naming.shown("Each one._.B", "each-one-12345678.3.b") == "Each one.3.B"
