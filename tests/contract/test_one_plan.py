"""A preview, a review and an `up` give one answer: the real core against the simulator, without sockets."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from enos_ota.engine.preview_json import Change, Preview, SetStep
from enos_ota.enos import Credentials, EnosClient
from enos_ota.plan import (
    Category,
    Code,
    Guard,
    KeyOutcome,
    Message,
    Record,
    RecordedJobStatus,
    Severity,
    TaskSet,
    build_plan,
    describe_plan,
    describe_record,
)
from enos_ota.plan.record import UNKNOWN_TEXT
from enos_ota.reconciler import DEFAULT_MARKERS, ApplyResult, Reconciler
from enos_ota.reconciler.live_reader import read_plan
from enos_ota.review.compose import ReviewContext, ReviewFacts, build_report
from enos_ota.review.reviewing import read_live_job
from enos_simulator.fleet import parse_fleet
from enos_simulator.simulator import Simulator
from tests.harness.clock import FakeClock
from tests.harness.in_process import GATEWAY, InProcessAdapter
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pytest

    from enos_ota.plan import Plan
    from enos_ota.review.model import ReviewReport, SetMessage

KEYS: Final = [f"k{number}" for number in range(6)]
UNKNOWN_KEY: Final = "unknown-key"
TODAY: Final = date(2026, 12, 1)
YESTERDAY: Final = (TODAY - timedelta(days=1)).isoformat()
VERSION: Final = "2.3.0"
STATUSES: Final = ("init", "published", "upgrading", "succeeded", "failed", "cancelled")


class World:
    """A simulator, a client and a reconciler on one clock."""

    def __init__(self, statuses: Collection[str], *, retries: bool = False, **switches: Any) -> None:
        tasks = [{"deviceKey": key, "status": status} for key, status in zip(KEYS, statuses, strict=False)]
        retry = {"enableRetry": True, "retryInterval": 60, "retryCount": 3}
        job = {"jobId": JOB, "firmwareVersion": VERSION, "status": "started", "tasks": tasks}
        fleet = {"jobs": [job | ({"retryPolicy": retry} if retries else {})], "switches": switches}
        self.clock = FakeClock()
        rng = random.Random(1)  # noqa: S311 - repeatable, nothing to guard
        self.simulator = Simulator(parse_fleet(fleet), clock=lambda: int(self.clock.time() * 1000), rng=rng)
        app, adapter = self.simulator.fleet.apps[0], InProcessAdapter(self.simulator)
        credentials = Credentials(app.app_key, app.app_secret)
        org_id = self.simulator.fleet.orgs[0]
        self.client = EnosClient(GATEWAY, org_id, credentials, clock=self.clock, adapter=lambda: adapter)
        self.reconciler = Reconciler(self.client, clock=self.clock)

    def up(self, task_set: TaskSet, record: Record, *, break_glass: str = "") -> ApplyResult:
        """What `up` makes of a set, without a refresh."""
        return self.reconciler.apply(build_plan(task_set, record, today=TODAY, break_glass=break_glass))

    def preview(self, task_set: TaskSet, record: Record, *, break_glass: str = "") -> Plan:
        """The plan of the preview hook."""
        return read_plan(self.client, task_set, record, today=TODAY, markers=DEFAULT_MARKERS, break_glass=break_glass)

    def review(self, task_set: TaskSet, record: Record, *, break_glass: str = "") -> ReviewReport:
        """The report of `enos-ota review`."""
        job = read_live_job(self.client, JOB, ())
        step = SetStep("pumps", Change.UPDATE, task_set, task_set, record, record)
        plan = read_plan(
            self.client,
            task_set,
            record,
            today=TODAY,
            markers=DEFAULT_MARKERS,
            break_glass=break_glass,
            job=job.live,
            max_keys=None,
        )
        found = ReviewFacts(
            Preview((step,)), previewed=True, refreshed=True, jobs={JOB: job}, plans={step.identity: plan}
        )
        context = ReviewContext("enos-ota", "dev", "", datetime(2026, 12, 1, tzinfo=timezone.utc))
        return build_report(context, found, expect_no_changes=False)


def pumps(*keys: str, **settings: Any) -> TaskSet:
    return TaskSet("pumps", JOB, tuple(sorted(keys)), GATEWAY, "o1", **settings)


def told(plan: Plan) -> list[Message]:
    return [each for each in describe_plan(plan) if each.severity is not Severity.INFORMATION]


def codes(messages: Collection[Message | SetMessage]) -> set[str]:
    return {Code(each.code).value for each in messages}


# Four answers that once differed


def test_a_recorded_key_of_two_products_is_not_counted_as_other_waiting_tasks() -> None:
    here = World(["init", "init", "init"], same_key_two_products="on")
    record = here.up(pumps("k0"), Record()).record
    assert record.of(Category.AMBIGUOUS) == {"k0": "init"}
    grown = pumps("k0", "k1")
    (job,) = here.review(grown, record).jobs
    assert (here.preview(grown, record).other_waiting, job.exposed) == (1, 1)


def test_a_key_that_was_recorded_as_cancelled_and_upgrades_has_escaped_for_the_preview_too() -> None:
    here = World(["init", "init"])
    record = here.up(pumps("k0"), Record()).record
    here.simulator.retry_as_colleague(JOB, ["k0"])
    record = here.reconciler.refresh(JOB, record)
    here.simulator.set_tasks(JOB, ["k0"], "upgrading")
    plan = here.preview(pumps("k0"), record)
    assert plan.outcomes == {"k0": KeyOutcome(Category.ESCAPED, "upgrading")}
    (error,) = told(plan)
    assert (error.code, error.severity) == (Code.ESCAPED, Severity.ERROR)
    assert here.review(pumps("k0"), record).sets[0].errors == (error.text,)
    result = here.up(pumps("k0"), record)
    assert describe_record(result.record, pumps("k0"), is_expired=False).messages == (error,)


def test_an_accepted_cancel_with_an_unknown_text_is_cancelled_for_the_preview_too() -> None:
    here = World(["failed", "init"])
    record = Record(outcomes={"k0": KeyOutcome(Category.PENDING, "init", was_accepted=True)})
    here.simulator.set_tasks(JOB, ["k0"], "failed", "called off")
    plan = here.preview(pumps("k0"), record)
    assert plan.outcomes == {"k0": UNKNOWN_TEXT}
    (warning,) = told(plan)
    assert (warning.code, warning.severity) == (Code.UNKNOWN_TEXT, Severity.WARNING)
    assert here.review(pumps("k0"), record).sets[0].warnings == (warning.text,)
    assert here.up(pumps("k0"), record).record.outcomes == {"k0": UNKNOWN_TEXT}


def test_no_text_of_ours_decides_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reworded, a stopped job with a changed key is still a change, and an objection is still one."""
    for name in ("describe_objection", "status_problem", "_preview_line"):
        monkeypatch.setattr(f"enos_ota.plan.messages.{name}", lambda *_, **__: "reworded")
    monkeypatch.setattr(
        "enos_ota.plan.messages._about", lambda _, messages: tuple(replace(each, text="x") for each in messages)
    )
    here = World(["init", "init"])
    record = here.up(pumps("k0"), Record()).record
    refused = pumps("k0", "k1", guard=Guard(max_devices=0))
    assert codes(told(here.preview(refused, record))) == {"guard-exceeded"}
    assert here.review(refused, record).exit_code == 1
    objection = here.up(refused, record).objection
    assert objection
    assert objection.code is Code.GUARD_EXCEEDED
    here.simulator.set_job(JOB, "stopped")
    here.simulator.set_tasks(JOB, ["k0"], "succeeded")
    assert "outdated" in codes(here.review(pumps("k0"), record).sets[0].messages)


