"""When a request is sent once more, and how long to wait before: pure decisions, and the client's one budget."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from enos_ota.enos.errors import (
    ApiError,
    AuthenticationError,
    ConnectError,
    EnosError,
    ServerError,
    Throttled,
    TransportError,
)

_REPLAYED = 1001


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How stubborn the client is.

    A 429 says nothing about the request itself, so it counts neither as an attempt nor against the budget: the whole
    client slows down and waits.

    Raises:
        ValueError: a value that makes no sense.
    """

    attempts: int = 5
    """How often one request is sent at most, the first time included; those that were throttled are not counted."""
    base: float = 0.5
    """Upper bound of the first wait, in seconds; it doubles with each attempt."""
    cap: float = 20.0
    """Upper bound of any wait the client chooses itself, in seconds."""
    budget: float = 30.0
    """How many retries all requests of a client have in hand together; see `RetryBudget`."""
    standstill: float = 120.0
    """Seconds without a successful request, from the first attempt that failed, after which none is sent again. A
    request whose next attempt would begin later, for a pause that EnOS asks for as well, fails at once; so does every
    new one while that pause lasts, unsent."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if min(self.base, self.cap, self.budget, self.standstill) < 0:
            raise ValueError("base, cap, budget and standstill must not be negative")


class RetryBudget:
    """Retries that all requests of one client share, so that an outage does not multiply the load.

    Each retry takes one. A request that succeeds gives back what its own retries took, and a tenth more: a service with
    hiccups is helped on, one that is down is left alone once the budget is spent.
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
        """Note a success that took this many retries."""
        with self._lock:
            self._left = min(self._size, self._left + retries + self.EARNED)


def may_be_sent_again(error: EnosError, *, writes: bool) -> bool:
    """Whether the same request, signed afresh, may be sent after this failure.

    A request that writes goes out again only when it surely was not processed; a request that reads after any
    failure that may pass.
    """
    if isinstance(error, TransportError) and error.permanent:
        return False
    surely_not_processed = isinstance(error, (ConnectError, Throttled)) or (
        # 1001: the gateway takes the request for a replay of one with the same timestamp [D]; another process may
        # have been as quick. A new timestamp mends that.
        isinstance(error, AuthenticationError) and error.code == _REPLAYED
    )
    return surely_not_processed or (not writes and isinstance(error, (TransportError, ServerError)))


def backoff(policy: RetryPolicy, attempt: int, random: float) -> float:
    """Seconds to wait after this attempt (from 1) failed: exponential, capped, with full jitter.

    Args:
        policy: bounds.
        attempt: the attempt that has just failed.
        random: a number in [0, 1).
    """
    doublings = min(attempt - 1, 62)  # beyond that the cap has long been reached, whatever the base
    return min(policy.cap, policy.base * 2.0**doublings) * random


def throttle_pause(policy: RetryPolicy, rounds: int, random: float) -> float:
    """Seconds that the client pauses after a 429 that names no time: as `backoff`, but at least half of it.

    Args:
        policy: bounds.
        rounds: how many times in a row (from 1) requests were throttled with nothing getting through.
        random: a number in [0, 1).
    """
    return backoff(policy, rounds, (1 + random) / 2)


def asked_wait(error: EnosError) -> float | None:
    """Seconds the server asked all of this client to wait, or None."""
    return error.retry_after if isinstance(error, ApiError) else None
