"""The device keys that the state has of each set before a change.

pulumi-policy shows a policy the future state only. To allow one more key in a large set, `pulumi stack export` reads
the present state, in the environment of the run itself. It takes no lock and decrypts nothing.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enos_ota_policies.sets import IDENTITY, TYPE, keys_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enos_ota_policies.rules import Recorded

PATIENCE = 60.0
"""Time limit of the export, in seconds."""


def read(environ: Mapping[str, str]) -> Recorded | None:
    """Read the state of the stack of this run; None if it cannot be read.

    The language host names the stack in the environment, but not the project's folder. The export runs in the folder of
    the shell if it has a Pulumi.yaml, because the backend may be named in that file or relative to it.
    """
    names = [environ.get(f"PULUMI_{part}", "") for part in ("ORGANIZATION", "PROJECT", "STACK")]
    shell = environ.get("PWD", "")
    if not all(names):
        return None
    try:
        exported = subprocess.run(
            ["pulumi", "--non-interactive", "stack", "export", "--stack", "/".join(names)],  # noqa: S607 - that of the run
            cwd=shell if shell and (Path(shell) / "Pulumi.yaml").is_file() else None,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        return parse(json.loads(exported.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def parse(state: Mapping[str, Any]) -> Recorded:
    """Return the device keys that an exported state has of each set."""
    resources = (state.get("deployment") or {}).get("resources") or ()
    sets = ((each["urn"], each.get("inputs") or {}) for each in resources if each.get("type") == TYPE)
    return {
        (urn, tuple(inputs.get(name) for name in IDENTITY)): keys_of(inputs.get("deviceKeys")) for urn, inputs in sets
    }
