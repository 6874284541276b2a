"""The real `pulumi`, run in the demo's project."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.checks import CannotRunError
from demo.processes import running
from toolchain import engine as choice
from toolchain.errors import ToolchainError
from toolchain.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.interrupts import Interrupts


class UnexpectedExitError(Exception):
    """`pulumi` failed; the text includes its output."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The `pulumi` command in one directory with one environment."""

    command: Path
    project: Path
    environ: Mapping[str, str]
    interrupts: Interrupts

    def run(self, *arguments: str) -> str:
        """Run `pulumi ARGUMENTS`; return its output, stdout and stderr mixed."""
        line = [str(self.command), "--color", "never", "--non-interactive", *arguments]
        with running(
            line, interrupts=self.interrupts, cwd=self.project, environ=self.environ, errors=subprocess.STDOUT
        ) as process:
            output, _ = process.communicate()
        if process.returncode:
            raise UnexpectedExitError(
                f"pulumi {' '.join(arguments)} ended with exit code {process.returncode}:\n{output}"
            )
        return output


def obtain() -> choice.Engine:
    """Return the engine that `make env` uses."""
    try:
        return choice.obtain(os.environ, Path(sys.executable), Progress())
    except ToolchainError as error:
        raise CannotRunError(str(error)) from None


def environment(home: Path, engine: Path, enos: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of `pulumi`, without the user's own Pulumi and EnOS settings.

    `home`: for the state and Pulumi's files; `engine`: directory of `pulumi`; `enos`: gateway and credentials.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "ENOS_"))}
    state = home / "state"
    state.mkdir()
    return {
        **inherited,
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), str(engine), os.environ.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": sys.prefix,
        "PULUMI_HOME": str(home / "pulumi"),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
        # Without these two pulumi would use the internet.
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        **enos,
    }
