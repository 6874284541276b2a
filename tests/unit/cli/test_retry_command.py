"""`enos-ota retry`, the undo: counted, guarded, never against what a stack declares, and looked at afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from enos_ota.audit import digest
from enos_ota.cli import main
from enos_ota.reconciler import Stop
from tests.harness.reconciling import fleet_of
from tests.harness.reconciling import keys as numbered
from tests.harness.simulator import JOB, running_simulator
from tests.harness.small_gateway import behind_a_small_gateway
from tests.harness.stack import JumpingClock, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Reach = Callable[..., None]


@pytest.fixture
def clock() -> JumpingClock:
    """The simulator's."""
    return JumpingClock()


@pytest.fixture
def patient(clock: JumpingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits take no time: the simulator's clock jumps instead."""
    monkeypatch.setattr(Stop, "wait", lambda _, seconds: clock.jump(ceil(seconds)))


@pytest.fixture
def simulator(reach: Reach, project: Project, clock: JumpingClock) -> Iterator[RunningSimulator]:
    """dk-01 … dk-04 are cancelled too."""
    project.write("enos-ota:auditLog: audit.jsonl\n")
    with running_simulator(clock=clock) as running:
        reach(running)
        running.set_tasks(JOB, ["dk-01", "dk-02", "dk-03", "dk-04"], "cancelled")
        yield running


def retry(project: Project, *keys: str, expect: int | None = None, more: tuple[str, ...] = ()) -> Result:
    (project.root / "these.txt").write_text("".join(f"{key}\n" for key in keys))
    count = str(len(set(keys)) if expect is None else expect)
    arguments = ["--job", JOB, "--keys", "these.txt", "--expect", count, "--reason", "INC-4711 is over", *more]
    return CliRunner().invoke(main, ["retry", *arguments], prog_name="enos-ota")


def sent(simulator: RunningSimulator) -> list[list[str]]:
    entries = [entry for entry in simulator.journal() if entry["by"] != "control"]
    assert {entry["operation"] for entry in entries} <= {"retryTask"}
    return [entry["keys"] for entry in entries]


def audit(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.root / "audit.jsonl").read_text().splitlines()]


