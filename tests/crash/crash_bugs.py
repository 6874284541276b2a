"""Bugs on purpose: each plants one in the real code. What they lean on of the product stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from unittest.mock import patch

from pulumi.dynamic import ReadResult

from enos_ota import audit, provider
from enos_ota.engine import liveness
from enos_ota.engine.properties import inputs_of, outputs_of, record_of, task_set_of
from enos_ota.enos import EnosClient, EnosError, TaskStatus, expressions
from enos_ota.enos.operations import CANCEL_TASKS
from enos_ota.plan import Plan, Record, RecordedJobStatus, build_plan, classify
from enos_ota.plan.classify import KeyHistory, settle_unfinished
from enos_ota.provider import CancelledTaskSetProvider
from enos_ota.reconciler import ApplyResult, Reconciler, Stop, batch, cancellation, reading
from tests.crash import crash_scenarios as scenarios
from tests.crash.crash_explore import faults, interrupts, kills, only, orphans, throttled_orphans, undisturbed
from tests.crash.crash_line import Adapter, Fault
from tests.harness.invariants import Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enos_ota.enos import Page, Task
    from enos_ota.plan import TaskSet
    from tests.crash.crash_explore import Scenario, Schedules

Plant: TypeAlias = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug.

    Attributes:
        name: What the code does wrong.
        plant: Puts it there.
        scenario: Where it shows.
        schedules: What must go wrong for it to show.
        wrong: The verdict that finds it.
        switches: How the simulator behaves.
    """

    name: str
    plant: Plant
    scenario: Scenario
    schedules: Schedules
    wrong: Wrong
    switches: Mapping[str, object] | None = None


_cancel_tasks: Final = EnosClient.cancel_tasks
_task_search: Final = EnosClient._task_search
_apply: Final = Reconciler.apply
_of_keys: Final = reading.TaskReader.of_keys
_read: Final = CancelledTaskSetProvider.read
_delete: Final = CancelledTaskSetProvider.delete
_build_plan: Final = build_plan
_outputs_of: Final = outputs_of
_ensure_engine: Final = liveness.ensure_engine
_write: Final = audit.Watch.after


def _resends_blindly() -> AbstractContextManager[object]:
    def cancel_tasks(self: EnosClient, job_id: str, device_keys: Sequence[str], **others: Any) -> str:
        try:
            return _cancel_tasks(self, job_id, device_keys, **others)
        except EnosError as error:
            if not error.may_have_been_processed:
                raise
            return _cancel_tasks(self, job_id, device_keys, **others)

    return patch.object(EnosClient, "cancel_tasks", cancel_tasks)


def _remembers_what_it_is_about_to_send() -> AbstractContextManager[object]:
    remembered: dict[object, set[str]] = {}  # as if in a file: it outlives a process

    def cancel_tasks(self: EnosClient, job_id: str, device_keys: Sequence[str], **others: Any) -> str:
        adapter = self._transport._session().get_adapter(self.gateway)
        assert isinstance(adapter, Adapter)
        keys = remembered.setdefault(adapter.world, set())
        fresh = [key for key in device_keys if key not in keys]
        keys.update(fresh)
        return _cancel_tasks(self, job_id, fresh, **others) if fresh else ""

    return patch.object(EnosClient, "cancel_tasks", cancel_tasks)


def _saves_nothing() -> AbstractContextManager[object]:
    return patch.object(provider, "outputs_of", lambda inputs, _: _outputs_of(inputs, Record()))


def _records_what_is_declared() -> AbstractContextManager[object]:
    def apply(self: Reconciler, plan: Plan, *others: Any) -> ApplyResult:
        record = _apply(self, plan, *others).record
        return ApplyResult(replace(record, keys=record.keys | plan.work, outcomes={}, problem=""))

    return patch.object(Reconciler, "apply", apply)


