"""Every read classifies every key anew."""

from __future__ import annotations

import pytest

from enos_ota.enos import Task, TaskStatus
from enos_ota.plan import Category, KeyOutcome
from enos_ota.plan.classify import KeyHistory, classify, history_of, is_cancellable, normalise_markers
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT

MARKERS = normalise_markers(["Cancelled by user", "已被用户取消"])


def task(status: str, desc: str = "", product: str = "pump") -> Task:
    known = {member.value for member in TaskStatus}
    return Task(
        task_id=f"{product}-1",
        product_key=product,
        device_key="dk-01",
        status=TaskStatus(status) if status in known else TaskStatus.UNKNOWN,
        raw_status=status,
        desc=desc,
    )


@pytest.mark.parametrize("desc", ["Cancelled by user", "  cancelled BY user\n", "已被用户取消"])
def test_a_failed_task_with_a_marker_text_is_cancelled_however_it_is_spelled(desc: str) -> None:
    assert classify([task("failed", desc)], MARKERS, KeyHistory.NOTHING) is None


def test_a_literal_canceled_status_is_cancelled_whatever_its_text() -> None:
    assert classify([task("canceled", "by the console")], MARKERS, KeyHistory.NOTHING) is None


@pytest.mark.parametrize("status", ["init", "published"])
def test_what_can_be_cancelled_is_pending(status: str) -> None:
    assert classify([task(status)], MARKERS, KeyHistory.NOTHING) == KeyOutcome(Category.PENDING, status)


@pytest.mark.parametrize("status", ["init", "published"])
def test_what_was_cancelled_and_can_be_again_remembers_that_it_was(status: str) -> None:
    assert classify([task(status)], MARKERS, KeyHistory.CANCELLED) == KeyOutcome(
        Category.PENDING, status, was_cancelled=True
    )


@pytest.mark.parametrize("status", ["upgrading", "succeeded", "failed"])
def test_what_was_never_cancelled_and_cannot_be_is_too_late(status: str) -> None:
    assert classify([task(status)], MARKERS, KeyHistory.NOTHING) == KeyOutcome(Category.TOO_LATE, status)


@pytest.mark.parametrize("status", ["upgrading", "succeeded", "failed"])
def test_what_was_cancelled_and_cannot_be_again_has_escaped(status: str) -> None:
    assert classify([task(status)], MARKERS, KeyHistory.CANCELLED) == KeyOutcome(Category.ESCAPED, status)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("exploded", "exploded"),
        ("", "no status"),
        ("7", "7"),
        ("a\tb\n", "a b"),
    ],
)
@pytest.mark.parametrize("past", KeyHistory)
def test_a_status_that_enos_does_not_document_is_pending_and_forgets_nothing(
    past: KeyHistory, status: str, text: str
) -> None:
    finding = classify([task(status)], MARKERS, past)
    assert finding is not None
    assert (finding.category, finding.status, finding.has_unknown_status) == (Category.PENDING, text, True)
    assert history_of(finding) is past
    assert not is_cancellable([task(status)])


@pytest.mark.parametrize("status", ["init", "published", "INIT", " Published "])
def test_a_pending_key_that_waits_has_no_unknown_status(status: str) -> None:
    assert not KeyOutcome(Category.PENDING, status).has_unknown_status


def test_every_documented_status_has_its_category_by_name() -> None:
    """None is left to a last line: a status that a later EnOS documents has to be given one."""
    known = {each: classify([task(each.value)], MARKERS, KeyHistory.NOTHING) for each in TaskStatus}
    assert {each for each, finding in known.items() if finding and finding.has_unknown_status} == {TaskStatus.UNKNOWN}


def test_a_failure_after_an_accepted_cancel_is_a_cancellation_with_a_text_nobody_knows() -> None:
    assert classify([task("failed", "abgebrochen")], MARKERS, KeyHistory.ACCEPTED) == UNKNOWN_TEXT


def test_a_success_after_an_accepted_cancel_has_escaped() -> None:
    assert classify([task("succeeded")], MARKERS, KeyHistory.ACCEPTED) == KeyOutcome(Category.ESCAPED, "succeeded")


@pytest.mark.parametrize(
    ("past", "finding"),
    [
        (KeyHistory.NOTHING, KeyOutcome(Category.MISSING)),
        (KeyHistory.CANCELLED, KeyOutcome(Category.MISSING, was_cancelled=True)),
        (KeyHistory.ACCEPTED, KeyOutcome(Category.MISSING, was_accepted=True)),
    ],
)
def test_a_key_without_a_task_is_missing_and_its_past_is_not_forgotten(past: KeyHistory, finding: KeyOutcome) -> None:
    assert classify([], MARKERS, past) == finding
    assert history_of(finding) is past


def test_a_key_with_tasks_of_several_products_is_ambiguous_and_not_to_be_sent() -> None:
    tasks = [task("init"), task("succeeded", product="valve")]
    assert classify(tasks, MARKERS, KeyHistory.NOTHING) == KeyOutcome(Category.AMBIGUOUS, "init,succeeded")
    assert not is_cancellable(tasks)


def test_a_key_whose_tasks_are_all_cancelled_is_cancelled_whatever_the_product() -> None:
    tasks = [task("failed", "Cancelled by user"), task("failed", "Cancelled by user", product="valve")]
    assert classify(tasks, MARKERS, KeyHistory.NOTHING) is None


@pytest.mark.parametrize(
    ("finding", "past"),
    [
        (None, KeyHistory.CANCELLED),
        (AFTER_PUSH, KeyHistory.CANCELLED),
        (UNKNOWN_TEXT, KeyHistory.ACCEPTED),
        (KeyOutcome(Category.ESCAPED, "upgrading"), KeyHistory.CANCELLED),
        (KeyOutcome(Category.PENDING, "init", was_cancelled=True), KeyHistory.CANCELLED),
        (KeyOutcome(Category.HELD, was_cancelled=True), KeyHistory.CANCELLED),
        (KeyOutcome(Category.PENDING, "init"), KeyHistory.NOTHING),
        (KeyOutcome(Category.HELD), KeyHistory.NOTHING),
        (KeyOutcome(Category.TOO_LATE, "upgrading"), KeyHistory.NOTHING),
        (KeyOutcome(Category.MISSING), KeyHistory.NOTHING),
        (KeyOutcome(Category.AMBIGUOUS, "init"), KeyHistory.NOTHING),
    ],
)
def test_what_a_record_says_of_a_key_decides_what_its_next_reading_means(
    finding: KeyOutcome | None, past: KeyHistory
) -> None:
    assert history_of(finding) is past
