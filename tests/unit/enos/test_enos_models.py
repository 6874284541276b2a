"""Jobs and tasks from EnOS's JSON."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enos_ota.enos import Job, JobStatus, Task, TaskStatus

# The fields of the API reference's section 2.2, with the nulls and extras its return sample has.
JOB: dict[str, Any] = {
    "orgId": "o1",
    "productKey": "Pk12aB34",
    "jobId": "j-1",
    "name": {"defaultValue": "Pumps", "i18nValue": {"zh_CN": "泵"}},
    "firmwareId": "f-1",
    "firmwareVersion": "2.3.0",
    "firmwareName": {"defaultValue": "pump", "i18nValue": {}},
    "type": "upgrade",
    "enableUpgradeRequest": False,
    "upgradePolicy": "snapshot",
    "upgradeScope": {"type": "partial", "deviceKeys": None},
    "upgradeTimeout": 7200,
    "retryPolicy": {"enableRetry": True, "retryInterval": 600, "retryCount": 3},
    "schedulePolicy": None,
    "maximumConcurrency": 300,
    "status": "started",
    "createTime": 1700000000000,
    "startSchedule": 0,
}


def test_a_job_has_the_fields_of_enos() -> None:
    assert Job.from_json(JOB) == Job(
        job_id="j-1",
        org_id="o1",
        name="Pumps",
        firmware_id="f-1",
        firmware_version="2.3.0",
        firmware_name="pump",
        product_key="Pk12aB34",
        type="upgrade",
        status=JobStatus.STARTED,
        raw_status="started",
        upgrade_policy="snapshot",
        automatic_retry=True,
        maximum_concurrency=300,
        create_time=1700000000000,
    )


def test_a_task_has_the_fields_of_enos() -> None:
    data = {
        "taskId": "t-1", "orgId": "o1", "assetId": "a-1", "productKey": "p-1", "deviceKey": "dk-01", "jobId": "j-1",
        "fromVersion": "1.0", "toVersion": "1.2", "progress": -2, "desc": "Cancelled by user", "status": "failed",
        "updateTime": 1700000001000, "new": 1,
    }  # fmt: skip

    assert Task.from_json(data) == Task(
        task_id="t-1",
        job_id="j-1",
        device_key="dk-01",
        product_key="p-1",
        asset_id="a-1",
        from_version="1.0",
        to_version="1.2",
        status=TaskStatus.FAILED,
        raw_status="failed",
        desc="Cancelled by user",
        progress=-2,
        update_time=1700000001000,
    )


@pytest.mark.parametrize("kind", [Job, Task])
def test_null_and_absent_fields_are_accepted_everywhere(kind: type[Job | Task]) -> None:
    nulls = dict.fromkeys([*JOB, "taskId", "deviceKey", "desc", "progress", "updateTime"])

    assert kind.from_json(nulls) == kind.from_json({})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.dictionaries(st.sampled_from([*JOB, "taskId", "deviceKey", "desc", "progress", "updateTime"]), JSON))
def test_no_json_breaks_a_model(data: dict[str, Any]) -> None:
    Job.from_json(data)
    Task.from_json(data)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("init", TaskStatus.INIT),
        ("Published", TaskStatus.PUBLISHED),
        (" upgrading ", TaskStatus.UPGRADING),
        ("canceled", TaskStatus.CANCELED),
        ("Cancelled", TaskStatus.CANCELED),
        ("paused", TaskStatus.UNKNOWN),
        ("", TaskStatus.UNKNOWN),
    ],
)
def test_a_task_status_is_known_or_unknown_and_kept_as_written(raw: str, status: TaskStatus) -> None:
    task = Task.from_json({"status": raw})

    assert (task.status, task.raw_status) == (status, raw)


def test_an_unknown_job_status_is_kept_as_written() -> None:
    job = Job.from_json({"status": "finished"})

    assert (job.status, job.raw_status) == (JobStatus.UNKNOWN, "finished")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), (" True ", True), (False, False), ("false", False), (None, False), (1, False)],
)
def test_automatic_retry_is_read_from_a_boolean_or_its_text(value: object, expected: bool) -> None:  # noqa: FBT001 - a table
    assert Job.from_json({"retryPolicy": {"enableRetry": value}}).automatic_retry is expected


@pytest.mark.parametrize(("value", "expected"), [("300", 300), (300.0, 300), ("many", None), (True, None), (1.5, None)])
def test_numbers_may_come_as_texts(value: object, expected: int | None) -> None:
    assert Job.from_json({"maximumConcurrency": value}).maximum_concurrency == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ({"defaultValue": None, "i18nValue": {"ja_JP": None, "zh_CN": "泵"}}, "泵"),
        ({"defaultValue": "", "i18nValue": None}, ""),
    ],
)
def test_a_name_falls_back_to_a_translation(value: object, expected: str) -> None:
    assert Job.from_json({"name": value}).name == expected


@pytest.mark.parametrize("value", [Job("j"), Task("t")])
def test_models_are_values(value: Job | Task) -> None:
    with pytest.raises(FrozenInstanceError):
        value.status = JobStatus.STOPPED  # type: ignore[misc]  # the point of the test
    assert not hasattr(value, "__dict__")
