"""`enos-ota cancel` where the answer is no, or there is nothing to do: it says why, and asks nothing in vain."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.cli.operating import operation
from enos_ota.operations.stages import CancelRequest, CancelRun
from enos_ota.reconciler import Limits
from enos_ota.settings import read_stack_file
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Reach = Callable[..., None]

WAITING = tuple(f"dk-0{number}" for number in range(1, 8))
NOTHING = "No request was sent and no file was written."


@pytest.fixture
def simulator(reach: Reach, project: Project) -> Iterator[RunningSimulator]:
    project.write("enos:batchSize: 200\n")
    with running_simulator() as running:
        reach(running)
        yield running


def cancel(*arguments: str, typed: str = "") -> Result:
    command = ["cancel", "--job", JOB, "--reason", "INC-4711", *arguments]
    return CliRunner().invoke(main, command, input=typed, prog_name="enos-ota")


def key_file(project: Project, *keys: str) -> str:
    (project.root / "these.txt").write_text("".join(f"{key}\n" for key in keys))
    return "these.txt"


def sent(simulator: RunningSimulator) -> int:
    return sum(entry["by"] != "control" for entry in simulator.journal())


def declared(project: Project) -> list[tuple[str, ...]]:
    return [each.device_keys for each in read_stack_file(project.file, {})[0]]


def finished(simulator: RunningSimulator) -> None:
    simulator.set_tasks(JOB, WAITING, "succeeded")


def stopped(simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")


def deleted(simulator: RunningSimulator) -> None:
    simulator.delete_job(JOB)


def as_it_is(_: RunningSimulator) -> None: ...


# Another number than a script expects


@pytest.mark.parametrize(
    ("prepare", "more", "told"),
    [
        (deleted, (), "24404 Job not found"),
        (
            as_it_is,
            ("--expect-firmware", "9"),
            f"firmware 9 is expected, but the job is about 2.3.0: check --job and --expect-firmware. {NOTHING}",
        ),
        (as_it_is, (), f"expected at most 5 waiting tasks in job {JOB}, found 7. {NOTHING}"),
    ],
    ids=["deleted", "another firmware", "started"],
)
def test_why_not_as_many_wait_as_a_script_expects_is_told_by_the_job(
    project: Project,
    simulator: RunningSimulator,
    prepare: Callable[[RunningSimulator], None],
    more: tuple[str, ...],
    told: str,
) -> None:
    prepare(simulator)
    ended = cancel("--waiting", "--yes", "--expect", "5", *more)
    assert (ended.exit_code, told in ended.stderr) == (1, True), ended.stderr
    assert (sent(simulator), declared(project)) == (0, [])


@pytest.mark.parametrize(("expected", "is_enough"), [(6, False), (7, True), (8, True)])
def test_of_what_waits_the_number_that_a_script_expects_is_the_most(
    simulator: RunningSimulator, *, expected: int, is_enough: bool
) -> None:
    """A fleet moves between two counts: an exact number would hardly ever fit."""
    ended = cancel("--waiting", "--yes", "--expect", str(expected))
    assert (ended.exit_code == 0, sent(simulator) > 0) == (is_enough, is_enough)


def test_where_nothing_waits_there_is_nothing_to_cancel_whatever_a_script_expects(simulator: RunningSimulator) -> None:
    finished(simulator)
    ended = cancel("--waiting", "--yes", "--expect", "5")
    assert (ended.exit_code, sent(simulator)) == (0, 0)
    assert f"no task of job {JOB} is waiting: there is nothing to cancel\n" in ended.stderr


def test_where_nothing_waits_a_job_about_other_firmware_is_a_no_all_the_same(simulator: RunningSimulator) -> None:
    finished(simulator)
    ended = cancel("--waiting", "--expect-firmware", "9")
    assert (ended.exit_code, "firmware 9 is expected" in ended.stderr) == (1, True)


# Nothing to confirm


@pytest.mark.parametrize("arguments", [("--keys", "these.txt"), ("--waiting",)])
def test_of_a_stopped_job_nothing_is_asked_and_the_set_declared(
    project: Project, simulator: RunningSimulator, arguments: tuple[str, ...]
) -> None:
    key_file(project, *WAITING)
    stopped(simulator)
    ended = cancel(*arguments)
    assert (ended.exit_code, sent(simulator), declared(project)) == (1, 0, [WAITING])
    assert "nothing is pushed and nothing can be cancelled" in ended.stdout
    assert "type the number" not in ended.output


def test_of_what_is_cancelled_already_nothing_is_asked_and_the_set_declared(
    project: Project, simulator: RunningSimulator
) -> None:
    ended = cancel("--keys", key_file(project, "dk-11"))
    assert (ended.exit_code, sent(simulator), declared(project)) == (0, 0, [("dk-11",)])
    assert "type the number" not in ended.output


def test_what_can_be_cancelled_since_nobody_was_asked_is_not_sent(
    project: Project, simulator: RunningSimulator
) -> None:
    with operation("prod", requires_stack=True) as context:
        run = CancelRun(context, CancelRequest(JOB, "these.txt", "INC-4711"), (), may_send=False)
        run.cancel(frozenset({"dk-01"}), run.declare(frozenset({"dk-01"})))
    assert (sent(simulator), declared(project)) == (0, [])
    assert "Some tasks became cancellable after the check. No request was sent." in run.record.problem


# The question


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", f"\nError: not confirmed. {NOTHING} In scripts: --yes --expect N.\n"),
        ("\n", f"\nError: you typed nothing, but the number of devices is 2. {NOTHING}\n"),
        ("3\n", f"\nError: you typed '3', but the number of devices is 2. {NOTHING}\n"),
    ],
    ids=["the end", "nothing", "another number"],
)
def test_a_question_that_was_not_answered_ends_with_a_line_of_its_own(
    project: Project, simulator: RunningSimulator, typed: str, told: str
) -> None:
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02"), typed=typed)
    assert (ended.exit_code, sent(simulator), declared(project)) == (1, 0, [])
    assert ended.stderr.endswith(told)


# What is going to be done


def test_a_script_tells_what_it_is_going_to_cancel_in_which_job(project: Project, simulator: RunningSimulator) -> None:
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02"), "--yes", "--expect", "2")
    assert ended.stdout.startswith(
        f"to cancel: 2 devices of job {JOB} ('Pump firmware 2.3.0', firmware 2.3.0, started)\n"
    )
    assert sent(simulator) == 1


@pytest.mark.usefixtures("simulator")
def test_with_json_that_is_told_on_stderr(project: Project) -> None:
    ended = cancel("--keys", key_file(project, "dk-01"), "--yes", "--expect", "1", "--format", "json")
    assert json.loads(ended.stdout)["cancelled"] == 1
    assert ended.stderr.startswith(f"to cancel: 1 device of job {JOB} (")


def test_what_is_refused_all_the_same_is_not_said_to_be_overridden(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    project.write("enos-ota:guard: {maxDevices: 1}\n")
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02"), "--expect-firmware", "9")
    assert (ended.exit_code, sent(simulator), "overridden" in ended.output) == (1, 0, False)
    assert "firmware 9 is expected, but the job is about 2.3.0" in ended.stderr


# The undo


def test_the_undo_names_the_set_and_its_file(project: Project, simulator: RunningSimulator) -> None:
    ended = cancel("--keys", key_file(project, "dk-01"), "--name", "fire", typed="1\n")
    assert "To undo, remove stacks/prod/fire.yaml, then run:\n  enos-ota retry" in ended.stdout
    assert sent(simulator) == 1


def test_the_undo_names_every_set_that_declares_the_devices(project: Project, simulator: RunningSimulator) -> None:
    project.write("", sets=f'- {{name: mine, jobId: "{JOB}", deviceKeys: [dk-01]}}')
    ended = cancel("--keys", key_file(project, "dk-01", "dk-02"), "--name", "fire", typed="2\n")
    assert (
        "To undo, remove the devices from set 'fire' and set 'mine', write them into a key file, then run:\n"
        f"  enos-ota retry --job {JOB} --keys FILE --expect 2 --reason WHY\n"
    ) in ended.stdout
    assert sent(simulator) == 1


def test_what_was_recorded_aside_is_perhaps_in_no_stack(project: Project, simulator: RunningSimulator) -> None:
    ended = cancel("--keys", key_file(project, "dk-01"), "--name", "fire", "--record-aside", "out", typed="1\n")
    assert "To undo, remove stacks/prod/fire.yaml if it exists, then run:\n" in ended.stdout
    assert "--keys out/prod/fire.txt --expect 1" in ended.stdout
    assert sent(simulator) == 1


@pytest.mark.parametrize("option", ["--expect-firmware", "--name", "--expires", "--reason", "--job"])
def test_an_option_that_is_given_and_empty_is_refused(simulator: RunningSimulator, option: str) -> None:
    """As where a variable is not set: an expectation of nothing would let every job through."""
    ended = cancel("--waiting", "--yes", "--expect", "7", option, "")
    assert (ended.exit_code, sent(simulator)) == (2, 0)
    assert "Error: Invalid value for " in ended.stderr
    assert option in ended.stderr


# What EnOS answers to the cancel itself


@pytest.mark.parametrize("status", [400, 403])
def test_a_cancel_that_the_gateway_refused_is_not_called_unsent(
    project: Project, simulator: RunningSimulator, status: int
) -> None:
    """The audit log has it: what is said must fit."""
    simulator.fault("gateway", "cancelTask", status=status)
    ended = cancel("--keys", key_file(project, "dk-01"), "--yes", "--expect", "1")
    assert ended.exit_code == 3
    refused = f"EnOS refused the cancel request for job '{JOB}' (1 device key), so nothing was changed.\n"
    assert f"The set was written. {refused}" in ended.stderr
    again = cancel("--keys", key_file(project, "dk-01"), "--yes", "--expect", "1")
    assert f"No file was written. {refused}" in again.stderr, "the set was there already"


def test_what_enos_accepted_and_does_not_show_yet_is_not_done_and_no_refusal(
    project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.switch(indexDelay=600)
    monkeypatch.setattr("enos_ota.reconciler.reconciler.Limits", partial(Limits, settle=0.1))
    ended = cancel("--keys", key_file(project, "dk-01"), "--yes", "--expect", "1")
    assert ended.exit_code == 3
    assert "of which EnOS accepted 1 that could not be read back yet" in ended.stderr
