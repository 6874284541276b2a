"""What a preview says of what it saw, and what stops a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from enos_ota.reconciler import Category, JobFacts, JobStatus, Rules
from enos_ota.reconciler.forecast import Conditions, Forecast, Report, report
from enos_ota.reconciler.guard import Guard

JOB = JobFacts(JobStatus.STARTED, "Pump 2.3.0", "2.3.0")
STOPPED = replace(JOB, status=JobStatus.STOPPED)
RULES = Rules("pumps", "j1")
MISSING = {Category.MISSING: {"x": "", "y": ""}}
ALL_MISSING = Forecast(JOB, 2, others=MISSING, total=10, waiting=5)
SOME_MISSING = Forecast(JOB, 3, will_cancel=1, others=MISSING, total=10, waiting=5)
TEN = Forecast(JOB, 10, will_cancel=10, total=40, waiting=30)
LARGE = Forecast(
    JOB,
    30_000,
    looked=False,
    total=84_000,
    waiting=25_000,
    by_status={"init": 24_700, "published": 300, "upgrading": 9_000, "succeeded": 40_000, "failed": 10_000},
)


def said(forecast: Forecast, rules: Rules = RULES, **conditions: object) -> Report:
    return report(forecast, rules, Conditions(**conditions))  # type: ignore[arg-type]  # as each test writes them


def test_one_line_tells_what_an_up_would_meet() -> None:
    forecast = Forecast(
        JOB,
        7,
        will_cancel=2,
        published=1,
        cancelled=1,
        others={Category.TOO_LATE: {"dk-08": "upgrading", "dk-09": "succeeded"}, Category.MISSING: {"x": ""}},
        total=11,
        waiting=7,
    )
    assert said(forecast).information == (
        "preview of set 'pumps': 2 will be cancelled (1 published already), 1 cancelled already, "
        "2 too late (dk-08 upgrading, dk-09 succeeded), 1 missing (x); "
        "job 'Pump 2.3.0', firmware 2.3.0, started; 5 more wait and are not in this set",
    )


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        (12, "; 2 more wait and are not in this set"),
        (11, "; 1 more waits and is not in this set"),
        (10, "; no other task waits"),
        # A total that lags behind, or is capped, says nothing of others.
        (9, ", started"),
        (None, ", started"),
    ],
)
def test_it_is_said_who_stays_exposed(waiting: int | None, told: str) -> None:
    (text,) = said(replace(TEN, waiting=waiting)).information
    assert text.endswith(told)


def test_a_job_may_have_neither_name_nor_firmware() -> None:
    (text,) = said(replace(TEN, job=JobFacts(JobStatus.STARTED))).information
    assert text == "preview of set 'pumps': 10 will be cancelled; job, started; 20 more wait and are not in this set"


def test_what_enos_says_stays_on_one_line() -> None:
    (text,) = said(replace(TEN, job=JobFacts(JobStatus.STARTED, "a\nb\x1b[31m", "1\t2"))).information
    assert "job 'a b [31m', firmware 1 2, started" in text


def test_many_keys_of_a_kind_are_named_in_part() -> None:
    late = {f"dk-{number}": "upgrading" for number in range(5)}
    (text,) = said(Forecast(JOB, 5, others={Category.TOO_LATE: late})).information
    assert "5 too late (dk-0 upgrading, dk-1 upgrading, dk-2 upgrading, … 2 more)" in text


def test_two_keys_never_look_alike() -> None:
    (text,) = said(Forecast(JOB, 1, others={Category.TOO_LATE: {"dk\u200b": "upgrading"}})).information
    assert r"('dk\u200b' upgrading)" in text


# What fails a preview


def test_a_tripped_guard_fails_it() -> None:
    assert said(TEN, guard=Guard(max_devices=9)) == Report(
        (said(TEN).information[0].replace("will be", "would be"),),
        (),
        (
            "set 'pumps' (job j1): the guard stops this change, which would cancel 10 devices: at most 9 may be "
            "(maxDevices); raise the guard in the stack file, split the change, or set ENOS_OTA_BREAK_GLASS=<reason> "
            "for this run",
        ),
    )


@pytest.mark.parametrize("guard", [Guard(max_devices=10), Guard(max_share=0.25)])
def test_a_guard_that_holds_says_nothing(guard: Guard) -> None:
    assert said(TEN, guard=guard) == said(TEN)


def test_a_share_of_a_job_whose_size_is_unknown_fails_it() -> None:
    (text,) = said(replace(TEN, total=None), guard=Guard(max_share=0.9)).failures
    assert "how many tasks the job has is not known" in text


def test_a_guard_counts_what_would_be_sent_and_not_what_is_declared() -> None:
    forecast = Forecast(JOB, 1000, will_cancel=1, cancelled=999, total=1000, waiting=1)
    assert said(forecast, guard=Guard(max_devices=1, max_share=0.001)).failures == ()


def test_nothing_is_sent_to_a_stopped_job_so_that_no_guard_trips() -> None:
    held = Forecast(STOPPED, 2, others={Category.HELD: {"a": "init", "b": "init"}}, total=2, waiting=2)
    assert said(held, guard=Guard(max_devices=0)).failures == ()


def test_break_glass_makes_a_tripped_guard_a_warning_with_its_reason() -> None:
    assert said(TEN, guard=Guard(max_devices=9), break_glass="fire in site 7") == Report(
        said(TEN).information,
        (
            "set 'pumps' (job j1): the guard is overridden by ENOS_OTA_BREAK_GLASS (fire in site 7); this change would "
            "cancel 10 devices: at most 9 may be (maxDevices)",
        ),
        (),
        overridden=True,
    )


def test_what_is_refused_all_the_same_is_not_said_to_be_overridden() -> None:
    found = said(TEN, guard=Guard(max_devices=9), break_glass="fire in site 7", firmware_version="9.9.9")
    assert (len(found.failures), found.overridden, found.warnings) == (1, False, ())


def test_break_glass_says_nothing_where_the_guard_holds() -> None:
    assert said(TEN, guard=Guard(max_devices=10), break_glass="fire in site 7") == said(TEN)


def test_break_glass_does_not_mend_a_broken_expectation() -> None:
    (text,) = said(TEN, firmware_version="2.4.0", break_glass="fire in site 7").failures
    assert (
        text == "set 'pumps' (job j1): firmware 2.4.0 is expected, but the job is about 2.3.0: check jobId and `expect`"
    )


def test_a_set_of_which_every_key_is_missing_fails_it() -> None:
    assert said(ALL_MISSING).failures == (
        "set 'pumps' (job j1): the job has no task for any key of the set (x, y): check jobId and the keys",
    )


def test_all_keys_missing_that_are_only_to_be_reported_do_not_fail_it() -> None:
    assert said(ALL_MISSING, replace(RULES, on_missing="report")).failures == ()


def test_added_keys_that_are_missing_beside_others_only_warn() -> None:
    told = report(ALL_MISSING, RULES, Conditions(), alone=False)
    assert told.failures == ()
    assert "2 keys without a task in this job (x, y), for which `pulumi up` will fail" in told.warnings[0]


# What is warned of


@pytest.mark.parametrize(
    ("forecast", "rules", "part"),
    [
        (SOME_MISSING, RULES, "2 keys without a task in this job (x, y), for which `pulumi up` will fail"),
        (
            Forecast(JOB, 1, others={Category.TOO_LATE: {"a": "upgrading"}}),
            replace(RULES, on_too_late="fail"),
            "1 key too late to cancel (a upgrading), for which `pulumi up` will fail",
        ),
        (
            Forecast(JOB, 1, others={Category.AMBIGUOUS: {"a": "init,published"}}),
            RULES,
            "1 key with tasks in several products (a init,published), for which `pulumi up` will fail",
        ),
        (Forecast(STOPPED, 1, others={Category.HELD: {"a": "init"}}), RULES, "the job is stopped"),
        (replace(TEN, job=replace(JOB, automatic_retry=True)), RULES, "not durable"),
    ],
)
def test_what_an_up_would_say_or_fail_for_is_a_warning(forecast: Forecast, rules: Rules, part: str) -> None:
    told = said(forecast, rules)
    (text,) = told.warnings
    assert text.startswith(f"set 'pumps' (job j1): {part}")
    assert told.failures == ()


@pytest.mark.parametrize(
    ("forecast", "rules"),
    [
        (SOME_MISSING, replace(RULES, on_missing="report")),
        (Forecast(JOB, 1, others={Category.TOO_LATE: {"a": "upgrading"}}), RULES),
        (Forecast(replace(JOB, automatic_retry=True), 1, cancelled=1), RULES),
    ],
)
def test_what_is_only_to_be_reported_is_no_warning(forecast: Forecast, rules: Rules) -> None:
    assert said(forecast, rules).warnings == ()


# Too many keys to look at each


def test_a_large_change_is_told_by_the_jobs_counts() -> None:
    assert said(LARGE) == Report(
        (
            "preview of set 'pumps': 30000 keys to work on, too many to look at each; "
            "job 'Pump 2.3.0', firmware 2.3.0, started; 84000 tasks in all, 24700 init, 300 published, "
            "9000 upgrading, 40000 succeeded, 10000 failed or cancelled",
        )
    )


def test_what_enos_does_not_count_is_left_out() -> None:
    (text,) = said(replace(LARGE, total=None, by_status=dict.fromkeys(LARGE.by_status))).information
    assert text.endswith("firmware 2.3.0, started")


def test_a_guard_that_may_trip_warns_as_nobody_looked() -> None:
    told = said(LARGE, guard=Guard(max_devices=24_999))
    assert told.failures == ()
    assert "the guard may stop this change" in told.warnings[0]


def test_a_guard_that_cannot_trip_says_nothing() -> None:
    """No more than those that wait can be sent."""
    assert said(LARGE, guard=Guard(max_devices=25_000, max_share=0.3)).warnings == ()
