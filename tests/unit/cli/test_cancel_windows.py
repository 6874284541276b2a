"""`enos-ota cancel --waiting` where EnOS lists or counts only a part of what waits: nothing left is called done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.enos import EnosClient, paging
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project
    from tests.unit.cli.conftest import Reach, Run

WAITING = 3_000
WINDOW = 1_000
CANCEL = ("cancel", "--job", JOB, "--waiting", "--reason", "INC-4711")


@pytest.fixture(autouse=True)
def _stack(project: Project) -> None:
    project.write("enos:batchSize: 200\n")


def typing(number: int) -> Result:
    return CliRunner().invoke(main, CANCEL, input=f"{number}\n", prog_name="enos-ota")


def still_waiting(simulator: RunningSimulator) -> int:
    return simulator.counts().get("init", 0)


@pytest.mark.parametrize(("total_cap", "left"), [(0, WAITING - WINDOW), (WINDOW, WINDOW)])
def test_what_enos_lists_is_cancelled_and_the_rest_by_the_same_command_again(
    run: Run, reach: Reach, total_cap: int, left: int
) -> None:
    with running_simulator(many(WAITING), max_window=WINDOW, total_cap=total_cap) as simulator:
        reach(simulator)
        first, second, third = (
            (run(*CANCEL, "--yes", "--expect", str(WAITING)), still_waiting(simulator)) for _ in range(3)
        )
    assert [(ended.exit_code, waiting) for ended, waiting in (first, second)] == [(3, 2 * WINDOW), (3, WINDOW)]
    assert "EnOS refused rows beyond row 1000 of at least" in first[0].stdout
    assert "Run the same command again for the rest.\n" in first[0].stdout
    assert (
        f"Error: at least {left} other tasks of job {JOB} are still waiting: run the same command again\n"
    ) in first[0].stderr
    assert (third[0].exit_code, third[1]) == (0, 0)


def test_the_run_that_cancels_the_last_ones_that_wait_ends_with_0(run: Run, reach: Reach) -> None:
    with running_simulator(many(WINDOW - 1), max_window=WINDOW, total_cap=WINDOW) as simulator:
        reach(simulator)
        ended = run(*CANCEL, "--yes", "--expect", str(WINDOW - 1))
        assert (ended.exit_code, still_waiting(simulator)) == (0, 0)


def test_more_than_expected_are_not_cancelled_of_what_enos_lists(run: Run, reach: Reach) -> None:
    with running_simulator(many(WAITING), max_window=WINDOW) as simulator:
        reach(simulator)
        ended = run(*CANCEL, "--yes", "--expect", str(WINDOW - 1))
        assert (ended.exit_code, simulator.journal()) == (1, [])
    assert f"expected at most 999 waiting tasks in job {JOB}, found 1000" in ended.stderr


@pytest.mark.parametrize("total_cap", [0, WINDOW])
def test_the_plan_says_that_enos_lists_only_a_part_and_claims_nothing_of_the_others(
    reach: Reach, total_cap: int
) -> None:
    with running_simulator(many(WAITING), max_window=WINDOW, total_cap=total_cap) as simulator:
        reach(simulator)
        ended = typing(WINDOW)
    plan, _, _ = ended.output.partition("To cancel, type")
    assert "EnOS refused rows beyond row 1000 of at least" in plan
    assert "1000 will be cancelled" in plan
    assert "no other task waits" not in ended.output
    assert ended.exit_code == 3


def test_a_machine_reads_that_more_wait(run: Run, reach: Reach) -> None:
    with running_simulator(many(WAITING), max_window=WINDOW) as simulator:
        reach(simulator)
        told = json.loads(run(*CANCEL, "--yes", "--expect", str(WAITING), "--format", "json").stdout)
    assert (told["cancelled"], told["stillWaiting"], told["exitCode"]) == (WINDOW, 2 * WINDOW, 3)
    assert told["errors"][-1].startswith("at least 2000 other tasks")


def test_devices_that_were_notified_are_among_the_first_wherever_enos_lists_them(run: Run, reach: Reach) -> None:
    with running_simulator(many(30, k0025="published"), max_window=10) as simulator:
        reach(simulator)
        ended = run(*CANCEL, "--yes", "--expect", "30")
        written = [entry["keys"] for entry in simulator.journal()]
    assert ended.exit_code == 3
    assert written[0] == ["k0025"]
    assert sum(map(len, written)) == 7


@pytest.mark.parametrize("total_cap", [1_000, 2_400])
def test_where_only_the_total_is_capped_everything_that_waits_is_cancelled(
    run: Run, reach: Reach, total_cap: int
) -> None:
    with running_simulator(many(WAITING), total_cap=total_cap) as simulator:
        reach(simulator)
        ended = run(*CANCEL, "--yes", "--expect", str(WAITING))
        assert (ended.exit_code, still_waiting(simulator)) == (0, 0)


def test_of_any_other_list_that_is_not_complete_what_was_read_is_cancelled_too(
    run: Run, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brake must not wait until EnOS's pages add up; that something is left, the exit code says."""
    monkeypatch.setattr(paging, "MOST_ROWS", 200)
    with running_simulator(many(250)) as simulator:
        reach(simulator)
        first, second = ((run(*CANCEL, "--yes", "--expect", "250"), still_waiting(simulator)) for _ in range(2))
    assert (first[0].exit_code, first[1]) == (3, 50)
    assert "is not complete: it has more than 200 rows" in first[0].stdout
    assert f"Error: at least 50 other tasks of job {JOB} are still waiting: run the same" in first[0].stderr
    assert (second[0].exit_code, second[1]) == (0, 0)


def test_tasks_that_began_to_wait_meanwhile_keep_it_from_being_done(
    run: Run, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a colleague retries them: how many wait at the end is read anew."""
    cancel = EnosClient.cancel_tasks

    def cancel_and_retry(self: EnosClient, *args: Any, **kwargs: Any) -> str:
        answer = cancel(self, *args, **kwargs)
        simulator.set_tasks(JOB, ["dk-08", "dk-09"], "init")
        return answer

    monkeypatch.setattr(EnosClient, "cancel_tasks", cancel_and_retry)
    ended = run(*CANCEL, "--yes", "--expect", "7")
    assert ended.exit_code == 3
    said = f"Error: 2 other tasks of job {JOB} are still waiting: run the same command again\n"
    assert said in ended.stderr
