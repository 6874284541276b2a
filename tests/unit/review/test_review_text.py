"""What others wrote, made fit to be shown: visible, distinct, cut."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.review.text import Kind, command, distinct, key, name, plain, say, saying, visible
from tests.harness.any_report import HOSTILE

_ESCAPE = re.compile(r"\\(\\|n|r|t|x..|u.{4}|U.{8})")
TEXTS = st.one_of(st.text(), st.sampled_from(HOSTILE))


def meant(shown: str) -> str:
    """The text that was made distinct."""
    return _ESCAPE.sub(lambda match: match[0].encode().decode("unicode_escape"), shown)


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x9b1m", r"\x9b1m"),
        ("pump\u202e1", r"pump\u202e1"),
        ("pump\u200b1", r"pump\u200b1"),
        ("pump\xa01", r"pump\xa01"),
        ("pump\u31641", r"pump\u31641"),
        ("pump\ufe0f1", r"pump\ufe0f1"),
        ("\ud800", r"\ud800"),
        ("\u0336x", r"\u0336x"),
        ("Z\u0300\u0301\u0302\u0303", "Z\u0300\u0301\u0302" + r"\u0303"),
    ],
)
def test_what_is_invisible_or_acts_on_a_terminal_is_escaped(hidden: str, shown: str) -> None:
    assert visible(hidden, 100) == shown


@pytest.mark.parametrize("text", ["pump-00001", "日本語 Gerät ключ", "e\u0301", "C:\\x"])
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert visible(text, 100) == text


@given(TEXTS)
def test_nothing_that_is_shown_is_invisible(text: str) -> None:
    assert visible(text, 1000).isprintable()


@given(TEXTS)
def test_no_two_names_look_alike(text: str) -> None:
    assert meant(distinct(text, 10_000)) == text


@given(TEXTS, st.integers(1, 50))
def test_a_text_that_is_cut_says_how_much_is_missing(text: str, most: int) -> None:
    shown = visible(text, most)
    assert len(shown) <= most + len("\\U000e0041… (1 000 more characters)")
    assert len(visible(text, 100_000)) <= most or shown == visible(text, 100_000) or shown.endswith("more characters)")


def test_the_missing_part_is_counted_in_characters_of_the_text() -> None:
    assert visible("\x1b" * 10, 8) == r"\x1b\x1b… (8 more characters)"


@pytest.mark.parametrize("make", [name, saying, command])
def test_a_foreign_piece_is_bounded_and_on_one_line(make: object) -> None:
    assert callable(make)
    piece = make("x\n\u202e" * 100_000)
    assert len(piece.text) < 1100
    assert piece.text.isprintable()


def test_a_key_of_the_longest_kind_is_not_cut() -> None:
    assert key("k" * 256) == "k" * 256


def test_numbers_are_grouped_by_thousands() -> None:
    assert plain(say(79_812, " of ", 84_000)) == "79 812 of 84 000"
    assert [piece.kind for piece in say(1, " of ", 2)] == [Kind.NUMBER, Kind.WORDS, Kind.NUMBER]


def test_marks_of_a_language_stay_on_their_letters() -> None:
    vietnamese = unicodedata.normalize("NFD", "Tiếng Việt")
    assert visible(vietnamese, 100) == vietnamese
