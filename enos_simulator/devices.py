"""Devices: the changes of tasks that no call makes, driven by the clock.

There is no thread: every request to the simulator first carries out the events that are due, in order and with the time
at which they were due. Only published and upgrading tasks have events.

Rules [D] unless marked: a started job publishes `init` tasks while a slot of its maximumConcurrency is free;
`published` and `upgrading` tasks take a slot; a stopped job publishes nothing, its published tasks wait [U] and its
upgrading tasks continue [U]; a job's retryPolicy retries failed tasks, cancelled ones only with
`auto_retry_cancelled` [U].
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from enos_simulator.builder import task_values
from enos_simulator.jobs import is_cancelled
from enos_simulator.movement import NO_MOVEMENT, Movement

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from enos_simulator.environment import Environment
    from enos_simulator.store import JobTasks, Store, Task

_ACTIVE: Final = frozenset({"published", "upgrading"})
_FAILED: Final = frozenset({"failed", "canceled"})

# Events that do not depend on the movement: switches ask for them.
_INDEPENDENT: Final = frozenset({"late", "late end", "retry"})


class _Event(NamedTuple):
    """A future event. `due`: Unix ms; `task`: its state, which must not have changed by then."""

    due: int
    number: int
    kind: str
    job_tasks: JobTasks
    task: Task | None


@dataclass(slots=True)
class _Publishing:
    """What a job publishes next, and the retries by its retryPolicy, by place."""

    queue: list[int] | None = None
    """A heap of the places of tasks that may be `init`; None until it is needed."""
    filling: bool = False
    """Whether an event that fills free slots is scheduled."""
    stopped: list[_Event] = field(default_factory=list)
    """Events that were due while the job was stopped, repeated after its start."""
    retries: dict[int, int] = field(default_factory=lambda: defaultdict(int))


class Devices:
    """Changes tasks as devices would."""

    def __init__(self, store: Store, environment: Environment, rng: random.Random) -> None:
        self._store = store
        self._environment = environment
        self._rng = rng
        self._movement = NO_MOVEMENT
        self._events: list[_Event] = []
        self._numbers = count()
        self._publishing: defaultdict[JobTasks, _Publishing] = defaultdict(_Publishing)
        self._late = False
        store.listeners.append(self)

    @property
    def movement(self) -> Movement:
        """How fast devices work. New times apply to steps that begin from now on."""
        return self._movement

    @movement.setter
    def movement(self, new: Movement) -> None:
        self.catch_up()
        before, self._movement = self._movement, new
        if before.moving and not new.moving:
            self._drop_steps()
        elif new.moving and not before.moving:
            for job_tasks in self._store.jobs():
                self._begin(job_tasks)

    def catch_up(self) -> None:
        """Carry out every event that is due."""
        now = self._environment.clock()
        while self._events and self._events[0].due <= now:
            event = heapq.heappop(self._events)
            if not event.job_tasks.deleted:
                self._carry_out(event)

    def _carry_out(self, event: _Event) -> None:
        due, _, kind, job_tasks, task = event
        if task is None:
            self._fill(job_tasks, due)
            return
        if job_tasks.task(task.place) != task:
            return
        if kind in {"begin", "retry"} and job_tasks.job.status != "started":
            self._publishing[job_tasks].stopped.append(event)
        elif kind == "begin":
            self._change(job_tasks, [task], "upgrading", due)
        elif kind == "late":
            self._late = True
            self._change(job_tasks, [task], "upgrading", due)
            self._late = False
        elif kind == "retry":
            self._publishing[job_tasks].retries[task.place] += 1
            # Without movement nothing would publish it.
            self._change(job_tasks, [task], "init" if self._movement.moving else "published", due)
        else:
            fails = kind == "finish" and self._rng.random() < self._movement.failures
            self._change(job_tasks, [task], "failed" if fails else "succeeded", due)

    def _fill(self, job_tasks: JobTasks, at: int) -> None:
        """Publish tasks while slots are free."""
        publishing = self._publishing[job_tasks]
        publishing.filling = False
        if job_tasks.job.status != "started":
            return
        if publishing.queue is None:
            publishing.queue = job_tasks.places_in("init")  # sorted, so it is a heap
        free = job_tasks.job.info["maximumConcurrency"] - job_tasks.count(_ACTIVE)
        chosen: dict[int, Task] = {}
        while len(chosen) < free and publishing.queue:
            place = heapq.heappop(publishing.queue)
            if job_tasks.task(place).status == "init":
                chosen[place] = job_tasks.task(place)
        if chosen:
            self._change(job_tasks, list(chosen.values()), "published", at)

    def _change(self, job_tasks: JobTasks, tasks: list[Task], status: str, at: int) -> None:
        new, desc, progress = task_values(status, None, None, self._environment.switches)
        changed = [
            dataclasses.replace(task, status=new, desc=desc, progress=progress, update_time=at) for task in tasks
        ]
        self._store.write(job_tasks, changed, at)

    def tasks_changed(self, job_tasks: JobTasks, changes: Sequence[tuple[Task, Task]], at: int) -> None:
        """Schedule the next steps of changed tasks."""
        for before, after in changes:
            if after.status in _FAILED:
                self._schedule_after_failure(job_tasks, before, after, at)
            elif self._late:
                self._schedule(at, self._environment.switches.late_after, "late end", job_tasks, after)
            elif self._movement.moving:
                self._schedule_step(job_tasks, after, at)
        if self._movement.moving and any(
            after.status == "init" or (before.status in _ACTIVE and after.status not in _ACTIVE)
            for before, after in changes
        ):
            self._fill_soon(job_tasks, at)

    def _schedule_after_failure(self, job_tasks: JobTasks, before: Task, after: Task, at: int) -> None:
        switches = self._environment.switches
        cancelled = is_cancelled(after, switches)
        if cancelled and before.status == "published" and switches.cancel_published == "late":
            self._schedule(at, switches.late_after, "late", job_tasks, after)
        retried = switches.auto_retry_cancelled == "on" if cancelled else self._movement.moving
        policy = job_tasks.job.info["retryPolicy"]
        count = policy["retryCount"] if retried and policy and policy["enableRetry"] else 0
        if count and self._publishing[job_tasks].retries[after.place] < count:
            # Not at once: a policy without an interval must not loop within one moment.
            self._schedule(at, max(policy["retryInterval"], 0.001), "retry", job_tasks, after)

    def job_changed(self, job_tasks: JobTasks) -> None:
        """Schedule the steps of a job that was added, started or stopped."""
        if job_tasks.deleted:
            self._publishing.pop(job_tasks, None)
            return
        publishing, now = self._publishing[job_tasks], self._environment.clock()
        if self._movement.moving and publishing.queue is None:
            self._begin(job_tasks)  # a new job
        if job_tasks.job.status != "started":
            return
        waiting, publishing.stopped = publishing.stopped, []
        for event in waiting:
            if event.task is not None and event.kind == "begin":
                self._schedule_step(job_tasks, event.task, now)
            else:
                self._schedule(now, 0, event.kind, job_tasks, event.task)
        if self._movement.moving:
            self._fill_soon(job_tasks, now)

    def _begin(self, job_tasks: JobTasks) -> None:
        now = self._environment.clock()
        self._publishing[job_tasks].queue = job_tasks.places_in("init")
        for status in ("published", "upgrading"):
            for place in job_tasks.places_in(status):
                self._schedule_step(job_tasks, job_tasks.task(place), now)
        self._fill_soon(job_tasks, now)

    def _schedule_step(self, job_tasks: JobTasks, task: Task, at: int) -> None:
        """Schedule the next step of a task, where devices move."""
        if task.status == "published":
            self._schedule(at, self._rng.uniform(*self._movement.begin), "begin", job_tasks, task)
        elif task.status == "upgrading":
            self._schedule(at, self._rng.uniform(*self._movement.finish), "finish", job_tasks, task)
        elif task.status == "init" and (queue := self._publishing[job_tasks].queue) is not None:
            heapq.heappush(queue, task.place)

    def _fill_soon(self, job_tasks: JobTasks, at: int) -> None:
        publishing = self._publishing[job_tasks]
        if not publishing.filling and job_tasks.job.status == "started":
            publishing.filling = True
            self._schedule(at, self._rng.uniform(*self._movement.push), "fill", job_tasks, None)

    def _drop_steps(self) -> None:
        self._events = [event for event in self._events if event.kind in _INDEPENDENT]
        heapq.heapify(self._events)
        for publishing in self._publishing.values():
            publishing.queue, publishing.filling = None, False
            publishing.stopped = [event for event in publishing.stopped if event.kind in _INDEPENDENT]

    def _schedule(self, at: int, seconds: float, kind: str, job_tasks: JobTasks, task: Task | None) -> None:
        due = at + round(seconds * 1000)
        heapq.heappush(self._events, _Event(due, next(self._numbers), kind, job_tasks, task))
