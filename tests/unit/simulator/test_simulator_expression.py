"""The search grammar: what can be said, what it means, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_simulator.errors import BusinessError
from enos_simulator.expression import parse, required, select

FIELDS = dict.fromkeys(("a", "b", "and_more", "index"), frozenset({"=", "in"})) | {"n.zh_CN": frozenset({"like"})}


def matches(text: str, **row: str) -> bool:
    return bool(select(parse(text, FIELDS), [row], lambda name: lambda one: (one.get(name.replace(".", "_"), ""),)))


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("a = '1'", {"a": "1"}, True),
        ("a='1'", {"a": "2"}, False),
        ('a = "1"', {"a": "1"}, True),
        ("a in ('1', \"2\")", {"a": "2"}, True),
        ("a IN('1','2')", {"a": "3"}, False),
        ("a = '1' and b = '2'", {"a": "1", "b": "2"}, True),
        ("a = '1' AND b = '2'", {"a": "1", "b": "3"}, False),
        ("a = '1' or b = '2'", {"a": "0", "b": "2"}, True),
        ("a='1'and b='2'or a='3'", {"a": "3"}, True),
        ("a = '1' or a = '2' and b = '3'", {"a": "1"}, True),
        ("(a = '1' or a = '2') and b = '3'", {"a": "1"}, False),
        ("((a = '1'))", {"a": "1"}, True),
        ("\n\ta\n=\n'1'\n", {"a": "1"}, True),
        ("n.zh_CN like '泵'", {"n_zh_CN": "水泵固件"}, True),
        ("n.zh_CN like '%'", {"n_zh_CN": "水泵"}, False),
        ("and_more = '1' and index in ('2')", {"and_more": "1", "index": "2"}, True),
        ("a = ''", {"a": ""}, True),
        ("a = 'it is \"so\"'", {"a": 'it is "so"'}, True),
        ('a = "it\'s"', {"a": "it's"}, True),
        ("a = 'and or in (,) = !='", {"a": "and or in (,) = !="}, True),
        (r"a = '\'", {"a": "\\"}, True),
    ],
)
def test_an_expression_means_what_it_says(text: str, row: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a column of the table
    assert matches(text, **row) is expected


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "a",
        "a = 1",
        "a = b",
        "a = '1",
        "a = 'it's'",
        r"a = 'it\'s'",
        "a = '1' b = '2'",
        "a = '1' & b = '2'",
        "a = '1' android = '2'",
        "a = '1' and",
        "a in ()",
        "a in '1'",
        "a in ('1',)",
        "(a = '1'",
        "a = '1')",
        "a == '1'",
        "a != '1'",
        "exists(a)",
        "not exists(a)",
        "not a = '1'",
        "'1' = a",
        "a = true",
        "a = '1'; drop",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BusinessError, match=r"expression:cannot be read"):
        parse(text, FIELDS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("c = '1'", "unknown field c"),
        ("a = '1' or (b = '2' and A = '3')", "unknown field A"),
        ("a like '1'", "field a does not take like"),
        ("n.zh_CN = '1'", "field n.zh_CN does not take ="),
    ],
)
def test_a_field_takes_only_its_own_operators(text: str, why: str) -> None:
    with pytest.raises(BusinessError) as caught:
        parse(text, FIELDS)
    assert caught.value.msg == f"Invalid Argument expression:{why}"


def test_parentheses_alone_are_no_depth() -> None:
    assert matches("(" * 5000 + "a = '1'" + ")" * 5000, a="1")


def test_a_long_list_is_read() -> None:
    keys = [f"key-{number}" for number in range(20_000)]
    condition = parse("a in (" + ",".join(f"'{key}'" for key in keys) + ")", FIELDS)
    assert required(condition) == {"a": frozenset(keys)}


def test_what_every_row_must_have_is_found_through_and_but_not_through_or() -> None:
    condition = parse("a in ('1','2') and (a in ('2','3') and (b = '4' or index = '5'))", FIELDS)
    assert required(condition) == {"a": frozenset({"2"})}


@given(st.text(alphabet="ab='\"() ,inorad!lkex1\\", max_size=40))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        condition = parse(text, FIELDS)
    except BusinessError:
        return
    assert select(condition, [1], lambda _: lambda _: ("1",)) in ([1], [])


@given(st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"])))
def test_any_value_without_the_quote_around_it_is_read_unchanged(value: str) -> None:
    assert required(parse(f"a = '{value}'", FIELDS)) == {"a": frozenset({value})}
