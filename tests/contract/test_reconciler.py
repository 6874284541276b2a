"""What the reconciler sends and reads, and what it makes of it; verdicts come from the simulator's journal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.engine.liveness import EngineGone
from enos_ota.enos import AnswerLost, EnosClient, InvalidArgument, Page, ServerError
from enos_ota.plan import Category, JobFacts, KeyOutcome, Record, RecordedJobStatus
from enos_ota.plan.record import AFTER_PUSH, UNKNOWN_TEXT
from enos_ota.reconciler import Limits
from tests.harness.reconciling import fleet_of, keys, many, world
from tests.harness.simulator import JOB, RunningSimulator

if TYPE_CHECKING:
    from collections.abc import Sequence


# What is done


def test_a_small_set_costs_one_write_and_three_reads() -> None:
    with world() as here:
        record = here.apply("dk-01", "dk-02")
        assert record == Record(
            frozenset({"dk-01", "dk-02"}), {}, JobFacts(RecordedJobStatus.STARTED, "Pump firmware 2.3.0", "2.3.0")
        )
        assert here.writes() == [["dk-01", "dk-02"]]
        assert here.simulator.counters() == {"token/get": 1, "get": 1, "searchTask": 2, "cancelTask": 1}


def test_what_is_cancelled_already_is_adopted_without_a_write() -> None:
    with world() as here:
        assert here.apply("dk-11").outcomes == {}
        assert here.writes() == []


def test_nothing_to_do_costs_no_request_at_all() -> None:
    with world() as here:
        record = here.apply("dk-01")
        before = here.simulator.counters()
        assert here.apply("dk-01", previous=record) == record
        assert here.simulator.counters() == before


def test_one_key_more_costs_requests_for_that_key_only() -> None:
    with world() as here:
        record = here.apply("dk-01", "dk-02")
        here.apply("dk-01", "dk-02", "dk-03", previous=record)
        assert here.writes() == [["dk-01", "dk-02"], ["dk-03"]]


@pytest.mark.parametrize("cancel_mode", ["atomic", "partial"])
@pytest.mark.parametrize("unknown_key", ["error", "ignore"])
def test_eligible_keys_are_cancelled_beside_ones_that_are_too_late_or_missing(
    cancel_mode: str, unknown_key: str
) -> None:
    with world(cancel_mode=cancel_mode, unknown_key=unknown_key) as here:
        record = here.apply("dk-01", "dk-07", "dk-08", "dk-09", "dk-10", "dk-99")
        assert record.outcomes == {
            "dk-07": AFTER_PUSH,
            "dk-08": KeyOutcome(Category.TOO_LATE, "upgrading"),
            "dk-09": KeyOutcome(Category.TOO_LATE, "succeeded"),
            "dk-10": KeyOutcome(Category.TOO_LATE, "failed"),
            "dk-99": KeyOutcome(Category.MISSING),
        }
        assert (record.cancelled_count, record.problem) == (2, "")
        assert here.cancelled() == {"dk-01", "dk-07", "dk-11"}


def test_published_tasks_go_first_in_a_small_set() -> None:
    with world() as here:
        here.apply("dk-01", "dk-07")
        assert here.writes() == [["dk-07"], ["dk-01"]]


def test_published_tasks_of_a_large_set_go_first_twenty_at_a_time() -> None:
    published = {f"k{n:04}": "published" for n in range(300, 330)}
    with world(many(450, **published)) as here:
        record = here.apply(*keys(450))
        assert [len(batch) for batch in here.writes()] == [20, 10, 200, 200, 20]
        assert set(here.writes()[0] + here.writes()[1]) == set(published)
        assert record.of(Category.CANCELLED) == dict.fromkeys(published, "published")
        # published, a look at the first batch of the others, ⌈450 / 200⌉ to read back
        assert here.simulator.counters()["searchTask"] == 1 + 1 + 3


@pytest.mark.parametrize("cancel_mode", ["atomic", "partial"])
@pytest.mark.parametrize("unknown_key", ["error", "ignore"])
def test_ineligible_keys_of_a_large_set_do_not_keep_the_others_from_being_cancelled(
    cancel_mode: str, unknown_key: str
) -> None:
    late = {"k0007": "upgrading", "k0211": "succeeded"}
    with world(many(400, **late), cancel_mode=cancel_mode, unknown_key=unknown_key) as here:
        record = here.apply(*keys(410))
        assert record.of(Category.TOO_LATE) == late
        assert list(record.of(Category.MISSING)) == keys(410)[400:]
        assert (record.cancelled_count, record.problem) == (398, "")
        assert here.cancelled() == set(keys(400)) - late.keys()


def test_once_many_batches_are_refused_the_rest_is_read_before_it_is_sent() -> None:
    late = {f"k{n:04}": "upgrading" for n in range(100, 1000, 50)}
    with world(many(1000, **late), limits=Limits(batch_size=100)) as here:
        here.apply(*keys(1000))
        refused = [entry for entry in here.simulator.journal() if entry["code"] != 0]
        assert len(refused) == 1
        assert len(here.cancelled()) == 1000 - len(late)


def test_a_large_set_that_is_cancelled_already_is_taken_over_without_a_write() -> None:
    done = dict.fromkeys(keys(450), "cancelled")
    with world(many(500, **done)) as here:
        assert here.apply(*keys(450)).cancelled_count == 450
        assert here.writes() == []


def test_a_limit_on_the_keys_of_a_call_is_found_by_halving_and_kept() -> None:
    with world(many(400), max_keys=60) as here:
        assert here.apply(*keys(400)).cancelled_count == 400
        refused = [entry for entry in here.simulator.journal() if entry["code"] != 0]
        assert [len(entry["keys"]) for entry in refused] == [200, 100]
        assert here.simulator.counters()["cancelTask"] == 2 + 4 + 4


@pytest.mark.parametrize("key", ["it's", 'say "pump"', "back\\slash"])
def test_keys_that_no_expression_can_hold_are_cancelled_all_the_same(key: str) -> None:
    with world(fleet_of({"deviceKey": key, "status": "init"}, {"deviceKey": "dk-01", "status": "init"})) as here:
        assert here.apply(key).outcomes == {}
        assert here.writes() == [[key]]


def test_a_key_that_several_products_share_is_not_sent() -> None:
    fleet = fleet_of(
        {"deviceKey": "dk-01", "status": "init", "productKey": "pump"},
        {"deviceKey": "dk-01", "status": "init", "productKey": "valve"},
        {"deviceKey": "dk-02", "status": "init", "productKey": "pump"},
    )
    with world(fleet) as here:
        assert here.apply("dk-01", "dk-02").outcomes == {"dk-01": KeyOutcome(Category.AMBIGUOUS, "init")}
        assert here.writes() == [["dk-02"]]


def test_a_key_that_several_products_share_is_not_sent_in_a_large_set_either() -> None:
    twins = [
        {"deviceKey": key, "status": status, "productKey": product}
        for key, status in (("twin", "init"), ("twin-p", "published"))
        for product in ("pump", "valve")
    ]
    with world(fleet_of(*({"deviceKey": key, "status": "init"} for key in keys(250)), *twins)) as here:
        record = here.apply(*keys(250), "twin", "twin-p")
        assert set(record.of(Category.AMBIGUOUS)) == {"twin", "twin-p"}
        assert sorted(key for batch in here.writes() for key in batch) == keys(250)


# What cancelled looks like


def test_a_literal_canceled_status_is_taken_for_cancelled() -> None:
    with world(cancelled_as="canceled") as here:
        assert here.apply("dk-01").outcomes == {}


def test_a_configured_marker_is_taken_for_cancelled() -> None:
    with world(cancelled_marker="已被用户取消", markers=["已被用户取消"]) as here:
        assert here.apply("dk-01").outcomes == {}


def test_an_unknown_marker_after_an_accepted_cancel_is_cancelled_with_a_remark_that_stays() -> None:
    with world(cancelled_marker="已被用户取消") as here:
        record = here.apply("dk-01")
        assert record.outcomes == {"dk-01": UNKNOWN_TEXT}
        assert here.refresh(record) == record


def test_a_search_that_lags_behind_is_waited_for() -> None:
    with world(index_delay=2) as here:
        assert here.apply("dk-01", "dk-02").outcomes == {}
        assert here.writes() == [["dk-01", "dk-02"]]


def test_a_search_that_lags_behind_for_longer_than_the_settle_time_leaves_the_keys_pending() -> None:
    with world(index_delay=60) as here:
        record = here.apply("dk-01")
        assert record.outcomes == {"dk-01": KeyOutcome(Category.PENDING, "init", was_accepted=True)}
        assert record.keys == frozenset()


# What goes wrong


def test_an_unknown_job_is_an_outcome_with_the_keys_pending() -> None:
    with world() as here:
        record = here.apply("dk-01", job_id="nope")
        assert (record.keys, record.outcomes) == (frozenset(), {"dk-01": KeyOutcome(Category.PENDING)})
        assert "24404" in record.problem
        assert here.simulator.counters() == {"token/get": 1, "get": 1}


def test_a_stopped_job_holds_what_could_be_cancelled_and_tells_the_rest_as_it_is() -> None:
    with world() as here:
        here.simulator.set_job(JOB, "stopped")
        record = here.apply("dk-01", "dk-07", "dk-08", "dk-11", "dk-99")
        assert record.outcomes == {
            "dk-01": KeyOutcome(Category.HELD, "init"),
            "dk-07": KeyOutcome(Category.HELD, "published"),
            "dk-08": KeyOutcome(Category.TOO_LATE, "upgrading"),
            "dk-99": KeyOutcome(Category.MISSING),
        }
        assert record.keys == {"dk-01", "dk-07", "dk-08", "dk-11", "dk-99"}
        assert here.writes() == []


def test_keys_added_to_a_deleted_job_are_settled_so_that_nothing_is_planned() -> None:
    with world() as here:
        record = here.apply("dk-01")
        here.simulator.delete_job(JOB)
        record = here.apply("dk-01", "dk-02", previous=record)
        assert (record.job.status, record.problem) == (RecordedJobStatus.DELETED, "")
        assert record.keys == {"dk-01", "dk-02"}
        assert record.outcomes == {"dk-02": KeyOutcome(Category.PENDING)}


def test_an_orphan_sends_nothing() -> None:
    with world(before_write=_Engine(lives_for=0)) as here:
        with pytest.raises(EngineGone):
            here.apply("dk-01")
        assert here.writes() == []


def test_the_engine_is_looked_at_before_every_write_and_what_was_done_by_then_is_kept() -> None:
    with world(many(600), before_write=_Engine(lives_for=2)) as here:
        record = here.apply(*keys(600))
        assert len(here.writes()) == 2
        assert (record.cancelled_count, record.problem) == (400, "gone")


class _Engine:
    """An engine that dies after some writes."""

    def __init__(self, lives_for: int) -> None:
        self.lives_for = lives_for

    def __call__(self) -> None:
        if not self.lives_for:
            raise EngineGone("gone")
        self.lives_for -= 1


def test_a_deadline_ends_the_writing_and_keeps_what_was_done() -> None:
    with world(many(600), limits=Limits(deadline=0)) as here:
        record = here.apply(*keys(600))
        assert here.writes() == []
        assert record.problem == "the deadline of 0 s for one set is over"
        assert len(record.of(Category.PENDING)) == 600


class _Refuses(EnosClient):
    """Every cancelTask that holds one of some keys is refused by the gateway, whatever their state."""

    bad: frozenset[str] = frozenset()
    calls = 0

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        type(self).calls += 1
        if self.bad.intersection(device_keys):
            raise InvalidArgument("99400 Invalid Argument deviceKeys", code=99400, operation="cancelTask")
        return super().cancel_tasks(job_id, device_keys, **more)


class _RefusesAll(_Refuses):
    bad = frozenset(f"k{n:04}" for n in range(2000))


class _RefusesOne(_Refuses):
    bad = frozenset({"k0007"})


class _FailsAlways(_Refuses):
    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **_: Any) -> str:
        type(self).calls += 1
        text = f"99500 Internal Server Error: {len(device_keys)} keys of {job_id}"
        raise ServerError(text, code=99500, operation="cancelTask", may_have_been_processed=True)


def test_a_refusal_of_everything_ends_the_set_soon_and_with_its_cause() -> None:
    with world(many(2000), client_class=_RefusesAll) as here:
        record = here.apply(*keys(2000))
        assert _RefusesAll.calls < 40
        assert "1 task is unchanged after 6 attempts, the last: 99400" in record.problem
        assert len(record.of(Category.PENDING)) == 2000


def test_one_key_that_cannot_be_brought_through_does_not_slow_down_or_stop_the_others() -> None:
    with world(many(600), client_class=_RefusesOne) as here:
        record = here.apply(*keys(600))
        assert _RefusesOne.calls < 30
        assert list(record.of(Category.PENDING)) == ["k0007"]
        assert (record.cancelled_count, "99400" in record.problem) == (599, True)


def test_an_enos_that_fails_every_write_ends_the_set_after_one_batch_and_with_its_cause() -> None:
    with world(many(2000), client_class=_FailsAlways) as here:
        record = here.apply(*keys(2000))
        assert _FailsAlways.calls == 6
        assert "200 tasks are unchanged after 6 attempts, the last: 99500" in record.problem


class _MissesRows(EnosClient):
    """The first search comes back without a row, as can happen while pages shift."""

    searches = 0

    def search_tasks_page(self, *args: Any, **kwargs: Any) -> Any:
        type(self).searches += 1
        return Page((), 1, 200, 0) if self.searches == 1 else super().search_tasks_page(*args, **kwargs)


def test_a_row_that_a_first_search_missed_is_found_before_it_is_called_missing() -> None:
    with world(client_class=_MissesRows) as here:
        assert here.apply("dk-01").outcomes == {}
        assert here.writes() == [["dk-01"]]


class _Remembers(EnosClient):
    """Writes down its cancelTasks, in one list for all its views."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cancels: list[Sequence[str]] = []

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        self.cancels.append(device_keys)
        return super().cancel_tasks(job_id, device_keys, **more)


