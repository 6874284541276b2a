"""Whether there is a Pulumi engine that can run the program, and read its state; only previews and ups need one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enos_ota.engine import pulumi_cli as pulumicall
from enos_ota.engine.preview_run import PulumiFailed, unreadable
from enos_ota.operations.doctor.findings import Finding, State

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST: Final = (3, 250, 0)
"""The oldest engine that this project is tested with."""

_HOST: Final = "pulumi-language-python"
_PATIENCE: Final = 30.0  # seconds for each call of pulumi
_WITHOUT: Final = "`pulumi preview`, `pulumi up` and `enos-ota review` need one; everything else works without."


def check_engine(environ: Mapping[str, str]) -> Finding:
    """The `pulumi` on the PATH, its version, and its host for Python programs."""
    path = environ.get("PATH", os.defpath)
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None:
        return Finding("pulumi", State.WARNING, "there is no pulumi on the PATH", advice=f"Install it: {_WITHOUT}")
    version = _version(pulumi, environ)
    if version is None:
        return Finding("pulumi", State.WARNING, f"{pulumi} does not say its version", advice=f"Is it one? {_WITHOUT}")
    said = ".".join(map(str, version))
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Finding("pulumi", State.WARNING, f"{pulumi} is {said}", advice=f"Update it to {oldest} or newer.")
    beside = os.pathsep.join([str(Path(pulumi).resolve().parent), str(Path(pulumi).parent), path])
    if shutil.which(_HOST, path=beside) is None:
        text = f"{pulumi} is {said}, without {_HOST} beside it"
        return Finding("pulumi", State.WARNING, text, advice=f"Install Pulumi as a whole: {_WITHOUT}")
    return Finding("pulumi", State.OK, f"{pulumi} is {said}")


def check_state(root: Path, stack: str, file: Path, environ: Mapping[str, str]) -> Finding:
    """Whether Pulumi can read what is recorded of a stack; a new one has nothing recorded yet.

    Args:
        root: the project's directory.
        stack: the stack.
        file: its file, which can be read.
        environ: the environment.
    """
    try:
        why = unreadable(root, stack, file, environ, _PATIENCE)
    except PulumiFailed as error:
        why = error.lines
    if not why:
        return Finding("state", State.OK, f"Pulumi can read the state of stack {stack}")
    *said, advice = why if len(why) > 1 else (*why, "`pulumi preview` and `enos-ota review` need it.")
    return Finding("state", State.WARNING, said[0], tuple(said[1:]), advice)


def _version(pulumi: str, environ: Mapping[str, str]) -> tuple[int, int, int] | None:
    try:
        done = pulumicall.run(pulumi, "version", environ=environ, patience=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)", done.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found and done.returncode == 0 else None
