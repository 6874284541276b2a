"""Retry rules: which errors allow a retry, the wait before it, and the retry budget of a client."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from enos_ota.enos.errors import (
    AuthenticationError,
    ConnectError,
    EnosError,
    ServerError,
    Throttled,
    TransportError,
)

_REPLAYED: Final = 1001
_STALE_TOKEN: Final = frozenset({1203, 4011, 4012})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of the retries of a client.

    A 429 is not a failure of the request, so it counts neither as an attempt nor against the budget: the whole client
    slows down and waits, see `throttle_pause`.

    Raises:
        ValueError: a value is negative, or attempts is 0.
    """

    attempts: int = 5
    """Most attempts of one request, the first one included; throttled attempts do not count."""
    base: float = 0.5
    """Upper bound of the first wait, in seconds; it doubles with each attempt."""
    cap: float = 20.0
    """Upper bound of any wait that the client chooses, in seconds."""
    budget: float = 30.0
    """Retries that all requests of a client share; see `RetryBudget`."""
    standstill: float = 120.0
    """Seconds without a successful request, counted from the first failed attempt, after which the client stops
    retrying. A request whose next attempt would begin later, also because of a pause that EnOS requested, fails at
    once; new requests fail unsent while that pause lasts."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if min(self.base, self.cap, self.budget, self.standstill) < 0:
            raise ValueError("base, cap, budget and standstill must not be negative")


class RetryBudget:
    """Retry budget of one client, so that retries do not multiply the load during an outage.

    Each retry takes one. A successful request returns what its own retries took, and a tenth more: single failures are
    retried, and a service that is down gets no more retries once the budget is spent.
    """

    EARNED = 0.1

    def __init__(self, size: float) -> None:
        self._size = size
        self._left = size
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one retry; False when none is left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def give_back(self, retries: int) -> None:
        """Record a success that took this many retries."""
        with self._lock:
            self._left = min(self._size, self._left + retries + self.EARNED)


def may_be_sent_again(error: EnosError, *, writes: bool) -> bool:
    """Whether the same request, with a new signature, may be sent again after this error.

    A writing request is repeated only when it was certainly not processed; a reading request after any temporary error.
    """
    if isinstance(error, TransportError) and error.permanent:
        return False
    certainly_not_processed = isinstance(error, (ConnectError, Throttled)) or (
        # 1001: the gateway takes the request for a replay of one with the same timestamp [D]; another process may
        # have used it. A new timestamp is accepted.
        isinstance(error, AuthenticationError) and error.code == _REPLAYED
    )
    return certainly_not_processed or (not writes and isinstance(error, (TransportError, ServerError)))


def is_token_rejection(error: EnosError) -> bool:
    """Whether a new token may help: the old one is expired or unknown to the gateway. The request was not processed."""
    return isinstance(error, AuthenticationError) and (
        error.code in _STALE_TOKEN or error.http_status == HTTPStatus.UNAUTHORIZED
    )


def backoff(policy: RetryPolicy, attempt: int, random: float) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (from 1): exponential, capped, full jitter."""
    doublings = min(attempt - 1, 62)  # larger powers could overflow, and exceed any cap
    return min(policy.cap, policy.base * 2.0**doublings) * random


def throttle_pause(policy: RetryPolicy, rounds: int, random: float) -> float:
    """Return the seconds that the whole client waits after a 429 without Retry-After: at least half of the back-off.

    `rounds` counts the pauses since the last successful request, from 1.
    """
    return backoff(policy, rounds, (1 + random) / 2)
