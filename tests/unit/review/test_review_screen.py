"""The first screen of a review, and its order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from enos_ota.engine.preview_json import Change
from enos_ota.plan import (
    Category,
    JobFacts,
    KeyOutcome,
    Record,
    RecordedJobStatus,
    SetVerdict,
    Severity,
    TaskSet,
    describe_record,
)
from enos_ota.plan.record import AFTER_PUSH
from enos_ota.review import html
from enos_ota.review.compose import set_messages
from enos_ota.review.lines import Tone
from enos_ota.review.model import Effect, GuardUse, Limit, Outcome, ReviewReport, SetMessage
from enos_ota.review.reviewing import review
from enos_ota.review.screen import first_screen
from enos_ota.review.text import Kind, plain
from tests.harness import reports
from tests.harness.any_report import reports as any_report

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.review.lines import ReportLine
    from enos_ota.review.screen import JobSection, Screen

PUMPS = TaskSet("pump-2.3.0", reports.JOB_ID)
KEYS = [f"k{number}" for number in range(10)]
ORDER = ["Rollback of", "Cancel", "By status", "Other keys", "Still exposed", "Guard", "Undo", "Digest"]


def only_job(report: ReviewReport) -> JobSection:
    (job,) = first_screen(report).jobs
    return job


def lines(report: ReviewReport) -> dict[str, str]:
    return {line.label: shown(line) for line in only_job(report).lines}


def with_messages(verdict: SetVerdict) -> ReviewReport:
    """A report whose set has these warnings."""
    return first_set(reports.first_preview(), warnings=verdict.warnings, messages=set_messages(verdict.messages))


def shown(line: ReportLine) -> str:
    return " · ".join(map(plain, line.items))


def everything(screen: Screen) -> list[str]:
    verdict = screen.verdict
    texts = [
        verdict.sentence,
        *verdict.context,
        *verdict.reasons,
        *verdict.warnings,
        *screen.others,
        *screen.unchanged,
    ]
    for job in screen.jobs:
        texts += [job.title, *(item for line in job.lines for item in line.items)]
        texts += [part.title for part in job.sets]
    return [plain(text) for text in [*texts, screen.everything]]


def first_set(report: ReviewReport, **changes: object) -> ReviewReport:
    return report.model_copy(update={"sets": (report.sets[0].model_copy(update=changes), *report.sets[1:])})


def first_job(report: ReviewReport, **changes: object) -> ReviewReport:
    return report.model_copy(update={"jobs": (report.jobs[0].model_copy(update=changes), *report.jobs[1:])})


@pytest.mark.parametrize("case", [reports.first_preview, reports.drift, reports.growth, reports.missing])
def test_the_lines_are_in_the_order_of_a_decision(case: object) -> None:
    assert callable(case)
    labels = [line.label for line in only_job(case()).lines]
    assert [label for label in labels if label in ORDER] == ORDER


def test_several_sets_on_a_job_keep_that_order_and_are_named_on_their_lines() -> None:
    job, *_ = first_screen(reports.several_sets()).jobs
    labels = [line.label for line in job.lines]
    known = [label for label in labels if label in ORDER]
    assert known == sorted(known, key=ORDER.index)
    for label in ("Set", "Guard", "Digest"):
        facts = [shown(line) for line in job.lines if line.label == label]
        assert [each.partition(" · ")[0] for each in facts] == ["pump-north", "pump-south"]


def test_of_very_many_sets_on_a_job_the_first_have_lines() -> None:
    one = reports.drift()
    sets = tuple(one.sets[0].model_copy(update={"name": f"pump-{number}"}) for number in range(400))
    facts = [shown(line) for line in only_job(one.model_copy(update={"sets": sets})).lines if line.label == "Set"]
    assert (len(facts), facts[-1]) == (21, "and 380 more")


def test_the_screen_names_what_is_rolled_back() -> None:
    assert lines(reports.first_preview())["Rollback of"] == (
        "firmware 2.3.0 (Pump main board) · product Pk12aB34 · job started"
    )


def test_the_screen_counts_the_waiting_tasks_that_will_be_cancelled() -> None:
    assert lines(reports.many_keys(3_000))["Cancel"] == "2 980 of 2 992 waiting tasks will be cancelled"


def test_a_job_that_is_larger_than_its_count_says_is_not_counted() -> None:
    assert lines(first_job(reports.first_preview(), waiting=30))["Cancel"] == "36 waiting tasks will be cancelled"


def test_tasks_to_cancel_are_counted_by_status_and_version() -> None:
    assert lines(reports.first_preview())["By status"] == (
        "18 init from 2.2.0 · 9 init from 2.1.7 · 6 published from 2.2.0 · 3 published from 2.1.7 · "
        "published devices were already notified and may still upgrade"
    )


def test_keys_without_a_request_are_counted() -> None:
    assert lines(reports.first_preview())["Other keys"] == "2 already cancelled · 4 too late"


def test_the_screen_shows_what_stays_exposed() -> None:
    assert lines(reports.first_preview())["Still exposed"] == (
        "12 waiting tasks are not in any set · incremental job: devices that match later will join · "
        "this firmware is also in started job Pump firmware 2.3.0, pilot (65a1b2c3d4e5f60718293a4c): 7 waiting"
    )


def test_an_unknown_number_is_not_shown_as_none() -> None:
    assert (
        lines(first_job(reports.first_preview(), exposed=None, incremental=False, same_firmware=()))["Still exposed"]
        == "unknown"
    )


def test_unreadable_related_jobs_are_not_shown_as_none() -> None:
    report = first_job(reports.first_preview(), exposed=0, incremental=False, same_firmware=None)
    assert lines(report)["Still exposed"] == "no other waiting tasks · other jobs with this firmware could not be read"


def test_a_guard_is_shown_with_its_use_and_limits() -> None:
    assert lines(reports.first_preview())["Guard"] == "36 of at most 60 devices · maxDevices 500, maxShare 0.5"


def test_a_guard_that_the_change_raises_is_shown() -> None:
    assert "raised by this change, from maxDevices 50" in lines(reports.growth())["Guard"]


def test_a_guard_that_the_change_removes_is_shown() -> None:
    use = GuardUse(limit=Limit(), before=Limit(max_devices=50), would_send=6, exceeded=False, raised=True)
    assert lines(first_set(reports.growth(), guard=use))["Guard"] == "none · raised by this change, from maxDevices 50"


def test_an_exceeded_guard_is_shown() -> None:
    job, _ = first_screen(reports.refused()).jobs
    (line,) = [line for line in job.lines if line.label == "Guard"]
    assert (shown(line), line.tone) == ("exceeded: 36 of at most 20 devices · maxDevices 20", Tone.BAD)


def test_a_set_for_which_no_request_would_be_sent_does_not_say_that_tasks_will_be_cancelled() -> None:
    job, _ = first_screen(reports.refused()).jobs
    assert "36 of 48 waiting tasks would be cancelled" in [shown(line) for line in job.lines]
    assert [group.title for group in job.sets[0].groups] == ["would be cancelled"]


def test_a_job_or_keys_that_are_not_known_yet_are_not_shown_as_none() -> None:
    job = only_job(reports.known_later())
    assert plain(job.title) == "Job that is not known yet"
    assert {line.label: shown(line) for line in job.lines if line.label != "Note"} == {
        "Rollback of": "a job that is not known yet",
        "Set": "pump-2.3.0 · new",
        "Cancel": "not known until pulumi up",
        "Still exposed": "unknown: EnOS was not asked",
    }


def test_what_is_only_recorded_as_cancelled_may_have_been_retried_since() -> None:
    """So the review does not promise that nothing will be cancelled."""
    unread = first_set(reports.expired(), expired=False)
    assert lines(unread)["Cancel"] == "unknown: EnOS was not asked"
    assert lines(first_job(unread, looked=True))["Cancel"] == "nothing to cancel"
    assert lines(reports.expired())["Cancel"] == "nothing to cancel"


def test_an_overridden_guard_is_a_warning_of_the_verdict_and_shown_with_its_reason() -> None:
    verdict = first_screen(reports.broken_glass()).verdict
    assert [plain(text) for text in verdict.warnings] == ["a guard is overridden for this run"]
    assert verdict.tone is Tone.CAREFUL
    assert lines(reports.broken_glass())["Guard"].endswith("overridden by ENOS_OTA_BREAK_GLASS: INC-4711: fire")


def test_an_overridden_guard_is_not_in_a_note_too() -> None:
    assert "Note" not in lines(reports.broken_glass())


def test_the_undo_is_a_command() -> None:
    (line,) = [line for line in only_job(reports.first_preview()).lines if line.label == "Undo"]
    (command,) = [piece.text for item in line.items for piece in item if piece.kind is Kind.COMMAND]
    assert command == "enos-ota retry --job 65a1b2c3d4e5f60718293a4b --keys FILE --expect 36"
    assert shown(line).startswith("remove the keys from the set, then run enos-ota retry")


def test_a_job_id_in_a_command_is_quoted_for_a_shell() -> None:
    report = first_set(first_job(reports.first_preview(), job_id="x; reboot"), job_id="x; reboot")
    assert "--job 'x; reboot' --keys" in lines(report)["Undo"]


def test_a_deleted_job_has_no_undo_and_exposes_no_device() -> None:
    assert not {"Undo", "Still exposed"} & set(lines(reports.deleted()))


def test_a_job_that_enos_does_not_have_promises_nothing() -> None:
    """Neither a cancel nor a retry can work for it."""
    found = lines(reports.unknown_job())
    assert (found["Rollback of"], found["Cancel"]) == ("an unknown job", "nothing to cancel: EnOS has no such job")
    assert "Undo" not in found


def test_drift_is_shown_as_retries() -> None:
    assert lines(reports.drift())["Cancel"] == (
        "3 of 15 waiting tasks will be cancelled · 3 were retried since and will be cancelled again"
    )


def test_a_removal_says_that_nothing_is_sent() -> None:
    assert lines(reports.removal())["Set"] == (
        "pump-2.3.0 · removed: no request is sent, cancelled tasks stay cancelled"
    )
    assert lines(reports.removal())["Cancel"] == "nothing to cancel"


def test_a_replacement_says_what_becomes_of_the_old_job() -> None:
    assert (
        "no request is sent for the recorded tasks of job 64ffffffd4e5f60718293a4b, cancelled tasks stay cancelled"
        in lines(reports.replacement())["Set"]
    )


def test_a_stopped_job_says_that_nothing_can_be_cancelled() -> None:
    said = lines(reports.held())
    assert said["Cancel"] == "held tasks cannot be cancelled while the job is stopped"
    assert "30 held" in said["Other keys"]


def test_without_credentials_the_screen_shows_the_declaration_and_what_is_unknown() -> None:
    said = lines(reports.without_credentials())
    assert said["Set"] == "pump-2.3.0 · new · 40 keys declared"
    assert said["Cancel"] == "up to 40 keys: their tasks were not read"
    assert said["Still exposed"] == "unknown: EnOS was not asked"
    assert said["Guard"] == "use unknown, at most 500 devices · maxDevices 500"


def test_a_change_that_fails_its_preview_would_cancel_and_does_not_say_that_it_will() -> None:
    job = only_job(reports.failing_preview())
    assert "4 of 16 waiting tasks would be cancelled" in [shown(line) for line in job.lines]
    assert [group.title for group in job.sets[0].groups] == ["would be cancelled"]


def test_a_record_that_could_not_be_read_says_so() -> None:
    assert "the recorded state could not be read" in lines(reports.unreadable_state())["Set"]


def test_a_misconfigured_stack_has_its_problems_and_nothing_else() -> None:
    screen = first_screen(reports.misconfigured())
    assert len(screen.verdict.reasons) == 3
    assert (screen.jobs, screen.others, screen.unchanged) == ((), (), ())


@pytest.mark.parametrize(
    ("stack", "project", "first"),
    [("prod", "", "stack prod"), ("", "pumps", "project pumps"), ("", "", "commit ")],
)
def test_an_unknown_stack_or_project_is_left_out(stack: str, project: str, first: str) -> None:
    report = reports.misconfigured().model_copy(update={"stack": stack, "project": project})
    assert plain(first_screen(report).verdict.context[0]).startswith(first)
    title = html.render(report).partition("<title>")[2].partition("</title>")[0]
    about = ": prod" if stack else ": (pumps)" if project else ""
    assert title == f"MISCONFIGURED{about}"


def test_of_several_stacks_without_a_name_the_project_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: pumps\nruntime: python\n")
    for name in ("dev", "prod"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config: {}\n")
    report = review(tmp_path, None, {})
    assert (report.project, report.stack, report.exit_code) == ("pumps", "", 2)


def test_a_set_with_nothing_to_do_takes_one_line() -> None:
    screen = first_screen(reports.nothing_to_do())
    assert screen.jobs == ()
    assert [plain(text) for text in screen.unchanged] == [
        "set pump-2.3.0: 36 keys cancelled; job Pump firmware 2.3.0, all sites started; "
        "12 waiting tasks are not in any set"
    ]


def test_a_set_whose_guard_changes_is_not_passed_over() -> None:
    report = first_set(reports.nothing_to_do(), change=Change.UPDATE, metadata=("maxDevices",))
    assert "changed: maxDevices" in lines(report)["Set"]


def test_other_resources_of_a_program_are_listed() -> None:
    assert [plain(text) for text in first_screen(reports.own_program()).others] == [
        "create aws:s3/bucket:Bucket ota-audit",
        "delete random:index/randomPet:RandomPet pet",
    ]


@pytest.mark.parametrize("case", [case for case in reports.CASES if case != "hostile"])
def test_a_job_has_no_sentence_twice(case: str) -> None:
    screen = first_screen(reports.CASES[case]())
    for job in screen.jobs:
        # Short ones are numbers, names and reasons.
        sentences = [text for text in everything(replace(screen, jobs=(job,))) if len(text) > 45]
        assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("category", [Category.TOO_LATE, Category.MISSING])
def test_a_warning_that_only_counts_keys_is_left_to_the_line_that_counts_them(category: Category) -> None:
    record = Record(outcomes={"k1": KeyOutcome(category, "failed")}, job=JobFacts(RecordedJobStatus.STARTED))
    verdict = describe_record(record, replace(PUMPS, on_missing="report"), is_expired=False)
    assert len(verdict.warnings) == 1
    assert "Note" not in lines(with_messages(verdict))


def test_notified_devices_are_noted_only_where_they_are_not_counted() -> None:
    nine, ten = (Record(keys=frozenset(keys), outcomes=dict.fromkeys(keys, AFTER_PUSH)) for keys in (KEYS[:9], KEYS))
    assert "Note" not in lines(with_messages(describe_record(nine, PUMPS, is_expired=False)))
    assert "Note" in lines(with_messages(describe_record(ten, PUMPS, is_expired=False)))


def test_what_a_line_says_already_is_found_by_its_code_whatever_its_words() -> None:
    late = SetMessage(code="too-late", severity=Severity.WARNING, text="any words at all")
    report = first_set(reports.first_preview(), warnings=(late.text,), messages=(late,))
    assert "Note" not in lines(report)


def test_a_warning_with_advice_does_not_repeat_its_set() -> None:
    record = Record(
        keys=frozenset({"k1"}), outcomes={}, job=replace(JobFacts(RecordedJobStatus.STARTED), automatic_retry=True)
    )
    verdict = describe_record(record, PUMPS, is_expired=False)
    assert lines(with_messages(verdict))["Note"].startswith("not durable: the job")


def test_a_long_list_of_warnings_says_how_many_there_are() -> None:
    report = first_set(reports.first_preview(), warnings=tuple(f"warning {number}" for number in range(20)))
    notes = [shown(line) for line in only_job(report).lines if line.label == "Note"]
    assert (len(notes), notes[-1]) == (7, "and 14 more")


def test_the_gravest_keys_come_first() -> None:
    effects = [group.effect for group in only_job(reports.drift()).sets[0].groups]
    assert effects == [Effect.CANCEL_AGAIN, Effect.ESCAPED, Effect.CANCELLED]


def test_keys_that_are_counted_but_not_there_are_counted() -> None:
    report = first_set(reports.first_preview(), counts={Effect.TOO_LATE: 13, Effect.ESCAPED: 1_204})
    groups = only_job(report).sets[0].groups
    assert {group.effect: (group.total, len(group.keys)) for group in groups} == {
        Effect.ESCAPED: (1_204, 0),
        Effect.TOO_LATE: (13, 4),
        Effect.CANCEL: (36, 36),
        Effect.CANCELLED: (2, 2),
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_badge(outcome: Outcome) -> None:
    verdict = first_screen(reports.nothing_to_do().model_copy(update={"outcome": outcome})).verdict
    assert verdict.badge.isupper()


@given(any_report())
def test_any_report_makes_a_screen_on_which_nothing_is_invisible(report: ReviewReport) -> None:
    for text in everything(first_screen(report)):
        assert text.isprintable()


@pytest.mark.parametrize(
    "change", [{"refreshed": False}, {"sets": reports.without_credentials().sets}], ids=["not refreshed", "keys unread"]
)
def test_unread_tasks_are_not_called_ok(change: dict[str, object]) -> None:
    verdict = first_screen(reports.first_preview().model_copy(update=change)).verdict
    assert (verdict.badge, verdict.tone) == ("NOT CHECKED", Tone.CAREFUL)


def test_a_new_set_with_a_wider_guard_than_the_stack_has_says_so() -> None:
    report = reports.first_preview()
    (each,) = report.sets
    guard = each.guard.model_copy(update={"raised": True, "before": None, "usual": Limit(max_devices=5)})
    wider = report.model_copy(update={"sets": (each.model_copy(update={"guard": guard}),)})
    assert "more than the stack's guard, maxDevices 5" in lines(wider)["Guard"]


def test_unread_tasks_are_shown_as_last_recorded() -> None:
    report = reports.first_preview()
    (each,) = report.sets
    old = each.model_copy(update={"counts": {Effect.CANCELLED: 2}})
    (job,) = report.jobs
    unlooked = report.model_copy(update={"sets": (old,), "jobs": (job.model_copy(update={"looked": False}),)})
    assert lines(unlooked)["Other keys"] == "2 already cancelled · as last recorded"


def test_the_policy_packs_that_ran_are_named() -> None:
    report = reports.first_preview().model_copy(update={"policy_packs": ("policy", "more")})
    assert "no mandatory policy violated in policy pack policy, more" in map(
        plain, first_screen(report).verdict.context
    )
