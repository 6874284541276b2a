"""Jobs and tasks, held so that a search in a million tasks takes milliseconds, and what a search sees of late changes.

A job keeps its tasks in a list in the order of their ids, a column of status bytes beside it, and for every block of
the list the number of tasks in each status. A page of "all `init` of this job" skips whole blocks; a search by device
key is a look-up. Nothing is ever sorted or scanned for these two.

Searches may lag behind changes (`index_delay`): `rows` is what searches see, `ahead` what they do not see yet.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

STATUSES: Final = ("init", "published", "upgrading", "succeeded", "failed", "canceled")
"""Every status a task can have. The first five are documented [D]; the last is there for `cancelled_as` [U]."""

_NUMBER: Final = {status: number for number, status in enumerate(STATUSES)}
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Task:
    """One device's part in a job. `place`: its position among the job's tasks. `update_time`: Unix ms."""

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
    """A job. `info` holds the fields of JobInfo that decide nothing here, ready for JSON. `create_time`: Unix ms."""

    job_id: str
    org_id: str
    status: str
    create_time: int
    info: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """JobInfo as EnOS gives it [D]."""
        return {
            "orgId": self.org_id,
            "jobId": self.job_id,
            **self.info,
            "status": self.status,
            "createTime": self.create_time,
        }


class JobTasks:
    """A job with its tasks. `seen` is the job as searches see it; `job` as it is."""

    def __init__(self, job: Job, tasks: Iterable[Task]) -> None:
        self.job = job
        self.seen = job
        self.deleted = False
        self.info_without_twin: Mapping[str, Any] | None = None
        """Of a job that holds a twin (see `twins`), what its info was before."""
        self.rows: list[Task] = list(tasks)
        self.ahead: dict[int, Task] = {}
        self._id_prefix = hashlib.sha256(f"{job.org_id}/{job.job_id}".encode()).hexdigest()[:16]
        self._place: dict[str, int] = {}
        self._twins: dict[str, tuple[int, ...]] = {}
        for task in self.rows:
            if self._place.setdefault(task.device_key, task.place) != task.place:
                # One key under two products: rare, so the usual case pays nothing for it.
                first = self._place[task.device_key]
                self._twins[task.device_key] = (*self._twins.get(task.device_key, (first,)), task.place)
        self._column = bytearray(_NUMBER[task.status] for task in self.rows)
        self._blocks = [
            [self._column.count(number, start, start + _BLOCK) for number in range(len(STATUSES))]
            for start in range(0, len(self._column), _BLOCK)
        ]
        self._totals = [sum(block[number] for block in self._blocks) for number in range(len(STATUSES))]
        self._counts = list(self._totals)

    def places(self, key: str) -> tuple[int, ...]:
        """Where the tasks of a device key stand; none, one, or several if the key exists under several products."""
        if key in self._twins:
            return self._twins[key]
        place = self._place.get(key)
        return () if place is None else (place,)

    def task(self, place: int) -> Task:
        """A task as it is, whether or not searches see it yet."""
        return self.ahead.get(place) or self.rows[place]

    def tasks(self) -> Iterator[Task]:
        """All tasks as they are, in the order of their ids."""
        return (self.task(place) for place in range(len(self.rows)))

    def counts(self) -> dict[str, int]:
        """How many tasks are in each status, as they are; the documented five always, `canceled` if there are any."""
        counts = dict(zip(STATUSES, self._counts, strict=True))
        return {status: count for status, count in counts.items() if count or status != "canceled"}

    def count(self, statuses: Iterable[str]) -> int:
        """How many tasks are in one of these statuses, as they are."""
        return sum(self._counts[_NUMBER[status]] for status in statuses)

    def places_in(self, status: str) -> list[int]:
        """Where all tasks of a status stand, as they are, in their order. Looks at every task."""
        number = _NUMBER[status]
        places = {place for place, one in enumerate(self._column) if one == number}
        for place, task in self.ahead.items():
            (places.add if task.status == status else places.discard)(place)
        return sorted(places)

    def put(self, task: Task) -> Task:
        """A task is now as given; searches do not see it yet. What it was before."""
        before = self.task(task.place)
        self._counts[_NUMBER[before.status]] -= 1
        self._counts[_NUMBER[task.status]] += 1
        self.ahead[task.place] = task
        return before

    def append(self, task: Task) -> None:
        """One more task, whose place is the next; searches see it at once."""
        number = _NUMBER[task.status]
        self.rows.append(task)
        self._column.append(number)
        if task.place % _BLOCK == 0:
            self._blocks.append([0] * len(STATUSES))
        for counts in (self._blocks[-1], self._totals, self._counts):
            counts[number] += 1
        first = self._place.setdefault(task.device_key, task.place)
        if first != task.place:
            self._twins[task.device_key] = (*self._twins.get(task.device_key, (first,)), task.place)

    def pop(self) -> None:
        """The last task is gone; searches must have seen all there is to see of it."""
        task = self.rows.pop()
        number = self._column.pop()
        for counts in (self._blocks[-1], self._totals, self._counts):
            counts[number] -= 1
        if task.place % _BLOCK == 0:
            self._blocks.pop()
        others = tuple(place for place in self.places(task.device_key) if place != task.place)
        self._twins.pop(task.device_key, None)
        if len(others) > 1:
            self._twins[task.device_key] = others
        elif not others:
            del self._place[task.device_key]

    def show(self, tasks: Sequence[Task]) -> None:
        """Let searches see these changed tasks."""
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
            self.rows[place] = task
            if self.ahead.get(place) is task:
                del self.ahead[place]

    def count_seen(self, statuses: frozenset[str] | None) -> int:
        """How many tasks a search by status finds; None: all."""
        if statuses is None:
            return len(self.rows)
        return sum(self._totals[_NUMBER[status]] for status in statuses if status in _NUMBER)

    def page_seen(self, statuses: frozenset[str] | None, start: int, size: int) -> list[Task]:
        """A part of what a search by status finds, in the order of the ids."""
        if statuses is None:
            return self.rows[start : start + size]
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
            found += [self.rows[place] for place in matching[start : start + size - len(found)]]
            start = 0
            if len(found) == size:
                break
        return found

    def as_json(self, task: Task) -> dict[str, Any]:
        """TaskInfo as EnOS gives it [D]."""
        return {
            "taskId": f"{self._id_prefix}{task.place:08x}",
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

    @property
    def id_prefix(self) -> str:
        """What the ids of this job's tasks begin with; they go by it when rows of several jobs are put in order."""
        return self._id_prefix


