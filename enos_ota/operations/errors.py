"""Errors of operations. Their text is a message for the operator."""

from __future__ import annotations

from typing import Final

NOTHING_DONE: Final = "No request was sent and no file was written."
"""The last sentence of a command that ends before its first request."""


class OperationRefused(Exception):  # noqa: N818 - an answer, not an error of the program
    """The answer is no: EnOS, a guard or a rule refuses. The message says what was sent before, if anything."""


class OperationUndetermined(Exception):  # noqa: N818 - as above
    """The operation failed or its result is unknown. The message says what was sent."""
