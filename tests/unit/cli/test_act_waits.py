"""Acts by hand while EnOS throttles: they say that they wait, and for how long at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import Pause
from enos_ota.operations.reporting_clock import ReportingClock
from enos_ota.reconciler import Stop
from tests.harness.clock import FakeClock
from tests.harness.scripted_server import ScriptedServer, http
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]

WHY = ("--job", JOB, "--reason", "INC-4711")
RETRY = ("retry", *WHY, "--keys", "these.txt", "--expect", "1")
CANCEL = ("cancel", *WHY, "--keys", "these.txt")
LIMIT = "enos-ota gives up after 120 s without a successful request\n"
TOLD = f"waiting: EnOS throttles and asked for a pause, 40 s left; {LIMIT}"


@pytest.mark.parametrize(
    ("command", "operation"),
    [
        pytest.param(("stop", *WHY), "stop", id="stop"),
        pytest.param(("stop", *WHY), "get", id="stop, looking"),
        pytest.param(RETRY, "retryTask", id="retry"),
        pytest.param(RETRY, "get", id="retry, looking"),
        pytest.param(CANCEL, "get", id="cancel, looking"),
        pytest.param(("adopt", *WHY), "searchTask", id="adopt"),
    ],
)
def test_an_act_says_that_it_waits(
    run: Run,
    reach: Reach,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    *,
    command: tuple[str, ...],
    operation: str,
) -> None:
    monkeypatch.setattr(Stop, "wait", lambda stop, _: stop.set("nobody waits here"))
    project.write("enos:batchSize: 200\n")
    (project.root / "these.txt").write_text("dk-11\n")
    with running_simulator() as simulator:
        reach(simulator)
        simulator.fault("throttle", operation, retryAfter=40)
        ended = run(*command)
    assert (ended.exit_code, ended.stderr.count(TOLD)) == (3, 1), ended.output


def test_a_pause_of_an_outage_is_not_told_as_throttling(
    run: Run, reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stop, "wait", lambda stop, _: stop.set("nobody waits here"))
    project.write("enos:batchSize: 200\n")
    with ScriptedServer([http(503, retry_after="40")]) as server, running_simulator() as simulator:
        reach(simulator, ENOS_API_GATEWAY=server.url)
        ended = run("stop", *WHY)
    assert f"waiting: EnOS asked for a pause, 40 s left; {LIMIT}" in ended.stderr


def test_it_says_so_no_more_than_every_five_seconds() -> None:
    told: list[str] = []
    clock = ReportingClock(FakeClock(), lambda: Pause(40), told.append)
    for _ in range(5):
        clock.sleep(2)
    assert len(told) == 2


def test_of_a_short_pause_nothing_is_said() -> None:
    told: list[str] = []
    ReportingClock(FakeClock(), lambda: Pause(0.9), told.append).sleep(0.9)
    assert told == []
