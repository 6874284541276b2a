"""The audit log: one line of JSON before and one after each request that writes, on disk before anything goes on.

A process that dies in between leaves the first line: what it announces may have been done.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import stat
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from enos_ota.devicekeys import files
from enos_ota.enos import SYSTEM_CLOCK, EnosError
from enos_ota.settings import audit_log_objection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from enos_ota.enos import Clock
    from enos_ota.settings import Connection

_ACTORS: Final = ("ENOS_OTA_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR", "USER", "LOGNAME")
COMMIT: Final = "ENOS_OTA_COMMIT"
"""The environment variable that names the commit that is acted on, before those of CI systems."""

LOCK_PATIENCE: Final = 2.0
"""Seconds that a log waits for the lock of its file, once."""
_LOCK_TICK: Final = 0.01
"""Seconds between two attempts to lock the file."""

_COMMITS: Final = (COMMIT, "GITHUB_SHA", "CI_COMMIT_SHA", "BUILD_SOURCEVERSION", "GIT_COMMIT")


class AuditError(EnosError):
    """The audit log cannot be written, so nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a line is about.

    Attributes:
        stack: The stack; empty if it is not known.
        gateway: Address of EnOS's API gateway.
        org_id: The organization.
        set_name: The set; empty for a request that belongs to none.
        job_id: The job.
        reason: The reason that the set declares; empty for none.
    """

    stack: str
    gateway: str
    org_id: str
    set_name: str
    job_id: str
    reason: str


def actor_of(environ: Mapping[str, str]) -> str:
    """Who acts: `ENOS_OTA_ACTOR`, else the name that the CI system or the machine gives; empty for none."""
    return _first(environ, _ACTORS)


def commit_of(environ: Mapping[str, str]) -> str:
    """The commit that is acted on: `ENOS_OTA_COMMIT`, else the one that the CI system names; empty for none."""
    return _first(environ, _COMMITS)


def account() -> str:
    """The account of this process, where the environment names no actor."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return f"uid {os.getuid()}"


def digest(keys: Collection[str]) -> str:
    """Identify a list of device keys: SHA-256 in hex over the sorted keys, a newline after each."""
    text = "".join(f"{key}\n" for key in sorted(set(keys)))
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


