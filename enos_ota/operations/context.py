"""What an operation works with: stack settings, EnOS client, audit log, interrupt and deadline."""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from enos_ota.audit import COMMIT, Subject, commit_of, open_audit_log
from enos_ota.engine.stack_secrets import read_secret, read_stack
from enos_ota.enos import EnosError
from enos_ota.operations.errors import NOTHING_DONE, OperationRefused
from enos_ota.operations.git_commit import head_of
from enos_ota.operations.own_program import program_of
from enos_ota.operations.reporting_clock import ReportingClock
from enos_ota.plan import days
from enos_ota.plan.guard import BREAK_GLASS, break_glass, firmware_objection
from enos_ota.plan.messages import describe_objection
from enos_ota.reconciler import StoppableClock, Stopped
from enos_ota.reconciler.deadline import COMMAND_IS_OVER, Deadline
from enos_ota.settings import Problem, SettingsError, load_checks, load_connection
from enos_ota.settings.check import AUDIT_LOG_KEY, GUARD_KEY
from enos_ota.settings.client import create_client
from enos_ota.settings.project import StackConfig, choose_stack, config_of, settings_from_environment
from enos_ota.settings.stackfile import find_project, shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date

    from enos_ota.audit import AuditLog
    from enos_ota.enos import EnosClient, Job, Task, TaskStatus
    from enos_ota.operations.own_program import Program
    from enos_ota.plan import Guard
    from enos_ota.reconciler import Stop
    from enos_ota.reconciler.sent import SentRequests, SentRequestWatch
    from enos_ota.settings import Connection

_T = TypeVar("_T")

_FOR_UNUSABLE_STACK_FILE: Final = {GUARD_KEY: {"maxDevices": 0}, AUDIT_LOG_KEY: "audit.jsonl"}
"""The guard allows nothing, because the guard of the stack is unknown; the requests are logged."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """What an operation works with.

    Attributes:
        config: The configuration of the stack.
        connection: The settings of the connection to EnOS.
        guard: The limits of the stack.
        client: The EnOS client; it reports its waits, and keeps to `ending`.
        clock: The clock of all waits.
        stop: Interrupts the operation.
        ending: The deadline of the command, and its end when it is interrupted.
        requests: The writing requests that were sent.
        today: The date that decides which sets are expired.
        notify: Called with notices for the operator.
        audit_log: Returns the audit log, or None if none is configured. Its entries name the commit.
        aside: The directory to write into instead of the project, if any.
        stack_file_unusable: Whether the stack file is invalid, so that the environment alone decides.
    """

    config: StackConfig
    connection: Connection
    guard: Guard
    client: EnosClient
    clock: ReportingClock
    stop: Stop
    ending: Deadline
    requests: SentRequests
    environ: Mapping[str, str]
    today: date
    notify: Callable[[str], None]
    audit_log: Callable[[], AuditLog | None]
    aside: Path | None = None
    stack_file_unusable: bool = False

    @property
    def stack_file(self) -> Path:
        """The stack file, which may be missing. Only in a context that requires a stack."""
        assert self.config.file is not None, "opened without a stack"  # noqa: S101 - for the type checker
        return self.config.file

    @property
    def set_folder(self) -> Path:
        """The folder of the stack's set files, which may be missing. Only in a context that requires a stack."""
        return self.stack_file.parent / self.config.stack

    @property
    def project_name(self) -> str:
        """The name of the project; empty outside of a project."""
        return self.config.project.name if self.config.project else ""

    @property
    def program(self) -> Program | None:
        """The project's program; None if that is unknown."""
        return program_of(self.config.project)

    @property
    def has_stack_file(self) -> bool:
        """Whether there is a stack file, valid or not."""
        return self.stack_file_unusable or bool(self.config.document and self.config.document.file.exists)

    def warn_of_missing_limits(self) -> None:
        """Warn that a command has no guard or audit log because the stack file is missing."""
        limits = {"guard": self.guard.is_set, "audit log": self.connection.audit_log}
        missing = [name for name, is_set in limits.items() if not is_set]
        if missing and not self.has_stack_file:
            self.notify(f"warning: there is no stack file, so this command has no {' and no '.join(missing)}")

    @property
    def nothing_done(self) -> str:
        """The last sentence of a refusal, which may follow requests for other keys."""
        return "No further request was sent." if self.requests else NOTHING_DONE

    def read_if_possible(self, read: Callable[[], _T]) -> _T | None:
        """Return the result of a read; None if it fails or the operation is interrupted."""
        if self.ending.is_over:
            return None
        try:
            return read()
        except (EnosError, Stopped, KeyboardInterrupt):
            return None

    def read_job(self, job_id: str, firmware_version: str) -> Job:
        """Read a job. Refuse one that is about other firmware; an empty version allows any."""
        job = self.client.get_job(job_id)
        if objection := firmware_objection(firmware_version, job.firmware_version):
            raise OperationRefused(f"job {job_id}: {describe_objection(objection, by_option=True)}. {NOTHING_DONE}")
        return job

    def tasks(self, job_id: str, statuses: Collection[TaskStatus]) -> Iterator[Task]:
        """Read the tasks of a job that are in one of these states, page by page."""
        for task in self.client.search_tasks(job_id, statuses=statuses):
            self.ending.check()
            yield task

    def watch(
        self,
        operation: str,
        keys: Collection[str],
        *,
        job_id: str,
        reason: str,
        set_name: str = "",
        break_glass: str = "",
    ) -> SentRequestWatch:
        """Return the watch of one writing request, which counts it and writes it to the audit log, if any."""
        log = None
        if audit_log := self.audit_log():
            subject = Subject(
                stack=self.config.stack,
                gateway=self.connection.gateway,
                org_id=self.connection.org_id,
                set_name=set_name,
                job_id=job_id,
                reason=reason,
            )
            log = audit_log.watch(operation, subject, keys, break_glass=break_glass)
        return self.requests.watch(operation, job_id, keys, log)


