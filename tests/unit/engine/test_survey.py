"""Looking, before a change is made, at what it would meet; against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import Credentials, EnosClient, JobNotFound
from enos_ota.reconciler import DEFAULT_MARKERS, Category, JobFacts, JobStatus
from enos_ota.reconciler.forecast import Forecast
from enos_ota.reconciler.survey import survey
from enos_ota.reconciler.workers import Pool
from tests.harness.simulator import JOB, SMALL_FLEET, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.simulator import RunningSimulator

FACTS = JobFacts(JobStatus.STARTED, "Pump firmware 2.3.0", "2.3.0")
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


def look(client: EnosClient, *keys: str, job_id: str = JOB, **more: Any) -> Forecast:
    return survey(client, job_id, keys, markers=DEFAULT_MARKERS, **more)


def test_every_key_is_found_where_it_stands(client: EnosClient) -> None:
    assert look(client, "dk-01", "dk-07", "dk-08", "dk-09", "dk-10", "dk-11", "nobody") == Forecast(
        job=FACTS,
        added=7,
        will_cancel=2,
        published=1,
        cancelled=1,
        others={
            Category.TOO_LATE: {"dk-08": "upgrading", "dk-09": "succeeded", "dk-10": "failed"},
            Category.MISSING: {"nobody": ""},
        },
        total=11,
        waiting=7,
    )


def test_a_job_that_is_stopped_holds_what_could_be_cancelled(client: EnosClient, simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")
    forecast = look(client, "dk-01", "dk-07", "dk-08")
    assert forecast.is_held
    assert (forecast.will_cancel, forecast.published, forecast.still_waiting) == (0, 0, 5)
    assert forecast.others == {
        Category.TOO_LATE: {"dk-08": "upgrading"},
        Category.HELD: {"dk-01": "init", "dk-07": "published"},
    }


def test_keys_that_no_search_can_hold_are_found_all_the_same(client: EnosClient) -> None:
    assert look(client, "dk-01", 'it\'s "both"').others == {Category.MISSING: {'it\'s "both"': ""}}


def test_an_unknown_job_is_an_error(client: EnosClient) -> None:
    with pytest.raises(JobNotFound):
        look(client, "dk-01", job_id="no-such-job")


@pytest.mark.parametrize(("keys", "searches"), [(1, 1), (200, 1), (201, 2), (450, 3)])
def test_it_costs_one_request_for_200_keys_and_three_beside(
    client: EnosClient, simulator: RunningSimulator, keys: int, searches: int
) -> None:
    assert look(client, *(f"k{number:04}" for number in range(keys)), job_id="large").will_cancel == keys
    assert simulator.counters() == {"token/get": 1, "get": 1, "searchTask": 2 + searches}


def test_keys_without_a_task_are_asked_for_twice(client: EnosClient, simulator: RunningSimulator) -> None:
    look(client, "dk-01", "nobody")
    assert simulator.counters()["searchTask"] == 2 + 2


def test_several_searches_at_once_find_the_same(client: EnosClient) -> None:
    keys = [f"k{number:04}" for number in range(450)]
    assert look(client, *keys, job_id="large", workers=Pool(4)) == look(client, *keys, job_id="large")


def test_of_too_many_keys_only_the_jobs_counts_are_read(client: EnosClient, simulator: RunningSimulator) -> None:
    assert look(client, "dk-01", "dk-02", "dk-03", max_keys=2) == Forecast(
        job=FACTS,
        added=3,
        looked=False,
        total=11,
        waiting=7,
        by_status={"init": 6, "published": 1, "upgrading": 1, "succeeded": 1, "failed": 2},
    )
    assert simulator.counters() == {"token/get": 1, "get": 1, "searchTask": 6}


def test_tasks_of_a_key_under_two_products_are_not_counted_as_those_of_others(
    client: EnosClient, simulator: RunningSimulator
) -> None:
    tasks = [{"deviceKey": "a"}, {"deviceKey": "a", "productKey": "Zz98yX76"}, {"deviceKey": "b"}, {"deviceKey": "c"}]
    simulator.add_job({"jobId": "twins", "status": "started", "tasks": tasks})
    forecast = look(client, "a", "b", job_id="twins")
    assert (forecast.waiting, forecast.will_cancel, forecast.still_waiting) == (4, 1, 1)
