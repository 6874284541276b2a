"""Which Pulumi engine is used: the rules, and the three ways in their order."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import build, cache
from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolchain.progress import Progress

OLDEST = (3, 250, 0)
"""The oldest engine that is accepted. Older ones are refused: nothing here was ever tried with them."""

HOST = "pulumi-language-python"
LAUNCHER = "pulumi-resource-pulumi-python"
EXECUTOR = "pulumi-language-python-exec"

HERE = Path(__file__).parent

INSTALL_LIMIT = 180.0
"""Seconds the official installer gets once its host has answered."""

PROBE_LIMIT = 8.0
"""Seconds to find out that the host cannot be reached; a resolver may take its time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be known of a directory that may hold an engine."""

    folder: Path
    """Where `pulumi` really is: links are followed, as the CLI itself does when it looks for its host."""

    version: str | None
    """What it says of itself, as `3.259.0`; None: there is no such program or it says nothing of use."""

    missing: tuple[str, ...]
    """The files that must stand beside it and do not."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that can be used."""

    folder: Path
    """The directory of `pulumi` and what belongs to it; to be put on PATH."""

    version: str
    source: str
    """Where it comes from, for people."""


def look(pulumi: Path) -> Finding:
    """Look at one `pulumi` and what is beside it."""
    folder = pulumi.resolve().parent
    beside = (HOST, LAUNCHER) if (folder.parent / "lib" / "version").is_file() else (HOST, EXECUTOR, LAUNCHER)
    missing = tuple(name for name in ("pulumi", *beside) if not os.access(folder / name, os.X_OK))
    return Finding(folder, None if "pulumi" in missing else _ask_version(folder / "pulumi"), missing)


def refusal(finding: Finding) -> str | None:
    """Why an engine is not to be used, in one sentence; None: it is."""
    if finding.missing:
        return f"{finding.folder} lacks {', '.join(finding.missing)}"
    if finding.version is None:
        return f"{finding.folder / 'pulumi'} does not say its version"
    if _numbers(finding.version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"{finding.folder / 'pulumi'} is {finding.version}; the oldest that works is {oldest}"
    return None


def accept(finding: Finding, source: str) -> Engine:
    """Use an engine.

    Raises:
        ToolchainError: it is not to be used, and why.
    """
    reason = refusal(finding)
    if reason is not None or finding.version is None:
        raise ToolchainError(reason or "no version")
    return Engine(finding.folder, finding.version, source)


def first(ways: Mapping[str, Callable[[], Engine]]) -> Engine:
    """Try the ways in order; gives the engine of the first that leads to one.

    Raises:
        ToolchainError: none did; each with its reason.
    """
    reasons = []
    for name, way in ways.items():
        try:
            return way()
        except ToolchainError as error:
            reasons.append(f"- {name}: {error}")
    raise ToolchainError("There is no Pulumi engine to use.\n" + "\n".join(reasons))


def obtain(environ: Mapping[str, str], python: Path, progress: Progress) -> Engine:
    """Get an engine: one that is there, else the official one, else one that is built.

    `python` is that of the virtual environment. What an earlier run put into the cache is used before the network is.

    Raises:
        ToolchainError: none of the ways leads to one, or PULUMI_OFFICIAL names a directory that is no engine.
    """
    if named := environ.get("PULUMI_OFFICIAL"):
        return _named(named)
    try:
        return _on_path(environ)
    except ToolchainError as error:
        if shutil.which("pulumi", path=users_path(environ)):
            progress.say(f"The pulumi on PATH is not used: {error}.")
    with contextlib.suppress(ToolchainError):
        return first({"installed before": lambda: _installed(environ), "built before": lambda: _built(environ)})

    def install() -> Engine:
        _install(environ, python, progress)
        return _installed(environ)

    def make() -> Engine:
        build.build(environ, python, progress)
        return _built(environ)

    return first(
        {
            "a pulumi on PATH": lambda: _on_path(environ),
            "Pulumi's own installer": install,
            "a build from the Go module proxy": make,
        }
    )


def _named(folder: str) -> Engine:
    try:
        return accept(look(Path(folder) / "pulumi"), "PULUMI_OFFICIAL")
    except ToolchainError as error:
        raise ToolchainError(
            f"PULUMI_OFFICIAL={folder} is refused: {error}. "
            f"It must be the directory of an official Pulumi bundle: pulumi, {HOST}, {EXECUTOR}, {LAUNCHER}."
        ) from error


def _official(environ: Mapping[str, str]) -> Path:
    return cache.root(environ) / "official" / build.CURRENT.version


def _installed(environ: Mapping[str, str]) -> Engine:
    return accept(look(_official(environ) / "bin" / "pulumi"), "the official installer")


def _built(environ: Mapping[str, str]) -> Engine:
    return accept(look(build.CURRENT.cached(environ) / "bin" / "pulumi"), "built from the Go module proxy")


def users_path(environ: Mapping[str, str]) -> str:
    """PATH without engines of ours: in a shell of `make env` an earlier one must not pass for the user's own."""
    ours = cache.root(environ)
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Path(folder).is_relative_to(ours))


def _on_path(environ: Mapping[str, str]) -> Engine:
    command = shutil.which("pulumi", path=users_path(environ))
    if command is None:
        raise ToolchainError("there is none")
    return accept(look(Path(command)), "PATH")


def _install(environ: Mapping[str, str], python: Path, progress: Progress) -> None:
    script = str(HERE / "official.py")
    try:
        progress.run(
            "Looking for Pulumi's installer", [str(python), script, "probe"], environ=environ, limit=PROBE_LIMIT
        )
    except ToolchainError as error:
        raise ToolchainError(f"its host cannot be reached ({str(error).splitlines()[-1].strip(' |')})") from error

    def make(folder: Path) -> None:
        progress.run(
            f"Installing pulumi {build.CURRENT.version} with its own installer",
            [str(python), script, "install", str(folder), build.CURRENT.version],
            environ=environ,
            limit=INSTALL_LIMIT,
        )

    cache.make_once(
        _official(environ), make, lambda: progress.say("Another process is installing pulumi; waiting for it ...")
    )


def _ask_version(pulumi: Path) -> str | None:
    try:
        done = subprocess.run(
            [pulumi, "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.strip().removeprefix("v")
    return said if re.match(r"\d+\.\d+\.\d+", said) else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
