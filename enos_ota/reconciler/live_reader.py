"""Read the job and the tasks of a set before a change. No request writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from enos_ota.enos import JobNotFound
from enos_ota.plan.classify import normalise_markers
from enos_ota.plan.live import COUNTED, WAITING, LiveSet
from enos_ota.plan.plan import build_plan, keys_to_read
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from enos_ota.enos import EnosClient
    from enos_ota.plan import Plan, Record, TaskSet
    from enos_ota.reconciler.workers import Workers

MAX_KEYS: Final = 20_000
"""Keys whose tasks a preview reads; of a larger change it counts the job's tasks. 100 requests, some seconds."""


def read_job(client: EnosClient, job_id: str, *, by_status: bool = False) -> LiveSet:
    """Read a job and count its tasks: three requests, seven with a count for each status."""
    live = LiveSet(client.get_job(job_id), total=client.count_tasks(job_id))
    return _counted(client, job_id, live) if by_status else live


def read_live_set(
    client: EnosClient,
    plan: Plan,
    *,
    job: LiveSet | None = None,
    max_keys: int | None = MAX_KEYS,
    workers: Workers | None = None,
) -> LiveSet:
    """Read the job of a plan, and the tasks of the keys that decide what its change does.

    One request reads the tasks of 200 keys; keys without a task are asked for twice. With more than `max_keys` keys to
    work on no task is read, and the job's tasks are counted by status; None reads any number.
    """
    job_id = plan.task_set.job_id
    live = job or read_job(client, job_id)
    keys = keys_to_read(plan, is_stopped=live.is_stopped)
    if max_keys is not None and len(keys) > max_keys:
        keys = keys_to_read(plan, is_stopped=False)
    if max_keys is not None and len(keys) > max_keys:
        return live if live.by_status else _counted(client, job_id, live)
    if not job:
        live = replace(live, waiting=client.count_tasks(job_id, statuses=WAITING))
    if not keys:
        return live
    return live.with_tasks(TaskReader(client, job_id, workers=workers).of_keys_surely(keys).complete())


def read_plan(
    client: EnosClient,
    task_set: TaskSet,
    record: Record,
    *,
    today: date,
    markers: Collection[str],
    break_glass: str = "",
    job: LiveSet | None = None,
    max_keys: int | None = MAX_KEYS,
    workers: Workers | None = None,
) -> Plan:
    """Read a set as EnOS has it now and build the plan of a change: see `read_live_set` and `build_plan`.

    A job that EnOS does not have is part of the plan, not an error.
    """
    plan = build_plan(task_set, record, today=today)
    if job and not job.job:
        live = job
    else:
        try:
            live = read_live_set(client, plan, job=job, max_keys=max_keys, workers=workers)
        except JobNotFound as error:
            live = LiveSet(None, not_found=str(error))
    known = normalise_markers(markers)
    return build_plan(task_set, record, live, today=today, markers=known, break_glass=break_glass)


def _counted(client: EnosClient, job_id: str, live: LiveSet) -> LiveSet:
    """Add the number of the job's tasks in each status."""
    counts = {status: client.count_tasks(job_id, statuses=[status]) for status in COUNTED}
    waiting = [counts[status] for status in WAITING]
    known = None if None in waiting else sum(number or 0 for number in waiting)
    return replace(live, by_status=counts, waiting=known)
