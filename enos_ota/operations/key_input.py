"""The device keys that an operator names: a key file, or what comes in on stdin."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from enos_ota.cli.output import say_aside
from enos_ota.devicekeys import reader as keyfiles

STDIN: Final = "-"


def read(named: str) -> frozenset[str]:
    """The keys of a file, or of stdin, one a line as in a .txt file. Tells which look like no device keys.

    Raises:
        KeyFileError: They cannot be used.
    """
    if named != STDIN:
        return _keys(Path(named), named)
    with tempfile.TemporaryDirectory(prefix="enos-ota-") as folder:
        file = Path(folder) / "stdin.txt"
        file.write_bytes(sys.stdin.buffer.read(keyfiles.MAX_BYTES + 1))
        return _keys(file, "standard input")


def _keys(path: Path, name: str) -> frozenset[str]:
    file = keyfiles.load(path, name=name)
    if warning := file.warning():
        say_aside(f"warning: {name}: {warning.text}")
    return frozenset(file.keys)
