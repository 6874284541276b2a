"""The virtual environments in the checkout.

`.venv` is made from the lock file, `.venv-newest` has the newest Pulumi SDK, `.venv-lowest` the lowest versions that
pyproject.toml allows.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shlex
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

TEST_TOOLS = (
    "pytest",
    "pytest-timeout",
    "hypothesis",
    "jsonschema",
    "trustme",
    "ruamel-yaml",
    "hatchling",
    "editables",
)
"""What the lowest versions are tested with; their own versions are those of the lock file."""

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


def lowest(checkout: Path) -> Recipe:
    """The environment that shows whether the lower bounds in pyproject.toml are true."""
    project, lock = checkout / "pyproject.toml", checkout / "requirements.lock"
    tools = (_pins(name, lock.read_text(encoding="utf-8")) for name in TEST_TOOLS)
    return Recipe(
        checkout / ".venv-lowest",
        (project,),
        (
            (*lower_bounds(project.read_text(encoding="utf-8")), *itertools.chain.from_iterable(tools)),
            ("--no-deps", "--no-build-isolation", "-e", str(checkout)),
        ),
    )


def lower_bounds(pyproject: str) -> tuple[str, ...]:
    """Pins, as `click==8.4`, at the lower bound of each run-time dependency, those of the simulator included."""
    lists = re.findall(r"^(?:dependencies|simulator) = \[\n(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    return tuple(f"{name}=={bound}" for name, bound in re.findall(r'"([\w.-]+)>=([\d.]+)', "".join(lists)))


def _pins(name: str, lock: str) -> list[str]:
    """The pins of a package in the lock file: more than one, with markers, where Pythons need different versions."""
    return re.findall(rf"^({re.escape(name)}==.*?) \\$", lock, re.MULTILINE)


def stamp(recipe: Recipe, python: str) -> str:
    """What the stamp file of a complete environment says, a line each thing it was made from.

    `python` is the version that made it, without the patch: its patches are interchangeable.
    """
    made_from = {"python3": python, "place": _digest(str(recipe.folder).encode())}
    made_from |= {"installs": _digest(repr(recipe.installs).encode())}
    made_from |= {file.name: _digest(file.read_bytes()) for file in recipe.inputs}
    return "".join(f"{name} {value}\n" for name, value in made_from.items())


def stale(recipe: Recipe, python: str) -> str | None:
    """Why the environment has to be made, in a few words; None: it is complete, and made from what there is now.

    "" is for one that is not there at all.
    """
    if not recipe.folder.exists():
        return ""
    try:
        written = (recipe.folder / STAMP).read_text(encoding="utf-8")
    except OSError:
        return f"{recipe.folder.name} is not complete"
    if not os.access(recipe.folder / "bin" / "python", os.X_OK):
        return f"the python of {recipe.folder.name} is gone"
    was, now = _parts(written), _parts(stamp(recipe, python))
    if was.keys() != now.keys():
        return f"{recipe.folder.name} is of an earlier version of enos-ota"
    return _difference(was, now)


def _difference(was: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    if was["python3"] != now["python3"]:
        return f"python3 is now {now['python3']}, was {was['python3']}"
    if was["place"] != now["place"]:
        return "the checkout was moved"
    if was["installs"] != now["installs"]:
        return "what is installed has changed"
    changed = [name for name in now if was[name] != now[name]]
    return f"{' and '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed" if changed else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _parts(stamped: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(" ") for line in stamped.splitlines())}


def ensure(recipe: Recipe, environ: Mapping[str, str], progress: Progress) -> Path:
    """Make the environment, or bring it up to date, unless it is; gives the path of its `python`.

    Interrupted half-way, the next run completes it. Two runs at once: one waits for the other.

    Raises:
        ToolchainError: Python cannot make virtual environments, pip failed, or the folder is a link: making it would
            empty what it leads to.
    """
    python = recipe.folder / "bin" / "python"
    version = ".".join(map(str, sys.version_info[:2]))
    if stale(recipe, version) is None:
        return python
    name = hashlib.sha256(str(recipe.folder).encode()).hexdigest()[:12]
    with cache.exclusive(
        cache.root(environ) / "locks" / f"{name}.lock",
        lambda: progress.say(f"Another process is making {recipe.folder.name}; waiting for it ..."),
    ):
        if (why := stale(recipe, version)) is None:
            return python
        _refuse_what_is_not_ours(recipe.folder)
        if why:
            progress.say(f"Making {recipe.folder.name} anew: {why}.")
        (recipe.folder / STAMP).unlink(missing_ok=True)
        if not _usable(python, version) or not _in_place(recipe.folder):
            _create(recipe.folder, environ, progress)
        for install in recipe.installs:
            what = "the package itself" if "-e" in install else "dependencies"
            progress.run(f"Installing {what} into {recipe.folder.name}", pip(python, install), environ=environ)
        (recipe.folder / STAMP).write_text(stamp(recipe, version), encoding="utf-8")
    return python


def pip(python: Path, install: Sequence[str]) -> list[str]:
    """The command line of a `pip install`."""
    return [str(python), *PIP, "install", *install]


def _refuse_what_is_not_ours(folder: Path) -> None:
    if folder.is_symlink():
        raise ToolchainError(
            f"{folder} is a link to {folder.readlink()}, where making an environment would delete what is there. "
            f"Nothing was changed. Remove the link (rm {shlex.quote(str(folder))}) and run the same command again."
        )
    if folder.exists() and not folder.is_dir():
        raise ToolchainError(f"{folder} is not a directory. Remove it and run the same command again.")


def _create(folder: Path, environ: Mapping[str, str], progress: Progress) -> None:
    try:
        # Not the environment that may be active in this shell: the new one would depend on it.
        base = getattr(sys, "_base_executable", sys.executable)
        progress.run(f"Creating {folder.name}", [base, "-m", "venv", "--clear", str(folder)], environ=environ)
    except ToolchainError as error:
        raise ToolchainError(
            f"{error}\nIf Python's venv module is missing, on Debian and Ubuntu: apt install python3-venv."
        ) from error


def _usable(python: Path, version: str) -> bool:
    asked = "import sys, pip; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def _in_place(folder: Path) -> bool:
    """Whether it was made where it is: its programs name the Python they run under by its full path."""
    try:
        first = (folder / "bin" / "pip").read_bytes()[:4096]
    except OSError:
        return False
    return os.fsencode(folder / "bin" / "python") in first
