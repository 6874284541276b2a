"""What does not show is escaped wherever a text of others is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enos_ota.cli.plain import plain
from enos_ota.devicekeys import visible
from enos_ota.devicekeys.visible import is_visible
from enos_ota.plan.naming import shown

if TYPE_CHECKING:
    from collections.abc import Callable

INVISIBLE = ["\u200b", "\u00ad", "\ufeff", "\u202e", "\u2066", "\u3164", "\u115f", "\ufe0f", "\u2800"]


@pytest.mark.parametrize("character", INVISIBLE)
@pytest.mark.parametrize("show", [plain, shown, visible.shown])
def test_an_invisible_character_is_never_printed(show: Callable[[str], str], character: str) -> None:
    text = show(f"dk{character}01")
    assert character not in text
    assert ascii(character)[1:-1] in text


@given(st.text())
def test_what_is_printed_shows(text: str) -> None:
    assert is_visible(plain(text))


@pytest.mark.parametrize("text", ["dk-01", "水泵 42", "ключ"])
def test_what_shows_is_printed_as_it_is(text: str) -> None:
    assert plain(text) == text
