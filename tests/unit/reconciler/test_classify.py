"""Every read classifies every key anew."""

from __future__ import annotations

import pytest

from enos_ota.enos import Task, TaskStatus
from enos_ota.reconciler.classify import Past, classify, fold, is_cancellable, past_of
from enos_ota.reconciler.outcome import AFTER_PUSH, UNKNOWN_TEXT, Category, Finding

MARKERS = fold(["Cancelled by user", "已被用户取消"])


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
    assert classify([task("failed", desc)], MARKERS, Past.NOTHING) is None


def test_a_literal_canceled_status_is_cancelled_whatever_its_text() -> None:
    assert classify([task("canceled", "by the console")], MARKERS, Past.NOTHING) is None


@pytest.mark.parametrize("status", ["init", "published"])
def test_what_can_be_cancelled_is_pending(status: str) -> None:
    assert classify([task(status)], MARKERS, Past.NOTHING) == Finding(Category.PENDING, status)


@pytest.mark.parametrize("status", ["init", "published"])
def test_what_was_cancelled_and_can_be_again_remembers_that_it_was(status: str) -> None:
    assert classify([task(status)], MARKERS, Past.CANCELLED) == Finding(Category.PENDING, status, was_cancelled=True)


@pytest.mark.parametrize("status", ["upgrading", "succeeded", "failed"])
def test_what_was_never_cancelled_and_cannot_be_is_too_late(status: str) -> None:
    assert classify([task(status)], MARKERS, Past.NOTHING) == Finding(Category.TOO_LATE, status)


@pytest.mark.parametrize("status", ["upgrading", "succeeded", "failed"])
def test_what_was_cancelled_and_cannot_be_again_has_escaped(status: str) -> None:
    assert classify([task(status)], MARKERS, Past.CANCELLED) == Finding(Category.ESCAPED, status)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("exploded", "exploded"),
        ("", "no status"),
        ("7", "7"),
        ("a\tb" * 30, f"{'a ba ba ba ba ba ba ba ba ba ba ba ba ba b'[:40]}…"),
    ],
)
@pytest.mark.parametrize("past", Past)
def test_a_status_that_enos_does_not_document_is_pending_and_forgets_nothing(
    past: Past, status: str, text: str
) -> None:
    finding = classify([task(status)], MARKERS, past)
    assert finding is not None
    assert (finding.category, finding.status, finding.has_unknown_status) == (Category.PENDING, text, True)
    assert past_of(finding) is past
    assert not is_cancellable([task(status)])


@pytest.mark.parametrize("status", ["init", "published", "INIT", " Published "])
def test_a_pending_key_that_waits_has_no_unknown_status(status: str) -> None:
    assert not Finding(Category.PENDING, status).has_unknown_status


def test_every_documented_status_has_its_category_by_name() -> None:
    """None is left to a last line: a status that a later EnOS documents has to be given one."""
    known = {each: classify([task(each.value)], MARKERS, Past.NOTHING) for each in TaskStatus}
    assert {each for each, finding in known.items() if finding and finding.has_unknown_status} == {TaskStatus.UNKNOWN}


def test_a_failure_after_an_accepted_cancel_is_a_cancellation_with_a_text_nobody_knows() -> None:
    assert classify([task("failed", "abgebrochen")], MARKERS, Past.ACCEPTED) == UNKNOWN_TEXT


def test_a_success_after_an_accepted_cancel_has_escaped() -> None:
    assert classify([task("succeeded")], MARKERS, Past.ACCEPTED) == Finding(Category.ESCAPED, "succeeded")


@pytest.mark.parametrize(
    ("past", "finding"),
    [
        (Past.NOTHING, Finding(Category.MISSING)),
        (Past.CANCELLED, Finding(Category.MISSING, was_cancelled=True)),
        (Past.ACCEPTED, Finding(Category.MISSING, was_accepted=True)),
    ],
)
def test_a_key_without_a_task_is_missing_and_its_past_is_not_forgotten(past: Past, finding: Finding) -> None:
    assert classify([], MARKERS, past) == finding
    assert past_of(finding) is past


def test_a_key_with_tasks_of_several_products_is_ambiguous_and_not_to_be_sent() -> None:
    tasks = [task("init"), task("succeeded", product="valve")]
    assert classify(tasks, MARKERS, Past.NOTHING) == Finding(Category.AMBIGUOUS, "init,succeeded")
    assert not is_cancellable(tasks)


def test_a_key_whose_tasks_are_all_cancelled_is_cancelled_whatever_the_product() -> None:
    tasks = [task("failed", "Cancelled by user"), task("failed", "Cancelled by user", product="valve")]
    assert classify(tasks, MARKERS, Past.NOTHING) is None


@pytest.mark.parametrize(
    ("finding", "past"),
    [
        (None, Past.CANCELLED),
        (AFTER_PUSH, Past.CANCELLED),
        (UNKNOWN_TEXT, Past.ACCEPTED),
        (Finding(Category.ESCAPED, "upgrading"), Past.CANCELLED),
        (Finding(Category.PENDING, "init", was_cancelled=True), Past.CANCELLED),
        (Finding(Category.HELD, was_cancelled=True), Past.CANCELLED),
        (Finding(Category.PENDING, "init"), Past.NOTHING),
        (Finding(Category.HELD), Past.NOTHING),
        (Finding(Category.TOO_LATE, "upgrading"), Past.NOTHING),
        (Finding(Category.MISSING), Past.NOTHING),
        (Finding(Category.AMBIGUOUS, "init"), Past.NOTHING),
    ],
)
def test_what_a_record_says_of_a_key_decides_what_its_next_reading_means(finding: Finding | None, past: Past) -> None:
    assert past_of(finding) is past
