"""Projects for the real `pulumi`, each with a stack of its own that can be put back to what it was."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.effort import measured
from benchmarks.stub import KEY_FILE
from tests.harness.engine import obtain
from tests.harness.simulator import JOB
from tests.harness.stack import Sealed, Stack, make_stack, seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.effort import Effort
    from tests.harness.engine import PulumiEngine, Result
    from tests.harness.simulator import RunningSimulator

_STUB: Final = "from benchmarks.stub import declare\n\ndeclare()\n"
_EMPTY: Final = '"""Nothing is declared."""\n'


@dataclass(frozen=True, slots=True)
class Project:
    """A project with a stack."""

    stack: Stack
    server: int | None
    """Process id of its simulator."""

    def declare(self, keys: Sequence[str]) -> None:
        """Make these its keys."""
        file = self.stack.project / KEY_FILE
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")

    def timed(self, *args: str) -> tuple[Effort, Result]:
        """Run `pulumi ARGS`: what it took, and what it printed."""
        results: list[Result] = []
        took = measured(lambda: results.append(self.stack.run(*args)), self.server)
        return took, results[0]

    def up(self) -> Effort:
        """What an `up` takes without the preview before it."""
        return self.timed("up", "--yes", "--skip-preview")[0]

    def remember(self) -> None:
        """Keep the state as it is now, for `put_back`."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self._state, self._kept)

    def put_back(self) -> None:
        """Let the state be what it was when it was remembered."""
        shutil.rmtree(self._state)
        shutil.copytree(self._kept, self._state)

    @property
    def _state(self) -> Path:
        return self.stack.home / "state"

    @property
    def _kept(self) -> Path:
        return self.stack.home / "kept"


@dataclass(frozen=True, slots=True)
class Workshop:
    """Makes projects below one folder."""

    folder: Path
    engine: PulumiEngine
    simulator: RunningSimulator
    sealed: Sealed

    def ours(self, keys: Sequence[str]) -> Project:
        """This repository's program with one set."""
        project = self._project("ours")
        project.declare(keys)
        file = Path(KEY_FILE).relative_to("stacks").as_posix()
        project.stack.declare({"name": "pumps", "jobId": JOB, "deviceKeysFile": file})
        return project

    def stub(self, keys: Sequence[str]) -> Project:
        """A program with the same keys, whose provider returns at once."""
        project = self._project("stub", _STUB)
        project.declare(keys)
        return project

    def empty(self) -> Project:
        """A program that declares nothing."""
        return self._project("empty", _EMPTY)

    def _project(self, name: str, program: str = "") -> Project:
        folder = self.folder / name
        folder.mkdir()
        stack = make_stack(self.engine, folder, self.simulator, self.sealed)
        if program:
            (stack.project / "__main__.py").write_text(program, encoding="utf-8")
        project = Project(stack, self.simulator.pid)
        project.remember()
        return project


@contextlib.contextmanager
def workshop(simulator: RunningSimulator) -> Iterator[Workshop]:
    """A workshop in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="enos-ota-bench-") as name:
        folder = Path(name)
        engine = obtain()
        sealing = folder / "sealing"
        sealing.mkdir()
        yield Workshop(folder, engine, simulator, seal(engine, sealing, simulator.app_secret))
