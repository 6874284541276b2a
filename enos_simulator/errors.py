"""Errors: the codes of EnOS (OTA calls and token service) [D], and the exceptions of the simulator."""

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
    """Codes in the field `status` of the token service, and of a call that the gateway rejects."""

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
"""Errors of the gateway in front of the service, by HTTP status [D]. The texts are those of Kong."""


class SetupError(ValueError):
    """A fleet, switch, fault or movement is invalid; `problems` has one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class BusinessError(Exception):
    """The OTA service refuses a call."""

    def __init__(self, code: Code, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg


class RejectedError(Exception):
    """The token service or the gateway rejects a request."""

    def __init__(self, code: TokenCode, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg


def invalid(argument: str, why: str) -> BusinessError:
    """Build error 99400 in its documented form: `Invalid Argument action:action is missing`."""
    return BusinessError(Code.INVALID_ARGUMENT, f"Invalid Argument {argument}:{why}")
