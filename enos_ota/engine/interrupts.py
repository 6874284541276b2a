"""What Pulumi's server for dynamic providers knows and does not hand on: interrupts, and whose call it is.

That server (`pulumi.dynamic.__main__`) answers Cancel, which the engine sends when it is interrupted, and ignores it.
It has four threads, so that a Cancel behind four long calls would wait for one of them. And it keeps the URN of a
resource to itself. All three are reached through its own frames and functions. Should a later version look different,
what cannot be had is done without: an interrupt is then heard by nobody, as with any other dynamic provider.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_CALLS: Final = 256
"""Calls that may be under way; the engine decides how many there are, and each thread is started only when needed."""
_KINDS: Final = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_QUEUED: Final = 16
"""Calls that may have come before there was room; the engine's first is a Check, so there are few or none."""

_listeners: list[Callable[[], None]] = []


def hear_interrupts(listener: Callable[[], None]) -> bool:
    """Have a function called when the engine interrupts this process's calls. To be called from within such a call.

    Returns:
        Whether interrupts can be heard.
    """
    server = getattr(sys.modules["__main__"], "DynamicResourceProviderServicer", None)
    cancel = getattr(server, "Cancel", None)
    if not isinstance(cancel, FunctionType) or not _alike(cancel, _answer_cancel):
        return False
    _listeners.append(listener)
    # The server took hold of the method when it started, so it is the method's own code that has to change.
    cancel.__code__ = _answer_cancel.__code__
    make_room()
    return True


def tell_listeners() -> None:
    """The engine has interrupted the run."""
    for listener in _listeners:
        listener()


def make_room() -> None:
    """Let a Cancel through however many calls are under way."""
    for frame in _frames():
        # A worker of the standard library's pool holds a weak reference to it.
        reference = frame.f_locals.get("executor_reference")
        pool = reference() if callable(reference) else None
        if isinstance(pool, ThreadPoolExecutor):
            pool._max_workers = max(pool._max_workers, _CALLS)  # noqa: SLF001 - it cannot be had otherwise
            for _ in range(_QUEUED):
                # A thread is started when something is handed in: what queues already must not stay behind.
                pool.submit(_nothing)
            return


def stack_of_call() -> str:
    """The stack of the resource that this call is about; empty if that cannot be told."""
    for frame in _frames():
        urn = getattr(frame.f_locals.get("request"), "urn", "")
        if isinstance(urn, str) and urn.startswith("urn:pulumi:"):
            return urn.split(":")[2]
    return ""


def _answer_cancel(_self: Any, _request: Any, _context: Any) -> Any:
    # Runs as a method of Pulumi's server, and so sees none of this module's names.
    from google.protobuf.empty_pb2 import Empty  # noqa: PLC0415

    from enos_ota.engine import interrupts as servicer  # noqa: PLC0415, PLW0406 - see above

    servicer.tell_listeners()
    return Empty()


def _alike(one: FunctionType, other: Callable[..., Any]) -> bool:
    """Whether one function can run the other's code: same arguments, no closure, neither or both a coroutine."""
    codes = one.__code__, other.__code__
    kinds = {code.co_flags & _KINDS for code in codes}
    shapes = {(code.co_argcount, code.co_kwonlyargcount, code.co_freevars) for code in codes}
    return len(kinds) == len(shapes) == 1


def _nothing() -> None: ...


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the standard library's way to see one's caller
    while frame is not None:
        yield frame
        frame = frame.f_back
