"""Acts by hand in a project with a program of its own: what that program does not read, and what only it knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from enos_ota.operations.own_program import program_of
from enos_ota.settings.stackfile import require_project
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]

REPOSITORY = Path(__file__).parents[3]
OWN = 'from enos_ota import CancelledTaskSet\n\nCancelledTaskSet("a", "65a1", ["dk-05"])\n'
OURS = "from enos_ota.program import declare_sets\n\ndeclare_sets()\n"

CANCEL = ("cancel", "--job", JOB, "--reason", "INC-4711", "--keys", "these.txt", "--yes", "--expect", "1")
ADOPT = ("adopt", "--job", JOB)
RETRY = ("retry", "--job", JOB, "--keys", "these.txt", "--expect", "1")
UNREAD = "warning: __main__.py does not read enos-ota:cancelledTaskSets, so `pulumi up` ignores this set."


def seen(root: Path) -> tuple[bool, bool] | None:
    """Whether the program reads sets, and whether it declares any."""
    found = program_of(require_project(root))
    return (found.reads_sets, found.declares_sets) if found else None


# What a program says


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (".", (True, False)),
        ("examples/one-job", (True, False)),
        ("examples/fleet", (True, False)),
        ("examples/gitops-github", (True, False)),
        ("examples/own-program", (False, True)),
    ],
)
def test_the_programs_of_this_repository_are_told_apart(place: str, expected: tuple[bool, bool]) -> None:
    assert seen(REPOSITORY / place) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OWN, (False, True)),
        (OURS, (True, False)),
        (OURS + OWN, (True, True)),
        ("import enos_ota.program\nenos_ota.program.declare_sets()\n", (True, False)),
        ('import pulumi\npulumi.Config("enos-ota").get_object("cancelledTaskSets")\n', (True, False)),
        ("# declare_sets is not for us\nimport pulumi\n", (False, False)),
        ("def broken(:\n", None),
        ("", None),
    ],
)
def test_a_program_is_known_by_what_it_mentions(
    project: Project, text: str, expected: tuple[bool, bool] | None
) -> None:
    (project.root / "__main__.py").write_text(text)
    assert seen(project.root) == expected


@pytest.mark.parametrize("module", ["fleet.py", "fleet/__init__.py", "fleet/pumps.py"])
def test_modules_of_a_program_belong_to_it(project: Project, module: str) -> None:
    (project.root / "__main__.py").write_text("from fleet import pumps\n")
    (project.root / module).parent.mkdir(exist_ok=True)
    (project.root / module).write_text(OWN)
    assert seen(project.root) == (False, True)


def test_modules_that_import_each_other_are_read_once(project: Project) -> None:
    (project.root / "__main__.py").write_text("import a\n")
    (project.root / "a.py").write_text("import b, __main__\n")
    (project.root / "b.py").write_text("import a\n" + OURS)
    assert seen(project.root) == (True, False)


def test_a_program_may_stand_where_the_project_file_says(project: Project) -> None:
    (project.root / "Pulumi.yaml").write_text("name: enos-ota\nruntime: {name: python}\nmain: infra/\n")
    (project.root / "infra").mkdir()
    (project.root / "infra" / "__main__.py").write_text(OWN)
    assert seen(project.root) == (False, True)


@pytest.mark.parametrize("runtime", ["nodejs", "{name: go}", "[python]"])
def test_of_a_program_in_another_language_nothing_is_known(project: Project, runtime: str) -> None:
    (project.root / "Pulumi.yaml").write_text(f"name: enos-ota\nruntime: {runtime}\n")
    (project.root / "__main__.py").write_text(OWN)
    assert seen(project.root) is None


# What is said


@pytest.mark.parametrize("command", [CANCEL, ADOPT], ids=["cancel", "adopt"])
@pytest.mark.usefixtures("simulator")
def test_a_set_that_the_program_does_not_read_is_to_be_declared_in_it(
    run: Run, project: Project, command: tuple[str, ...]
) -> None:
    (project.root / "__main__.py").write_text(OWN)
    ended = run(*command, "--name", "fire", "--expires", "2999-03-31")
    assert ended.exit_code == 0
    assert f"{UNREAD} Declare its devices in the program, as a `CancelledTaskSet`" in ended.stdout
    assert "together with the change of the program" in ended.stdout


UNDO = f"""\
To undo, remove stacks/prod/fire.yaml and its devices from __main__.py, then run:
  enos-ota retry --job {JOB} --keys stacks/prod/fire.txt --expect 1 --reason WHY
"""


def test_the_undo_that_is_told_works_once_the_set_file_is_removed(
    run: Run, project: Project, simulator: RunningSimulator
) -> None:
    (project.root / "__main__.py").write_text(OWN)
    assert run(*CANCEL, "--name", "fire").stdout.endswith(UNDO)
    undo = UNDO.splitlines()[1].split()[1:]
    assert run(*undo).exit_code == 1
    (project.root / "stacks" / "prod" / "fire.yaml").unlink()
    assert run(*undo).exit_code == 0
    assert simulator.states()["dk-01"][0] == "init"


@pytest.mark.parametrize("program", [None, OURS])
@pytest.mark.parametrize("command", [CANCEL, ADOPT], ids=["cancel", "adopt"])
@pytest.mark.usefixtures("simulator")
def test_a_program_that_may_read_it_is_not_complained_about(
    run: Run, project: Project, command: tuple[str, ...], program: str | None
) -> None:
    if program:
        (project.root / "__main__.py").write_text(program)
    ended = run(*command)
    assert (ended.exit_code, "does not read" in ended.output) == (0, False)
    assert "after which `pulumi up` adopts the set without sending a request" in ended.stdout


@pytest.mark.parametrize(("program", "expected"), [(OWN, False), (OURS, True), (None, None)])
@pytest.mark.parametrize("command", [CANCEL, ADOPT], ids=["cancel", "adopt"])
@pytest.mark.usefixtures("simulator")
def test_a_machine_gets_it_as_a_field(
    run: Run, project: Project, command: tuple[str, ...], program: str | None, *, expected: bool | None
) -> None:
    if program:
        (project.root / "__main__.py").write_text(program)
    assert json.loads(run(*command, "--format", "json").stdout)["programReadsSets"] is expected


@pytest.mark.parametrize(("program", "warned"), [(OWN, True), (OURS + OWN, True), (OURS, False), (None, False)])
def test_a_retry_says_that_it_does_not_see_what_a_program_declares(
    run: Run, project: Project, simulator: RunningSimulator, program: str | None, *, warned: bool
) -> None:
    simulator.set_tasks(JOB, ["dk-01"], "cancelled")
    if program:
        (project.root / "__main__.py").write_text(program)
    ended = run(*RETRY)
    assert ended.exit_code == 0
    assert ("warning: __main__.py declares sets of its own" in ended.stderr) is warned
