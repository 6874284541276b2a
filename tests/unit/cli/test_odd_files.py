"""A pipe, a loop of links or a directory in place of a file: one clear line at once, never a wait or a traceback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Run = Callable[..., Result]

CANCEL = ("cancel", "--job", JOB, "--reason", "INC-4711", "--keys", "these.txt", "--yes", "--expect", "1")
RETRY = ("retry", "--job", JOB, "--reason", "over", "--keys", "these.txt", "--expect", "1")
STOP = ("stop", "--job", JOB, "--reason", "INC-4711")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("gone.yaml")


ODD = pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "cannot be read: it is a named pipe, not a regular file"),
        (a_loop, "cannot be read: Too many levels of symbolic links"),
        (a_link_to_nothing, "cannot be read: it is a link to a file that does not exist"),
    ],
    ids=["named pipe", "loop of links", "link to nothing"],
)


def instead_of(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


def sent(simulator: RunningSimulator) -> list[str]:
    return [entry["operation"] for entry in simulator.journal() if entry["by"] != "control"]


@ODD
@pytest.mark.parametrize("file", ["stacks/Pulumi.prod.yaml", "Pulumi.yaml"])
@pytest.mark.parametrize("words", [("validate",), CANCEL, RETRY, ("jobs",), ("review",)], ids=lambda words: words[0])
def test_an_odd_configuration_file_is_named_by_every_command(
    run: Run, project: Project, *, make: Callable[[Path], None], said: str, file: str, words: tuple[str, ...]
) -> None:
    project.write("enos:batchSize: 200\n")
    (project.root / "these.txt").write_text("dk-01\n")
    instead_of(project.root / file, make)
    ended = run(*words)
    assert ended.exit_code in {1, 2, 3}
    assert f"{file}: {said}" in " ".join(ended.output.split())  # a review folds its lines


@ODD
@pytest.mark.parametrize("file", ["stacks/Pulumi.prod.yaml", "Pulumi.yaml"])
def test_an_odd_configuration_file_does_not_block_the_brake(
    run: Run, project: Project, simulator: RunningSimulator, *, make: Callable[[Path], None], said: str, file: str
) -> None:
    instead_of(project.root / file, make)
    ended = run(*STOP)
    assert (ended.exit_code, sent(simulator)) == (0, ["stop"])
    assert f"{file}: {said}" in ended.stderr
    assert "THIS STOP IS NOT IN AN AUDIT LOG" in ended.stderr


@ODD
def test_an_odd_key_file_is_named(
    run: Run, project: Project, simulator: RunningSimulator, make: Callable[[Path], None], said: str
) -> None:
    instead_of(project.root / "these.txt", make)
    ended = run(*CANCEL)
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert f"these.txt: the file {said}" in ended.stderr


@ODD
def test_a_key_file_to_be_written_is_never_waited_for(
    run: Run, project: Project, simulator: RunningSimulator, make: Callable[[Path], None], said: str
) -> None:
    (project.root / "stacks" / "prod").mkdir()
    make(project.root / "stacks" / "prod" / "mine.txt")
    ended = run(*CANCEL, "--name", "mine")
    assert (ended.exit_code, sent(simulator)) == (2, [])
    assert f"stacks/prod/mine.txt: {said}" in ended.stderr
