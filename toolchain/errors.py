"""What can go wrong while a machine is made ready."""

from __future__ import annotations


class ToolchainError(Exception):
    """Something needed cannot be had. The text is for the person at the keyboard: what failed, why, what to do."""
