"""Limits, audit log and sets in Pulumi.yaml bind every command, as they bind `pulumi up`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.settings import read_stack_file
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]

CANCEL = ("cancel", "--job", JOB, "--reason", "INC-4711", "--keys", "these.txt", "--yes", "--expect")
RETRY = ("retry", "--job", JOB, "--reason", "over", "--keys", "these.txt", "--expect")
SETS = f'enos-ota:cancelledTaskSets: {{value: [{{name: pumps, jobId: "{JOB}", deviceKeys: [dk-01, dk-11]%s}}]}}'


def these(project: Project, *keys: str) -> str:
    """Make these the keys of the key file; their number."""
    (project.root / "these.txt").write_text("".join(f"{key}\n" for key in keys))
    return str(len(keys))


def sent(simulator: RunningSimulator) -> list[str]:
    return [entry["operation"] for entry in simulator.journal() if entry["by"] != "control"]


def logged(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.root / "audit.jsonl").read_text().splitlines()]


def test_the_guard_of_pulumi_yaml_stops_a_cancel(run: Run, project: Project, simulator: RunningSimulator) -> None:
    project.share("enos-ota:guard: {value: {maxDevices: 1}}")
    ended = run(*CANCEL, these(project, "dk-01", "dk-02"))
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "would cancel 2 devices: at most 1 may be (maxDevices)" in ended.stderr


def test_the_guard_of_pulumi_yaml_stops_a_cancel_into_a_stack_that_has_no_file_yet(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share("enos-ota:guard: {value: {maxDevices: 1}}")
    project.file.unlink()
    ended = run(*CANCEL, these(project, "dk-01", "dk-02"), "--stack", "prod")
    assert (ended.exit_code, sent(simulator), project.file.exists()) == (1, [], False)


def test_the_guard_of_a_set_in_pulumi_yaml_stops_a_cancel(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share(SETS % ", guard: {maxDevices: 0}")
    ended = run(*CANCEL, these(project, "dk-01"))
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "set 'pumps' has some of these keys, so its limits apply: maxDevices 0\n" in ended.stdout


def test_the_guard_of_pulumi_yaml_stops_a_retry(run: Run, project: Project, simulator: RunningSimulator) -> None:
    simulator.set_tasks(JOB, ["dk-01", "dk-02"], "cancelled")
    project.share("enos-ota:guard: {value: {maxDevices: 1}}")
    ended = run(*RETRY, these(project, "dk-01", "dk-02"))
    assert (ended.exit_code, sent(simulator)) == (1, [])


@pytest.mark.parametrize("has_file", [True, False], ids=["a stack file", "no stack file"])
def test_a_key_that_pulumi_yaml_declares_is_not_retried(
    run: Run, project: Project, simulator: RunningSimulator, *, has_file: bool
) -> None:
    project.share(SETS % "")
    if not has_file:
        project.file.unlink()
    ended = run(*RETRY, these(project, "dk-11"), "--stack", "prod")
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "a stack still declares them: stack prod, set 'pumps'" in ended.stderr


@pytest.mark.parametrize("has_file", [True, False], ids=["a stack file", "no stack file"])
def test_a_stop_is_in_the_audit_log_that_pulumi_yaml_names(
    run: Run, project: Project, simulator: RunningSimulator, *, has_file: bool
) -> None:
    project.share("enos-ota:auditLog: audit.jsonl")
    if not has_file:
        project.file.unlink()
    assert run("stop", "--job", JOB, "--reason", "INC-4711").exit_code == 0
    assert sent(simulator) == ["stop"]
    assert [line["event"] for line in logged(project)] == ["before", "after"]


def test_a_cancel_is_in_the_audit_log_that_pulumi_yaml_names(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share("enos-ota:auditLog: audit.jsonl")
    assert run(*CANCEL, these(project, "dk-01")).exit_code == 0
    assert sent(simulator) == ["cancelTask"]
    assert [line["event"] for line in logged(project)] == ["before", "after"]


@pytest.mark.parametrize("command", ["cancel", "adopt"])
def test_a_list_of_sets_in_pulumi_yaml_stays_beside_a_new_set(
    run: Run, project: Project, simulator: RunningSimulator, command: str
) -> None:
    project.share(SETS.replace(", dk-11", "") % "")
    before = project.file.read_bytes()
    words = (*CANCEL, these(project, "dk-02")) if command == "cancel" else ("adopt", "--job", JOB)
    ended = run(*words)
    found, problems = read_stack_file(project.file, {})
    assert (ended.exit_code, len(sent(simulator)), problems) == (0, command == "cancel", ())
    assert (len(found), found[0].device_keys, project.file.read_bytes()) == (2, ("dk-01",), before)


def test_keys_that_pulumi_yaml_declares_already_are_cancelled_without_writing_a_file(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share(SETS % "")
    before = project.file.read_bytes()
    ended = run(*CANCEL, these(project, "dk-01"))
    assert (ended.exit_code, sent(simulator), project.file.read_bytes()) == (0, ["cancelTask"], before)


def test_a_misspelt_limit_in_pulumi_yaml_stops_a_cancel(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share("enos-ota:gaurd: {value: {maxDevices: 1}}")
    ended = run(*CANCEL, these(project, "dk-01"))
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert "Pulumi.yaml:5: enos-ota:gaurd is no configuration key; did you mean enos-ota:guard?" in ended.stderr


def test_doctor_names_pulumi_yaml_where_a_value_comes_from_there(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share(f"enos:orgId: {simulator.org_id}")
    assert "enos:orgId: ENOS_ORG_ID in the environment; Pulumi.yaml:5" in run("doctor").stdout


ESC = "environment: [fleet]\n"


@pytest.mark.parametrize("words", [CANCEL, RETRY, ("adopt", "--job", JOB)], ids=lambda words: words[0])
def test_limits_that_only_pulumi_can_read_are_not_taken_for_none(
    run: Run, project: Project, simulator: RunningSimulator, words: tuple[str, ...]
) -> None:
    """A Pulumi ESC environment may hold a guard that binds `pulumi up`."""
    project.file.write_text(f"{ESC}{project.file.read_text()}")
    ended = run(*words, *([these(project, "dk-01")] if words[0] != "adopt" else []))
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert "stacks/Pulumi.prod.yaml:1: only Pulumi can read what `environment` imports" in ended.stderr


def test_limits_in_the_files_are_enough_beside_an_environment_of_pulumi(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.share("enos-ota:guard: {value: {maxDevices: 5}}")
    project.write("enos-ota:auditLog: audit.jsonl\n")
    project.file.write_text(f"{ESC}{project.file.read_text()}")
    assert run(*CANCEL, these(project, "dk-01")).exit_code == 0
    assert sent(simulator) == ["cancelTask"]


def test_an_environment_of_pulumi_does_not_block_the_brake(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.file.write_text(f"{ESC}{project.file.read_text()}")
    ended = run("stop", "--job", JOB, "--reason", "INC-4711")
    assert (ended.exit_code, sent(simulator)) == (0, ["stop"])
    assert "If there is an audit log, this request is not in it" in ended.stderr


@pytest.mark.parametrize("config", ["Config", "configuration"])
def test_a_misspelt_config_does_not_leave_a_command_without_limits(
    run: Run, project: Project, simulator: RunningSimulator, config: str
) -> None:
    """Pulumi ignores such a key, and with it the guard and the audit log."""
    project.write("enos-ota:guard: {maxDevices: 1}\nenos-ota:auditLog: audit.jsonl\n")
    project.file.write_text(project.file.read_text().replace("config:", f"{config}:"))
    ended = run(*CANCEL, these(project, "dk-01", "dk-02"))
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert f"stacks/Pulumi.prod.yaml:1: {config} has no effect: " in ended.stderr


def test_a_cancel_says_that_without_a_stack_file_it_has_no_limits(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.file.unlink()
    ended = run(*CANCEL, these(project, "dk-01"), "--stack", "prod")
    assert (ended.exit_code, sent(simulator)) == (0, ["cancelTask"])
    assert "warning: there is no stack file, so this command has no guard and no audit log\n" in ended.stderr


def test_a_stop_says_that_without_a_stack_file_nothing_is_logged(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.file.unlink()
    ended = run("stop", "--job", JOB, "--reason", "INC-4711")
    assert (ended.exit_code, sent(simulator)) == (0, ["stop"])
    assert (
        "WARNING: THIS STOP IS NOT IN AN AUDIT LOG, because there is no stack file. Take a note of it\n" in ended.stderr
    )
