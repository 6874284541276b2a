"""Nothing is claimed that was not read, nothing is forgotten that was known, and no cancel leaves late."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import AnswerLost, EnosClient, Page
from enos_ota.plan import Category, Guard, JobFacts, KeyOutcome, Record, RecordedJobStatus
from enos_ota.plan.classify import settle_unfinished
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT
from enos_ota.reconciler import Limits, Pool
from tests.harness.reconciling import World, fleet_of, keys, many, world
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OTHER = "Zz98yX76"


class Scripted(EnosClient):
    """Calls what the test says before each request; `before` is given the operation."""

    before: Callable[[str], None]

    def get_job(self, *args: Any, **kwargs: Any) -> Any:
        type(self).before("get")
        return super().get_job(*args, **kwargs)

    def search_tasks_page(self, *args: Any, **kwargs: Any) -> Any:
        type(self).before("searchTask")
        return super().search_tasks_page(*args, **kwargs)

    def count_tasks(self, *args: Any, **kwargs: Any) -> Any:
        type(self).before("count")
        return super().count_tasks(*args, **kwargs)

    def cancel_tasks(self, *args: Any, **kwargs: Any) -> Any:
        type(self).before("cancelTask")
        return super().cancel_tasks(*args, **kwargs)


def at(operation: str, number: int, act: Callable[[], None]) -> Callable[[str], None]:
    """Act before the n-th request of an operation."""
    count: Counter[str] = Counter()

    def before(this: str) -> None:
        count[this] += 1
        if this == operation and count[this] == number:
            act()

    return before


# After the end


def test_no_cancel_leaves_once_the_run_was_interrupted_however_long_it_was_on_its_way() -> None:
    with world(client_class=Scripted) as here:
        # As if a token had to be got first: between the batch's own look at the end and the request.
        Scripted.before = at("cancelTask", 1, lambda: here.stop.set("interrupted"))
        record = here.apply("dk-01")
        assert here.simulator.journal() == []
        assert (record.problem, record.outcomes) == ("interrupted", {"dk-01": KeyOutcome(Category.PENDING, "init")})


@pytest.mark.parametrize("operation", ["get", "searchTask", "count"])
def test_an_interrupt_leaves_any_request_that_hangs_behind(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enos_ota.reconciler.workers.PATIENCE", 0.05)
    released = threading.Event()
    with world(many(300), client_class=Scripted, workers=Pool(2)) as here:

        def hang() -> None:
            here.stop.set("interrupted")
            released.wait(60)

        Scripted.before = at(operation, 1, hang)
        try:
            record = here.apply(*keys(300), guard=Guard(max_share=1.0) if operation == "count" else Guard())
        finally:
            released.set()
        assert record.problem == "interrupted"
        assert here.simulator.journal() == []


def test_a_reading_does_not_begin_a_second_time_once_the_run_was_interrupted() -> None:
    with world(client_class=Scripted, workers=Pool(2)) as here:
        Scripted.before = at("searchTask", 1, lambda: here.stop.set("interrupted"))
        here.apply("dk-01", "nobody")
        assert here.simulator.counters()["searchTask"] == 1


def test_a_reading_ends_at_the_deadline() -> None:
    with world(many(3000), client_class=Scripted, limits=Limits(deadline=10)) as here:
        Scripted.before = lambda _: here.clock.advance(4)
        record = here.apply(*keys(3000), guard=Guard(max_devices=3000))
        assert "deadline" in record.problem
        assert here.simulator.counters()["searchTask"] <= 3


@pytest.mark.parametrize("deadline", [4.2, 5, 6, 7, 8, 9])
def test_a_deadline_during_the_reading_back_loses_nothing(deadline: float) -> None:
    with world(many(2000), client_class=Scripted, limits=Limits(deadline=deadline)) as here:
        Scripted.before = lambda _: here.clock.advance(0.3)
        record = here.apply(*keys(2000))
        done = {key for batch in here.writes() for key in batch}
        assert record.keys == done
        assert bool(record.problem) == (len(done) < 2000)


# What is read


def twins(count: int, doubled: int) -> dict[str, Any]:
    """A fleet of k0000, …; the first `doubled` of them exist under two products."""
    tasks = [{"deviceKey": key, "status": "init"} for key in keys(count)]
    return fleet_of(*tasks, *({"deviceKey": key, "productKey": OTHER} for key in keys(doubled)))


@pytest.mark.parametrize("switches", [{"task_order": "random"}, {"max_page": 60}, {"task_order": "updateTime"}])
def test_a_key_of_two_products_is_never_sent_however_rows_shift_from_page_to_page(switches: dict[str, Any]) -> None:
    for _ in range(4):
        with world(twins(200, 40), **switches) as here:
            record = here.apply(*keys(200))
            assert set(record.of(Category.AMBIGUOUS)) == set(keys(40))
            assert not {key for batch in here.writes() for key in batch}.intersection(keys(40))


class _ShowsOneTwin(EnosClient):
    """Searches by status show both tasks of a key; the job names a product all the same."""

    def get_job(self, *args: Any, **kwargs: Any) -> Any:
        job = super().get_job(*args, **kwargs)
        object.__setattr__(job, "product_key", "Pk12aB34")
        return job


def test_a_key_that_is_published_twice_is_not_sent_even_where_the_job_names_one_product() -> None:
    fleet = twins(300, 0)
    fleet["jobs"][0]["tasks"][0]["status"] = "published"
    fleet["jobs"][0]["tasks"].append({"deviceKey": "k0000", "productKey": OTHER, "status": "published"})
    with world(fleet, client_class=_ShowsOneTwin) as here:
        here.apply(*keys(300))
        assert "k0000" not in here.writes()[0]


def test_what_one_failing_search_leaves_out_the_others_still_tell() -> None:
    def fail() -> None:
        raise AnswerLost("searchTask: closed", operation="searchTask")

    with world(many(2000), client_class=Scripted) as here:
        # published, a look at the first batch, and the ninth page of ten to read back
        Scripted.before = at("searchTask", 2 + 9, fail)
        record = here.apply(*keys(2000))
        assert record.keys == set(keys(1600))
        assert record.problem == "what was sent could not be read back: searchTask: closed"


@pytest.mark.parametrize("order", ["random", "updateTime"])
def test_a_key_that_no_search_can_name_is_never_called_missing_while_rows_shift(order: str) -> None:
    tasks = [{"deviceKey": key, "status": "init"} for key in [*keys(700), "it's"]]
    for _ in range(5):
        with world(fleet_of(*tasks), task_order=order) as here:
            record = here.apply("it's")
            assert record.of(Category.MISSING) == {}
            assert ("it's" in record.of(Category.PENDING)) == bool(record.problem)


def test_going_through_a_whole_job_ends_with_the_run() -> None:
    tasks = [{"deviceKey": key, "status": "init"} for key in [*keys(2000), "it's"]]
    with world(fleet_of(*tasks), client_class=Scripted) as here:
        Scripted.before = at("searchTask", 3, lambda: here.stop.set("interrupted"))
        assert here.apply("it's").outcomes == {"it's": KeyOutcome(Category.PENDING)}
        assert here.simulator.counters()["searchTask"] == 3


def test_a_job_that_goes_away_before_its_tasks_are_read_leaves_nothing_missing() -> None:
    with world(client_class=Scripted) as here:
        Scripted.before = at("searchTask", 1, lambda: here.simulator.delete_job(JOB))
        record = here.apply("dk-01", "dk-02")
        assert record.of(Category.MISSING) == {}
        assert record.problem.startswith("the job was deleted meanwhile")


def test_a_job_that_goes_away_during_a_refresh_is_deleted_and_its_set_keeps_what_it_knew() -> None:
    with world(client_class=Scripted) as here:
        Scripted.before = lambda _: None
        record = here.apply("dk-01", "dk-02")
        Scripted.before = at("searchTask", 1, lambda: here.simulator.delete_job(JOB))
        refreshed = here.refresh(record)
        assert refreshed.job.status is RecordedJobStatus.DELETED
        assert refreshed.cancelled_count == 2


def test_after_a_guarded_reading_devices_that_move_spoil_few_batches() -> None:
    with world(many(4000), client_class=Scripted) as here:

        def move() -> None:
            here.simulator.set_tasks(JOB, keys(4000)[50::100], "upgrading")

        Scripted.before = at("cancelTask", 1, move)
        record = here.apply(*keys(4000), guard=Guard(max_devices=4000))
        assert record.cancelled_count == 4000 - 40
        assert sum(1 for entry in here.simulator.journal() if entry["code"]) <= 6


# What is remembered


def test_an_accepted_cancel_is_remembered_until_somebody_can_read_what_came_of_it() -> None:
    with world(index_delay=60, cancelled_marker="撤销") as here:
        record = here.apply("dk-01")
        assert record.outcomes == {"dk-01": KeyOutcome(Category.PENDING, "init", was_accepted=True)}
        here.clock.advance(60)
        assert here.refresh(record).outcomes == {"dk-01": UNKNOWN_TEXT}
        assert here.apply("dk-01", previous=record).outcomes == {"dk-01": UNKNOWN_TEXT}


def test_that_the_device_had_been_told_is_remembered_through_an_interrupt() -> None:
    with world(index_delay=60) as here:
        record = here.apply("dk-07")
        assert record.outcomes == {"dk-07": KeyOutcome(Category.PENDING, "published", was_accepted=True)}
        here.clock.advance(60)
        assert here.refresh(record).outcomes == {"dk-07": AFTER_PUSH}
        assert here.apply("dk-07", previous=record).outcomes == {"dk-07": AFTER_PUSH}


def test_a_task_that_was_out_of_sight_for_a_while_has_escaped_and_not_just_been_late() -> None:
    with world(client_class=Scripted) as here:
        Scripted.before = lambda _: None
        record = here.apply("dk-01")
        lost = Record(record.keys, {"dk-01": KeyOutcome(Category.MISSING, was_cancelled=True)}, record.job)
        here.simulator.set_tasks(JOB, ["dk-01"], "upgrading")
        assert here.refresh(lost).outcomes == {"dk-01": KeyOutcome(Category.ESCAPED, "upgrading")}


def test_a_set_that_rests_keeps_what_it_knew_of_each_key() -> None:
    was = KeyOutcome(Category.PENDING, "init", was_cancelled=True)
    resting = settle_unfinished(Record(outcomes={"dk-01": was}), ["dk-01", "dk-02"], JobFacts())
    assert resting.outcomes == {"dk-01": was, "dk-02": KeyOutcome(Category.PENDING)}


def test_what_went_wrong_on_the_way_is_no_problem_once_all_is_settled() -> None:
    with world(index_delay=6) as here:
        here.simulator.fault("close-after", "cancelTask", nth=1)
        record = here.apply("dk-01", "dk-02")
        assert (record.cancelled_count, record.problem) == (2, "")


def test_held_keys_are_just_not_done_once_the_job_is_started_but_is_about_another_firmware() -> None:
    with world() as here:
        here.simulator.set_job(JOB, "stopped")
        held = here.apply("dk-01")
        here.simulator.set_job(JOB, "started")
        record = here.apply("dk-01", "dk-02", previous=held, expect_firmware_version="9")
        assert record.outcomes == {
            "dk-01": KeyOutcome(Category.PENDING, "init"),
            "dk-02": KeyOutcome(Category.PENDING),
        }


class _Breaks(EnosClient):
    """Something in here fails that should not, after two calls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[int] = []

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        self.calls.append(1)
        if len(self.calls) > 2:
            raise OverflowError("too large")
        return super().cancel_tasks(job_id, device_keys, **more)


