"""Ctrl-C, SIGTERM and SIGHUP while a command runs."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Final

from enos_ota.cli.output import say_aside
from enos_ota.engine.process import exit_immediately

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.reconciler import Stop
    from enos_ota.reconciler.sent import SentRequests

INTERRUPTED: Final = "the run was interrupted, so nothing more was sent"
ANSWERS_PATIENCE: Final = 5.0
"""Seconds that an interrupted command waits for the answers to its requests."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interruptible(stop: Stop, requests: SentRequests) -> Iterator[None]:
    """Interrupt the run at a signal: no further request is sent.

    If no writing request was sent, the run ends at once. Otherwise it continues for `ANSWERS_PATIENCE` to receive the
    answers; a second signal ends it at once.
    """
    received = 0

    def handle(_number: int, _frame: object) -> None:
        nonlocal received
        received += 1
        stop.set(INTERRUPTED)
        if received > 2:  # noqa: PLR2004 - the end of the run hangs, too
            exit_immediately(3)
        if received > 1 or not requests:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, ANSWERS_PATIENCE)
        with contextlib.suppress(RuntimeError):  # this may interrupt another write on stderr
            say_aside(
                f"interrupted: no further request is sent; waiting up to {ANSWERS_PATIENCE:g} s for EnOS's answers"
            )

    # A signal that the caller ignores stays ignored, as under nohup or in the background of a script.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in (*heeded, signal.SIGALRM)}
    try:
        yield
    finally:
        if received:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
