"""The device keys that an operator gives to a command: in a key file, or on stdin."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from enos_ota.devicekeys import files
from enos_ota.devicekeys import reader as keyfiles

if TYPE_CHECKING:
    from collections.abc import Callable


def read_keys(named: str, notify: Callable[[str], None]) -> frozenset[str]:
    """Return the keys of a file, or of stdin (`-`), which is read like a .txt file; warn about unusual keys."""
    if named != "-":
        return _keys(Path(named), named, notify)
    with tempfile.TemporaryDirectory(prefix="enos-ota-") as folder:
        file = Path(folder) / "stdin.txt"
        file.write_bytes(sys.stdin.buffer.read(files.MAX_BYTES + 1))
        return _keys(file, "standard input", notify)


def _keys(path: Path, name: str, notify: Callable[[str], None]) -> frozenset[str]:
    file = keyfiles.load(path, name=name)
    if warning := file.warning():
        notify(f"warning: {name}: {warning.text}")
    return frozenset(file.keys)
