"""One change of one set: send the cancels, then read every task back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from enos_ota.enos import ApiError, EnosClient, EnosError, IncompleteList, JobNotFound
from enos_ota.plan import Category, KeyOutcome
from enos_ota.plan.classify import NEW, is_cancellable, outcome_of, was_notified
from enos_ota.plan.guard import Objection, guard_objection
from enos_ota.plan.messages import describe_refusal
from enos_ota.reconciler.batch import STUCK, Batch, BatchContext, BatchResult, read_until_settled
from enos_ota.reconciler.deadline import GRACE, Deadline, DeadlineWatch, Stopped
from enos_ota.reconciler.progress import Progress
from enos_ota.reconciler.reading import PAGE_SIZE, TaskReader, chunks
from enos_ota.reconciler.workers import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from enos_ota.enos import Clock, WriteWatch
    from enos_ota.plan import JobFacts, Plan
    from enos_ota.reconciler.deadline import Stop
    from enos_ota.reconciler.reading import ServiceLimits
    from enos_ota.reconciler.workers import Workers

URGENT_BATCH: Final = 20
"""Keys in a call for published tasks: small, so that one which moves on meanwhile spoils little."""

_REMEMBERED: Final = 6
"""Over how many of the last batches the share of refused ones is taken."""
_WAVE: Final = 4
"""Batches between two decisions, for each request that may be under way."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one change: keys in one cancelTask, seconds for the whole change, seconds to `settle`.

    These follow the last cancelTask: a search may still show old states, for about 2 s by EnOS's documentation [D].
    """

    batch_size: int = 200
    deadline: float = 1800.0
    settle: float = 10.0


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """Options of one change.

    Attributes:
        override_announced: Whether the operator was already notified that the guard is overridden.
        learn: Called with the facts of the job once it was read, before any request that writes.
        watch: Makes the watch of a cancelTask for some keys; the second argument is the reason for which the guard was
            overridden, empty when it did not object.
        say: Prints a line about the change while it lasts.
    """

    override_announced: bool = False
    learn: Callable[[JobFacts], None] | None = None
    watch: Callable[[Sequence[str], str], WriteWatch] | None = None
    say: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all changes of a reconciler share."""

    markers: frozenset[str]
    limits: Limits
    service: ServiceLimits
    workers: Workers
    clock: Clock
    stop: Stop


