"""How many requests `enos-ota cancel` takes for a large job: where EnOS takes few a second they are its time."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from tests.harness.reconciling import keys as numbered
from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.harness.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]

TASKS = 6_000
PUBLISHED = 300
PAGE = 200
CANCELS = ceil(PUBLISHED / 20) + ceil((TASKS - PUBLISHED) / PAGE)
PAGES = ceil(TASKS / PAGE)
PAGES_OF_PUBLISHED = ceil(PUBLISHED / PAGE)


def effort(run: Run, reach: Reach, project: Project, *arguments: str) -> dict[str, int]:
    """The requests of a cancel of everything, by operation."""
    project.write("enos-ota:auditLog: audit.jsonl\n")
    with running_simulator(many(TASKS, **dict.fromkeys(numbered(PUBLISHED), "published"))) as simulator:
        reach(simulator)
        said = ("--reason", "INC-4711: a rehearsal", "--yes", "--expect", str(TASKS))
        ended = run("cancel", "--job", JOB, *arguments, *said)
        assert ended.exit_code == 0, ended.output
        counted: dict[str, int] = simulator.counters()
        assert {desc for _, desc in simulator.states().values()} == {"Cancelled by user"}
    return counted


def test_named_keys_are_cancelled_and_read_back_and_only_the_urgent_ones_looked_up_before(
    run: Run, reach: Reach, project: Project
) -> None:
    (project.root / "these.txt").write_text("".join(f"{key}\n" for key in numbered(TASKS)))
    counted = effort(run, reach, project, "--keys", "these.txt")
    assert counted["cancelTask"] == CANCELS
    assert counted["searchTask"] + counted["get"] <= PAGES + 2 * PAGES_OF_PUBLISHED + 1


def test_what_waits_is_listed_once_cancelled_and_read_back(run: Run, reach: Reach, project: Project) -> None:
    counted = effort(run, reach, project, "--waiting")
    assert counted["cancelTask"] == CANCELS
    # Listed: all, and before that those that are published. Each stage is a change of its own, with its own look.
    assert counted["searchTask"] + counted["get"] <= 2 * PAGES + 3 * PAGES_OF_PUBLISHED + 5
