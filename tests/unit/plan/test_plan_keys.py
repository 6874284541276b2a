"""The keys that a change works on, before EnOS is asked."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from enos_ota.plan import Category, JobFacts, KeyOutcome, Plan, Record, RecordedJobStatus, TaskSet, build_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

STARTED = JobFacts(RecordedJobStatus.STARTED)
DELETED = JobFacts(RecordedJobStatus.DELETED)


def recorded(*keys: str, job: JobFacts = STARTED, problem: str = "", **outcomes: KeyOutcome) -> Record:
    return Record(keys=frozenset(keys), outcomes=outcomes, job=job, problem=problem)


def plan(declared: Sequence[str], record: Record, *, expires: str = "") -> Plan:
    return build_plan(TaskSet("pumps", "j1", tuple(declared), expires=expires), record, today=date(2026, 11, 23))


def test_a_new_set_has_everything_to_do() -> None:
    change = plan(["a", "b"], Record())
    assert (change.kept, change.work, change.unread) == (Record(), frozenset("ab"), frozenset("ab"))


def test_what_is_recorded_is_not_worked_on_again() -> None:
    change = plan(["a", "b"], recorded("a", "b"))
    assert (change.kept, change.record, change.work) == (recorded("a", "b"), recorded("a", "b"), frozenset())


def test_one_key_more_is_just_that_key_to_do() -> None:
    assert plan(["a", "b"], recorded("a")).work == {"b"}


def test_an_undeclared_key_is_forgotten_with_all_that_was_said_of_it() -> None:
    change = plan(["a"], recorded("a", "b", b=KeyOutcome(Category.TOO_LATE, "upgrading")))
    assert (change.kept, change.work) == (recorded("a"), frozenset())


def test_pending_keys_are_taken_up_again() -> None:
    assert plan(["a", "b"], recorded("a", b=KeyOutcome(Category.PENDING, "init"))).work == {"b"}


def test_an_old_problem_ends_when_nothing_is_left_to_do() -> None:
    assert plan(["a"], recorded("a", problem="throttled")).kept.problem == ""


def test_an_expired_set_plans_nothing_and_says_what_was_not_done() -> None:
    change = plan(["a", "b"], recorded("a"), expires="2026-11-22")
    assert change.work == frozenset()
    assert change.kept == recorded("a", "b", b=KeyOutcome(Category.PENDING))


def test_what_an_expired_set_left_is_taken_up_once_the_day_was_moved() -> None:
    assert plan(["a", "b"], recorded("a", "b", b=KeyOutcome(Category.PENDING))).work == {"b"}


def test_what_a_deleted_job_left_is_not_taken_up() -> None:
    assert plan(["a", "b"], recorded("a", "b", job=DELETED, b=KeyOutcome(Category.PENDING))).work == frozenset()


def test_held_keys_are_settled_so_that_no_preview_shows_them_again_and_again() -> None:
    assert plan(["a"], recorded("a", a=KeyOutcome(Category.HELD))).work == frozenset()


def test_an_undeclared_pending_key_is_never_to_be_done() -> None:
    change = plan(["a", "c"], recorded("a", b=KeyOutcome(Category.PENDING, "init")))
    assert (change.kept, change.work) == (recorded("a"), frozenset("c"))
