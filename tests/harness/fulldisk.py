"""A disk that is full, without one: files of this process may not grow beyond a size."""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LARGEST = 1_000_000


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond this many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def no_room_in(file: Path) -> Iterator[None]:
    """Make a file as large as files may be; what is appended to it fails, and smaller files can be written."""
    file.write_bytes(b"\n" * _LARGEST)
    with files_up_to(_LARGEST):
        yield
