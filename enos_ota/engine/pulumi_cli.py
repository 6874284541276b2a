"""Run the `pulumi` command so that its answer does not depend on the environment of the caller."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OPTION: Final = "PULUMI_OPTION_"
"""Pulumi takes every command-line option also from a variable: --target from PULUMI_OPTION_TARGET."""

_FORM: Final = frozenset({"PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "PULUMI_EXPERIMENTAL"})
"""Variables that change the form of an answer."""

# Options that change only how something is shown, asked or logged, or the exit code of an `up` that has done its work.
_DISPLAY: Final = re.compile(
    "COLOR|DIFF|EMOJI|EXPECT_NO_CHANGES|JSON|LOGFLOW|LOGTOSTDERR|MESSAGE|NON_INTERACTIVE|OUTPUT|SHOW_.*|SKIP_PREVIEW"
    "|SUPPRESS_.*|URNS|VERBOSE|YES"
)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a `pulumi` that enos-ota runs: its options are those on its command line alone."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OPTION) and name not in _FORM}
    return {**kept, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def ignored_options(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the variables that change what `pulumi up` does and that `child_environment` leaves out, sorted."""
    names = (name for name, value in environ.items() if value and name.startswith(_OPTION))
    return tuple(sorted(name for name in names if not _DISPLAY.fullmatch(name.removeprefix(_OPTION))))


def run(
    pulumi: str,
    *arguments: str,
    environ: Mapping[str, str],
    directory: Path | None = None,
    patience: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `pulumi` without a terminal, for at most `patience` seconds, and capture what it prints."""
    return subprocess.run(
        [pulumi, *arguments, "--non-interactive", "--color", "never"],
        cwd=directory,
        env=child_environment(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=patience,
        check=False,
    )