@contextmanager
def _records_what_was_sent() -> Iterator[None]:
    sent: set[str] = set()

    def cancel_tasks(self: EnosClient, job_id: str, device_keys: Sequence[str], **others: Any) -> str:
        sent.update(device_keys)
        return _cancel_tasks(self, job_id, device_keys, **others)

    def apply(self: Reconciler, plan: Plan, *others: Any) -> ApplyResult:
        sent.clear()
        record = _apply(self, plan, *others).record
        others_found = {key: finding for key, finding in record.outcomes.items() if key not in sent}
        return ApplyResult(replace(record, keys=record.keys | sent, outcomes=others_found))

    with patch.object(EnosClient, "cancel_tasks", cancel_tasks), patch.object(Reconciler, "apply", apply):
        yield


def _guard_counts_what_is_declared() -> AbstractContextManager[object]:
    asks = cancellation.Cancellation._ask_the_guard

    def ask(self: cancellation.Cancellation, _: int) -> None:
        asks(self, len(self._keys))

    return patch.object(cancellation.Cancellation, "_ask_the_guard", ask)


def _has_no_guard() -> AbstractContextManager[object]:
    return patch.object(cancellation, "guard_objection", lambda *_: None)


def _never_looks_at_the_engine() -> AbstractContextManager[object]:
    return patch.object(liveness, "ensure_engine", lambda _: None)


def _looks_at_the_engine_once() -> AbstractContextManager[object]:
    seen: set[str] = set()

    def ensure_engine(argv: Sequence[str]) -> None:
        if argv[-1] not in seen:
            _ensure_engine(argv)
            seen.add(argv[-1])

    return patch.object(liveness, "ensure_engine", ensure_engine)


@contextmanager
def _looks_at_the_engine_before_it_waits() -> Iterator[None]:
    def cancel_tasks(self: EnosClient, job_id: str, device_keys: Sequence[str], **others: Any) -> str:
        look = self._transport.before_write
        assert look is not None
        look()
        with patch.object(self._transport, "before_write", None):
            return _cancel_tasks(self, job_id, device_keys, **others)

    with patch.object(EnosClient, "cancel_tasks", cancel_tasks):
        yield


@contextmanager
def _splices_quotes() -> Iterator[None]:
    with (
        patch.object(reading, "is_quotable", lambda _: True),
        patch.object(expressions, "_quoted", lambda _, value: f"'{value}'"),
    ):
        yield


def _sends_what_is_left_even_if_that_is_nothing() -> AbstractContextManager[object]:
    def cancel_tasks(self: EnosClient, job_id: str, device_keys: Sequence[str], **others: Any) -> str:
        try:
            return _cancel_tasks(self, job_id, device_keys, **others)
        except EnosError as error:
            if not error.may_have_been_processed:
                raise
            left = [
                task.device_key
                for task in self.search_tasks(job_id, device_keys=device_keys)
                if task.status in {TaskStatus.INIT, TaskStatus.PUBLISHED}
            ]
            call = self._call(CANCEL_TASKS, "", {"jobId": job_id}, {"deviceKeys": left})
            return self._transport.call(call, **others).request_id

    return patch.object(EnosClient, "cancel_tasks", cancel_tasks)


def _sends_old_keys_again() -> AbstractContextManager[object]:
    def build(task_set: TaskSet, record: Record, **others: Any) -> Plan:
        right = _build_plan(task_set, record, **others)
        return replace(right, work=right.work | record.known_keys())

    return patch.object(provider, "build_plan", build)


def _takes_a_failed_read_for_gone() -> AbstractContextManager[object]:
    def read(self: CancelledTaskSetProvider, id_: str, props: dict[str, Any]) -> ReadResult:
        try:
            return _read(self, id_, props)
        except RuntimeError:
            return ReadResult(None, {})

    return patch.object(CancelledTaskSetProvider, "read", read)


def _takes_a_job_it_never_saw_for_deleted() -> AbstractContextManager[object]:
    def apply(self: Reconciler, plan: Plan, *others: Any) -> ApplyResult:
        result = _apply(self, plan, *others)
        job = result.record.job
        if job.status is RecordedJobStatus.UNKNOWN:
            return ApplyResult(
                settle_unfinished(result.record, plan.work, replace(job, status=RecordedJobStatus.DELETED))
            )
        return result

    return patch.object(Reconciler, "apply", apply)


