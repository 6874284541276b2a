"""OTA jobs: the calls get, search, searchTask, cancelTask, retryTask, start, stop, with both state machines.

Order of the checks: 24404, then 24617, then the keys, then 24620 or 24621 [I]. Arguments are checked before the job.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from enos_simulator import expression
from enos_simulator.errors import BusinessError, Code, invalid
from enos_simulator.journal import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enos_simulator.environment import Environment
    from enos_simulator.expression import Condition
    from enos_simulator.store import Job, JobTasks, Store, Task
    from enos_simulator.switches import Switches

_EQUAL_IN: Final = frozenset({"=", "in"})
_EQUAL: Final = frozenset({"="})
_LIKE: Final = frozenset({"like"})
_DEFAULT: Final = ("defaultValue", "default")
_LOCALES: Final = ("zh_CN", "en_US", "ja_JP", "es_ES")

TASK_FIELDS: Final = dict.fromkeys(("jobId", "deviceKey", "fromVersion", "toVersion", "status", "desc"), _EQUAL_IN)
"""Fields of searchTask and their operators [D]."""

# The other fields are the job's.
_TASK_ATTRIBUTES: Final = {
    "deviceKey": "device_key",
    "fromVersion": "from_version",
    "status": "status",
    "desc": "desc",
}

JOB_FIELDS: Final = {
    **dict.fromkeys(("productKey", "firmwareId", "firmwareVersion"), _EQUAL_IN),
    **dict.fromkeys(("type", "status"), _EQUAL),
    **{
        name: _LIKE
        for base in ("name", "firmwareName")
        for name in (base, *(f"{base}.{key}" for key in (*_DEFAULT, *_LOCALES)))
    },
}
"""Fields of search and their operators [D]; `.default`, `.ja_JP` and `.es_ES` are seen in official samples [S]."""

_BY_INDEX: Final = frozenset({"jobId", "status"})
_FIRST_PAGE: Final = 10


@dataclass(frozen=True, slots=True)
class CallResult:
    """Result of a call: `data`, `pagination` of a search, and the tasks that it changed."""

    data: Any = None
    pagination: dict[str, Any] | None = None
    changes: tuple[Change, ...] = ()


class PartialCancelError(BusinessError):
    """A cancelTask is refused, but changed some tasks (`cancel_mode` partial)."""

    def __init__(self, refusal: BusinessError, changes: tuple[Change, ...]) -> None:
        super().__init__(refusal.code, refusal.msg)
        self.changes = changes


class OtaJobs:
    """The calls, on a store."""

    def __init__(self, store: Store, environment: Environment) -> None:
        self._store = store
        self._environment = environment
        self._ordered: tuple[object, list[tuple[JobTasks, Task]]] | None = None

    def get(self, org_id: str, job_id: str) -> CallResult:
        """Return JobInfo of one job, always current."""
        return CallResult(self._job(org_id, job_id).job.as_json())

    def search(self, org_id: str, body: Mapping[str, Any]) -> CallResult:
        """Return JobInfo of the jobs that match, the newest first [D]."""
        condition = _condition(body, JOB_FIELDS)
        page_no, size = self._page(body)
        found = [job_tasks.indexed_job for job_tasks in self._store.indexed_jobs(org_id)]
        found = expression.select(condition, found, lambda name: partial(_texts_of, name))
        found.sort(key=lambda job: (-job.create_time, job.job_id))
        start = (page_no - 1) * size
        rows = [job.as_json() for job in found[start : start + size]]
        return CallResult(rows, self._pagination(page_no, size, len(found)))

    def search_task(self, org_id: str, body: Mapping[str, Any]) -> CallResult:
        """Return TaskInfo of the tasks that match."""
        condition = _condition(body, TASK_FIELDS)
        page_no, size = self._page(body)
        total, rows = self._tasks(org_id, condition, (page_no - 1) * size, size)
        return CallResult([job_tasks.as_json(task) for job_tasks, task in rows], self._pagination(page_no, size, total))

    def set_status(self, org_id: str, job_id: str, status: str) -> CallResult:
        """Start a stopped job, else 24615, or stop a started one, else 24616. Its tasks do not change [U]."""
        job_tasks = self._job(org_id, job_id)
        if job_tasks.job.status == status:
            raise BusinessError(Code.JOB_STARTED if status == "started" else Code.JOB_STOPPED, f"Job has {status}")
        self._store.set_job(job_tasks, status=status)
        return CallResult()

    def cancel_task(self, org_id: str, job_id: str, body: Mapping[str, Any]) -> CallResult:
        """Cancel init and published tasks. Raises PartialCancelError if it did so, but refuses another key."""
        switches = self._environment.switches
        job_tasks, tasks = self._running(org_id, job_id, body)
        eligible = [task for task in tasks if task.status in {"init", "published"}]
        others = [task for task in tasks if task.status not in {"init", "published"}]
        if switches.repeat_cancel == "ok":
            others = [task for task in others if not is_cancelled(task, switches)]
        refusal = BusinessError(Code.NOT_CANCELABLE, "Only init or published tasks can be canceled")
        if others and switches.cancel_mode == "atomic":
            raise refusal
        status, desc, progress = cancelled(switches)
        changes = self.change(job_tasks, eligible, status=status, desc=desc, progress=progress)
        if others:
            raise PartialCancelError(refusal, changes)
        return CallResult(changes=changes)

    def retry_task(self, org_id: str, job_id: str, body: Mapping[str, Any]) -> CallResult:
        """Reset failed (or cancelled) tasks to init (`retry_to`), all or none; else 24621."""
        job_tasks, tasks = self._running(org_id, job_id, body)
        if any(task.status not in {"failed", "canceled"} for task in tasks):
            raise BusinessError(Code.NOT_RETRYABLE, "Only failed tasks can be retried")
        return CallResult(
            changes=self.change(job_tasks, tasks, status=self._environment.switches.retry_to, desc="", progress=0)
        )

    def change(self, job_tasks: JobTasks, tasks: list[Task], **values: Any) -> tuple[Change, ...]:
        """Set new values of tasks; return the change of each."""
        now = self._environment.clock()
        changed = [dataclasses.replace(task, update_time=now, **values) for task in tasks]
        self._store.write(job_tasks, changed)
        return tuple(
            Change(old.device_key, old.product_key, (old.status, old.desc), (new.status, new.desc))
            for old, new in zip(tasks, changed, strict=True)
        )

    def _job(self, org_id: str, job_id: str) -> JobTasks:
        if not job_id:
            raise invalid("jobId", "jobId is missing")
        job_tasks = self._store.find(job_id, org_id)
        if job_tasks is None:
            raise BusinessError(Code.JOB_NOT_FOUND, "Job not found")
        return job_tasks

    def _running(self, org_id: str, job_id: str, body: Mapping[str, Any]) -> tuple[JobTasks, list[Task]]:
        """Return the started job and the tasks of the keys in the body, each once."""
        switches = self._environment.switches
        keys = device_keys(body)
        if keys is None:
            raise invalid("deviceKeys", "deviceKeys must be a non-empty list of texts")
        if switches.max_keys and len(set(keys)) > switches.max_keys:
            raise invalid("deviceKeys", f"more than {switches.max_keys} device keys")
        job_tasks = self._job(org_id, job_id)
        if job_tasks.job.status != "started":
            raise BusinessError(Code.JOB_NOT_RUNNING, "Job not running")
        tasks = []
        for key in dict.fromkeys(keys):
            places = job_tasks.places(key)
            if not places and switches.unknown_key == "error":
                raise invalid("deviceKeys", f"device {key} has no task in the job")
            tasks += [job_tasks.task(place) for place in places]
        return job_tasks, tasks

    def _page(self, body: Mapping[str, Any]) -> tuple[int, int]:
        """Return number and size of the requested page; without pagination page 1 of size 10 [D]."""
        largest, window = self._environment.switches.max_page, self._environment.switches.max_window
        pagination = body.get("pagination")
        if pagination is None:
            pagination = {"pageNo": 1, "pageSize": min(_FIRST_PAGE, largest)}
        if not isinstance(pagination, dict):
            raise invalid("pagination", "pagination must be an object")
        page_no, size = (_whole(pagination, name) for name in ("pageNo", "pageSize"))
        if size > largest:
            raise invalid("pagination", f"pageSize must not be greater than {largest}")
        # The end of the page decides, whatever the number of rows: so does Elasticsearch [U].
        if window and page_no * size > window:
            raise invalid("pagination", f"pageNo x pageSize must not be greater than {window}")
        return page_no, size

    def _pagination(self, page_no: int, size: int, total: int) -> dict[str, Any]:
        cap = self._environment.switches.total_cap
        return {"sortedBy": None, "pageNo": page_no, "pageSize": size, "totalSize": min(total, cap) if cap else total}

    def _tasks(
        self, org_id: str, condition: Condition | None, start: int, size: int
    ) -> tuple[int, list[tuple[JobTasks, Task]]]:
        """Return the total of matching tasks, and those of the page."""
        must = expression.required(condition)
        jobs = self._jobs_with(org_id, must.get("jobId"))
        order = self._environment.switches.task_order
        if order == "taskId" and expression.only_requires(condition, _BY_INDEX):
            return _page_by_index(jobs, must.get("status"), start, size)
        # All pages of a search share one list until the index changes. A random order is new for every page.
        key = (org_id, condition, order, self._store.version)
        if self._ordered is None or self._ordered[0] != key or order == "random":
            self._ordered = (key, self._in_order(_matching(jobs, condition, must), order))
        rows = self._ordered[1]
        return len(rows), rows[start : start + size]

    def _jobs_with(self, org_id: str, job_ids: frozenset[str] | None) -> list[JobTasks]:
        return sorted(self._store.indexed_jobs(org_id, job_ids), key=lambda job_tasks: job_tasks.id_prefix)

    def _in_order(self, rows: list[tuple[JobTasks, Task]], order: str) -> list[tuple[JobTasks, Task]]:
        if order == "random":
            self._environment.rng.shuffle(rows)
        elif order == "updateTime":
            rows.sort(key=lambda row: row[1].update_time)
        else:
            rows.sort(key=lambda row: (row[0].id_prefix, row[1].place))
        return rows


def cancelled(switches: Switches) -> tuple[str, str, int]:
    """Return status, desc and progress of a cancelled task: `failed` with a text [I], progress 0 [U]."""
    if switches.cancelled_as == "canceled":
        return "canceled", "", 0
    return "failed", switches.cancelled_marker, 0


def is_cancelled(task: Task, switches: Switches) -> bool:
    """Return whether a task looks cancelled, by its status and desc."""
    return task.status == "canceled" or (task.status == "failed" and task.desc == switches.cancelled_marker)


def device_keys(body: object) -> tuple[str, ...] | None:
    """Return the device keys of a body, as sent; None without a non-empty list of texts."""
    keys = body.get("deviceKeys") if isinstance(body, dict) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key for key in keys):
        return None
    return tuple(keys)


def _condition(body: Mapping[str, Any], fields: Mapping[str, frozenset[str]]) -> Condition | None:
    text = body.get("expression")
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise invalid("expression", "expression must be a text")
    return expression.parse(text, fields)


def _whole(pagination: Mapping[str, Any], name: str) -> int:
    value = pagination.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid("pagination", f"{name} must be a whole number from 1")
    return value


def _page_by_index(
    jobs: list[JobTasks], statuses: frozenset[str] | None, start: int, size: int
) -> tuple[int, list[tuple[JobTasks, Task]]]:
    total = 0
    rows: list[tuple[JobTasks, Task]] = []
    for job_tasks in jobs:
        here = job_tasks.count_indexed(statuses)
        if len(rows) < size and start < total + here:
            begin = max(0, start - total)
            rows += [(job_tasks, task) for task in job_tasks.page_indexed(statuses, begin, size - len(rows))]
        total += here
    return total, rows


def _matching(
    jobs: list[JobTasks], condition: Condition | None, must: Mapping[str, frozenset[str]]
) -> list[tuple[JobTasks, Task]]:
    """Return every matching task; reads only the named device keys, or else only the named statuses."""
    found = []
    for job_tasks in jobs:
        if "deviceKey" in must:
            candidates = [
                job_tasks.indexed_tasks[place] for key in must["deviceKey"] for place in job_tasks.places(key)
            ]
        else:
            candidates = job_tasks.page_indexed(must.get("status"), 0, len(job_tasks.indexed_tasks))
        matching = expression.select(condition, candidates, partial(_task_texts, job_tasks))
        found += [(job_tasks, task) for task in matching]
    return found


def _task_texts(job_tasks: JobTasks, name: str) -> Callable[[Task], tuple[str, ...]]:
    """Return a function that returns the texts of a task to compare for a field."""
    if name in _TASK_ATTRIBUTES:
        value = attrgetter(_TASK_ATTRIBUTES[name])
        return lambda task: (value(task),)
    job_text = job_tasks.job.job_id if name == "jobId" else job_tasks.job.info["firmwareVersion"]
    return lambda _: (job_text,)


def _texts_of(name: str, job: Job) -> tuple[str, ...]:
    """Return the texts to compare for a field of a job.

    A name without a locale means all its texts [U]; a name with a locale means the text in it, or else the default
    text [U].
    """
    if name == "status":
        return (job.status,)
    base, _, locale = name.partition(".")
    value = job.info.get(base)
    if not isinstance(value, dict):
        return () if value is None else (str(value),)
    default, by_locale = value["defaultValue"], value["i18nValue"]
    return (by_locale.get(locale) or default,) if locale else (default, *by_locale.values())
