"""Running Pulumi's preview."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.review.preview import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST: Final = 20
"""Lines of what Pulumi said that are passed on."""


class PulumiFailed(Exception):  # noqa: N818 - says what happened
    """There is no `pulumi`, or it ended without a preview.

    Attributes:
        lines: Why, a sentence each.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Ran:
    """A preview that was run: whether it came to its end, and what it printed."""

    succeeded: bool
    stdout: str


def preview(root: Path, stack: str, environ: Mapping[str, str], *, refresh: bool) -> Ran:
    """Run `pulumi preview --json` for a stack. It changes nothing, neither in EnOS nor in the state.

    Args:
        root: The project's directory.
        stack: The stack; empty for the one that is selected.
        environ: The environment; `pulumi` is looked for on its PATH.
        refresh: Whether what is recorded is compared with EnOS first.

    Raises:
        PulumiFailed: It could not be run, or printed no preview.
    """
    pulumi = shutil.which("pulumi", path=environ.get("PATH", os.defpath))
    if pulumi is None:
        raise PulumiFailed(("there is no `pulumi` on the PATH; in a checkout `make env` says how to get one",))
    command = [pulumi, "--non-interactive", "--color", "never", "preview", "--json", "--show-sames"]
    # With --run-program a refresh uses today's configuration, and not the one that the last `up` recorded.
    command += ["--refresh", "--run-program"] if refresh else ["--refresh=false"]
    command += ["--stack", stack] if stack else []
    done = subprocess.run(
        command,
        cwd=root,
        env={**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if not done.stdout.lstrip().startswith("{"):
        said = [line.removeprefix("error: ") for line in plain(done.stderr or done.stdout).splitlines() if line.strip()]
        raise PulumiFailed(tuple(said[:_MOST]) or (f"`pulumi preview` ended with exit code {done.returncode}",))
    return Ran(done.returncode == 0, done.stdout)
