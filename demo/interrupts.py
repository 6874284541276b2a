"""Ctrl-C and its relatives, at a moment when nothing is half-made."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from typing_extensions import Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the demo to end; like KeyboardInterrupt it is no error.

    Raised once: while things are put away, further signals change nothing.
    """

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Ended by {signal.Signals(number).name}: nothing is left running, the temporary directory is removed."
        )
        self.number = number


class Interrupts:
    """Raises `Interrupted` in the main thread, but not inside `held`."""

    def __init__(self) -> None:
        self._depth = 0
        self._number: int | None = None
        self._raised = False

    def __enter__(self) -> Self:
        for number in SIGNALS:
            signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        # All that is left to do is to hand over the exit code.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A signal in this block takes effect at its end."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._raise_now()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
        self._raise_now()

    def _raise_now(self) -> None:
        if self._number is not None and not self._depth and not self._raised:
            self._raised = True
            raise Interrupted(self._number)
