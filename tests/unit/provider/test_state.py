"""What a state file holds: names and texts that every later version must read."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enos_ota.engine import properties as state
from enos_ota.plan import Category, JobFacts, KeyOutcome, Record, RecordedJobStatus
from enos_ota.plan.classify import settle
from enos_ota.plan.record import AFTER_PUSH

BAG: dict[str, Any] = {
    "setName": "pump",
    "apiGateway": "https://apim.example.com",
    "orgId": "o1",
    "jobId": "j1",
    "deviceKeys": "a\nb\nc\n",
    "onTooLate": "report",
    "onMissing": "fail",
}
RECORD = Record(
    keys=frozenset({"a", "b"}),
    outcomes={
        "b": KeyOutcome(Category.TOO_LATE, "upgrading"),
        "c": KeyOutcome(Category.PENDING, "init", was_cancelled=True),
    },
    job=JobFacts(RecordedJobStatus.STARTED, "Pump 2.3.0", "2.3.0", automatic_retry=True),
    problem="EnOS kept throttling",
)


def test_outputs_are_the_inputs_with_the_settled_keys_and_what_is_recorded_of_them() -> None:
    assert state.outputs_of(BAG, RECORD) == {
        **BAG,
        "deviceKeys": "a\nb\n",
        "cancelledCount": 1,
        "exceptions": "b\ttoo late\tupgrading\nc\tpending\tinit, was cancelled\n",
        "problem": "EnOS kept throttling",
        "job": {"status": "started", "name": "Pump 2.3.0", "firmwareVersion": "2.3.0", "automaticRetry": True},
    }


def test_what_pulumi_adds_to_a_bag_does_not_become_an_output() -> None:
    assert "__provider" not in state.outputs_of({**BAG, "__provider": "gASV"}, RECORD)


def test_inputs_alone_read_as_recorded_keys_of_a_job_nobody_has_seen() -> None:
    assert state.record_of(BAG) == Record(keys=frozenset({"a", "b", "c"}))


def test_a_status_text_with_tabs_and_line_breaks_cannot_break_the_rows() -> None:
    record = Record(frozenset({"a"}), {"a": KeyOutcome(Category.TOO_LATE, "half\tway\nthere")})
    assert state.outputs_of(BAG, record)["exceptions"] == "a\ttoo late\thalf way there\n"


def test_a_text_of_enos_with_control_characters_or_surrogates_can_be_saved() -> None:
    job = JobFacts(RecordedJobStatus.STARTED, "Pump\ud800\x1b[31m", "2.3\n0")
    outputs = state.outputs_of(BAG, Record(job=job, problem="no\nway"))
    assert (outputs["job"]["name"], outputs["job"]["firmwareVersion"]) == ("Pump  [31m", "2.3 0")
    assert outputs["problem"] == "no way"


KEYS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda key: " ".join(key.split()) == key  # a problem, which may name keys, is recorded with single spaces
)
STATUSES = st.sampled_from(["", "init", "published", "upgrading", "succeeded", "failed"])
FINDINGS = st.one_of(
    st.none(),
    st.just(AFTER_PUSH),
    st.builds(KeyOutcome, st.sampled_from(Category), STATUSES, was_cancelled=st.just(value=False)),
    st.builds(
        KeyOutcome, st.sampled_from([Category.PENDING, Category.HELD]), STATUSES, was_cancelled=st.just(value=True)
    ),
)


@given(
    st.dictionaries(KEYS, FINDINGS), st.sampled_from(RecordedJobStatus), st.sampled_from(["", "EnOS kept throttling"])
)
def test_every_record_comes_back_from_its_outputs(
    outcomes: dict[str, KeyOutcome | None], status: RecordedJobStatus, problem: str
) -> None:
    record = settle(outcomes, JobFacts(status, "name"), problem)
    assert state.record_of(state.outputs_of(BAG, record)) == record


def test_a_set_expires_once_its_day_is_over() -> None:
    task_set = state.task_set_of({**BAG, "expires": "2027-03-31"})
    assert not task_set.is_expired(date(2027, 3, 31))
    assert task_set.is_expired(date(2027, 4, 1))


def test_a_set_without_a_last_day_never_expires() -> None:
    assert not state.task_set_of(BAG).is_expired(date(9999, 12, 31))