class _LosesAnswers(_Remembers):
    """Every first cancelTask ends without an answer: processed or not, as the subclass says."""

    processed = True

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        if self.cancels:
            return super().cancel_tasks(job_id, device_keys, **more)
        if self.processed:
            super().cancel_tasks(job_id, device_keys, **more)
        else:
            self.cancels.append(device_keys)
        raise AnswerLost("cancelTask: closed", operation="cancelTask", may_have_been_processed=True)


class _LosesRequests(_LosesAnswers):
    processed = False


@pytest.mark.parametrize("count", [10, 450])
def test_a_lost_answer_is_looked_at_and_nothing_is_cancelled_twice(count: int) -> None:
    with world(many(count), client_class=_LosesAnswers) as here:
        assert here.apply(*keys(count)).cancelled_count == count
        sent = [key for batch in here.writes() for key in batch]
        assert sorted(sent) == keys(count)


def test_a_request_that_never_arrived_is_sent_again() -> None:
    with world(client_class=_LosesRequests) as here:
        assert here.apply("dk-01").outcomes == {}
        assert here.writes() == [["dk-01"]]


class _StopsAfterOne(EnosClient):
    """The job is stopped right after the first cancelTask."""

    simulator: RunningSimulator
    status = "stopped"

    def cancel_tasks(self, job_id: str, device_keys: Sequence[str], **more: Any) -> str:
        answer = super().cancel_tasks(job_id, device_keys, **more)
        if self.status == "stopped":
            self.simulator.set_job(job_id, "stopped")
        else:
            self.simulator.delete_job(job_id)
        return answer


