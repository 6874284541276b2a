"""Send one batch of keys; read and resend it, a bounded number of times, when it was refused or its answer lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from enos_ota.enos import (
    ApiError,
    EnosError,
    IncompleteList,
    InvalidArgument,
    JobNotFound,
    JobNotRunning,
    RequestTooLarge,
    TasksNotCancellable,
    TasksNotRetryable,
    Throttled,
)
from enos_ota.plan.classify import is_cancellable
from enos_ota.reconciler.deadline import Stopped
from enos_ota.reconciler.reading import chunks, is_published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from enos_ota.enos import Clock, Task
    from enos_ota.reconciler.deadline import Deadline
    from enos_ota.reconciler.reading import ServiceLimits, TaskReader

ROUNDS: Final = 6
"""How often one batch is sent at most. With the waits between, it outlasts the documented 2 s of a stale search [D]."""
FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 2.0
LAG: Final = (0.2, 0.4, 0.8, 1.6)
"""Waits, in seconds, before a batch is sent again, each time that its answer was lost."""
STUCK: Final = 3
"""Batches in a row that are given up on before the set is."""
_REFUSALS: Final = (InvalidArgument, TasksNotCancellable, TasksNotRetryable)
"""Refusals because of the keys. Whether such a call changes nothing is not documented [U]: the tasks are read."""


class Unexpected(EnosError):  # noqa: N818 - named like the other errors
    """Something that should not happen."""


@dataclass(slots=True)
class BatchResult:
    """What is known of keys so far in a change.

    Attributes:
        seen: Their tasks as last read.
        notified: Were published at some time, so that the device was notified.
        sent: Were in a call that may have been processed.
        unconfirmed: The same, and the call was not refused: searches may show it later.
        accepted: Were in a call that was answered with code 0.
    """

    seen: dict[str, tuple[Task, ...]] = field(default_factory=dict)
    notified: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    unconfirmed: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)

    def note(self, tasks: Mapping[str, tuple[Task, ...]]) -> None:
        """Note what was just read."""
        self.seen.update(tasks)
        self.notified |= is_published(tasks)

    def add(self, other: BatchResult) -> None:
        """Add a later result."""
        self.seen.update(other.seen)
        self.notified |= other.notified
        self.sent |= other.sent
        self.unconfirmed |= other.unconfirmed
        self.accepted |= other.accepted

    def cancellable(self, keys: Iterable[str]) -> list[str]:
        """Those that were read and can be cancelled."""
        return [key for key in keys if is_cancellable(self.seen.get(key, ()))]


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What all batches of a change share.

    Attributes:
        send: Sends one request for some keys; its waits keep to `deadline`.
        is_open: Whether a key with these tasks still needs the request.
    """

    send: Callable[[Sequence[str]], object]
    is_open: Callable[[str, Sequence[Task]], bool]
    reader: TaskReader
    deadline: Deadline
    service: ServiceLimits


