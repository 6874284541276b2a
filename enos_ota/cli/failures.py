"""How a command ends that did not come to its end: a message for the operator, and an exit code.

Who asked for JSON gets the same once more as a document, see `as_json`.

click.ClickException
├── click.UsageError        2  the command line
└── Ended
    ├── Refused             1  the answer is no
    ├── Misconfigured       2  stack file, key file or environment
    ├── MissingExtraError   2  an optional package
    └── Undetermined        3  it could not be done, or could not be found out
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any, Final

import click

from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Why a file cannot be written that is otherwise right."""


class Ended(click.ClickException):
    """A command came to no end of its own.

    Attributes:
        enos_code: EnOS's code, if it answered with one that says no.
        request_id: EnOS's requestId, or "".
    """

    def __init__(self, message: str, *, enos_code: int | None = None, request_id: str = "") -> None:
        super().__init__(message)
        self.enos_code = enos_code
        self.request_id = request_id


class Refused(Ended):
    """The answer is no: EnOS, a guard or a rule says so. Nothing was changed unless the message says what."""

    exit_code = 1


class Misconfigured(Ended):
    """A stack file, a key file or the environment is wrong. Nothing was sent."""

    exit_code = 2


class MissingExtraError(Ended):
    """A command needs packages that are optional; `package` is the first that is not there."""

    exit_code = 2

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"{package} is not installed, which this command needs. It comes with the extra {extra!r}: "
            f'in a checkout of enos-ota, pip install ".[{extra}]"'
        )


class Undetermined(Ended):
    """It could not be done or found out; what was done nevertheless the message says."""

    exit_code = 3


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Errors of settings and client as messages with their exit code, never a traceback.

    An answer of EnOS that says no (no such job, a job that is stopped, tasks in another state) is a `Refused`; what
    keeps from getting an answer (transport, authentication, throttling, EnOS's own failure) is `Undetermined`.
    """
    from enos_ota import enos  # noqa: PLC0415 - slow to import, and help needs none of it
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
    except SettingsError as error:
        # Names of files and stacks come from whoever wrote the repository.
        raise Misconfigured(_shown(error)) from None
    except enos.ConfigurationError as error:
        raise Misconfigured(_shown(error)) from None
    except answers as error:
        raise Refused(_shown(error), **_answer(error)) from None
    except enos.EnosError as error:
        # A job's id may come from a file, EnOS's texts from anywhere.
        raise Undetermined(_shown(error.advised_text), **_answer(error)) from None


def as_json(error: click.ClickException) -> dict[str, Any]:
    """A failure as a machine reads it: the message, EnOS's code and requestId where there are any, the exit code."""
    told: dict[str, Any] = {"message": error.format_message()}
    if isinstance(error, Ended) and error.enos_code is not None:
        told["code"] = error.enos_code
    if isinstance(error, Ended) and error.request_id:
        told["requestId"] = error.request_id
    return {"error": told, "exitCode": error.exit_code}


def _answer(error: Exception) -> dict[str, Any]:
    """What EnOS said, as arguments of an `Ended`."""
    return {"enos_code": getattr(error, "code", None), "request_id": plain(getattr(error, "request_id", ""))}


def _shown(error: Exception | str) -> str:
    return "\n".join(map(plain, str(error).split("\n")))
