"""Device keys: one canonical text, and what no set may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.devicekeys import rules as keys

sound_keys = st.text(min_size=1, max_size=keys.MAX_KEY_LENGTH).filter(lambda key: keys.problem(key) is None)


def test_the_text_is_sorted_unique_and_ends_each_key_with_a_newline() -> None:
    assert keys.to_text(["b", "a", "b", "C"]) == "C\na\nb\n"


def test_no_keys_are_an_empty_text() -> None:
    assert keys.to_text([]) == ""


def test_a_text_without_the_last_newline_is_forgiven() -> None:
    assert keys.from_text("b\na") == ("a", "b")


@given(st.lists(sound_keys))
def test_every_sound_set_survives_its_text(device_keys: list[str]) -> None:
    assert keys.from_text(keys.to_text(device_keys)) == tuple(sorted(set(device_keys)))


@given(st.lists(sound_keys), st.randoms())
def test_order_and_duplicates_do_not_change_the_text(device_keys: list[str], chance: object) -> None:
    shuffled = [*device_keys, *device_keys[:2]]
    getattr(chance, "shuffle")(shuffled)  # noqa: B009 - hypothesis's own random, typed as object here
    assert keys.to_text(shuffled) == keys.to_text(device_keys)


@pytest.mark.parametrize(
    "key", ["dk-01", "it's", 'say "hi"', "a b", "#1", "ключ", "x" * 256, "a,b;c", "\u00a0x", "{a}", "========"]
)
def test_a_key_may_hold_anything_printable(key: str) -> None:
    assert keys.problem(key) is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("", "is empty"),
        (" \u00a0", "is empty"),
        ("a\tb", "has control characters"),
        ("a\nb", "has control characters"),
        ("a\x00", "has control characters"),
        ("a\x85b", "has control characters"),
        ("a\u2028b", "has control characters"),
        ("a\ud800", "has control characters"),
        ("a\u200bb", "has invisible characters: type it again"),
        ("\ufeffa", "has invisible characters: type it again"),
        ("a\u00adb", "has invisible characters: type it again"),
        ("a\u202eb", "has invisible characters: type it again"),
        ("a\u3164b", "has invisible characters: type it again"),
        ("x" * 257, "is longer than 256 characters"),
        ("<<<<<<< HEAD", "is a line of an unresolved merge conflict"),
        ('{"code": 99400}', "is a line of a JSON object, such as an answer of EnOS"),
        (12345, "is not a text: put it in quotes"),
        (None, "is not a text: put it in quotes"),
    ],
)
def test_what_no_set_may_hold(key: object, kind: str) -> None:
    assert keys.problem(key) == kind


def test_an_empty_set_is_told_what_ends_a_set() -> None:
    assert keys.problems([]) == ["no device keys; to end a set remove the whole set, what is cancelled stays cancelled"]


def test_an_iterator_that_is_used_up_is_still_judged() -> None:
    assert keys.problems(iter(["a", ""])) == ["1 device key is empty (no. 2: '')"]


def test_each_kind_of_problem_is_one_short_sentence() -> None:
    assert keys.problems(["ok", "", 7, "a\nb", "", "", "", "y" * 300]) == [
        "4 device keys are empty (no. 2: '', no. 5: '', no. 6: '', …)",
        "1 device key is not a text: put it in quotes (no. 3: 7)",
        "1 device key has control characters (no. 4: 'a\\nb')",
        f"1 device key is longer than 256 characters (no. 8: '{'y' * 36}…)",
    ]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "2 device keys are empty ("),
        (7, "2 device keys are not texts: put them in quotes ("),
        ("a\nb", "2 device keys have control characters ("),
        ("y" * 300, "2 device keys are longer than 256 characters ("),
        ("a\u200bb", "2 device keys have invisible characters: type them again ("),
        ("@@ -1,3 +1,4 @@", "2 device keys are lines of a diff ("),
    ],
)
def test_several_keys_are_told_of_as_several(key: object, told: str) -> None:
    assert keys.problems([key, key])[0].startswith(told)


def test_an_invisible_character_is_named_by_its_code_point() -> None:
    assert keys.problems(["dk-01", "dk\u202e10"]) == [
        "1 device key has invisible characters: type it again"
        r" (no. 2: U+202E RIGHT-TO-LEFT OVERRIDE in 'dk\u202e10')"
    ]


@given(st.lists(st.from_regex(r"[A-Za-z0-9._-]{4,64}", fullmatch=True)))
def test_keys_of_the_documented_default_rule_are_neither_refused_nor_doubted(device_keys: list[str]) -> None:
    assert (keys.find_problems(device_keys), keys.unusual(device_keys)) == ([], None)


@pytest.mark.parametrize("key", ["abc", "x" * 65, "device key", "a,b,c", "12345;", "ключи", "\uff14\uff12\uff13\uff11"])
def test_a_key_outside_the_documented_default_rule_is_unusual_but_no_problem(key: str) -> None:
    found = keys.unusual(["dk-01", key])
    assert (found is not None and found.positions, keys.problem(key)) == ((1,), None)


def test_unusual_keys_are_one_sentence_with_the_first_few() -> None:
    found = keys.unusual(["a", "b", "dk-01", "c", "d"])
    assert found is not None
    assert found.sentence() == (
        "4 device keys do not follow EnOS's default rule of 4 to 64 letters, digits or - _ ."
        " (no. 1: 'a', no. 2: 'b', no. 4: 'c', …)"
    )


def test_a_key_with_a_problem_is_not_unusual_too() -> None:
    assert keys.unusual(["", 7, "a\u200bb"]) is None


def test_a_sound_set_has_no_problems() -> None:
    assert keys.problems(["b", "a", "a"]) == []


def test_a_finding_says_where_in_the_words_of_the_caller() -> None:
    (finding,) = keys.find_problems(["a", ""])
    assert finding.sentence(lambda position: f"line {position + 10}") == "1 device key is empty (line 11: '')"
