"""Results do not depend on which answer comes first, and an interrupt is not kept waiting."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from enos_ota.reconciler.workers import Pool, SerialWorkers

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.reconciler.workers import Workers


def always() -> bool:
    return True


@pytest.mark.parametrize("workers", [SerialWorkers(), Pool(3)])
def test_results_come_in_the_order_of_the_calls(workers: Workers) -> None:
    turns = [threading.Event() for _ in range(4)]
    turns[3].set()

    def call(number: int) -> Callable[[], int]:
        def run() -> int:
            if not isinstance(workers, SerialWorkers) and number > 0:
                turns[number].wait()
            turns[number - 1].set()
            return number

        return run

    # With a pool the last of the first three ends first.
    assert workers.run([call(0), call(1), call(2), call(3)], always) == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [SerialWorkers(), Pool(2)])
def test_what_the_first_failing_call_raised_is_raised(workers: Workers) -> None:
    def fail(text: str) -> Callable[[], int]:
        def run() -> int:
            raise LookupError(text)

        return run

    with pytest.raises(LookupError, match="first"):
        workers.run([lambda: 1, fail("first"), fail("second")], always)


@pytest.mark.parametrize("workers", [SerialWorkers(), Pool(2)])
def test_no_calls_have_no_results(workers: Workers) -> None:
    assert workers.run([], always) == []


def test_after_a_failure_no_further_call_begins() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def note(number: int) -> Callable[[], None]:
        return lambda: begun.append(number)

    def fail() -> None:
        failed.set()
        raise LookupError

    with pytest.raises(LookupError):
        SerialWorkers().run([note(0), fail, note(2)], always)
    assert begun == [0]


@pytest.mark.parametrize("workers", [SerialWorkers(), Pool(1)])
def test_once_interrupted_no_further_call_begins_and_the_one_under_way_may_end(workers: Workers) -> None:
    interrupted = threading.Event()

    def first() -> str:
        interrupted.set()
        return "first"

    def rest() -> str:
        # In a pool the interrupt is seen while this one is under way, at the latest.
        return "late"

    results = workers.run([first, *[rest] * 50], lambda: not interrupted.is_set())
    assert results[0] == "first"
    if isinstance(workers, SerialWorkers):
        assert results[1:] == [None] * 50


def test_a_long_run_does_not_keep_a_short_one_waiting() -> None:
    pool = Pool(1)
    under_way, gate = threading.Event(), threading.Event()
    begun: list[str] = []

    def call(name: str) -> Callable[[], None]:
        def run() -> None:
            under_way.set()
            gate.wait()
            begun.append(name)

        return run

    long = threading.Thread(target=pool.run, args=([call("long")] * 20, always))
    short = threading.Thread(target=pool.run, args=([call("short")], always))
    for thread, queued in ((long, 1), (short, 2)):
        thread.start()
        under_way.wait()
        while pool._executor._work_queue.qsize() < queued:
            pass
    gate.set()
    short.join()
    long.join()
    assert begun.index("short") == 2, "after the one under way and the one that was handed in before"


def test_an_interrupted_run_does_not_wait_for_a_call_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enos_ota.reconciler.workers.PATIENCE", 0.05)
    released = threading.Event()
    pool = Pool(1)
    try:
        assert pool.run([released.wait, lambda: True], lambda: False) == [None, None]
    finally:
        released.set()