# One answer


@dataclass(frozen=True, slots=True)
class Life:
    """What happens before a change: the sets that were applied, and what others did meanwhile."""

    statuses: tuple[str, ...]
    first: tuple[str, ...]
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    refreshed: bool
    twins: bool
    retries: bool
    marker: str


SOME_KEYS: Final = st.lists(st.sampled_from(KEYS), max_size=4, unique=True).map(tuple)
STEPS: Final = st.tuples(
    st.sampled_from(["retry", "upgrading", "succeeded", "failed", "published", "init", "cancelled", "stop", "delete"]),
    SOME_KEYS,
)
LIVES: Final = st.builds(
    Life,
    st.lists(st.sampled_from(STATUSES), min_size=4, max_size=6).map(tuple),
    SOME_KEYS,
    st.lists(STEPS, max_size=3).map(tuple),
    refreshed=st.booleans(),
    twins=st.booleans(),
    retries=st.booleans(),
    marker=st.sampled_from(["Cancelled by user", "Called off"]),
)
SETS: Final = st.builds(
    lambda keys, **given: pumps(*keys, **given),
    st.lists(st.sampled_from([*KEYS, UNKNOWN_KEY]), min_size=1, max_size=7, unique=True),
    on_too_late=st.sampled_from(["report", "fail"]),
    on_missing=st.sampled_from(["fail", "report"]),
    guard=st.sampled_from([Guard(), Guard(), Guard(max_devices=1), Guard(max_share=0.2), Guard(max_devices=9)]),
    expect_firmware_version=st.sampled_from(["", "", VERSION, "9"]),
    expires=st.sampled_from(["", "", "", YESTERDAY]),
)


