"""Several requests at once, with results that do not depend on which answer comes first."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enos_ota.reconciler.deadline import Deadline

T = TypeVar("T")

_TICK: Final = 0.1
"""Seconds between two looks at whether the run was interrupted."""
PATIENCE: Final = 3.0
"""Seconds that an interrupted run waits for requests in flight; what a run did must be saved within 5 [design 5]."""
_AHEAD: Final = 2
"""Calls handed in for each that can run: as many wait as run, so that no worker ever has to."""


class Workers(Protocol):
    """Runs calls that do not depend on each other. A call must not run others itself."""

    size: int
    """How many calls run at once."""

    def run(self, calls: Sequence[Callable[[], T]], carry_on: Callable[[], bool]) -> list[T | None]:
        """The results in the order of the calls; None for a call that never began, or did not end in time.

        Once `carry_on`, asked every so often in the caller's thread, returns False, no further call begins, and those
        under way have a few seconds. So it is when a call raises; what the first of them, in their order, raised is
        raised here.
        """
        ...


def ask(workers: Workers, call: Callable[[], T], deadline: Deadline) -> T:
    """Run one call; raise `Stopped` if the run is interrupted meanwhile, or the deadline passes."""
    (answer,) = workers.run([call], lambda: not deadline.is_over)
    deadline.check()
    return cast("T", answer)


class SerialWorkers:
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
        results: list[T | None] = [None] * len(calls)
        waiting = deque(enumerate(calls))
        under_way: dict[Future[T], int] = {}
        failures: dict[int, BaseException] = {}
        gives_up: float | None = None
        while True:
            goes_on = carry_on() and not failures
            # Some calls at a time, so that those of another caller need not wait for all of ours.
            while goes_on and waiting and len(under_way) < _AHEAD * self.size:
                position, call = waiting.popleft()
                under_way[self._executor.submit(call)] = position
            if not goes_on:
                gives_up = gives_up or time.monotonic() + PATIENCE
                waiting.clear()
                under_way = {future: at for future, at in under_way.items() if not future.cancel()}
            if not under_way or (gives_up and time.monotonic() > gives_up):
                break
            for future in wait(under_way, _TICK, FIRST_COMPLETED).done:
                position = under_way.pop(future)
                if error := future.exception():
                    failures[position] = error
                else:
                    results[position] = future.result()
        if failures:
            raise failures[min(failures)]
        return results
