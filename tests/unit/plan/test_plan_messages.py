"""What a plan says: what would be cancelled, what stops the change, what its record would mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from enos_ota.enos import Job, JobStatus, Task, TaskStatus
from enos_ota.plan import Code, Guard, LiveSet, Message, Plan, Record, Severity, TaskSet, build_plan, describe_plan
from enos_ota.plan.messages import preview_messages

TODAY = date(2026, 11, 23)
MARKERS = frozenset({"cancelled by user"})
JOB = Job("j1", name="Pump 2.3.0", firmware_version="2.3.0", status=JobStatus.STARTED)
STOPPED = replace(JOB, status=JobStatus.STOPPED)
CANCELLED = "cancelled"
COUNTS = {
    TaskStatus.INIT: 24_700,
    TaskStatus.PUBLISHED: 300,
    TaskStatus.UPGRADING: 9_000,
    TaskStatus.SUCCEEDED: 40_000,
    TaskStatus.FAILED: 10_000,
}


def live(job: Job = JOB, *, total: int | None = 40, waiting: int | None = 30, **statuses: Any) -> LiveSet:
    """A set of keys with these statuses; "" for a key without a task, several for one under several products."""
    return LiveSet(job, total, waiting, tasks={key: tuple(map(_task, each.split())) for key, each in statuses.items()})


def keys(number: int, status: str) -> dict[str, Any]:
    return {f"k{place}": status for place in range(number)}


def _task(status: str) -> Task:
    known = status in {each.value for each in TaskStatus}
    desc = "Cancelled by user" if status == CANCELLED else ""
    read = TaskStatus.FAILED if desc else TaskStatus(status) if known else TaskStatus.UNKNOWN
    return Task(f"t-{status}", "j1", status=read, raw_status=read.value if known or desc else status, desc=desc)


def plan(seen: LiveSet, *, break_glass: str = "", record: Record | None = None, **settings: Any) -> Plan:
    task_set = TaskSet("pumps", "j1", tuple(seen.tasks), **settings)
    return build_plan(task_set, record or Record(), seen, today=TODAY, markers=MARKERS, break_glass=break_glass)


def of(severity: Severity, change: Plan) -> list[str]:
    return [
        each.text.removeprefix("set 'pumps' (job j1): ") for each in describe_plan(change) if each.severity is severity
    ]


def codes(change: Plan, *severities: Severity) -> set[Code]:
    return {each.code for each in describe_plan(change) if each.severity in severities}


def line(change: Plan) -> str:
    (text,) = of(Severity.INFORMATION, change)
    return text


TEN = live(JOB, **keys(10, "init"))


def large(job: Job = JOB, *, total: int | None = 84_000, **settings: Any) -> Plan:
    counted = LiveSet(job, total, 25_000, COUNTS)
    return build_plan(TaskSet("pumps", "j1", tuple(keys(30_000, "")), **settings), Record(), counted, today=TODAY)


def test_one_line_says_what_an_up_would_do() -> None:
    seen = live(a="init", b="published", c=CANCELLED, d="upgrading", e="succeeded", x="", total=11, waiting=7)
    assert line(plan(seen)) == (
        "preview of set 'pumps': 2 will be cancelled (1 published already), 1 cancelled already, "
        "2 too late (d upgrading, e succeeded), 1 missing (x); "
        "job 'Pump 2.3.0', firmware 2.3.0, started; 5 other waiting tasks are not in this set"
    )


@pytest.mark.parametrize(
    ("waiting", "end"),
    [
        (12, "; 2 other waiting tasks are not in this set"),
        (11, "; 1 other waiting task is not in this set"),
        (10, "; no other task waits"),
        # A total that lags behind, or is capped, says nothing of others.
        (9, ", started"),
        (None, ", started"),
    ],
)
def test_it_says_how_many_stay_exposed(waiting: int | None, end: str) -> None:
    assert line(plan(replace(TEN, waiting=waiting))).endswith(end)


def test_a_job_may_have_neither_name_nor_firmware() -> None:
    text = line(plan(replace(TEN, job=Job("j1", status=JobStatus.STARTED))))
    assert text == (
        "preview of set 'pumps': 10 will be cancelled; job, started; 20 other waiting tasks are not in this set"
    )


def test_what_enos_says_stays_on_one_line() -> None:
    odd = replace(JOB, name="a\nb\x1b[31m", firmware_version="1\t2")
    assert "job 'a b [31m', firmware 1 2, started" in line(plan(replace(TEN, job=odd)))


def test_many_keys_of_a_kind_are_named_in_part() -> None:
    text = line(plan(live(JOB, **keys(5, "upgrading"))))
    assert "5 too late (k0 upgrading, k1 upgrading, k2 upgrading, … 2 more)" in text


def test_two_keys_never_look_alike() -> None:
    assert r"('dk\u200b' upgrading)" in line(plan(live(JOB, **dict[str, Any]({"dk\u200b": "upgrading"}))))


# What refuses a change


def test_a_tripped_guard_refuses_it_and_no_key_is_cancelled() -> None:
    change = plan(TEN, guard=Guard(max_devices=9))
    assert of(Severity.REFUSAL, change) == [
        "the guard stops this change, which would cancel 10 devices: at most 9 may be (maxDevices); raise the guard in "
        "the stack file, split the change, or set ENOS_OTA_BREAK_GLASS=<reason> for this run"
    ]
    assert "10 would be cancelled" in line(change)
    assert codes(change, *Severity) == {Code.PREVIEW, Code.GUARD_EXCEEDED}
    assert (change.record.cancelled_count, len(change.record.outcomes)) == (0, 10)
    assert change.record.problem.endswith("; nothing was sent")


@pytest.mark.parametrize("guard", [Guard(max_devices=10), Guard(max_share=0.25)])
def test_a_guard_that_holds_says_nothing(guard: Guard) -> None:
    assert describe_plan(plan(TEN, guard=guard)) == describe_plan(plan(TEN))


def test_a_share_of_a_job_whose_size_is_unknown_refuses_it() -> None:
    (text,) = of(Severity.REFUSAL, plan(replace(TEN, total=None), guard=Guard(max_share=0.9)))
    assert "how many tasks the job has is not known" in text


def test_a_guard_counts_what_would_be_sent_and_not_what_is_declared() -> None:
    seen = live(a="init", **keys(99, CANCELLED), total=100)
    assert not plan(seen, guard=Guard(max_devices=1, max_share=0.01)).objections


def test_nothing_is_sent_to_a_stopped_job_so_that_no_guard_trips() -> None:
    assert not plan(live(STOPPED, a="init", b="init"), guard=Guard(max_devices=0)).objections


def test_break_glass_makes_a_tripped_guard_a_warning_with_its_reason() -> None:
    change = plan(TEN, guard=Guard(max_devices=9), break_glass="fire in site 7")
    assert of(Severity.WARNING, change) == [
        "the guard is overridden by ENOS_OTA_BREAK_GLASS (fire in site 7); this change would cancel 10 devices: "
        "at most 9 may be (maxDevices)"
    ]
    assert (change.objections, change.record.cancelled_count) == ((), 10)


def test_what_is_refused_anyway_is_not_said_to_be_overridden() -> None:
    change = plan(TEN, guard=Guard(max_devices=9), break_glass="fire", expect_firmware_version="9.9.9")
    assert codes(change, Severity.REFUSAL, Severity.WARNING) == {Code.FIRMWARE_MISMATCH}
    assert change.override is None


def test_break_glass_says_nothing_where_the_guard_holds() -> None:
    assert describe_plan(plan(TEN, guard=Guard(max_devices=10), break_glass="fire")) == describe_plan(plan(TEN))


def test_a_job_with_another_firmware_is_refused() -> None:
    change = plan(TEN, expect_firmware_version="2.4.0")
    text = "firmware 2.4.0 is expected, but the job is about 2.3.0: check jobId and `expect`"
    assert of(Severity.REFUSAL, change) == [text]
    assert change.record.problem == f"{text}; nothing was sent"


def test_a_stopped_job_is_not_asked_for_its_firmware() -> None:
    assert not plan(live(STOPPED, a="init"), expect_firmware_version="2.4.0").objections


def test_a_set_of_which_every_key_is_missing_is_refused() -> None:
    change = plan(live(x="", y=""))
    assert of(Severity.REFUSAL, change) == [
        "the job has no task for any key of the set (x, y): check jobId and the keys"
    ]
    assert codes(change, Severity.ERROR) == set()


def test_all_keys_missing_that_are_only_to_be_reported_do_not_refuse_it() -> None:
    assert codes(plan(live(x="", y=""), on_missing="report"), Severity.REFUSAL, Severity.ERROR) == set()


def test_added_keys_that_are_missing_beside_others_are_an_error_of_the_up_only() -> None:
    change = build_plan(
        TaskSet("pumps", "j1", ("a", "x")), Record(frozenset({"a"})), live(x=""), today=TODAY, markers=MARKERS
    )
    assert codes(change, Severity.REFUSAL) == set()
    assert of(Severity.ERROR, change)[0].startswith(
        "1 key without a task in this job, so there is nothing to cancel (x)"
    )


# What an up would warn of or fail for


@pytest.mark.parametrize(
    ("seen", "settings", "code"),
    [
        (live(a="init", x=""), {}, Code.MISSING),
        (live(a="upgrading"), {"on_too_late": "fail"}, Code.TOO_LATE),
        (live(a="init published"), {}, Code.AMBIGUOUS),
        (live(a="exploded"), {}, Code.PROBLEM),
    ],
)
def test_what_an_up_would_fail_for_is_an_error(seen: LiveSet, settings: dict[str, Any], code: Code) -> None:
    change = plan(seen, **settings)
    assert (codes(change, Severity.ERROR), codes(change, Severity.REFUSAL)) == ({code}, set())


@pytest.mark.parametrize(
    ("seen", "settings", "code"),
    [
        (live(a="init", x=""), {"on_missing": "report"}, Code.MISSING),
        (live(a="upgrading"), {}, Code.TOO_LATE),
        (live(a="published"), {}, Code.AFTER_PUSH),
        (live(STOPPED, a="init"), {}, Code.HELD),
        (replace(TEN, job=replace(JOB, automatic_retry=True)), {}, Code.NOT_DURABLE),
    ],
)
def test_what_only_has_to_be_known_is_a_warning(seen: LiveSet, settings: dict[str, Any], code: Code) -> None:
    change = plan(seen, **settings)
    assert (codes(change, Severity.WARNING), codes(change, Severity.ERROR)) == ({code}, set())


@pytest.mark.parametrize(
    ("seen", "printed"),
    [
        (live(a="init", b="upgrading", c="published", x=""), {Code.PREVIEW}),
        (live(STOPPED, a="init"), {Code.PREVIEW, Code.HELD}),
    ],
)
def test_a_preview_does_not_repeat_the_numbers_of_its_first_line(seen: LiveSet, printed: set[Code]) -> None:
    messages: tuple[Message, ...] = preview_messages(plan(seen, on_missing="report"))
    assert {each.code for each in messages} == printed


# Too many keys to read each


def test_a_large_change_is_described_by_the_jobs_counts() -> None:
    assert [each.text for each in describe_plan(large())] == [
        "preview of set 'pumps': 30000 keys to work on, too many to read each; "
        "job 'Pump 2.3.0', firmware 2.3.0, started; 84000 tasks in all, 24700 init, 300 published, "
        "9000 upgrading, 40000 succeeded, 10000 failed or cancelled"
    ]


def test_what_enos_does_not_count_is_left_out() -> None:
    seen = LiveSet(JOB, by_status=dict.fromkeys(COUNTS))
    change = build_plan(TaskSet("pumps", "j1", ("a",)), Record(), seen, today=TODAY)
    assert line(change).endswith("firmware 2.3.0, started")


def test_a_guard_that_may_trip_warns_where_tasks_are_unread() -> None:
    change = large(guard=Guard(max_devices=24_999))
    assert (codes(change, Severity.WARNING), change.objections) == ({Code.GUARD_MAY_BE_EXCEEDED}, ())


def test_a_guard_that_cannot_trip_says_nothing_where_tasks_are_unread() -> None:
    """No more than those that wait can be sent."""
    assert codes(large(guard=Guard(max_devices=25_000, max_share=0.3)), Severity.WARNING) == set()


def test_unread_keys_are_completed_by_the_same_function() -> None:
    seen = live(a="init")
    half = build_plan(TaskSet("pumps", "j1", ("a", "b")), Record(), seen, today=TODAY, markers=MARKERS)
    assert (set(half.cancels), half.unread, half.record.known_keys()) == ({"a"}, frozenset("b"), frozenset("a"))
    whole = build_plan(
        TaskSet("pumps", "j1", ("a", "b")), Record(), seen.with_tasks({"b": ()}), today=TODAY, markers=MARKERS
    )
    assert (whole.unread, codes(whole, Severity.ERROR)) == (frozenset(), {Code.MISSING})
