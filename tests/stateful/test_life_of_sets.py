"""Whatever happens, in whatever order: sets, devices, colleagues, jobs, switches and faults, drawn by hypothesis.

Each example is a life of one stack, from an empty state: the real provider process over gRPC, a small model of the
engine (`engine_model.py`), a real simulator over HTTP (`served_world.py`). `checked_provider.py` checks in every call
what holds at any time; `settled_checks.py` checks what holds right after an `up` in peace, at the end and in between.

`make test` always runs the same examples. To look further, with another seed each time or with one of your own:

    STATEFUL_EXAMPLES=2000 .venv/bin/pytest tests/stateful
    STATEFUL_EXAMPLES=2000 STATEFUL_SEED=7 .venv/bin/pytest tests/stateful

A failure prints the shortest life that fails as a program; it belongs into `test_lives_that_failed.py`, with a name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from enos_simulator.movement import NO_MOVEMENT, Movement
from tests.harness.engine_model import InterruptedRunError
from tests.harness.servicer import ProviderError
from tests.stateful.checked_provider import KilledError
from tests.stateful.served_world import FANS, KEYS, MANY, NOWHERE, PUMPS
from tests.stateful.settled_checks import settle
from tests.stateful.stack_model import StackModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.stateful.provider_process import Processes
    from tests.stateful.served_world import ServedWorld

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "0"))
SEED = os.environ.get("STATEFUL_SEED")

NAMES = st.sampled_from(["one", "one", "one", "two", "three"])
JOBS = st.sampled_from([PUMPS, PUMPS, FANS])
ANY_KEYS = st.sets(st.sampled_from(sorted({*KEYS[PUMPS], *KEYS[FANS]})), min_size=1)
TASKS = st.sampled_from([(job_id, key) for job_id in (PUMPS, FANS) for key in KEYS[job_id]])

SWITCHES: dict[str, list[Any]] = {
    "cancel_mode": ["atomic", "partial"],
    "unknown_key": ["error", "ignore"],
    "repeat_cancel": ["refuse", "ok"],
    "cancelled_as": ["failed", "canceled"],
    "cancelled_marker": ["Cancelled by user", "已取消", "abgebrochen"],
    "cancel_published": ["stops", "late"],
    "auto_retry_cancelled": ["off", "on"],
    "throttle": ["off", 1.5],
    "throttle_retry_after": [0, 1],
    "retry_to": ["init", "published"],
    "index_delay": [0, 2],
    "max_keys": [0, 2],
    "max_page": [200, 100],
    "task_order": ["taskId", "updateTime", "random"],
    "business_http": [200, 400],
    "gateway_http": [200, 401],
    "gateway_form": ["message", "envelope"],
    "old_token": ["lives", "dies"],
    "strict_method": ["off", "on"],
}
TURNS = st.sampled_from([(name, value) for name, values in SWITCHES.items() for value in values])

CHANGES = st.sampled_from(
    [
        {"reason": None},
        {"reason": "INC-1"},
        {"onTooLate": "fail"},
        {"maxDevices": None},
        {"maxDevices": 0.0},
        {"maxDevices": 1.0},
        {"maxDevices": 3.0},
        {"expectFirmwareVersion": None},
        {"expectFirmwareVersion": "6.6.6"},
        {"expires": None},
        {"expires": "2001-01-01"},
        {"expires": "2999-01-01"},
    ]
)
JOB_CHANGES = st.sampled_from(["stopped", "started", "vanish", "come back"])

ODD_SETS = st.sampled_from([*[(PUMPS, (*MANY, "p1", "u1"))] * 3, (NOWHERE, KEYS[NOWHERE])])

FAST = Movement(push=(0, 1), begin=(1, 4), finish=(1, 6), failures=0.3)

OFTEN = st.one_of(
    st.builds(lambda nth: {"nth": nth}, st.integers(1, 6)),
    st.builds(lambda nth: {"nth": nth, "times": 3}, st.integers(1, 3)),
    st.sampled_from([{"probability": 0.3}, {"probability": 0.7}, {"times": 20}, {}]),
)
FAULTS = st.builds(
    lambda fault, where, often: {**fault, **where, **often},
    st.sampled_from(
        [
            {"what": "throttle"},
            {"what": "throttle", "retryAfter": 1},
            {"what": "gateway", "status": 503},
            {"what": "error"},
            {"what": "error", "status": 503, "envelope": False},
            {"what": "error", "processed": True},
            {"what": "html"},
            {"what": "html", "processed": True, "status": 200},
            {"what": "close-before"},
            {"what": "close-after"},
            {"what": "truncate"},
            {"what": "cut"},
        ]
    ),
    st.sampled_from([{}, {"operations": ["cancelTask"]}, {"operations": ["searchTask"]}, {"operations": ["get"]}]),
    OFTEN,
)

WHEN = st.tuples(st.integers(1, 8), st.sampled_from(["before", "after"]))


class Life(RuleBasedStateMachine):
    """One stack's life."""

    world: ServedWorld
    processes: Processes
    audit: Path

    @initialize(
        batch=st.sampled_from(["200", "2"]), job_id=JOBS, keys=st.one_of(*[ANY_KEYS] * 4, st.just({*MANY, "u1"}))
    )
    def begin(self, batch: str, job_id: str, keys: set[str]) -> None:
        self.stack = StackModel(self.world, self.processes, self.audit, {"enos:batchSize": batch})
        self.stack.declare("one", job_id, keys)

    # What is declared

    @rule(name=NAMES, job_id=JOBS, keys=ANY_KEYS)
    def declare(self, name: str, job_id: str, keys: set[str]) -> None:
        self.stack.declare(name, job_id, keys)

    @rule(name=NAMES, job_id=JOBS, most=st.integers(1, 3), over=st.integers(0, 1))
    def declare_what_the_guard_just_allows_or_one_more(self, name: str, job_id: str, most: int, over: int) -> None:
        keys = [key for key in KEYS[job_id] if self.world.can_be_cancelled(job_id, key)][: most + over]
        self.stack.declare(name, job_id, keys or KEYS[job_id], maxDevices=float(most))

    @rule(name=NAMES, what=ODD_SETS)
    def declare_many_or_of_a_job_that_never_was(self, name: str, what: tuple[str, tuple[str, ...]]) -> None:
        self.stack.declare(name, *what)

    @rule(name=NAMES, keys=ANY_KEYS)
    def add(self, name: str, keys: set[str]) -> None:
        self.stack.add(name, keys)

    @rule(name=NAMES, keys=ANY_KEYS)
    def drop(self, name: str, keys: set[str]) -> None:
        self.stack.drop(name, keys)

    @rule(name=NAMES)
    def undeclare(self, name: str) -> None:
        self.stack.program.pop(name, None)

    @rule(name=NAMES, change=CHANGES)
    def change(self, name: str, change: dict[str, Any]) -> None:
        self.stack.change(name, **change)

    # What others do

    @rule(task=TASKS, twin=st.integers(0, 1), fails=st.booleans())
    def device_goes_on(self, task: tuple[str, str], twin: int, fails: bool) -> None:  # noqa: FBT001 - drawn
        self.world.go_on(*task, twin=twin, fails=fails)

    @rule(job_id=JOBS, keys=ANY_KEYS)
    def devices_go_on(self, job_id: str, keys: set[str]) -> None:
        for key in sorted(keys):
            self.world.go_on(job_id, key)

    @rule(task=TASKS)
    def device_goes_on_all_the_same(self, task: tuple[str, str]) -> None:
        self.world.go_on_all_the_same(*task)

    @rule(job_id=JOBS, keys=ANY_KEYS)
    def colleague_cancels(self, job_id: str, keys: set[str]) -> None:
        self.world.cancel(job_id, keys)

    @rule(job_id=JOBS, keys=ANY_KEYS, steps=st.integers(0, 3))
    def colleague_retries(self, job_id: str, keys: set[str], steps: int) -> None:
        self.world.retry(job_id, keys, steps)

    @rule(name=NAMES, every=st.integers(1, 3), steps=st.integers(0, 3))
    def colleague_retries_what_the_state_calls_cancelled(self, name: str, every: int, steps: int) -> None:
        self.world.retry(*self.stack.cancelled(name, every), steps)

    @rule(job_id=JOBS, change=JOB_CHANGES)
    def job_changes(self, job_id: str, change: str) -> None:
        self.world.change_job(job_id, change)

    @rule(turn=TURNS)
    def switch(self, turn: tuple[str, Any]) -> None:
        self.world.simulator.change_switches({turn[0]: turn[1]})

    @rule(moving=st.booleans())
    def devices_move_by_themselves(self, moving: bool) -> None:  # noqa: FBT001 - drawn
        self.world.simulator.movement = FAST if moving else NO_MOVEMENT

    @rule(seconds=st.sampled_from([1, 3, 60, 8000]))
    def time_passes(self, seconds: int) -> None:
        self.world.forward(seconds)

    # Operations

    @rule(refresh=st.sampled_from([True, True, False]))
    def up(self, refresh: bool) -> None:  # noqa: FBT001 - drawn
        self.stack.up(refresh=refresh)

    @rule()
    def refresh(self) -> None:
        self.stack.refresh()

    @rule()
    def preview(self) -> None:
        self.stack.preview()

    @rule(refresh=st.booleans())
    def destroy(self, refresh: bool) -> None:  # noqa: FBT001 - drawn
        self.stack.destroy(refresh=refresh)
        assert self.stack.engine.resources == {}

    @rule()
    def settle(self) -> None:
        settle(self.stack)

    # Operations during which something happens

    @rule(at=WHEN, task=TASKS, steps=st.integers(1, 3))
    def up_while_a_device_goes_on(self, at: tuple[int, Any], task: tuple[str, str], steps: int) -> None:
        def go_on() -> None:
            for _ in range(steps):
                self.world.go_on(*task)

        self._up_while(at, go_on)

    @rule(at=WHEN, job_id=JOBS, keys=ANY_KEYS)
    def up_while_a_colleague_cancels(self, at: tuple[int, Any], job_id: str, keys: set[str]) -> None:
        self._up_while(at, lambda: self.world.cancel(job_id, keys))

    @rule(at=WHEN, job_id=JOBS, keys=ANY_KEYS, steps=st.integers(0, 3))
    def up_while_a_colleague_retries(self, at: tuple[int, Any], job_id: str, keys: set[str], steps: int) -> None:
        self._up_while(at, lambda: self.world.retry(job_id, keys, steps))

    @rule(at=WHEN, name=NAMES, every=st.integers(1, 3), steps=st.integers(0, 3))
    def up_while_a_colleague_retries_what_the_state_calls_cancelled(
        self, at: tuple[int, Any], name: str, every: int, steps: int
    ) -> None:
        self._up_while(at, lambda: self.world.retry(*self.stack.cancelled(name, every), steps))

    @rule(at=WHEN, job_id=JOBS, change=JOB_CHANGES)
    def up_while_a_job_changes(self, at: tuple[int, Any], job_id: str, change: str) -> None:
        self._up_while(at, lambda: self.world.change_job(job_id, change))

    @rule(at=WHEN)
    def up_while_tokens_end(self, at: tuple[int, Any]) -> None:
        self._up_while(at, self.world.simulator.expire_tokens)

    @rule(at=WHEN, engine=st.booleans())
    def up_while_provider_or_engine_is_killed(self, at: tuple[int, Any], engine: bool) -> None:  # noqa: FBT001 - drawn
        number, when = at
        if engine:
            self._up_while((number, "after"), self.stack.kill_engine)
        else:
            self._up_while((number, when), self.stack.kill_provider)

    @rule(number=st.integers(1, 8), name=NAMES, keys=ANY_KEYS)
    def up_after_the_engine_of_another_was_killed(self, number: int, name: str, keys: set[str]) -> None:
        self._up_while((number, "after"), lambda: self.stack.kill_engine_and_go_on(name, keys), in_thread=True)

    @rule(number=st.integers(1, 8))
    def up_while_the_run_is_interrupted(self, number: int) -> None:
        self._up_while((number, "after"), self.stack.interrupt, in_thread=True)

    @rule(fault=FAULTS, operation=st.sampled_from(["up", "up", "up", "refresh", "preview", "destroy"]))
    def operation_with_a_fault(self, fault: dict[str, Any], operation: str) -> None:
        self.world.simulator.add_fault(fault)
        try:
            getattr(self.stack, operation)()
        except ProviderError:
            assert self.world.simulator.journal.faults
        finally:
            self.world.simulator.faults.clear()

    def _up_while(self, at: tuple[int, Any], act: Callable[[], object], *, in_thread: bool = False) -> None:
        number, when = at
        self.stack.at(number, when, act, in_thread=in_thread)
        try:
            self.stack.up()
        except (KilledError, InterruptedRunError):
            pass
        except ProviderError:
            assert self.stack.process.is_interrupted
        finally:
            self.world.happening = None

    @invariant()
    def nothing_was_written_between_operations(self) -> None:
        if hasattr(self, "stack"):
            self.stack.journal.allow()

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.world.happening = None
            settle(self.stack)


@pytest.mark.timeout(900 + 2 * EXAMPLES)
def test_no_life_of_a_stack_breaks_a_promise(world: ServedWorld, processes: Processes, tmp_path: Path) -> None:
    class ThisLife(Life):
        pass

    ThisLife.world, ThisLife.processes, ThisLife.audit = world, processes, tmp_path / "audit.jsonl"
    if SEED:
        seed(int(SEED))(ThisLife)
    run_state_machine_as_test(
        ThisLife,
        settings=settings(
            max_examples=EXAMPLES or 40,
            stateful_step_count=30,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
