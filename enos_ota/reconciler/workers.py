"""Several requests at once, with results that do not depend on which answer comes first."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_TICK: Final = 0.1
"""Seconds between two looks at whether the run was interrupted."""
PATIENCE: Final = 3.0
"""Seconds that an interrupted run waits for requests in flight; what a run did must be saved within 5 [design 5]."""


class Workers(Protocol):
    """Runs calls that do not depend on each other. A call must not run others itself."""

    size: int
    """How many calls run at once."""

    def run(self, calls: Sequence[Callable[[], T]], carry_on: Callable[[], bool]) -> list[T | None]:
        """The results in the order of the calls, whatever the order in which they came.

        Once `carry_on` says no, no further call begins; those under way have a few seconds.

        Args:
            calls: What to run.
            carry_on: Asked every so often, in the thread of the caller.

        Returns:
            None for a call that never began, or did not end in time.

        Raises:
            Exception: What the first of the calls, in their order, raised; no further call begins then.
        """
        ...


class InTurn:
    """One call after the other, in the caller's thread."""

    size = 1

    def run(self, calls: Sequence[Callable[[], T]], carry_on: Callable[[], bool]) -> list[T | None]:
        """See `Workers.run`."""
        return [call() if carry_on() else None for call in calls]


class Pool:
    """At most so many calls at once, over all who share the pool."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="enos-ota")

    def run(self, calls: Sequence[Callable[[], T]], carry_on: Callable[[], bool]) -> list[T | None]:
        """See `Workers.run`."""
        futures = [self._executor.submit(call) for call in calls]
        pending = set(futures)
        gives_up: float | None = None
        try:
            while pending:
                done, pending = wait(pending, _TICK, FIRST_EXCEPTION)
                if any(not one.cancelled() and one.exception() for one in done):
                    _cancel(pending)
                    wait(pending, PATIENCE)
                    break
                if not carry_on() and gives_up is None:
                    gives_up = time.monotonic() + PATIENCE
                    _cancel(pending)
                if gives_up is not None and time.monotonic() > gives_up:
                    break
        finally:
            _cancel(pending)
        return [one.result() if one.done() and not one.cancelled() else None for one in futures]


def _cancel(futures: set[Future[T]]) -> None:
    for future in futures:
        future.cancel()
