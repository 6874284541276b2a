"""Bounded reading and atomic writing of files."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest configuration or key file that is read, in bytes."""


def read(path: Path) -> bytes:
    """Return the content of a regular file, following a link; never wait for a pipe or a device.

    Raises:
        OSError: with the text for the operator as `strerror`.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer. The descriptor is checked instead of the path, so
        # that the checked file is the one that is read.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link to a file that does not exist") from None
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"it is {kind_of(mode)}, not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    return data


class UnreadableFileError(Exception):
    """A file cannot be read as text; the text is the reason, `line` that of the first byte that is not UTF-8."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.line = line


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte order mark; a missing file is a `FileNotFoundError`."""
    try:
        data = read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoded bytes are without the byte order mark, which does not change the line.
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError("is not UTF-8: save it as UTF-8", line) from None


def kind_of(mode: int) -> str:
    """Return the kind of a file that is not regular, by its `st_mode`."""
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def replace(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader finds the old or the new content, also after a power failure.

    Missing directories are created. An existing file keeps its mode, a link stays a link. A pipe or a device cannot be
    replaced: the data is written to it.
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
    """Write the names in a directory to disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)  # only setting it returns it
        os.umask(umask)
        return 0o666 & ~umask
