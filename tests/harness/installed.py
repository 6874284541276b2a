"""A virtual environment that holds nothing but the built package and what its metadata asks for.

What third parties make is not fetched: it is linked from the environment the tests run in, file by file, and only what
the package's own requirements lead to. So a requirement that is not declared is missed, as it would be elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment with the package in it."""

    folder: Path

    def run(self, command: str, *args: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, with nothing of the caller's environment in it."""
        done = subprocess.run(
            [self.folder / "bin" / command, *args],
            cwd=cwd,
            env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{command} {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def python(self, program: str, *, cwd: Path) -> str:
        """What a program prints."""
        return self.run("python", "-c", program, cwd=cwd).stdout


def environment(folder: Path, *requirements: str) -> Installation:
    """A new environment in `folder` with pip and what is required, as far as markers apply, and nothing beside it."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    for each in map(Requirement, ("pip", *requirements)):
        if each.marker is None or each.marker.evaluate():
            _link(distribution(each.name), site)
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec {folder}/bin/python -m pip "$@"\n', encoding="utf-8")
    pip.chmod(0o755)
    return Installation(folder)


def install(wheel: Path, folder: Path, *extras: str) -> Installation:
    """Install a wheel, with these extras, into a new environment in `folder`."""
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True, capture_output=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (own,) = (Distribution.at(path) for path in site.glob("*.dist-info"))
    # pip is in every new environment, and the official language host asks it what is installed.
    for each in (*_needed(own.requires or (), set(extras)), distribution("pip")):
        _link(each, site)
    return Installation(folder)


def _needed(requires: Iterable[str], extras: set[str]) -> Iterator[Distribution]:
    """The distributions that requirements lead to, each once."""
    seen: set[str] = set()
    open_ends = [(line, extras) for line in requires]
    while open_ends:
        line, wanted = open_ends.pop()
        requirement = Requirement(line)
        applies = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in {"", *wanted}
        )
        name = canonicalize_name(requirement.name)
        if not applies or name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        yield found
        open_ends.extend((each, set(requirement.extras)) for each in found.requires or ())


def _link(found: Distribution, site: Path) -> None:
    for file in found.files or ():
        source, target = Path(str(found.locate_file(file))), site / str(file)
        # Scripts stand outside, and lead to the other environment.
        if ".." in file.parts or not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
