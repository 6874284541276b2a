"""YAML as it was written: which plain scalars are texts, where values stand, what is refused."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from enos_ota.devicekeys import yamltext
from enos_ota.devicekeys.yamltext import Unquoted

# Characters of which numbers, dates, truth values and the like are made, so that random texts come near to them.
near_misses = st.text("0123456789+-._:eExXoObaAfFnNtTyYlLsSuUrR~=< ", min_size=1, max_size=8)


def only(text: str) -> object:
    tree = yamltext.load(text)
    assert tree.flaws == ()
    return tree.value


@pytest.mark.parametrize(
    "scalar",
    [
        "0012345",
        "1e5",
        "1E+5",
        "0x1F",
        "0o17",
        "017",
        "0b11",
        "2026-01-02",
        "2026-1-2",
        "1.10",
        ".5",
        "5.",
        "true",
        "True",
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "null",
        "~",
        "1_000",
        ".inf",
        "-.Inf",
        ".NaN",
        "12:30:00",
        "190:20:30.15",
        "2026-01-02T03:04:05Z",
        "=",
        "12345678901234567890",
        "0x_",
        "+1",
    ],
)
def test_what_a_reader_may_take_for_another_thing_is_no_text(scalar: str) -> None:
    assert not isinstance(only(f"- {scalar}")[0], str)  # type: ignore[index]  # the document is a list


@pytest.mark.parametrize(
    "scalar",
    [
        "dk-01",
        "65a1b2c3d4e5f60718293a4b",
        "1.2.3",
        "2.3.0-rc1",
        "1-2",
        "e5",
        "1e",
        "12:99",
        "yesterday",
        "nullable",
        "0xZZ",
        "10.0.0.1",
        "a_1",
        "2026-01",
        "v1",
    ],
)
def test_what_every_reader_takes_for_a_text_is_one(scalar: str) -> None:
    assert only(f"- {scalar}") == [scalar]


@given(near_misses)
@example("0012345")
@example("1__0")
@example("0b-1")
def test_what_passes_for_a_text_is_one_to_pyyaml_too(scalar: str) -> None:
    document = f"- {scalar}\n"
    tree = yamltext.load(document)
    if not tree.flaws and isinstance(tree.value, list) and all(isinstance(item, str) for item in tree.value):
        assert yaml.safe_load(document) == tree.value


@given(near_misses | st.text(max_size=20).filter(str.isprintable))
def test_any_quoted_text_comes_back_as_it_was(text: str) -> None:
    assert only(f"- {json.dumps(text, ensure_ascii=False)}\n") == [text]


@given(near_misses)
def test_single_quotes_serve_as_well(text: str) -> None:
    assert only(f"- '{text}'\n") == [text]


def test_numbers_and_truth_values_that_all_readers_agree_on_keep_their_type() -> None:
    assert only("[12, -3, 0.25, true, false, null]") == [12, -3, 0.25, True, False, None]


def test_a_doubtful_scalar_keeps_its_spelling() -> None:
    assert only("[0012, 1e5, yes, 2026-01-02]") == [
        Unquoted("0012"),
        Unquoted("1e5"),
        Unquoted("yes"),
        Unquoted("2026-01-02"),
    ]


def test_an_explicit_text_tag_counts_as_quotes() -> None:
    assert only("- !!str 0012") == ["0012"]


def test_another_tag_makes_no_text() -> None:
    assert only('- !!binary "aGk="') == [Unquoted("aGk=")]


def test_block_scalars_are_texts() -> None:
    assert only("- |-\n  12\n- >-\n  34\n") == ["12", "34"]


def test_a_value_has_the_line_of_its_key_and_an_item_its_own() -> None:
    tree = yamltext.load("a:\n  b:\n    - x\n    - c: >-\n        y\n")
    assert [tree.line(path) for path in ((), ("a",), ("a", "b"), ("a", "b", 1), ("a", "b", 1, "c"))] == [1, 1, 2, 4, 4]


def test_a_path_that_does_not_exist_has_the_line_of_what_is_around_it() -> None:
    assert yamltext.load("a:\n- x\n- y: 1\n").line(("a", 1, "z", "q")) == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\na: 2\n", 2, "a is given twice in one mapping"),
        ("a: &x {k: v}\nb:\n  <<: *x\n", 3, "merge keys (<<) are not read: write the keys out"),
        ("a: &x 1\nb: *x\n", 2, "the alias *x is not read: write the value out"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins here; only one is read"),
        ("[a]: b\n", 1, "a key must be a text, not a list, a mapping or an alias"),
        ("a: &x b\n*x : c\n", 2, "a key must be a text, not a list, a mapping or an alias"),
        ("a: !x {}\n", 1, "the tag !x is not read: remove it"),
        ("a: 1\nb: \x07\n", 2, "this is not YAML: it has a control character"),
        ("[" * 100_000, 1, "nested deeper than 100 levels"),
    ],
)
def test_what_cannot_be_read_is_a_flaw_with_its_line(text: str, line: int, message: str) -> None:
    assert yamltext.load(text).flaws == (yamltext.Flaw(line, message),)


def test_a_syntax_error_names_its_line_and_does_not_quote_the_file() -> None:
    (flaw,) = yamltext.load("a: b\nsecret: [hunter2\n").flaws
    assert flaw.line == 3
    assert flaw.text.startswith("this is not YAML: ")
    assert "hunter2" not in flaw.text


def test_an_empty_file_holds_nothing() -> None:
    assert only("# nothing\n") is None
