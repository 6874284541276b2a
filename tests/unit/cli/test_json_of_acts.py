"""Whatever comes of an act by hand, with --format json stdout holds one JSON document that knows the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.reconciler import Stop
from tests.harness.reconciling import keys as numbered
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator
from tests.harness.stack import JumpingClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Reach = Callable[..., None]
    Prepare = Callable[[Project, RunningSimulator], object]

WHY = ("--reason", "INC-4711")
KEYS = ("--keys", "these.txt")
CANCEL = ("cancel", *WHY, *KEYS)
SCRIPT = (*CANCEL, "--yes", "--expect", "2")
STOP = ("stop", *WHY)
ADOPT = ("adopt",)
RETRY = ("retry", *WHY, *KEYS, "--expect", "2")


@pytest.fixture
def simulator(reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    clock = JumpingClock()
    monkeypatch.setattr(Stop, "wait", lambda _, seconds: clock.jump(seconds))  # waits take no time
    project.write("enos-ota:auditLog: audit.jsonl\n")
    (project.root / "these.txt").write_text("dk-01\ndk-02\n")
    with running_simulator(clock=clock) as running:
        reach(running)
        yield running


def as_it_is(_: Project, __: RunningSimulator) -> None: ...


def guarded(project: Project, _: RunningSimulator) -> None:
    project.write("enos-ota:guard: {maxDevices: 1}\n")


def declared(project: Project, _: RunningSimulator) -> None:
    project.write("", sets=f'- {{name: mine, jobId: "{JOB}", deviceKeys: [dk-01, dk-02]}}')


def with_an_audit_log_below_a_file(project: Project, _: RunningSimulator) -> None:
    project.write("enos-ota:auditLog: these.txt/audit.jsonl\n")


def stopped(_: Project, simulator: RunningSimulator) -> None:
    simulator.set_job(JOB, "stopped")


def deleted(_: Project, simulator: RunningSimulator) -> None:
    simulator.delete_job(JOB)


def cancelled(_: Project, simulator: RunningSimulator) -> None:
    simulator.set_tasks(JOB, ["dk-01", "dk-02"], "cancelled")


def done(_: Project, simulator: RunningSimulator) -> None:
    simulator.set_tasks(JOB, [f"dk-{n:02}" for n in range(1, 12)], "succeeded")


def throttled(operation: str) -> Prepare:
    def prepare(_: Project, simulator: RunningSimulator) -> None:
        if operation == "retryTask":
            simulator.set_tasks(JOB, ["dk-01", "dk-02"], "cancelled")
        simulator.fault("throttle", operation, retryAfter=1_000)

    return prepare


@pytest.mark.parametrize(
    ("command", "prepare", "typed", "code"),
    [
        pytest.param(SCRIPT, as_it_is, "", 0, id="cancel"),
        pytest.param(CANCEL, as_it_is, "2\n", 0, id="cancel, asked"),
        pytest.param(SCRIPT, declared, "", 0, id="cancel, what is declared"),
        pytest.param((*CANCEL, "--yes", "--expect", "3"), as_it_is, "", 1, id="cancel, another count"),
        pytest.param(CANCEL, as_it_is, "3\n", 1, id="cancel, asked, another count"),
        pytest.param(CANCEL, as_it_is, "", 1, id="cancel, nobody answers"),
        pytest.param(SCRIPT, guarded, "", 1, id="cancel, guarded"),
        pytest.param(CANCEL, guarded, "", 1, id="cancel, asked, guarded"),
        pytest.param((*SCRIPT, "--expect-firmware", "9"), as_it_is, "", 1, id="cancel, another firmware"),
        pytest.param(SCRIPT, stopped, "", 1, id="cancel, stopped"),
        pytest.param(SCRIPT, deleted, "", 1, id="cancel, deleted"),
        pytest.param(SCRIPT, throttled("cancelTask"), "", 3, id="cancel, throttled"),
        pytest.param(SCRIPT, throttled("get"), "", 3, id="cancel, nothing to be had"),
        pytest.param(SCRIPT, with_an_audit_log_below_a_file, "", 3, id="cancel, not logged"),
        pytest.param(("cancel", *WHY, "--waiting"), as_it_is, "7\n", 0, id="cancel what waits"),
        pytest.param(("cancel", *WHY, "--waiting", "--yes", "--expect", "0"), done, "", 0, id="cancel, nothing waits"),
        pytest.param(STOP, as_it_is, "", 0, id="stop"),
        pytest.param(STOP, stopped, "", 0, id="stop, stopped"),
        pytest.param(STOP, deleted, "", 1, id="stop, deleted"),
        pytest.param((*STOP, "--expect-firmware", "9"), as_it_is, "", 1, id="stop, another firmware"),
        pytest.param(STOP, throttled("stop"), "", 3, id="stop, throttled"),
        pytest.param(ADOPT, as_it_is, "", 0, id="adopt"),
        pytest.param((*ADOPT, "--dry-run"), as_it_is, "", 0, id="adopt, dry run"),
        pytest.param(ADOPT, done, "", 1, id="adopt, nothing cancelled"),
        pytest.param(ADOPT, throttled("searchTask"), "", 3, id="adopt, throttled"),
        pytest.param(RETRY, cancelled, "", 0, id="retry"),
        pytest.param(RETRY, as_it_is, "", 1, id="retry, nothing cancelled"),
        pytest.param(RETRY, done, "", 1, id="retry, done"),
        pytest.param(RETRY, declared, "", 1, id="retry, declared"),
        pytest.param(RETRY, stopped, "", 1, id="retry, stopped"),
        pytest.param(RETRY, throttled("retryTask"), "", 3, id="retry, throttled"),
    ],
)
def test_stdout_holds_one_document_that_knows_the_exit_code(
    project: Project, simulator: RunningSimulator, *, command: tuple[str, ...], prepare: Prepare, typed: str, code: int
) -> None:
    prepare(project, simulator)
    ended = CliRunner().invoke(main, [*command, "--job", JOB, "--format", "json"], input=typed)
    assert ended.exit_code == code, ended.output
    assert json.loads(ended.stdout)["exitCode"] == code


def test_of_a_crowd_too(project: Project, reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    project.write("enos-ota:guard: {maxDevices: 1}\n")
    with running_simulator(many(2_050, **dict.fromkeys(numbered(10), "published"))) as simulator:
        reach(simulator)
        arguments = ("cancel", *WHY, "--waiting", "--job", JOB, "--format", "json")
        ended = CliRunner().invoke(main, arguments, input="2050\n")
    assert json.loads(ended.stdout)["cancelled"] == 2_050
