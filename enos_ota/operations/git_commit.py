"""The git checkout that somebody works in: which commit it is at."""

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
"""What follows the commit where files that git knows differ from it."""

_PATIENCE: Final = 2.0
"""Seconds that git gets: an act by hand is urgent, and its commit is not worth waiting for."""

# No tag is a candidate, so that it is the commit in full. Nothing that the repository's own settings name is started.
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
    "GIT_NO_LAZY_FETCH": "1",  # of a partial clone nothing is fetched
    "LC_ALL": "C",  # what git says about ownership is looked for
}

_ADVICE: Final = re.compile(r"--add safe\.directory (\S.*)$", re.MULTILINE)
"""How git ends its refusal of a repository that another user owns: with the directory, quoted for a shell."""


def head_of(
    directory: Path, environ: Mapping[str, str], warn: Callable[[str], None], *, patience: float = _PATIENCE
) -> str:
    """The commit in full, and `DIRTY` where it applies; files that git does not know make no difference.

    Empty where there is no git, no checkout or no commit. Empty, with a warning that says what to do, where git refuses
    the checkout because of its owner, or takes longer than `patience` seconds.
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
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        warn(f"warning: the commit is unknown: git did not answer within {patience:g} s. Name it in {COMMIT}.")
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
