"""Client and simulator share no code, and understand each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import (
    AuthenticationError,
    Credentials,
    EnosClient,
    InvalidArgument,
    JobHasStarted,
    JobHasStopped,
    JobNotFound,
    JobNotRunning,
    JobStatus,
    TasksNotCancellable,
    TasksNotRetryable,
    TaskStatus,
)
from tests.harness.clock import FakeClock
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH_HTTP_STATUSES = pytest.mark.parametrize("business_http", [200, 400])


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(shared: RunningSimulator) -> RunningSimulator:
    shared.reset()
    return shared


def connect(simulator: RunningSimulator, **settings: Any) -> EnosClient:
    given: dict[str, Any] = {
        "org_id": simulator.org_id,
        "credentials": Credentials(simulator.app_key, simulator.app_secret),
        **settings,
    }
    return EnosClient(simulator.url, **given)


def test_a_job_is_read(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        job = client.get_job(JOB)

    assert (job.job_id, job.name, job.firmware_version, job.status) == (
        JOB,
        "Pump firmware 2.3.0",
        "2.3.0",
        JobStatus.STARTED,
    )


def test_jobs_are_found_by_firmware_and_status(simulator: RunningSimulator) -> None:
    simulator.add_job({"jobId": "other", "firmwareVersion": "2.4.0"})
    with connect(simulator) as client:
        found = [
            [job.job_id for job in client.search_jobs(firmware_version="2.3.0")],
            [job.job_id for job in client.search_jobs(status=JobStatus.STOPPED)],
            sorted(job.job_id for job in client.search_jobs(page_size=1)),
        ]

    assert found == [[JOB], ["other"], [JOB, "other"]]


@pytest.mark.parametrize("page_size", [1, 3, 11, 200])
def test_all_tasks_are_read_whatever_the_page_size(simulator: RunningSimulator, page_size: int) -> None:
    with connect(simulator) as client:
        found = sorted(task.device_key for task in client.search_tasks(JOB, page_size=page_size))

    assert found == [f"dk-{number:02}" for number in range(1, 12)]


def test_tasks_are_found_by_key_and_status(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        waiting = [TaskStatus.INIT, TaskStatus.PUBLISHED]
        found = {
            task.device_key: task.status
            for task in client.search_tasks(JOB, device_keys=["dk-01", "dk-07", "dk-08", "nobody"], statuses=waiting)
        }

    assert found == {"dk-01": TaskStatus.INIT, "dk-07": TaskStatus.PUBLISHED}


def test_a_page_past_the_last_is_empty(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        page = client.search_tasks_page(JOB, page_no=9, page_size=10)

    assert (page.items, page.total_size) == ((), 11)


def test_keys_of_any_script_are_signed_searched_and_cancelled() -> None:
    keys = ["泵 1", "a b&c=d+e%", "x) or (y", "#1", "é", "😀"]
    fleet = {"jobs": [{"jobId": "j&1 ü", "status": "started", "tasks": [{"deviceKey": key} for key in keys]}]}
    with running_simulator(fleet) as simulator, connect(simulator) as client:
        found = sorted(task.device_key for task in client.search_tasks("j&1 ü", device_keys=keys))
        client.cancel_tasks("j&1 ü", keys)
        states = simulator.states("j&1 ü")

    assert found == sorted(keys)
    assert set(states.values()) == {("failed", "Cancelled by user")}


def test_eligible_tasks_are_cancelled_and_the_request_id_is_the_services(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        request_id = client.cancel_tasks(JOB, ["dk-01", "dk-07"])

    (entry,) = simulator.journal()
    assert (entry["operation"], sorted(entry["keys"]), entry["requestId"]) == (
        "cancelTask",
        ["dk-01", "dk-07"],
        request_id,
    )
    assert {simulator.states()[key] for key in ("dk-01", "dk-07")} == {("failed", "Cancelled by user")}


def test_failed_tasks_are_retried(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        client.retry_tasks(JOB, ["dk-10", "dk-11"])

    assert {simulator.states()[key][0] for key in ("dk-10", "dk-11")} == {"init"}


def test_a_job_is_stopped_and_started(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        client.stop_job(JOB)
        stopped = client.get_job(JOB).status
        client.start_job(JOB)

        assert (stopped, client.get_job(JOB).status) == (JobStatus.STOPPED, JobStatus.STARTED)


@BOTH_HTTP_STATUSES
def test_refusals_have_their_names(simulator: RunningSimulator, business_http: int) -> None:
    simulator.switch(business_http=business_http)
    with connect(simulator) as client:
        with pytest.raises(TasksNotCancellable):
            client.cancel_tasks(JOB, ["dk-01", "dk-08"])
        with pytest.raises(TasksNotRetryable):
            client.retry_tasks(JOB, ["dk-01"])
        with pytest.raises(InvalidArgument):
            client.cancel_tasks(JOB, ["nobody"])
        with pytest.raises(JobNotFound):
            client.get_job("nowhere")
        with pytest.raises(JobNotFound):
            client.cancel_tasks("nowhere", ["dk-01"])
        with pytest.raises(JobNotFound):
            client.stop_job("nowhere")
        with pytest.raises(JobHasStarted):
            client.start_job(JOB)
        simulator.set_job(JOB, "stopped")
        with pytest.raises(JobHasStopped):
            client.stop_job(JOB)
        with pytest.raises(JobNotRunning):
            client.cancel_tasks(JOB, ["dk-01"])


def test_an_unknown_organization_is_refused(simulator: RunningSimulator) -> None:
    with connect(simulator, org_id="o1") as client, pytest.raises(InvalidArgument, match="orgId"):
        client.get_job(JOB)


@pytest.mark.parametrize("gateway_http", [200, 401])
def test_an_expired_token_is_replaced_unseen(simulator: RunningSimulator, gateway_http: int) -> None:
    simulator.switch(gateway_http=gateway_http)
    with connect(simulator) as client:
        client.get_job(JOB)
        simulator.expire_tokens()
        client.cancel_tasks(JOB, ["dk-01"])

    assert simulator.counters()["token/get"] == 2
    assert len([entry for entry in simulator.journal() if entry["code"] == 0]) == 1


@pytest.mark.parametrize("gateway_http", [200, 401])
@pytest.mark.parametrize(("key", "secret", "setting"), [("", "no", "ENOS_APP_SECRET"), ("no", "", "ENOS_APP_KEY")])
def test_wrong_credentials_are_named(
    simulator: RunningSimulator, gateway_http: int, key: str, secret: str, setting: str
) -> None:
    simulator.switch(gateway_http=gateway_http)
    credentials = Credentials(key or simulator.app_key, secret or simulator.app_secret)
    with connect(simulator, credentials=credentials) as client, pytest.raises(AuthenticationError, match=setting):
        client.get_job(JOB)


def test_a_clock_that_is_years_off_is_an_authentication_error(simulator: RunningSimulator) -> None:
    with connect(simulator, clock=FakeClock()) as client, pytest.raises(AuthenticationError, match="clock"):
        client.get_job(JOB)


def test_threads_work_with_one_token(simulator: RunningSimulator) -> None:
    keys = [f"dk-{number:02}" for number in range(1, 8)]
    with connect(simulator) as client, ThreadPoolExecutor(7) as threads:
        list(threads.map(lambda key: client.cancel_tasks(JOB, [key]), keys))

    assert simulator.counters() == {"token/get": 1, "cancelTask": 7}
    assert {entry["code"] for entry in simulator.journal()} == {0}


def test_tasks_are_counted(simulator: RunningSimulator) -> None:
    with connect(simulator) as client:
        counts = [client.count_tasks(JOB), client.count_tasks(JOB, statuses=[TaskStatus.INIT, TaskStatus.PUBLISHED])]

    assert counts == [11, 7]


@pytest.mark.parametrize(
    ("cap", "window", "count"),
    [
        pytest.param(0, 0, 2_000, id="exact"),
        pytest.param(1_000, 0, None, id="capped"),
        pytest.param(1_000, 1_000, None, id="capped, with a window"),
        pytest.param(2_000, 0, 2_000, id="the cap, and not one more"),
    ],
)
def test_a_total_that_may_be_a_cap_is_a_count_only_if_the_list_ends_there(
    cap: int, window: int, count: int | None
) -> None:
    """A capped total is never shown as the number of waiting tasks."""
    with running_simulator(many(2_000), total_cap=cap, max_window=window) as simulator, connect(simulator) as client:
        assert client.count_tasks(JOB) == count
