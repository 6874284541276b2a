"""Interrupts of the engine, which Pulumi's server for dynamic providers does not pass on.

That server (`pulumi.dynamic.__main__`) answers Cancel, which the engine sends when it is interrupted, and ignores it.
It has four threads, so that a Cancel behind four long calls would wait for one of them. This module replaces the code
of its `Cancel` and adds threads to its pool, which it finds through the frames of its own caller. Tried with the Pulumi
SDK 3.272. If another version differs, interrupts are ignored, as in any other dynamic provider.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_THREADS: Final = 256
"""Threads that the pool may have. The engine decides how many calls there are; a thread starts only when needed."""
_KINDS: Final = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_QUEUED: Final = 16
"""Calls that may have queued before the pool grew; the engine's first call is a Check, so there are few or none."""

_listeners: list[Callable[[], None]] = []


def on_interrupt(listener: Callable[[], None]) -> None:
    """Call a function when the engine interrupts this process. Use it within a call of the engine."""
    server = getattr(sys.modules["__main__"], "DynamicResourceProviderServicer", None)
    cancel = getattr(server, "Cancel", None)
    if isinstance(cancel, FunctionType) and _have_same_signature(cancel, _answer_cancel):
        _listeners.append(listener)
        # gRPC bound the method when the server started, so the code of that same function has to change.
        cancel.__code__ = _answer_cancel.__code__
        _grow_pool()


def notify_listeners() -> None:
    """Call every listener: the engine interrupted the run."""
    for listener in _listeners:
        listener()


def _grow_pool() -> None:
    """Let a Cancel start however many calls are running."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the standard library's way to the caller's frame
    while frame is not None:
        # A worker of the standard library's pool holds a weak reference to it.
        reference = frame.f_locals.get("executor_reference")
        pool = reference() if callable(reference) else None
        if isinstance(pool, ThreadPoolExecutor):
            pool._max_workers = max(pool._max_workers, _THREADS)  # noqa: SLF001 - the pool has no public way
            for _ in range(_QUEUED):
                # The pool starts a thread on submit only, so calls that are queued already need these submits.
                pool.submit(_do_nothing)
            return
        frame = frame.f_back


def _answer_cancel(_self: Any, _request: Any, _context: Any) -> Any:
    # Runs as a method of Pulumi's server, and so sees none of this module's names.
    from google.protobuf.empty_pb2 import Empty  # noqa: PLC0415

    from enos_ota.engine import interrupts  # noqa: PLC0415, PLW0406 - see above

    interrupts.notify_listeners()
    return Empty()


def _have_same_signature(one: FunctionType, other: Callable[..., Any]) -> bool:
    """Whether one function can run the other's code: same arguments, no closure, neither or both a coroutine."""
    codes = one.__code__, other.__code__
    kinds = {code.co_flags & _KINDS for code in codes}
    shapes = {(code.co_argcount, code.co_kwonlyargcount, code.co_freevars) for code in codes}
    return len(kinds) == len(shapes) == 1


def _do_nothing() -> None: ...
