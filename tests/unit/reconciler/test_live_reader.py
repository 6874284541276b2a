"""Reading, before a change is made, what EnOS says of a set; against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import Credentials, EnosClient, TaskStatus
from enos_ota.plan import Category, JobFacts, Plan, Record, RecordedJobStatus, TaskSet, days
from enos_ota.reconciler import DEFAULT_MARKERS, Pool
from enos_ota.reconciler.live_reader import read_plan
from tests.harness.simulator import JOB, SMALL_FLEET, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.simulator import RunningSimulator

FACTS = JobFacts(RecordedJobStatus.STARTED, "Pump firmware 2.3.0", "2.3.0")
LARGE: dict[str, Any] = {
    "jobs": [
        {
            "jobId": "large",
            "firmwareVersion": "2.3.0",
            "status": "started",
            "tasks": [{"deviceKey": f"k{number:04}", "status": "init"} for number in range(450)],
        }
    ]
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator({"jobs": [*SMALL_FLEET["jobs"], *LARGE["jobs"]]}) as running:
        yield running


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[EnosClient]:
    simulator.reset()
    with EnosClient(
        simulator.url, simulator.org_id, Credentials(simulator.app_key, simulator.app_secret)
    ) as one_client:
        yield one_client
    assert simulator.journal() == []


def read(client: EnosClient, *keys: str, job_id: str = JOB, record: Record | None = None, **more: Any) -> Plan:
    task_set = TaskSet("pumps", job_id, keys)
    return read_plan(client, task_set, record or Record(), today=days.today(), markers=DEFAULT_MARKERS, **more)


def test_every_key_has_its_outcome(client: EnosClient) -> None:
    plan = read(client, "dk-01", "dk-07", "dk-08", "dk-09", "dk-10", "dk-11", "nobody")
    assert (plan.job, plan.live.total, plan.live.waiting, plan.other_waiting) == (FACTS, 11, 7, 5)
    assert (set(plan.cancels), plan.published, plan.unread) == ({"dk-01", "dk-07"}, 1, frozenset())
    assert plan.outcomes["dk-11"] is None
    assert plan.record.of(Category.TOO_LATE) == {"dk-08": "upgrading", "dk-09": "succeeded", "dk-10": "failed"}
    assert plan.record.of(Category.MISSING) == {"nobody": ""}


def test_a_job_that_is_stopped_holds_what_could_be_cancelled(client: EnosClient, simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")
    plan = read(client, "dk-01", "dk-07", "dk-08")
    assert plan.is_held
    assert (plan.cancels, plan.published, plan.other_waiting) == ({}, 0, 5)
    assert plan.record.of(Category.TOO_LATE) == {"dk-08": "upgrading"}
    assert plan.record.of(Category.HELD) == {"dk-01": "init", "dk-07": "published"}


def test_keys_that_no_search_can_hold_are_found_too(client: EnosClient) -> None:
    assert read(client, "dk-01", 'it\'s "both"').record.of(Category.MISSING) == {'it\'s "both"': ""}


def test_an_unknown_job_is_a_problem_of_the_record(client: EnosClient) -> None:
    plan = read(client, "dk-01", job_id="no-such-job")
    assert plan.record.job.status is RecordedJobStatus.UNKNOWN
    assert plan.record.of(Category.PENDING) == {"dk-01": ""}
    assert "24404" in plan.record.problem


@pytest.mark.parametrize(("keys", "searches"), [(1, 1), (200, 1), (201, 2), (450, 3)])
def test_it_costs_one_request_for_200_keys_and_three_beside(
    client: EnosClient, simulator: RunningSimulator, keys: int, searches: int
) -> None:
    assert len(read(client, *(f"k{number:04}" for number in range(keys)), job_id="large").cancels) == keys
    assert simulator.counters() == {"token/get": 1, "get": 1, "searchTask": 2 + searches}


def test_keys_without_a_task_are_asked_for_twice(client: EnosClient, simulator: RunningSimulator) -> None:
    read(client, "dk-01", "nobody")
    assert simulator.counters()["searchTask"] == 2 + 2


def test_several_searches_at_once_find_the_same(client: EnosClient) -> None:
    keys = [f"k{number:04}" for number in range(450)]
    assert read(client, *keys, job_id="large", workers=Pool(4)) == read(client, *keys, job_id="large")


def test_of_too_many_keys_only_the_jobs_counts_are_read(client: EnosClient, simulator: RunningSimulator) -> None:
    plan = read(client, "dk-01", "dk-02", "dk-03", max_keys=2)
    assert plan.unread == {"dk-01", "dk-02", "dk-03"}
    assert (plan.live.total, plan.live.waiting, plan.other_waiting) == (11, 7, None)
    assert dict(plan.live.by_status) == {
        TaskStatus.INIT: 6,
        TaskStatus.PUBLISHED: 1,
        TaskStatus.UPGRADING: 1,
        TaskStatus.SUCCEEDED: 1,
        TaskStatus.FAILED: 2,
    }
    assert simulator.counters() == {"token/get": 1, "get": 1, "searchTask": 6}


def test_of_a_stopped_job_one_added_key_is_read_whatever_the_size_of_the_set(
    client: EnosClient, simulator: RunningSimulator
) -> None:
    keys = [f"k{number:04}" for number in range(450)]
    simulator.set_job("large", "stopped")
    plan = read(client, *keys, job_id="large", record=Record(frozenset(keys[1:]), job=FACTS), max_keys=100)
    assert (plan.unread, plan.record.of(Category.HELD)) == (frozenset(), {"k0000": "init"})


def test_tasks_of_a_key_under_two_products_are_not_counted_as_those_of_others(
    client: EnosClient, simulator: RunningSimulator
) -> None:
    tasks = [{"deviceKey": "a"}, {"deviceKey": "a", "productKey": "Zz98yX76"}, {"deviceKey": "b"}, {"deviceKey": "c"}]
    simulator.add_job({"jobId": "twins", "status": "started", "tasks": tasks})
    plan = read(client, "a", "b", job_id="twins")
    assert (plan.live.waiting, len(plan.cancels), plan.other_waiting) == (4, 1, 1)
