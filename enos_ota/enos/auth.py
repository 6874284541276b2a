"""EnOS's token scheme: who may ask, the token, and what signs each request [D, enos-ota-api.md section 5.1]."""

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
    """An application of EnOS's. The secret shows in no `repr`.

    Raises:
        ValueError: one half is empty, or no header could carry it.
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
    """What proves the secret to the token service: lower-case hex SHA-256 of key, timestamp and secret [D]."""
    return sha256(f"{app_key}{timestamp_ms}{app_secret}".encode()).hexdigest()


def sign(token: str, query: Mapping[str, str], body: bytes, timestamp_ms: int, app_secret: str) -> str:
    """The `apim-signature` of a request: lower-case hex SHA-256 [D].

    Args:
        token: the access token.
        query: every query parameter by name, values as they are before URL encoding.
        body: exactly the bytes that are sent; empty for none.
        timestamp_ms: what `apim-timestamp` says.
        app_secret: the application's secret.
    """
    parameters = "".join(name + query[name] for name in sorted(query))
    return sha256(b"".join((f"{token}{parameters}".encode(), body, f"{timestamp_ms}{app_secret}".encode()))).hexdigest()


class Timestamps:
    """Unix milliseconds that only ever grow, whatever the number of threads and whatever the clock does.

    EnOS refuses a timestamp it has seen as a replay (1001) [D].
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def take(self) -> int:
        """One that was never given out before."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock.time() * 1000))
            return self._last
