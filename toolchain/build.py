"""The third way to an engine: Pulumi's CLI built from the Go module proxy, with the stand-in host beside it."""

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
MODULE = (HERE / "go.mod", HERE / "go.sum")
LAUNCHERS = ("pulumi-language-python", "pulumi-resource-pulumi-python")
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def version(go_mod: str) -> str:
    """The version of Pulumi that go.mod pins, as `3.259.0`."""
    found = re.search(r"^\s*(?:require )?github\.com/pulumi/pulumi/pkg/v3 v(\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ToolchainError("toolchain/go.mod does not require github.com/pulumi/pulumi/pkg/v3")
    return found[1]


def pinned() -> str:
    """The version of Pulumi that this checkout builds."""
    return version(MODULE[0].read_text(encoding="utf-8"))


def cached(environ: Mapping[str, str]) -> Path:
    """Where this checkout's engine is, once built. Another pin or another stand-in host means another directory."""
    host = [file for file in sorted((HERE / "host").iterdir()) if file.is_file()]
    return cache.root(environ) / "engine" / f"{pinned()}-{cache.digest([*MODULE, *host])}"


def build(environ: Mapping[str, str], python: Path, progress: Progress) -> Path:
    """Build what is not in the cache yet; gives the engine's directory.

    `python` has pip, in case Go must be installed.

    Raises:
        ToolchainError: Go cannot be had, a module cannot be downloaded, or the build failed.
    """

    def make(folder: Path) -> None:
        place_host(folder)
        cache.place(_cli(environ, python, progress), folder / "bin" / "pulumi")

    return cache.make_once(
        cached(environ), make, lambda: progress.say("Another process is building the engine; waiting for it ...")
    )


def _cli(environ: Mapping[str, str], python: Path, progress: Progress) -> Path:
    """The CLI alone, kept apart: a change of the stand-in host does not build it anew."""

    def make(folder: Path) -> None:
        go = golang.choose(environ, python, progress)
        module = folder / "module"
        module.mkdir()
        for file in MODULE:
            shutil.copy(file, module)
        progress.run(
            f"Building pulumi {pinned()} from the Go module proxy (once; about 4 minutes on 2 cores)",
            [
                go,
                "build",
                "-mod=readonly",
                "-ldflags",
                f"-s -w -X {VERSION_VARIABLE}=v{pinned()}",
                "-o",
                str(folder / "pulumi"),
                PACKAGE,
            ],
            cwd=module,
            environ=environ,
        )
        shutil.rmtree(module)

    name = f"{pinned()}-{cache.digest(MODULE)}"
    folder = cache.make_once(
        cache.root(environ) / "pulumi" / name,
        make,
        lambda: progress.say("Another process is building pulumi; waiting for it ..."),
    )
    return folder / "pulumi"


def place_host(folder: Path) -> None:
    """Put the launchers into `folder`/bin, beside the CLI, where it looks for them, and what they start into lib."""
    (folder / "bin").mkdir(parents=True)
    package = folder / "lib" / "toolchain"
    package.mkdir(parents=True)
    shutil.copy(HERE / "__init__.py", package)
    (package / "host").mkdir()
    for file in sorted((HERE / "host").iterdir()):
        if file.name in LAUNCHERS:
            shutil.copy(file, folder / "bin")
        elif file.suffix == ".sh":
            shutil.copy(file, folder / "lib")
        elif file.suffix == ".py":
            shutil.copy(file, package / "host")
    (folder / "lib" / "version").write_text(f"{pinned()}\n", encoding="utf-8")
