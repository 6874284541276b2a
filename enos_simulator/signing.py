"""Signing: the two hashes that EnOS checks, `encryption` of the token service and the signature of a call [D].

A test checks the documented sample.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def encryption(app_key: str, timestamp: str, app_secret: str) -> str:
    """Return the `encryption` of a token request: lowercase hex of a SHA-256. `timestamp`: Unix ms, as sent."""
    return hashlib.sha256(f"{app_key}{timestamp}{app_secret}".encode(errors="replace")).hexdigest()


def signature(token: str, query: Iterable[tuple[str, str]], body: bytes, timestamp: str, app_secret: str) -> str:
    """Return the `apim-signature` of a call. `query`: decoded; of a repeated name the first value counts."""
    first: dict[str, str] = {}
    for name, value in query:
        first.setdefault(name, value)
    parameters = "".join(name + first[name] for name in sorted(first))
    digest = hashlib.sha256()
    digest.update(f"{token}{parameters}".encode(errors="replace"))
    digest.update(body)
    digest.update(f"{timestamp}{app_secret}".encode(errors="replace"))
    return digest.hexdigest()