def test_an_error_of_our_own_loses_nothing_of_what_was_done() -> None:
    with world(many(1000), client_class=_Breaks) as here:
        record = here.apply(*keys(1000))
        assert record.keys == set(keys(400))
        assert record.problem == "an error of enos-ota's own: OverflowError: too large"


def test_a_page_that_says_nothing_of_a_total_is_read_to_its_end() -> None:
    class _SaysNoTotal(EnosClient):
        def search_tasks_page(self, *args: Any, **kwargs: Any) -> Any:
            page = super().search_tasks_page(*args, **kwargs)
            return Page(page.items, page.page_no, page.page_size, None)

    with world(many(450), client_class=_SaysNoTotal) as here:
        check(here)


def check(here: World) -> None:
    record = here.apply(*keys(450))
    assert (record.cancelled_count, record.problem) == (450, "")
    assert here.refresh(record) == record


@pytest.mark.parametrize("key", ["it's", "a'\"b"])
def test_a_key_of_two_products_that_no_search_can_name_is_never_sent_while_rows_shift(key: str) -> None:
    tasks = [{"deviceKey": each, "status": "init"} for each in [*keys(600), key]]
    fleet = fleet_of(*tasks, {"deviceKey": key, "productKey": OTHER})
    for seed in range(12):
        with world(fleet, task_order="random", seed=seed) as here:
            record = here.apply(key)
            assert here.writes() == []
            assert key in record.of(Category.AMBIGUOUS) or key in record.of(Category.PENDING)


