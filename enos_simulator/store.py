"""Jobs and tasks in memory, with an index that finds a page by status or a device key among a million within ms.

A job has a list of its tasks, a column of their status bytes, and the number of each status in every block of the list.
The index may lag behind changes (`index_delay`): searches use `indexed_tasks`; `newer` has the changes since.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from enos_simulator.environment import Environment

STATUSES: Final = ("init", "published", "upgrading", "succeeded", "failed", "canceled")
"""And status a task can have. The first five are documented [D]; the last is there for `cancelled_as` [U]."""

_NUMBER: Final = {status: number for number, status in enumerate(STATUSES)}
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Task:
    """The upgrade of one device by a job. `place`: its position among the job's tasks. `update_time`: Unix ms."""

    place: int
    device_key: str
    product_key: str
    from_version: str
    status: str
    desc: str
    progress: int
    update_time: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `info`: the other fields of JobInfo, ready for JSON. `create_time`: Unix ms."""

    job_id: str
    org_id: str
    status: str
    create_time: int
    info: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return JobInfo [D]."""
        return {
            "orgId": self.org_id,
            "jobId": self.job_id,
            **self.info,
            "status": self.status,
            "createTime": self.create_time,
        }


class JobTasks:
    """A job with its tasks. `indexed_job`: the job in the search index; `job`: the current one."""

    def __init__(self, job: Job, tasks: Iterable[Task]) -> None:
        self.job = job
        self.indexed_job = job
        self.deleted = False
        self.indexed_tasks: list[Task] = list(tasks)
        self.newer: dict[int, Task] = {}
        self.id_prefix = hashlib.sha256(f"{job.org_id}/{job.job_id}".encode()).hexdigest()[:16]
        self._place: dict[str, int] = {}
        self._places: dict[str, tuple[int, ...]] = {}
        """Places of the keys that exist under several products: rare, so the usual case costs nothing."""
        for task in self.indexed_tasks:
            self._add_place(task)
        self._column = bytearray(_NUMBER[task.status] for task in self.indexed_tasks)
        self._blocks = [
            [self._column.count(number, start, start + _BLOCK) for number in range(len(STATUSES))]
            for start in range(0, len(self._column), _BLOCK)
        ]
        self._totals = [sum(block[number] for block in self._blocks) for number in range(len(STATUSES))]
        self._counts = list(self._totals)

    def places(self, key: str) -> tuple[int, ...]:
        """Return the places of a device key's tasks: none, one, or several if the key exists under several products."""
        if key in self._places:
            return self._places[key]
        place = self._place.get(key)
        return () if place is None else (place,)

    def task(self, place: int) -> Task:
        """Return the current task, whether or not it is indexed yet."""
        return self.newer.get(place) or self.indexed_tasks[place]

    def tasks(self) -> Iterator[Task]:
        """Return all current tasks, in the order of their ids."""
        return (self.task(place) for place in range(len(self.indexed_tasks)))

    def counts(self) -> dict[str, int]:
        """Return the current number of tasks by status; `canceled` only if there are any."""
        counts = dict(zip(STATUSES, self._counts, strict=True))
        return {status: count for status, count in counts.items() if count or status != "canceled"}

    def count(self, statuses: Iterable[str]) -> int:
        """Return the current number of tasks in these statuses."""
        return sum(self._counts[_NUMBER[status]] for status in statuses)

    def places_in(self, status: str) -> list[int]:
        """Return the places of all current tasks in a status, in their order. Reads every task."""
        number = _NUMBER[status]
        places = {place for place, one in enumerate(self._column) if one == number}
        for place, task in self.newer.items():
            (places.add if task.status == status else places.discard)(place)
        return sorted(places)

    def update(self, task: Task) -> Task:
        """Replace a task, without indexing it yet; return the old one."""
        before = self.task(task.place)
        self._counts[_NUMBER[before.status]] -= 1
        self._counts[_NUMBER[task.status]] += 1
        self.newer[task.place] = task
        return before

    def append(self, task: Task) -> None:
        """Add and index a task, whose place is the next."""
        number = _NUMBER[task.status]
        self.indexed_tasks.append(task)
        self._column.append(number)
        if task.place % _BLOCK == 0:
            self._blocks.append([0] * len(STATUSES))
        for counts in (self._blocks[-1], self._totals, self._counts):
            counts[number] += 1
        self._add_place(task)

    def _add_place(self, task: Task) -> None:
        first = self._place.setdefault(task.device_key, task.place)
        if first != task.place:
            self._places[task.device_key] = (*self._places.get(task.device_key, (first,)), task.place)

    @property
    def has_shared_key(self) -> bool:
        """Whether a device key exists under several products."""
        return bool(self._places)

    def index(self, tasks: Sequence[Task]) -> None:
        """Index changed tasks."""
        for task in tasks:
            place, number = task.place, _NUMBER[task.status]
            before = self._column[place]
            if before != number:
                self._column[place] = number
                block = self._blocks[place // _BLOCK]
                block[before] -= 1
                block[number] += 1
                self._totals[before] -= 1
                self._totals[number] += 1
            self.indexed_tasks[place] = task
            if self.newer.get(place) is task:
                del self.newer[place]

    def count_indexed(self, statuses: frozenset[str] | None) -> int:
        """Return the number of indexed tasks in these statuses; None: all."""
        if statuses is None:
            return len(self.indexed_tasks)
        return sum(self._totals[_NUMBER[status]] for status in statuses if status in _NUMBER)

    def page_indexed(self, statuses: frozenset[str] | None, start: int, size: int) -> list[Task]:
        """Return a page of the indexed tasks in these statuses, in the order of their ids; None: all statuses."""
        if statuses is None:
            return self.indexed_tasks[start : start + size]
        wanted = [_NUMBER[status] for status in statuses if status in _NUMBER]
        found: list[Task] = []
        for index, block in enumerate(self._blocks):
            here = sum(block[number] for number in wanted)
            if here <= start:
                start -= here
                continue
            first = index * _BLOCK
            matching = [
                place for place, number in enumerate(self._column[first : first + _BLOCK], first) if number in wanted
            ]
            found += [self.indexed_tasks[place] for place in matching[start : start + size - len(found)]]
            start = 0
            if len(found) == size:
                break
        return found

    def as_json(self, task: Task) -> dict[str, Any]:
        """Return TaskInfo [D]."""
        return {
            "taskId": f"{self.id_prefix}{task.place:08x}",
            "orgId": self.job.org_id,
            "assetId": hashlib.sha256(f"{task.product_key}/{task.device_key}".encode(errors="replace")).hexdigest()[:8],
            "productKey": task.product_key,
            "deviceKey": task.device_key,
            "jobId": self.job.job_id,
            "fromVersion": task.from_version,
            "toVersion": self.job.info["firmwareVersion"],
            "progress": task.progress,
            "desc": task.desc,
            "status": task.status,
            "updateTime": task.update_time,
        }


class ChangeListener(Protocol):
    """Receives every change."""

    def job_changed(self, job_tasks: JobTasks) -> None:
        """A job was added, changed or (`deleted`) deleted with its tasks."""

    def tasks_changed(self, job_tasks: JobTasks, changes: Sequence[tuple[Task, Task]], at: int) -> None:
        """Tasks changed (each before and after), or were added (both the same). `at`: Unix ms."""


class Store:
    """All jobs. `environment` decides the time and how long the index lags behind."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._jobs: dict[str, JobTasks] = {}
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self.version = 0
        """Grows whenever the index changes."""
        self.listeners: list[ChangeListener] = []
        """Notified of every change, in this order."""

    def add(self, job_tasks: JobTasks) -> None:
        """Add and index a job. Its id must be free."""
        self._jobs[job_tasks.job.job_id] = job_tasks
        self.version += 1
        self._notify_job(job_tasks)

    def _notify_job(self, job_tasks: JobTasks) -> None:
        for listener in self.listeners:
            listener.job_changed(job_tasks)

    def find(self, job_id: str, org_id: str | None = None) -> JobTasks | None:
        """Return the current job; None if it was deleted or belongs to another organization."""
        found = self._jobs.get(job_id)
        if found is None or found.deleted or (org_id is not None and found.job.org_id != org_id):
            return None
        return found

    def jobs(self) -> list[JobTasks]:
        """Return all current jobs, in the order they were added."""
        return [job_tasks for job_tasks in self._jobs.values() if not job_tasks.deleted]

    def indexed_jobs(self, org_id: str, job_ids: Iterable[str] | None = None) -> list[JobTasks]:
        """Update the index and return the jobs of an organization in it; None: whatever their id."""
        self.settle()
        ids = self._jobs if job_ids is None else self._jobs.keys() & set(job_ids)
        return [self._jobs[job_id] for job_id in ids if self._jobs[job_id].job.org_id == org_id]

    def write(self, job_tasks: JobTasks, changed: Sequence[Task], at: int | None = None) -> None:
        """Replace tasks now or `at` an earlier time (Unix ms); index them after the delay."""
        at = self._environment.clock() if at is None else at
        before = [job_tasks.update(task) for task in changed]
        self._index_later(lambda: job_tasks.index(changed), at)
        self._notify_tasks(job_tasks, list(zip(before, changed, strict=True)), at)

    def set_job(self, job_tasks: JobTasks, **values: Any) -> None:
        """Change fields of a job; index it after the delay."""
        job = job_tasks.job = dataclasses.replace(job_tasks.job, **values)

        def index() -> None:
            job_tasks.indexed_job = job

        self._index_later(index)
        self._notify_job(job_tasks)

    def delete(self, job_tasks: JobTasks) -> None:
        """Delete a job and its tasks; remove them from the index after the delay."""
        job_tasks.deleted = True
        self._notify_job(job_tasks)

        def remove() -> None:
            if self._jobs.get(job_tasks.job.job_id) is job_tasks:
                del self._jobs[job_tasks.job.job_id]

        self._index_later(remove)

    def append(self, job_tasks: JobTasks, task: Task) -> None:
        """Add and index one more task of a job."""
        job_tasks.append(task)
        self.version += 1
        self._notify_tasks(job_tasks, [(task, task)], self._environment.clock())

    def settle(self) -> None:
        """Index the changes whose delay is over."""
        if not self._waiting:
            return
        delay, now = self._environment.switches.index_delay, self._environment.clock()
        while self._waiting and (delay == 0 or self._waiting[0][0] <= now):
            self._waiting.popleft()[1]()
            self.version += 1

    def _notify_tasks(self, job_tasks: JobTasks, changes: list[tuple[Task, Task]], at: int) -> None:
        for listener in self.listeners:
            listener.tasks_changed(job_tasks, changes, at)

    def _index_later(self, index: Callable[[], None], at: int | None = None) -> None:
        at = self._environment.clock() if at is None else at
        self._waiting.append((at + self._environment.switches.index_delay * 1000, index))
        self.settle()