class _DeletesAfterOne(_StopsAfterOne):
    status = "deleted"


def test_a_job_stopped_half_way_leaves_what_was_done_recorded_and_the_rest_pending() -> None:
    with world(many(600), client_class=_StopsAfterOne) as here:
        _StopsAfterOne.simulator = here.simulator
        record = here.apply(*keys(600))
        assert record.keys == set(keys(600)[:200])
        assert record.problem.startswith("the job was stopped meanwhile: ")
        assert "24617" in record.problem
        # published, a look at the first batch, and to read back just the one batch that was sent
        assert here.simulator.counters()["searchTask"] == 3


def test_a_job_deleted_half_way_leaves_all_keys_to_be_looked_up() -> None:
    with world(many(600), client_class=_DeletesAfterOne) as here:
        _StopsAfterOne.simulator = here.simulator
        record = here.apply(*keys(600))
        assert record.keys == frozenset()
        assert record.problem.startswith("the job was deleted meanwhile: ")
        settled = here.refresh(record)
        assert settled.keys == set(keys(600))
        assert settled.job.status is RecordedJobStatus.DELETED


def test_a_job_deleted_before_the_read_back_is_not_taken_for_missing_tasks() -> None:
    with world(client_class=_DeletesAfterOne) as here:
        _StopsAfterOne.simulator = here.simulator
        record = here.apply("dk-01")
        assert record.of(Category.MISSING) == {}
        assert record.problem.startswith("the job was deleted meanwhile: ")


