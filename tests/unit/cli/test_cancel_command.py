"""`enos-ota cancel` at 3 a.m.: what is asked, what is sent, what is written, and that in this order."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from enos_ota.audit import digest
from enos_ota.cli import main
from enos_ota.cli.operating import operation
from enos_ota.devicekeys import files
from enos_ota.operations.cancel import cancel_published_first
from enos_ota.operations.report import CancelReport
from enos_ota.operations.set_writer import FileChange, SetFileChange
from enos_ota.operations.stages import CancelRequest, CancelRun, NotRecorded, Recorder
from enos_ota.settings import read_stack_file
from tests.harness.reconciling import fleet_of, many
from tests.harness.reconciling import keys as numbered
from tests.harness.simulator import JOB, running_simulator
from tests.harness.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from enos_ota.settings import SetSettings
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Fill = Callable[[Path], None]
    Reach = Callable[..., None]

NOTHING_DONE = "No request was sent and no file was written."
NOTHING_SENT = "No request that changes anything in EnOS was sent."
REASON = ("--reason", "INC-4711: 2.3.0 drains the battery")


@pytest.fixture
def simulator(reach: Reach, project: Project) -> Iterator[RunningSimulator]:
    project.write("enos-ota:auditLog: audit.jsonl\n")
    with running_simulator() as running:
        reach(running)
        yield running


def cancel(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["cancel", "--job", JOB, *REASON, *arguments], input=typed, prog_name="enos-ota")


def key_file(project: Project, *keys: str) -> str:
    (project.root / "these.txt").write_text("".join(f"{key}\n" for key in keys))
    return "these.txt"


def now(project: Project, *keys: str, more: tuple[str, ...] = ()) -> Result:
    """As a script does it."""
    return cancel("--keys", key_file(project, *keys), "--yes", "--expect", str(len(set(keys))), *more)


def sent(simulator: RunningSimulator) -> list[list[str]]:
    entries = [entry for entry in simulator.journal() if entry["by"] != "control"]
    assert {entry["operation"] for entry in entries} <= {"cancelTask"}
    return [entry["keys"] for entry in entries]


def sets(project: Project) -> dict[str, SetSettings]:
    found, problems = read_stack_file(project.file, {})
    assert problems == ()
    return {each.name: each for each in found}


def untouched(project: Project) -> bool:
    """No set was written into the project."""
    return sets(project) == {} and not (project.root / "stacks" / "prod").exists()


def files_of(project: Project) -> dict[Path, bytes]:
    """What the stack consists of."""
    return {each: each.read_bytes() for each in (project.root / "stacks").rglob("*") if each.is_file()}


def audit(project: Project) -> list[dict[str, Any]]:
    log = project.root / "audit.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


# Asking


def test_the_plan_is_shown_and_the_count_is_asked_for(project: Project, simulator: RunningSimulator) -> None:
    ended = cancel("--keys", key_file(project, "dk-01", "dk-07", "dk-08", "dk-11"), typed="4\n")
    assert ended.exit_code == 0
    assert (
        "2 will be cancelled (1 published already), 1 cancelled already, 1 too late (dk-08 upgrading); "
        "job 'Pump firmware 2.3.0', firmware 2.3.0, started; 5 other waiting tasks are not in this set\n"
    ) in ended.stdout
    assert sent(simulator) == [["dk-07"], ["dk-01"]]


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("typed", ["3", "y", "04"])
def test_what_was_typed_in_place_of_the_count_is_told(project: Project, typed: str) -> None:
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02", "dk-03", "dk-04"), typed=f"{typed}\n")
    assert f"Error: you typed '{typed}', but the number of devices is 4. {NOTHING_DONE}" in ended.stderr


@pytest.mark.parametrize("typed", ["3\n", "y\n", "04\n", ""])
def test_another_count_sends_and_writes_nothing(project: Project, simulator: RunningSimulator, typed: str) -> None:
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02", "dk-03", "dk-04"), typed=typed)
    assert (ended.exit_code, sent(simulator), untouched(project)) == (1, [], True)


def test_a_script_that_expects_another_count_sends_and_writes_nothing(
    project: Project, simulator: RunningSimulator
) -> None:
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02"), "--yes", "--expect", "3")
    assert (ended.exit_code, sent(simulator), untouched(project)) == (1, [], True)
    assert f"expected 3 device keys, found 2. {NOTHING_DONE}" in ended.stderr


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Give either --keys FILE or --waiting"),
        (("--keys", "these.txt", "--waiting"), "Give either --keys FILE or --waiting"),
        (("--waiting", "--yes"), "--yes needs --expect N"),
        (("--keys", "-"), "it cannot ask for a confirmation"),
        (("--waiting", "--reason", " "), "it is empty"),
        (("--waiting", "--reason", "two\nlines"), "it must be one line"),
        (("--waiting", "--reason", "\x1b[31m"), "control characters"),
        (("--waiting", "--reason", "x" * 501), "longer than 500 characters"),
        (("--keys", "nowhere.txt"), "nowhere.txt: there is no such file"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(project: Project, arguments: tuple[str, ...], told: str) -> None:
    ended = cancel(*arguments)
    assert (ended.exit_code, told in ended.stderr, untouched(project)) == (2, True, True)
    assert "\x1b" not in ended.output


# Cancelling


def test_what_is_cancelled_is_declared(project: Project, simulator: RunningSimulator) -> None:
    ended = now(project, "dk-01", "dk-02", more=("--expect-firmware", "2.3.0", "--name", "fire"))
    assert ended.exit_code == 0
    assert sent(simulator) == [["dk-01", "dk-02"]]
    found = sets(project)["fire"]
    assert (found.job_id, found.device_keys, found.expect_firmware_version) == (JOB, ("dk-01", "dk-02"), "2.3.0")
    assert found.reason == REASON[1]


def test_without_a_name_the_set_is_named_after_the_job(project: Project, simulator: RunningSimulator) -> None:
    cancel("--keys", key_file(project, "dk-01"), typed="1\n")
    now(project, "dk-02")
    assert sorted(sets(project)) == ["pump-firmware-2.3.0", "pump-firmware-2.3.0-2"]
    assert sent(simulator) == [["dk-01"], ["dk-02"]]


def test_the_firmware_that_was_shown_is_what_the_set_expects(project: Project, simulator: RunningSimulator) -> None:
    cancel("--keys", key_file(project, "dk-01"), typed="1\n")
    assert [each.expect_firmware_version for each in sets(project).values()] == ["2.3.0"]
    assert sent(simulator) == [["dk-01"]]


def test_it_ends_with_what_to_commit_and_the_undo(project: Project, simulator: RunningSimulator) -> None:
    ended = now(project, "dk-01", "dk-02", more=("--name", "fire"))
    assert "\n  git add -- stacks/prod/fire.txt stacks/prod/fire.yaml\n" in ended.stdout
    assert f"enos-ota retry --job {JOB} --keys stacks/prod/fire.txt --expect 2 --reason WHY" in ended.stdout
    assert "5 other tasks of the job still waiting; --waiting" in ended.stdout
    assert len(sent(simulator)) == 1


def test_everything_that_waits_is_found_and_cancelled(project: Project, simulator: RunningSimulator) -> None:
    ended = cancel("--waiting", "--yes", "--expect", "7")
    assert (ended.exit_code, simulator.counts()["init"], simulator.counts()["published"]) == (0, 0, 0)
    assert [len(each.device_keys) for each in sets(project).values()] == [7]


def test_where_nothing_waits_there_is_nothing_to_do(project: Project, simulator: RunningSimulator) -> None:
    simulator.set_tasks(JOB, [f"dk-0{n}" for n in range(1, 8)], "succeeded")
    ended = cancel("--waiting", "--yes", "--expect", "0")
    assert (ended.exit_code, sent(simulator), untouched(project)) == (0, [], True)


def test_a_job_that_is_not_there_has_nothing_waiting_and_is_a_no_all_the_same(
    project: Project, simulator: RunningSimulator
) -> None:
    simulator.delete_job(JOB)
    ended = cancel("--waiting", "--yes", "--expect", "0")
    assert (ended.exit_code, "24404" in ended.stderr, untouched(project)) == (1, True, True)


def test_a_waiting_task_without_a_device_key_is_skipped_and_named_by_its_id(reach: Reach, project: Project) -> None:
    project.write("enos-ota:preflight: auto\n")
    tasks = [{"deviceKey": key, "status": "init"} for key in (" ", "a\u202eb", "dk-01")]
    with running_simulator(fleet_of(*tasks)) as simulator:
        reach(simulator)
        ended = cancel("--waiting", "--yes", "--expect", "1")
        assert (ended.exit_code, sent(simulator)) == (1, [["dk-01"]])
    skipped = r"Skipped 2 tasks with an invalid device key \('a\\u202eb', task \S+ without a device key\)\."
    assert re.search(skipped, ended.stderr)


def test_where_only_tasks_without_a_valid_key_wait_it_does_not_say_that_none_waits(
    reach: Reach, project: Project
) -> None:
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet_of({"deviceKey": " ", "status": "init"})) as simulator:
        reach(simulator)
        ended = cancel("--waiting", "--yes", "--expect", "1")
        assert (ended.exit_code, sent(simulator)) == (1, [])
    assert f"the only waiting task of job {JOB} cannot be in a set. {NOTHING_DONE}" in ended.stderr


OTHER_TEXTS = [
    ("<<<<<<< HEAD\ndk-01\n=======\ndk-02\n>>>>>>> hotfix\n", "1: this looks like an unresolved merge conflict"),
    (
        'dk-01\n{"code":99400,"msg":"invalid","requestId":"7b2f"}\n',
        "2: this looks like a JSON object, such as an answer of EnOS",
    ),
    ("deviceKey,status\ndk-01,init\n", "1: this looks like a CSV file"),
]


@pytest.mark.parametrize(("text", "problem"), OTHER_TEXTS)
@pytest.mark.parametrize("source", ["these.txt", "-"])
def test_a_text_that_is_no_key_list_is_refused_before_anything_is_sent(
    project: Project, simulator: RunningSimulator, source: str, text: str, problem: str
) -> None:
    (project.root / "these.txt").write_text(text)
    ended = cancel("--keys", source, "--yes", "--expect", "2", typed=text)
    assert (ended.exit_code, simulator.counters().get("cancelTask", 0), untouched(project)) == (2, 0, True)
    name = "standard input" if source == "-" else source
    assert f"{name}:{problem}, not like a list of device keys" in ended.stderr
    assert "No request was sent." in ended.stderr


def test_keys_outside_the_default_rule_are_warned_of_and_sent_as_they_are(reach: Reach, project: Project) -> None:
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet_of({"deviceKey": "dk 01", "status": "init"})) as simulator:
        reach(simulator)
        ended = now(project, "dk 01")
        assert (ended.exit_code, sent(simulator)) == (0, [["dk 01"]])
    assert ended.stderr.splitlines()[0] == (
        "warning: these.txt: 1 device key does not follow EnOS's default rule of 4 to 64 letters, digits or - _ ."
        " (line 1: 'dk 01')"
    )


def test_keys_may_come_from_stdin(project: Project, simulator: RunningSimulator) -> None:
    ended = cancel("--keys", "-", "--yes", "--expect", "2", typed="# these\ndk-01\ndk-02\n")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-02"]])
    assert [each.device_keys for each in sets(project).values()] == [("dk-01", "dk-02")]


def test_what_is_cancelled_already_is_declared_without_a_write(project: Project, simulator: RunningSimulator) -> None:
    ended = now(project, "dk-11")
    assert (ended.exit_code, sent(simulator)) == (0, [])
    assert [each.device_keys for each in sets(project).values()] == [("dk-11",)]


def test_too_late_is_told_and_fine(project: Project, simulator: RunningSimulator) -> None:
    ended = now(project, "dk-01", "dk-08")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01"]])
    assert "1 key too late to cancel (dk-08 upgrading)" in ended.stdout


def test_a_key_without_a_task_fails_and_the_others_are_cancelled_and_declared(
    project: Project, simulator: RunningSimulator
) -> None:
    ended = now(project, "dk-01", "typo")
    assert (ended.exit_code, sent(simulator)) == (1, [["dk-01"]])
    assert "1 key without a task in this job, so there is nothing to cancel (typo)" in ended.stderr
    assert [each.device_keys for each in sets(project).values()] == [("dk-01", "typo")]


def test_a_stopped_job_is_held_and_said_so_plainly(project: Project, simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")
    ended = now(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator)) == (1, [])
    assert "0 of 2 devices read as cancelled" in ended.stdout
    assert "The job is stopped: 2 tasks could not be cancelled and are held." in ended.stdout
    assert "after which `pulumi up` cancels the remaining 2 tasks as soon as possible" in ended.stdout
    assert "To undo" not in ended.stdout
    assert [each.device_keys for each in sets(project).values()] == [("dk-01", "dk-02")]


def test_keys_that_another_set_declares_are_cancelled_too_and_stay_there(
    project: Project, simulator: RunningSimulator
) -> None:
    project.write("", sets=f'- {{name: mine, jobId: "{JOB}", deviceKeys: [dk-01, dk-05]}}')
    ended = now(project, "dk-01", "dk-02", more=("--name", "fire"))
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-02"]])
    assert "1 device key declared already, in set 'mine'\n" in ended.stdout
    assert {name: each.device_keys for name, each in sets(project).items()} == {
        "mine": ("dk-01", "dk-05"),
        "fire": ("dk-02",),
    }


def test_a_second_run_sends_nothing_and_writes_nothing(project: Project, simulator: RunningSimulator) -> None:
    now(project, "dk-01", "dk-02")
    before = files_of(project)
    ended = now(project, "dk-01", "dk-02")
    assert (ended.exit_code, len(sent(simulator)), files_of(project)) == (0, 1, before)


def test_a_run_with_more_keys_writes_a_set_of_the_others_and_changes_no_file(
    project: Project, simulator: RunningSimulator
) -> None:
    now(project, "dk-01", more=("--name", "fire"))
    before = files_of(project)
    assert now(project, "dk-01", "dk-02", more=("--name", "fire")).exit_code == 0
    assert sent(simulator) == [["dk-01"], ["dk-02"]]
    assert before.items() <= files_of(project).items()
    assert {name: each.device_keys for name, each in sets(project).items()} == {
        "fire": ("dk-01",),
        "fire-2": ("dk-02",),
    }


# Refused


@pytest.mark.parametrize("typed", [None, "3\n"])
def test_the_guard_of_the_stack_stops_it_before_anything_is_sent_or_written(
    project: Project, simulator: RunningSimulator, typed: str | None
) -> None:
    project.write("enos-ota:guard: {maxDevices: 2}\n")
    keys = ("dk-01", "dk-02", "dk-03")
    ended = cancel("--keys", key_file(project, *keys), typed=typed) if typed else now(project, *keys)
    assert (ended.exit_code, sent(simulator), untouched(project)) == (1, [], True)
    assert "would cancel 3 devices: at most 2 may be (maxDevices)" in ended.stderr
    assert NOTHING_DONE in ended.stderr


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("typed", [None, "2\n"])
def test_that_the_guard_is_overridden_is_told_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, typed: str | None
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    project.write("enos-ota:guard: {maxDevices: 1}\n")
    keys = ("dk-01", "dk-02")
    ended = cancel("--keys", key_file(project, *keys), typed=typed) if typed else now(project, *keys)
    times = ended.output.count("guard is overridden") + ended.output.count("guard overridden")
    assert (ended.exit_code, times) == (0, 1)


@pytest.mark.parametrize(
    ("configuration", "more"),
    [("enos-ota:guard: {maxDevices: 1}\n", ()), ("", ("--expect-firmware", "9"))],
    ids=["guard", "firmware"],
)
def test_the_exit_code_of_an_objection_does_not_depend_on_its_words(
    project: Project,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
    configuration: str,
    more: tuple[str, ...],
) -> None:
    monkeypatch.setattr("enos_ota.plan.messages.describe_objection", lambda *_, **__: "reworded")
    project.write(configuration)
    ended = now(project, "dk-01", "dk-02", more=more)
    assert (ended.exit_code, sent(simulator)) == (1, [])


def test_that_the_guard_is_overridden_is_told_once_of_several_stages(
    reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    with running_simulator(many(2_050, **dict.fromkeys(numbered(10), "published"))) as simulator:
        reach(simulator)
        project.write("enos-ota:guard: {maxDevices: 1}\n")
        ended = cancel("--waiting", "--yes", "--expect", "2050")
        assert len(sent(simulator)[0]) == 10
    times = ended.output.count("guard is overridden") + ended.output.count("guard overridden")
    assert (ended.exit_code, times) == (0, 1)


def test_break_glass_overrides_the_guard_and_is_in_the_audit_log(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    project.write("enos-ota:guard: {maxDevices: 1}\nenos-ota:auditLog: audit.jsonl\n")
    ended = now(project, "dk-01", "dk-02")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-02"]])
    assert [line["breakGlass"] for line in audit(project)] == ["fire", "fire"]


@pytest.mark.parametrize("typed", [None, "1\n"])
def test_another_firmware_stops_it_before_anything_is_sent_or_written(
    project: Project, simulator: RunningSimulator, typed: str | None
) -> None:
    more = ("--expect-firmware", "9.9")
    ended = (
        cancel("--keys", key_file(project, "dk-01"), *more, typed=typed) if typed else now(project, "dk-01", more=more)
    )
    assert (ended.exit_code, sent(simulator), untouched(project)) == (1, [], True)
    assert "firmware 9.9 is expected, but the job is about 2.3.0" in ended.stderr


@pytest.mark.parametrize("typed", [None, "1\n"])
def test_a_job_that_is_not_there_is_a_no(project: Project, simulator: RunningSimulator, typed: str | None) -> None:
    simulator.delete_job(JOB)
    ended = cancel("--keys", key_file(project, "dk-01"), typed=typed) if typed else now(project, "dk-01")
    assert (ended.exit_code, untouched(project)) == (1, True)
    assert "24404" in ended.stderr


# Not done


def test_where_enos_takes_no_requests_it_could_not_be_done_and_is_declared(
    project: Project, simulator: RunningSimulator
) -> None:
    simulator.fault("throttle", "cancelTask", retryAfter=1_000)
    ended = now(project, "dk-01")
    assert (ended.exit_code, simulator.states()["dk-01"][0]) == (3, "init")
    assert "EnOS kept throttling" in ended.stderr
    assert [each.device_keys for each in sets(project).values()] == [("dk-01",)]


def test_an_audit_log_that_cannot_be_written_keeps_everything_from_being_sent_and_written(
    project: Project, simulator: RunningSimulator
) -> None:
    (project.root / "audit").write_text("a file where a directory should be")
    project.write("enos-ota:auditLog: audit/prod.jsonl\n")
    ended = now(project, "dk-01")
    assert (ended.exit_code, sent(simulator), untouched(project)) == (3, [], True)
    assert (
        "No file was written. No request that changes anything in EnOS was sent.\nError: the audit log " in ended.stderr
    )


def test_an_audit_log_that_is_full_keeps_everything_from_being_sent(
    project: Project, simulator: RunningSimulator, fill: Fill
) -> None:
    fill(project.root / "audit.jsonl")
    ended = now(project, "dk-01")
    assert (ended.exit_code, sent(simulator)) == (3, [])
    assert (
        "The set was written. No request that changes anything in EnOS was sent.\nError: the audit log " in ended.stderr
    )


class _Never:
    """A watch that must not be told of anything."""

    def try_out(self) -> None:
        """The log could be written."""

    def before(self) -> None:
        raise AssertionError

    def after(self, outcome: object) -> None:
        raise AssertionError(outcome)


def test_a_cancel_whose_set_cannot_be_written_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("somebody's")
    change = SetFileChange("a", changes=(FileChange(tmp_path / "there", None, b"ours"),))
    with pytest.raises(NotRecorded, match="was changed meanwhile"):
        Recorder(change, lambda: None).watch(_Never()).before()


# Where the project cannot be written

OFFER = "To cancel anyway, use --record-aside DIR"


def aside(project: Project) -> dict[str, tuple[str, ...]]:
    """What is declared in the directory `out`."""
    found, _ = read_stack_file(project.root / "out" / project.file.name, {})
    return {each.name: each.device_keys for each in found}


def no_set_folder(project: Project) -> None:
    (project.root / "stacks" / "prod").write_text("a file where a folder should be")


def a_set_with_problems(project: Project) -> None:
    project.write("enos-ota:auditLog: audit.jsonl\n", sets="- {name: a}")


def no_yaml(project: Project) -> None:
    project.file.write_text("config: [\n")


def an_unknown_key(project: Project) -> None:
    project.write("enos-ota:gaurd: {maxDevices: 1}\n")


UNUSABLE = [no_set_folder, a_set_with_problems, no_yaml, an_unknown_key]


@pytest.mark.parametrize("spoil", [no_set_folder, a_set_with_problems])
def test_what_cannot_be_written_into_the_project_is_not_sent_and_the_way_out_is_told(
    project: Project, simulator: RunningSimulator, spoil: Callable[[Project], None]
) -> None:
    spoil(project)
    before = project.file.read_bytes()
    ended = now(project, "dk-01")
    assert (ended.exit_code, sent(simulator), project.file.read_bytes()) == (2, [], before)
    assert OFFER in ended.stderr


def test_a_file_system_that_takes_no_writes_is_told_with_the_way_out(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path, _: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(files, "replace", read_only)  # a real one takes a mount, and root
    ended = now(project, "dk-01", more=("--name", "fire"))
    assert (ended.exit_code, sent(simulator), untouched(project)) == (3, [], True)
    assert "stacks/prod/fire.txt: cannot be written: Read-only file system. No cancel was sent, because" in ended.stderr
    assert OFFER in ended.stderr


@pytest.mark.parametrize("spoil", UNUSABLE)
def test_recorded_aside_it_is_cancelled_and_declared_all_the_same_and_the_project_left_alone(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Project], None]
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    spoil(project)
    named = key_file(project, "dk-01", "dk-02")
    before = {each: each.read_bytes() for each in project.root.rglob("*") if each.is_file()}
    ended = cancel("--keys", named, "--record-aside", "out", "--name", "fire", typed="2\n")
    assert (ended.exit_code, sent(simulator)) == (0, [["dk-01", "dk-02"]])
    assert aside(project) == {"fire": ("dk-01", "dk-02")}
    after = {each: each.read_bytes() for each in project.root.rglob("*") if each.is_file()}
    assert before.items() <= after.items()
    assert {each.relative_to(project.root).parts[0] for each in after.keys() - before.keys()} == {"out"}


@pytest.mark.usefixtures("simulator")
def test_recorded_aside_a_set_gets_a_name_that_is_free_in_the_project(project: Project) -> None:
    (project.root / "stacks" / "prod").mkdir()
    (project.root / "stacks" / "prod" / "fire.txt").write_text("dk-03\n")
    now(project, "dk-01", more=("--record-aside", "out", "--name", "fire"))
    assert aside(project) == {"fire-2": ("dk-01",)}


@pytest.mark.usefixtures("simulator")
def test_recorded_aside_keys_that_a_set_of_the_project_declares_are_in_no_second_set(project: Project) -> None:
    project.write("", sets=f'- {{name: mine, jobId: "{JOB}", deviceKeys: [dk-01]}}')
    assert now(project, "dk-01", more=("--record-aside", "out")).exit_code == 0
    assert now(project, "dk-01", "dk-02", more=("--record-aside", "out", "--name", "fire")).exit_code == 0
    assert aside(project) == {"fire": ("dk-02",)}


def test_recorded_aside_in_a_sound_project_a_guard_and_the_audit_log_are_as_always(
    project: Project, simulator: RunningSimulator
) -> None:
    project.write("enos-ota:guard: {maxDevices: 1}\nenos-ota:auditLog: audit/prod.jsonl\n")
    assert now(project, "dk-01", "dk-02", more=("--record-aside", "out")).exit_code == 1
    assert now(project, "dk-01", more=("--record-aside", "out")).exit_code == 0
    log = (project.root / "out" / "audit" / "prod.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == ["before", "after"]
    assert (sent(simulator), untouched(project)) == ([["dk-01"]], True)


def test_an_audit_log_outside_of_the_project_stays_where_it_is(
    project: Project, simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("audit") / "prod.jsonl"
    project.write(f"enos-ota:auditLog: {log}\n")
    assert now(project, "dk-01", more=("--record-aside", "out")).exit_code == 0
    assert len(log.read_text().splitlines()) == 2
    assert sent(simulator) == [["dk-01"]]


@pytest.mark.parametrize("spoil", [no_yaml, an_unknown_key])
def test_the_guard_of_a_stack_file_that_cannot_be_read_allows_nothing(
    project: Project, simulator: RunningSimulator, spoil: Callable[[Project], None]
) -> None:
    spoil(project)
    ended = now(project, "dk-01", more=("--record-aside", "out"))
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert "nothing can be cancelled without ENOS_OTA_BREAK_GLASS=<reason>" in ended.stderr
    assert not (project.root / "out").exists()


@pytest.mark.parametrize("spoil", [no_yaml, an_unknown_key])
def test_with_an_invalid_stack_file_the_environment_decides_and_the_set_is_written(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Project], None]
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    spoil(project)
    before = project.file.read_bytes()
    ended = now(project, "dk-01", more=("--name", "fire"))
    assert (ended.exit_code, sent(simulator), project.file.read_bytes()) == (0, [["dk-01"]], before)
    assert f"The environment decides: gateway {simulator.url}, organization {simulator.org_id}\n" in ended.stderr
    assert [line["event"] for line in audit(project)] == ["before", "after"]
    assert now(project, "dk-01").exit_code == 0
    project.write("enos:batchSize: 200\n")
    assert {name: each.device_keys for name, each in sets(project).items()} == {"fire": ("dk-01",)}


def test_recorded_aside_a_second_run_goes_on_where_the_first_ended(
    project: Project, simulator: RunningSimulator
) -> None:
    more = ("--record-aside", "out", "--name", "fire")
    now(project, "dk-01", more=more)
    now(project, "dk-01", "dk-02", more=more)
    assert sent(simulator) == [["dk-01"], ["dk-02"]]
    assert aside(project) == {"fire": ("dk-01",), "fire-2": ("dk-02",)}


def test_the_files_that_were_recorded_aside_are_copied_into_the_project_by_the_line_that_is_shown(
    project: Project, simulator: RunningSimulator
) -> None:
    ended = now(project, "dk-01", more=("--record-aside", "out", "--name", "fire"))
    lines = "  mkdir -p stacks/prod\n  cp out/prod/fire.txt out/prod/fire.yaml stacks/prod\n"
    assert lines in ended.stdout
    subprocess.run(["/bin/sh", "-ec", lines], check=True)
    assert sets(project)["fire"].device_keys == ("dk-01",)
    assert len(sent(simulator)) == 1


def test_of_a_crowd_everything_is_recorded_aside_too(reach: Reach, project: Project) -> None:
    with running_simulator(many(2_500, **dict.fromkeys(numbered(10), "published"))) as simulator:
        reach(simulator)
        a_set_with_problems(project)
        ended = cancel("--waiting", "--yes", "--expect", "2500", "--record-aside", "out")
        assert (ended.exit_code, len(sent(simulator)[0])) == (0, 10)
    assert [len(keys) for keys in aside(project).values()] == [2_500]


# Ends in between


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "enos_ota.cli", "cancel", "--job", JOB, *REASON, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_writes(simulator: RunningSimulator, process: subprocess.Popen[str], number: int) -> None:
    wait_until(lambda: simulator.counters().get("cancelTask", 0) >= number, process)


def test_a_kill_at_the_first_request_leaves_everything_declared(project: Project, simulator: RunningSimulator) -> None:
    simulator.fault("latency", "cancelTask", seconds=30)
    named = key_file(project, "dk-01", "dk-02")
    with started("--keys", named, "--yes", "--expect", "2", "--name", "fire") as process:
        wait_for_writes(simulator, process, 1)
        process.kill()
    assert sets(project)["fire"].device_keys == ("dk-01", "dk-02")
    assert [line["event"] for line in audit(project)] == ["before"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_an_interrupt_nothing_new_is_sent_and_what_is_left_is_told_and_sent_by_the_next_run(
    project: Project, simulator: RunningSimulator, number: signal.Signals
) -> None:
    project.write("enos:batchSize: 1\nenos:maxConcurrency: 1\n")
    simulator.fault("latency", "cancelTask", seconds=0.5)
    keys = [f"dk-0{n}" for n in range(1, 7)]
    with started("--keys", key_file(project, *keys), "--yes", "--expect", "6", "--name", "fire") as process:
        wait_for_writes(simulator, process, 2)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    done = [keys for entry in sent(simulator) for keys in entry]
    assert process.returncode == 3
    assert len(done) == 2
    assert "interrupted, so nothing more was sent" in stderr
    assert "pending" in stderr
    assert "Traceback" not in stdout + stderr
    assert sets(project)["fire"].device_keys == tuple(keys)
    simulator.clear_faults()
    assert now(project, *keys).exit_code == 0
    assert sorted(key for batch in sent(simulator) for key in batch) == keys


# For machines


def test_a_machine_gets_one_line_of_json_and_people_read_stderr(project: Project, simulator: RunningSimulator) -> None:
    ended = now(project, "dk-01", "dk-08", "typo", more=("--format", "json", "--name", "fire"))
    told = json.loads(ended.stdout)
    assert ended.exit_code == told["exitCode"] == 1
    assert {name: told[name] for name in ("stack", "job", "keys", "cancelled", "set", "stillWaiting", "files")} == {
        "stack": "prod",
        "job": JOB,
        "keys": 3,
        "cancelled": 1,
        "set": "fire",
        "stillWaiting": 6,
        "files": ["stacks/prod/fire.txt", "stacks/prod/fire.yaml"],
    }
    assert told["recordedAside"] is False
    assert told["exceptions"] == [
        {"deviceKey": "dk-08", "category": "too late", "status": "upgrading"},
        {"deviceKey": "typo", "category": "missing", "status": ""},
    ]
    assert len(sent(simulator)) == 1


def test_each_request_leaves_two_lines_as_those_of_the_provider_do(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_ACTOR", "ada")
    now(project, "dk-01", "dk-02", more=("--name", "fire"))
    told = audit(project)
    assert [line["event"] for line in told] == ["before", "after"]
    assert {name: told[1][name] for name in told[0] if name not in {"time", "event", "id", "commit"}} == {
        "stack": "prod",
        "gateway": simulator.url,
        "organization": simulator.org_id,
        "set": "fire",
        "job": JOB,
        "operation": "cancelTask",
        "reason": REASON[1],
        "actor": "ada",
        "keys": 2,
        "digest": digest(["dk-01", "dk-02"]),
    }


# Large jobs


def test_the_first_cancel_of_a_large_set_leaves_within_five_requests(reach: Reach, project: Project) -> None:
    published = dict.fromkeys(numbered(300), "published")
    with running_simulator(many(1_000, **published)) as simulator:
        reach(simulator)
        project.write("enos:orgId: " + simulator.org_id + "\n")
        simulator.fault("latency", "cancelTask", seconds=30)
        named = key_file(project, *numbered(1_000))
        with started("--keys", named, "--yes", "--expect", "1000") as process:
            wait_for_writes(simulator, process, 1)
            counted = simulator.counters()
            process.kill()
    assert sum(counted.values()) <= 5


def test_a_large_set_keeps_to_the_requests_of_a_change_and_one_more(reach: Reach, project: Project) -> None:
    published = dict.fromkeys(numbered(300), "published")
    with running_simulator(many(5_000, **published)) as simulator:
        reach(simulator)
        project.write("enos:orgId: " + simulator.org_id + "\n")
        assert now(project, *numbered(5_000)).exit_code == 0
        counted = simulator.counters()
    assert counted["cancelTask"] <= ceil(5_000 / 200) + ceil(300 / 20)
    assert counted["searchTask"] + counted["get"] <= ceil(5_000 / 200) + 2 * ceil(300 / 200) + 4 + 1


def test_of_a_crowd_that_waits_those_go_first_that_are_published(reach: Reach, project: Project) -> None:
    published = dict.fromkeys(numbered(2_500)[2_000:2_010], "published")
    with running_simulator(many(2_500, **published)) as simulator:
        reach(simulator)
        project.write("enos:orgId: " + simulator.org_id + "\n")
        ended = cancel("--waiting", "--name", "fire", typed="2500\n")
        assert ended.exit_code == 0
        assert sorted(sent(simulator)[0]) == sorted(published)
        assert sorted(key for batch in sent(simulator) for key in batch) == numbered(2_500)
    assert "2500 keys to work on, too many to read each" in ended.stdout
    assert sets(project)["fire"].device_keys == tuple(numbered(2_500))
    assert "2500 of 2500 devices read as cancelled" in ended.stdout


def test_of_a_crowd_the_published_ones_are_called_back_before_the_others_are_listed(
    reach: Reach, project: Project
) -> None:
    with running_simulator(many(2_500, **dict.fromkeys(numbered(300), "published"))) as simulator:
        reach(simulator)
        project.write("enos:orgId: " + simulator.org_id + "\n")
        simulator.fault("latency", "cancelTask", seconds=30)
        with started("--waiting", "--yes", "--expect", "2500") as process:
            wait_for_writes(simulator, process, 1)
            counted = simulator.counters()
            process.kill()
    assert sum(counted.values()) <= 9
    assert [len(each.device_keys) for each in sets(project).values()] == [300]


def test_of_a_crowd_that_was_interrupted_those_that_were_not_listed_yet_are_told(
    reach: Reach, project: Project
) -> None:
    """They were confirmed, but no set declares them, so no `pulumi up` comes back to them."""
    with running_simulator(many(2_500, **dict.fromkeys(numbered(300), "published"))) as simulator:
        reach(simulator)
        project.write("enos:orgId: " + simulator.org_id + "\n")
        simulator.fault("latency", "cancelTask", seconds=600)
        with started("--waiting", "--yes", "--expect", "2500") as process:
            wait_for_writes(simulator, process, 1)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate()
    assert process.returncode == 3
    assert (
        f"Error: 2200 of the waiting tasks of job {JOB} were not listed yet and are in no set:"
        " run the same command again\n"
    ) in stderr


def test_of_a_crowd_that_grew_no_more_are_cancelled_than_were_counted(
    project: Project, simulator: RunningSimulator
) -> None:
    request = CancelRequest(JOB, "", "INC-4711")
    with operation("prod", requires_stack=True) as context:
        run = CancelRun(context, request, ())
        cancel_published_first(run, 5)
        code = CancelReport(run).exit_code
    assert (code, sent(simulator)) == (1, [["dk-07"]])
    assert "expected at most 5 tasks, found 7, those already cancelled included" in run.record.problem
    assert [each.device_keys for each in sets(project).values()] == [("dk-07",)]


def test_with_a_guard_a_crowd_is_counted_as_a_whole(reach: Reach, project: Project) -> None:
    with running_simulator(many(2_500, **dict.fromkeys(numbered(300), "published"))) as simulator:
        reach(simulator)
        project.write("enos-ota:guard: {maxDevices: 2499}\n")
        ended = cancel("--waiting", "--yes", "--expect", "2500")
        assert (ended.exit_code, sent(simulator), untouched(project)) == (1, [], True)
    assert "would cancel 2500 devices" in ended.stderr


def test_with_a_guard_that_is_overridden_the_published_ones_of_a_crowd_go_first_too(
    reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "agreed with Ana")
    published = dict.fromkeys(numbered(2_500)[2_000:2_010], "published")
    with running_simulator(many(2_500, **published)) as simulator:
        reach(simulator)
        project.write("enos-ota:guard: {maxDevices: 5}\n")
        ended = cancel("--waiting", typed="2500\n")
        assert ended.exit_code == 0
        assert sorted(sent(simulator)[0]) == sorted(published)
        assert sorted(key for batch in sent(simulator) for key in batch) == numbered(2_500)
    assert "the guard is overridden by ENOS_OTA_BREAK_GLASS (agreed with Ana)" in ended.stdout


# Hostile input


def test_hostile_keys_reasons_and_names_are_sent_and_written_as_they_are_and_never_obeyed(
    reach: Reach, project: Project
) -> None:
    keys = ["# no comment", " blank ", "0012345", "no", "a: b", 'x"y', "a\u00a0bc", "0x1F", "2026-01-02"]
    fleet = fleet_of(*({"deviceKey": key, "status": "init"} for key in keys), name="\x1b[31m\nPump\u202e")
    (project.root / "odd.yaml").write_text(json.dumps(keys))
    project.write("enos-ota:preflight: auto\n")
    with running_simulator(fleet) as simulator:
        reach(simulator)
        reason = "\u202eno: '0x1F' # \"x\" `rm` $(rm)"
        ended = cancel("--keys", "odd.yaml", "--reason", reason, typed=f"{len(keys)}\n")
        assert ended.exit_code == 0
        assert sorted(key for batch in sent(simulator) for key in batch) == sorted(keys)
    (found,) = sets(project).values()
    assert (found.device_keys, found.reason) == (tuple(sorted(keys)), reason)
    assert not set("\x1b\u202e") & set(ended.output)