def test_that_the_device_had_been_told_is_remembered_while_the_job_is_stopped() -> None:
    with world(index_delay=60) as here:
        record = here.apply("dk-07")
        here.clock.advance(60)
        here.simulator.set_job(JOB, "stopped")
        here.clock.advance(60)
        assert here.apply("dk-07", previous=record).outcomes == {"dk-07": AFTER_PUSH}


def test_that_the_device_had_been_told_is_remembered_through_a_run_that_could_not_look() -> None:
    with world(client_class=Scripted, index_delay=60) as here:
        Scripted.before = lambda _: None
        record = here.apply("dk-07")
        Scripted.before = at("searchTask", 1, lambda: here.stop.set("interrupted"))
        again = here.apply("dk-07", "dk-01", previous=record)
        assert again.outcomes["dk-07"] == KeyOutcome(Category.PENDING, "published", was_accepted=True)


def test_a_cancel_that_was_announced_and_came_too_late_is_told_as_not_sent() -> None:
    outcomes: list[str] = []

    class _Watch:
        def before(self) -> None:
            here.clock.advance(3600)  # the disk was slow

        def after(self, outcome: object) -> None:
            outcomes.append(str(outcome))

    with world() as here:
        record = here.apply("dk-01", watch=lambda *_: _Watch())
        assert here.simulator.journal() == []
        assert outcomes == [record.problem] == ["the deadline of 1800 s for one set is over"]


@pytest.mark.parametrize("repeat_cancel", ["refuse", "ok"])
def test_a_lost_answer_is_given_the_time_that_searches_may_lag_behind(repeat_cancel: str) -> None:
    with world(index_delay=2, repeat_cancel=repeat_cancel) as here:
        here.simulator.fault("close-after", "cancelTask", nth=1)
        record = here.apply("dk-01", "dk-02")
        assert (record.cancelled_count, record.problem) == (2, "")
        assert here.writes() == [["dk-01", "dk-02"]], "once"


def test_an_error_of_our_own_while_reading_back_loses_nothing_either() -> None:
    def fail() -> None:
        raise ValueError("odd")

    with world(client_class=Scripted) as here:
        Scripted.before = at("searchTask", 2, fail)
        record = here.apply("dk-01")
        assert record.problem == "an error of enos-ota's own: ValueError: odd"
        assert record.outcomes == {"dk-01": KeyOutcome(Category.PENDING, "init", was_accepted=True)}
