"""The git checkout that somebody works in: which commit it is at."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIRTY: Final = "-dirty"
"""What follows the commit where files that git knows differ from it."""

_PATIENCE: Final = 2.0
"""Seconds that git gets: an act by hand is urgent, and its commit is not worth waiting for."""

# No tag is a candidate, so that it is the commit in full. No file system monitor is started for it.
_DESCRIBE: Final = (
    "-c",
    "core.fsmonitor=false",
    "describe",
    "--always",
    "--abbrev=64",
    "--exclude=*",
    f"--dirty={DIRTY}",
)


def head_of(directory: Path, environ: Mapping[str, str]) -> str:
    """The commit in full, and `DIRTY` where it applies; files that git does not know make no difference.

    Empty where there is no git, no checkout or no commit, or where git takes too long.
    """
    git = shutil.which("git", path=environ.get("PATH", os.defpath))
    if git is None:
        return ""
    try:
        done = subprocess.run(
            [git, "-C", str(directory), *_DESCRIBE],
            env={**environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
