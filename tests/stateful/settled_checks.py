"""What must be so right after an `up` during which nothing failed and nothing moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from enos_ota.engine.properties import record_of
from enos_ota.plan import Category, KeyOutcome, RecordedJobStatus
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT
from tests.stateful.checked_provider import declared_keys, is_expired
from tests.stateful.served_world import CANCELLABLE, MANY, looks_cancelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enos_ota.plan import Record
    from enos_simulator.journal import Entry
    from enos_simulator.store import Task
    from tests.harness.engine_model import Bag, Resource
    from tests.stateful.stack_model import StackModel


class _Fate(NamedTuple):
    """What became of one declared key during the `up`."""

    before: list[Task]
    after: list[Task]
    was_sent: bool
    was_recorded: bool
    """The state called it cancelled at some time."""


def settle(stack: StackModel) -> None:
    """An `up` in peace, and everything that must be so right after it."""
    with stack.world.peace():
        _comes_out_right(stack)
        _stays_so(stack)


def _comes_out_right(stack: StackModel) -> None:
    world, recorded = stack.world, dict(stack.engine.resources)
    tasks = {
        (bag["jobId"], key): world.tasks(bag["jobId"], key)
        for bag in stack.program.values()
        for key in declared_keys(bag)
    }
    entries, requests = len(world.entries()), world.requests
    stack.up()
    sent = world.entries()[entries:]
    if not recorded and all(is_expired(bag) for bag in stack.program.values()):
        assert world.requests == requests, "an expired set was read"
    if not any(declared_keys(bag).issuperset(MANY) for bag in stack.program.values()):
        # So few are read before they are sent, and nothing moved since.
        _was_not_refused(sent, most=world.simulator.switches.max_keys)
    for name, bag in stack.program.items():
        new, old, job_id = stack.engine.resources[name], recorded.get(name), bag["jobId"]
        fates = {
            key: _Fate(
                tasks[job_id, key],
                world.tasks(job_id, key),
                was_sent=any(entry.job_id == job_id and key in (entry.keys or ()) for entry in sent),
                was_recorded=key in new.ever,
            )
            for key in declared_keys(bag)
        }
        _is_right(bag, record_of(new.outputs), old, world.job_status(job_id), fates)


def _stays_so(stack: StackModel) -> None:
    world = stack.world
    world.let_searches_see()
    before = dict(stack.engine.resources)
    undone = {name for name, resource in before.items() if resource.outputs["problem"]}
    planned = stack.preview()
    assert {name for name, verb in planned.items() if verb != "same"} <= undone, f"not settled: {planned}"
    entries = len(world.entries())
    stack.up()
    assert world.entries()[entries:] == [], "wrote although nothing had moved"
    for name in before.keys() - undone:
        assert stack.engine.resources[name].outputs == before[name].outputs, "changed although nothing had moved"


def _was_not_refused(sent: Iterable[Entry], most: int) -> None:
    for entry in sent:
        assert entry.code == 0 or (most and len(entry.keys or ()) > most), f"refused: {entry}"


def _is_right(bag: Bag, record: Record, old: Resource | None, job: str, fates: dict[str, _Fate]) -> None:
    if is_expired(bag):
        assert record.keys == fates.keys(), "an expired set has something to do"
    elif job == "gone":
        _is_right_without_job(bag, record, old)
    else:
        assert record.job.status.value == job
        if job == "stopped":
            assert not record.problem
        elif record.problem:
            assert not any(fate.was_sent for fate in fates.values())
            assert _may_not_be_changed(bag, fates), record.problem
        else:
            assert record.keys == fates.keys(), f"pending for no reason: {record.outcomes}"
            for key, fate in fates.items():
                finding, expected = record.outcomes.get(key), _expected(fate)
                assert finding in expected, f"{key} is recorded as {finding}, expected {expected}; {fate}"


def _is_right_without_job(bag: Bag, record: Record, old: Resource | None) -> None:
    is_same = old is not None and old.outputs["jobId"] == bag["jobId"]
    if is_same and old and record_of(old.outputs).job.status is not RecordedJobStatus.UNKNOWN:
        assert record.job.status is RecordedJobStatus.DELETED
    if record.job.status is RecordedJobStatus.UNKNOWN:
        assert record.problem
    else:
        assert record.job.status is RecordedJobStatus.DELETED
        assert record.keys == declared_keys(bag), "a deleted job has something to do"


def _may_not_be_changed(bag: Bag, fates: dict[str, _Fate]) -> bool:
    """Whether the guard or the expectation of a set forbids what would have to be sent."""
    count = sum(1 for fate in fates.values() if _could_be_cancelled(fate.before))
    return "expectFirmwareVersion" in bag or count > bag.get("maxDevices", count)


def _could_be_cancelled(tasks: list[Task]) -> bool:
    return len(tasks) == 1 and tasks[0].status in CANCELLABLE


def _expected(fate: _Fate) -> tuple[KeyOutcome | None, ...]:
    """What may be recorded of a key of a started job."""
    statuses = {task.status for task in fate.after}
    if not fate.after:
        return (KeyOutcome(Category.MISSING),)
    if all(map(looks_cancelled, fate.after)):
        if fate.was_sent and _could_be_cancelled(fate.before):
            return (AFTER_PUSH if fate.before[0].status == "published" else None,)
        return None, AFTER_PUSH
    if len(fate.after) > 1:
        return (KeyOutcome(Category.AMBIGUOUS, ",".join(sorted(statuses))),)
    assert not statuses & CANCELLABLE, f"it could have been cancelled: {fate}"
    if fate.was_sent and _could_be_cancelled(fate.before):
        return (UNKNOWN_TEXT,)  # of ours, under a marker that the provider does not know
    (status,) = statuses
    late, escaped = KeyOutcome(Category.TOO_LATE, status), KeyOutcome(Category.ESCAPED, status)
    possible = [escaped] if fate.was_recorded else [late, escaped]
    return (*possible, UNKNOWN_TEXT) if status == "failed" else tuple(possible)