class _CannotReadBack(_Remembers):
    """Searches fail once something was sent."""

    def search_tasks_page(self, *args: Any, **kwargs: Any) -> Any:
        if self.cancels:
            raise AnswerLost("searchTask: closed", operation="searchTask")
        return super().search_tasks_page(*args, **kwargs)


def test_what_cannot_be_read_back_is_pending_and_looked_up_the_next_time() -> None:
    with world(client_class=_CannotReadBack) as here:
        record = here.apply("dk-01")
        assert record.problem == "what was sent could not be read back: searchTask: closed"
        assert record.outcomes == {"dk-01": KeyOutcome(Category.PENDING, "init", was_accepted=True)}
        here.client.cancels.clear()  # type: ignore[attr-defined]  # the network is back
        assert here.refresh(record).keys == {"dk-01"}
        assert here.writes() == [["dk-01"]]


def test_a_read_that_fails_before_anything_was_sent_raises() -> None:
    with world(client_class=_CannotReadBack) as here:
        here.client.cancels.append([])  # type: ignore[attr-defined]  # from the start
        with pytest.raises(AnswerLost):
            here.apply("dk-01")
        assert here.writes() == []


# Looking again


def test_a_refresh_without_drift_changes_nothing_and_reads_once() -> None:
    with world() as here:
        record = here.apply("dk-01", "dk-07")
        before = here.simulator.counters()
        assert here.refresh(record) == record
        after = here.simulator.counters()
        assert (after["get"] - before["get"], after["searchTask"] - before["searchTask"]) == (1, 1)