def _retries_what_is_removed() -> AbstractContextManager[object]:
    def delete(self: CancelledTaskSetProvider, id_: str, props: dict[str, Any]) -> None:
        _delete(self, id_, props)
        task_set = task_set_of(props)
        cancelled = sorted(record_of(props).cancelled_keys())
        self._session.reconciler_for(task_set)._client.retry_tasks(task_set.job_id, cancelled)

    return patch.object(CancelledTaskSetProvider, "delete", delete)


def _reads_the_first_page_only() -> AbstractContextManager[object]:
    def task_search(self: EnosClient, *chosen: Any) -> Callable[[int, int], Page[Task]]:
        def search(page_no: int, page_size: int) -> Page[Task]:
            first = _task_search(self, *chosen)(1, page_size)
            return replace(first, total_size=len(first.items), items=first.items if page_no == 1 else ())

        return search

    return patch.object(EnosClient, "_task_search", task_search)


def _counts_a_row_twice() -> AbstractContextManager[object]:
    def task_search(self: EnosClient, *chosen: Any) -> Callable[[int, int], Page[Task]]:
        def search(page_no: int, page_size: int) -> Page[Task]:
            page = _task_search(self, *chosen)(page_no, page_size)
            return replace(
                page, items=tuple(replace(task, task_id=f"{task.task_id}/{row}") for row, task in enumerate(page.items))
            )

        return search

    return patch.object(EnosClient, "_task_search", task_search)


def _asks_once_for_what_is_missing() -> AbstractContextManager[object]:
    return patch.object(reading.TaskReader, "of_keys_surely", _of_keys)


def _cancels_what_is_ambiguous() -> AbstractContextManager[object]:
    def is_cancellable(tasks: Sequence[Task]) -> bool:
        return any(task.status in {TaskStatus.INIT, TaskStatus.PUBLISHED} for task in tasks)

    return patch.object(batch, "is_cancellable", is_cancellable)


def _forgets_that_it_was_cancelled() -> AbstractContextManager[object]:
    return patch.object(classify, "history_of", lambda _: KeyHistory.NOTHING)


def _goes_on_after_an_interrupt() -> AbstractContextManager[object]:
    return patch.object(Stop, "set", lambda *_: None)


def _sends_whatever_the_states_are() -> AbstractContextManager[object]:
    return patch.object(batch.BatchResult, "cancellable", lambda _, keys: list(keys))


@contextmanager
def _writes_the_audit_log_afterwards() -> Iterator[None]:
    before = audit.Watch.before

    def after(self: audit.Watch, outcome: str | EnosError) -> None:
        before(self)
        _write(self, outcome)

    with patch.object(audit.Watch, "before", lambda _: None), patch.object(audit.Watch, "after", after):
        yield


@contextmanager
def _audits_a_call_and_not_each_attempt() -> Iterator[None]:
    before = audit.Watch.before
    written: set[audit.Watch] = set()

    def once(self: audit.Watch) -> None:
        if self not in written:
            written.add(self)
            before(self)

    with patch.object(audit.Watch, "before", once):
        yield


def _does_not_wait_for_the_index() -> AbstractContextManager[object]:
    return patch.object(cancellation.Cancellation, "_wait_for_the_index", lambda _: None)


def _hides_drift() -> AbstractContextManager[object]:
    def read(self: CancelledTaskSetProvider, id_: str, props: dict[str, Any]) -> ReadResult:
        _read(self, id_, props)
        return ReadResult(id_, props, inputs_of(props))

    return patch.object(CancelledTaskSetProvider, "read", read)


LOST: Final = only(faults, Fault.LOST_AFTER, Fault.ERROR_AFTER)
S: Final = scenarios

