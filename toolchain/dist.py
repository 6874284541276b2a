"""Builds what is released, and uploads it to PyPI: only what was tested, only for the tag of its version."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError
from toolchain.removal import remove

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolchain.progress import Progress

DIGESTS = "DIST_DIGESTS"
"""The variable with what was tested: `NAME=SHA256 NAME=SHA256`, as `describe` gives it."""

TAG = "GITHUB_REF_NAME"


def build(checkout: Path, python: Path, environ: Mapping[str, str], progress: Progress) -> list[Path]:
    """Make sdist and wheel anew in `checkout`/dist, and check them; gives them in the order of their names.

    Built twice from one commit they are the same, byte for byte: hatchling writes no times.

    Raises:
        ToolchainError: they cannot be built, or PyPI would not render their description.
    """
    target = checkout / "dist"
    remove(target)
    command = [str(python), "-m", "build", "--no-isolation", "--outdir", str(target), str(checkout)]
    progress.run("Building sdist and wheel", command, cwd=checkout, environ=environ)
    files = built(checkout)
    check = [str(python), "-m", "twine", "check", "--strict", *map(str, files)]
    progress.run("Checking them with twine", check, cwd=checkout, environ=environ)
    return files


def built(checkout: Path) -> list[Path]:
    """What is in `checkout`/dist."""
    return sorted(file for file in (checkout / "dist").glob("*") if file.suffix in {".whl", ".gz"})


def describe(files: list[Path]) -> str:
    """Names and digests in one line: `NAME=SHA256 NAME=SHA256`."""
    return " ".join(f"{file.name}={hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files)


def announce(digests: str, environ: Mapping[str, str]) -> None:
    """Hand the digests to later jobs of a GitHub workflow, as the output `digests` of this step; elsewhere nothing."""
    if target := environ.get("GITHUB_OUTPUT"):
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(f"digests={digests}\n")


def objection(files: list[Path], version: str, environ: Mapping[str, str]) -> str | None:
    """Why these files must not be published, in one sentence; None: they may."""
    tag, expected = environ.get(TAG), environ.get(DIGESTS)
    if not files:
        return "dist is empty: `make dist` fills it"
    if tag != f"v{version}":
        return f"the version is {version}, but {TAG} is {tag or 'not set'}; it must be v{version}"
    if not expected:
        return f"{DIGESTS} does not say what was tested: it is what `make dist` printed where the tests ran"
    if expected != describe(files):
        return f"what was built is not what was tested: built {describe(files)}, tested {expected}"
    return None


def version(checkout: Path) -> str:
    """The version of the package, from its source.

    Raises:
        ToolchainError: it is not where it was.
    """
    found = re.search(r'^__version__ = "(.+)"$', (checkout / "enos_ota/__init__.py").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise ToolchainError("enos_ota/__init__.py has no __version__")
    return found[1]


def publish(checkout: Path, python: Path, environ: Mapping[str, str], progress: Progress) -> None:
    """Upload what is in `checkout`/dist to PyPI. twine gets its token from the CI system's identity, by itself.

    Raises:
        ToolchainError: it must not be published, and why; or PyPI refused it.
    """
    files = built(checkout)
    if reason := objection(files, version(checkout), environ):
        raise ToolchainError(f"Nothing was uploaded: {reason}.")
    upload = [str(python), "-m", "twine", "upload", "--non-interactive", *map(str, files)]
    progress.run("Uploading to PyPI", upload, cwd=checkout, environ=environ)
