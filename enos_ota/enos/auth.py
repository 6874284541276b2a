"""Credentials, signatures, timestamps and tokens of EnOS requests [D, enos-ota-api.md section 5.1]."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from enos_ota.enos.errors import AuthenticationError, EnosError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from enos_ota.enos.clock import Clock
    from enos_ota.enos.limiter import MustWait

    Ask: TypeAlias = "Callable[[Token | None], Token | EnosError | MustWait]"

EARLY: Final = 600.0
"""Seconds before its expiry when a token is refreshed, as in EnOS's integration SDK [S]; at most a quarter of its
lifetime."""
PAUSE: Final = 60.0
"""Seconds until a failed refresh is tried again; the old token is used meanwhile."""
_LOGGER: Final = logging.getLogger("enos_ota.enos")
_WRONG_CREDENTIALS: Final = frozenset({1002, 1003})


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
    """Return the `apim-signature` of a request: lower-case hex SHA-256 [D]. The query is that before URL encoding."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """Access token. Two answers with the same text are two tokens, so that one rejection leads to one request."""

    text: str = field(repr=False)
    lifetime: float
    """Seconds from its receipt."""


class TokenSource:
    """Holder of the current token; at most one thread sends a request to the token service at any time.

    It holds its lock during a request, never during a wait: a thread that must wait does so outside, and may be
    interrupted without blocking other threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._due = self._end = 0.0
        self._refused: AuthenticationError | None = None

    def cached_token(self, rejected: Token | None = None) -> Token | None:
        """Return a token that should be valid and was not rejected; None when one must be requested."""
        with self._lock:
            known = self._token
            return known if known is not rejected and self._clock.monotonic() < self._due else None

    def obtain(self, ask: Ask, rejected: Token | None = None) -> Token | EnosError | MustWait:
        """Return a token that should be valid, an error, or the wait before another attempt.

        `ask` makes one attempt, without waiting, to get a token, or to refresh the given one. Several threads with the
        same rejected token get one new token.
        """
        with self._lock:
            known, now = self._token, self._clock.monotonic()
            if known is not None and known is not rejected and now < self._end:
                return known if now < self._due else self._renew(known, ask)
            if self._refused is not None:
                # The credentials of a client do not change: another request could only lock the application.
                return self._refused
            self._token = None
            return self._remember(ask(None))

    def _renew(self, known: Token, ask: Ask) -> Token | EnosError | MustWait:
        try:
            outcome = ask(known)  # a refresh, as token/get returns the same token until it expires [D]
        except EnosError as error:
            outcome = error
        if not isinstance(outcome, EnosError):
            return self._remember(outcome)
        self._due = min(self._clock.monotonic() + PAUSE, self._end)
        _LOGGER.debug("token/refresh failed, the old token is still used: %s", outcome)
        return known

    def _remember(self, outcome: Token | EnosError | MustWait) -> Token | EnosError | MustWait:
        if isinstance(outcome, Token):
            self._token, self._end = outcome, self._clock.monotonic() + outcome.lifetime
            self._due = self._end - min(EARLY, outcome.lifetime / 4)
        elif isinstance(outcome, AuthenticationError) and outcome.code in _WRONG_CREDENTIALS:
            self._refused = outcome
        return outcome