def lived(life: Life) -> tuple[World, Record]:
    """The world after a life, and what is recorded of it."""
    twins = {"same_key_two_products": "on"} if life.twins else {}
    here = World(life.statuses, retries=life.retries, cancelled_marker=life.marker, **twins)
    record = here.up(pumps(*life.first), Record()).record if life.first else Record()
    doing: dict[str, Callable[[list[str]], None]] = {
        "stop": lambda _: here.simulator.set_job(JOB, "stopped"),
        "delete": lambda _: here.simulator.delete_job(JOB),
        "retry": lambda keys: here.simulator.retry_as_colleague(JOB, keys),
    }
    for what, keys in life.steps:
        if not here.simulator.jobs():
            break
        known = [key for key in keys if key in {task.device_key for task in here.simulator.job(JOB).tasks()}]
        if what == "retry":
            known = _retriable(here, known)
        if what in {"stop", "delete"} or (what == "retry" and known):
            doing[what](known)
        elif known and what != "retry":
            here.simulator.set_tasks(JOB, known, what)
    here.simulator.change_switches({"cancelled_marker": "Cancelled by user"})
    return here, here.reconciler.refresh(JOB, record) if life.refreshed else record


def _retriable(here: World, keys: list[str]) -> list[str]:
    held = here.simulator.job(JOB)
    failed = {task.device_key for task in held.tasks() if task.status == "failed"}
    return [key for key in keys if key in failed and held.job.status == "started"]


def without_request_ids(messages: Collection[Message]) -> list[tuple[Code, Severity, str]]:
    return [(each.code, each.severity, each.text.partition("requestId")[0]) for each in messages]


@settings(max_examples=100, deadline=None)
@given(LIVES, SETS, st.sampled_from(["", "", "fire in site 7"]))
def test_a_preview_a_review_and_an_up_give_one_answer(life: Life, task_set: TaskSet, break_glass: str) -> None:
    here, record = lived(life)
    plan = here.preview(task_set, record, break_glass=break_glass)
    report = here.review(task_set, record, break_glass=break_glass)
    result = here.up(task_set, record, break_glass=break_glass)

    # The review renders the preview's messages, and the same number of other waiting tasks.
    (reviewed,) = report.sets
    assert without_request_ids(told(plan)) == without_request_ids(
        [Message(Code(each.code), each.severity, each.text) for each in reviewed.messages]
    )
    for job in report.jobs:
        if job.status in {"started", "stopped"}:
            assert job.exposed == plan.other_waiting

    # The `up` records what the plan predicts, and obeys its objections.
    assert without_problem(result.record) == without_problem(plan.record)
    assert (result.record.problem == "") == (plan.record.problem == "")
    obeyed = [each for each in plan.objections if each.code is not Code.NO_TASKS]
    assert result.objection == (obeyed[0] if obeyed else None)

    # Its messages are those of the plan, without what only a preview can know.
    verdict = describe_record(result.record, task_set, is_expired=task_set.is_expired(TODAY))
    assert without_request_ids(list(of_up(plan))) == without_request_ids(
        [each for each in verdict.messages if each.code not in covered(plan)]
    )


def without_problem(record: Record) -> Record:
    return replace(record, problem="")


def covered(plan: Plan) -> set[Code]:
    """Codes of an `up` in whose place a preview has the objection."""
    found = {each.code for each in plan.objections}
    missing = {Code.MISSING} if Code.NO_TASKS in found else set()
    return missing | ({Code.PROBLEM, Code.PENDING} if found - {Code.NO_TASKS} else set())


def of_up(plan: Plan) -> Iterator[Message]:
    previews_only = {Code.OUTDATED, Code.GUARD_OVERRIDDEN}
    return (each for each in told(plan) if each.severity is not Severity.REFUSAL and each.code not in previews_only)


def test_the_lives_meet_every_kind_of_outcome() -> None:
    """The property above is not empty: each category occurs in the same world."""
    here = World(["init", "published", "upgrading", "cancelled", "init"], same_key_two_products="on")
    record = here.up(pumps("k1", "k2", "k3", UNKNOWN_KEY, "k0"), Record()).record
    assert {each.category for each in record.outcomes.values()} == {
        Category.CANCELLED,
        Category.TOO_LATE,
        Category.MISSING,
        Category.AMBIGUOUS,
    }
    assert record.job.status is RecordedJobStatus.STARTED
