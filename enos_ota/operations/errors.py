"""Errors of operations. Their text is a message for the operator."""

from __future__ import annotations


class OperationRefused(Exception):  # noqa: N818 - an answer, not an error of the program
    """The answer is no: EnOS, a guard or a rule refuses. The message says what was sent before, if anything."""


class OperationUndetermined(Exception):  # noqa: N818 - as above
    """The operation failed or its result is unknown. The message says what was sent."""
