"""Projects for the real `pulumi`, each with a stack whose state can be restored."""

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
        """Write the project's key file."""
        file = self.stack.project / KEY_FILE
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")

    def timed(self, *args: str) -> tuple[Effort, Result]:
        """Run `pulumi ARGS`; return the effort and the result."""
        results: list[Result] = []
        took = measured(lambda: results.append(self.stack.run(*args)), self.server)
        return took, results[0]

    def up(self) -> Effort:
        """Run `up` without its preview; return the effort."""
        return self.timed("up", "--yes", "--skip-preview")[0]

    def save_state(self) -> None:
        """Save the state for `restore_state`."""
        shutil.rmtree(self._saved, ignore_errors=True)
        shutil.copytree(self._state, self._saved)

    def restore_state(self) -> None:
        """Restore the saved state."""
        shutil.rmtree(self._state)
        shutil.copytree(self._saved, self._state)

    @property
    def _state(self) -> Path:
        return self.stack.home / "state"

    @property
    def _saved(self) -> Path:
        return self.stack.home / "saved"


@dataclass(frozen=True, slots=True)
class ProjectFactory:
    """Creates projects below one folder."""

    folder: Path
    engine: PulumiEngine
    simulator: RunningSimulator
    sealed: Sealed

    def ours(self, keys: Sequence[str]) -> Project:
        """Create a project with this repository's program and one set."""
        project = self._project("ours")
        project.declare(keys)
        file = Path(KEY_FILE).relative_to("stacks").as_posix()
        project.stack.declare({"name": "pumps", "jobId": JOB, "deviceKeysFile": file})
        return project

    def stub(self, keys: Sequence[str]) -> Project:
        """Create a project with the same keys and a stub provider."""
        project = self._project("stub", _STUB)
        project.declare(keys)
        return project

    def empty(self) -> Project:
        """Create a project that declares nothing."""
        return self._project("empty", _EMPTY)

    def _project(self, name: str, program: str = "") -> Project:
        folder = self.folder / name
        folder.mkdir()
        stack = make_stack(self.engine, folder, self.simulator, self.sealed)
        if program:
            (stack.project / "__main__.py").write_text(program, encoding="utf-8")
        project = Project(stack, self.simulator.pid)
        project.save_state()
        return project


@contextlib.contextmanager
def project_factory(simulator: RunningSimulator) -> Iterator[ProjectFactory]:
    """A project_factory in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="enos-ota-bench-") as name:
        folder = Path(name)
        engine = obtain()
        sealing = folder / "sealing"
        sealing.mkdir()
        yield ProjectFactory(folder, engine, simulator, seal(engine, sealing, simulator.app_secret))
