"""Exceptions that end a command with a message and an exit code; `as_json` gives the same as a document.

click.ClickException
├── click.UsageError        2  the command line
└── Ended
    ├── Refused             1  EnOS, a guard or a rule refuses
    ├── Misconfigured       2  an invalid stack file, key file or environment
    └── Undetermined        3  the operation failed, or its result is unknown
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any, Final

import click

from enos_ota.cli.plain import plain, plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Why writing a valid file fails."""


class Ended(click.ClickException):
    """A command did not complete.

    Attributes:
        enos_code: The code of EnOS's answer, if it refused the request.
        request_id: EnOS's requestId, or "".
    """

    def __init__(self, message: str, *, enos_code: int | None = None, request_id: str = "") -> None:
        super().__init__(message)
        self.enos_code = enos_code
        self.request_id = request_id


class Refused(Ended):
    """The answer is no: EnOS, a guard or a rule refuses. Nothing was changed unless the message says so."""

    exit_code = 1


class Misconfigured(Ended):
    """A stack file, a key file or the environment is invalid. No request was sent."""

    exit_code = 2


class Undetermined(Ended):
    """The operation failed, or its result is unknown. The message says what was done."""

    exit_code = 3


@contextlib.contextmanager
def exit_with_message() -> Iterator[None]:
    """Turn errors of settings, operations and client into messages with an exit code, without a traceback.

    If EnOS answered no (no such job, job stopped, tasks in another state), the command ends with `Refused`; without an
    answer (transport, authentication, throttling, a failure of EnOS), with `Undetermined`.
    """
    from enos_ota import enos  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.operations.errors import OperationRefused, OperationUndetermined  # noqa: PLC0415 - the same
    from enos_ota.settings import SettingsError  # noqa: PLC0415 - the same

    answers = (
        enos.JobNotFound,
        enos.JobNotRunning,
        enos.JobHasStarted,
        enos.JobHasStopped,
        enos.TasksNotCancellable,
        enos.TasksNotRetryable,
    )
    try:
        yield
    except (SettingsError, enos.ConfigurationError) as error:
        # Names of files and stacks come from the repository, which anyone may have written.
        raise Misconfigured(plain_lines(str(error))) from None
    except OperationRefused as error:
        raise Refused(plain_lines(str(error))) from None
    except OperationUndetermined as error:
        raise Undetermined(plain_lines(str(error))) from None
    except answers as error:
        raise Refused(plain_lines(str(error)), **_answer(error)) from None
    except enos.EnosError as error:
        # The id of a job may come from a file, EnOS's texts from anywhere.
        raise Undetermined(plain_lines(error.advised_text), **_answer(error)) from None


def as_json(error: click.ClickException) -> dict[str, Any]:
    """Return a failure for machines: the message, EnOS's code and requestId if there are any, and the exit code."""
    described: dict[str, Any] = {"message": error.format_message()}
    if isinstance(error, Ended) and error.enos_code is not None:
        described["code"] = error.enos_code
    if isinstance(error, Ended) and error.request_id:
        described["requestId"] = error.request_id
    return {"error": described, "exitCode": error.exit_code}


def _answer(error: Exception) -> dict[str, Any]:
    """Return the code and requestId of EnOS's answer, as arguments of an `Ended`."""
    return {"enos_code": getattr(error, "code", None), "request_id": plain(getattr(error, "request_id", ""))}
