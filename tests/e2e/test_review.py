"""`enos-ota review` on a stack driven by the real `pulumi`: what it says beforehand is what an `up` then does."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from enos_ota.engine.preview_json import TYPE, Change
from enos_ota.enos import ConnectError
from enos_ota.review.model import Effect, Outcome
from enos_ota.review.reviewing import review
from tests.harness.authority import Authority
from tests.harness.engine import CHECKOUT
from tests.harness.scripted_server import ScriptedServer
from tests.harness.simulator import JOB
from tests.harness.stack import NAME, Stack, a_set, recorded, sent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enos_ota.review.model import ReviewReport, SetReport
    from tests.harness.simulator import RunningSimulator


def reviewed(
    stack: Stack, *packs: Path, expect_no_changes: bool = False, environ: Mapping[str, str] | None = None
) -> ReviewReport:
    """The review of a stack, as it is now."""
    env = stack.engine.env(stack.project, stack.home, venv=stack.venv, extra=stack.environment(environ))
    return review(stack.project, NAME, env, expect_no_changes=expect_no_changes, packs=packs)


def effects(report: SetReport) -> dict[str, str]:
    """Device key → what the change means for it."""
    return {key.device_key: key.effect.value for key in report.keys}


def test_a_first_preview_tells_of_every_key_and_of_the_job(stack: Stack, simulator: RunningSimulator) -> None:
    tasks = [{"deviceKey": "dk-01", "status": "init"}]
    for job_id, version, name, status in (
        ("twin", "2.3.0", "B", "started"),
        ("old", "2.3.0", "C", "stopped"),
        ("next", "2.4.0", "D", "started"),
    ):
        simulator.add_job({"jobId": job_id, "firmwareVersion": version, "name": name, "status": status, "tasks": tasks})
    stack.declare(a_set("dk-01", "dk-07", "dk-08", "dk-11", "dk-99", reason="INC-1", onMissing="report"))
    report = reviewed(stack)
    (pumps,), (job,) = report.sets, report.jobs
    assert (report.outcome, report.headline) == (Outcome.FINE, "`pulumi up` will cancel 2 tasks")
    assert effects(pumps) == {
        "dk-99": "missing",
        "dk-08": "too late",
        "dk-01": "will be cancelled",
        "dk-07": "will be cancelled",
        "dk-11": "cancelled already",
    }
    assert (pumps.change, pumps.reason, pumps.added) == (Change.CREATE, "INC-1", 5)
    assert [(each.status, each.tasks) for each in pumps.will_cancel_by] == [("init", 1), ("published", 1)]
    assert (job.name, job.firmware_version, job.status) == ("Pump firmware 2.3.0", "2.3.0", "started")
    assert (job.total, job.waiting, job.will_cancel, job.exposed) == (11, 7, 2, 5)
    assert [w.partition("): ")[2] for w in pumps.warnings] == [
        "1 key without a task in this job, so there is nothing to cancel (dk-99)",
        "1 key too late to cancel (dk-08 upgrading)",
        "1 task was cancelled after the device had been notified (dk-07); this device may still upgrade",
    ]
    # Of the other jobs only those that are started with the same firmware.
    assert [(other.job_id, other.name, other.waiting) for other in job.same_firmware or ()] == [("twin", "B", 1)]
    text = json.dumps(report.model_dump(mode="json"))
    assert not [secret for secret in stack.secrets if secret in text]
    assert sent(simulator) == []


@pytest.mark.timeout(900)  # two changes and five reviews, on however busy a machine
def test_drift_and_declared_changes_are_told_apart_and_what_escaped_fails(
    stack: Stack, simulator: RunningSimulator
) -> None:
    pumps = a_set("dk-01", "dk-02", "dk-03", guard={"maxDevices": 3})
    stack.declare(pumps, a_set("dk-05", name="second"), a_set("dk-06", name="third"))
    stack.up()
    assert reviewed(stack, expect_no_changes=True).outcome is Outcome.FINE

    # A retried task alone is a change where none is expected.
    simulator.retry(JOB, ["dk-02"])
    report = reviewed(stack, expect_no_changes=True)
    assert (report.outcome, report.exit_code) == (Outcome.CHANGES, 1)
    assert report.reasons == (f"set 'pumps' (job {JOB}): update, 1 will be cancelled again",)

    pumps = a_set("dk-01", "dk-02", "dk-04", guard={"maxDevices": 5})
    stack.declare(pumps, a_set("dk-06", name="third"))
    before = sent(simulator)
    report = reviewed(stack)
    sets = {each.name: each for each in report.sets}
    assert effects(sets["pumps"]) == {
        "dk-02": "will be cancelled again",
        "dk-04": "will be cancelled",
        "dk-01": "cancelled already",
        "dk-03": "no longer declared",
    }
    assert (sets["pumps"].change, sets["pumps"].added, sets["pumps"].removed) == (Change.UPDATE, 1, 1)
    assert sets["pumps"].metadata == ("maxDevices",)
    guard = sets["pumps"].guard
    assert (guard.would_send, guard.allowed, guard.raised) == (2, 5, True)
    assert (sets["second"].change, effects(sets["second"])) == (Change.DELETE, {"dk-05": "no longer declared"})
    assert report.headline == "`pulumi up` will cancel 2 tasks"
    assert (report.refreshed, report.exit_code) == (True, 0)

    # The same report fails as an `up` fails.
    simulator.set_tasks(JOB, ["dk-06"], "upgrading")
    report = reviewed(stack, expect_no_changes=True)
    third = next(each for each in report.sets if each.name == "third")
    assert (report.outcome, report.exit_code, third.counts[Effect.ESCAPED]) == (Outcome.FAILS, 1, 1)
    assert sent(simulator) == before
    up = stack.up(code=None)
    assert third.errors
    assert all(error in up.output for error in third.errors)

    # Without any set the job is still told of, with all that waits in it.
    stack.declare()
    report = reviewed(stack)
    assert report.headline == "`pulumi up` will cancel nothing"
    assert [(job.waiting, job.exposed) for job in report.jobs] == [(1, 1)]


def test_replacements_by_pulumi_are_changes_and_keep_what_is_known_of_keys(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """Pulumi gives the new record of a tainted set nothing of the old one; the refresh before it has read that."""
    stack.declare(a_set("dk-01", "dk-07"))
    stack.up()
    stack.run("state", "taint", "--yes", stack.resources()["pumps"]["urn"])
    report = reviewed(stack, expect_no_changes=True)
    assert (report.outcome, report.exit_code) == (Outcome.CHANGES, 1)
    assert report.reasons == (f"set 'pumps' (job {JOB}): replace",)
    assert effects(report.sets[0]) == {"dk-01": "cancelled already", "dk-07": "cancelled already"}
    assert reviewed(stack).headline == "`pulumi up` will cancel nothing"

    ended = stack.up()
    assert f"set 'pumps' (job {JOB}): 2 cancelled tasks stay cancelled" in ended.output
    assert "no longer" not in ended.output, "the set is declared and recorded as before"
    assert recorded(stack) == {"dk-07": "cancelled published"}

    # What an interrupted replacement left over: an `up` would delete it, of which a plain preview (3.259) says nothing.
    state = json.loads(stack.export())
    resources = state["deployment"]["resources"]
    resources += [{**each, "delete": True} for each in resources if each["urn"].endswith("::pumps")]
    file = stack.home / "state.json"
    file.write_text(json.dumps(state), encoding="utf-8")
    stack.run("stack", "import", "--file", str(file))
    report = reviewed(stack, expect_no_changes=True)
    assert (report.outcome, [each.change for each in report.sets]) == (Outcome.CHANGES, [Change.NONE])
    assert report.reasons == (f"delete-replaced {TYPE} pumps",)
    assert "no longer" not in stack.up().output
    assert sent(simulator) == [["dk-07"], ["dk-01"]]


def test_jobs_that_are_another_stopped_or_deleted(stack: Stack, simulator: RunningSimulator) -> None:
    def waiting(job_id: str, *keys: str) -> dict[str, object]:
        tasks = [{"deviceKey": key, "status": "init"} for key in keys]
        return {"jobId": job_id, "status": "started", "tasks": tasks}

    for job in (waiting("other", "dk-01"), waiting("stopped", "s-1", "s-2", "s-3", "s-4"), waiting("deleted", "d-1")):
        simulator.add_job(job)
    stopped = a_set("s-1", "s-2", name="stopped", job_id="stopped")
    deleted = a_set("d-1", name="deleted", job_id="deleted")
    stack.declare(a_set("dk-01"), stopped, deleted)
    stack.up()
    simulator.retry("stopped", ["s-2"])
    simulator.set_tasks("stopped", ["s-4"], "upgrading")
    simulator.set_job("stopped", "stopped")
    simulator.delete_job("deleted")
    stack.declare(a_set("dk-01", job_id="other"), stopped, deleted, a_set("s-3", "s-4", name="held", job_id="stopped"))
    report = reviewed(stack)
    sets = {each.name: each for each in report.sets}
    jobs = {each.job_id: each for each in report.jobs}
    assert report.outcome is Outcome.FINE
    pumps = sets["pumps"]
    assert (pumps.change, pumps.job_id, pumps.job_id_before) == (Change.REPLACE, "other", JOB)
    assert [(key.device_key, key.effect) for key in pumps.keys] == [
        ("dk-01", Effect.CANCEL),
        ("dk-01", Effect.RELEASED),
    ]
    assert effects(sets["held"]) == {"s-3": "held", "s-4": "too late"}
    assert (sets["stopped"].change, effects(sets["stopped"])) == (
        Change.NONE,
        {"s-2": "held", "s-1": "cancelled already"},
    )
    assert (jobs["stopped"].status, jobs["stopped"].waiting, jobs["stopped"].exposed) == ("stopped", 2, 0)
    assert (sets["deleted"].change, effects(sets["deleted"])) == (Change.NONE, {"d-1": "cancelled already"})
    assert "job deleted: retire this set" in sets["deleted"].warnings[0]

    # A retried task of a stopped job is reported though nothing is planned; a deleted job is no change.
    stack.declare(a_set("dk-01"), stopped, deleted)
    report = reviewed(stack, expect_no_changes=True)
    assert report.outcome is Outcome.CHANGES
    (reason,) = report.reasons
    assert reason.startswith("set 'stopped' (job stopped): 1 key no longer as recorded (s-2 init): the job is stopped")


def test_a_tripped_guard_and_an_unknown_job_fail_and_a_guard_may_be_overridden(stack: Stack) -> None:
    stack.declare(
        a_set("dk-01", "dk-02", guard={"maxDevices": 1}),
        a_set("dk-03", name="second"),
        a_set("dk-01", name="nowhere", job_id="nope"),
    )
    report = reviewed(stack)
    assert (report.outcome, report.exit_code) == (Outcome.FAILS, 1)
    assert report.headline == "`pulumi up` would fail for 2 sets of 3"
    sets = {each.name: each for each in report.sets}
    guard = sets["pumps"].guard
    assert (guard.would_send, guard.allowed, guard.exceeded) == (2, 1, True)
    assert len(report.reasons) == 2
    assert any("24404 Job not found" in reason for reason in report.reasons)
    assert {each.job_id: each.status for each in report.jobs}["nope"] == "unknown"

    report = reviewed(stack, environ={"ENOS_OTA_BREAK_GLASS": "INC-1: fire"})
    pumps = next(each for each in report.sets if each.name == "pumps")
    assert (pumps.guard.broken_glass, pumps.errors) == ("INC-1: fire", ())
    assert "the guard is overridden by ENOS_OTA_BREAK_GLASS (INC-1: fire)" in pumps.warnings[0]
    assert len(report.reasons) == 1


def test_where_enos_cannot_be_asked_the_declared_change_is_shown_and_drift_is_undetermined(
    stack: Stack, simulator: RunningSimulator, tmp_path: Path
) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()
    # Of the failures before a connection, an untrusted certificate is reported without a second attempt.
    with ScriptedServer([], tls=Authority(tmp_path).server()) as untrusted:
        stack.config["enos:apiGateway"] = f"https://127.0.0.1:{untrusted.port}"
        stack.declare(a_set("dk-01", "dk-02"))
        report = reviewed(stack, expect_no_changes=True)
    assert (report.outcome, report.exit_code) == (Outcome.UNDETERMINED, 3)
    assert report.reasons[0].startswith("EnOS could not be asked: ")
    assert ConnectError.__name__ not in report.reasons[0]
    # The gateway is part of what identifies a set: another one replaces it.
    assert [each.change for each in report.sets] == [Change.REPLACE]

    stack.config["enos:apiGateway"] = simulator.url
    del stack.config["enos:appSecret"], stack.config["enos:appKey"]
    stack.declare(a_set("dk-01", "dk-03"))
    before = simulator.counters()
    report = reviewed(stack)
    assert (report.outcome, report.live, report.refreshed) == (Outcome.FINE, False, False)
    assert effects(report.sets[0]) == {
        "dk-03": "not looked at",
        "dk-02": "no longer declared",
        "dk-01": "cancelled already",
    }
    assert any("without credentials tasks were not checked" in text for text in report.warnings)
    assert reviewed(stack, expect_no_changes=True).exit_code == 3
    assert simulator.counters() == before


def test_the_environment_does_not_change_the_form_of_pulumis_answer_and_its_options_for_an_up_are_named(
    stack: Stack,
) -> None:
    """With these variables `pulumi preview` answers in another form, plans for one set, or breaks off (3.259)."""
    stack.declare(a_set("dk-01"), a_set("dk-02", name="second"))
    report = reviewed(
        stack,
        environ={
            "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "1",
            "PULUMI_OPTION_OUTPUT": "json",
            "PULUMI_OPTION_EXPECT_NO_CHANGES": "true",
            "PULUMI_OPTION_PARALLEL": "4",
            "PULUMI_OPTION_TARGET": "**second",
        },
    )
    assert (report.outcome, report.headline) == (Outcome.FINE, "`pulumi up` will cancel 2 tasks")
    assert [text.partition(" in the environment")[0] for text in report.warnings] == [
        "PULUMI_OPTION_PARALLEL, PULUMI_OPTION_TARGET"
    ]


def test_keys_that_were_not_done_are_shown_as_work_to_do(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.fault("throttle", "cancelTask", retryAfter=1_000)  # more than anybody waits for: refused at once
    stack.declare(a_set("dk-01"))
    stack.up(code=None)
    simulator.clear_faults()
    report = reviewed(stack)
    assert (report.outcome, effects(report.sets[0])) == (Outcome.FINE, {"dk-01": "will be cancelled"})


def test_a_wrong_configuration_is_told_with_its_place_and_nothing_is_asked(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare({"name": "pumps", "jobId": JOB})
    report = reviewed(stack)
    assert (report.outcome, report.exit_code) == (Outcome.MISCONFIGURED, 2)
    assert "Pulumi.dev.yaml:" in report.reasons[0]
    assert simulator.counters() == {}


def test_where_neither_secrets_nor_state_can_be_read_the_declared_sets_are_shown(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(a_set("dk-01"), a_set("dk-02", name="second"))
    report = reviewed(stack, environ={"PULUMI_CONFIG_PASSPHRASE": "wrong"})
    assert (report.outcome, report.exit_code) == (Outcome.UNDETERMINED, 3)
    assert "incorrect passphrase" in report.reasons[0]
    assert report.reasons[1].startswith("Set PULUMI_CONFIG_PASSPHRASE ")
    assert [(each.name, each.change, effects(each)) for each in report.sets] == [
        ("pumps", Change.DECLARED, {"dk-01": "not looked at"}),
        ("second", Change.DECLARED, {"dk-02": "not looked at"}),
    ]
    assert simulator.counters() == {}


@pytest.mark.parametrize(
    ("state", "advice"),
    [(".", "If this stack is new, make it: `pulumi stack init dev`."), ("gone", "The state of the stack cannot be")],
)
def test_without_a_state_what_is_declared_is_shown_and_how_to_come_by_one(
    stack: Stack, tmp_path: Path, state: str, advice: str
) -> None:
    stack.declare(a_set("dk-01"))
    report = reviewed(stack, environ={"PULUMI_BACKEND_URL": f"file://{tmp_path / state}"})
    assert (report.outcome, report.exit_code, report.reasons[1].startswith(advice)) == (Outcome.UNDETERMINED, 3, True)
    assert [each.change for each in report.sets] == [Change.DECLARED]


def test_what_a_policy_forbids_fails_the_review_and_is_said(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    report = reviewed(stack, CHECKOUT / "policy")
    assert (report.outcome, report.headline) == (Outcome.FAILS, "`pulumi up` would fail")
    assert [reason.partition(": ")[0] for reason in report.reasons] == [
        "policy expires-within",
        "policy reason-pattern",
    ]
    assert "set 'pumps': it has no reason" in report.reasons[1]
    assert effects(report.sets[0]) == {"dk-01": "will be cancelled"}


def test_a_policy_pack_that_cannot_start_is_no_answer_and_says_why(stack: Stack, tmp_path: Path) -> None:
    pack = tmp_path / "elsewhere" / "policy"
    shutil.copytree(CHECKOUT / "policy", pack)
    stack.declare(a_set("dk-01"))
    report = reviewed(stack, pack)
    assert (report.outcome, report.exit_code) == (Outcome.UNDETERMINED, 3)
    assert "no virtual environment" in "\n".join(report.reasons)


def test_a_program_of_ones_own_that_cannot_reach_enos_is_an_outage(stack: Stack) -> None:
    program = (
        "import pulumi\nfrom enos_ota.enos import Credentials, EnosClient, EnosError\n"
        "try:\n    EnosClient('http://127.0.0.1:9', 'o', Credentials('a', 'b')).get_job('j')\n"
        "except EnosError as error:\n    raise pulumi.RunError(str(error)) from None\n"
    )
    (stack.project / "__main__.py").write_text(program, encoding="utf-8")
    stack.config["enos:apiGateway"] = "http://127.0.0.1:9"
    stack.write()
    report = reviewed(stack, expect_no_changes=True)
    assert (report.outcome, report.exit_code) == (Outcome.UNDETERMINED, 3)


def test_two_sets_of_one_name_under_two_parents_are_told_apart(stack: Stack, simulator: RunningSimulator) -> None:
    job = {"jobId": "other", "status": "started", "tasks": [{"deviceKey": "dk-01", "status": "succeeded"}]}
    simulator.add_job(job)
    program = (
        "import pulumi\nfrom enos_ota import CancelledTaskSet\n"
        f"for name, job in (('one', '{JOB}'), ('two', 'other')):\n"
        "    parent = pulumi.ComponentResource('my:index:' + name, name)\n"
        "    CancelledTaskSet('pumps', job, ['dk-01'], opts=pulumi.ResourceOptions(parent=parent))\n"
    )
    (stack.project / "__main__.py").write_text(program, encoding="utf-8")
    report = reviewed(stack)
    assert (report.outcome, report.reasons) == (Outcome.FINE, ())
    assert {each.job_id: effects(each) for each in report.sets} == {
        JOB: {"dk-01": "will be cancelled"},
        "other": {"dk-01": "too late"},
    }


def test_a_policy_that_is_kept_says_nothing(stack: Stack) -> None:
    stack.declare(a_set("dk-01", reason="INC-1: bad", expires=str(date.today() + timedelta(days=30))))  # noqa: DTZ011
    report = reviewed(stack, CHECKOUT / "policy")
    assert (report.outcome, report.reasons, report.warnings) == (Outcome.FINE, (), ())
    assert report.policy_packs == ("policy",)
