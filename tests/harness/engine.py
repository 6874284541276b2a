"""Drives the real `pulumi` in a directory of the test's own: own home, own backend, nothing of the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolchain import engine as choice
from toolchain.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
VENV = Path(sys.prefix)
"""The environment the tests run in; programs use it unless they name another."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one command did."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, as a person at a terminal would see them (stdout first)."""
        return self.stdout + self.stderr

    def json(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.stdout)


class UnexpectedExitError(AssertionError):
    """A command ended otherwise than the test takes for granted; shows all it printed."""


@dataclass(frozen=True, slots=True)
class PulumiEngine:
    """The engine under test."""

    folder: Path
    """Directory of `pulumi` and its language host."""

    version: str
    """As `3.259.0`."""

    def env(
        self, project: Path, home: Path, *, venv: Path = VENV, extra: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The environment for commands in `project`: made from nothing, so that the user's settings play no part.

        State is kept in `home`/state, Pulumi's own files in `home`/pulumi.
        """
        state = home / "state"
        state.mkdir(parents=True, exist_ok=True)
        return {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(venv / "bin"), str(self.folder), os.defpath]),
            "LANG": "C.UTF-8",
            "PWD": str(project),
            "PULUMI_HOME": str(home / "pulumi"),
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **(extra or {}),
        }

    def run(
        self,
        args: Sequence[str],
        *,
        project: Path,
        home: Path,
        venv: Path = VENV,
        extra: Mapping[str, str] | None = None,
        code: int | None = 0,
    ) -> Result:
        """Run `pulumi ARGS` in `project`, without a terminal.

        Args:
            args: the command line after `pulumi`.
            project: the directory with Pulumi.yaml.
            home: a directory for state and Pulumi's files; the same one for commands on the same stack.
            venv: the virtual environment whose `python3` is first on PATH.
            extra: environment variables on top.
            code: the exit code the test takes for granted; None: whatever it is.

        Raises:
            UnexpectedExitError: another exit code; the text holds what was printed.
        """
        done = subprocess.run(
            [self.folder / "pulumi", "--non-interactive", *args],
            cwd=project,
            env=self.env(project, home, venv=venv, extra=extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        result = Result(tuple(args), done.returncode, done.stdout, done.stderr)
        if code is not None and result.code != code:
            raise UnexpectedExitError(f"pulumi {' '.join(args)}: exit code {result.code}\n{result.output}")
        return result


def obtain() -> PulumiEngine:
    """The engine that `make test` prepared: PULUMI_OFFICIAL, that on PATH, or the cached one."""
    found = choice.obtain(os.environ, Path(sys.executable), Progress())
    return PulumiEngine(found.folder, found.version)
