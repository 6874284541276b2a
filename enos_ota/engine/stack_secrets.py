"""Secrets of a stack, decrypted by `pulumi config get`."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from enos_ota.devicekeys.visible import shown
from enos_ota.engine import pulumi_cli
from enos_ota.settings.project import UnreadableSecret, read_stack_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enos_ota.settings.project import StackConfig

_PATIENCE: Final = 60.0
"""Seconds for one secret: a remote state may take some, one that never answers must not block the command."""


def read_stack(directory: Path, named: str | None, environ: Mapping[str, str], *, needed: bool = False) -> StackConfig:
    """Read a stack's configuration, see `enos_ota.settings.project.read_stack_config`; `pulumi` decrypts secrets."""
    return read_stack_config(directory, named, environ, read_secret, needed=needed)


def read_secret(root: Path, stack: str, key: str, environ: Mapping[str, str]) -> str:
    """Decrypt a full configuration key, such as `enos:appSecret`; raise `UnreadableSecret` if `pulumi` does not."""
    pulumi = shutil.which("pulumi", path=environ.get("PATH", os.defpath))
    if pulumi is None:
        raise UnreadableSecret("there is no pulumi on the PATH")
    words = ("config", "get", key, "--stack", stack)
    try:
        done = pulumi_cli.run(pulumi, *words, environ=environ, directory=root, patience=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise UnreadableSecret(f"pulumi did not answer within {_PATIENCE:g} s") from None
    except OSError as error:
        raise UnreadableSecret(f"pulumi cannot be started: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout.rstrip("\n")
    reason = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
    raise UnreadableSecret(f"pulumi says: {shown(reason.strip(), 200)}")
