"""Deletes what tools made. A link is deleted as a link: what it leads to belongs to somebody else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from pathlib import Path


def remove(path: Path) -> None:
    """Delete a directory with all that is in it, a file, or a link without what it leads to; a missing path is fine.

    Raises:
        ToolchainError: it cannot be deleted, and why.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ToolchainError(f"{path} cannot be removed: {error.strerror}") from error
