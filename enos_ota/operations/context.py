"""Where an act by hand takes place: one stack, one EnOS, one audit log, and an operator who may interrupt it."""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from enos_ota.audit import COMMIT, Subject, commit_of, open_audit_log
from enos_ota.cli.failures import Misconfigured, Refused, Undetermined, told
from enos_ota.cli.interrupts import describe_sent, interruptible
from enos_ota.cli.output import say_aside
from enos_ota.cli.plain import plain
from enos_ota.devicekeys.reader import KeyFileError
from enos_ota.enos import EnosError
from enos_ota.operations.git_commit import head_of
from enos_ota.operations.own_program import program_of
from enos_ota.operations.reporting_clock import AloudClock
from enos_ota.plan import days
from enos_ota.reconciler import EarlyEnd, Stop, StoppableClock
from enos_ota.reconciler.ending import COMMAND_IS_OVER, Ending
from enos_ota.reconciler.guard import BREAK_GLASS, break_glass
from enos_ota.reconciler.sent import SentRequests
from enos_ota.salvage import salvage, without_file
from enos_ota.settings import Problem, SettingsError, load_checks, load_connection
from enos_ota.settings import document as documents
from enos_ota.settings.client import create_client
from enos_ota.settings.project import StackConfig, choose_stack, config_of, find_project, nothing_decrypted, read_stack
from enos_ota.settings.stack import AUDIT_LOG_KEY, GUARD_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date

    from enos_ota.audit import AuditLog
    from enos_ota.enos import EnosClient, Task, TaskStatus
    from enos_ota.operations.own_program import Program
    from enos_ota.reconciler import Guard
    from enos_ota.reconciler.sent import SentRequestWatch
    from enos_ota.settings import Connection

_T = TypeVar("_T")

_UNKNOWN: Final = {"enos-ota:guard": {"maxDevices": 0}, "enos-ota:auditLog": "audit.jsonl"}
"""What stands for a stack file that cannot be read: a guard that nobody knows allows nothing."""


@dataclass(frozen=True, slots=True)
class Station:
    """What an act works with.

    Attributes:
        config: The stack's configuration.
        connection: How EnOS is reached.
        guard: The stack's limits.
        client: The EnOS client; it says what it waits for, and its waits keep to `ending`.
        clock: How it waits.
        stop: Interrupts the run.
        ending: The deadline of the command; also the end when it is interrupted.
        requests: Account of the requests that change something.
        environ: The environment.
        today: The day, by which sets expire.
        aside: The directory in which everything is written that would be written into the project, if there is one.
        is_blind: Whether nothing of the stack file is used, as it is broken.
        audit_log: Gives the audit log if there is one. It names the commit that is acted on: the one in the
            environment, else that of the project's checkout when it is first asked.
    """

    config: StackConfig
    connection: Connection
    guard: Guard
    client: EnosClient
    clock: AloudClock
    stop: Stop
    ending: Ending
    requests: SentRequests
    environ: Mapping[str, str]
    today: date
    audit_log: Callable[[], AuditLog | None]
    aside: Path | None = None
    is_blind: bool = False

    @property
    def stack_file(self) -> Path:
        """The file to edit, of a station that was opened to edit one: the stack file, or what is written aside."""
        assert self.config.file is not None, "opened without a stack"  # noqa: S101 - for the type checker
        # Not named Pulumi.…: it may stand beside the stack file, and is no stack.
        return self.aside / f"aside.{self.config.file.name}" if self.aside else self.config.file

    @property
    def project_name(self) -> str:
        """The name of the project; empty outside of any."""
        return self.config.project.name if self.config.project else ""

    @property
    def program(self) -> Program | None:
        """What the project's program says about sets; None where nobody can tell."""
        return program_of(self.config.project)

    @property
    def has_stack_file(self) -> bool:
        """Whether there is a stack file, broken or not."""
        return self.is_blind or bool(self.config.document and self.config.document.exists)

    def warn_of_missing_limits(self) -> None:
        """Say what a command that writes does without where there is no stack file: it may be misnamed or gone."""
        missing = [
            *(["guard"] if not self.guard.is_set else []),
            *(["audit log"] if not self.connection.audit_log else []),
        ]
        if missing and not self.has_stack_file:
            say_aside(f"warning: there is no stack file, so this command has no {' and no '.join(missing)}")

    @property
    def nothing_done(self) -> str:
        """The last sentence of a refusal, which may come after something was sent for other keys."""
        return "Nothing more was sent." if self.requests else "Nothing was sent and nothing was written."

    def read_if_possible(self, read: Callable[[], _T]) -> _T | None:
        """What a read gives; None if it fails or the run is interrupted, as what was done is reported in any case."""
        if self.ending.is_over:
            return None
        try:
            return read()
        except (EnosError, EarlyEnd, KeyboardInterrupt):
            return None

    def tasks(self, job_id: str, statuses: Collection[TaskStatus]) -> Iterator[Task]:
        """The tasks of a job that are in one of these states, read as they are needed.

        Raises:
            EnosError: They could not be read, or not all of them.
            EarlyEnd: The run was interrupted, or its deadline is over.
        """
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
        """The watch of one call: it keeps the account, and writes the audit log if there is one."""
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
def opened(stack: str | None, *, edits: bool, aside: Path | None = None, advice: str = "") -> Iterator[Station]:
    """A station; what goes wrong ends in a message and an exit code.

    Args:
        stack: The stack that was asked for, if any.
        edits: Whether there has to be a stack, as its file is read or written. Its first file need not be there.
        aside: See `Station`. Then the stack file may be broken, too.
        advice: What to do about a stack file that is broken.
    """
    environ = os.environ
    stop, requests = Stop(), SentRequests()
    with told(), _other_ends(requests), interruptible(stop, requests):
        site = _stack_to_edit(stack, environ, aside, advice) if edits else _stack_if_any(stack, environ)
        config = site.config
        if config.document and (left := config.document.left_to_esc(AUDIT_LOG_KEY, *((GUARD_KEY,) if edits else ()))):
            if edits:
                raise SettingsError([left])
            say_aside(f"WARNING: {left}. If there is an audit log, this is not in it")
        connection = load_connection(config.get, environ)
        guard = load_checks(config.get).guard
        root = config.project.root if config.project else Path.cwd()

        @functools.cache
        def audit_log() -> AuditLog | None:
            if not connection.audit_log:
                return None
            commit = commit_of(environ) or head_of(root, environ, say_aside)
            return open_audit_log(connection, aside or root, {**environ, COMMIT: commit}, say_aside)

        stoppable = StoppableClock(stop)
        with create_client(connection, clock=stoppable) as client:
            clock = AloudClock(stoppable, client.pause, say_aside)
            ending = Ending(clock, stop, connection.deadline, COMMAND_IS_OVER)
            yield Station(
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
                audit_log=audit_log,
                aside=aside,
                is_blind=site.is_blind,
            )


