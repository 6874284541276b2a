"""Running an operation for a command: signals, errors and exit codes. Imported by commands only when they run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from enos_ota.cli.failures import Misconfigured, Undetermined, exit_with_message
from enos_ota.cli.interrupts import interruptible
from enos_ota.cli.output import say_aside
from enos_ota.cli.plain import plain, plain_lines
from enos_ota.devicekeys.reader import KeyFileError
from enos_ota.operations.context import open_context
from enos_ota.operations.sent_summary import describe_sent
from enos_ota.reconciler import Stop, Stopped
from enos_ota.reconciler.sent import SentRequests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.operations.context import OperationContext


@contextlib.contextmanager
def operation(
    stack: str | None,
    *,
    requires_stack: bool,
    works_without_stack_file: bool = False,
    only_reads: bool = False,
    aside: Path | None = None,
) -> Iterator[OperationContext]:
    """Open the context of an operation, see `open_context`; errors end the command with a message and an exit code."""
    stop, requests = Stop(), SentRequests()
    with (
        exit_with_message(),
        _early_ends(requests, only_reads=only_reads),
        interruptible(stop, requests),
        open_context(
            stack,
            requires_stack=requires_stack,
            works_without_stack_file=works_without_stack_file,
            only_reads=only_reads,
            notify=say_aside,
            stop=stop,
            requests=requests,
            aside=aside,
        ) as context,
    ):
        yield context


def reading(stack: str | None) -> contextlib.AbstractContextManager[OperationContext]:
    """Open the context of a command that only reads. If the environment is complete, it needs no stack."""
    return operation(stack, requires_stack=False, works_without_stack_file=True, only_reads=True)


@contextlib.contextmanager
def _early_ends(requests: SentRequests, *, only_reads: bool) -> Iterator[None]:
    try:
        yield
    except KeyFileError as error:
        sent = describe_sent(requests) if requests else "No request was sent."
        raise Misconfigured(plain_lines(f"{error}\n{sent}")) from None
    except (Stopped, KeyboardInterrupt) as end:
        text = str(end) if isinstance(end, Stopped) else "interrupted"
        raise Undetermined(plain(text if only_reads else f"{text}. {describe_sent(requests)}")) from None
    finally:
        requests.give_up("enos-ota ended before EnOS answered")
