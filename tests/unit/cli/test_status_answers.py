"""A status that EnOS does not document is red and named; nothing is sent for it, and nothing is called too late."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from enos_ota.enos import Task
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project
    from tests.unit.cli.conftest import Run

STATUSES = pytest.mark.parametrize(("status", "told"), [("exploded", "exploded"), (None, "no status"), (7, "7")])
REASON = ("--reason", "INC-4711")


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Have EnOS give the task of a device a status."""
    read = Task.from_json

    def to(key: str, status: object) -> None:
        def from_json(data: dict[str, Any]) -> Task:
            return read({**data, "status": status} if data["deviceKey"] == key else data)

        monkeypatch.setattr(Task, "from_json", from_json)

    return to


@STATUSES
def test_a_cancel_of_a_device_with_an_unknown_status_sends_nothing_and_is_red(
    run: Run, simulator: RunningSimulator, give: Callable[[str, object], None], status: object, told: str
) -> None:
    give("dk-01", status)
    ended = run("cancel", "--job", JOB, "--keys", "these.txt", "--yes", "--expect", "1", *REASON)
    assert ended.exit_code == 3
    assert f"1 task has a status that EnOS does not document (dk-01 {told})" in ended.stderr
    assert "too late" not in ended.output
    assert simulator.journal() == []


def test_the_plan_of_a_cancel_names_an_unknown_status_and_the_others_are_cancelled(
    simulator: RunningSimulator, project: Project, give: Callable[[str, object], None]
) -> None:
    (project.root / "these.txt").write_text("dk-01\ndk-02\n")
    give("dk-01", "exploded")
    command = ["cancel", "--job", JOB, "--keys", "these.txt", *REASON]
    ended = CliRunner().invoke(main, command, input="2\n", prog_name="enos-ota")
    assert ended.exit_code == 3
    assert "1 will be cancelled, 1 pending (dk-01 exploded)" in ended.stdout
    assert "1 task has a status that EnOS does not document (dk-01 exploded)" in ended.stdout
    assert "too late" not in ended.output
    assert "To go on" not in ended.output
    assert [entry["keys"] for entry in simulator.journal()] == [["dk-02"]]


def test_a_machine_reads_an_unknown_status_as_pending_with_a_problem(
    run: Run, simulator: RunningSimulator, project: Project, give: Callable[[str, object], None]
) -> None:
    (project.root / "these.txt").write_text("dk-01\ndk-02\n")
    give("dk-01", "exploded")
    ended = run("cancel", "--job", JOB, "--keys", "these.txt", "--yes", "--expect", "2", *REASON, "--format", "json")
    told = json.loads(ended.stdout)
    assert (told["cancelled"], told["exitCode"]) == (1, 3)
    assert told["exceptions"] == [{"deviceKey": "dk-01", "category": "pending", "status": "exploded"}]
    assert told["problem"].startswith("1 task has a status that EnOS does not document (dk-01 exploded)")
    assert simulator.states()["dk-01"] == ("init", "")


@pytest.mark.parametrize("output", ["table", "csv", "json", "keys", "yaml"])
def test_tasks_of_one_status_are_no_whole_list_while_a_status_is_unknown(
    run: Run, simulator: RunningSimulator, give: Callable[[str, object], None], output: str
) -> None:
    del simulator
    give("dk-01", None)
    ended = run("tasks", "--job", JOB, "--status", "init", "--format", output)
    assert ended.exit_code == 3
    assert f"EnOS gave 1 device key of job {JOB} a status that it does not document ('dk-01')" in ended.stderr
    if output in {"keys", "yaml"}:
        assert ended.stdout == ""


def test_all_tasks_are_listed_with_an_unknown_status_as_enos_gives_it(
    run: Run, simulator: RunningSimulator, give: Callable[[str, object], None]
) -> None:
    del simulator
    give("dk-01", "exploded")
    ended = run("tasks", "--job", JOB, "--format", "json")
    assert (ended.exit_code, json.loads(ended.stdout)[0]["status"]) == (0, "exploded")
