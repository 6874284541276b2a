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
    from typing import TypeAlias

    from enos_ota.enos.clock import Clock
    from enos_ota.enos.limiter import NotYet

    Ask: TypeAlias = "Callable[[Token | None], Token | EnosError | NotYet]"

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
    """Keeps the current token; at most one thread asks the token service at any time.

    Its lock is held while a request is under way, never during a wait: whoever must wait before asking does so in a way
    of its own, and may be interrupted without keeping the others.
    """

    def __init__(self, clock: Clock) -> None:
        """Nothing is asked for until the first `obtain`.

        Args:
            clock: tells when a token is due.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._due = self._end = 0.0
        self._refused: AuthenticationError | None = None

    def at_hand(self, rejected: Token | None = None) -> Token | None:
        """A token that should be valid, other than the one the gateway rejected; None when one must be asked for."""
        with self._lock:
            known = self._token
            return known if known is not rejected and self._clock.monotonic() < self._due else None

    def obtain(self, ask: Ask, rejected: Token | None = None) -> Token | EnosError | NotYet:
        """A token that should be valid, asked for once if need be.

        Several threads with the same rejected token get one new one.

        Args:
            ask: makes one attempt, without waiting: to get a token, or to refresh the one given.
            rejected: the token that the gateway did not take.

        Returns:
            The token; or why there is none; or how long to wait before another attempt.
        """
        with self._lock:
            known, now = self._token, self._clock.monotonic()
            if known is None or known is rejected or now >= self._end:
                return self._get_new(ask)
            if now >= self._due:
                # Asking token/get again before expiry would only return the same token [D].
                return self._renew(known, ask)
            return known

    def _get_new(self, ask: Ask) -> Token | EnosError | NotYet:
        if self._refused is not None:
            # Credentials do not change during a client's life: asking again would only get an application locked.
            return copy.copy(self._refused)
        self._token = None
        outcome = ask(None)
        if isinstance(outcome, Token):
            self._keep(outcome)
        elif isinstance(outcome, AuthenticationError) and outcome.code in _WRONG_CREDENTIALS:
            self._refused = copy.copy(outcome)
        return outcome

    def _renew(self, known: Token, ask: Ask) -> Token | NotYet:
        try:
            outcome = ask(known)
        except EnosError as error:
            outcome = error
        if isinstance(outcome, EnosError):
            self._due = min(self._clock.monotonic() + PAUSE, self._end)
            _LOGGER.debug("token/refresh failed, the old token serves on: %s", outcome)
            return known
        if isinstance(outcome, Token):
            self._keep(outcome)
        return outcome

    def _keep(self, token: Token) -> None:
        now = self._clock.monotonic()
        self._token = token
        self._end = now + token.lifetime
        self._due = self._end - min(EARLY, token.lifetime / 4)
