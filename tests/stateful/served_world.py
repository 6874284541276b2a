"""A simulator whose truth is at hand, whose clock goes by requests; at any request something may happen."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from enos_simulator.builder import task_values
from enos_simulator.fleet import parse_fleet
from enos_simulator.movement import NO_MOVEMENT
from enos_simulator.server import listen, make_server, url_of
from enos_simulator.simulator import Simulator, UnknownJobError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from enos_simulator.journal import Entry
    from enos_simulator.store import JobTasks, Task

PUMPS: Final = "65a1b2c3d4e5f60718293a4b"
FANS: Final = "65a1b2c3d4e5f60718293a4c"
NOWHERE: Final = "65a1b2c3d4e5f60718293a4d"
"""A job that never was."""

MANY: Final = tuple(f"n{number:03}" for number in range(210))
"""More than are read before they are sent."""

KEYS: Final = {
    PUMPS: ("a1", "a2", "it's", "both '\"", "ü 1", "p1", "p2", "u1", "s1", "f1", "c1", "ghost"),
    FANS: ("a1", "b1", "p1", "twin", "ghost"),
    NOWHERE: ("a1", "b1"),
}
"""Keys that a stack may declare, by job: of either job some are in the other too, `ghost` in none, `twin` twice."""

_STATUS_OF: Final = {"p": "published", "u": "upgrading", "s1": "succeeded", "f": "failed", "c": "cancelled"}


def _task(key: str, **others: str) -> dict[str, str]:
    status = _STATUS_OF.get(key) or _STATUS_OF.get(key[0], "init")
    return {"deviceKey": key, "status": status, **others}


_FLEET: Final[dict[str, Any]] = {
    "jobs": [
        {
            "jobId": PUMPS,
            "name": "Pump firmware",
            "firmwareVersion": "2.3.0",
            "maximumConcurrency": 4,
            "tasks": [_task(key) for key in (*KEYS[PUMPS], *MANY) if key != "ghost"],
        },
        {
            "jobId": FANS,
            "name": "Fan firmware",
            "firmwareVersion": "7.1",
            "maximumConcurrency": 2,
            "retryPolicy": {"enableRetry": True, "retryInterval": 4, "retryCount": 2},
            "tasks": [*(_task(key) for key in KEYS[FANS] if key != "ghost"), _task("twin", productKey="PkOther")],
        },
    ],
    "switches": {"clockSkew": 1_000_000_000},
}

KNOWN_MARKERS: Final = ("Cancelled by user", "已取消")
"""What the provider takes for the text of a cancelled task."""

TICK: Final = 0.5
"""Seconds that pass with every request."""

_NEXT: Final = {"init": "published", "published": "upgrading", "upgrading": "succeeded"}
CANCELLABLE: Final = frozenset({"init", "published"})

When = Literal["before", "after"]


@dataclass
class Happening:
    """Something that happens at a request of an operation that is under way.

    Attributes:
        number: At which request, counted from 1.
        when: Before it is processed, or after that and before its answer is seen.
        act: What.
        in_thread: It takes requests of its own: the request waits, others are answered meanwhile.
        happened: Whether it came to it.
    """

    number: int
    when: When
    act: Callable[[], object]
    in_thread: bool = False
    happened: bool = False


@dataclass
class ServedWorld:
    """The simulator in a thread of this process. Everything here is to be called while no request is under way."""

    simulator: Simulator
    url: str
    clock: list[int]
    requests: int = 0
    in_flight: int = 0
    happening: Happening | None = None
    touched: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """When somebody last did something to a job: Unix ms."""
    trouble: BaseException | None = None
    """What an `act` raised: the test must not miss it."""
    _vanished: dict[str, tuple[dict[str, Any], list[Task]]] = field(default_factory=dict)

    @property
    def org_id(self) -> str:
        return self.simulator.fleet.orgs[0]

    @property
    def app_key(self) -> str:
        return self.simulator.fleet.apps[0].app_key

    @property
    def now(self) -> int:
        """Unix ms."""
        return self.clock[0]

    def reset(self) -> None:
        """Back to the start."""
        self.wait_until_idle()
        self.simulator._rng.seed(0)
        self.simulator.reset()
        self.happening, self.trouble = None, None
        self.touched.clear()
        self._vanished.clear()

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.clock[0] += int(seconds * 1000)

    def let_searches_see(self) -> None:
        """Let so much time pass that searches see everything."""
        self.forward(self.simulator.switches.index_delay + 0.001)

    @contextlib.contextmanager
    def peace(self) -> Iterator[None]:
        """Nothing fails, nothing moves, and what was about to happen has happened."""
        simulator, before = self.simulator, self.simulator.switches
        movement, simulator.movement = simulator.movement, NO_MOVEMENT
        simulator.faults.clear()
        simulator.change_switches({"cancel_published": "stops", "auto_retry_cancelled": "off", "throttle": "off"})
        while simulator._devices._events:
            self.forward(60)
            simulator.jobs()
        self.let_searches_see()
        yield
        simulator.change_switches(
            {name: getattr(before, name) for name in ("cancel_published", "auto_retry_cancelled", "throttle")}
        )
        simulator.movement = movement

    def wait_until_idle(self) -> None:
        """A process that was killed may have left a request behind."""
        while self.in_flight:
            threading.Event().wait(0.001)

    def entries(self) -> list[Entry]:
        return self.simulator.journal.entries

    async def happen(self, number: int, when: When) -> None:
        """Let happen what is to happen at this moment of this request."""
        due = self.happening
        if due is None or due.happened or (number, when) != (due.number, due.when):
            return
        due.happened = True
        try:
            if due.in_thread:
                self.in_flight -= 1  # it waits, so it is nothing to wait for
                try:
                    await asyncio.get_running_loop().run_in_executor(None, due.act)
                finally:
                    self.in_flight += 1
            else:
                due.act()
        except BaseException as error:  # noqa: BLE001 - the test takes it up; here it would become an HTTP 500
            self.trouble = error

    # Truth

    def job_status(self, job_id: str) -> str:
        """`started`, `stopped`, or `gone`."""
        held = self.held(job_id)
        return held.job.status if held else "gone"

    def tasks(self, job_id: str, key: str) -> list[Task]:
        """The tasks of a key as they are."""
        held = self.held(job_id)
        return [held.task(place) for place in held.places(key)] if held else []

    def can_be_cancelled(self, job_id: str, key: str) -> bool:
        tasks = self.tasks(job_id, key)
        return len(tasks) == 1 and tasks[0].status in CANCELLABLE

    def reads_cancelled(self, job_id: str, key: str) -> bool:
        """Whether all tasks of a key look cancelled to somebody who knows the known markers."""
        tasks = self.tasks(job_id, key)
        return bool(tasks) and all(looks_cancelled(task) for task in tasks)

    # What others do

    def go_on(self, job_id: str, key: str, *, twin: int = 0, fails: bool = False) -> None:
        """The device takes its next step, if there is one: told, upgrading, succeeded or failed."""
        held = self.held(job_id)
        tasks = self.tasks(job_id, key)
        if not held or not tasks:
            return
        task = tasks[twin % len(tasks)]
        if task.status == "init" and held.job.status != "started":
            return
        if to := _NEXT.get(task.status):
            self._change(held, task, "failed" if fails and task.status != "init" else to)

    def go_on_all_the_same(self, job_id: str, key: str) -> None:
        """A device that had been told before its task was cancelled upgrades all the same."""
        held = self.held(job_id)
        for task in self.tasks(job_id, key):
            if held and looks_cancelled(task):
                self._change(held, task, "upgrading")

    def cancel(self, job_id: str, keys: Collection[str]) -> None:
        """A colleague cancels what can be cancelled, in the console."""
        held = self.held(job_id)
        if not held or held.job.status != "started":
            return
        for key in keys:
            for task in self.tasks(job_id, key):
                if task.status in CANCELLABLE:
                    self._change(held, task, "cancelled")

    def retry(self, job_id: str, keys: Collection[str], steps: int = 0) -> None:
        """A colleague retries what failed or was cancelled, and the devices go on by so many steps."""
        held = self.held(job_id)
        if not held or held.job.status != "started":
            return
        for key in keys:
            for task in self.tasks(job_id, key):
                if task.status in {"failed", "canceled"}:
                    self._change(held, task, self.simulator.switches.retry_to)
            for _ in range(steps):
                self.go_on(job_id, key)

    def set_job(self, job_id: str, status: str) -> None:
        with contextlib.suppress(UnknownJobError):
            self.simulator.set_job(job_id, status)
            self.touched[job_id] = self.now

    def change_job(self, job_id: str, change: str) -> None:
        """`started`, `stopped`, `vanish` or `come back`."""
        match change:
            case "vanish":
                self.vanish(job_id)
            case "come back":
                self.come_back(job_id)
            case _:
                self.set_job(job_id, change)

    def vanish(self, job_id: str) -> None:
        """The job is gone."""
        held = self.held(job_id)
        if not held:
            return
        self.touched[job_id] = self.now
        self._vanished[job_id] = held.job.as_json(), list(held.tasks())
        self.simulator.delete_job(job_id)
        self.let_searches_see()
        self.simulator._store.settle()

    def come_back(self, job_id: str) -> None:
        """The job that was gone is there again, as it was: it had only been out of sight."""
        if job_id not in self._vanished:
            return
        info, tasks = self._vanished.pop(job_id)
        same = ("jobId", "firmwareVersion", "status", "maximumConcurrency", "retryPolicy")
        self.simulator.add_job(
            {
                **{name: info[name] for name in same},
                "name": info["name"]["defaultValue"],
                "tasks": [{"deviceKey": task.device_key, "productKey": task.product_key} for task in tasks],
            }
        )
        held = self.simulator.job(job_id)
        for task in tasks:
            self.simulator._ota.change(
                held, [held.task(task.place)], status=task.status, desc=task.desc, progress=task.progress
            )
        self.touched[job_id] = self.now

    def touched_since(self, job_id: str, key: str, moment: int) -> bool:
        """Whether a task or its job changed at or after a moment, or so shortly before that searches lag."""
        changes = [self.touched[job_id], *(task.update_time for task in self.tasks(job_id, key))]
        return max(changes) + self.simulator.switches.index_delay * 1000 >= moment

    def held(self, job_id: str) -> JobTasks | None:
        """A job with its tasks, if it is there."""
        try:
            return self.simulator.job(job_id)
        except UnknownJobError:
            return None

    def _change(self, held: JobTasks, task: Task, status: str) -> None:
        new, desc, progress = task_values(status, None, None, self.simulator.switches)
        self.simulator._ota.change(held, [task], status=new, desc=desc, progress=progress)


def looks_cancelled(task: Task) -> bool:
    """To somebody who knows the known markers."""
    return task.status == "canceled" or (task.status == "failed" and task.desc in KNOWN_MARKERS)


@contextlib.contextmanager
def running_world() -> Iterator[ServedWorld]:
    """A world to live in; it is gone at the end."""
    clock = [1_700_000_000_000]
    simulator = Simulator(parse_fleet(_FLEET), clock=lambda: clock[0], rng=random.Random(0))  # noqa: S311 - repeatable, nothing to guard
    listening = listen("127.0.0.1", 0)
    server = make_server(simulator)
    world = ServedWorld(simulator, url_of(listening), clock)
    server.config.app = _with_happenings(server.config.app, world)  # type: ignore[arg-type] # an application, given as one
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="world")
    thread.start()
    try:
        yield world
    finally:
        server.should_exit = True
        thread.join()


def _with_happenings(app: ASGIApp, world: ServedWorld) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        # Read to the end first: a caller that is killed now has sent it, and it is processed.
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        world.requests += 1
        number = world.requests
        world.forward(TICK)

        async def receive_again() -> Message:
            return messages.pop(0) if messages else await receive()

        async def send_later(message: Message) -> None:
            if message["type"] == "http.response.start":
                await world.happen(number, "after")
            await send(message)

        await world.happen(number, "before")
        await app(scope, receive_again, send_later)

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        world.in_flight += 1
        try:
            await answer(scope, receive, send)
        finally:
            world.in_flight -= 1

    return counted