BUGS: Final = (
    Bug("resends after a lost answer without looking", _resends_blindly, S.HEAL, LOST, Wrong.BLIND),
    Bug(
        "takes what it was about to send for sent",
        _remembers_what_it_is_about_to_send,
        S.CREATE,
        kills,
        Wrong.UNCONVERGED,
    ),
    Bug("saves nothing of what was done", _saves_nothing, S.ADD, undisturbed, Wrong.RESTLESS),
    Bug("records what is declared", _records_what_is_declared, S.ADD, undisturbed, Wrong.LIE),
    Bug(
        "records what was sent, not what was read", _records_what_was_sent, S.ADD, only(faults, Fault.MOVED), Wrong.LIE
    ),
    Bug(
        "counts what is declared for the guard",
        _guard_counts_what_is_declared,
        S.GUARDED,
        undisturbed,
        Wrong.UNCONVERGED,
    ),
    Bug("does not heed the guard", _has_no_guard, S.HELD_BACK, undisturbed, Wrong.OVER_GUARD),
    Bug("writes as an orphan", _never_looks_at_the_engine, S.ADD, orphans, Wrong.UNDECLARED),
    Bug("looks at the engine once", _looks_at_the_engine_once, S.CREATE, orphans, Wrong.ORPHAN),
    Bug(
        "looks at the engine, then waits", _looks_at_the_engine_before_it_waits, S.HEAL, throttled_orphans, Wrong.ORPHAN
    ),
    Bug("goes on after an interrupt", _goes_on_after_an_interrupt, S.ADD, interrupts, Wrong.ORPHAN),
    Bug("splices quotes", _splices_quotes, S.QUOTED, undisturbed, Wrong.UNCONVERGED),
    Bug("sends no key when none is left", _sends_what_is_left_even_if_that_is_nothing, S.HEAL, LOST, Wrong.EMPTY),
    Bug("sends old keys again", _sends_old_keys_again, S.DROP, undisturbed, Wrong.UNDECLARED),
    Bug("takes a failed read for gone", _takes_a_failed_read_for_gone, S.HEAL, only(faults, Fault.OUTAGE), Wrong.GONE),
    Bug("takes 24404 for deleted", _takes_a_job_it_never_saw_for_deleted, S.UNKNOWN, undisturbed, Wrong.LIE),
    Bug("retries what is removed", _retries_what_is_removed, S.REMOVE, undisturbed, Wrong.FORBIDDEN),
    Bug("reads the first page only", _reads_the_first_page_only, S.QUOTED, undisturbed, Wrong.LIE),
    Bug("counts a row twice", _counts_a_row_twice, S.ADD, only(faults, Fault.ROW_TWICE), Wrong.LIE),
    Bug(
        "asks once for what is missing",
        _asks_once_for_what_is_missing,
        S.ADD,
        only(faults, Fault.ROW_HIDDEN),
        Wrong.LIE,
    ),
    Bug("cancels what is ambiguous", _cancels_what_is_ambiguous, S.TWINNED, undisturbed, Wrong.AMBIGUOUS),
    Bug("sends whatever the states are", _sends_whatever_the_states_are, S.CREATE, undisturbed, Wrong.BLIND),
    Bug("writes the audit log afterwards", _writes_the_audit_log_afterwards, S.ADD, undisturbed, Wrong.UNAUDITED),
    Bug(
        "audits a call and not each attempt",
        _audits_a_call_and_not_each_attempt,
        S.ADD,
        only(faults, Fault.THROTTLED),
        Wrong.UNAUDITED,
    ),
    Bug(
        "does not wait for the index",
        _does_not_wait_for_the_index,
        S.ADD,
        undisturbed,
        Wrong.RESTLESS,
        {"index_delay": 2},
    ),
    Bug("forgets that it was cancelled", _forgets_that_it_was_cancelled, S.HEAL, undisturbed, Wrong.SLIPPED),
    Bug("hides drift", _hides_drift, S.HEAL, undisturbed, Wrong.UNCONVERGED),
)
