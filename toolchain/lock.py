"""Writes requirements.lock: `make lock`. The only thing here that needs uv, which gets an environment of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from toolchain import cache, venv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from toolchain.progress import Progress

HEADER = "# What CI installs: every version pinned, with hashes, for all platforms. Made by `make lock`.\n"

UV = "uv==0.13.9"


def write(checkout: Path, environ: Mapping[str, str], progress: Progress) -> None:
    """Resolve pyproject.toml (with the simulator and what tests need) and write the lock file.

    Versions in it are kept where they still fit; delete the file first to have everything newest.

    Raises:
        ToolchainError: uv cannot be installed, or the requirements cannot be met together.
    """
    uv = _uv(environ, progress)
    target = checkout / "requirements.lock"
    command = [str(uv), "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes", "--extra", "simulator"]
    command += [
        "--system-certs",
        "--group",
        "dev",
        "--no-header",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--quiet",
    ]
    command += ["--python-version", "3.10", "--output-file", target.name]
    progress.run("Resolving requirements", command, cwd=checkout, environ=environ)
    text = target.read_text(encoding="utf-8")
    target.write_text(HEADER + text, encoding="utf-8")


def _uv(environ: Mapping[str, str], progress: Progress) -> Path:
    def make(folder: Path) -> None:
        base = getattr(sys, "_base_executable", sys.executable)
        progress.run("Creating an environment for uv", [base, "-m", "venv", str(folder)], environ=environ)
        progress.run("Installing uv", venv.pip(folder / "bin" / "python", [UV]), environ=environ)

    final = cache.root(environ) / "uv" / UV
    cache.make_once(final, make, lambda: progress.say("Another process is installing uv; waiting for it ..."))
    return final / "bin" / "uv"
