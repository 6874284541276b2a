"""Ids of jobs, organizations and applications: characters that no id contains but a copied text may."""

from __future__ import annotations

import unicodedata
from typing import Final

from enos_ota.devicekeys.visible import is_visible

_QUOTES: Final = frozenset("\"'`\u00b4\u201a\u201e")
_INITIAL_OR_FINAL_QUOTE: Final = frozenset({"Pi", "Pf"})


def problem(text: str) -> str:
    """Return the problem of an id, as a continuation of its setting's name; empty for a valid id.

    With a quotation mark, white space or an invisible character an id looks right but is another id.
    """
    odd = next((character for character in text if _is_odd(character)), "")
    if not odd:
        return ""
    name = unicodedata.name(odd, "")
    return f"contains U+{ord(odd):04X}{' ' if name else ''}{name}; ids never contain it: remove it"


def _is_odd(character: str) -> bool:
    if not is_visible(character) or character.isspace() or character in _QUOTES:
        return True
    return unicodedata.category(character) in _INITIAL_OR_FINAL_QUOTE