class AuditLog:
    """Appends to a file, from any number of threads and processes.

    Each line is written under the file's lock. After `LOCK_PATIENCE` the log goes on without it: a process that holds
    the lock and hangs must not block a stop or a cancel.

    Args:
        path: The file; it and its directory are created if they do not exist.
        actor: Who acts.
        commit: The commit that is acted on.
        clock: Dates the lines, and waits for the lock.
        complain: Called with a warning: the lock was not free, or the line after a request could not be written.
        new_id: Returns a text that is unique.
    """

    def __init__(
        self,
        path: Path,
        *,
        actor: str,
        commit: str,
        clock: Clock,
        complain: Callable[[str], None],
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.path = path
        self._actor = actor
        self._commit = commit
        self._clock = clock
        self.complain = complain
        self._new_id = new_id
        self._lock = threading.Lock()
        self._waits_for_lock = True

    def watch(self, operation: str, subject: Subject, keys: Collection[str], *, break_glass: str = "") -> Watch:
        """Make the watch that writes the two lines of each attempt of a call, see `enos_ota.enos.WriteWatch`."""
        line = {
            "stack": subject.stack,
            "gateway": subject.gateway,
            "organization": subject.org_id,
            "set": subject.set_name,
            "job": subject.job_id,
            "operation": operation,
            "reason": subject.reason,
            "actor": self._actor,
            "commit": self._commit,
            "keys": len(set(keys)),
            "digest": digest(keys),
        }
        return Watch(self, line | ({"breakGlass": break_glass} if break_glass else {}), self._new_id)

    def write(self, event: str, line: Mapping[str, Any]) -> None:
        """Append a line and flush it to disk.

        Raises:
            AuditError: That failed.
        """
        moment = datetime.fromtimestamp(self._clock.time(), timezone.utc).isoformat(timespec="milliseconds")
        text = json.dumps({"time": moment.replace("+00:00", "Z"), "event": event, **line}, ensure_ascii=True)
        self._append(f"{text}\n".encode())

    def try_out(self) -> None:
        """Open the file to append to it, and create it if it does not exist; nothing is written.

        Raises:
            AuditError: That failed.
        """
        with self._open():
            pass

    @contextmanager
    def _open(self) -> Iterator[int]:
        """The file, open to append to it; an `OSError` until it is closed becomes an `AuditError`."""
        try:
            with self._lock:
                is_new = not self.path.exists()
                if is_new:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                # Without O_NONBLOCK, opening a named pipe or a device may never return.
                file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)
                try:
                    if is_new:
                        files.sync_directory(self.path.parent)
                    if not stat.S_ISREG(os.fstat(file).st_mode):
                        raise OSError("it is not a regular file")
                    yield file
                finally:
                    os.close(file)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None

    def _lock_file(self, file: int) -> None:
        until = self._clock.monotonic() + LOCK_PATIENCE
        while not _try_lock(file) and self._waits_for_lock:
            if self._clock.monotonic() >= until:
                self._waits_for_lock = False
                self.complain(
                    f"the audit log {self.path} was locked for {LOCK_PATIENCE:g} s by another process (another "
                    "enos-ota, a log shipper, or a lock that NFS lost), so enos-ota writes to it without the lock"
                )
            self._clock.sleep(_LOCK_TICK)

    def _append(self, data: bytes) -> None:
        with self._open() as file:
            # Other sets and other processes open the log too. Without the lock, a line of theirs that is not whole yet
            # is taken for a broken one: the file gets an empty line, and no line is lost.
            self._lock_file(file)
            if (size := os.fstat(file).st_size) and os.pread(file, 1, size - 1) != b"\n":
                data = b"\n" + data  # half a line, from when the disk was full, must not spoil this one
            # One write a line: lines of several processes do not mix.
            written = os.write(file, data)
            os.fsync(file)
        if written != len(data):
            raise self._failure("the disk is full")

    def _failure(self, why: str) -> AuditError:
        return AuditError(
            f"the audit log {self.path} cannot be written ({why}), so nothing more is sent: "
            "make it writable, or correct enos-ota:auditLog"
        )


def open_audit_log(
    connection: Connection, project: Path, environ: Mapping[str, str], complain: Callable[[str], None]
) -> AuditLog | None:
    """Open the configured audit log; None if the settings name none.

    Args:
        connection: The settings.
        project: The project's directory, to which the file may be relative.
        environ: Names the actor and the commit.
        complain: See `AuditLog`.

    Raises:
        AuditError: The log would overwrite another file.
    """
    if not connection.audit_log:
        return None
    if why := audit_log_objection(project, connection.audit_log):
        raise AuditError(f"enos-ota:auditLog {connection.audit_log} {why}; no request is sent until then")
    return AuditLog(
        project / connection.audit_log,
        actor=actor_of(environ) or account(),
        commit=commit_of(environ),
        clock=SYSTEM_CLOCK,
        complain=complain,
    )


class Watch:
    """The two lines of each attempt of one call."""

    def __init__(self, log: AuditLog, line: Mapping[str, Any], new_id: Callable[[], str]) -> None:
        self._log = log
        self._line = line
        self._new_id = new_id
        self._id = ""

    def try_out(self) -> None:
        """See `AuditLog.try_out`."""
        self._log.try_out()

    def before(self) -> None:
        """The request is about to be sent."""
        self._id = self._new_id()
        self._log.write("before", {"id": self._id, **self._line})

    def after(self, outcome: str | EnosError) -> None:
        """The request was answered, or was not: a requestId, or why not."""
        if isinstance(outcome, EnosError):
            result = {
                "code": getattr(outcome, "code", None),
                "requestId": getattr(outcome, "request_id", "") or None,
                "error": str(outcome),
                "mayHaveBeenProcessed": outcome.may_have_been_processed,
            }
        else:
            result = {"code": 0, "requestId": outcome or None}
        try:
            self._log.write("after", {"id": self._id, **self._line, **result})
        except AuditError as error:
            self._log.complain(str(error))


def _first(environ: Mapping[str, str], names: Collection[str]) -> str:
    return next((value for name in names if (value := environ.get(name))), "")


def _try_lock(file: int) -> bool:
    """False while another process holds the lock. A file system without locks has none to wait for."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
