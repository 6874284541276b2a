"""The Pulumi engine and the state of the stack; only previews and ups need them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enos_ota.engine import pulumi_cli
from enos_ota.engine.preview_run import PulumiFailed, unreadable
from enos_ota.operations.doctor.findings import Finding, FindingState

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST: Final = (3, 250, 0)
"""The oldest engine that this project is tested with."""

_HOST: Final = "pulumi-language-python"
_PATIENCE: Final = 30.0
"""Seconds for each call of `pulumi`."""
_NEEDED_FOR: Final = "`pulumi preview`, `pulumi up` and `enos-ota review` need one; everything else works without."


def check_engine(environ: Mapping[str, str]) -> Finding:
    """Check the `pulumi` on the PATH, its version, and its host for Python programs."""
    path = environ.get("PATH", os.defpath)
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None:
        return _warning("there is no pulumi on the PATH", f"Install it: {_NEEDED_FOR}")
    version = _version(pulumi, environ)
    if version is None:
        return _warning(f"{pulumi} prints no version", f"Check that it is Pulumi: {_NEEDED_FOR}")
    name = f"{pulumi} is {'.'.join(map(str, version))}"
    if version < OLDEST:
        return _warning(name, f"Update it to {'.'.join(map(str, OLDEST))} or newer.")
    beside = os.pathsep.join([str(Path(pulumi).resolve().parent), str(Path(pulumi).parent), path])
    if shutil.which(_HOST, path=beside) is None:
        return _warning(f"{name}, without {_HOST} beside it", f"Install Pulumi completely: {_NEEDED_FOR}")
    return Finding("pulumi", FindingState.OK, name)


def check_state(root: Path, stack: str, file: Path, environ: Mapping[str, str]) -> Finding:
    """Check that Pulumi can read the state of the stack, whose stack file is valid."""
    try:
        why = unreadable(root, stack, file, environ, _PATIENCE)
    except PulumiFailed as error:
        why = error.lines
    if not why:
        return Finding("state", FindingState.OK, f"Pulumi can read the state of stack {stack}")
    *lines, advice = why if len(why) > 1 else (*why, "`pulumi preview` and `enos-ota review` need it.")
    return Finding("state", FindingState.WARNING, lines[0], tuple(lines[1:]), advice)


def _warning(text: str, advice: str) -> Finding:
    return Finding("pulumi", FindingState.WARNING, text, advice=advice)


def _version(pulumi: str, environ: Mapping[str, str]) -> tuple[int, int, int] | None:
    try:
        done = pulumi_cli.run(pulumi, "version", environ=environ, patience=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)", done.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found and done.returncode == 0 else None
