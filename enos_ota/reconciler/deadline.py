"""When a change has to come to an end: its deadline, or an interrupt of the whole run."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from enos_ota.enos import SYSTEM_CLOCK, EnosError
from enos_ota.reconciler.workers import PATIENCE

if TYPE_CHECKING:
    from enos_ota.enos import Clock, EnosClient, WriteWatch

FOREVER: Final = float("inf")
GRACE: Final = 60.0
"""Seconds to read back what was sent once the deadline is over."""
SET_IS_OVER: Final = "the deadline of {:g} s for one set is over"
COMMAND_IS_OVER: Final = "the deadline of {:g} s for one command is over"


class Stopped(Exception):  # noqa: N818 - not an error: what was done by then is kept
    """Nothing more is sent; the text says why."""


class Stop:
    """The interrupt of a run, shared by all of its threads. Once set it stays set."""

    def __init__(self) -> None:
        # A signal handler sets it, perhaps in the midst of a wait of the same thread. A threading.Event would deadlock.
        self._wakers: SimpleQueue[None] = SimpleQueue()
        self._reason = ""

    def set(self, reason: str) -> None:
        """Interrupt the run; the first reason counts. To be called from a signal handler too."""
        self._reason = self._reason or reason
        self._wakers.put(None)

    @property
    def reason(self) -> str:
        """Why the run is interrupted; empty while it is not."""
        return self._reason

    def wait(self, seconds: float) -> None:
        """Return after this long, or as soon as the run is interrupted."""
        with suppress(Empty):
            self._wakers.get(timeout=max(0.0, seconds))
            self._wakers.put(None)  # for the other waiting threads


class StoppableClock:
    """The machine's clock; a wait is over as soon as the run is interrupted."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def time(self) -> float:
        """Unix time, in seconds."""
        return SYSTEM_CLOCK.time()

    def monotonic(self) -> float:
        """Seconds since any fixed moment; never goes back."""
        return SYSTEM_CLOCK.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait this long, or until the run is interrupted."""
        self._stop.wait(seconds)


class Deadline:
    """The end of one set's change: no wait and no request goes beyond it. Safe to share between threads.

    `stop` interrupts the run earlier; `over` is the text of the `Stopped` that comes at the end. The clock's `sleep`
    should return early once the run is interrupted.
    """

    def __init__(self, clock: Clock, stop: Stop, seconds: float = FOREVER, over: str = SET_IS_OVER) -> None:
        self._clock = clock
        self._stop = stop
        self._seconds = seconds
        self._over = over.format(seconds)
        self.restart()

    def restart(self) -> None:
        """Count the seconds from now on."""
        self._ends = self._clock.monotonic() + self._seconds

    @property
    def interrupted(self) -> bool:
        """Whether the run is interrupted: not even what was sent is read back."""
        return bool(self._stop.reason)

    @property
    def is_over(self) -> bool:
        """Nothing new may begin."""
        return self.interrupted or self.left <= 0

    @property
    def left(self) -> float:
        """Seconds until the deadline; not negative."""
        return max(0.0, self._ends - self._clock.monotonic())

    def check(self) -> None:
        """Raise `Stopped` if the run is interrupted or the deadline is over."""
        if reason := self._stop.reason:
            raise Stopped(reason)
        if self._clock.monotonic() >= self._ends:
            raise Stopped(self._over)

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the end; raise `Stopped` there."""
        self._clock.sleep(min(seconds, self.left))
        self.check()

    def limit(self, client: EnosClient) -> EnosClient:
        """The same client, with no wait and no attempt beyond the end, except that a write may still be answered."""
        return client.waiting_by(self.sleep, lambda: self.left, grace=PATIENCE)


class NotSent(EnosError):  # noqa: N818 - named like the other errors
    """A request that was announced and then not sent."""


class DeadlineWatch:
    """A watch that lets no writing request leave after the deadline: getting a token or a lock takes time too."""

    def __init__(self, deadline: Deadline, watch: WriteWatch | None) -> None:
        self._deadline = deadline
        self._watch = watch

    def before(self) -> None:
        """See `WriteWatch.before`; raise `Stopped` if the deadline is over."""
        self._deadline.check()
        if self._watch:
            self._watch.before()
            try:
                self._deadline.check()  # what was just written to disk took its time too
            except Stopped as end:
                self._watch.after(NotSent(str(end)))
                raise

    def after(self, outcome: str | EnosError) -> None:
        """See `WriteWatch.after`."""
        if self._watch:
            self._watch.after(outcome)
