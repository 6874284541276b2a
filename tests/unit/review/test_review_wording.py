"""Words on the screen of a review that an approver would otherwise stumble over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.engine.preview_json import Change, SetStep
from enos_ota.plan import JobFacts, Record, RecordedJobStatus
from enos_ota.review import terminal
from enos_ota.review.screen import first_screen
from enos_ota.review.text import plain
from tests.harness import reports

if TYPE_CHECKING:
    from enos_ota.review.model import ReviewReport


def undo(report: ReviewReport) -> str:
    (job,) = first_screen(report).jobs
    return " · ".join(plain(item) for line in job.lines if line.label == "Undo" for item in line.items)


def test_where_nothing_is_to_be_cancelled_the_undo_is_that_of_what_is_cancelled() -> None:
    assert undo(reports.held()) == (
        f"remove the keys from the set, then run enos-ota retry --job {reports.JOB_ID} --keys FILE --expect 6, "
        "which tells EnOS to push the firmware again"
    )


def test_the_undo_of_a_removed_set_counts_what_stays_cancelled_and_has_nothing_to_take_out() -> None:
    assert undo(reports.removal()) == (
        f"run enos-ota retry --job {reports.JOB_ID} --keys FILE --expect 36, "
        "which tells EnOS to push the firmware again"
    )


def test_an_unknown_number_is_explained() -> None:
    assert "push the firmware again · N is the number of keys in FILE" in undo(reports.outage())


def test_of_a_removed_set_only_what_is_cancelled_is_counted() -> None:
    removed = reports.removal()
    too_late = removed.sets[0].keys[0].model_copy(update={"status": "too late succeeded"})
    changed = removed.sets[0].model_copy(update={"keys": (too_late, *removed.sets[0].keys[1:])})
    assert "--expect 35," in undo(removed.model_copy(update={"sets": (changed,)}))


def test_a_remark_about_a_key_has_no_quotes() -> None:
    removed = reports.removal()
    key = removed.sets[0].keys[0].model_copy(update={"status": "cancelled after push"})
    changed = removed.sets[0].model_copy(update={"keys": (key, *removed.sets[0].keys[1:])})
    shown = terminal.render(removed.model_copy(update={"sets": (changed,)}))
    assert ("cancelled after push" in shown, "'cancelled after push'" in shown) == (True, False)


# A job that is gone: nothing fails, but an approver has to know at once.


def warnings(report: ReviewReport) -> list[str]:
    return [plain(text) for text in first_screen(report).verdict.warnings]


def test_a_deleted_job_is_a_warning_of_the_verdict_with_the_set_to_remove() -> None:
    report = reports.deleted()
    assert (report.exit_code, warnings(report)) == (
        0,
        [f"job {reports.JOB.name} is deleted, so none of its tasks can run; set pump-2.3.0 can be removed"],
    )


def test_of_many_sets_of_a_deleted_job_a_few_are_named() -> None:
    deleted = reports.deleted()
    many = tuple(deleted.sets[0].model_copy(update={"name": f"s{number}"}) for number in range(5))
    assert warnings(deleted.model_copy(update={"sets": many}))[0].endswith("sets s0, s1, s2 and 2 more can be removed")


def test_a_set_that_is_retired_by_this_change_is_not_to_be_retired() -> None:
    deleted = reports.deleted()
    gone = deleted.sets[0].model_copy(update={"change": Change.DELETE})
    assert warnings(deleted.model_copy(update={"sets": (gone,)})) == []


@pytest.mark.parametrize(
    ("recorded", "status"),
    [
        (RecordedJobStatus.DELETED, "deleted"),
        (RecordedJobStatus.STARTED, "deleted"),
        (RecordedJobStatus.UNKNOWN, "unknown"),
    ],
)
def test_a_job_that_is_no_longer_there_is_deleted_and_one_that_never_was_is_unknown(
    recorded: RecordedJobStatus, status: str
) -> None:
    declared = reports.task_set(["k1"])
    record = Record(frozenset({"k1"}), job=JobFacts(recorded, "Pumps", "2.3.0"))
    step = SetStep("pumps", Change.NONE, declared, recorded=declared, before=record, now=record)
    report = reports.reviewed([step], jobs=(), expect_no_changes=True)
    (job,) = report.jobs
    assert (report.exit_code, job.status, job.looked) == (0, status, True)
    assert job.name == ("Pumps" if status == "deleted" else "")
