"""Signing: the two hashes that EnOS checks, `encryption` of the token service and the signature of a call [D].

Written from the documentation, independently of the client. A test checks the documented sample.
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
    """Return the `apim-signature` of a call.

    Args:
        token: The access token.
        query: Decoded names and values, in any order. Of a repeated name the first value counts.
        body: The exact bytes of a JSON body; empty if there is none.
        timestamp: Text of `apim-timestamp`, Unix ms.
        app_secret: Secret of the application that the token belongs to.
    """
    first: dict[str, str] = {}
    for name, value in query:
        first.setdefault(name, value)
    parameters = "".join(name + first[name] for name in sorted(first))
    digest = hashlib.sha256()
    digest.update(f"{token}{parameters}".encode(errors="replace"))
    digest.update(body)
    digest.update(f"{timestamp}{app_secret}".encode(errors="replace"))
    return digest.hexdigest()
