"""The verdict of a review: which of its answers, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from enos_ota.engine.preview_json import Preview, SetStep
from enos_ota.engine.properties import Declared
from enos_ota.enos import Job, JobStatus, Task, TaskStatus
from enos_ota.review.compose import Findings, Occasion, compose, misconfigured
from enos_ota.review.judge import Seen, Surroundings
from enos_ota.review.live import LiveJob, Sibling
from enos_ota.review.model import Change, Effect, OtherChange, Outcome, ReviewReport
from enos_ota.review.screen import first_screen

OCCASION = Occasion("enos-ota", "prod", "abc", "2026-11-23T18:00:00Z")
AROUND = Surroundings(("Cancelled by user",), date(2026, 11, 23))
STATUSES = {TaskStatus.INIT: 80, TaskStatus.PUBLISHED: 4, TaskStatus.SUCCEEDED: 16}


def a_step(name: str, *keys: str) -> SetStep:
    declared = Declared(name, "https://enos", "o1", "j1", keys, "report", "fail", "")
    return SetStep(name, Change.CREATE, declared)


def looked(*keys: str, status: TaskStatus = TaskStatus.INIT, total: int | None = 100) -> Seen:
    job = Job("j1", name="Pumps", status=JobStatus.STARTED, upgrade_policy="incremental", firmware_version="2.3.0")
    tasks = {key: (Task(key, "j1", key, status=status, raw_status=status.value),) for key in keys}
    return Seen(LiveJob(job, total, STATUSES, (Sibling("j2", "Others", 7),)), tasks)


FINE = Findings(Preview((a_step("a", "k1", "k2"),)), previewed=True, refreshed=True, seen={"a": looked("k1", "k2")})


def verdict(found: Findings, *, expect_no_changes: bool = False) -> ReviewReport:
    return compose(OCCASION, found, AROUND, expect_no_changes=expect_no_changes)


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


def test_other_jobs_that_could_not_be_read_are_told_from_none() -> None:
    seen = looked("k1", "k2")
    (job,) = verdict(replace(FINE, seen={"a": replace(seen, job=replace(seen.job, siblings=None))})).jobs
    assert job.same_firmware is None


def test_two_sets_of_one_job_share_its_report() -> None:
    preview = Preview((a_step("a", "k1"), a_step("b", "k2")))
    (job,) = verdict(replace(FINE, preview=preview, seen={"a": looked("k1"), "b": looked("k2")})).jobs
    assert (job.will_cancel, job.exposed) == (2, 82)


def test_a_total_that_is_smaller_than_the_tasks_that_were_read_leaves_exposure_open() -> None:
    """As where totals are capped: it says nothing of the tasks that nobody declared."""
    seen = looked("k1", "k2")
    capped = replace(seen, job=replace(seen.job, by_status=dict.fromkeys(STATUSES, 0)))
    (job,) = verdict(replace(FINE, seen={"a": capped})).jobs
    assert job.exposed is None


def test_a_service_that_does_not_count_leaves_exposure_open() -> None:
    seen = looked("k1", "k2")
    blind = replace(seen, job=replace(seen.job, total=None, by_status=dict.fromkeys(STATUSES)))
    (job,) = verdict(replace(FINE, seen={"a": blind})).jobs
    assert (job.total, job.waiting, job.exposed, job.by_status) == (None, None, None, ())


def test_any_change_is_a_no_where_none_is_expected() -> None:
    report = verdict(FINE, expect_no_changes=True)
    assert (report.outcome, report.exit_code) == (Outcome.CHANGES, 1)
    assert report.reasons == ("set 'a' (job j1): create, 2 will be cancelled",)


def test_a_change_of_something_else_is_one_too() -> None:
    preview = Preview(others=(OtherChange(op="create", type="aws:s3:Bucket", name="logs"),))
    report = verdict(Findings(preview, previewed=True, refreshed=True), expect_no_changes=True)
    assert (report.outcome, report.reasons) == (Outcome.CHANGES, ("create aws:s3:Bucket logs",))


def test_a_set_that_is_replaced_is_a_change_although_nothing_is_cancelled() -> None:
    step = replace(a_step("a", "k1"), change=Change.REPLACE)
    found = replace(FINE, preview=Preview((step,)), seen={"a": looked("k1", status=TaskStatus.SUCCEEDED)})
    assert verdict(found).headline == "`pulumi up` will cancel nothing; 1 set will be replaced"
    report = verdict(found, expect_no_changes=True)
    assert (report.outcome, report.reasons) == (Outcome.CHANGES, ("set 'a' (job j1): replace",))
    assert report.headline == "no change was expected, but there is one: 1 set will be replaced"


def test_options_in_the_environment_that_an_up_would_use_are_named() -> None:
    report = compose(
        replace(OCCASION, ignored_options=("PULUMI_OPTION_TARGET",)), FINE, AROUND, expect_no_changes=False
    )
    assert report.warnings == (
        "PULUMI_OPTION_TARGET in the environment: `pulumi up` would use it, this review did not: it covers the whole "
        "stack as it is configured",
    )


def test_nothing_to_do_is_fine_whether_or_not_it_was_expected() -> None:
    found = Findings(Preview(), previewed=True, refreshed=True)
    for expect in (False, True):
        report = verdict(found, expect_no_changes=expect)
        assert (report.outcome, report.headline) == (Outcome.FINE, "nothing to do: what is declared is so")


def test_a_set_that_would_fail_comes_first_and_fails_the_review() -> None:
    preview = Preview((a_step("a", "k1"), a_step("b", "k2")))
    seen = {"a": looked("k1"), "b": replace(looked(), tasks={"k2": ()})}
    report = verdict(replace(FINE, preview=preview, seen=seen))
    assert (report.outcome, report.headline) == (Outcome.FAILS, "`pulumi up` would fail for 1 set of 2")
    assert [each.name for each in report.sets] == ["b", "a"]
    assert report.reasons == report.sets[0].errors


def test_a_preview_that_failed_fails_the_review_and_its_error_is_not_said_twice() -> None:
    refused = replace(FINE, seen={"a": replace(looked(), tasks={"k1": (), "k2": ()})})
    (error,) = verdict(refused).reasons
    told = Preview(FINE.preview.sets, errors=(f"2 of 2 sets would be refused by `pulumi up`:\n{error}", "the disk"))
    report = verdict(replace(refused, preview=told, previewed=False))
    assert (report.outcome, report.reasons) == (Outcome.FAILS, (error, "the disk"))


def test_what_could_not_be_found_out_is_neither_yes_nor_no() -> None:
    report = verdict(replace(FINE, seen={}, blind=("EnOS could not be asked: no route",)), expect_no_changes=True)
    assert (report.outcome, report.exit_code, report.live) == (Outcome.UNDETERMINED, 3, False)
    assert report.reasons == ("EnOS could not be asked: no route",)


def test_without_credentials_a_change_is_shown_but_its_absence_is_not_claimed() -> None:
    found = replace(FINE, seen={}, refreshed=False, no_credentials="no credentials for EnOS")
    report = verdict(found)
    assert (report.outcome, report.live) == (Outcome.FINE, False)
    assert report.headline == "`pulumi up` will work on 2 device keys; how they stand now was not looked at"
    assert "no credentials for EnOS" in report.warnings[0]
    assert verdict(found, expect_no_changes=True).outcome is Outcome.UNDETERMINED


def test_what_pulumi_warned_of_is_passed_on_unless_the_review_says_it_better() -> None:
    said = ("set 'a' (job j1): the guard may stop this change", "your engine is old", "set 'other' (job j9): mind this")
    report = verdict(replace(FINE, preview=replace(FINE.preview, warnings=said)))
    assert report.warnings == ("your engine is old", "set 'other' (job j9): mind this")


def test_a_wrong_configuration_is_neither_fine_nor_an_outage() -> None:
    report = misconfigured(OCCASION, ["stacks/Pulumi.prod.yaml:3: jobId is missing"])
    assert (report.outcome, report.exit_code, report.stack) == (Outcome.MISCONFIGURED, 2, "prod")
    assert report.headline == "the configuration has 1 problem: nothing was looked at"


def test_large_numbers_can_be_read() -> None:
    keys = [f"k{number}" for number in range(1234)]
    report = verdict(replace(FINE, preview=Preview((a_step("a", *keys),)), seen={"a": looked(*keys)}))
    assert report.headline == "`pulumi up` will cancel 1 234 tasks"


def test_what_is_known_only_during_an_up_is_not_called_nothing() -> None:
    later = SetStep("later", Change.CREATE, unknown=True)
    alone = verdict(Findings(Preview((later,)), previewed=True, refreshed=True))
    assert alone.headline == "what `pulumi up` will cancel of 1 set is known only then"
    assert first_screen(alone).verdict.badge == "NOT CHECKED"
    beside = verdict(replace(FINE, preview=Preview((*FINE.preview.sets, later))))
    assert beside.headline == (
        "`pulumi up` will cancel 2 tasks; what `pulumi up` will cancel of 1 set is known only then"
    )


def test_two_sets_of_one_name_are_told_apart() -> None:
    one, other = (replace(a_step("a", key), urn=urn) for key, urn in (("k1", "urn:one"), ("k2", "urn:two")))
    seen = {"urn:one": looked("k1"), "urn:two": looked("k2", status=TaskStatus.SUCCEEDED)}
    report = verdict(Findings(Preview((one, other)), previewed=True, refreshed=True, seen=seen))
    assert [[(key.device_key, key.effect) for key in each.keys] for each in report.sets] == [
        [("k1", Effect.CANCEL)],
        [("k2", Effect.TOO_LATE)],
    ]