def test_a_task_that_somebody_retried_leaves_the_settled_keys() -> None:
    with world() as here:
        record = here.apply("dk-01", "dk-02")
        here.simulator.retry(JOB, ["dk-02"])
        record = here.refresh(record)
        assert record.keys == {"dk-01"}
        assert record.outcomes == {"dk-02": KeyOutcome(Category.PENDING, "init", was_cancelled=True)}
        assert here.apply("dk-01", "dk-02", previous=record).outcomes == {}
        assert here.writes() == [["dk-01", "dk-02"], ["dk-02"]]


def test_a_task_that_somebody_retried_and_that_went_on_has_escaped() -> None:
    with world() as here:
        record = here.apply("dk-01")
        here.simulator.set_tasks(JOB, ["dk-01"], "upgrading")
        assert here.refresh(record).outcomes == {"dk-01": KeyOutcome(Category.ESCAPED, "upgrading")}


def test_a_task_that_slips_away_between_refresh_and_cancel_has_escaped_not_just_been_late() -> None:
    with world() as here:
        record = here.apply("dk-01")
        here.simulator.retry(JOB, ["dk-01"])
        record = here.refresh(record)
        here.simulator.set_tasks(JOB, ["dk-01"], "upgrading")
        assert here.apply("dk-01", previous=record).outcomes == {"dk-01": KeyOutcome(Category.ESCAPED, "upgrading")}


