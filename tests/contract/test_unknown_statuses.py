"""Tasks with a status that EnOS does not document: pending with a problem, and nothing is sent for them."""

from __future__ import annotations

from typing import Any

import pytest

from enos_ota.enos import Task
from enos_ota.plan import Category, Guard, KeyOutcome, Record, RecordedJobStatus, TaskSet, days, describe_record
from enos_ota.reconciler.live_reader import read_plan
from tests.harness.reconciling import keys, many, world
from tests.harness.simulator import JOB

MARKERS = ("Cancelled by user",)
SAID = "1 task has a status that EnOS does not document (k0000 exploded)"


@pytest.fixture(autouse=True)
def statuses(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The status that EnOS gives the task of a device, where it is not the simulator's."""
    odd = {"k0000": "exploded"}
    read = Task.from_json

    def from_json(data: dict[str, Any]) -> Task:
        return read({**data, "status": odd.get(data["deviceKey"], data["status"])})

    monkeypatch.setattr(Task, "from_json", from_json)
    return odd


@pytest.mark.parametrize(("number", "guard"), [(3, Guard()), (450, Guard(max_devices=450))])
def test_what_was_read_with_an_unknown_status_is_never_sent_and_the_others_are_cancelled(
    number: int, guard: Guard
) -> None:
    with world(many(number)) as here:
        record = here.apply(*keys(number), guard=guard)
        assert not any("k0000" in batch for batch in here.writes())
    assert record.outcomes == {"k0000": KeyOutcome(Category.PENDING, "exploded")}
    assert record.cancelled_count == number - 1
    assert record.problem.startswith(SAID)


def test_the_run_fails_and_names_set_job_status_and_keys() -> None:
    with world(many(3)) as here:
        record = here.apply(*keys(3))
    (error,) = describe_record(record, TaskSet("pumps", JOB), is_expired=False).errors
    assert error.startswith(f"set 'pumps' (job {JOB}): {SAID}")
    assert error.endswith("(2 cancelled, 1 pending (k0000 exploded))")


def test_a_refresh_that_reads_an_unknown_status_shows_the_key_as_work_to_do_with_a_problem(
    statuses: dict[str, str],
) -> None:
    with world(many(3)) as here:
        statuses.clear()
        record = here.apply(*keys(3))
        statuses["k0000"] = "exploded"
        refreshed = here.refresh(record)
        assert refreshed.outcomes == {"k0000": KeyOutcome(Category.PENDING, "exploded", was_cancelled=True)}
        assert refreshed.problem.startswith(SAID)
        statuses.clear()
        assert here.refresh(refreshed) == record, "no word of it stays"


def test_a_refresh_says_no_more_that_a_status_is_unknown_once_the_task_waits_again(statuses: dict[str, str]) -> None:
    with world(many(3)) as here:
        record = here.apply(*keys(3))
        statuses.clear()
        refreshed = here.refresh(record)
    assert (refreshed.outcomes, refreshed.problem) == ({"k0000": KeyOutcome(Category.PENDING, "init")}, "")


def test_in_a_stopped_job_an_unknown_status_is_not_held() -> None:
    with world(many(2)) as here:
        here.simulator.set_job(JOB, "stopped")
        record = here.apply(*keys(2))
    assert record.outcomes == {
        "k0000": KeyOutcome(Category.PENDING, "exploded"),
        "k0001": KeyOutcome(Category.HELD, "init"),
    }
    assert record.problem.startswith(SAID)


@pytest.mark.parametrize("status", ["started", "stopped"])
def test_a_preview_and_a_review_say_that_it_will_not_be_cancelled(status: str) -> None:
    with world(many(2)) as here:
        here.simulator.set_job(JOB, status)
        task_set = TaskSet("pumps", JOB, tuple(keys(2)))
        plan = read_plan(here.client, task_set, Record(), today=days.today(), markers=MARKERS)
    assert plan.record.outcomes["k0000"] == KeyOutcome(Category.PENDING, "exploded")
    assert set(plan.cancels) == ({"k0001"} if status == "started" else set())
    assert plan.record.problem.startswith(SAID)
    assert plan.record.job.status is RecordedJobStatus(status)
