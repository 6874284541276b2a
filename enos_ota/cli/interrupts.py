"""Ctrl-C, SIGTERM and SIGHUP while a command works, and what it says last."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Final

from enos_ota.cli.output import say_aside
from enos_ota.engine.process import exit_immediately

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.reconciler import Stop
    from enos_ota.reconciler.sent import SentRequest, SentRequests

INTERRUPTED: Final = "the run was interrupted, so nothing more was sent"
ANSWERS_PATIENCE: Final = 5.0
"""Seconds that an interrupted command waits for the answers to what it sent."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_VERBS: Final = {"stopJob": "stop", "cancelTask": "cancel", "retryTask": "retry"}


@contextlib.contextmanager
def interruptible(stop: Stop, requests: SentRequests) -> Iterator[None]:
    """End the run in order when it is interrupted: nothing new is sent.

    If no request that changes anything was sent, the run ends at once. Otherwise it goes on for `ANSWERS_PATIENCE`, to
    learn what came of them; a second signal ends it at once.

    Raises:
        KeyboardInterrupt: The run ends at once.
    """
    heard = 0

    def hear(_number: int, _frame: object) -> None:
        nonlocal heard
        heard += 1
        stop.set(INTERRUPTED)
        if heard > 2:  # noqa: PLR2004 - even the end of the run hangs
            exit_immediately(3)
        if heard > 1 or not requests:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, ANSWERS_PATIENCE)
        with contextlib.suppress(RuntimeError):  # this may be in the midst of another write on stderr
            say_aside(f"interrupted: nothing new is sent; waiting up to {ANSWERS_PATIENCE:g} s for EnOS's answers")

    # What the caller ignores stays ignored: nohup, and jobs in the background of a script.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, hear) for number in (*heeded, signal.SIGALRM)}
    try:
        yield
    finally:
        if heard:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def describe_sent(requests: SentRequests) -> str:
    """What is known of the requests that change something, for a command that ends before it could look."""
    if not requests and requests.refused:
        return f"EnOS refused {_counted(requests.refused)}, so nothing was changed."
    if not requests:
        return "No request that changes anything in EnOS was sent."
    accepted, unknown = requests.accepted, requests.unknown
    lines = [f"EnOS accepted {_counted(accepted)}."] if accepted else []
    if unknown:
        sent = f"{_counted(unknown)} {'was' if len(unknown) == 1 else 'were'} sent"
        lines.append(f"{sent[0].upper()}{sent[1:]}; {_what_is_unknown(unknown[0], len(unknown))}.")
    lines.append(_advice((accepted or unknown)[0]))
    return " ".join(lines)


def _counted(requests: list[SentRequest]) -> str:
    """`the stop request for job 'J'`, `2 cancel requests for job 'J' (400 device keys)`."""
    first = requests[0]
    verb, number, keys = _VERBS[first.operation], len(requests), sum(each.keys for each in requests)
    which = f"the {verb} request" if number == 1 else f"{number} {verb} requests"
    devices = "" if not keys else " (1 device key)" if keys == 1 else f" ({keys} device keys)"
    return f"{which} for job {first.job_id!r}{devices}"


def _what_is_unknown(request: SentRequest, number: int) -> str:
    if request.operation == "stopJob":
        return f"whether EnOS stopped job {request.job_id!r} is unknown"
    return f"whether EnOS processed {'it' if number == 1 else 'them'} is unknown"


def _advice(request: SentRequest) -> str:
    if request.operation == "stopJob":
        return "Check with `enos-ota jobs`."
    return "Check with `enos-ota tasks`, or run the same command again: it reads the tasks and sends only what is left."
