"""What a review asks EnOS beyond its sets is never what it fails for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import Credentials, EnosClient
from enos_ota.review.reviewing import read_live_job
from tests.harness.clock import FakeClock
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.simulator import RunningSimulator


def fleet(version: str) -> dict[str, object]:
    tasks = [{"deviceKey": "dk-01", "status": "init"}]
    jobs = [
        {"jobId": name, "name": name, "firmwareVersion": version, "status": "started", "tasks": tasks}
        for name in (JOB, "twin")
    ]
    return {"jobs": jobs}


@pytest.fixture(params=["2.3.0", '2.3.0 "b"', "2.3\\0", "it's"])
def simulator(request: pytest.FixtureRequest) -> Iterator[RunningSimulator]:
    with running_simulator(fleet(request.param)) as running:
        yield running


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[EnosClient]:
    credentials = Credentials(simulator.app_key, simulator.app_secret)
    with EnosClient(simulator.url, simulator.org_id, credentials, clock=FakeClock(time.time())) as made:
        yield made


def test_other_jobs_are_found_whatever_their_version_is_called(client: EnosClient) -> None:
    related = read_live_job(client, JOB, ()).related
    assert related is not None
    assert [(each.job_id, each.waiting) for each in related] == [("twin", 1)]


def test_other_jobs_are_found_where_a_page_may_have_few_rows(simulator: RunningSimulator, client: EnosClient) -> None:
    simulator.switch(max_page=3)
    related = read_live_job(client, JOB, ()).related
    assert related is not None
    assert [each.job_id for each in related] == ["twin"]


def test_a_job_is_known_though_the_list_of_others_is_refused(simulator: RunningSimulator, client: EnosClient) -> None:
    simulator.fault("error", "search", status=500)
    live = read_live_job(client, JOB, ())
    assert (live.live.total, live.related) == (1, None)
