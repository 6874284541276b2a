"""The browser that the tests of the HTML report drive: Chromium and its driver, from the distribution's packages."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolchain.progress import Progress

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
"""Commands of browsers that `DRIVER` drives, the first that there is counts."""

DRIVER: Final = "chromedriver"

PACKAGES: Final = ("chromium", "chromium-driver")
"""Debian's names."""

PATIENCE: Final = 900.0
"""Seconds for one run of apt-get: it downloads some 100 MB."""


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser and the driver beside it, as paths."""

    command: str
    driver: str


def find(environ: Mapping[str, str]) -> Browser | None:
    """The browser and driver on PATH; None unless both are there."""
    path = environ.get("PATH", os.defpath)
    driver = shutil.which(DRIVER, path=path)
    command = next((found for name in BROWSERS if (found := shutil.which(name, path=path))), None)
    return Browser(command, driver) if command and driver else None


def ensure(environ: Mapping[str, str], progress: Progress, *, root: bool) -> Browser | None:
    """Find a browser, or install one where that is possible; one line says what was done, or why nothing was.

    Args:
        environ: the environment; its PATH is looked at.
        progress: where it is said.
        root: whether this process may install packages.

    Returns:
        The browser; None if there is none. That is no error: whoever needs it says so.
    """
    found = find(environ)
    if found:
        progress.say(f"Browser tests: {found.command} and {found.driver} are there.")
        return found
    apt = shutil.which("apt-get", path=environ.get("PATH", os.defpath))
    wanted = " and ".join(PACKAGES)
    if not apt:
        progress.say(f"Browser tests: no {BROWSERS[0]} and {DRIVER} on PATH, and no apt-get to install them with.")
    elif not root:
        progress.say(
            f"Browser tests: no {BROWSERS[0]} and {DRIVER} on PATH, and only root may install them: "
            f"sudo apt-get install {' '.join(PACKAGES)}"
        )
    else:
        try:
            _install(apt, environ, progress)
        except ToolchainError as error:
            progress.say(f"Browser tests: {wanted} could not be installed. {error}")
            return None
        found = find(environ)
        progress.say(
            f"Browser tests: {wanted} installed." if found else f"Browser tests: {wanted} bring no browser here."
        )
    return found


def _install(apt: str, environ: Mapping[str, str], progress: Progress) -> None:
    quiet = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt-get may be at work; it is waited for.
    command = [apt, "-qq", "-o", "DPkg::Lock::Timeout=300"]
    progress.run("Reading the lists of packages", [*command, "update"], environ=quiet, limit=PATIENCE)
    progress.run(
        f"Installing {' and '.join(PACKAGES)} (once)",
        [*command, "install", "-y", "--no-install-recommends", *PACKAGES],
        environ=quiet,
        limit=PATIENCE,
    )
