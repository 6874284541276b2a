"""The commit of the git checkout in which a command runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from enos_ota.audit import COMMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DIRTY: Final = "-dirty"
"""Suffix of the commit if tracked files differ from it."""

_TIMEOUT: Final = 2.0
"""Seconds to wait for git: a cancel is urgent, and must not wait for the commit."""

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
    f"--dirty={DIRTY}",
)

_QUIETLY: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone must not fetch
    "LC_ALL": "C",  # the text about ownership is parsed below
}

_ADVICE: Final = re.compile(r"--add safe\.directory (\S.*)$", re.MULTILINE)
"""The end of git's refusal of a repository of another user: the directory, quoted for a shell."""


def head_of(
    directory: Path, environ: Mapping[str, str], warn: Callable[[str], None], *, timeout: float = _TIMEOUT
) -> str:
    """Return the full commit, followed by `DIRTY` if tracked files differ from it.

    Empty if there is no git, no checkout or no commit. Empty, with a warning that says what to do, if git refuses the
    checkout because of its owner, or takes longer than `timeout` seconds.
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
    if done.returncode == 0:
        return done.stdout.strip()
    if "safe.directory" in done.stderr:
        advice = _ADVICE.search(done.stderr)
        owned = advice[1] if advice else shlex.quote(str(directory))
        warn(
            "warning: the commit is unknown: Git refuses a repository that belongs to another user. "
            f"Run `git config --global --add safe.directory {owned}`, or name the commit in {COMMIT}."
        )
    return ""
