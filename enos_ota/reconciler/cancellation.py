"""One change of one set: send what can still be cancelled, then read back what came of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from enos_ota.enos import ApiError, EnosClient, EnosError, IncompleteList, JobNotFound
from enos_ota.reconciler.batch import FIRST_WAIT, LONGEST_WAIT, STUCK, Batch, Ledger, Line
from enos_ota.reconciler.classify import Past, ambiguous, classify, past_of, remembering, was_told
from enos_ota.reconciler.ending import EarlyEnd, Ending, InTime
from enos_ota.reconciler.outcome import AFTER_PUSH, Category, Finding
from enos_ota.reconciler.progress import Progress
from enos_ota.reconciler.reading import PAGE_SIZE, TaskReader, chunks
from enos_ota.reconciler.workers import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from enos_ota.enos import WriteWatch
    from enos_ota.reconciler.terms import Terms, Tools

_T = TypeVar("_T")

URGENT_BATCH: Final = 20
"""Keys in a call for published tasks: small, so that one which moves on meanwhile spoils little."""

_REMEMBERED: Final = 6
"""Over how many of the last batches the share of refused ones is taken."""
_WAVE: Final = 4
"""Batches between two decisions, for each request that may be under way."""
_GRACE: Final = 60.0
"""Seconds to read back what was sent once the deadline is over."""


def _nobody(_: int) -> None: ...


class Cancellation:
    """Cancels the tasks of some keys in one started job. Used once.

    The outcome is what was read at the end, not what was sent. Batches go out in waves, and what is decided between two
    waves goes by the order of the keys, not by the order in which answers came.
    """

    def __init__(
        self,
        client: EnosClient,
        job_id: str,
        keys: Collection[str],
        *,
        before: Mapping[str, Finding],
        tools: Tools,
        terms: Terms,
        ending: Ending,
        one_product: bool,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._keys = sorted(keys)
        self._before = before
        self._tools = tools
        self._terms = terms
        # Few keys are read before they are sent; so are any where a key may stand for several products' devices, and
        # where a guard has to know how many there are to be.
        self._reads_first = len(keys) <= PAGE_SIZE or not one_product or terms.guard.is_set
        self._ledger = Ledger()
        self._ledger.told.update(key for key, finding in before.items() if was_told(finding))
        self._problem = ""
        self._job_is_gone = False
        self._stuck = 0  # batches given up on since the last one that was brought through
        self._override = ""
        self._progress = Progress(terms.say, tools.clock, self._waits_for)
        self._keep_to(ending)

    def _keep_to(self, ending: Ending) -> None:
        self._ending = ending
        self._patient = client = ending.limit(self._client)
        learned, job_id = self._tools.learned, self._job_id
        self._reader = TaskReader(
            client, job_id, learned=learned, workers=self._tools.workers, ending=ending, tick=self._progress.tick
        )
        alone = TaskReader(client, job_id, learned=learned, ending=ending)
        self._line = Line(client, job_id, alone, ending, learned, self._watch)

    def run(self) -> tuple[dict[str, Finding | None], str]:
        """Cancel, read back, and say where each key stands and what went wrong.

        Raises:
            EnosError: Configuration, authentication or transport failed before anything was sent; no `ApiError`.
        """
        complete = False
        try:
            self._send_all()
            complete = True
        except (EnosError, EarlyEnd) as error:
            if not self._ledger.sent and not isinstance(error, (ApiError, EarlyEnd)):
                raise
            self._problem = f"{error}; before that {self._problem}" if self._problem else str(error)
        self._read_back(self._keys if complete else self._ledger.sent)
        findings = {key: self._finding(key) for key in self._keys}
        undone = any(finding and finding.category is Category.PENDING for finding in findings.values())
        # What went wrong on the way is no problem any more once every key has been found to be settled.
        return findings, self._problem if undone else ""

    # Sending

    def _send_all(self) -> None:
        ledger = self._ledger
        if self._reads_first:
            self._look("reading", self._keys)
            todo = ledger.cancellable(self._keys)
            self._ask_the_guard(len(todo))
            urgent = [key for key in todo if key in ledger.told]
        else:
            todo = self._keys
            urgent = self._published_of(todo)
        self._progress.begin("cancelling", len(todo))
        self._send(urgent, URGENT_BATCH)
        self._send(sorted(set(todo).difference(urgent)), self._tools.limits.batch_size)
        if not self._reads_first and (left := set(self._keys) - ledger.accepted):
            # Cancelling frees slots that refill: what was published meanwhile goes once more, and first.
            self._send(self._published_of(left), URGENT_BATCH)

    def _ask_the_guard(self, count: int) -> None:
        guard = self._terms.guard
        if not guard.is_set or not count:
            return
        total = None if guard.max_share is None else self._ask(lambda: self._patient.count_tasks(self._job_id))
        if not (objection := guard.objection(count, total)):
            return
        if not self._terms.break_glass:
            raise EarlyEnd(f"{objection}; nothing was sent")
        self._override = self._terms.break_glass
        if self._terms.say and not self._terms.is_override_told:
            self._terms.say(f"the guard is overridden ({self._override}): {count} tasks are cancelled all the same")

    def _published_of(self, keys: Iterable[str]) -> list[str]:
        """Those whose device has been told to upgrade and can still be called back. They count as looked at."""
        wanted = set(keys)
        published = {key: tasks for key, tasks in self._reader.published().items() if key in wanted}
        for key in published.keys() & self._ledger.seen.keys():
            if len(self._ledger.seen[key]) > 1:
                del published[key]  # stays ambiguous, whatever this search shows of it
        self._ledger.note(published)
        return self._ledger.cancellable(sorted(published))

    def _send(self, keys: Sequence[str], size: int) -> None:
        recent: deque[bool] = deque(maxlen=_REMEMBERED)
        rest = list(chunks(keys, size))
        at_once = self._tools.workers.size
        width = 1  # the first batch by itself: it shows how the others will fare
        while rest:
            wave, rest = rest[:width], rest[width:]
            if _needs_a_look(recent):
                # What a first look showed, before anything was sent, is good for the first batch only.
                self._note(key for batch in wave for key in batch if recent or key not in self._ledger.seen)
                eligible = [self._ledger.cancellable(batch) for batch in wave]
                recent.extend(len(part) < len(batch) for part, batch in zip(eligible, wave, strict=True))
                self._bring_through(list(chunks([key for part in eligible for key in part], size)))
            else:
                recent.extend(not batch.at_once for batch in self._bring_through(wave))
            width = at_once if width < at_once else min(2 * width, _WAVE * at_once if at_once > 1 else 1)

    def _bring_through(self, wave: Sequence[Sequence[str]]) -> list[Batch]:
        """Send the batches of a wave, and take over what became of each, in their order."""
        batches = [Batch(self._line, keys) for keys in wave]
        done = self._tools.workers.run([self._run_of(batch) for batch in batches], self._carry_on)
        for batch, has_ended in zip(batches, done, strict=True):
            if has_ended:
                self._ledger.add(batch.ledger)
            elif batch.begun:
                # Left behind by an interrupt: what it sent nobody knows.
                self._ledger.sent.update(batch.keys)
        self._conclude(batches)
        self._ending.check()
        return batches

    def _run_of(self, batch: Batch) -> Callable[[], Batch]:
        def run() -> Batch:
            batch.run()
            self._progress.add(len(batch.keys))
            return batch

        return run

    def _conclude(self, batches: Sequence[Batch]) -> None:
        self._job_is_gone = any(batch.job_is_gone for batch in batches)
        for batch in batches:
            if batch.problem:
                self._problem = self._problem or batch.problem
                self._stuck += 1
            elif batch.ledger.accepted:
                self._stuck = 0
            if batch.error:
                raise batch.error
            if batch.end or self._stuck >= STUCK:
                raise EarlyEnd(batch.end or self._problem)

    def _watch(self, keys: Sequence[str]) -> WriteWatch:
        return InTime(self._ending, self._terms.watch(keys, self._override) if self._terms.watch else None)

    # Looking

    def _look(self, doing: str, keys: Collection[str]) -> None:
        """Read keys as a step of its own, with progress."""
        self._progress.begin(doing, len(keys))
        self._note(keys, self._progress.add)

    def _note(self, keys: Iterable[str], note: Callable[[int], None] = _nobody) -> None:
        """Read keys and note what could be read.

        Raises:
            EnosError: Some could not be.
            EarlyEnd: The time for it was over.
        """
        reading = self._reader.of_keys_surely(keys, note)
        self._ledger.note(reading.tasks)
        if isinstance(reading.failure, IncompleteList):
            self._problem = self._problem or str(reading.failure)
        else:
            reading.complete()
        self._ending.check()

    def _ask(self, call: Callable[[], _T]) -> _T:
        return ask(self._tools.workers, call, self._ending)

    def _read_back(self, keys: Collection[str]) -> None:
        """Read what was sent or never looked at, until nothing changes any more or the settle time is over."""
        if self._job_is_gone or self._ending.interrupted:
            return
        if self._ending.left < _GRACE:
            self._keep_to(Ending(self._tools.clock, self._tools.stop, _GRACE))
        ledger = self._ledger
        wanted = [key for key in keys if key in ledger.sent or key not in ledger.seen]
        try:
            self._look("reading back", wanted)
            self._wait_for_the_index()
            self._ask_for_the_job()
        except (EnosError, EarlyEnd) as error:
            self._problem = self._problem or f"what was sent could not be read back: {error}"
        except Exception as error:  # noqa: BLE001 - what was sent must not be lost, whatever this is
            self._problem = f"an error of enos-ota's own: {type(error).__name__}: {error}"

    def _wait_for_the_index(self) -> None:
        """A search may lag behind by about 2 s [D]: what was sent and reads as before is read again."""
        clock = self._tools.clock
        until = clock.monotonic() + min(self._tools.limits.settle, self._ending.left)
        wait = FIRST_WAIT
        self._progress.wait_for("the searches of EnOS to show what was cancelled")
        while unsettled := self._ledger.cancellable(sorted(self._ledger.unsure)):
            left = until - clock.monotonic()
            if left <= 0:
                return
            self._ending.sleep(min(wait, left))
            self._progress.tick()
            wait = min(wait * 2, LONGEST_WAIT)
            self._note(unsettled)

    def _ask_for_the_job(self) -> None:
        """Keys without a task are missing, unless the job went away meanwhile with all its tasks [U]."""
        if all(self._ledger.seen.get(key, True) for key in self._keys):
            return
        try:
            self._ask(lambda: self._patient.get_job(self._job_id))
        except JobNotFound as error:
            self._job_is_gone = True
            self._problem = f"the job was deleted meanwhile: {error}"

    def _carry_on(self) -> bool:
        self._progress.tick()
        return not self._ending.interrupted

    def _waits_for(self) -> str:
        pause = self._client.pause()
        return str(pause) if pause.seconds >= 1 else ""

    def _finding(self, key: str) -> Finding | None:
        ledger = self._ledger
        past = Past.ACCEPTED if key in ledger.accepted else past_of(self._before[key])
        tasks = ledger.seen.get(key)
        if tasks is None or (self._job_is_gone and not tasks):
            return remembering(Finding(Category.PENDING, self._before[key].status), past)
        if len(tasks) > 1 and key in ledger.accepted:
            # Sent without a look, as the job names one product [I]; the answer was for all of them.
            return ambiguous(tasks, past)
        finding = classify(tasks, self._tools.markers, past)
        return AFTER_PUSH if finding is None and key in ledger.told else finding


def _needs_a_look(recent: Collection[bool]) -> bool:
    """Whether to read a batch before it is sent.

    The first one, so that what is cancelled already is taken over without a write; and any while more than a third of
    the last ones were refused, or would have been had they not been read.
    """
    return not recent or sum(recent) * 3 > len(recent)
