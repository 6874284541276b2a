"""Phrases of messages for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enos_ota.settings import stackfile

if TYPE_CHECKING:
    from pathlib import Path


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 device key`, `2 device keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown_path(path: Path) -> str:
    """Return a path as the operator would type it."""
    return stackfile.shown_path(path)