class Cancellation:
    """Cancels the tasks of a plan's keys in one started job. Used once.

    The outcome is what was read at the end, not what was sent. Batches go out in waves, and what is decided between two
    waves goes by the order of the keys, not by the order in which answers came.
    """

    def __init__(
        self,
        client: EnosClient,
        plan: Plan,
        *,
        runtime: Runtime,
        options: ApplyOptions,
        deadline: Deadline,
        one_product: bool,
    ) -> None:
        self._client = client
        self._job_id = plan.task_set.job_id
        self._guard = plan.task_set.guard
        self._break_glass = plan.break_glass
        self._keys = sorted(plan.work)
        self._before = before = {key: plan.kept.outcomes.get(key, NEW) for key in plan.work}
        self._runtime = runtime
        self._options = options
        # Few keys are read before they are sent; so are any where a key may name several products' devices, and
        # where a guard has to know how many there are to be.
        self._reads_first = len(self._keys) <= PAGE_SIZE or not one_product or self._guard.is_set
        self._result = BatchResult()
        self._result.notified.update(key for key, outcome in before.items() if was_notified(outcome))
        self._problem = ""
        self._job_is_gone = False
        self._stuck = 0  # batches given up on since EnOS accepted one
        self._override = ""
        self.objection: Objection | None = None
        self._progress = Progress(options.say, runtime.clock, self._waits_for)
        self._restart_deadline(deadline)

    def _restart_deadline(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._patient = client = deadline.limit(self._client)
        service, job_id = self._runtime.service, self._job_id
        self._reader = TaskReader(
            client, job_id, service=service, workers=self._runtime.workers, deadline=deadline, tick=self._progress.tick
        )
        alone = TaskReader(client, job_id, service=service, deadline=deadline)

        def send(keys: Sequence[str]) -> None:
            watch = self._options.watch(keys, self._override) if self._options.watch else None
            client.cancel_tasks(job_id, keys, watch=DeadlineWatch(deadline, watch))

        self._context = BatchContext(send, lambda _, tasks: is_cancellable(tasks), alone, deadline, service)

    def run(self) -> tuple[dict[str, KeyOutcome | None], str]:
        """Cancel and read back: the outcome of each key, and the problem of the change.

        An `EnosError` other than an `ApiError` is raised if it came before any request was sent.
        """
        complete = False
        try:
            self._send_all()
            complete = True
        except (EnosError, Stopped) as error:
            if not self._result.sent and not isinstance(error, (ApiError, Stopped)):
                raise
            self._problem = f"{error}; before that {self._problem}" if self._problem else str(error)
        self._read_back(self._keys if complete else self._result.sent)
        outcomes = {key: self._outcome(key) for key in self._keys}
        undone = any(outcome and outcome.category is Category.PENDING for outcome in outcomes.values())
        # A failure on the way is no problem once every key is settled.
        return outcomes, self._problem if undone else ""

    # Sending

    def _send_all(self) -> None:
        result = self._result
        if self._reads_first:
            self._look("reading", self._keys)
            todo = result.cancellable(self._keys)
            self._ask_the_guard(len(todo))
            urgent = [key for key in todo if key in result.notified]
        else:
            todo = self._keys
            urgent = self._published_of(todo)
        self._progress.begin("cancelling", len(todo))
        self._send(urgent, URGENT_BATCH)
        self._send(sorted(set(todo).difference(urgent)), self._runtime.limits.batch_size)
        if not self._reads_first and (left := set(self._keys) - result.accepted):
            # Cancelling frees slots that refill: what was published meanwhile goes once more, and first.
            self._send(self._published_of(left), URGENT_BATCH)

    def _ask_the_guard(self, count: int) -> None:
        guard = self._guard
        if not guard.is_set or not count:
            return
        total = None
        if guard.max_share is not None:
            total = ask(self._runtime.workers, partial(self._patient.count_tasks, self._job_id), self._deadline)
        if not (objection := guard_objection(guard, count, total)):
            return
        if not self._break_glass:
            self.objection = objection
            raise Stopped(describe_refusal(objection))
        self._override = self._break_glass
        if self._options.say and not self._options.override_announced:
            tasks = "1 task" if count == 1 else f"{count} tasks"
            self._options.say(f"guard overridden (break-glass reason: {self._override}): cancelling {tasks}")

    def _published_of(self, keys: Iterable[str]) -> list[str]:
        """The published ones among these keys that can still be cancelled. They count as read."""
        wanted = set(keys)
        published = {key: tasks for key, tasks in self._reader.published().items() if key in wanted}
        for key in published.keys() & self._result.seen.keys():
            if len(self._result.seen[key]) > 1:
                del published[key]  # stays ambiguous, whatever this search shows of it
        self._result.note(published)
        return self._result.cancellable(sorted(published))

    def _send(self, keys: Sequence[str], size: int) -> None:
        recent: deque[bool] = deque(maxlen=_REMEMBERED)
        rest = list(chunks(keys, size))
        at_once = self._runtime.workers.size
        width = 1  # the first batch by itself: its result shows what to expect of the others
        while rest:
            wave, rest = rest[:width], rest[width:]
            if _must_read_first(recent):
                # What a first look showed, before anything was sent, is good for the first batch only.
                self._note(key for batch in wave for key in batch if recent or key not in self._result.seen)
                eligible = [self._result.cancellable(batch) for batch in wave]
                recent.extend(len(part) < len(batch) for part, batch in zip(eligible, wave, strict=True))
                self._send_wave(list(chunks([key for part in eligible for key in part], size)))
            else:
                recent.extend(not batch.at_once for batch in self._send_wave(wave))
            width = at_once if width < at_once else min(2 * width, _WAVE * at_once if at_once > 1 else 1)

    def _send_wave(self, wave: Sequence[Sequence[str]]) -> list[Batch]:
        """Send the batches of a wave, and take over the result of each, in their order."""
        batches = [Batch(self._context, keys) for keys in wave]
        done = self._runtime.workers.run([partial(self._run_batch, batch) for batch in batches], self._carry_on)
        for batch, has_ended in zip(batches, done, strict=True):
            if has_ended:
                self._result.add(batch.result)
            elif batch.begun:
                # Left behind by an interrupt: what it sent is unknown.
                self._result.sent.update(batch.keys)
        self._conclude(batches)
        self._deadline.check()
        return batches

    def _run_batch(self, batch: Batch) -> bool:
        batch.run()
        self._progress.add(len(batch.keys))
        return True

    def _conclude(self, batches: Sequence[Batch]) -> None:
        self._job_is_gone = any(batch.job_is_gone for batch in batches)
        for batch in batches:
            if batch.problem:
                self._problem = self._problem or batch.problem
                self._stuck += 1
            elif batch.result.accepted:
                self._stuck = 0
            if batch.failure:
                raise batch.failure
            if self._stuck >= STUCK:
                raise Stopped(self._problem)

    # Looking

    def _look(self, doing: str, keys: Collection[str]) -> None:
        """Read keys as a step of its own, with progress."""
        self._progress.begin(doing, len(keys))
        self._note(keys, self._progress.add)

    def _note(self, keys: Iterable[str], note: Callable[[int], None] | None = None) -> None:
        """Read keys and note what could be read; raise `EnosError` if some could not, `Stopped` when time is over."""
        reading = self._reader.of_keys_surely(keys, note)
        self._result.note(reading.tasks)
        if isinstance(reading.failure, IncompleteList):
            self._problem = self._problem or str(reading.failure)
        else:
            reading.complete()
        self._deadline.check()

    def _read_back(self, keys: Collection[str]) -> None:
        """Read what was sent or not read yet, until nothing changes any more or the settle time is over."""
        if self._job_is_gone or self._deadline.interrupted:
            return
        if self._deadline.left < GRACE:
            self._restart_deadline(Deadline(self._runtime.clock, self._runtime.stop, GRACE))
        result = self._result
        wanted = [key for key in keys if key in result.sent or key not in result.seen]
        try:
            self._look("reading back", wanted)
            self._wait_for_the_index()
            self._ask_for_the_job()
        except (EnosError, Stopped) as error:
            self._problem = self._problem or f"what was sent could not be read back: {error}"
        except Exception as error:  # noqa: BLE001 - what was sent must not be lost, whatever this is
            self._problem = f"an error of enos-ota's own: {type(error).__name__}: {error}"

    def _wait_for_the_index(self) -> None:
        """Read what was sent and reads as before again."""

        def read(keys: Sequence[str]) -> list[str]:
            self._progress.tick()
            self._note(keys)
            return self._result.cancellable(keys)

        self._progress.wait_for("the searches of EnOS to show what was cancelled")
        read_until_settled(
            self._result.cancellable(sorted(self._result.unconfirmed)),
            read,
            deadline=self._deadline,
            clock=self._runtime.clock,
            seconds=min(self._runtime.limits.settle, self._deadline.left),
        )

    def _ask_for_the_job(self) -> None:
        """Keys without a task are missing, unless the job went away meanwhile with all its tasks [U]."""
        if all(self._result.seen.get(key, True) for key in self._keys):
            return
        try:
            ask(self._runtime.workers, partial(self._patient.get_job, self._job_id), self._deadline)
        except JobNotFound as error:
            self._job_is_gone = True
            self._problem = f"the job was deleted meanwhile: {error}"

    def _carry_on(self) -> bool:
        self._progress.tick()
        return not self._deadline.interrupted

    def _waits_for(self) -> str:
        pause = self._client.pause()
        return str(pause) if pause.seconds >= 1 else ""

    def _outcome(self, key: str) -> KeyOutcome | None:
        result = self._result
        tasks = result.seen.get(key)
        return outcome_of(
            None if self._job_is_gone and not tasks else tasks,
            self._runtime.markers,
            self._before[key],
            accepted=key in result.accepted,
            notified=key in result.notified,
        )


def _must_read_first(recent: Collection[bool]) -> bool:
    """Whether to read a batch before it is sent.

    The first one, so that what is cancelled already is taken over without a write; and any while more than a third of
    the last ones were refused, or would have been had they not been read.
    """
    return not recent or sum(recent) * 3 > len(recent)
