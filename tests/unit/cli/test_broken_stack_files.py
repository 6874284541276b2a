"""Acts by hand with a stack file that is broken: what it still says legibly of which EnOS it is about is kept to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]

ASIDE = ("--keys", "these.txt", "--yes", "--expect", "1", "--record-aside", "out")
CANCEL = ("cancel", "--job", JOB, "--reason", "INC-4711", *ASIDE)
STOP = ("stop", "--job", JOB, "--reason", "INC-4711")
ACTS = pytest.mark.parametrize("command", [CANCEL, STOP], ids=["cancel", "stop"])

ANOTHER = [
    "enos:orgId: another",
    "enos:apiGateway: https://elsewhere.example.com",
    '"enos:config:orgId": "another" # it',
]
BROKEN = {
    "an unknown key": "config:\n  {}\n  enos-ota:gaurd: {{}}\n",
    "no YAML": "config:\n  {}\n  enos-ota:cancelledTaskSets: [\n",
    "marks of a merge": "config:\n  {}\n<<<<<<< HEAD\n  enos:batchSize: 1\n=======\n  enos:batchSize: 2\n>>>>>>> b\n",
    "a key twice": "config:\n  {}\n  enos:batchSize: 10\n  enos:batchSize: 20\n",
}


@pytest.fixture
def simulator(reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    (project.root / "these.txt").write_text("dk-01\n")
    with running_simulator() as running:
        reach(running)
        yield running


def writes(simulator: RunningSimulator) -> list[str]:
    return [entry["operation"] for entry in simulator.journal() if entry["by"] != "control"]


@ACTS
@pytest.mark.parametrize("broken", [*BROKEN.values(), "config:\n  {}\n"], ids=[*BROKEN, "sound"])
@pytest.mark.parametrize("other", ANOTHER)
def test_a_file_that_names_another_enos_keeps_it_from_being_sent(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], *, broken: str, other: str
) -> None:
    project.file.write_text(broken.format(other))
    ended = run(*command)
    assert (ended.exit_code, writes(simulator)) == (2, [])
    assert "differs: enos:" in ended.stderr
    assert not (project.root / "out").exists()


@ACTS
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_file_that_names_the_same_enos_is_passed_over(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], *, broken: str
) -> None:
    project.file.write_text(broken.format(f"enos:apiGateway: {simulator.url}/\n  enos:orgId: {simulator.org_id}"))
    assert (run(*command).exit_code, len(writes(simulator))) == (0, 1)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.usefixtures("simulator")
def test_another_enos_is_told_with_its_line_and_with_what_helps_while_the_file_is_broken(
    run: Run, project: Project, broken: str
) -> None:
    project.file.write_text("# ours\n" + broken.format("enos:orgId: another"))
    told = run(*STOP).stderr
    assert "  stacks/Pulumi.prod.yaml:3: the organization differs: enos:orgId is another, ENOS_ORG_ID is o" in told
    assert "; point ENOS_ORG_ID at it, or choose another --stack\n" in told


def test_without_a_reason_to_break_the_glass_a_guard_that_nobody_knows_is_not_said_to_be_raised(
    run: Run, project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENOS_OTA_BREAK_GLASS")
    project.file.write_text(BROKEN["an unknown key"].format("enos:batchSize: 200"))
    ended = run(*CANCEL)
    assert ended.stderr.endswith(
        "Error: nobody knows the guard of stacks/Pulumi.prod.yaml, so nothing can be cancelled without"
        " ENOS_OTA_BREAK_GLASS=<reason>. Nothing was sent and nothing was written.\n"
    )
    assert (ended.exit_code, writes(simulator)) == (1, [])


@ACTS
def test_of_two_sides_of_a_merge_one_has_to_be_meant(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...]
) -> None:
    sides = f"<<<<<<< HEAD\n  enos:orgId: another\n=======\n  enos:orgId: {simulator.org_id}\n>>>>>>> main\n"
    project.file.write_text(f"config:\n{sides}")
    assert (run(*command).exit_code, len(writes(simulator))) == (0, 1)


@ACTS
def test_what_is_commented_out_is_not_said(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...]
) -> None:
    project.file.write_text("config: [\n  # enos:orgId: another\n")
    assert (run(*command).exit_code, len(writes(simulator))) == (0, 1)


def test_a_sound_file_that_names_another_enos_is_no_reason_to_do_without_it(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    project.write("enos:orgId: another\n")
    ended = run(*CANCEL[: -len(ASIDE)], "--keys", "these.txt", "--yes", "--expect", "1")
    assert (ended.exit_code, writes(simulator)) == (2, [])
    assert "--record-aside" not in ended.stderr