class Batch:
    """Sends some keys until none of them is open any more, a bounded number of times. Used once.

    After a refused call or a lost answer the tasks are read, and only what is still open is sent again.

    Attributes:
        at_once: The first call was accepted.
        begun: Something may have been sent.
        problem: Why some of its keys are still open; other batches are not concerned.
        failure: Why nothing more may be sent for the whole set. Not a `Stopped`: configuration, authentication or
            transport failed before a call of this batch was processed.
        job_is_gone: The job was deleted.
    """

    def __init__(self, context: BatchContext, keys: Sequence[str]) -> None:
        self.keys = keys
        self.result = BatchResult()
        self.at_once = False
        self.problem = ""
        self.begun = False
        self.failure: EnosError | Stopped | None = None
        self.job_is_gone = False
        self._context = context
        self._stuck = 0

    def run(self) -> None:
        """Send the keys; the attributes hold the result."""
        self.begun = True
        try:
            self.at_once = self._send(self.keys)
        except (EnosError, Stopped) as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - what was sent by then must not be lost, whatever this is
            self.failure = Unexpected(f"an error of enos-ota's own: {type(error).__name__}: {error}")

    def _send(self, keys: Sequence[str]) -> bool:
        """Whether the first call was accepted."""
        if len(keys) > self._context.service.batch:
            return self._send_parts(keys, self._context.service.batch)
        wait = FIRST_WAIT
        refusal: EnosError | None = None
        for attempt in range(ROUNDS):
            if not keys:
                return False
            refusal = self._request(keys)
            if refusal is None:
                self._stuck = 0
                return attempt == 0
            if isinstance(refusal, RequestTooLarge):
                self._context.service.allow_batch((len(keys) + 1) // 2)
                return self._send_parts(keys, self._context.service.batch)
            is_answered = isinstance(refusal, _REFUSALS)
            if attempt and is_answered:
                self._context.deadline.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            left = self._look(keys)
            if not is_answered:
                left = self._wait_for(left)
            if isinstance(refusal, InvalidArgument) and len(left) == len(keys) > 1:
                self._send_halves(keys)
                return False
            keys = left
        if keys and refusal:
            self._give_up_on(keys, refusal)
        return False

    def _look(self, keys: Sequence[str]) -> list[str]:
        """Read these keys; return those that are still open."""
        reading = self._context.reader.of_keys_surely(keys)
        self.result.note(reading.tasks)
        if not isinstance(reading.failure, IncompleteList):
            reading.complete()
        self._context.deadline.check()
        return [key for key in keys if self._context.is_open(key, reading.tasks.get(key, ()))]

    def _wait_for(self, keys: list[str]) -> list[str]:
        """Give what was perhaps processed the time that searches may lag behind, about 2 s [D]."""
        for wait in LAG:
            if not keys:
                break
            self._context.deadline.sleep(wait)
            keys = self._look(keys)
        return keys

    def _send_halves(self, keys: Sequence[str]) -> None:
        """No key by itself explains the refusal: one is bad in a way that does not show, or they are too many [U]."""
        half = (len(keys) + 1) // 2
        if self._send_parts(keys, half):
            self._context.service.allow_batch(half)  # each half alone was fine: it was the number

    def _send_parts(self, keys: Sequence[str], size: int) -> bool:
        accepted = [self._send(part) for part in chunks(keys, size)]  # all are sent, even if the first is refused
        return all(accepted)

    def _give_up_on(self, keys: Sequence[str], refusal: EnosError) -> None:
        tasks = "1 task is" if len(keys) == 1 else f"{len(keys)} tasks are"
        cause = f"{tasks} unchanged after {ROUNDS} attempts, the last: {refusal}"
        self._stuck += 1
        if self._stuck >= STUCK or not isinstance(refusal, _REFUSALS):
            # These keys are not the reason, so EnOS would refuse the others too.
            raise Stopped(cause)
        self.problem = self.problem or cause

    def _request(self, keys: Sequence[str]) -> EnosError | None:
        """Send one request: None when it was accepted, else the error after which the tasks must be read."""
        result = self.result
        self._context.deadline.check()
        try:
            self._context.send(keys)
        except _REFUSALS as refusal:
            result.sent.update(keys)
            return refusal
        except RequestTooLarge as refusal:
            if len(keys) == 1:
                raise
            return refusal  # nothing was processed, so there is nothing to read
        except JobNotFound as error:
            self.job_is_gone = True
            raise Stopped(f"the job was deleted meanwhile: {error}") from None
        except JobNotRunning as error:
            raise Stopped(f"the job was stopped meanwhile: {error}") from None
        except Throttled as error:
            raise Stopped(f"EnOS kept throttling: {error}") from None
        except EnosError as error:
            if error.may_have_been_processed:
                result.sent.update(keys)
                result.unconfirmed.update(keys)
                return error
            if isinstance(error, ApiError):
                raise Stopped(str(error)) from None
            raise
        result.sent.update(keys)
        result.unconfirmed.update(keys)
        result.accepted.update(keys)
        return None


def read_until_settled(
    keys: Sequence[str],
    read: Callable[[Sequence[str]], Sequence[str]],
    *,
    deadline: Deadline,
    clock: Clock,
    seconds: float,
) -> None:
    """Read keys again, with growing waits, until `read` returns none of them as open or the time is over.

    Searches may show old states for about 2 s [D].
    """
    until = clock.monotonic() + seconds
    wait = FIRST_WAIT
    while keys and (left := until - clock.monotonic()) > 0:
        deadline.sleep(min(wait, left))
        wait = min(wait * 2, LONGEST_WAIT)
        keys = read(keys)