class Listener(Protocol):
    """Who wants to hear of changes."""

    def job_changed(self, held: JobTasks) -> None:
        """A job was added with its tasks, or has changed."""

    def job_deleted(self, held: JobTasks) -> None:
        """A job is gone, and its tasks."""

    def tasks_changed(self, held: JobTasks, changes: Sequence[tuple[Task, Task]], at: int) -> None:
        """Tasks have changed, each before and after, or were added, then both are the same. `at`: Unix ms."""

    def task_removed(self, held: JobTasks, place: int) -> None:
        """The last task of a job, at this place, is gone."""


class Store:
    """All jobs. `clock` gives Unix ms, `delay` how long (seconds) searches lag behind at that moment."""

    def __init__(self, clock: Callable[[], int], delay: Callable[[], float]) -> None:
        self._clock = clock
        self._delay = delay
        self._jobs: dict[str, JobTasks] = {}
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self.version = 0
        """Grows whenever what searches see changes."""
        self.listeners: list[Listener] = []
        """Who is told of every change, in this order."""

    def add(self, job: Job, tasks: Iterable[Task]) -> JobTasks:
        """Add a job; searches see it at once. The id must be free."""
        return self.take(JobTasks(job, tasks))

    def take(self, held: JobTasks) -> JobTasks:
        """Add a job that is made already."""
        self._jobs[held.job.job_id] = held
        self.version += 1
        self.changed(held)
        return held

    def changed(self, held: JobTasks) -> None:
        """Tell that a job has changed."""
        for listener in self.listeners:
            listener.job_changed(held)

    def find(self, job_id: str, org_id: str | None = None) -> JobTasks | None:
        """A job as it is; none if it was deleted, or belongs to another organisation than the one asked for."""
        found = self._jobs.get(job_id)
        if found is None or found.deleted or (org_id is not None and found.job.org_id != org_id):
            return None
        return found

    def jobs(self) -> list[JobTasks]:
        """All jobs as they are, in the order they were added."""
        return [held for held in self._jobs.values() if not held.deleted]

    def seen(self, org_id: str) -> list[JobTasks]:
        """The jobs of an organisation that searches see now. Brings what they see up to date first."""
        self.settle()
        return [held for held in self._jobs.values() if held.job.org_id == org_id]

    def seen_job(self, job_id: str, org_id: str) -> JobTasks | None:
        """One of `seen`, without looking at the others."""
        self.settle()
        held = self._jobs.get(job_id)
        return held if held is not None and held.job.org_id == org_id else None

    def write(self, held: JobTasks, changed: Sequence[Task], at: int | None = None) -> None:
        """Tasks are now as given, or were so `at` an earlier time (Unix ms); searches see it after the delay."""
        at = self._clock() if at is None else at
        before = [held.put(task) for task in changed]
        self._later(lambda: held.show(changed), at)
        self._tell(held, list(zip(before, changed, strict=True)), at)

    def set_job(self, held: JobTasks, **values: Any) -> None:
        """The job's fields are now as given; searches see it after the delay."""
        job = held.job = dataclasses.replace(held.job, **values)

        def show() -> None:
            held.seen = job

        self._later(show)
        self.changed(held)

    def delete(self, held: JobTasks) -> None:
        """The job and its tasks are gone; searches see it after the delay."""
        held.deleted = True
        for listener in self.listeners:
            listener.job_deleted(held)

        def show() -> None:
            if self._jobs.get(held.job.job_id) is held:
                del self._jobs[held.job.job_id]

        self._later(show)

    def append(self, held: JobTasks, task: Task) -> None:
        """A job has one more task; searches see it at once."""
        held.append(task)
        self.version += 1
        self._tell(held, [(task, task)], self._clock())

    def pop(self, held: JobTasks) -> None:
        """The last task of a job is gone; searches must have seen all there is to see of it."""
        held.pop()
        self.version += 1
        for listener in self.listeners:
            listener.task_removed(held, len(held.rows))

    def show_all(self) -> None:
        """Let searches see everything now."""
        while self._waiting:
            self._waiting.popleft()[1]()
        self.version += 1

    def settle(self) -> None:
        """Let searches see what they may see by now."""
        if not self._waiting:
            return
        delay, now = self._delay(), self._clock()
        while self._waiting and (delay == 0 or self._waiting[0][0] <= now):
            self._waiting.popleft()[1]()
            self.version += 1

    def _tell(self, held: JobTasks, changes: list[tuple[Task, Task]], at: int) -> None:
        for listener in self.listeners:
            listener.tasks_changed(held, changes, at)

    def _later(self, show: Callable[[], None], at: int | None = None) -> None:
        self._waiting.append(((self._clock() if at is None else at) + self._delay() * 1000, show))
        self.settle()