@contextlib.contextmanager
def open_context(
    stack: str | None,
    *,
    requires_stack: bool,
    notify: Callable[[str], None],
    stop: Stop,
    requests: SentRequests,
    works_without_stack_file: bool = False,
    only_reads: bool = False,
    aside: Path | None = None,
) -> Iterator[OperationContext]:
    """Open the context of an operation in the working directory.

    An operation that requires a stack may run while its stack file is missing. If it works without, the environment
    alone decides if the stack file is invalid. One that only reads needs no stack if the environment is complete.
    """
    environ = os.environ
    is_unusable = False
    try:
        config = _read_config(stack, environ, requires_stack=requires_stack, only_reads=only_reads)
    except SettingsError as error:
        if not works_without_stack_file:
            raise
        config = settings_from_environment(error, Path.cwd(), stack, environ)
        if requires_stack:
            config = _for_unusable_stack_file(config, error, environ)
        is_unusable = True
        for problem in error.problems:
            notify(problem)
    _check_esc(config, notify, requires_stack=requires_stack, only_reads=only_reads)
    connection = _load_connection(config, environ)
    guard = load_checks(config.get).guard
    root = config.project.root if config.project else Path.cwd()
    if is_unusable:
        notify(
            "The stack file is not used. The environment decides:"
            f" gateway {connection.gateway}, organization {connection.org_id}"
        )

    @functools.cache
    def audit_log() -> AuditLog | None:
        if not connection.audit_log:
            return None
        commit = commit_of(environ) or head_of(root, environ, notify)
        return open_audit_log(connection, aside or root, {**environ, COMMIT: commit}, notify)

    stoppable = StoppableClock(stop)
    with create_client(connection, clock=stoppable) as client:
        clock = ReportingClock(stoppable, client.pause, notify)
        ending = Deadline(clock, stop, connection.deadline, COMMAND_IS_OVER)
        yield OperationContext(
            config=config,
            connection=connection,
            guard=guard,
            client=ending.limit(client),
            clock=clock,
            stop=stop,
            ending=ending,
            requests=requests,
            environ=environ,
            today=days.today(),
            notify=notify,
            audit_log=audit_log,
            aside=aside,
            stack_file_unusable=is_unusable,
        )


def _check_esc(config: StackConfig, notify: Callable[[str], None], *, requires_stack: bool, only_reads: bool) -> None:
    """Refuse a guard or an audit log that Pulumi ESC defines, because only the engine knows it."""
    keys = (AUDIT_LOG_KEY, GUARD_KEY) if requires_stack else (AUDIT_LOG_KEY,)
    left = config.document.left_to_esc(*keys) if config.document else None
    if left and requires_stack:
        raise SettingsError([left])
    if left and not only_reads:
        notify(f"WARNING: {left}. If there is an audit log, this request is not in it")


def _read_config(
    named: str | None, environ: Mapping[str, str], *, requires_stack: bool, only_reads: bool
) -> StackConfig:
    """Return the configuration of the stack. A required stack file may be missing if no stack has one."""
    directory = Path.cwd()
    project = find_project(directory)
    if only_reads or project is None or not (requires_stack or project.stacks()):
        return read_stack(directory, named, environ, needed=requires_stack)
    stack = choose_stack(project, named, environ)
    file = project.stack_file(stack)
    if os.path.lexists(file) or not requires_stack:
        return read_stack(directory, stack, environ, needed=True)
    if others := project.stacks():
        # A mistyped name must not lead to a stack without a guard.
        text = (
            f"there is no such file; the stacks here are {', '.join(others)}. Use `pulumi stack init` for a new stack"
        )
        raise SettingsError([Problem(text, shown_path(file))])
    return replace(config_of(project, stack, environ, read_secret), file=file)


def _load_connection(config: StackConfig, environ: Mapping[str, str]) -> Connection:
    try:
        return load_connection(config.get, environ)
    except SettingsError:
        if config.not_named and config.project:
            choose_stack(config.project, None, environ)  # its error lists the stacks
        raise


def _for_unusable_stack_file(config: StackConfig, error: SettingsError, environ: Mapping[str, str]) -> StackConfig:
    """Return the configuration for a cancel while the stack file is invalid."""
    if config.file is None:
        raise error
    if not break_glass(environ):
        advice = f"The guard is unknown, so nothing can be cancelled without {BREAK_GLASS}=<reason>."
        raise SettingsError(error.findings, advice)
    return StackConfig(config.project, config.full_name, config.file, _FOR_UNUSABLE_STACK_FILE)
