"""Reading, before a change is made, what it would meet: nothing is written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from enos_ota.enos import TaskStatus
from enos_ota.reconciler.classify import Past, classify, facts_of, fold
from enos_ota.reconciler.forecast import Forecast
from enos_ota.reconciler.outcome import Category, JobStatus
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Collection

    from enos_ota.enos import EnosClient
    from enos_ota.reconciler.workers import Workers

MAX_KEYS: Final = 20_000
"""Keys whose tasks are read; of a larger change only the job's counts are given. 100 requests, some seconds."""

_WAITING: Final = (TaskStatus.INIT, TaskStatus.PUBLISHED)
_COUNTED: Final = (*_WAITING, TaskStatus.UPGRADING, TaskStatus.SUCCEEDED, TaskStatus.FAILED)


def survey(
    client: EnosClient,
    job_id: str,
    added: Collection[str],
    *,
    markers: Collection[str],
    max_keys: int = MAX_KEYS,
    workers: Workers | None = None,
) -> Forecast:
    """What a change that works on these keys would meet now.

    Costs one request for the job, two for counts and one for 200 keys; keys without a task are asked for twice.

    Args:
        client: Whom to ask.
        job_id: The job.
        added: The keys.
        markers: Texts by which a failed task is known to have been cancelled.
        max_keys: With more keys than this their tasks are not read; six requests count the job's tasks by status.
        workers: How many searches at once; one after the other when left out.

    Raises:
        JobNotFound: There is no such job.
        EnosError: It could not be read.
    """
    forecast = Forecast(facts_of(client.get_job(job_id)), len(added), total=client.count_tasks(job_id))
    if len(added) > max_keys:
        return _by_status(client, job_id, forecast)
    waiting = client.count_tasks(job_id, statuses=_WAITING)
    tasks = TaskReader(client, job_id, workers=workers).of_keys_surely(added).complete()
    known = fold(markers)
    published = cancelled = 0
    others: dict[Category, dict[str, str]] = defaultdict(dict)
    cancellable: dict[str, str] = {}
    for key, rows in sorted(tasks.items()):
        finding = classify(rows, known, Past.NOTHING)
        if finding is None:
            cancelled += 1
        elif finding.can_be_sent:
            cancellable[key] = finding.status
            published += rows[0].status is TaskStatus.PUBLISHED
        else:
            others[finding.category][key] = finding.status
    twins = [task for key in others.get(Category.AMBIGUOUS, ()) for task in tasks[key]]
    if forecast.job.status is JobStatus.STOPPED and cancellable:
        others[Category.HELD], cancellable, published = cancellable, {}, 0
    return replace(
        forecast,
        will_cancel=len(cancellable),
        published=published,
        cancelled=cancelled,
        ambiguous_waiting=sum(task.status in _WAITING for task in twins),
        others={category: others[category] for category in Category if category in others},
        waiting=waiting,
    )


def _by_status(client: EnosClient, job_id: str, forecast: Forecast) -> Forecast:
    counts = {status: client.count_tasks(job_id, statuses=[status]) for status in _COUNTED}
    waiting = [counts[status] for status in _WAITING]
    return replace(
        forecast,
        looked=False,
        waiting=None if None in waiting else sum(number or 0 for number in waiting),
        by_status={status.value: number for status, number in counts.items()},
    )
