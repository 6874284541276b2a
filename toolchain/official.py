"""The second way to an engine: Pulumi's own installer. A script, run by the virtual environment's Python.

`python official.py probe` tells whether Pulumi's host answers; `python official.py install DIR VERSION` installs.
"""

from __future__ import annotations

import sys
import urllib.request

HOST = "https://get.pulumi.com/"
PATIENCE = 4.0
"""Seconds to wait for the host to answer."""


def probe() -> None:
    """Ask the host for the smallest thing there is.

    Raises:
        OSError: it cannot be resolved or reached.
    """
    request = urllib.request.Request(f"{HOST}install.sh", method="HEAD")  # noqa: S310 - the address is a constant
    with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310 - the same
        pass


def install(folder: str, version: str) -> None:
    """Install the CLI and its language hosts into `folder`/bin."""
    from pulumi.automation import PulumiCommand  # noqa: PLC0415 - `probe` must run before anything is installed
    from semver import VersionInfo  # noqa: PLC0415 - the same

    PulumiCommand.install(root=folder, version=VersionInfo.parse(version))


if __name__ == "__main__":
    try:
        if sys.argv[1] == "probe":
            probe()
        else:
            install(*sys.argv[2:])
    except Exception as error:  # noqa: BLE001 - one line for the person at the keyboard, whatever it was
        sys.exit(f"{type(error).__name__}: {error}")
