"""What the state has of each set before a change.

pulumi-policy shows a policy what will be, never what was. So that a large set may have one more key, the state is asked
for with `pulumi stack export`, in the environment of the run itself. That only reads: it takes no lock and decrypts
nothing.
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
"""Seconds that the export may take."""


def read(environ: Mapping[str, str]) -> Recorded | None:
    """Read the state of the stack that is worked on; None: it cannot be read.

    Which stack that is the language host says in the environment. Where the project is it does not say; it is looked
    for where the shell was, as the backend may be named in Pulumi.yaml or relative to it.
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
    """The device keys that an exported state has of each set."""
    resources = (state.get("deployment") or {}).get("resources") or ()
    sets = ((each["urn"], each.get("inputs") or {}) for each in resources if each.get("type") == TYPE)
    return {
        (urn, tuple(inputs.get(name) for name in IDENTITY)): keys_of(inputs.get("deviceKeys")) for urn, inputs in sets
    }