def test_what_was_cancelled_is_pushed_again(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-02"]])
    assert simulator.states()["dk-01"][0] == "init"
    assert "2 of 2 devices retried" in ended.stdout


def test_a_second_run_sends_nothing_and_what_is_left_is_retried(project: Project, simulator: RunningSimulator) -> None:
    retry(project, "dk-01")
    ended = retry(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01"], ["dk-02"]])
    assert "1 device waiting already (dk-01 init): nothing to retry\n" in ended.stdout


def test_what_waits_is_told_apart_from_what_goes_on(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-05", "dk-07", "dk-08", "dk-09")
    assert "2 devices waiting already (dk-05 init, dk-07 published): nothing to retry\n" in ended.stdout
    assert "2 devices not failed (dk-08 upgrading, dk-09 succeeded): nothing to retry\n" in ended.stdout
    assert sent(simulator) == []


@pytest.mark.parametrize("status", ["init", "upgrading", "succeeded"])
def test_where_not_a_single_one_reads_as_cancelled_the_answer_is_no(
    project: Project, simulator: RunningSimulator, status: str
) -> None:
    simulator.set_tasks(JOB, ["dk-01", "dk-02"], status)
    ended = retry(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "0 of 2 devices retried" in ended.stdout
    assert "Error: none of these tasks reads as cancelled." in ended.stderr


def test_where_nothing_could_be_retried_a_machine_gets_the_same_exit_code(
    project: Project, simulator: RunningSimulator
) -> None:
    simulator.set_tasks(JOB, ["dk-01"], "init")
    ended = retry(project, "dk-01", more=("--format", "json"))
    assert ended.exit_code == json.loads(ended.stdout)["exitCode"] == 1


def test_another_count_sends_nothing(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-01", "dk-02", expect=3)
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "expected 3 device keys, found 2" in ended.stderr


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("missing", ["--expect", "--keys", "--job"])
def test_count_keys_and_job_are_needed(project: Project, missing: str) -> None:
    (project.root / "these.txt").write_text("dk-01\n")
    arguments = {"--job": JOB, "--keys": "these.txt", "--expect": "1"}
    del arguments[missing]
    ended = CliRunner().invoke(main, ["retry", *(part for pair in arguments.items() for part in pair)])
    assert (ended.exit_code, missing in ended.stderr) == (2, True)


def test_a_reason_is_good_to_have_and_not_needed(project: Project, simulator: RunningSimulator) -> None:
    (project.root / "these.txt").write_text("dk-01\n")
    ended = CliRunner().invoke(main, ["retry", "--job", JOB, "--keys", "these.txt", "--expect", "1"])
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01"]])


def test_what_failed_for_another_reason_is_refused_and_the_rest_is_sent(
    project: Project, simulator: RunningSimulator
) -> None:
    ended = retry(project, "dk-01", "dk-10")
    assert (ended.exit_code, sent(simulator)) == (1, [["dk-01"]])
    assert "1 device refused, failed for another reason (dk-10 failed); --failed-too retries them" in ended.stderr


def test_what_failed_for_another_reason_is_sent_when_told(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-01", "dk-10", more=("--failed-too",))
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-10"]])


def test_a_key_without_a_task_is_refused_and_the_rest_is_sent(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-01", "typo")
    assert (ended.exit_code, sent(simulator)) == (1, [["dk-01"]])
    assert "1 device refused, no task in this job (typo)" in ended.stderr


def test_a_key_under_two_products_is_refused(reach: Reach, project: Project) -> None:
    fleet = fleet_of({"deviceKey": "k1", "status": "cancelled"}, {"deviceKey": "k2", "status": "cancelled"})
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet, same_key_two_products="on") as simulator:
        reach(simulator)
        ended = retry(project, "k1", "k2")
        assert (ended.exit_code, sent(simulator)) == (1, [["k2"]])
    assert "tasks in several products, which a retry cannot tell apart (k1 failed)" in ended.stderr


def test_keys_that_any_stack_still_declares_are_refused_by_stack_and_set(
    project: Project, simulator: RunningSimulator
) -> None:
    project.file.with_name("Pulumi.dev.yaml").write_text(
        f'config:\n  enos-ota:cancelledTaskSets:\n    - {{name: pumps, jobId: "{JOB}", deviceKeys: [dk-02, dk-05]}}\n'
    )
    ended = retry(project, "dk-01", "dk-02", more=("--stack", "prod"))
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "stack dev, set 'pumps': 1 key (dk-02). Remove the keys from these sets first." in ended.stderr


def test_what_is_declared_for_another_job_does_not_matter(project: Project, simulator: RunningSimulator) -> None:
    project.write("", sets='- {name: pumps, jobId: "another", deviceKeys: [dk-01]}')
    assert (retry(project, "dk-01").exit_code, sent(simulator)) == (0, [["dk-01"]])


def test_a_stack_file_that_cannot_be_read_leaves_it_unknown_and_nothing_is_sent(
    project: Project, simulator: RunningSimulator
) -> None:
    project.file.with_name("Pulumi.dev.yaml").write_text("config: [\n")
    ended = retry(project, "dk-01", more=("--stack", "prod"))
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert "Pulumi.dev.yaml" in ended.stderr


def test_the_guard_of_the_stack_stops_it(project: Project, simulator: RunningSimulator) -> None:
    project.write("enos-ota:guard: {maxDevices: 1}\n")
    ended = retry(project, "dk-01", "dk-02", "dk-08")
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "the guard stops this retry of 2 devices: at most 1 may be (maxDevices)" in ended.stderr


def test_break_glass_overrides_the_guard_and_is_in_the_audit_log(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "all clear")
    project.write("enos-ota:guard: {maxShare: 0.1}\nenos-ota:auditLog: audit.jsonl\n")
    assert (retry(project, "dk-01", "dk-02").exit_code, len(sent(simulator))) == (0, 1)
    assert [line["breakGlass"] for line in audit(project)] == ["all clear", "all clear"]


def test_a_stopped_job_is_a_no_and_says_what_to_do(project: Project, simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")
    ended = retry(project, "dk-01")
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "is stopped: start it first" in ended.stderr


def test_another_firmware_is_a_no(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-01", more=("--expect-firmware", "9.9"))
    assert (ended.exit_code, sent(simulator)) == (1, [])


def test_a_lost_answer_is_looked_at_before_anything_is_sent_again(
    project: Project, simulator: RunningSimulator
) -> None:
    simulator.fault("close-after", "retryTask", nth=1)
    ended = retry(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-02"]])


@pytest.mark.usefixtures("patient")
def test_a_request_that_got_lost_is_sent_again_once_it_is_seen_to_have_done_nothing(
    project: Project, simulator: RunningSimulator
) -> None:
    simulator.fault("close-before", "retryTask", nth=1)
    ended = retry(project, "dk-01")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01"], ["dk-01"]])


@pytest.mark.usefixtures("patient")
def test_searches_that_lag_behind_are_waited_for(project: Project, simulator: RunningSimulator) -> None:
    simulator.switch(index_delay=2)
    ended = retry(project, "dk-11")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-11"]])


def test_batches_are_as_large_as_the_service_takes(reach: Reach, project: Project) -> None:
    fleet = fleet_of(*({"deviceKey": key, "status": "cancelled"} for key in numbered(50)))
    project.write("enos:batchSize: 20\n")
    with running_simulator(fleet, max_keys=10) as simulator:
        reach(simulator)
        ended = retry(project, *numbered(50))
        accepted = [entry["keys"] for entry in simulator.journal() if entry["code"] == 0]
    assert ended.exit_code == 0
    assert sorted(key for batch in accepted for key in batch) == numbered(50)


def test_batches_are_as_large_as_the_gateway_takes(
    reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enos_ota.settings.client.EnosClient", behind_a_small_gateway(300, []))
    project.write("enos:batchSize: 200\n")
    fleet = fleet_of(*({"deviceKey": key, "status": "cancelled"} for key in numbered(100)))
    with running_simulator(fleet) as simulator:
        reach(simulator)
        ended = retry(project, *numbered(100))
        batches = sent(simulator)
    assert (ended.exit_code, sorted(key for batch in batches for key in batch)) == (0, numbered(100))
    assert [len(batch) for batch in batches] == [25] * 4


def test_where_enos_takes_no_requests_it_could_not_be_done(project: Project, simulator: RunningSimulator) -> None:
    simulator.fault("throttle", "retryTask", retryAfter=1_000)
    ended = retry(project, "dk-01")
    assert (ended.exit_code, simulator.states()["dk-01"][0]) == (3, "failed")
    assert "Run the same command again: it sends only tasks that still read as cancelled." in ended.stderr


def test_each_request_leaves_two_lines_in_the_audit_log(project: Project, simulator: RunningSimulator) -> None:
    retry(project, "dk-01", "dk-02", "dk-08")
    before, after = audit(project)
    told = {"operation": "retryTask", "set": "", "job": JOB, "reason": "INC-4711 is over", "keys": 2}
    assert {name: before[name] for name in told} == told
    assert before["digest"] == digest(["dk-01", "dk-02"])
    assert (after["id"], after["code"]) == (before["id"], 0)
    assert len(sent(simulator)) == 1


def test_a_machine_gets_one_line_of_json(project: Project, simulator: RunningSimulator) -> None:
    ended = retry(project, "dk-01", "dk-08", "dk-10", "typo", more=("--format", "json"))
    assert ended.exit_code == 1
    assert json.loads(ended.stdout) == {
        "stack": "prod",
        "job": JOB,
        "reason": "INC-4711 is over",
        "keys": 4,
        "retried": {"dk-01": "init"},
        "notFailed": {"dk-08": "upgrading"},
        "refused": [
            {"deviceKey": "dk-10", "status": "failed", "why": "failed for another reason"},
            {"deviceKey": "typo", "status": "", "why": "no task in this job"},
        ],
        "pending": [],
        "problem": "",
        "exitCode": 1,
    }
    assert len(sent(simulator)) == 1


def test_a_text_that_is_no_key_list_is_refused_before_anything_is_sent(
    project: Project, simulator: RunningSimulator
) -> None:
    ended = retry(project, "<<<<<<< HEAD", "dk-01", ">>>>>>> hotfix")
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert "these.txt:1: this looks like an unresolved merge conflict" in ended.stderr


def test_hostile_keys_are_sent_as_they_are_and_never_obeyed(reach: Reach, project: Project) -> None:
    keys = ["0012345", "no", "a: b", "x'y", 'x"y', "a\u00a0bc"]
    fleet = fleet_of(*({"deviceKey": key, "status": "cancelled"} for key in keys))
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet) as simulator:
        reach(simulator)
        ended = retry(project, *keys, "\u00a0typo")
        assert (ended.exit_code, [sorted(batch) for batch in sent(simulator)]) == (1, [sorted(keys)])
    assert "\u00a0" not in ended.output


def test_after_an_interrupt_nothing_new_is_sent_and_the_next_run_sends_what_is_left(
    project: Project, simulator: RunningSimulator
) -> None:
    project.write("enos:batchSize: 1\n")
    simulator.fault("latency", "retryTask", seconds=0.5)
    keys = ["dk-01", "dk-02", "dk-03", "dk-04"]
    (project.root / "these.txt").write_text("\n".join(keys))
    command = ["retry", "--job", JOB, "--keys", "these.txt", "--expect", "4", "--reason", "x"]
    with subprocess.Popen(
        [sys.executable, "-m", "enos_ota.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: simulator.counters().get("retryTask", 0) == 2, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, sent(simulator)) == (3, [["dk-01"], ["dk-02"]])
    assert "interrupted, so nothing more was sent" in stderr
    assert "4 devices not read as retried (dk-01, dk-02, dk-03, … 1 more), of which EnOS accepted 2" in stderr
    assert "Traceback" not in stdout + stderr
    simulator.clear_faults()
    assert retry(project, *keys).exit_code == 0
    assert sent(simulator) == [[key] for key in keys]