def counted(number: int, noun: str) -> str:
    """`1 device key`, `2 device keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown_path(path: Path) -> str:
    """A path as the operator would type it."""
    return documents.shown_path(path)


@contextlib.contextmanager
def _other_ends(requests: SentRequests) -> Iterator[None]:
    try:
        yield
    except KeyFileError as error:
        sent = describe_sent(requests) if requests else "Nothing was sent."
        raise Misconfigured("\n".join(map(plain, f"{error}\n{sent}".split("\n")))) from None
    except EarlyEnd as end:
        raise Undetermined(plain(f"{end}. {describe_sent(requests)}")) from None
    except KeyboardInterrupt:
        raise Undetermined(plain(f"interrupted. {describe_sent(requests)}")) from None
    finally:
        requests.give_up("enos-ota ended before EnOS answered")


@dataclass(frozen=True, slots=True)
class _Site:
    config: StackConfig
    is_blind: bool = False


def _stack_if_any(named: str | None, environ: Mapping[str, str]) -> _Site:
    """The stack, which has to be told where there is one: its file says where the audit log is.

    A file that is broken keeps nobody from the brake, if the environment says where EnOS is.
    """
    try:
        project = find_project(Path.cwd())
        if project is None or not project.stacks():
            return _Site(read_stack(Path.cwd(), named, environ))
        return _Site(read_stack(Path.cwd(), choose_stack(project, named, environ), environ, needed=True))
    except SettingsError as error:
        config = without_file(error, Path.cwd(), named, environ)
        for problem in error.problems:
            say_aside(problem)
    say_aside("This file is broken, so that EnOS is what the environment says")
    return _Site(config, is_blind=True)


def _stack_to_edit(named: str | None, environ: Mapping[str, str], aside: Path | None, advice: str) -> _Site:
    project = find_project(Path.cwd())
    if project is None:
        return _Site(read_stack(Path.cwd(), named, environ, needed=True))
    stack = choose_stack(project, named, environ)
    file = project.stack_file(stack)
    if os.path.lexists(file):
        try:
            return _Site(read_stack(Path.cwd(), stack, environ, needed=True))
        except SettingsError as error:
            # What is legible of a file that is broken says whose devices these are: that is never passed over.
            if salvage(file, environ, project.name) is None:
                raise
            if aside is None:
                raise SettingsError(error.findings, advice) from None
            for problem in error.problems:
                say_aside(problem)
        place = documents.shown_path(file)
        if not break_glass(environ):
            text = f"nobody knows the guard of {place}, so nothing can be cancelled without {BREAK_GLASS}=<reason>"
            raise Refused(plain(f"{text}. Nothing was sent and nothing was written."))
        say_aside(f"Nothing of {place} is used: EnOS is what the environment says")
        return _Site(StackConfig(project, stack, file, _UNKNOWN, nothing_decrypted), is_blind=True)
    if others := project.stacks():
        # A slip of the pen would do without the guard.
        text = f"there is no such file; the stacks here are {', '.join(others)}. `pulumi stack init` makes another"
        raise SettingsError([Problem(text, documents.shown_path(file))])
    return _Site(replace(config_of(project, stack, environ), file=file))
