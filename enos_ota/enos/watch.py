"""Callback before and after each writing attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from enos_ota.enos.errors import EnosError


class WriteWatch(Protocol):
    """Callbacks right before and right after each attempt of one writing call, in the thread of the call.

    Order in each attempt: all waits, `before`, the client's `before_write`, the request, `after`. A repeated attempt,
    for instance after a rejected token, calls both again. An exception of either ends the call; nothing more is sent.
    """

    def before(self) -> None:
        """Run before the attempt. If this raises, no request is sent and `after` is not called."""
        ...

    def after(self, outcome: str | EnosError, /) -> None:
        """Receive the result of the attempt: EnOS's requestId, or the error.

        The error's `may_have_been_processed` says whether EnOS may have processed the request. `outcome` is also an
        EnosError that `before_write` raised; no request was sent then. After any other exception, for instance an
        interrupt, this method is not called: the result is unknown.
        """
        ...
