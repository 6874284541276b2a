"""The virtual environments in the checkout: `.venv` from the lock file, `.venv-newest` with the newest Pulumi SDK."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolchain import cache
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from toolchain.progress import Progress

STAMP = "enos-ota-stamp"
"""The file that says what an environment was made from. Written last: an environment without it is not complete."""

PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an environment is made from."""

    folder: Path
    """Where it is."""

    inputs: tuple[Path, ...]
    """Files that, once changed, mean that it must be made again."""

    installs: tuple[tuple[str, ...], ...]
    """The `pip install` command lines, in order."""


def locked(checkout: Path) -> Recipe:
    """The environment for work and CI: what the lock file says, and the package itself, editable."""
    lock, project = checkout / "requirements.lock", checkout / "pyproject.toml"
    return Recipe(
        checkout / ".venv",
        (lock, project),
        (
            ("--require-hashes", "-r", str(lock)),
            # The lock has the build backend; isolation would fetch another one, unpinned.
            ("--no-deps", "--no-build-isolation", "-e", str(checkout)),
        ),
    )


def newest(checkout: Path) -> Recipe:
    """The environment that shows early what the next Pulumi SDK changes: nothing is pinned."""
    requirements, project = checkout / "requirements.txt", checkout / "pyproject.toml"
    return Recipe(
        checkout / ".venv-newest",
        (requirements, project),
        (
            ("--upgrade", "-r", str(requirements), "hatchling", "editables"),
            ("--no-deps", "--no-build-isolation", "-e", str(checkout)),
        ),
    )


def stamp(recipe: Recipe, python: str) -> str:
    """What the stamp file of a complete environment says. `python` is the version that made it."""
    total = hashlib.sha256(f"{python}\n{recipe.installs}\n".encode())
    for file in recipe.inputs:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def is_current(recipe: Recipe, python: str) -> bool:
    """Whether the environment is there, complete, and made from what the files say now by that Python."""
    try:
        written = (recipe.folder / STAMP).read_text(encoding="utf-8")
    except OSError:
        return False
    return written.strip() == stamp(recipe, python) and os.access(recipe.folder / "bin" / "python", os.X_OK)


def ensure(recipe: Recipe, environ: Mapping[str, str], progress: Progress) -> Path:
    """Make the environment, or bring it up to date, unless it is; gives the path of its `python`.

    Interrupted half-way, the next run completes it. Two runs at once: one waits for the other.

    Raises:
        ToolchainError: Python cannot make virtual environments, or pip failed.
    """
    python = recipe.folder / "bin" / "python"
    version = ".".join(map(str, sys.version_info[:3]))
    if is_current(recipe, version):
        return python
    name = hashlib.sha256(str(recipe.folder).encode()).hexdigest()[:12]
    with cache.exclusive(
        cache.root(environ) / "locks" / f"{name}.lock",
        lambda: progress.say(f"Another process is making {recipe.folder.name}; waiting for it ..."),
    ):
        if is_current(recipe, version):
            return python
        (recipe.folder / STAMP).unlink(missing_ok=True)
        if not _usable(python, version):
            _create(recipe.folder, environ, progress)
        for install in recipe.installs:
            what = "the package itself" if "-e" in install else "dependencies"
            progress.run(f"Installing {what} into {recipe.folder.name}", pip(python, install), environ=environ)
        (recipe.folder / STAMP).write_text(stamp(recipe, version) + "\n", encoding="utf-8")
    return python


def pip(python: Path, install: Sequence[str]) -> list[str]:
    """The command line of a `pip install`."""
    return [str(python), *PIP, "install", *install]


def _create(folder: Path, environ: Mapping[str, str], progress: Progress) -> None:
    try:
        # Not the environment that may be active in this shell: the new one would depend on it.
        base = getattr(sys, "_base_executable", sys.executable)
        progress.run(f"Creating {folder.name}", [base, "-m", "venv", "--clear", str(folder)], environ=environ)
    except ToolchainError as error:
        raise ToolchainError(
            f"{error}\nPython's venv module does not work here. On Debian and Ubuntu: apt install python3-venv."
        ) from error


def _usable(python: Path, version: str) -> bool:
    asked = "import platform, pip; print(platform.python_version())"
    try:
        done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version
