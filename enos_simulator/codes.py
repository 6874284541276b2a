"""What EnOS says when it refuses: the codes of the calls and of the token service, and the exception that carries one.

The numbers and texts are documented [D]; which of them answers a case that the documentation leaves open is our choice
and is said where it is made.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Code(IntEnum):
    """Codes in the field `code` of an OTA call's envelope."""

    OK = 0
    JOB_NOT_FOUND = 24404
    JOB_STARTED = 24615
    JOB_STOPPED = 24616
    JOB_NOT_RUNNING = 24617
    NOT_CANCELABLE = 24620
    NOT_RETRYABLE = 24621
    INVALID_ARGUMENT = 99400
    DENIED = 99403
    NOT_FOUND = 99404
    INTERNAL = 99500


class TokenCode(IntEnum):
    """Codes in the field `status` of the token service, and of a call that the gateway turns away."""

    OK = 0
    REPEATED = 1001
    UNKNOWN_APP = 1002
    BAD_ENCRYPTION = 1003
    BAD_PARAMETER = 1004
    INTERNAL = 1005
    EMPTY_PARAMETER = 1202
    TOKEN_EXPIRED = 1203
    REFRESH_FAILED = 1204


GATEWAY_ERRORS: Final = {
    400: "Cannot process request body",
    401: "Invalid authentication credentials",
    403: "Your IP address is not allowed",
    413: "Request size limit exceeded",
    429: "API rate limit exceeded",
    500: "An unexpected error occurred",
    503: "Service unavailable",
}
"""What the gateway in front of the service says of itself, by HTTP status [D]. The texts are those of Kong."""


class RefusedError(Exception):
    """An OTA call is refused; nothing more is done for it than was done already."""

    def __init__(self, code: Code, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg


class TurnedAwayError(Exception):
    """The token service or the gateway refuses a request."""

    def __init__(self, code: TokenCode, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg


def invalid(argument: str, why: str) -> RefusedError:
    """A refusal in the documented form of 99400: `Invalid Argument action:action is missing`."""
    return RefusedError(Code.INVALID_ARGUMENT, f"Invalid Argument {argument}:{why}")
