"""Builder: jobs, tasks and applications from the description in a fleet."""

from __future__ import annotations

from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Final

from enos_simulator.errors import SetupError
from enos_simulator.jobs import cancelled
from enos_simulator.store import STATUSES, Job, JobTasks, Task
from enos_simulator.tokens import App

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enos_simulator.fleet import DevicesSpec, Fleet, I18nText, JobSpec
    from enos_simulator.switches import Switches

CREATE_TIME: Final = 1_700_000_000_000
"""Default createTime of jobs and updateTime of tasks: Unix ms, the same in every run."""

# Default desc and progress by status. The text of a success is seen in official samples [S], the others are ours.
_DEFAULTS: Final = {
    "init": ("", 0),
    "published": ("", 0),
    "upgrading": ("downloading", 40),
    "succeeded": ("upgrading firmware finished", 100),
    "failed": ("download failed", -2),
    "canceled": ("", 0),
}


def make_apps(fleet: Fleet) -> dict[str, App]:
    """Build the applications, by appKey."""
    return {
        app.app_key: App(
            app.app_key,
            app.app_secret,
            frozenset(fleet.orgs if app.orgs is None else app.orgs),
            frozenset(app.permissions),
        )
        for app in fleet.apps
    }


def make_job(spec: JobSpec, org_id: str, status: str, switches: Switches) -> JobTasks:
    """Build a job and its tasks in the order of their ids. `org_id` and `status` are the defaults.

    Raises:
        SetupError: A device key occurs twice under the same product.
    """
    # An unused selector is null, as in the documented sample [D].
    scope = {"type": "total", **dict.fromkeys(("versionNumbers", "deviceKeys", "attributes", "tags", "assetTrees"))}
    name = _i18n(spec.name) or {"defaultValue": f"Upgrade to {spec.firmware_version}", "i18nValue": {}}
    info = {
        "productKey": spec.product_key,
        "name": name,
        "firmwareId": spec.firmware_id,
        "firmwareVersion": spec.firmware_version,
        "firmwareName": _i18n(spec.firmware_name),
        "type": spec.type,
        "enableUpgradeRequest": spec.enable_upgrade_request,
        "upgradePolicy": spec.upgrade_policy,
        "upgradeScope": scope | (spec.upgrade_scope or {}),
        "upgradeTimeout": spec.upgrade_timeout,
        "retryPolicy": spec.retry_policy,
        "schedulePolicy": spec.schedule_policy,
        "maximumConcurrency": spec.maximum_concurrency,
        "startSchedule": spec.start_schedule,
        "endSchedule": spec.end_schedule,
    }
    created = CREATE_TIME if spec.create_time is None else spec.create_time
    job = Job(spec.job_id, spec.org_id or org_id, spec.status or status, created, info)
    parts = chain(_listed(spec, switches), *(_generated(spec, one, switches) for one in spec.devices))
    tasks = [
        Task(place, key, product, version, state, desc, progress, created)
        for place, (key, product, version, (state, desc, progress)) in enumerate(parts)
    ]
    if len({(task.product_key, task.device_key) for task in tasks}) != len(tasks):
        raise SetupError([f"job {spec.job_id}: a device key occurs more than once under the same product"])
    if any(task.product_key != spec.product_key for task in tasks):
        info["productKey"] = None  # newer firmware may belong to no product; the job names none then [D]
    return JobTasks(job, tasks)


def task_values(status: str, desc: str | None, progress: int | None, switches: Switches) -> tuple[str, str, int]:
    """Return status, desc and progress of a task; desc and progress default to those of the status.

    Raises:
        ValueError: Unknown status.
    """
    if status == "cancelled":
        status, default_desc, default_progress = cancelled(switches)
    elif status in STATUSES:
        default_desc, default_progress = _DEFAULTS[status]
    else:
        raise ValueError(f"status: one of {', '.join(STATUSES)} or cancelled, not {status!r}")
    return status, default_desc if desc is None else desc, default_progress if progress is None else progress


_Part = tuple[str, str, str, tuple[str, str, int]]


def _listed(spec: JobSpec, switches: Switches) -> Iterator[_Part]:
    for task in spec.tasks:
        values = task_values(task.status, task.desc, task.progress, switches)
        yield task.device_key, task.product_key or spec.product_key, task.from_version or "1.0", values


def _generated(spec: JobSpec, devices: DevicesSpec, switches: Switches) -> Iterator[_Part]:
    keys = (devices.key.format(number) for number in range(devices.first, devices.first + devices.count))
    versions = cycle(devices.from_version or ["1.0"])
    states = {str(status): count for status, count in devices.states.items()} or {"init": devices.count}
    values: Iterable[tuple[str, str, int]] = chain.from_iterable(
        repeat(task_values(status, None, None, switches), count) for status, count in states.items()
    )
    product = devices.product_key or spec.product_key
    return ((key, product, version, value) for key, version, value in zip(keys, versions, values, strict=False))


def _i18n(text: I18nText | None) -> dict[str, object] | None:
    return None if text is None else {"defaultValue": text.default_value, "i18nValue": dict(text.i18n_value)}
