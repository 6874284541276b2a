"""How far a change may go: guard, expectation, deadline, interrupt; and many requests at once."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import EnosClient, InvalidArgument, RequestTooLarge, TasksNotCancellable
from enos_ota.plan import Category, Guard, RecordedJobStatus
from enos_ota.plan.record import AFTER_PUSH
from enos_ota.reconciler import Limits, Pool
from enos_ota.reconciler.cancellation import URGENT_BATCH
from tests.harness.reconciling import fleet_of, keys, many, world
from tests.harness.simulator import JOB
from tests.harness.small_gateway import behind_a_small_gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Guard and expectation


def test_a_guard_counts_what_would_be_sent_not_what_is_declared() -> None:
    with world() as here:
        # Of these nine, two can be cancelled: the others are too late, cancelled or missing.
        declared = ["dk-01", "dk-07", "dk-08", "dk-09", "dk-10", "dk-11", "dk-97", "dk-98", "dk-99"]
        record = here.apply(*declared, guard=Guard(max_devices=2))
        assert record.problem == ""
        assert record.cancelled_count == 3


def test_a_guard_that_is_exceeded_leaves_everything_unsent_and_pending() -> None:
    with world() as here:
        record = here.apply("dk-01", "dk-02", "dk-07", guard=Guard(max_devices=2))
        assert here.writes() == []
        assert set(record.of(Category.PENDING)) == {"dk-01", "dk-02", "dk-07"}
        assert record.problem.startswith(
            "the guard stops this change, which would cancel 3 devices: at most 2 may be (maxDevices)"
        )
        assert record.problem.endswith("; nothing was sent")


def test_a_guard_on_the_share_goes_by_all_tasks_of_the_job() -> None:
    with world(many(400)) as here:
        assert "maxShare" in here.apply(*keys(101), guard=Guard(max_share=0.25)).problem
        assert here.writes() == []
        assert here.apply(*keys(100), guard=Guard(max_share=0.25)).problem == ""


class _SaysNoTotal(EnosClient):
    def count_tasks(self, *_: Any, **__: Any) -> None:
        return None


def test_a_guard_fails_closed_where_the_job_does_not_say_how_large_it_is() -> None:
    with world(client_class=_SaysNoTotal) as here:
        assert "cannot be checked" in here.apply("dk-01", guard=Guard(max_share=1.0)).problem
        assert here.writes() == []


def test_with_a_guard_a_large_set_is_read_before_anything_is_sent() -> None:
    with world(many(450)) as here:
        here.apply(*keys(450), guard=Guard(max_devices=450))
        assert [len(batch) for batch in here.writes()] == [200, 200, 50]
        # read first, and read back
        assert here.simulator.counters()["searchTask"] == 3 + 3


def test_an_overridden_guard_lets_everything_through_says_so_and_tells_each_write() -> None:
    with world() as here:
        lines: list[str] = []
        told: list[str] = []

        def watch(_: Sequence[str], override: str) -> _NoWatch:
            told.append(override)
            return _NoWatch()

        record = here.apply(
            "dk-01", "dk-07", guard=Guard(max_devices=0), break_glass="INC-9", say=lines.append, watch=watch
        )
        assert record.problem == ""
        assert told == ["INC-9", "INC-9"]
        assert lines == ["guard overridden (break-glass reason: INC-9): cancelling 2 tasks"]


class _NoWatch:
    def before(self) -> None: ...

    def after(self, outcome: object) -> None: ...


def test_an_override_that_is_not_needed_is_not_told() -> None:
    with world() as here:
        told: list[str] = []

        def watch(_: Sequence[str], override: str) -> _NoWatch:
            told.append(override)
            return _NoWatch()

        here.apply("dk-01", guard=Guard(max_devices=1), break_glass="INC-9", watch=watch)
        assert told == [""]


def test_a_job_about_another_firmware_is_left_alone() -> None:
    with world() as here:
        record = here.apply("dk-01", expect_firmware_version="2.4.0")
        assert here.simulator.counters() == {"token/get": 1, "get": 1}
        assert "firmware 2.4.0 is expected, but the job is about 2.3.0" in record.problem
        assert list(record.of(Category.PENDING)) == ["dk-01"]
        assert here.apply("dk-01", expect_firmware_version="2.3.0").problem == ""


# Early ends


def test_a_pause_that_enos_asks_for_ends_at_the_deadline() -> None:
    with world(limits=Limits(deadline=100)) as here:
        here.simulator.fault("throttle", "cancelTask", retryAfter=110, times=1)
        record = here.apply("dk-01", "dk-02")
        assert record.problem == "the deadline of 100 s for one set is over"
        assert set(record.of(Category.PENDING)) == {"dk-01", "dk-02"}
        assert [entry for entry in here.simulator.journal() if entry["processed"]] == []
        assert here.clock.monotonic() < 100 + 60


class _IsSlow(EnosClient):
    """A cancelTask takes an hour."""

    let_an_hour_pass: Callable[[], None]

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        answer = super().cancel_tasks(job_id, device_keys, **more)
        type(self).let_an_hour_pass()
        return answer


def test_what_was_sent_before_the_deadline_is_read_back_after_it() -> None:
    with world(many(600), client_class=_IsSlow) as here:
        _IsSlow.let_an_hour_pass = lambda: here.clock.advance(3600)
        record = here.apply(*keys(600))
        assert record.keys == set(keys(200))
        assert len(record.of(Category.PENDING)) == 400
        assert record.problem == "the deadline of 1800 s for one set is over"


def test_reading_back_after_the_deadline_does_not_go_on_for_ever_either() -> None:
    with world(many(600), limits=Limits(deadline=50)) as here:
        here.simulator.fault("throttle", "cancelTask", retryAfter=119, nth=2)
        record = here.apply(*keys(600))
        assert here.clock.monotonic() == pytest.approx(110)
        assert record.problem.startswith("the deadline of 50 s for one set is over")
        assert len(record.of(Category.PENDING)) == 600


class _InterruptsAfterOne(EnosClient):
    interrupt: Callable[[], None]

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        answer = super().cancel_tasks(job_id, device_keys, **more)
        type(self).interrupt()
        return answer


def test_an_interrupt_sends_nothing_more_reads_nothing_more_and_loses_nothing() -> None:
    with world(many(600), client_class=_InterruptsAfterOne) as here:
        _InterruptsAfterOne.interrupt = lambda: here.stop.set("the run was interrupted")
        record = here.apply(*keys(600))
        # token, job, published, a look at the first batch, one cancel: and no read-back
        assert here.simulator.counters() == {"token/get": 1, "get": 1, "searchTask": 2, "cancelTask": 1}
        assert record.problem == "the run was interrupted"
        assert set(record.of(Category.PENDING)) == set(keys(600)), "what was not read is not claimed"

    with world(many(600)) as there:
        there.simulator.set_tasks(JOB, keys(600)[:200], "cancelled")
        after = there.apply(*keys(600), previous=record)
        assert after.cancelled_count == 600
        assert sorted(key for batch in there.writes() for key in batch) == keys(600)[200:]


def test_an_interrupted_run_does_not_even_ask_for_the_job() -> None:
    with world() as here:
        here.stop.set("the run was interrupted")
        assert here.apply("dk-01").problem == "the run was interrupted"
        assert here.simulator.counters() == {}


# Many at once


class _InAnyOrder:
    """Runs calls in a random order: what a pool may make of them."""

    size = 4

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, nothing to guard

    def run(self, calls: Sequence[Callable[[], Any]], carry_on: Callable[[], bool]) -> list[Any]:
        results: list[Any] = [None] * len(calls)
        for position in self._random.sample(range(len(calls)), len(calls)):
            if carry_on():
                results[position] = calls[position]()
        return results


@pytest.mark.parametrize("switches", [{}, {"cancel_mode": "partial", "unknown_key": "ignore"}])
def test_the_result_does_not_depend_on_the_order_of_the_answers(switches: dict[str, Any]) -> None:
    late = {f"k{n:04}": "upgrading" for n in range(107, 900, 90)} | {f"k{n:04}": "published" for n in range(30)}
    records = []
    for workers in (None, _InAnyOrder(1), _InAnyOrder(2), Pool(8)):
        with world(many(900, **late), limits=Limits(batch_size=50), workers=workers, **switches) as here:
            records.append(here.apply(*keys(910)))
            assert here.refresh(records[-1]) == records[-1]
            touched = [key for batch in here.writes() for key in batch]
            assert set(touched) <= set(keys(910))
    assert all(record == records[0] for record in records)
    assert records[0].cancelled_count == 900 - 9


def test_as_many_requests_are_under_way_as_allowed_and_never_more() -> None:
    lock = threading.Lock()
    now, most = 0, 0
    together = threading.Barrier(3, timeout=20)

    class _Counts(EnosClient):
        def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            if device_keys[0] >= "k0100":
                together.wait()  # three at once, or the test fails
            answer = super().cancel_tasks(job_id, device_keys, **more)
            with lock:
                now -= 1
            return answer

    with world(many(1000), client_class=_Counts, limits=Limits(batch_size=100), workers=Pool(3)) as here:
        assert here.apply(*keys(1000)).cancelled_count == 1000
    assert most == 3


# What the service turns out to allow


def test_a_limit_on_the_rows_of_a_page_is_found_by_halving_and_kept() -> None:
    with world(many(500), max_page=60) as here:
        record = here.apply(*keys(500))
        assert record.cancelled_count == 500
        reads = here.simulator.counters()["searchTask"]
        here.refresh(record)
        # From now on a page of 50 rows, at once.
        assert here.simulator.counters()["searchTask"] - reads == 500 // 50


def test_a_cancel_that_is_too_large_for_the_gateway_is_halved_and_the_size_that_passes_is_kept() -> None:
    refused: list[int] = []
    # A cancelTask of 100 of these keys has 815 bytes, a search for 200 of them 2 095.
    with world(many(5000), client_class=behind_a_small_gateway(900, refused)) as here:
        record = here.apply(*keys(5000))

        assert (record.cancelled_count, record.problem) == (5000, "")
        assert sorted(key for batch in here.writes() for key in batch) == keys(5000)
        assert max(len(batch) for batch in here.writes()) == 100
        refused.clear()
        here.simulator.set_tasks(JOB, keys(5000), "init")
        here.apply(*keys(5000))

    assert refused == []


def test_a_search_that_is_too_large_for_the_gateway_is_halved_and_the_size_that_passes_is_kept() -> None:
    refused: list[int] = []
    with world(many(400), client_class=behind_a_small_gateway(900, refused)) as here:
        record = here.apply(*keys(150))
        assert (record.cancelled_count, record.problem) == (150, "")
        refused.clear()
        assert here.refresh(record) == record

    assert refused == []


def test_a_key_that_is_too_large_for_the_gateway_by_itself_ends_the_change_with_its_words() -> None:
    large = "k" * 1000
    with (
        world(fleet_of({"deviceKey": large, "status": "init"}), client_class=behind_a_small_gateway(900, [])) as here,
        pytest.raises(RequestTooLarge, match="HTTP 413 'Request size limit exceeded'"),
    ):
        here.apply(large)


class _RefusesSearches(EnosClient):
    def search_tasks_page(self, job_id: str, *, page_size: int = 200, **_: Any) -> Any:
        raise InvalidArgument(f"99400 in {job_id}, pageSize {page_size}", code=99400, operation="searchTask")


def test_a_search_that_is_refused_whatever_its_page_is_told_as_it_was_first_refused() -> None:
    with world(client_class=_RefusesSearches) as here:
        assert here.apply("dk-01").problem == f"99400 in {JOB}, pageSize 200"


# Devices that move meanwhile


class _Refills(EnosClient):
    """The first cancelTask is refused for a reason that passes, and meanwhile slots are filled again."""

    refill: Callable[[], None]

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        if len(device_keys) > URGENT_BATCH:
            type(self).refill()
            raise TasksNotCancellable("24620 for now", code=24620, operation="cancelTask")
        return super().cancel_tasks(job_id, device_keys, **more)


def test_what_was_published_meanwhile_goes_once_more_in_small_batches_and_is_noted() -> None:
    with world(many(350), client_class=_Refills) as here:
        published = keys(350)[-25:]
        _Refills.refill = lambda: here.simulator.set_tasks(JOB, published, "published")
        record = here.apply(*keys(350))
        assert here.writes() == [published[:20], published[20:]]
        assert record.of(Category.CANCELLED) == dict.fromkeys(published, "published")
        assert len(record.of(Category.PENDING)) == 325
        assert "24620 for now" in record.problem


def test_a_task_that_is_published_on_its_way_is_cancelled_and_noted() -> None:
    with world(fleet_of({"deviceKey": "a", "status": "init"}, {"deviceKey": "b", "status": "upgrading"})) as here:
        here.simulator.fault("close-before", "cancelTask", nth=1)
        here.simulator.set_tasks(JOB, ["a"], "published")
        record = here.apply("a", "b")
        assert record.outcomes["a"] == AFTER_PUSH
        assert record.job.status is RecordedJobStatus.STARTED
