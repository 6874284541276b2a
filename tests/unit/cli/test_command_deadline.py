"""A command by hand has the deadline of the stack: it ends with 3, and says what was sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.operations import context as station
from tests.harness.clock import FakeClock
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Any

WHY = ("--job", JOB, "--reason", "INC-4711")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the command: waits take no time."""
    fake = FakeClock(time.time())
    monkeypatch.setattr(station, "StoppableClock", lambda _: fake)
    return fake


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("command", "operation"),
    [
        pytest.param(("stop", *WHY), "get", id="stop"),
        pytest.param(("cancel", *WHY, "--keys", "these.txt"), "searchTask", id="cancel"),
        pytest.param(("retry", *WHY, "--keys", "these.txt", "--expect", "1"), "get", id="retry"),
        pytest.param(("adopt", *WHY), "searchTask", id="adopt"),
    ],
)
def test_a_command_that_sent_nothing_by_its_deadline_says_so(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], operation: str
) -> None:
    project.write("enos-ota:deadline: 30\n")
    simulator.fault("throttle", operation, retryAfter=40)
    ended = run(*command)
    assert ended.exit_code == 3
    assert ended.stderr.endswith(
        "Error: the deadline of 30 s for one command is over. No request that changes anything in EnOS was sent.\n"
    )
    assert simulator.journal() == []


@pytest.mark.usefixtures("clock")
def test_a_request_that_enos_refused_was_sent_and_changed_nothing(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.write("enos-ota:deadline: 30\n")
    simulator.fault("throttle", "stop", retryAfter=40)
    ended = run("stop", *WHY)
    assert ended.exit_code == 3
    assert ended.stderr.endswith(
        f"the deadline of 30 s for one command is over. EnOS refused the stop request for job '{JOB}', so nothing was"
        " changed.\n"
    )


@pytest.mark.usefixtures("clock")
def test_a_command_that_sent_something_by_its_deadline_says_what(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.write("enos-ota:deadline: 30\n")
    simulator.fault("close-after", "stop")
    simulator.fault("throttle", "get", retryAfter=40, nth=2)
    ended = run("stop", *WHY)
    assert ended.exit_code == 3
    assert (
        f"Error: the deadline of 30 s for one command is over. The stop request for job '{JOB}' was sent; "
        f"whether EnOS stopped job '{JOB}' is unknown. Check with `enos-ota jobs`.\n"
    ) in ended.stderr


READING = pytest.mark.parametrize("command", [("jobs",), ("tasks", "--job", JOB)], ids=["jobs", "tasks"])


@READING
@pytest.mark.usefixtures("clock")
def test_a_command_that_only_reads_has_it_too(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...]
) -> None:
    project.write("enos-ota:deadline: 30\n")
    simulator.fault("throttle", "any", retryAfter=40)
    ended = run(*command)
    assert ended.exit_code == 3
    assert ended.stderr.endswith("Error: the deadline of 30 s for one command is over\n")


@READING
@pytest.mark.usefixtures("clock")
def test_a_command_that_only_reads_reports_that_enos_makes_it_wait(
    run: Run, simulator: RunningSimulator, command: tuple[str, ...]
) -> None:
    simulator.fault("throttle", "any", retryAfter=20, times=1)
    ended = run(*command)
    assert (ended.exit_code, "waiting: " in ended.stderr) == (0, True)


def test_the_time_that_the_operator_takes_to_answer_does_not_count(
    reach: Reach, project: Project, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_: object, **__: object) -> str:
        clock.advance(3_600)
        clock.now -= 3_600  # EnOS's clock does not go with it
        return "2500"

    monkeypatch.setattr(click, "prompt", answer)
    project.write("enos-ota:deadline: 30\n")
    with running_simulator(many(2_500)) as simulator:
        reach(simulator)
        ended = CliRunner().invoke(main, ["cancel", *WHY, "--waiting"])
    assert ended.exit_code == 0, ended.output
