"""What a change of a set comes down to, before anything is asked or sent."""

from __future__ import annotations

from enos_ota.reconciler import Category, Finding, JobFacts, JobStatus, Plan, Record, plan

STARTED = JobFacts(JobStatus.STARTED)
DELETED = JobFacts(JobStatus.DELETED)


def recorded(*keys: str, job: JobFacts = STARTED, problem: str = "", **findings: Finding) -> Record:
    return Record(keys=frozenset(keys), findings=findings, job=job, problem=problem)


def test_a_new_set_has_everything_to_do() -> None:
    change = plan(["a", "b"], Record())
    assert change == Plan(Record(), frozenset({"a", "b"}))


def test_what_is_recorded_is_not_worked_on_again() -> None:
    change = plan(["a", "b"], recorded("a", "b"))
    assert change == Plan(recorded("a", "b"), frozenset())


def test_one_key_more_is_just_that_key_to_do() -> None:
    assert plan(["a", "b"], recorded("a")).todo == {"b"}


def test_an_undeclared_key_is_forgotten_with_all_that_was_said_of_it() -> None:
    change = plan(["a"], recorded("a", "b", b=Finding(Category.TOO_LATE, "upgrading")))
    assert (change.kept, change.todo) == (recorded("a"), frozenset())


def test_pending_keys_are_taken_up_again() -> None:
    assert plan(["a", "b"], recorded("a", b=Finding(Category.PENDING, "init"))).todo == {"b"}


def test_an_old_problem_ends_when_nothing_is_left_to_do() -> None:
    assert plan(["a"], recorded("a", problem="throttled")).kept.problem == ""


def test_an_expired_set_plans_nothing_and_says_what_was_not_done() -> None:
    change = plan(["a", "b"], recorded("a"), expired=True)
    assert change.todo == frozenset()
    assert change.kept == recorded("a", "b", b=Finding(Category.PENDING))


def test_what_an_expired_set_left_is_taken_up_once_the_day_was_moved() -> None:
    assert plan(["a", "b"], recorded("a", "b", b=Finding(Category.PENDING))).todo == {"b"}


def test_what_a_deleted_job_left_is_not_taken_up() -> None:
    assert plan(["a", "b"], recorded("a", "b", job=DELETED, b=Finding(Category.PENDING))).todo == frozenset()


def test_held_keys_are_settled_so_that_no_preview_shows_them_again_and_again() -> None:
    assert plan(["a"], recorded("a", a=Finding(Category.HELD))).todo == frozenset()


def test_an_undeclared_pending_key_is_never_to_be_done() -> None:
    change = plan(["a", "c"], recorded("a", b=Finding(Category.PENDING, "init")))
    assert change == Plan(recorded("a"), frozenset({"c"}))
