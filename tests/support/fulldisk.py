"""A disk that is full, without one: files of this process may not grow beyond a size."""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 1_000_000
"""Bytes."""


@contextlib.contextmanager
def no_room_in(file: Path) -> Iterator[None]:
    """Make a file as large as files may be; what is appended to it fails, and smaller files can be written."""
    file.write_bytes(b"\n" * LARGEST)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
