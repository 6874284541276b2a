"""One change of one set: send what can still be cancelled, then read back what came of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.enos import (
    ApiError,
    Clock,
    EnosClient,
    EnosError,
    InvalidArgument,
    JobNotFound,
    JobNotRunning,
    Task,
    TasksNotCancellable,
    TaskStatus,
    Throttled,
)
from enos_ota.reconciler.classify import Past, ambiguous, classify, is_cancellable
from enos_ota.reconciler.outcome import AFTER_PUSH, Category, Finding
from enos_ota.reconciler.reading import PAGE_SIZE, TaskReader, chunks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

URGENT_BATCH: Final = 20
"""Keys in a call for published tasks: small, so that one which moves on meanwhile spoils little."""

_ROUNDS: Final = 6
"""How often one batch is sent at most. With the waits below that outlasts the documented 2 s of a stale search [D]."""
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 2.0
_STUCK: Final = 3
"""Batches in a row that cannot be brought through before a set is given up."""
_REMEMBERED: Final = 6
"""Over how many of the last batches the share of refused ones is taken."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one change may go.

    Attributes:
        batch_size: Keys in one cancelTask.
        deadline: Seconds for one set's change.
        settle: Seconds after the last cancelTask in which a search may still show old states; EnOS documents about 2.
    """

    batch_size: int = 200
    deadline: float = 1800.0
    settle: float = 10.0


class _EarlyEnd(Exception):  # noqa: N818 - an ending, not an error: what was done by then is kept
    """Nothing more is sent; the text says why."""


class Cancellation:
    """Cancels the tasks of some keys in one started job. Used once.

    The outcome is what was read at the end, not what was sent.
    """

    def __init__(
        self,
        client: EnosClient,
        job_id: str,
        keys: Collection[str],
        *,
        past: Mapping[str, Past],
        markers: frozenset[str],
        limits: Limits,
        clock: Clock,
        one_product: bool,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._reader = TaskReader(client, job_id)
        self._keys = sorted(keys)
        self._past = past
        self._markers = markers
        self._limits = limits
        self._clock = clock
        self._ends = clock.monotonic() + limits.deadline
        # Few keys are read before they are sent; so are any where a key may stand for several products' devices.
        self._reads_first = len(keys) <= PAGE_SIZE or not one_product
        self._most = limits.batch_size
        self._seen: dict[str, tuple[Task, ...]] = {}
        self._told: set[str] = set()  # were published at some time: the device knew
        self._sent: set[str] = set()  # were in a call that may have been processed
        self._unsure: set[str] = set()  # the same, and nothing said that it was refused: may take a while to show
        self._accepted: set[str] = set()  # were in a call that was answered with code 0
        self._problem = ""
        self._job_is_gone = False
        self._stuck = 0  # batches given up on since the last accepted call

    def run(self) -> tuple[dict[str, Finding | None], str]:
        """Cancel, read back, and say where each key stands and what went wrong.

        Raises:
            EnosError: Configuration, authentication or transport failed before anything was sent; no `ApiError`.
        """
        complete = False
        try:
            self._send_all()
            complete = True
        except _EarlyEnd as end:
            self._problem = f"{end}; before that {self._problem}" if self._problem else str(end)
        except EnosError as error:
            if not self._sent and not isinstance(error, ApiError):
                raise
            self._problem = str(error)
        self._read_back(self._keys if complete else self._sent)
        return {key: self._finding(key) for key in self._keys}, self._problem

    # Sending

    def _send_all(self) -> None:
        if self._reads_first:
            self._look(self._keys)
            todo = self._cancellable(self._keys)
            urgent = [key for key in todo if key in self._told]
        else:
            todo = self._keys
            urgent = self._published_of(todo)
        self._send(urgent, URGENT_BATCH)
        self._send(sorted(set(todo).difference(urgent)), self._limits.batch_size)
        if not self._reads_first and (left := set(self._keys) - self._accepted):
            # Cancelling frees slots that refill: what was published meanwhile goes once more, and first.
            self._send(self._published_of(left), URGENT_BATCH)

    def _published_of(self, keys: Iterable[str]) -> list[str]:
        published = {task.device_key for task in self._reader.published()}.intersection(keys)
        self._told |= published
        return sorted(key for key in published if key not in self._seen or is_cancellable(self._seen[key]))

    def _send(self, keys: Sequence[str], size: int) -> None:
        recent: deque[bool] = deque(maxlen=_REMEMBERED)
        for batch in chunks(keys, size):
            if _needs_a_look(recent) and not all(key in self._seen for key in batch):
                self._look(batch)
                eligible = self._cancellable(batch)
                recent.append(len(eligible) < len(batch))
                self._send_batch(eligible)
            else:
                recent.append(not self._send_batch(batch))

    def _send_batch(self, batch: Sequence[str]) -> bool:
        """Send keys until none of them can be cancelled any more, a bounded number of times.

        A refused call or a lost answer is looked at, and only what is still cancellable is sent again.

        Returns:
            Whether the first call was accepted.
        """
        if len(batch) > self._most:
            parts = [self._send_batch(part) for part in chunks(batch, self._most)]
            return all(parts)
        wait = _FIRST_WAIT
        refusal: EnosError | None = None
        for attempt in range(_ROUNDS):
            if not batch:
                return False
            refusal = self._cancel(batch)
            if refusal is None:
                self._stuck = 0
                return attempt == 0
            if attempt:
                self._clock.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            self._look(batch)
            left = self._cancellable(batch)
            if isinstance(refusal, InvalidArgument) and len(left) == len(batch) > 1:
                self._send_halves(batch)
                return False
            batch = left
        if batch and refusal:
            self._give_up_on(batch, refusal)
        return False

    def _send_halves(self, batch: Sequence[str]) -> None:
        """No key by itself explains the refusal: one is bad in a way that does not show, or they are too many [U]."""
        half = (len(batch) + 1) // 2
        accepted = [self._send_batch(part) for part in chunks(batch, half)]
        if all(accepted):
            self._most = half  # each half alone was fine: it was the number

    def _give_up_on(self, batch: Sequence[str], refusal: EnosError) -> None:
        tasks = "1 task still reads" if len(batch) == 1 else f"{len(batch)} tasks still read"
        cause = f"{tasks} as cancellable after {_ROUNDS} attempts, the last: {refusal}"
        self._stuck += 1
        if self._stuck >= _STUCK or not isinstance(refusal, (InvalidArgument, TasksNotCancellable)):
            # It is not about these keys: the others would fare the same.
            raise _EarlyEnd(cause)
        self._problem = self._problem or cause

    def _cancel(self, batch: Sequence[str]) -> EnosError | None:
        """One cancelTask: None when it was accepted, else why it has to be looked at."""
        if self._clock.monotonic() >= self._ends:
            raise _EarlyEnd(f"the deadline of {self._limits.deadline:g} s for one set is over")
        try:
            self._client.cancel_tasks(self._job_id, batch)
        except (TasksNotCancellable, InvalidArgument) as refusal:
            # Whether a refused call changes nothing is not documented [U]: what it did is looked up.
            self._sent.update(batch)
            return refusal
        except JobNotFound as error:
            self._job_is_gone = True
            raise _EarlyEnd(f"the job was deleted meanwhile: {error}") from None
        except JobNotRunning as error:
            raise _EarlyEnd(f"the job was stopped meanwhile: {error}") from None
        except Throttled as error:
            raise _EarlyEnd(f"EnOS kept throttling: {error}") from None
        except EnosError as error:
            if error.may_have_been_processed:
                self._sent.update(batch)
                self._unsure.update(batch)
                return error
            if isinstance(error, ApiError):
                raise _EarlyEnd(str(error)) from None
            raise
        self._sent.update(batch)
        self._unsure.update(batch)
        self._accepted.update(batch)
        return None

    # Looking

    def _look(self, keys: Iterable[str]) -> None:
        tasks = self._reader.of_keys_surely(keys)
        self._seen.update(tasks)
        self._told.update(
            key for key, rows in tasks.items() if any(task.status is TaskStatus.PUBLISHED for task in rows)
        )

    def _cancellable(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if is_cancellable(self._seen[key])]

    def _read_back(self, keys: Collection[str]) -> None:
        """Read what was sent or never looked at, until nothing changes any more or the settle time is over."""
        if self._job_is_gone:
            return
        try:
            self._look(key for key in keys if key in self._sent or key not in self._seen)
            self._wait_for_the_index()
            self._ask_for_the_job()
        except EnosError as error:
            self._problem = self._problem or f"what was sent could not be read back: {error}"

    def _wait_for_the_index(self) -> None:
        until = min(self._clock.monotonic() + self._limits.settle, self._ends)
        wait = _FIRST_WAIT
        while unsettled := self._cancellable(sorted(self._unsure)):
            left = until - self._clock.monotonic()
            if left <= 0:
                return
            self._clock.sleep(min(wait, left))
            wait = min(wait * 2, _LONGEST_WAIT)
            self._look(unsettled)

    def _ask_for_the_job(self) -> None:
        """A task that was just cancelled cannot be missing, unless the job went away with all its tasks [U]."""
        if all(self._seen[key] for key in self._accepted):
            return
        try:
            self._client.get_job(self._job_id)
        except JobNotFound as error:
            self._job_is_gone = True
            self._problem = f"the job was deleted meanwhile: {error}"

    def _finding(self, key: str) -> Finding | None:
        past = Past.ACCEPTED if key in self._accepted else self._past[key]
        tasks = self._seen.get(key)
        if tasks is None or (self._job_is_gone and not tasks):
            return Finding(Category.PENDING, was_cancelled=past is not Past.NOTHING)
        if len(tasks) > 1 and key in self._accepted:
            # Sent without a look, as the job names one product [I]; the answer was for all of them.
            return ambiguous(tasks)
        finding = classify(tasks, self._markers, past)
        if finding is None and key in self._told and key in self._sent:
            return AFTER_PUSH
        return finding


def _needs_a_look(recent: Collection[bool]) -> bool:
    """Whether to read a batch before it is sent.

    The first one, so that what is cancelled already is taken over without a write; and any while more than a third of
    the last ones were refused, or would have been had they not been read.
    """
    return not recent or sum(recent) * 3 > len(recent)
