"""One set, judged: declared, recorded, and what EnOS says now."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from enos_ota.audit import digest
from enos_ota.engine.preview_json import Change, SetStep
from enos_ota.enos import Job, JobStatus, Task, TaskStatus
from enos_ota.plan import Category, Guard, JobFacts, KeyOutcome, LiveSet, Record, RecordedJobStatus, TaskSet, build_plan
from enos_ota.plan import plan as plans
from enos_ota.plan.classify import normalise_markers
from enos_ota.plan.record import AFTER_PUSH
from enos_ota.review.compose import record_before, report_set
from enos_ota.review.model import Effect, Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enos_ota.review.model import SetReport

TODAY = date(2026, 11, 23)
NO_GUARD = Guard()
STARTED = JobFacts(RecordedJobStatus.STARTED, "Pumps", "2.3.0")


def declared(*keys: str, **settings: object) -> TaskSet:
    base = TaskSet("pumps", "j1", tuple(sorted(keys)), "https://enos", "o1")
    return replace(base, **settings)  # type: ignore[arg-type]  # the names are those of TaskSet


def recorded(*keys: str, outcomes: Mapping[str, KeyOutcome] | None = None, job: JobFacts = STARTED) -> Record:
    return Record(frozenset(keys), outcomes or {}, job)


def task(key: str, status: TaskStatus, *, version: str = "2.2.0", desc: str = "") -> Task:
    return Task(f"t-{key}", "j1", key, from_version=version, status=status, raw_status=status.value, desc=desc)


def seen(*tasks: Task, status: JobStatus = JobStatus.STARTED, version: str = "2.3.0", total: int = 100) -> LiveSet:
    job = Job("j1", name="Pumps", firmware_version=version, status=status, raw_status=status.value)
    return LiveSet(job, total, tasks={each.device_key: (each,) for each in tasks})


def report(step: SetStep, live: LiveSet | None, *, break_glass: str = "", stack_guard: Guard = NO_GUARD) -> SetReport:
    plan = None
    if step.declared:
        markers = normalise_markers(("Cancelled by user",))
        before = record_before(step)
        plan = build_plan(step.declared, before, live, today=TODAY, markers=markers, break_glass=break_glass)
    return report_set(step, plan, stack_guard)


def keys_to_read(step: SetStep, *, stopped: bool) -> frozenset[str]:
    assert step.declared
    return plans.keys_to_read(build_plan(step.declared, record_before(step), today=TODAY), is_stopped=stopped)


def effects(found: SetReport) -> dict[str, str]:
    return {key.device_key: key.effect.value for key in found.keys}


WAITS = task("k1", TaskStatus.INIT)
CREATE = SetStep("pumps", Change.CREATE, declared("k1"))


def update(*keys: str, before: Record, now: Record | None = None, **settings: object) -> SetStep:
    was = declared(*before.keys)
    return SetStep("pumps", Change.UPDATE, declared(*keys, **settings), was, before, now or before)


def test_what_waits_will_be_cancelled() -> None:
    step = SetStep("pumps", Change.CREATE, declared("dk-01"))
    found = report(step, seen(task("dk-01", TaskStatus.INIT)))
    assert effects(found) == {"dk-01": "will be cancelled"}
    assert (found.errors, found.warnings, found.guard.would_send) == ((), (), 1)


@pytest.mark.parametrize(
    ("status", "desc", "effect"),
    [
        (TaskStatus.PUBLISHED, "", Effect.CANCEL),
        (TaskStatus.UPGRADING, "", Effect.TOO_LATE),
        (TaskStatus.SUCCEEDED, "", Effect.TOO_LATE),
        (TaskStatus.FAILED, "disk full", Effect.TOO_LATE),
        (TaskStatus.FAILED, " CANCELLED by user ", Effect.CANCELLED),
        (TaskStatus.CANCELED, "", Effect.CANCELLED),
    ],
)
def test_each_status_has_its_effect(status: TaskStatus, desc: str, effect: Effect) -> None:
    found = report(CREATE, seen(task("k1", status, desc=desc)))
    assert found.counts == {effect: 1}


def test_a_retried_key_differs_from_a_new_one() -> None:
    before = recorded("k1", "k2")
    now = recorded("k2", outcomes={"k1": KeyOutcome(Category.PENDING, "init", was_cancelled=True)})
    step = update("k1", "k2", "k3", before=before, now=now)
    assert keys_to_read(step, stopped=False) == {"k1", "k3"}
    found = report(step, seen(WAITS, task("k3", TaskStatus.INIT)))
    assert effects(found) == {"k1": "will be cancelled again", "k3": "will be cancelled", "k2": "cancelled already"}


def test_a_retried_key_that_went_on_has_escaped() -> None:
    now = recorded(outcomes={"k1": KeyOutcome(Category.PENDING, "init", was_cancelled=True)})
    step = update("k1", before=recorded("k1"), now=now)
    found = report(step, seen(task("k1", TaskStatus.UPGRADING)))
    assert effects(found) == {"k1": "escaped"}
    assert "escaped since" in found.errors[0]


def test_keys_without_a_task_fail_unless_they_are_only_to_be_reported() -> None:
    live = replace(seen(), tasks={"dk-01": ()})
    assert len(report(replace(CREATE, declared=declared("dk-01")), live).errors) == 1
    lenient = replace(CREATE, declared=declared("dk-01", on_missing="report"))
    found = report(lenient, live)
    assert (found.errors, len(found.warnings), found.counts) == ((), 1, {Effect.MISSING: 1})


def test_of_a_key_in_two_products_nothing_is_sent() -> None:
    live = replace(seen(), tasks={"k1": (WAITS, replace(WAITS, task_id="t2", product_key="p2"))})
    found = report(CREATE, live)
    assert (found.counts, found.will_cancel) == ({Effect.AMBIGUOUS: 1}, 0)
    assert "several products" in found.errors[0]


def test_a_key_in_two_products_that_was_recorded_counts_as_declared_and_is_left_alone() -> None:
    before = recorded("k1", "k2", outcomes={"k1": KeyOutcome(Category.AMBIGUOUS, "init")})
    step = update("k1", "k2", "k3", before=before, now=before)
    assert keys_to_read(step, stopped=False) == {"k1", "k3"}
    assert keys_to_read(update("k1", "k2", before=before, now=before), stopped=False) == {"k1"}
    # One of its tasks is gone by now, after Pulumi had refreshed the set: an `up` would not see that.
    found = report(step, seen(WAITS, task("k3", TaskStatus.INIT)))
    assert effects(found) == {"k1": "ambiguous", "k2": "cancelled already", "k3": "will be cancelled"}


def test_on_a_stopped_job_what_waits_is_held_and_no_guard_objects() -> None:
    step = replace(CREATE, declared=declared("k1", guard=Guard(max_devices=0)))
    found = report(step, seen(WAITS, status=JobStatus.STOPPED))
    assert (effects(found), found.errors, found.guard.exceeded) == ({"k1": "held"}, (), False)


def test_a_guard_counts_what_would_be_sent() -> None:
    step = replace(CREATE, declared=declared("k1", "k2", guard=Guard(max_devices=1)))
    done = task("k2", TaskStatus.FAILED, desc="Cancelled by user")
    assert report(step, seen(WAITS, done)).errors == ()
    (error,) = report(step, seen(WAITS, task("k2", TaskStatus.INIT))).errors
    assert "the guard stops this change, which would cancel 2 devices" in error


def test_a_share_is_of_all_tasks_of_the_job() -> None:
    step = replace(CREATE, declared=declared("k1", guard=Guard(max_share=0.5)))
    found = report(step, seen(WAITS, total=7))
    assert (found.guard.allowed, found.guard.exceeded) == (3, False)


@pytest.mark.parametrize(
    ("was", "now", "raised"),
    [
        (Guard(5), Guard(6), True),
        (Guard(5), Guard(5), False),
        (Guard(5), Guard(4), False),
        (Guard(5), Guard(), True),
        (Guard(), Guard(5), False),
        (Guard(5, 0.5), Guard(4, 0.6), True),
    ],
    ids=str,
)
def test_a_raised_guard_is_reported(was: Guard, now: Guard, *, raised: bool) -> None:
    step = SetStep(
        "pumps", Change.UPDATE, declared("k1", guard=now), declared("k1", guard=was), recorded("k1"), recorded("k1")
    )
    found = report(step, seen())
    assert found.guard.raised is raised
    assert found.guard.before == Limit(max_devices=was.max_devices, max_share=was.max_share)


def test_a_broken_glass_turns_the_guard_into_a_warning() -> None:
    step = replace(CREATE, declared=declared("k1", guard=Guard(max_devices=0)))
    found = report(step, seen(WAITS), break_glass="fire")
    assert (found.errors, found.guard.broken_glass) == ((), "fire")
    assert "overridden by ENOS_OTA_BREAK_GLASS (fire)" in found.warnings[0]


def test_a_job_about_something_else_fails() -> None:
    step = replace(CREATE, declared=declared("k1", expect_firmware_version="9"))
    (error,) = report(step, seen(WAITS)).errors
    assert "firmware 9 is expected, but the job is about 2.3.0" in error


def test_without_a_look_no_key_that_an_up_would_work_on_is_judged() -> None:
    step = update("k1", "k2", before=recorded("k1"))
    found = report(step, None)
    assert effects(found) == {"k2": "not looked at", "k1": "cancelled already"}
    assert (found.guard.would_send, found.guard.exceeded, found.errors) == (None, None, ())


def test_an_expired_set_is_only_reported() -> None:
    step = replace(CREATE, declared=declared("k1", expires="2026-11-22"))
    assert keys_to_read(step, stopped=False) == frozenset()
    found = report(step, None)
    assert (found.expired, effects(found), found.errors) == (True, {"k1": "pending"}, ())
    assert "expired on 2026-11-22" in found.warnings[0]


def test_a_job_that_was_there_before_is_deleted_and_one_that_never_was_fails() -> None:
    gone = LiveSet(None, not_found="there is no such job")
    step = update("k1", "k2", before=recorded("k1"))
    known = report(step, gone)
    assert (effects(known), known.errors) == ({"k2": "pending", "k1": "cancelled already"}, ())
    assert "job deleted" in known.warnings[0]
    assert "there is no such job" in report(CREATE, gone).errors[0]


def test_what_leaves_a_set_stays_as_it_is() -> None:
    before = recorded("k1", "k2", outcomes={"k2": KeyOutcome(Category.TOO_LATE, "succeeded")})
    found = report(update("k3", before=before), seen(task("k3", TaskStatus.INIT)))
    assert [(key.device_key, key.effect.value, key.status) for key in found.keys] == [
        ("k3", "will be cancelled", "init"),
        ("k1", "no longer declared", "cancelled"),
        ("k2", "no longer declared", "too late succeeded"),
    ]
    assert (found.added, found.removed, found.declared) == (1, 2, 1)


def test_a_replacement_for_the_same_job_keeps_what_is_known_of_its_keys() -> None:
    before = recorded("k1", "k2", outcomes={"k2": AFTER_PUSH})
    step = replace(update("k1", "k2", before=before), change=Change.REPLACE)
    tasks = [task(key, TaskStatus.FAILED, desc="Cancelled by user") for key in ("k1", "k2")]
    found = report(step, seen(*tasks))
    assert [(key.device_key, key.effect.value, key.status) for key in found.keys] == [
        ("k1", "cancelled already", "failed"),
        ("k2", "cancelled already", "after push"),
    ]


def test_a_retried_key_is_cancelled_again_by_a_replacement_for_the_same_job() -> None:
    now = Record(outcomes={"k1": KeyOutcome(Category.PENDING, "init", was_cancelled=True)}, job=STARTED)
    step = replace(update("k1", before=recorded("k1"), now=now), change=Change.REPLACE)
    assert effects(report(step, seen(task("k1", TaskStatus.INIT)))) == {"k1": "will be cancelled again"}


def test_a_removed_set_names_every_key_it_had() -> None:
    step = SetStep("pumps", Change.DELETE, None, declared("k1"), recorded("k1"), recorded("k1"))
    found = report(step, None)
    assert (found.change, effects(found), found.digest, found.digest_before) == (
        Change.DELETE,
        {"k1": "no longer declared"},
        "",
        digest(["k1"]),
    )


def test_keys_that_only_an_up_will_know_are_not_judged() -> None:
    found = report(SetStep("pumps", Change.CREATE, unknown=True), None)
    assert found.keys == ()
    assert "not known until `pulumi up`" in found.warnings[0]


def test_what_is_cancelled_is_counted_by_status_and_version() -> None:
    step = replace(CREATE, declared=declared("k1", "k2", "k3"))
    live = seen(WAITS, task("k2", TaskStatus.INIT), task("k3", TaskStatus.PUBLISHED, version="2.1.0"))
    by = report(step, live).will_cancel_by
    assert [(each.status, each.source_version, each.tasks) for each in by] == [
        ("init", "2.2.0", 2),
        ("published", "2.1.0", 1),
    ]


def test_added_keys_outside_the_default_rule_are_one_warning() -> None:
    step = update("Device key", "a b", "dk-01", before=recorded("a b"))
    found = report(step, seen(*(task(key, TaskStatus.INIT) for key in ("Device key", "dk-01"))))
    assert (found.errors, found.warnings) == (
        (),
        (
            "set 'pumps' (job j1): 1 device key does not follow EnOS's default rule of 4 to 64 letters, digits or - _ ."
            " ('Device key')",
        ),
    )


def test_the_digest_is_that_of_the_audit_log() -> None:
    found = report(update("k1", "k2", before=recorded("k1")), None)
    assert (found.digest, found.digest_before) == (digest(["k1", "k2"]), digest(["k1"]))


@pytest.mark.parametrize(("own", "raised"), [(Guard(6), True), (Guard(5), False), (Guard(), True)], ids=str)
def test_a_new_set_that_allows_more_than_the_stack_is_reported(own: Guard, *, raised: bool) -> None:
    step = replace(CREATE, declared=declared("k1", guard=own))
    guard = report(step, seen(WAITS), stack_guard=Guard(max_devices=5)).guard
    assert (guard.raised, guard.before, guard.usual) == (raised, None, Limit(max_devices=5))


def test_what_changed_on_a_stopped_job_is_shown_and_fails_no_more_than_an_up_does() -> None:
    before = recorded("k1", "k2", "k3", outcomes={"k1": KeyOutcome(Category.HELD, "init")})
    step = update("k1", "k2", "k3", "k4", before=before, on_too_late="fail")
    assert keys_to_read(step, stopped=True) == {"k1", "k2", "k3", "k4"}
    cancelled = task("k3", TaskStatus.FAILED, desc="Cancelled by user")
    live = seen(
        task("k1", TaskStatus.UPGRADING),
        task("k2", TaskStatus.INIT),
        cancelled,
        task("k4", TaskStatus.INIT),
        status=JobStatus.STOPPED,
    )
    found = report(step, live)
    assert effects(found) == {"k1": "too late", "k2": "held", "k3": "cancelled already", "k4": "held"}
    assert (found.errors, found.outdated) == ((), 2)
    assert "2 keys no longer as recorded (k1 upgrading, k2 init): the job is stopped" in found.warnings[0]


def test_a_cancellation_after_push_is_not_called_published() -> None:
    step = update("k1", before=recorded("k1", outcomes={"k1": KeyOutcome(Category.CANCELLED, "published")}))
    assert [(key.effect, key.status) for key in report(step, seen()).keys] == [(Effect.CANCELLED, "after push")]


def test_a_notified_device_stays_one() -> None:
    now = recorded(outcomes={"k1": KeyOutcome(Category.PENDING, "published")})
    step = update("k1", before=recorded(), now=now)
    found = report(step, seen(task("k1", TaskStatus.FAILED, desc="Cancelled by user")))
    assert "had been notified" in found.warnings[0]
