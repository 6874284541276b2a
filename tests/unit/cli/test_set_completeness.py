"""What a set that `cancel` or `adopt` writes says beyond its keys: its last day, what it expects, and what it lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from enos_ota.plan import days
from enos_ota.settings import read_stack_file
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from enos_ota.settings import SetSettings
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]

DAY = "2999-03-31"
REASON = ("--reason", "INC-4711")
CANCEL = ("cancel", "--job", JOB, *REASON, "--keys", "these.txt", "--yes", "--expect", "1", "--name", "fire")
ADOPT = ("adopt", "--job", JOB, *REASON, "--name", "fire")
BOTH = pytest.mark.parametrize("command", [CANCEL, ADOPT], ids=["cancel", "adopt"])


def writes(simulator: RunningSimulator) -> int:
    return len([entry for entry in simulator.journal() if entry["by"] != "control"])


def sets(project: Project) -> dict[str, SetSettings]:
    found, problems = read_stack_file(project.file, {})
    assert problems == ()
    return {each.name: each for each in found}


@BOTH
@pytest.mark.usefixtures("simulator")
def test_the_last_day_stands_in_the_set(run: Run, project: Project, command: tuple[str, ...]) -> None:
    assert run(*command, "--expires", DAY).exit_code == 0
    assert sets(project)["fire"].expires == DAY


@BOTH
@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("2027-3-31", "it is not a date such as 2027-03-31"),
        ("2027-02-30", "it is not a date such as 2027-03-31"),
        ("next week", "it is not a date such as 2027-03-31"),
        ("2020-01-31", "this day is in the past: today is "),
    ],
)
def test_a_day_that_is_none_or_over_is_refused_before_anything_is_sent(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], *, day: str, told: str
) -> None:
    ended = run(*command, "--expires", day)
    assert (ended.exit_code, writes(simulator), sets(project)) == (2, 0, {})
    assert told in ended.stderr


@pytest.mark.usefixtures("simulator")
def test_today_may_be_the_last_day(run: Run, project: Project) -> None:
    today = days.today().isoformat()
    assert run(*CANCEL, "--expires", today).exit_code == 0
    assert sets(project)["fire"].expires == today


@BOTH
@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("its", ["", ', expires: "2998-01-31"'])
def test_the_last_day_of_a_set_that_exists_stays(
    run: Run, project: Project, command: tuple[str, ...], its: str
) -> None:
    project.write("", sets=f'- {{name: fire, jobId: "{JOB}", deviceKeys: [dk-05]{its}}}')
    before = project.file.read_bytes()
    assert run(*command, "--expires", DAY).exit_code == 0
    assert (sets(project)["fire-2"].expires, project.file.read_bytes()) == (DAY, before)


@BOTH
@pytest.mark.usefixtures("simulator")
def test_the_same_line_once_more_with_the_same_day_is_fine(
    run: Run, project: Project, command: tuple[str, ...]
) -> None:
    run(*command, "--expires", DAY)
    before = project.file.read_bytes()
    assert (run(*command, "--expires", DAY).exit_code, project.file.read_bytes()) == (0, before)


def test_the_last_day_is_that_of_every_stage_of_a_crowd(run: Run, reach: Reach, project: Project) -> None:
    project.write("enos:batchSize: 200\n")
    with running_simulator(many(2_050, **dict.fromkeys(["k-00001"], "published"))) as simulator:
        reach(simulator)
        ended = run("cancel", "--job", JOB, *REASON, "--waiting", "--yes", "--expect", "2050", "--expires", DAY)
    assert ended.exit_code == 0
    assert [each.expires for each in sets(project).values()] == [DAY]


# Advice


@pytest.mark.usefixtures("simulator")
def test_what_a_new_set_lacks_is_told_in_one_line(run: Run) -> None:
    assert ("Set 'fire' has no `expires`. Add it in stacks/prod/fire.yaml if your policies require it.\n") in run(
        *CANCEL
    ).stdout


@pytest.mark.parametrize("status", ["started", "stopped"])
def test_a_set_expects_the_firmware_that_was_read_where_none_was_named(
    run: Run, project: Project, simulator: RunningSimulator, status: str
) -> None:
    simulator.set_job(JOB, status)
    run(*CANCEL)
    assert sets(project)["fire"].expect_firmware_version == "2.3.0"


@pytest.mark.parametrize("answer", [("--yes", "--expect", "1"), ()], ids=["in a script", "asked"])
def test_without_a_name_a_set_is_named_after_the_job_by_whoever_and_in_whatever_way_it_is_written(
    run: Run, project: Project, simulator: RunningSimulator, answer: tuple[str, ...]
) -> None:
    (project.root / "one.txt").write_text("dk-11\n")  # it is cancelled already, so that nobody is asked
    run("adopt", "--job", JOB)
    adopted = [*sets(project)]
    project.write("enos-ota:auditLog: audit.jsonl\n")
    assert run("cancel", "--job", JOB, *REASON, "--keys", "one.txt", *answer).exit_code == 0
    assert (adopted, writes(simulator)) == ([*sets(project)], 0)


def test_the_audit_log_names_the_set_that_was_written(run: Run, project: Project, simulator: RunningSimulator) -> None:
    project.write("enos-ota:auditLog: audit.jsonl\n")
    run(*CANCEL[:-2])
    log = (project.root / "audit.jsonl").read_text().splitlines()
    assert {json.loads(line)["set"] for line in log} == {*sets(project)}
    assert writes(simulator) == 1


def test_of_a_crowd_too(run: Run, reach: Reach, project: Project) -> None:
    project.write("enos:batchSize: 200\n")
    with running_simulator(many(2_050, **dict.fromkeys(["k-00001"], "published"))) as simulator:
        reach(simulator)
        run("cancel", "--job", JOB, *REASON, "--waiting", "--yes", "--expect", "2050")
    assert [(each.expect_firmware_version, len(each.device_keys)) for each in sets(project).values()] == [
        ("2.3.0", 2_050)
    ]


@pytest.mark.usefixtures("simulator")
def test_of_what_is_adopted_the_reason_may_be_lacking_too(run: Run) -> None:
    told = run("adopt", "--job", JOB, "--name", "fire").stdout
    assert "Set 'fire' has no `reason` and no `expires`. Add them in stacks/prod/fire.yaml if" in told


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    "command",
    [(*CANCEL, "--expect-firmware", "2.3.0", "--expires", DAY), (*ADOPT, "--expires", DAY)],
    ids=["cancel", "adopt"],
)
def test_a_set_that_says_it_all_gets_no_advice(run: Run, command: tuple[str, ...]) -> None:
    assert "has no `" not in run(*command).output


@pytest.mark.usefixtures("simulator")
def test_a_machine_gets_the_advice_on_stderr(run: Run) -> None:
    ended = run(*CANCEL, "--format", "json")
    assert ("has no `" in ended.stdout, "has no `" in ended.stderr) == (False, True)
