"""Signals that end the demo, deferred while a process or a directory is created or removed."""

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
    """A signal ends the demo; like KeyboardInterrupt it is not an error.

    Raised once: further signals do not disturb the cleanup.
    """

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Ended by {signal.Signals(number).name}: no process is left running, the temporary directory is removed."
        )
        self.number = number


class Interrupts:
    """Raises `Interrupted` in the main thread, but not inside `deferred`."""

    def __init__(self) -> None:
        self._depth = 0
        self._number: int | None = None
        self._raised = False

    def __enter__(self) -> Self:
        for number in SIGNALS:
            signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        # Only the exit code is left to return.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer signals to the end of this block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._raise_now()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
        self._raise_now()

    def _raise_now(self) -> None:
        if self._number is not None and not self._depth and not self._raised:
            self._raised = True
            raise Interrupted(self._number)
