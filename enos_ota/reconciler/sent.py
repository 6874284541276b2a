"""Account of the requests that change something in EnOS, and of their outcomes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from enos_ota.enos import AnswerLost, ApiError, AuthenticationError, EnosError, GatewayRefusal, WriteWatch

if TYPE_CHECKING:
    from collections.abc import Collection


class WriteLog(WriteWatch, Protocol):
    """A watch that writes a log."""

    def try_out(self) -> None:
        """Check that the log can be written, see `enos_ota.audit.Watch`."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that changes something: the operation as in the audit log, the job, the number of its device keys."""

    operation: str
    job_id: str
    keys: int


class SentRequests:
    """The requests that were sent so far. Safe to share between threads.

    A request counts as sent from the moment it is announced, and no longer once its outcome says that EnOS surely did
    not process it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[SentRequestWatch, SentRequest] = {}
        self._lost: list[SentRequest] = []
        self.accepted: list[SentRequest] = []
        self.refused: list[SentRequest] = []
        """Requests that EnOS refused, so that they changed nothing."""

    @property
    def unknown(self) -> list[SentRequest]:
        """Requests that EnOS may have processed: they are not answered yet, or the answer does not show it."""
        return [*self._lost, *self._open.copy().values()]

    def __bool__(self) -> bool:
        # Without the lock: a signal handler asks, and the thread that it interrupts may hold the lock.
        return bool(self._open or self.accepted or self._lost)

    def watch(
        self, operation: str, job_id: str, keys: Collection[str], log: WriteLog | None = None
    ) -> SentRequestWatch:
        """A watch for one call, which writes to `log` too."""
        return SentRequestWatch(self, SentRequest(operation, job_id, len(set(keys))), log)

    def give_up(self, why: str) -> None:
        """Wait for no more answers: each request without one gets its last line in the log."""
        for watch in self._open.copy():
            watch.after(AnswerLost(why))

    def announce(self, watch: SentRequestWatch, request: SentRequest) -> None:
        """A request is about to be sent."""
        with self._lock:
            self._open[watch] = request

    def settle(self, watch: SentRequestWatch, outcome: str | EnosError) -> bool:
        """A request was answered or not; False if that is known already."""
        with self._lock:
            if (request := self._open.get(watch)) is None:
                return False
            if isinstance(outcome, str):
                self.accepted.append(request)
            elif outcome.may_have_been_processed:
                self._lost.append(request)
            elif isinstance(outcome, (ApiError, AuthenticationError, GatewayRefusal)):
                self.refused.append(request)
            del self._open[watch]  # last: an interrupt in between must not make it forgotten
            return True


class SentRequestWatch:
    """Notes each attempt of one call in the account and in a log."""

    def __init__(self, account: SentRequests, request: SentRequest, log: WriteLog | None) -> None:
        self._account = account
        self._request = request
        self._log = log

    def try_out(self) -> None:
        """See `enos_ota.audit.Watch.try_out`."""
        if self._log:
            self._log.try_out()

    def before(self) -> None:
        """See `WriteWatch.before`."""
        # First of all: a run that is interrupted from now on must not report that no request was sent.
        self._account.announce(self, self._request)
        if self._log:
            try:
                self._log.before()
            except EnosError as error:
                self._account.settle(self, error)
                raise

    def after(self, outcome: str | EnosError, /) -> None:
        """See `WriteWatch.after`."""
        if self._account.settle(self, outcome) and self._log:
            self._log.after(outcome)
