"""The device keys that an operator names: a key file, or what comes in on stdin."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from enos_ota import keyfiles

STDIN: Final = "-"


def read(named: str) -> frozenset[str]:
    """The keys of a file, or of stdin, one a line as in a .txt file.

    Raises:
        KeyFileError: They cannot be used.
    """
    if named != STDIN:
        return frozenset(keyfiles.read(Path(named)))
    with tempfile.TemporaryDirectory(prefix="enos-ota-") as folder:
        file = Path(folder) / "stdin.txt"
        file.write_bytes(sys.stdin.buffer.read(keyfiles.MAX_BYTES + 1))
        return frozenset(keyfiles.read(file, name="standard input"))
