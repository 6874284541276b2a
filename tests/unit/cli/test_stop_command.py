"""`enos-ota stop`: one request, and what it means is said."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota import audit as audit_log
from enos_ota.enos import EnosClient
from enos_ota.reconciler import Stop
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from enos_ota.enos import WriteWatch
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]

NOT_LOGGED = "WARNING: THIS STOP IS NOT IN AN AUDIT LOG, because "
STOP = ("stop", "--job", JOB, "--reason", "INC-4711")


@pytest.fixture
def simulator(reach: Reach, project: Project) -> Iterator[RunningSimulator]:
    project.write("enos-ota:auditLog: audit.jsonl\n")
    with running_simulator() as running:
        reach(running)
        yield running


def writes(simulator: RunningSimulator) -> list[str]:
    return [entry["operation"] for entry in simulator.journal() if entry["by"] != "control"]


def audit(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.root / "audit.jsonl").read_text().splitlines()]


def is_stopped(simulator: RunningSimulator) -> bool:
    return bool(simulator.control("GET", f"jobs/{JOB}")["status"] == "stopped")


def test_a_job_is_stopped_with_one_request(run: Run, simulator: RunningSimulator) -> None:
    ended = run(*STOP)
    assert (ended.exit_code, writes(simulator), is_stopped(simulator)) == (0, ["stop"], True)


def test_it_says_that_what_is_stopped_is_held_and_not_cancelled(run: Run, simulator: RunningSimulator) -> None:
    ended = run(*STOP)
    assert "7 waiting tasks are on hold (not cancelled). 1 upgrade in progress probably continues.\n" in ended.stdout
    assert "The tasks of a stopped job cannot be cancelled." in ended.stdout
    assert is_stopped(simulator)


def test_a_job_that_is_stopped_already_is_fine_and_nothing_is_sent(run: Run, simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")
    ended = run(*STOP)
    assert (ended.exit_code, writes(simulator)) == (0, [])
    assert "was stopped already: no request was sent" in ended.stdout


def test_a_job_that_was_stopped_meanwhile_is_fine_and_the_request_is_not_denied(
    run: Run, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = EnosClient.stop_job

    def send_too_late(client: EnosClient, job_id: str, watch: WriteWatch) -> None:
        simulator.set_job(job_id, "stopped")
        send(client, job_id, watch=watch)

    monkeypatch.setattr(EnosClient, "stop_job", send_too_late)
    ended = run(*STOP)
    assert (ended.exit_code, simulator.counters()["stop"]) == (0, 1), ended.output
    assert "was stopped already" in ended.stdout
    assert "nothing was sent" not in ended.output


def test_a_lock_on_the_audit_log_that_is_never_released_delays_no_stop(
    run: Run, project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "LOCK_PATIENCE", 0.02)
    with (project.root / "audit.jsonl").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = run(*STOP)
        assert (ended.exit_code, is_stopped(simulator)) == (0, True)
        assert [line["event"] for line in audit(project)] == ["before", "after"]
    assert ended.stderr.count("another enos-ota, a log shipper, or a lock that NFS lost") == 1


def test_another_firmware_keeps_it_from_being_stopped(run: Run, simulator: RunningSimulator) -> None:
    ended = run(*STOP, "--expect-firmware", "9.9")
    assert (ended.exit_code, writes(simulator), is_stopped(simulator)) == (1, [], False)
    assert "firmware 9.9 is expected, but the job is about 2.3.0" in ended.stderr


@pytest.mark.parametrize("fault", ["close-before", "close-after"])
def test_a_lost_answer_is_looked_at_and_the_stop_never_sent_again(
    run: Run, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(Stop, "wait", lambda *_: None)
    simulator.fault(fault, "stop")
    ended = run(*STOP)
    assert writes(simulator) == ["stop"]
    assert (ended.exit_code, is_stopped(simulator)) == ((0, True) if fault == "close-after" else (3, False))
    said = f"job {JOB} still reads as started. It is unknown whether EnOS processed the stop. Check with "
    assert (said in ended.stderr) is (ended.exit_code == 3)


def test_a_stop_that_enos_refused_is_not_told_as_an_answer_lost(
    run: Run, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stop, "wait", lambda *_: None)
    simulator.fault("error", "stop", code=24500)
    ended = run(*STOP)
    assert (ended.exit_code, writes(simulator)) == (3, ["stop"])
    assert f"it is unknown whether the stop was processed: EnOS did not do stop (job {JOB}): 24500" in ended.stderr
    assert "lost" not in ended.stderr


def test_the_stop_is_in_the_audit_log_as_an_act_outside_of_any_set(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    run(*STOP)
    before, after = audit(project)
    told = {"operation": "stopJob", "set": "", "job": JOB, "reason": "INC-4711", "stack": "prod", "keys": 0}
    assert {name: before[name] for name in told} == told
    assert (after["event"], after["id"], after["code"]) == ("after", before["id"], 0)
    assert is_stopped(simulator)


def test_it_needs_a_reason(run: Run, simulator: RunningSimulator) -> None:
    assert run("stop", "--job", JOB).exit_code == 2
    assert not is_stopped(simulator)


@pytest.mark.usefixtures("simulator")
def test_a_job_that_is_not_there_is_a_no(run: Run) -> None:
    ended = run("stop", "--job", "nowhere", "--reason", "x")
    assert (ended.exit_code, "24404" in ended.stderr) == (1, True)


def test_outside_of_any_project_the_environment_is_enough(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.file.unlink()
    (project.root / "Pulumi.yaml").unlink()
    assert (run(*STOP).exit_code, is_stopped(simulator)) == (0, True)


def test_with_several_stacks_it_has_to_be_said_whose_audit_log_it_is(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.file.with_name("Pulumi.dev.yaml").write_text("config: {}\n")
    ended = run(*STOP)
    assert (ended.exit_code, is_stopped(simulator)) == (2, False)
    assert "name one with --stack" in ended.stderr


def test_a_machine_gets_one_line_of_json(run: Run, simulator: RunningSimulator) -> None:
    assert json.loads(run(*STOP, "--format", "json").stdout) == {
        "stack": "prod",
        "job": JOB,
        "jobName": "Pump firmware 2.3.0",
        "firmwareVersion": "2.3.0",
        "status": "stopped",
        "wasStopped": False,
        "waiting": 7,
        "upgrading": 1,
        "exitCode": 0,
    }
    assert is_stopped(simulator)


def test_a_hostile_job_name_is_never_obeyed(run: Run, simulator: RunningSimulator) -> None:
    simulator.add_job({"jobId": "odd", "name": "\x1b[31m\nx\u202e", "status": "started", "tasks": []})
    ended = run("stop", "--job", "odd", "--reason", "\u202e# 'x'")
    assert ended.exit_code == 0
    assert not set("\x1b\u202e") & set(ended.output)


# A stack file that is broken


def no_yaml(project: Project) -> None:
    project.file.write_text("config: [\n")


def an_unknown_key(project: Project) -> None:
    project.write("enos-ota:gaurd: {maxDevices: 1}\n")


def no_project(project: Project) -> None:
    (project.root / "Pulumi.yaml").write_text("name: [\n")


@pytest.mark.parametrize("spoil", [no_yaml, an_unknown_key, no_project])
def test_a_broken_stack_file_does_not_keep_it_from_braking_and_what_was_not_logged_is_told(
    run: Run, project: Project, simulator: RunningSimulator, spoil: Callable[[Project], None]
) -> None:
    spoil(project)
    ended = run(*STOP)
    assert (ended.exit_code, writes(simulator), is_stopped(simulator)) == (0, ["stop"], True)
    assert "The stack file is not used. The environment decides: gateway " in ended.stderr
    assert NOT_LOGGED in ended.stderr


def test_an_audit_log_that_is_named_twice_is_not_guessed_at(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.write("enos-ota:auditLog: audit.jsonl\nenos-ota:auditLog: other.jsonl\n")
    ended = run(*STOP)
    assert (ended.exit_code, is_stopped(simulator)) == (0, True)
    assert NOT_LOGGED in ended.stderr
    assert not list(project.root.glob("*.jsonl"))


@pytest.mark.parametrize("named", ["Pulumi.yaml", "stacks/Pulumi.prod.yaml", "these.txt", "link.jsonl"])
def test_an_audit_log_that_is_another_file_leaves_that_file_as_it_is(
    run: Run, project: Project, simulator: RunningSimulator, named: str
) -> None:
    """The brake works nevertheless, and says that nothing was logged."""
    (project.root / "these.txt").write_text("dk-01\n")
    (project.root / "link.jsonl").symlink_to("Pulumi.yaml")
    project.write(f"enos-ota:auditLog: {named}\n")
    before = (project.root / named).read_bytes()
    ended = run(*STOP)
    assert (ended.exit_code, is_stopped(simulator)) == (0, True)
    assert (project.root / named).read_bytes() == before
    assert NOT_LOGGED in ended.stderr
