"""Cancel and stop with a stack file that is invalid: the environment alone decides, and says so."""

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

CANCEL = ("cancel", "--job", JOB, "--reason", "INC-4711", "--keys", "these.txt", "--yes", "--expect", "1")
STOP = ("stop", "--job", JOB, "--reason", "INC-4711")
BOTH = pytest.mark.parametrize("command", [CANCEL, STOP], ids=["cancel", "stop"])

ANOTHER = ["enos:orgId: another", "enos:apiGateway: https://elsewhere.example.com"]
BROKEN = {
    "an unknown key": "config:\n  {}\n  enos-ota:gaurd: {{}}\n",
    "no YAML": "config:\n  {}\n  enos-ota:cancelledTaskSets: [\n",
    "marks of a merge": "config:\n  {}\n<<<<<<< HEAD\n  enos:batchSize: 1\n=======\n  enos:batchSize: 2\n>>>>>>> b\n",
    "a key twice": "config:\n  {}\n  enos:batchSize: 10\n  enos:batchSize: 20\n",
}
INVALID = pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)


@pytest.fixture
def simulator(reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    monkeypatch.setenv("ENOS_OTA_BREAK_GLASS", "fire")
    (project.root / "these.txt").write_text("dk-01\n")
    with running_simulator() as running:
        reach(running)
        yield running


def writes(simulator: RunningSimulator) -> list[str]:
    return [entry["operation"] for entry in simulator.journal() if entry["by"] != "control"]


@BOTH
@INVALID
@pytest.mark.parametrize("other", ["enos:batchSize: 200", ANOTHER[0]], ids=["no EnOS", "another EnOS"])
def test_the_environment_decides_and_its_enos_is_named(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], *, broken: str, other: str
) -> None:
    project.file.write_text(broken.format(other))
    ended = run(*command)
    assert (ended.exit_code, len(writes(simulator))) == (0, 1)
    assert (
        f"The stack file is not used. The environment decides: gateway {simulator.url},"
        f" organization {simulator.org_id}\n"
    ) in ended.stderr
    assert "  stacks/Pulumi.prod.yaml:" in f"  {ended.stderr}", "what is wrong is named"


@BOTH
@INVALID
@pytest.mark.parametrize("name", ["ENOS_API_GATEWAY", "ENOS_ORG_ID", "ENOS_APP_KEY", "ENOS_APP_SECRET"])
def test_an_environment_that_lacks_a_variable_is_refused_with_all_names(
    run: Run,
    project: Project,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    *,
    broken: str,
    name: str,
) -> None:
    project.file.write_text(broken.format("enos:batchSize: 200"))
    monkeypatch.delenv(name)
    ended = run(*command)
    assert (ended.exit_code, writes(simulator)) == (2, [])
    assert "To run without the stack file, set ENOS_API_GATEWAY, ENOS_ORG_ID, ENOS_APP_KEY and" in ended.stderr


@INVALID
def test_without_a_break_glass_reason_nothing_is_cancelled_because_the_guard_is_unknown(
    run: Run, project: Project, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.delenv("ENOS_OTA_BREAK_GLASS")
    project.file.write_text(broken.format("enos:batchSize: 200"))
    ended = run(*CANCEL)
    assert (ended.exit_code, writes(simulator)) == (2, [])
    assert ended.stderr.endswith(
        "The guard is unknown, so nothing can be cancelled without ENOS_OTA_BREAK_GLASS=<reason>.\n"
    )
    assert not (project.root / "stacks" / "prod").exists()


@BOTH
@pytest.mark.parametrize("other", ANOTHER)
def test_a_valid_file_that_names_another_enos_is_refused(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], *, other: str
) -> None:
    project.write(f"{other}\n")
    ended = run(*command)
    assert (ended.exit_code, writes(simulator)) == (2, [])
    assert "differs: enos:" in ended.stderr
    assert not (project.root / "stacks" / "prod").exists()


@INVALID
@pytest.mark.parametrize(
    "command",
    [("adopt", "--job", JOB), ("retry", "--job", JOB, "--keys", "these.txt", "--expect", "1")],
    ids=["adopt", "retry"],
)
def test_what_is_no_emergency_needs_a_valid_file(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], *, broken: str
) -> None:
    project.file.write_text(broken.format("enos:batchSize: 200"))
    assert (run(*command).exit_code, writes(simulator)) == (2, [])


def test_a_cancel_needs_a_valid_project_file_because_it_names_the_place_of_the_set(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    (project.root / "Pulumi.yaml").write_text("name: [\n")
    ended = run(*CANCEL)
    assert (ended.exit_code, writes(simulator), "Pulumi.yaml:" in ended.stderr) == (2, [], True)
