"""Search expressions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enos_ota.enos import UnquotableValue, is_quotable
from enos_ota.enos.expressions import equals, is_in


def test_conditions_are_written_in_the_documented_grammar() -> None:
    conditions = [equals("jobId", "j-1"), is_in("deviceKey", ["a", "b c"])]

    assert conditions == ["jobId = 'j-1'", "deviceKey in ('a', 'b c')"]


def test_a_value_is_written_once() -> None:
    assert is_in("deviceKey", ["a", "b", "a"]) == "deviceKey in ('a', 'b')"


@pytest.mark.parametrize("value", ["it's", 'a"b', "a\\b", "a\nb", "a\x00", "\x7f", "\u2028", "\ud800"])
def test_a_value_that_cannot_be_quoted_is_refused(value: str) -> None:
    with pytest.raises(UnquotableValue, match=r"^deviceKey .* cannot be searched for: .* No request was sent\.$"):
        equals("deviceKey", value)


@pytest.mark.parametrize("value", ["dk-01", "泵 1", "a=b", "x) or (y", "#1", "%", "é", "😀"])
def test_any_other_value_can_be_quoted(value: str) -> None:
    assert equals("deviceKey", value) == f"deviceKey = '{value}'"


@settings(deadline=None)  # a busy machine is no failure
@given(st.text())
def test_what_is_quoted_never_ends_its_quotes(value: str) -> None:
    if is_quotable(value):
        assert equals("f", value).count("'") == 2
    else:
        with pytest.raises(UnquotableValue):
            equals("f", value)


def test_the_error_shows_an_excerpt_that_is_safe_to_print() -> None:
    with pytest.raises(UnquotableValue) as caught:
        equals("deviceKey", "\x1b" + "k" * 5000)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250
