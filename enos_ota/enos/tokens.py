"""The access token: got once for all threads, renewed early, got anew when the gateway rejects it."""

from __future__ import annotations

import copy
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from enos_ota.enos.errors import AuthenticationError, EnosError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.enos.clock import Clock

EARLY: Final = 600.0
"""Seconds before its end when a token is refreshed, as EnOS's integration SDK does [S]; a quarter of it if shorter."""
PAUSE: Final = 60.0
"""Seconds until a refresh that failed is tried again; the old token serves meanwhile."""
_LOGGER: Final = logging.getLogger("enos_ota.enos")
_WRONG_CREDENTIALS: Final = frozenset({1002, 1003})


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """An access token. Two answers with the same text are two tokens, so that one rejection leads to one request."""

    text: str = field(repr=False)
    lifetime: float
    """Seconds from when it was received."""


class TokenSource:
    """Hands out the current token; at most one thread asks the token service at any time, the others wait for it."""

    def __init__(self, get: Callable[[], Token], refresh: Callable[[Token], Token], clock: Clock) -> None:
        """Nothing is asked for until the first `current`.

        Args:
            get: asks the token service for a token; retries as it sees fit.
            refresh: asks it for a new one in place of a token that is still valid; once.
            clock: tells when a token is due.
        """
        self._get = get
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._due = self._end = 0.0
        self._refused: AuthenticationError | None = None

    def current(self) -> Token:
        """A token that should be valid.

        Raises:
            EnosError: the token service gave none.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._token is None or now >= self._end:
                return self._get_new()
            if now >= self._due:
                self._renew(self._token)
            return self._token

    def replace(self, rejected: Token) -> Token:
        """Another token than the one the gateway rejected; several threads with the same rejected one get one new one.

        Raises:
            EnosError: the token service gave none.
        """
        with self._lock:
            if self._token is None or self._token is rejected:
                return self._get_new()
            return self._token

    def _get_new(self) -> Token:
        if self._refused is not None:
            # Credentials do not change during a client's life: asking again would only get an application locked.
            raise copy.copy(self._refused)
        self._token = None
        try:
            token = self._get()
        except AuthenticationError as error:
            if error.code in _WRONG_CREDENTIALS:
                self._refused = copy.copy(error)
            raise
        self._keep(token)
        return token

    def _renew(self, token: Token) -> None:
        # Asking token/get again before expiry would only return the same token [D].
        try:
            self._keep(self._refresh(token))
        except EnosError as error:
            self._due = min(self._clock.monotonic() + PAUSE, self._end)
            _LOGGER.debug("token/refresh failed, the old token serves on: %s", error)

    def _keep(self, token: Token) -> None:
        now = self._clock.monotonic()
        self._token = token
        self._end = now + token.lifetime
        self._due = self._end - min(EARLY, token.lifetime / 4)
