"""The commit of the git checkout in which a command runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from enos_ota.audit import COMMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Without tags, the result is the full commit. Programs that the repository's own settings name are not started.
_DESCRIBE: Final = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    f"core.hooksPath={os.devnull}",
    "describe",
    "--always",
    "--abbrev=64",
    "--exclude=*",
    "--dirty",
)
_QUIETLY: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone must not fetch
}


def head_of(directory: Path, environ: Mapping[str, str], warn: Callable[[str], None], *, timeout: float = 2.0) -> str:
    """Return the full commit, followed by `-dirty` if tracked files differ from it; empty if it is unknown.

    Warn if git refuses the checkout because of its owner, or takes longer than `timeout` seconds: a cancel is urgent.
    """
    git = shutil.which("git", path=environ.get("PATH", os.defpath))
    if git is None:
        return ""
    try:
        done = subprocess.run(
            [git, "-C", str(directory), *_DESCRIBE],
            env={**environ, **_QUIETLY},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        warn(f"warning: the commit is unknown: git did not answer within {timeout:g} s. Name it in {COMMIT}.")
        return ""
    except OSError:
        return ""
    if "safe.directory" in done.stderr:
        warn(f"warning: the commit is unknown. Name it in {COMMIT}, or follow git's advice:\n{done.stderr.strip()}")
    return done.stdout.strip() if done.returncode == 0 else ""
