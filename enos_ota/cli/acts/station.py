"""Where an act by hand takes place: one stack, one EnOS, one audit log, and an operator who may interrupt it."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from enos_ota import days
from enos_ota.audit import COMMIT, Subject, commit_of
from enos_ota.cli.acts.checkout import head_of
from enos_ota.cli.acts.ownprogram import program_of
from enos_ota.cli.acts.waits import AloudClock
from enos_ota.cli.failures import Misconfigured, Refused, Undetermined, told
from enos_ota.cli.plain import plain
from enos_ota.connect import audit_log_of, client_of
from enos_ota.keyfiles import KeyFileError
from enos_ota.pagesize import rows_of
from enos_ota.reconciler import EarlyEnd, Stop, StoppableClock
from enos_ota.reconciler.ending import Ending
from enos_ota.reconciler.guard import BREAK_GLASS, break_glass
from enos_ota.salvage import nothing_decrypted, salvage, without_file
from enos_ota.settings import Problem, SettingsError, load_checks, load_connection
from enos_ota.settings import document as documents
from enos_ota.stackconfig import StackConfig, choose_stack, find_project, read_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date

    from enos_ota.audit import Watch
    from enos_ota.cli.acts.ownprogram import Program
    from enos_ota.enos import EnosClient, Task, TaskStatus
    from enos_ota.reconciler import Guard
    from enos_ota.settings import Connection

INTERRUPTED: Final = "the run was interrupted, so nothing more was sent"

_UNKNOWN: Final = {"enos-ota:guard": {"maxDevices": 0}, "enos-ota:auditLog": "audit.jsonl"}
"""What stands for a stack file that cannot be read: a guard that nobody knows allows nothing."""


@dataclass(frozen=True, slots=True)
class Station:
    """What an act works with.

    Attributes:
        config: The stack's configuration.
        connection: How EnOS is reached.
        guard: The stack's limits.
        client: The EnOS client; its waits are told, and over once the run is interrupted.
        clock: How it waits.
        stop: Interrupts the run.
        environ: The environment.
        today: The day, by which sets expire.
        aside: The directory in which everything is written that would be written into the project, if there is one.
        is_blind: Whether nothing of the stack file is used, as it is broken.
        commit: Tells what is acted on: what the environment names, else where the project's checkout is when it is
            first asked.
    """

    config: StackConfig
    connection: Connection
    guard: Guard
    client: EnosClient
    clock: AloudClock
    stop: Stop
    environ: Mapping[str, str]
    today: date
    aside: Path | None = None
    is_blind: bool = False
    commit: Callable[[], str] = str

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

    def ending(self) -> Ending:
        """Ends when the run is interrupted."""
        return Ending(self.clock, self.stop)

    def tasks(self, job_id: str, statuses: Collection[TaskStatus]) -> list[Task]:
        """The tasks of a job that are in one of these states, in pages as large as EnOS allows [U].

        Raises:
            EnosError: They could not be read.
            EarlyEnd: The run was interrupted.
        """
        ending = self.ending()
        found: list[Task] = []
        for task in rows_of(lambda size: self.client.search_tasks(job_id, statuses=statuses, page_size=size)):
            ending.check()
            found.append(task)
        return found

    def watch(
        self,
        operation: str,
        keys: Collection[str],
        *,
        job_id: str,
        reason: str,
        set_name: str = "",
        break_glass: str = "",
    ) -> Watch | None:
        """What writes the audit log's lines about one call; None if there is no log."""
        if not self.connection.audit_log:
            return None
        root = self.aside or (self.config.project.root if self.config.project else Path.cwd())
        log = audit_log_of(self.connection, root, {**self.environ, COMMIT: self.commit()}, say_aside)
        if log is None:
            return None
        subject = Subject(
            stack=self.config.stack,
            gateway=self.connection.gateway,
            org_id=self.connection.org_id,
            set_name=set_name,
            job_id=job_id,
            reason=reason,
        )
        return log.watch(operation, subject, keys, break_glass=break_glass)


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
    with told(), _other_ends():
        site = _stack_to_edit(stack, environ, aside, advice) if edits else _stack_if_any(stack, environ)
        config = site.config
        connection = load_connection(config.get, environ)
        guard = load_checks(config.get).guard
        root = config.project.root if config.project else Path.cwd()
        commit = functools.cache(lambda: commit_of(environ) or head_of(root, environ, say_aside))
        stop = Stop()
        stoppable = StoppableClock(stop)
        with client_of(connection, clock=stoppable) as client:
            clock = AloudClock(stoppable, client.pause_left, say_aside)
            yield Station(
                config,
                connection,
                guard,
                client.waiting_by(Ending(clock, stop).sleep),
                clock,
                stop,
                environ,
                days.today(),
                aside,
                site.is_blind,
                commit,
            )


@contextlib.contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a run in order, nothing new is sent; a second one ends it at once."""

    def hear(number: int, _: object) -> None:
        stop.set(INTERRUPTED)
        signal.signal(number, before[signal.Signals(number)])
        say_aside("interrupted: nothing new is sent; waiting for the requests in flight")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str) -> None:
    """Tell the operator, on stdout; nothing in it is obeyed by a terminal."""
    click.echo("\n".join(map(plain, text.split("\n"))))


def say_aside(text: str) -> None:
    """The same on stderr: what no machine reads."""
    click.echo("\n".join(map(plain, text.split("\n"))), err=True)


def counted(number: int, noun: str) -> str:
    """`1 device key`, `2 device keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown_path(path: Path) -> str:
    """A path as the operator would type it."""
    return documents.shown_path(path)


@contextlib.contextmanager
def _other_ends() -> Iterator[None]:
    try:
        yield
    except KeyFileError as error:
        raise Misconfigured("\n".join(map(plain, f"{error}\nNothing was sent.".split("\n")))) from None
    except EarlyEnd as end:
        raise Undetermined(plain(f"{end}.")) from None
    except KeyboardInterrupt:
        raise Refused("interrupted: nothing was sent and nothing was written") from None


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
    if file.exists():
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
    return _Site(StackConfig(project, stack, file, {}, nothing_decrypted))
