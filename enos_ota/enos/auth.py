"""Credentials, signatures and timestamps of EnOS requests [D, enos-ota-api.md section 5.1]."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enos_ota.enos.clock import Clock


@dataclass(frozen=True, slots=True)
class Credentials:
    """Key and secret of an EnOS application. `repr` hides the secret.

    Raises:
        ValueError: key or secret is empty, or has white space around it.
    """

    app_key: str
    app_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("app_key", self.app_key), ("app_secret", self.app_secret)):
            if not value or value != value.strip():
                raise ValueError(f"{name} must not be empty or have white space around it")

    def __repr__(self) -> str:
        return f"Credentials(app_key={self.app_key!r}, app_secret=[secure])"


def encryption(app_key: str, app_secret: str, timestamp_ms: int) -> str:
    """Return `encryption` for the token service: lower-case hex SHA-256 of key, timestamp and secret [D]."""
    return sha256(f"{app_key}{timestamp_ms}{app_secret}".encode()).hexdigest()


def sign(token: str, query: Mapping[str, str], body: bytes, timestamp_ms: int, app_secret: str) -> str:
    """Return the `apim-signature` of a request: lower-case hex SHA-256 [D].

    Args:
        token: the access token.
        query: every query parameter by name, before URL encoding.
        body: the bytes that are sent; empty for none.
        timestamp_ms: value of `apim-timestamp`.
        app_secret: the application's secret.
    """
    parameters = "".join(name + query[name] for name in sorted(query))
    return sha256(b"".join((f"{token}{parameters}".encode(), body, f"{timestamp_ms}{app_secret}".encode()))).hexdigest()


class Timestamps:
    """Strictly increasing Unix milliseconds, for all threads, also when the clock goes back.

    EnOS refuses a repeated timestamp as a replay (1001) [D].
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def take(self) -> int:
        """Return a timestamp that was not used before."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock.time() * 1000))
            return self._last
