"""The verdict of a review: which of its answers, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from enos_ota.engine.preview_json import Change, Preview, ResourceChange, SetStep
from enos_ota.enos import Job, JobStatus, Task, TaskStatus
from enos_ota.plan import LiveSet, Record, TaskSet, build_plan
from enos_ota.review.compose import LiveJob, ReviewContext, ReviewFacts, build_report, report_misconfigured
from enos_ota.review.model import Effect, OtherJob, Outcome, ReviewReport
from enos_ota.review.screen import first_screen

NOW = datetime(2026, 11, 23, 18, tzinfo=timezone.utc)
CONTEXT = ReviewContext("enos-ota", "prod", "abc", NOW)
STATUSES: dict[TaskStatus, int | None] = {TaskStatus.INIT: 80, TaskStatus.PUBLISHED: 4, TaskStatus.SUCCEEDED: 16}
JOB = Job("j1", name="Pumps", status=JobStatus.STARTED, upgrade_policy="incremental", firmware_version="2.3.0")
LIVE = LiveSet(JOB, 100, 84, STATUSES)


def a_step(name: str, *keys: str, urn: str = "") -> SetStep:
    return SetStep(name, Change.CREATE, TaskSet(name, "j1", keys, "https://enos", "o1"), urn=urn)


def facts(
    *steps: SetStep,
    live: LiveSet = LIVE,
    related: tuple[OtherJob, ...] | None = (OtherJob(job_id="j2", name="Others", waiting=7),),
    status: TaskStatus = TaskStatus.INIT,
    statuses: dict[str, TaskStatus | None] | None = None,
) -> ReviewFacts:
    """A review of these steps; `statuses` by key, None for a key without a task, where they are not `status`."""
    plans = {}
    for step in steps:
        assert step.declared
        of = {key: (statuses or {}).get(key, status) for key in step.declared.device_keys}
        tasks = {
            key: (Task(key, "j1", key, status=each, raw_status=each.value),) if each else () for key, each in of.items()
        }
        plans[step.identity] = build_plan(step.declared, Record(), live.with_tasks(tasks), today=NOW.date())
    jobs = {"j1": LiveJob(live, related)}
    return ReviewFacts(Preview(steps), previewed=True, refreshed=True, jobs=jobs, plans=plans)


FINE = facts(a_step("a", "k1", "k2"))


def verdict(found: ReviewFacts, *, expect_no_changes: bool = False) -> ReviewReport:
    return build_report(CONTEXT, found, expect_no_changes=expect_no_changes)


def test_a_change_that_would_work_is_fine() -> None:
    report = verdict(FINE)
    assert (report.outcome, report.exit_code, report.headline, report.reasons) == (
        Outcome.FINE,
        0,
        "`pulumi up` will cancel 2 tasks",
        (),
    )


def test_the_job_says_what_waits_and_is_not_declared() -> None:
    (job,) = verdict(FINE).jobs
    assert (job.waiting, job.will_cancel, job.exposed, job.incremental) == (84, 2, 82, True)
    assert [(each.job_id, each.waiting) for each in job.same_firmware or ()] == [("j2", 7)]
    assert {each.status: each.tasks for each in job.by_status} == {"init": 80, "published": 4, "succeeded": 16}


def test_unreadable_related_jobs_are_null_in_the_report() -> None:
    (job,) = verdict(facts(a_step("a", "k1"), related=None)).jobs
    assert job.same_firmware is None


def test_two_sets_of_one_job_share_its_report() -> None:
    (job,) = verdict(facts(a_step("a", "k1"), a_step("b", "k2"))).jobs
    assert (job.will_cancel, job.exposed) == (2, 82)


def test_a_total_that_is_smaller_than_the_tasks_that_were_read_leaves_exposure_open() -> None:
    """As where totals are capped: it says nothing of the tasks that are not in any set."""
    (job,) = verdict(facts(a_step("a", "k1", "k2"), live=replace(LIVE, waiting=1))).jobs
    assert job.exposed is None


def test_a_service_that_does_not_count_leaves_exposure_open() -> None:
    (job,) = verdict(facts(a_step("a", "k1"), live=LiveSet(JOB, by_status=dict.fromkeys(STATUSES)))).jobs
    assert (job.total, job.waiting, job.exposed, job.by_status) == (None, None, None, ())


def test_any_change_is_a_no_where_none_is_expected() -> None:
    report = verdict(FINE, expect_no_changes=True)
    assert (report.outcome, report.exit_code) == (Outcome.CHANGES, 1)
    assert report.reasons == ("set 'a' (job j1): create, 2 will be cancelled",)


def test_a_change_of_something_else_is_one_too() -> None:
    preview = Preview(others=(ResourceChange(op="create", type="aws:s3:Bucket", name="logs"),))
    report = verdict(ReviewFacts(preview, previewed=True, refreshed=True), expect_no_changes=True)
    assert (report.outcome, report.reasons) == (Outcome.CHANGES, ("create aws:s3:Bucket logs",))


def test_a_set_that_is_replaced_is_a_change_although_nothing_is_cancelled() -> None:
    step = replace(a_step("a", "k1"), change=Change.REPLACE)
    found = facts(step, status=TaskStatus.SUCCEEDED)
    assert verdict(found).headline == "`pulumi up` will cancel nothing"
    report = verdict(found, expect_no_changes=True)
    assert (report.outcome, report.reasons) == (Outcome.CHANGES, ("set 'a' (job j1): replace",))
    assert report.headline == "no change was expected, but there is one"


def test_options_in_the_environment_that_an_up_would_use_are_named() -> None:
    context = replace(CONTEXT, ignored_options=("PULUMI_OPTION_TARGET",))
    report = build_report(context, FINE, expect_no_changes=False)
    assert report.warnings == (
        "PULUMI_OPTION_TARGET in the environment: `pulumi up` would use it, this review did not: it covers the whole "
        "stack as it is configured",
    )


def test_nothing_to_do_is_fine_whether_or_not_it_was_expected() -> None:
    found = ReviewFacts(Preview(), previewed=True, refreshed=True)
    for expect in (False, True):
        report = verdict(found, expect_no_changes=expect)
        assert (report.outcome, report.headline) == (Outcome.FINE, "nothing to do: every set is as declared")


def test_a_set_that_would_fail_comes_first_and_fails_the_review() -> None:
    report = verdict(facts(a_step("a", "k1"), a_step("b", "k2"), statuses={"k2": None}))
    assert (report.outcome, report.headline) == (Outcome.FAILS, "`pulumi up` would fail for 1 set of 2")
    assert [each.name for each in report.sets] == ["b", "a"]
    assert report.reasons == report.sets[0].errors


def test_a_preview_that_failed_fails_the_review_beside_what_fails_a_set() -> None:
    refused = facts(a_step("a", "k1"), statuses={"k1": None})
    (error,) = verdict(refused).reasons
    failed = Preview(refused.preview.sets, errors=("the disk",))
    report = verdict(replace(refused, preview=failed, previewed=False))
    assert (report.outcome, report.reasons) == (Outcome.FAILS, (error, "the disk"))


def test_what_could_not_be_found_out_is_neither_yes_nor_no() -> None:
    report = verdict(
        replace(FINE, jobs={}, plans={}, blind=("EnOS could not be asked: no route",)), expect_no_changes=True
    )
    assert (report.outcome, report.exit_code, report.live) == (Outcome.UNDETERMINED, 3, False)
    assert report.reasons == ("EnOS could not be asked: no route",)


def test_without_credentials_a_change_is_shown_but_its_absence_is_not_claimed() -> None:
    found = replace(FINE, jobs={}, plans={}, refreshed=False, no_credentials="no credentials for EnOS")
    report = verdict(found)
    assert (report.outcome, report.live) == (Outcome.FINE, False)
    assert report.headline == "`pulumi up` will work on 2 device keys; their tasks were not checked"
    assert "no credentials for EnOS" in report.warnings[0]
    assert verdict(found, expect_no_changes=True).outcome is Outcome.UNDETERMINED


def test_what_pulumi_and_the_program_warned_of_is_passed_on_whatever_its_words() -> None:
    said = ("your engine is old", "set 'a' (job j1): mind this", "EnOS could not be asked what we do")
    report = verdict(replace(FINE, preview=replace(FINE.preview, warnings=said)))
    assert report.warnings == said


def test_a_wrong_configuration_is_neither_fine_nor_an_outage() -> None:
    report = report_misconfigured(CONTEXT, ["stacks/Pulumi.prod.yaml:3: jobId is missing"])
    assert (report.outcome, report.exit_code, report.stack) == (Outcome.MISCONFIGURED, 2, "prod")
    assert report.headline == "the configuration has 1 problem: nothing was checked"


def test_large_numbers_can_be_read() -> None:
    keys = [f"k{number}" for number in range(1234)]
    report = verdict(facts(a_step("a", *keys), live=replace(LIVE, waiting=2000)))
    assert report.headline == "`pulumi up` will cancel 1 234 tasks"


def test_what_is_known_only_during_an_up_is_not_called_nothing() -> None:
    later = SetStep("later", Change.CREATE, unknown=True)
    alone = verdict(ReviewFacts(Preview((later,)), previewed=True, refreshed=True))
    assert alone.headline == "what `pulumi up` will cancel of 1 set is known only then"
    assert first_screen(alone).verdict.badge == "NOT CHECKED"
    beside = verdict(replace(FINE, preview=Preview((*FINE.preview.sets, later))))
    assert beside.headline == (
        "`pulumi up` will cancel 2 tasks; what `pulumi up` will cancel of 1 set is known only then"
    )


def test_two_sets_with_the_same_name_get_a_report_each() -> None:
    one, other = (a_step("a", key, urn=urn) for key, urn in (("k1", "urn:one"), ("k2", "urn:two")))
    report = verdict(facts(one, other, statuses={"k2": TaskStatus.SUCCEEDED}))
    assert [[(key.device_key, key.effect) for key in each.keys] for each in report.sets] == [
        [("k1", Effect.CANCEL)],
        [("k2", Effect.TOO_LATE)],
    ]
