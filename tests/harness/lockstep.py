"""Threads that run one at a time, on a clock that moves only while all of them wait: what they do is repeatable.

    clock = Lockstep()
    results = clock.run([lambda: …, lambda: …])     # each in a thread of its own

Whoever sleeps hands over to the one whose wait ends first, in order of their sleeping where several end together. A
lock that somebody holds while sleeping would stop the clock for good, which is a promise worth holding by itself.
"""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Lockstep:
    """A clock, see above; outside `run`, sleeping only moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._start = now
        self._elapsed = 0.0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._number = 0
        self._done = threading.Event()
        self._mine = threading.local()

    def time(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        turn: threading.Event | None = getattr(self._mine, "turn", None)
        if turn is None:
            self._elapsed += seconds
            return
        self._queue(turn, seconds)
        self._hand_over()
        _wait(turn)

    def run(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """What each of them returned or raised, in their order."""
        outcomes: list[Any] = [None] * len(functions)

        def one(place: int, turn: threading.Event) -> None:
            self._mine.turn = turn
            _wait(turn)
            try:
                outcomes[place] = functions[place]()
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                outcomes[place] = error
            self._hand_over()

        threads = []
        self._done.clear()
        for place in range(len(functions)):
            turn = threading.Event()
            self._queue(turn, 0)
            threads.append(threading.Thread(target=one, args=(place, turn), daemon=True))
            threads[-1].start()
        self._hand_over()
        _wait(self._done)
        for thread in threads:
            thread.join()
        return outcomes

    def _queue(self, turn: threading.Event, seconds: float) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (self._elapsed + seconds, self._number, turn))

    def _hand_over(self) -> None:
        if not self._waiting:
            self._done.set()
            return
        until, _, turn = heapq.heappop(self._waiting)
        self._elapsed = max(self._elapsed, until)
        turn.set()


def _wait(event: threading.Event) -> None:
    assert event.wait(60), "somebody sleeps with a lock held"
    event.clear()
