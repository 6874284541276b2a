"""Being told of every attempt to write, for whoever keeps account of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from enos_ota.enos.errors import EnosError


class WriteWatch(Protocol):
    """Told right before and right after each attempt of one call that writes, in the thread of the call.

    Of each attempt, in this order: all waiting, `before`, the client's `before_write`, the request, `after`. An attempt
    that is repeated, after a rejected token for instance, is two. What either raises is passed on, and nothing more is
    sent.
    """

    def before(self) -> None:
        """An attempt is about to be made. If this raises, it is not made, and `after` is not called."""
        ...

    def after(self, outcome: str | EnosError, /) -> None:
        """What came of the attempt: EnOS's requestId, or the error.

        The error's `may_have_been_processed` says whether EnOS may have done it. An EnosError that `before_write`
        raised comes here as well: nothing was sent then. After any other exception, an interrupt for instance, this
        is not called: nobody can tell then.
        """
        ...
