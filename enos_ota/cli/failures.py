"""How a command ends that did not come to its end: a message for the operator, and an exit code.

click.ClickException
├── Refused             1  the answer is no
├── click.UsageError    2  the command line
├── Misconfigured       2  stack file, key file or environment
├── MissingExtraError   2  an optional package
└── Undetermined        3  it could not be done, or could not be found out
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator


class Refused(click.ClickException):
    """The answer is no: EnOS, a guard or a rule says so. Nothing was changed unless the message says what."""

    exit_code = 1


class Misconfigured(click.ClickException):
    """A stack file, a key file or the environment is wrong. Nothing was sent."""

    exit_code = 2


class MissingExtraError(click.ClickException):
    """A command needs packages that are optional; `package` is the first that is not there."""

    exit_code = 2

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"{package} is not installed, which this command needs. It comes with enos-ota[{extra}]; "
            f'in a checkout: pip install ".[{extra}]"'
        )


class Undetermined(click.ClickException):
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
        raise Refused(_shown(error)) from None
    except enos.EnosError as error:
        # A job's id may come from a file, EnOS's texts from anywhere.
        raise Undetermined(_shown(error)) from None


def _shown(error: Exception) -> str:
    return "\n".join(map(plain, str(error).split("\n")))
