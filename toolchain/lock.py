"""Writes the lock files: `make lock`. The only thing here that needs uv, which gets an environment of its own."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from toolchain import cache, venv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from toolchain.progress import Progress

HEADER = "# What CI installs: every version pinned, with hashes, for all platforms. Made by `make lock`.\n"

EXAMPLES = "examples/*/requirements.txt"
"""Beside each there is a lock file, too."""

HEADER_OF_EXAMPLES = """\
# What enos-ota needs, and what builds it: every version pinned, with hashes. enos-ota itself is in requirements.txt,
# because pip takes no hash for a commit. Made by `make lock` in the repository of enos-ota.
"""

UV = "uv==0.13.9"


def write(checkout: Path, environ: Mapping[str, str], progress: Progress) -> None:
    """Resolve pyproject.toml and write requirements.lock, then those of the examples, with the same versions.

    Versions in requirements.lock are kept where they still fit; delete the file first to have everything newest.

    Raises:
        ToolchainError: uv cannot be installed, or the requirements cannot be met together.
    """
    uv = _uv(environ, progress)
    compiler = [str(uv), "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.10"]
    compiler += ["--generate-hashes", "--system-certs", "--quiet"]
    compiler += ["--no-header", "--no-emit-index-url", "--no-emit-find-links"]

    def resolve(lock: Path, header: str, *options: str) -> None:
        command = [*compiler, *options, "--output-file", str(lock.relative_to(checkout))]
        progress.run(f"Resolving {lock.relative_to(checkout)}", command, cwd=checkout, environ=environ)
        lock.write_text(header + lock.read_text(encoding="utf-8"), encoding="utf-8")

    resolve(checkout / "requirements.lock", HEADER, "--extra", "simulator", "--group", "dev")
    first, *others = (file.with_suffix(".lock") for file in sorted(checkout.glob(EXAMPLES)))
    resolve(first, HEADER_OF_EXAMPLES, "--group", "build", "--no-annotate", "--constraint", "requirements.lock")
    for each in others:
        shutil.copyfile(first, each)


def _uv(environ: Mapping[str, str], progress: Progress) -> Path:
    def make(folder: Path) -> None:
        base = getattr(sys, "_base_executable", sys.executable)
        progress.run("Creating an environment for uv", [base, "-m", "venv", str(folder)], environ=environ)
        progress.run("Installing uv", venv.pip(folder / "bin" / "python", [UV]), environ=environ)

    final = cache.root(environ) / "uv" / UV
    cache.make_once(final, make, lambda: progress.say("Another process is installing uv; waiting for it ..."))
    return final / "bin" / "uv"
