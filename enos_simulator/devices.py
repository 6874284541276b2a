"""Devices that act by themselves: the steps of the task state machine that no call makes, driven by the clock.

There is no thread. What is to happen waits in a heap, and whoever looks at the simulator lets happen first what is due
by then, in the order and at the times it is due. Only tasks that are under way are ever touched, so that a million
others cost nothing. With a seeded rng and a clock of one's own everything is repeatable.

Rules [D] unless marked: a job that is started publishes `init` tasks while a slot of its maximumConcurrency is free,
`published` and `upgrading` ones take a slot; a stopped job publishes nothing and its published tasks stay [U], while
what is `upgrading` goes on [U]; a job's retryPolicy publishes failed tasks again, cancelled ones too if
`auto_retry_cancelled` says so [U].
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from enos_simulator.jobs import is_cancelled
from enos_simulator.movement import STILL, Movement
from enos_simulator.populate import task_values

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from enos_simulator.store import Job, JobTasks, Store, Task
    from enos_simulator.switches import Switches

_UNDER_WAY: Final = frozenset({"published", "upgrading"})
_ENDED_BADLY: Final = frozenset({"failed", "canceled"})

# What happens whether or not devices move: switches ask for it by name.
_ALWAYS: Final = frozenset({"late", "late end", "retry"})

# Of a retryPolicy that leaves something out. The unit of retryInterval is not documented [U]; here it is seconds.
_RETRY_SECONDS: Final = 60
_RETRY_COUNT: Final = 1


class _Event(NamedTuple):
    """Something that is to happen. `due`: Unix ms; `task`: as it must be by then, or else nothing happens."""

    due: int
    number: int
    kind: str
    held: JobTasks
    task: Task | None


@dataclass(slots=True)
class _Pushing:
    """What is known of a job that pushes.

    Attributes:
        queue: Places of tasks that may be `init`, the next one first; None until it is needed.
        filling: Whether an event that fills free slots waits already.
        stopped: Events that came while the job was stopped, to come again after its start.
        retries: How often the retryPolicy took up a task, by place.
    """

    queue: list[int] | None = None
    filling: bool = False
    stopped: list[_Event] = field(default_factory=list)
    retries: dict[int, int] = field(default_factory=lambda: defaultdict(int))


class Devices:
    """What moves.

    Args:
        store: The tasks; changes to them are noticed from now on.
        switches: The switches of the moment.
        clock: Unix ms.
        rng: For times and for which upgrades fail.
    """

    def __init__(
        self, store: Store, *, switches: Callable[[], Switches], clock: Callable[[], int], rng: random.Random
    ) -> None:
        self._store = store
        self._switches = switches
        self._clock = clock
        self._rng = rng
        self._movement = STILL
        self._events: list[_Event] = []
        self._numbers = count()
        self._pushing: defaultdict[JobTasks, _Pushing] = defaultdict(_Pushing)
        self._late = False
        store.listeners.append(self)

    @property
    def movement(self) -> Movement:
        """How devices move; set it to let them move otherwise. New times hold for what begins from now on."""
        return self._movement

    @movement.setter
    def movement(self, new: Movement) -> None:
        self.catch_up()
        before, self._movement = self._movement, new
        if before.moving and not new.moving:
            self._forget_moves()
        elif new.moving and not before.moving:
            for held in self._store.jobs():
                self._begin_with(held)

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        now = self._clock()
        while self._events and self._events[0].due <= now:
            event = heapq.heappop(self._events)
            if not event.held.deleted:
                self._happen(event)

    def _happen(self, event: _Event) -> None:
        due, _, kind, held, task = event
        if task is None:
            self._fill(held, due)
            return
        if task.place >= len(held.rows) or held.task(task.place) != task:
            return
        if kind in {"begin", "retry"} and held.job.status != "started":
            self._pushing[held].stopped.append(event)
        elif kind == "begin":
            self._change(held, [task], "upgrading", due)
        elif kind == "late":
            self._late = True
            self._change(held, [task], "upgrading", due)
            self._late = False
        elif kind == "retry":
            self._pushing[held].retries[task.place] += 1
            # Where nothing pushes, it would wait for ever.
            self._change(held, [task], "init" if self._movement.moving else "published", due)
        else:
            fails = kind == "finish" and self._rng.random() < self._movement.failures
            self._change(held, [task], "failed" if fails else "succeeded", due)

    def _fill(self, held: JobTasks, at: int) -> None:
        """Publish what waits while slots are free."""
        pushing = self._pushing[held]
        pushing.filling = False
        if held.job.status != "started":
            return
        if pushing.queue is None:
            pushing.queue = held.places_in("init")  # in order, which is a heap
        free = held.job.info["maximumConcurrency"] - held.count(_UNDER_WAY)
        chosen: dict[int, Task] = {}
        while len(chosen) < free and pushing.queue:
            place = heapq.heappop(pushing.queue)
            if place < len(held.rows) and held.task(place).status == "init":
                chosen[place] = held.task(place)
        if chosen:
            self._change(held, list(chosen.values()), "published", at)

    def _change(self, held: JobTasks, tasks: list[Task], status: str, at: int) -> None:
        new, desc, progress = task_values(status, None, None, self._switches())
        changed = [
            dataclasses.replace(task, status=new, desc=desc, progress=progress, update_time=at) for task in tasks
        ]
        self._store.write(held, changed, at)

    def job_deleted(self, held: JobTasks) -> None:
        """Nothing of it moves any more."""
        self._pushing.pop(held, None)

    def task_removed(self, held: JobTasks, place: int) -> None:
        """Whatever waits for it finds it gone."""

    def tasks_changed(self, held: JobTasks, changes: Sequence[tuple[Task, Task]], at: int) -> None:
        """Whoever changed these tasks: what follows from it."""
        for before, after in changes:
            if after.status in _ENDED_BADLY:
                self._notice_end(held, before, after, at)
            elif self._late:
                self._wait(at, self._switches().late_after, "late end", held, after)
            elif self._movement.moving:
                self._go_on(held, after, at)
        if self._movement.moving and any(
            after.status == "init" or (before.status in _UNDER_WAY and after.status not in _UNDER_WAY)
            for before, after in changes
        ):
            self._fill_soon(held, at)

    def _notice_end(self, held: JobTasks, before: Task, after: Task, at: int) -> None:
        switches = self._switches()
        cancelled = is_cancelled(after, switches)
        if cancelled and before.status == "published" and switches.cancel_published == "late":
            self._wait(at, switches.late_after, "late", held, after)
        retried = switches.auto_retry_cancelled == "on" if cancelled else self._movement.moving
        policy = _retry_policy(held.job)
        if retried and policy and self._pushing[held].retries[after.place] < policy[1]:
            # Never at once: a policy without an interval must not go round and round within a moment.
            self._wait(at, max(policy[0], 0.001), "retry", held, after)

    def job_changed(self, held: JobTasks) -> None:
        """A job that is new, started or stopped: what follows from it."""
        pushing, now = self._pushing[held], self._clock()
        if self._movement.moving and pushing.queue is None:
            self._begin_with(held)  # a new job, of whose tasks nobody has heard yet
        if held.job.status != "started":
            return
        waiting, pushing.stopped = pushing.stopped, []
        for event in waiting:
            if event.task is not None and event.kind == "begin":
                self._go_on(held, event.task, now)
            else:
                self._wait(now, 0, event.kind, held, event.task)
        if self._movement.moving:
            self._fill_soon(held, now)

    def _begin_with(self, held: JobTasks) -> None:
        now = self._clock()
        self._pushing[held].queue = held.places_in("init")
        for status in ("published", "upgrading"):
            for place in held.places_in(status):
                self._go_on(held, held.task(place), now)
        self._fill_soon(held, now)

    def _go_on(self, held: JobTasks, task: Task, at: int) -> None:
        """What a task in this status does next, where devices move."""
        if task.status == "published":
            self._wait(at, self._rng.uniform(*self._movement.begin), "begin", held, task)
        elif task.status == "upgrading":
            self._wait(at, self._rng.uniform(*self._movement.finish), "finish", held, task)
        elif task.status == "init" and (queue := self._pushing[held].queue) is not None:
            heapq.heappush(queue, task.place)

    def _fill_soon(self, held: JobTasks, at: int) -> None:
        pushing = self._pushing[held]
        if not pushing.filling and held.job.status == "started":
            pushing.filling = True
            self._wait(at, self._rng.uniform(*self._movement.push), "fill", held, None)

    def _forget_moves(self) -> None:
        self._events = [event for event in self._events if event.kind in _ALWAYS]
        heapq.heapify(self._events)
        for pushing in self._pushing.values():
            pushing.queue, pushing.filling = None, False
            pushing.stopped = [event for event in pushing.stopped if event.kind in _ALWAYS]

    def _wait(self, at: int, seconds: float, kind: str, held: JobTasks, task: Task | None) -> None:
        due = at + round(seconds * 1000)
        heapq.heappush(self._events, _Event(due, next(self._numbers), kind, held, task))


def _retry_policy(job: Job) -> tuple[float, int] | None:
    """Seconds between tries and the number of tries; None if failed tasks are left alone.

    Official samples send numbers as texts too [S].
    """
    policy = job.info["retryPolicy"]
    if not isinstance(policy, Mapping) or str(policy.get("enableRetry")).lower() != "true":
        return None
    return (
        _number(policy.get("retryInterval"), _RETRY_SECONDS),
        int(_number(policy.get("retryCount"), _RETRY_COUNT)),
    )


def _number(value: object, usual: float) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return usual
    return number if 0 <= number < float("inf") else usual