def test_pending_keys_that_a_colleague_cancelled_are_adopted_by_a_refresh() -> None:
    with world() as here:
        pending = Record(
            outcomes={"dk-11": KeyOutcome(Category.PENDING, "init")},
            job=JobFacts(RecordedJobStatus.STARTED),
            problem="x",
        )
        record = here.refresh(pending)
        assert record == Record(frozenset({"dk-11"}), {}, record.job)


def test_a_stopped_job_costs_one_request_to_refresh_and_changes_no_key() -> None:
    with world() as here:
        record = here.apply("dk-01")
        here.simulator.retry(JOB, ["dk-01"])
        here.simulator.set_job(JOB, "stopped")
        before = here.simulator.counters()
        refreshed = here.refresh(record)
        assert refreshed == replace(record, job=replace(record.job, status=RecordedJobStatus.STOPPED))
        assert here.simulator.counters() == before | {"get": before["get"] + 1}


def test_held_keys_show_as_work_once_the_job_is_started_again() -> None:
    with world() as here:
        here.simulator.set_job(JOB, "stopped")
        record = here.apply("dk-01", "dk-08")
        here.simulator.set_job(JOB, "started")
        record = here.refresh(record)
        assert record.keys == {"dk-08"}
        assert record.outcomes == {
            "dk-01": KeyOutcome(Category.PENDING, "init"),
            "dk-08": KeyOutcome(Category.TOO_LATE, "upgrading"),
        }


def test_held_keys_are_taken_up_when_another_key_is_added_to_a_job_that_was_started_again() -> None:
    with world() as here:
        here.simulator.set_job(JOB, "stopped")
        record = here.apply("dk-01")
        here.simulator.set_job(JOB, "started")
        assert here.apply("dk-01", "dk-02", previous=record).outcomes == {}
        assert here.writes() == [["dk-01", "dk-02"]]


def test_a_key_that_was_cancelled_then_retried_then_held_has_escaped_if_it_goes_on() -> None:
    with world() as here:
        record = here.apply("dk-01")
        here.simulator.retry(JOB, ["dk-01"])
        record = here.refresh(record)
        here.simulator.set_job(JOB, "stopped")
        record = here.apply("dk-01", previous=record)
        assert record.outcomes == {"dk-01": KeyOutcome(Category.HELD, "init", was_cancelled=True)}
        here.simulator.set_job(JOB, "started")
        here.simulator.set_tasks(JOB, ["dk-01"], "upgrading")
        assert here.refresh(record).outcomes == {"dk-01": KeyOutcome(Category.ESCAPED, "upgrading")}


def test_a_deleted_job_is_noted_and_nothing_is_planned() -> None:
    with world() as here:
        record = here.apply("dk-01", "dk-08")
        here.simulator.delete_job(JOB)
        refreshed = here.refresh(record)
        assert refreshed.job.status is RecordedJobStatus.DELETED
        assert (refreshed.keys, refreshed.outcomes) == (record.keys, record.outcomes)


def test_a_job_that_was_never_found_is_not_taken_for_deleted() -> None:
    with world() as here:
        record = here.apply("dk-01", job_id="nope")
        assert here.reconciler.refresh("nope", record) == record
