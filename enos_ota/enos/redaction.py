"""Removal of secrets and control characters from texts that EnOS or a proxy wrote."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

SECURE: Final = "[secure]"
_LONGEST: Final = 300
_LOOKED_AT: Final = 10 * _LONGEST  # more than is shown, as white space is removed; a limit, as 10 MB would take long


def clean(text: str, secrets: Collection[str]) -> str:
    """Return the text on one line, without secrets and control characters, shortened to 300 characters."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, SECURE)
    text = text[:_LOOKED_AT]
    # A server's text must not be able to move the cursor or start a new line of a log.
    text = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
