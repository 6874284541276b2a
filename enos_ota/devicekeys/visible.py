"""Visible and invisible characters: texts from outside in messages, and what device keys must not contain."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Printable for Python, but shown as nothing or as a gap.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def is_visible(text: str) -> bool:
    """Whether every character of a text is visible, so that no other text looks the same."""
    return text.isprintable() and (text.isascii() or not _BLANK.search(text))


def is_invisible(character: str) -> bool:
    """Whether a character is invisible and not a control character: zero-width, soft hyphen, text direction."""
    return unicodedata.category(character) == "Cf" or _BLANK.match(character) is not None


def excerpt(value: object) -> str:
    """Return a device key, or another value in its place, for a message: in ASCII and shortened."""
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "…"  # noqa: PLR2004 - a readable width


def shown(text: str, width: int = 60) -> str:
    """Return an external text for a message: escaped if not visible, and shortened."""
    plain = text if is_visible(text) else ascii(text)[1:-1]
    return plain if len(plain) <= width else plain[: width - 1] + "…"
