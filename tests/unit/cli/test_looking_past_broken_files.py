"""Commands that only read, with a stack file that is broken: they go by the environment, and say so."""

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

LOOKS = pytest.mark.parametrize(
    ("command", "told"), [(("jobs",), JOB), (("tasks", "--job", JOB), "dk-01")], ids=["jobs", "tasks"]
)
BROKEN = {
    "an unknown key": "config:\n  enos-ota:gaurd: {}\n",
    "no YAML": "config:\n  enos-ota:cancelledTaskSets: [\n",
}


@pytest.fixture
def simulator(reach: Reach) -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        reach(running)
        yield running


@LOOKS
@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_the_environment_suffices(
    run: Run, project: Project, command: tuple[str, ...], told: str, *, broken: str
) -> None:
    project.file.write_text(broken)
    ended = run(*command)
    assert (ended.exit_code, told in ended.stdout) == (0, True)


@LOOKS
def test_stderr_names_the_problems_and_what_is_used_instead(
    run: Run, project: Project, simulator: RunningSimulator, command: tuple[str, ...], told: str
) -> None:
    project.file.write_text("config:\n  enos-ota:gaurd: {}\n  enos:batchSize: many\n")
    ended = run(*command)
    assert told in ended.stdout
    assert "stacks/Pulumi.prod.yaml:2: enos-ota:gaurd is no configuration key; did you mean" in ended.stderr
    assert ended.stderr.endswith(
        f"The stack file is not used. The environment decides: gateway {simulator.url}, organization"
        f" {simulator.org_id}\n"
    )


@LOOKS
@pytest.mark.usefixtures("simulator")
def test_without_all_of_the_environment_the_problems_and_the_way_are_told(
    run: Run, project: Project, command: tuple[str, ...], told: str
) -> None:
    project.file.write_text(BROKEN["an unknown key"])
    ended = run(*command, ENOS_ORG_ID="")
    assert (ended.exit_code, told in ended.stdout) == (2, False)
    assert "did you mean enos-ota:guard?" in ended.stderr
    assert "To run without the stack file, set ENOS_API_GATEWAY, " in ended.stderr
