"""Time that `enos-ota cancel` needs for a large job at a low rate limit: the real command, simulated time.

Only the clock, the network and the threads are replaced; the command reads and writes a project on disk.
"""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from click.testing import CliRunner

from benchmarks import fleets
from benchmarks.figures import Figure, Goal, at_most, number
from benchmarks.timed import TimedSimulator
from benchmarks.urgency import CONCURRENCY, GOAL, GOAL_KEYS, RATE, ROUND_TRIP, LockstepPool
from enos_ota.cli import main
from enos_ota.enos import EnosClient
from enos_ota.operations import context as station
from enos_ota.operations import stages
from enos_ota.reconciler import Limits, Reconciler
from tests.harness.in_process import GATEWAY, InProcessAdapter
from tests.harness.lockstep import Lockstep
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enos_ota.reconciler import Stop
    from enos_ota.settings import Connection
    from enos_simulator.gateway import Reply, Request

FIRST: Final = 5
"""The first cancelTask is sent within this many requests."""
_PAGE: Final = 200
_URGENT: Final = 20
"""Published tasks in one cancelTask."""


def measure(count: int) -> Iterator[Figure]:
    """Measure `--keys` with this many keys, and `--waiting` on the same job, which has more waiting tasks."""
    named = Emergency(count)
    waiting = count + fleets.SPARE
    cancels = _cancels(count)
    yield _first("--keys", count, named)
    yield _last(
        f"enos-ota cancel --keys, {number(count)} keys",
        named,
        f"{cancels} cancelTasks at {RATE} a second",
        cancels,
        at_most(GOAL, named.cancelled_after, "{} s") if count >= GOAL_KEYS else None,
    )
    all_waiting = Emergency(count, waiting=True)
    pages, cancels = -(-waiting // _PAGE), _cancels(waiting)
    yield _first("--waiting", waiting, all_waiting)
    yield _last(
        f"enos-ota cancel --waiting, {number(waiting)} tasks",
        all_waiting,
        f"{pages} pages to list and {cancels} cancelTasks at {RATE} a second",
        pages + cancels,
        None,  # no goal: the urgent (published) tasks are cancelled before the listing begins
    )


def _cancels(tasks: int) -> int:
    published = min(fleets.PUBLISHED, tasks)
    return -(-published // _URGENT) + -(-(tasks - published) // _PAGE)


def _first(how: str, count: int, run: Emergency) -> Figure:
    return Figure(
        f"enos-ota cancel {how}, {number(count)}: first cancelTask",
        f"request {run.first}, {run.published_after:.0f} s simulated to the last published task",
        goal=Goal(f"≤ {FIRST} requests", run.first <= FIRST),
    )


def _last(what: str, run: Emergency, against: str, requests: int, goal: Goal | None) -> Figure:
    bare = requests / RATE
    return Figure(
        f"{what}: last cancelTask accepted",
        f"{run.cancelled_after:.0f} s simulated, all read back at {run.ended_after:.0f} s, {run.refused} refused",
        f"{against}, {bare:.0f} s",
        run.cancelled_after / bare,
        goal,
    )


class Emergency:
    """One run of the command, with a rate set and EnOS throttling beyond it.

    Attributes:
        first: Number of the request, from 1, that was the first cancelTask.
        published_after: Simulated seconds until the last published task was cancelled.
        cancelled_after: Simulated seconds until the last cancelTask was accepted.
        ended_after: Simulated seconds until the command ended.
        refused: Requests that EnOS throttled.
        requests: Number of requests by operation.

    Raises:
        ValueError: The command did not cancel every task.
    """

    def __init__(self, count: int, *, waiting: bool = False) -> None:
        self.first = 0
        self.published_after = 0.0
        self.cancelled_after = 0.0
        self.refused = 0
        self.requests: dict[str, int] = {}
        self._clock = clock = Lockstep()
        self._simulator = TimedSimulator(fleets.fleet(count), clock=lambda: int(clock.time() * 1000))
        self._simulator.change_switches({"throttle": RATE})
        self._published = min(fleets.PUBLISHED, count // 2)
        self._adapter = InProcessAdapter(
            self._simulator, before=self._before_request, after=self._after_request, sleep=clock.sleep
        )
        keys = fleets.keys(count)
        expected = count + fleets.SPARE if waiting else count
        with tempfile.TemporaryDirectory(prefix="enos-ota-bench-") as folder, _inside(folder), self._simulated():
            _write_project(Path(folder), keys)
            which = ["--waiting"] if waiting else ["--keys", "these.txt"]
            answers = ["--reason", "INC-4711: a rehearsal", "--yes", "--expect", str(expected)]
            ended = CliRunner().invoke(main, ["cancel", "--job", JOB, *which, *answers], prog_name="enos-ota")
        if ended.exit_code or f"{expected} of {expected} devices read as cancelled" not in ended.stdout:
            raise ValueError(f"exit code {ended.exit_code}: {ended.output}")
        self.ended_after = clock.monotonic()

    @contextlib.contextmanager
    def _simulated(self) -> Iterator[None]:
        """Replace clock, network and threads of the command."""
        app = self._simulator.fleet.apps[0]
        environ = {
            "PULUMI_STACK": "prod",
            "ENOS_API_GATEWAY": GATEWAY,
            "ENOS_ORG_ID": self._simulator.fleet.orgs[0],
            "ENOS_APP_KEY": app.app_key,
            "ENOS_APP_SECRET": app.app_secret,
        }

        def create_client(connection: Connection, **_: Any) -> EnosClient:
            return EnosClient(
                connection.gateway,
                connection.org_id,
                connection.credentials,
                max_requests_per_second=connection.max_requests_per_second,
                clock=self._clock,
                random=random.Random(1).random,  # noqa: S311 - no secrets
                adapter=lambda: self._adapter,
            )

        def create_reconciler(connection: Connection, client: EnosClient, stop: Stop) -> Reconciler:
            limits = Limits(batch_size=connection.batch_size, deadline=connection.deadline)
            workers = LockstepPool(self._clock, CONCURRENCY)
            return Reconciler(client, limits=limits, clock=self._clock, workers=workers, stop=stop)

        with (
            patch.dict(os.environ, environ),
            patch.object(station, "create_client", create_client),
            patch.object(station, "StoppableClock", lambda _: self._clock),
            patch.object(stages, "create_reconciler", create_reconciler),
        ):
            yield

    def _before_request(self, _: Request) -> None:
        self._clock.sleep(ROUND_TRIP / 2)

    def _after_request(self, request: Request, reply: Reply) -> None:
        self._clock.sleep(ROUND_TRIP / 2)
        operation = request.parameter("action") or request.path
        self.requests[operation] = self.requests.get(operation, 0) + 1
        self.refused += reply.http == HTTPStatus.TOO_MANY_REQUESTS
        if operation != "cancelTask":
            return
        self.first = self.first or sum(self.requests.values())
        if reply.body.get("code") == 0:
            self.cancelled_after = self._clock.monotonic()
            if self.requests[operation] <= -(-self._published // _URGENT):
                self.published_after = self.cancelled_after


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    """Change the working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _write_project(folder: Path, keys: list[str]) -> None:
    (folder / "Pulumi.yaml").write_text("name: rehearsal\nruntime: python\nstackConfigDir: stacks\n", encoding="utf-8")
    (folder / "stacks").mkdir()
    (folder / "stacks" / "Pulumi.prod.yaml").write_text(
        f"config:\n  enos:maxRequestsPerSecond: {RATE}\n  enos-ota:auditLog: audit/prod.jsonl\n", encoding="utf-8"
    )
    (folder / "these.txt").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
