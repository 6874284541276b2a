"""What fails a run, what is only said, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from enos_ota.plan import (
    Category,
    Code,
    JobFacts,
    KeyOutcome,
    Message,
    Record,
    RecordedJobStatus,
    SetVerdict,
    Severity,
    TaskSet,
    describe_record,
)
from enos_ota.plan.messages import summarize
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT

PUMP = TaskSet("pump", "j1")

STARTED = JobFacts(RecordedJobStatus.STARTED)


def record(*cancelled: str, job: JobFacts = STARTED, problem: str = "", **outcomes: KeyOutcome) -> Record:
    settled = {key for key, finding in outcomes.items() if finding.category is not Category.PENDING}
    return Record(frozenset(cancelled) | settled, outcomes, job, problem)


def judge(given: Record, task_set: TaskSet, *, is_expired: bool = False) -> SetVerdict:
    return describe_record(given, task_set, is_expired=is_expired)


def verdict(*, errors: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> SetVerdict:
    return SetVerdict(
        (
            *(Message(Code.PROBLEM, Severity.ERROR, text) for text in errors),
            *(Message(Code.HELD, Severity.WARNING, text) for text in warnings),
        )
    )


def test_everything_cancelled_says_nothing() -> None:
    assert judge(record("a", "b"), PUMP) == SetVerdict()


def test_pending_keys_fail_and_say_that_the_next_up_sends_just_these() -> None:
    assert judge(record("a", b=KeyOutcome(Category.PENDING, "init")), PUMP).errors == (
        "set 'pump' (job j1): 1 cancelled, 1 pending (b init); `pulumi up` sends just these as soon as it can",
    )


def test_a_problem_fails_and_says_what_was_and_was_not_done() -> None:
    found = judge(record("a", b=KeyOutcome(Category.PENDING), problem="EnOS kept throttling"), PUMP)
    assert found.errors == (
        "set 'pump' (job j1): EnOS kept throttling "
        "(1 cancelled, 1 pending (b); `pulumi up` sends just these as soon as it can)",
    )


@pytest.mark.parametrize(
    ("category", "status", "said"),
    [
        (Category.ESCAPED, "upgrading", "1 key cancelled before and escaped since (b upgrading): the device upgrades"),
        (Category.AMBIGUOUS, "init", "1 key with tasks in several products (b init): a cancel cannot tell them apart"),
        (Category.MISSING, "", "1 key without a task in this job, so there is nothing to cancel (b): check the key"),
    ],
)
def test_what_needs_somebody_fails_and_says_what_to_do(category: Category, status: str, said: str) -> None:
    (error,) = judge(record("a", b=KeyOutcome(category, status)), PUMP).errors
    assert error.startswith(f"set 'pump' (job j1): {said}")


def test_missing_keys_only_warn_under_report() -> None:
    found = judge(record("a", b=KeyOutcome(Category.MISSING)), replace(PUMP, on_missing="report"))
    assert (found.errors, found.warnings) == (
        (),
        ("set 'pump' (job j1): 1 key without a task in this job, so there is nothing to cancel (b)",),
    )


def test_keys_that_were_too_late_only_warn() -> None:
    found = judge(record("a", b=KeyOutcome(Category.TOO_LATE, "succeeded")), PUMP)
    assert (found.errors, found.warnings) == ((), ("set 'pump' (job j1): 1 key too late to cancel (b succeeded)",))


def test_keys_that_were_too_late_fail_under_fail() -> None:
    found = judge(record("a", b=KeyOutcome(Category.TOO_LATE, "succeeded")), replace(PUMP, on_too_late="fail"))
    assert found.errors == (
        "set 'pump' (job j1): 1 key too late to cancel (b succeeded): "
        "take it out of the set (or set onTooLate: report)",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            record(b=KeyOutcome(Category.HELD, "init"), job=JobFacts(RecordedJobStatus.STOPPED)),
            "1 key held (b init): the job is stop",
        ),
        (record("a", job=JobFacts(RecordedJobStatus.STOPPED)), "the job is stopped: nothing is pushed"),
        (record(b=AFTER_PUSH), "1 task was cancelled after the device had been notified (b)"),
        (
            record(b=UNKNOWN_TEXT),
            "1 key whose cancel EnOS accepted, but whose task failed with an unknown text",
        ),
        (record("a", job=replace(STARTED, automatic_retry=True)), "not durable: the job's retryPolicy re-publishes"),
    ],
)
def test_what_only_has_to_be_known_is_a_warning(given: Record, said: str) -> None:
    found = judge(given, PUMP)
    assert found.errors == ()
    (warning,) = found.warnings
    assert warning.startswith(f"set 'pump' (job j1): {said}")


def test_a_deleted_job_only_warns_whatever_was_left_undone() -> None:
    given = record(
        "a",
        b=KeyOutcome(Category.ESCAPED, "upgrading"),
        c=KeyOutcome(Category.PENDING),
        job=JobFacts(RecordedJobStatus.DELETED),
    )
    found = judge(given, PUMP)
    assert (found.errors, found.warnings) == (
        (),
        ("set 'pump' (job j1): job deleted: retire this set; last seen: 1 cancelled, 1 escaped, 1 pending",),
    )


def test_an_expired_set_only_warns_and_says_since_when() -> None:
    found = judge(record("a", b=KeyOutcome(Category.MISSING)), replace(PUMP, expires="2026-03-31"), is_expired=True)
    assert (found.errors, found.warnings) == (
        (),
        (
            "set 'pump' (job j1): expired on 2026-03-31: neither read nor written, last seen: 1 cancelled, 1 missing; "
            "remove the set, or set a later day",
        ),
    )


def test_many_keys_are_counted_and_three_of_them_named() -> None:
    outcomes = {f"k{n}": KeyOutcome(Category.TOO_LATE, "upgrading") for n in range(5)}
    (warning,) = judge(Record(frozenset(outcomes), outcomes, STARTED), PUMP).warnings
    assert warning.endswith("5 keys too late to cancel (k0 upgrading, k1 upgrading, k2 upgrading, … 2 more)")


def test_a_key_that_would_not_show_is_escaped() -> None:
    outcomes = {"dk-\u200b01": KeyOutcome(Category.MISSING)}
    (error,) = judge(Record(frozenset(outcomes), outcomes, STARTED), PUMP).errors
    assert "('dk-\\u200b01')" in error


def test_one_failing_set_is_one_line() -> None:
    assert summarize([verdict(errors=("set 'a': no",)), verdict(warnings=("set 'b': hm",))]) == "set 'a': no"


def test_several_failing_sets_are_one_text_with_a_line_each() -> None:
    assert summarize(
        [verdict(errors=("set 'a': no",)), SetVerdict(), verdict(errors=("set 'c': no", "set 'c': never"))]
    ) == ("2 of 3 sets did not come out as declared:\nset 'a': no\nset 'c': no\nset 'c': never")


def test_sets_that_came_out_well_have_no_summarize() -> None:
    assert summarize([SetVerdict(), verdict(warnings=("set 'b': hm",))]) == ""


def test_cancels_that_enos_accepted_and_nobody_read_back_are_counted() -> None:
    accepted = KeyOutcome(Category.PENDING, "init", was_accepted=True)
    found = judge(record("a", b=accepted, c=accepted, d=KeyOutcome(Category.PENDING, "init")), PUMP)
    (error,) = found.errors
    assert "3 pending (b init, c init, d init), of which EnOS accepted 2 that could not be read back yet;" in error
