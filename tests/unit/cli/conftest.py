"""A project of its own for each test of a command, in which the command runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from enos_ota.cli import main
from tests.harness.fulldisk import no_room_in
from tests.harness.simulator import running_simulator
from tests.harness.stack_project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator

    Fill = Callable[[Path], object]
    Run = Callable[..., Result]
    Reach = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    return Project(tmp_path)


@pytest.fixture
def run() -> Run:
    """Runs a command; stdout and stderr stay apart."""

    def command(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(main, [*arguments], env=environ, prog_name="enos-ota")

    return command


@pytest.fixture
def fill() -> Iterator[Fill]:
    """Makes a log that nothing can be added to, as on a full disk; files that are smaller can still be written."""
    with contextlib.ExitStack() as stack:
        yield lambda log: stack.enter_context(no_room_in(log))


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Reach:
    """Makes a simulator what the environment names."""

    def to(simulator: RunningSimulator, **other: Any) -> None:
        settings = {
            "ENOS_API_GATEWAY": simulator.url,
            "ENOS_ORG_ID": simulator.org_id,
            "ENOS_APP_KEY": simulator.app_key,
            "ENOS_APP_SECRET": simulator.app_secret,
        }
        for name, value in (settings | other).items():
            monkeypatch.setenv(name, value)

    return to


@pytest.fixture
def simulator(reach: Reach, project: Project) -> Iterator[RunningSimulator]:
    """One that the environment names, beside an ordinary stack file; `these.txt` lists a device."""
    project.write("enos:batchSize: 200\n")
    (project.root / "these.txt").write_text("dk-01\n")
    with running_simulator() as running:
        reach(running)
        yield running


@pytest.fixture
def audited(simulator: RunningSimulator, project: Project) -> None:  # noqa: ARG001 - its stack file is replaced
    """Adds an audit log to the stack file of `simulator`; `cancelled.txt` lists a cancelled device."""
    project.write("enos-ota:auditLog: audit.jsonl\n")
    (project.root / "cancelled.txt").write_text("dk-11\n")
