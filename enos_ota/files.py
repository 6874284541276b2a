"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a machine that loses its power, finds the old one or the new one.

    Directories are made where they are missing. A file that is there keeps its mode; a link stays one. A pipe or a
    device cannot be replaced: it is written to.

    Raises:
        OSError: It could not be written; the old file is as it was.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), _mode(path))
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """See the names in a directory on disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)  # it can be read by setting it only
        os.umask(umask)
        return 0o666 & ~umask
