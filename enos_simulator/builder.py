"""Builder: jobs and tasks from their description in a fleet."""

from __future__ import annotations

from collections import Counter
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Final

from enos_simulator.errors import SetupError
from enos_simulator.jobs import cancelled
from enos_simulator.store import STATUSES, Job, JobTasks, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_simulator.fleet import JobSpec
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


# Fields of a JobSpec that are not in JobInfo, or are attributes of a Job.
_NO_INFO: Final = {"job_id", "org_id", "status", "create_time", "tasks", "devices"}

# An unused selector is null, as in the documented sample [D].
_SCOPE: Final = {"type": "total", **dict.fromkeys(("versionNumbers", "deviceKeys", "attributes", "tags", "assetTrees"))}


def make_job(spec: JobSpec, org_id: str, status: str, switches: Switches) -> JobTasks:
    """Build a job and its tasks in the order of their ids. `org_id` and `status` are the defaults."""
    info = spec.model_dump(by_alias=True, exclude=_NO_INFO)
    info["name"] = info["name"] or {"defaultValue": f"Upgrade to {spec.firmware_version}", "i18nValue": {}}
    info["upgradeScope"] = _SCOPE | (spec.upgrade_scope or {})
    created = CREATE_TIME if spec.create_time is None else spec.create_time
    tasks = [
        Task(place, key, product or spec.product_key, version, state, desc, progress, created)
        for place, (key, product, version, (state, desc, progress)) in enumerate(_parts(spec, switches))
    ]
    keys = Counter((task.product_key, task.device_key) for task in tasks)
    if len(keys) != len(tasks):
        repeated = [key for (_, key), count in keys.items() if count > 1][:3]
        text = f"device key {', '.join(repeated)} occurs more than once under the same product"
        raise SetupError([f"job {spec.job_id}: {text}"])
    if any(product != spec.product_key for product, _ in keys):
        info["productKey"] = None  # newer firmware may belong to no product; the job names none then [D]
    return JobTasks(Job(spec.job_id, spec.org_id or org_id, spec.status or status, created, info), tasks)


def _parts(spec: JobSpec, switches: Switches) -> Iterator[tuple[str, str | None, str, tuple[str, str, int]]]:
    """Yield device key, product key, version, and status, desc and progress of each task."""
    for task in spec.tasks:
        values = task_values(task.status, task.desc, task.progress, switches)
        yield task.device_key, task.product_key, task.from_version, values
    for group in spec.devices:
        states = group.states or {"init": group.count}
        repeated = (repeat(task_values(status, None, None, switches), count) for status, count in states.items())
        numbers = range(group.first, group.first + group.count)
        for number, version, values in zip(
            numbers, cycle(group.from_version), chain.from_iterable(repeated), strict=False
        ):
            yield group.key.format(number), group.product_key, version, values


def task_values(status: str, desc: str | None, progress: int | None, switches: Switches) -> tuple[str, str, int]:
    """Return status, desc and progress of a task; desc and progress default to those of the status."""
    if status == "cancelled":
        status, default_desc, default_progress = cancelled(switches)
    elif status in STATUSES:
        default_desc, default_progress = _DEFAULTS[status]
    else:
        raise ValueError(f"status: one of {', '.join(STATUSES)} or cancelled, not {status!r}")
    return status, default_desc if desc is None else desc, default_progress if progress is None else progress
