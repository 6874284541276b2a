"""The third way to an engine: Pulumi's CLI built from the Go module proxy, with the stand-in host beside it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import cache, golang
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolchain.progress import Progress

HERE = Path(__file__).parent
LAUNCHERS = ("pulumi-language-python", "pulumi-resource-pulumi-python")
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


@dataclass(frozen=True, slots=True)
class Pin:
    """A version of the engine, pinned with all its modules by a go.mod and a go.sum."""

    folder: Path

    @property
    def files(self) -> tuple[Path, Path]:
        """go.mod and go.sum."""
        return self.folder / "go.mod", self.folder / "go.sum"

    @property
    def version(self) -> str:
        """The version of Pulumi, as `3.274.1`."""
        return version(self.files[0].read_text(encoding="utf-8"))

    def cached(self, environ: Mapping[str, str]) -> Path:
        """Where the engine is, once built. Another pin or another stand-in host means another directory."""
        host = [file for file in sorted((HERE / "host").iterdir()) if file.is_file()]
        return cache.root(environ) / "engine" / f"{self.version}-{cache.digest([*self.files, *host])}"


CURRENT = Pin(HERE)
"""The engine that this checkout builds where there is no other."""

OLDEST = Pin(HERE / "oldest")
"""The oldest engine that is accepted, for the tests that run on both."""


def version(go_mod: str) -> str:
    """The version of Pulumi that a go.mod pins, as `3.274.1`."""
    found = re.search(r"^\s*(?:require )?github\.com/pulumi/pulumi/pkg/v3 v(\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ToolchainError("go.mod does not require github.com/pulumi/pulumi/pkg/v3")
    return found[1]


def build(environ: Mapping[str, str], python: Path, progress: Progress, pin: Pin = CURRENT) -> Path:
    """Build an engine that is not in the cache yet; return its directory.

    `python` has pip, in case Go must be installed.

    Raises:
        ToolchainError: Go cannot be had, a module cannot be downloaded, or the build failed.
    """

    def make(folder: Path) -> None:
        place_host(folder, pin)
        cache.place(_cli(environ, python, progress, pin), folder / "bin" / "pulumi")

    return cache.make_once(
        pin.cached(environ), make, lambda: progress.say("Another process is building the engine; waiting for it ...")
    )


def _cli(environ: Mapping[str, str], python: Path, progress: Progress, pin: Pin) -> Path:
    """Build the CLI alone, kept apart: a change of the stand-in host does not build it again."""

    def make(folder: Path) -> None:
        go = golang.choose(environ, python, progress, pin.files[0])
        module = folder / "module"
        module.mkdir()
        for file in pin.files:
            shutil.copy(file, module)
        progress.run(
            f"Building pulumi {pin.version} from the Go module proxy (once; about 4 minutes on 2 cores)",
            [
                go,
                "build",
                "-mod=readonly",
                "-ldflags",
                f"-s -w -X {VERSION_VARIABLE}=v{pin.version}",
                "-o",
                str(folder / "pulumi"),
                PACKAGE,
            ],
            cwd=module,
            environ=environ,
        )
        shutil.rmtree(module)

    name = f"{pin.version}-{cache.digest(pin.files)}"
    folder = cache.make_once(
        cache.root(environ) / "pulumi" / name,
        make,
        lambda: progress.say("Another process is building pulumi; waiting for it ..."),
    )
    return folder / "pulumi"


def place_host(folder: Path, pin: Pin = CURRENT) -> None:
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
    (folder / "lib" / "version").write_text(f"{pin.version}\n", encoding="utf-8")
