"""Pulumi's calls → the reconciler: a thin adapter from property bags to typed values.

The path of this module and the name of its class are part of the state format: a state file names them, and refresh and
destroy import them.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from enos_ota.audit import Subject, open_audit_log
from enos_ota.devicekeys import rules as keys
from enos_ota.engine import interrupts, liveness, process
from enos_ota.engine.properties import IDENTITY, METADATA, Declared, declared_of, inputs_of, outputs_of, record_of
from enos_ota.enos import (
    AuthenticationError,
    ConfigurationError,
    EnosError,
    TransportError,
)
from enos_ota.plan import days
from enos_ota.reconciler import (
    Category,
    EarlyEnd,
    Limits,
    Pool,
    Reconciler,
    Record,
    Stop,
    StoppableClock,
    Terms,
    plan,
)
from enos_ota.reconciler.guard import break_glass, limit_problems
from enos_ota.reconciler.sent import SentRequests
from enos_ota.reconciler.verdict import UNREAD
from enos_ota.settings import Connection, SettingsError, ids, load_connection, project_around, short_name
from enos_ota.settings.client import create_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from enos_ota.audit import AuditLog
    from enos_ota.enos import WriteWatch

_TEXTS: Final = ("setName", "reason", "onTooLate", "onMissing", "expectFirmwareVersion", "expires")

_LAST_WORDS: Final = 5.0
"""Seconds that an orphan still has for the request in flight, so that the audit log tells its end."""

_NOT_THE_STACK_FILE: Final = (
    "A refresh goes by the configuration of the last `pulumi up`, not by the stack file: after a change there export "
    "ENOS_APP_KEY and ENOS_APP_SECRET, or add --run-program to `pulumi preview` or `pulumi up`."
)
_WITHOUT_ASKING: Final = "With --refresh=false a preview shows the declared change without asking EnOS."


class CancelledTaskSetProvider(ResourceProvider):
    """The life of a set: check, diff, create, update, read, delete.

    One instance serves every set of a stack, from up to four threads. It is pickled by reference, so it has no
    attributes before `configure`, and `configure` runs in the provider's process only.
    """

    serialize_as_secret_always = False
    _session: Session

    def configure(self, req: ConfigureRequest) -> None:
        """Remember how to get at the configuration. Nothing is checked or opened before it is needed.

        An un-declared set must be removable, and a change shown, where there are no credentials at all.
        """
        process.hide_tracebacks()
        if isinstance(sys.stdout, TextIOWrapper):
            # A name that the output cannot hold is escaped; it must not end a change half-way.
            sys.stdout.reconfigure(errors="backslashreplace")
        stop = Stop()
        interrupts.on_interrupt(lambda: stop.set("the run was interrupted, so nothing more was sent"))
        liveness.when_engine_is_gone(sys.argv, lambda: _end(stop))
        self._session = Session(req.config.get, stop=stop)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Normalise and validate, without network: all problems in one failure."""
        if problems := _problems(news):
            text = f"set {news.get('setName')!r}: " + "; ".join(problems)
            # With a property name Pulumi would print the whole value, that is every key.
            return CheckResult(news, [CheckFailure("", text)])
        inputs = {name: value for name, value in news.items() if value is not None}
        if isinstance(inputs["deviceKeys"], str):
            inputs["deviceKeys"] = keys.to_text(keys.from_text(inputs["deviceKeys"]))
        return CheckResult(inputs, [])

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compare what is recorded with what is declared. A new name alone is no change: it comes with an alias."""
        replaces = [name for name in IDENTITY if not _is_unknown(news.get(name)) and olds.get(name) != news.get(name)]
        changed = any(olds.get(name) != news.get(name) for name in (*IDENTITY, "deviceKeys", *METADATA))
        return DiffResult(changes=changed or _is_mentioned_in_vain(olds, news), replaces=replaces)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Cancel what is declared; what is cancelled already is adopted without a request that writes.

        When Pulumi replaces a set of the same job (`pulumi state taint`, `--replace`), it gives `create` nothing of the
        old record. The refresh of the same run has read that record in this process, so it is used from there: which
        devices had been notified before their cancel is not lost.
        """
        declared = declared_of(props)
        record = self._apply(declared, self._session.last_read(declared))
        return CreateResult(f"{declared.org_id}/{declared.job_id}/{declared.set_name}", outputs_of(props, record))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Cancel what is declared and not recorded yet. Keys no longer declared are forgotten: they stay cancelled."""
        declared, previous = declared_of(news), record_of(olds)
        outputs = outputs_of(news, self._apply(declared, previous))
        if dropped := previous.cancelled_keys().difference(declared.device_keys):
            _say(declared, f"no longer declared: {_stays(len(dropped))}")
        return UpdateResult(outputs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look again. Tasks that can be cancelled again leave outputs and inputs, so a preview shows just these."""
        declared = declared_of(props)
        rules = declared.rules(days.today())
        record = record_of(props)
        if not rules.expired:
            try:
                record = self._session.reconciler_for(declared).refresh(declared.job_id, record)
            except (EnosError, SettingsError, EarlyEnd) as error:
                _fail(f"{rules.subject}: {UNREAD}", error, _ways_out(error))
        self._session.remember(declared, record)
        outputs = outputs_of(props, record)
        return ReadResult(id_, outputs, inputs_of(outputs))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Forget this record of the set. Nothing is sent: what is cancelled stays cancelled.

        After a replacement another record of the same set may be there, of which this call is told nothing.
        """
        if cancelled := record_of(props).cancelled_count:
            _say(declared_of(props), _stays(cancelled))

    def _apply(self, declared: Declared, previous: Record) -> Record:
        rules = declared.rules(days.today())
        change = plan(declared.device_keys, previous, expired=rules.expired)
        if not change.todo:
            return change.kept  # needs neither network nor credentials
        requests = SentRequests()
        try:
            reconciler = self._session.reconciler_for(declared)
            terms = self._session.terms_of(declared, requests)
            record = reconciler.apply(declared.job_id, change, terms)
        except (EnosError, SettingsError) as error:
            sent = "EnOS refused what was sent" if requests.refused else "nothing was sent"
            if requests:
                sent = "what was sent may be cancelled; the next `pulumi up` reads it"
            _fail(f"{rules.subject}: {sent}", error)
        finally:
            requests.give_up("the run ended before EnOS answered")
        if self._session.was_interrupted and record.problem:
            # The engine ends the program, so that nobody else says it.
            accepted = f", {record.accepted_count} of them accepted by EnOS" if record.accepted_count else ""
            pending = f"{len(record.of(Category.PENDING))} pending{accepted}"
            _say(
                declared,
                f"interrupted: {record.cancelled_count} read as cancelled, {pending}; "
                "the next `pulumi up` looks at these and sends what is left",
            )
        return record


class Session:
    """What one provider process shares between its sets: the connection, made when it is first needed.

    Args:
        get: The text of a configuration key, or None.
        environ: The environment; that of the process unless a test has its own.
        stop: Interrupts the run.
        connect: Makes the reconciler of a connection.
    """

    def __init__(
        self,
        get: Callable[[str], str | None],
        *,
        environ: Mapping[str, str] = os.environ,
        stop: Stop | None = None,
        connect: Callable[[Connection, Stop], Reconciler] | None = None,
    ) -> None:
        self._get = get
        self._environ = environ
        self._stop = stop or Stop()
        self._connect = connect or _connect
        self._lock = Lock()
        self._opened: dict[str, _Opened] = {}  # by organization; nearly always one
        self._read: dict[tuple[object, str], Record] = {}  # by job and set

    @property
    def was_interrupted(self) -> bool:
        """The run is to end."""
        return bool(self._stop.reason)

    def remember(self, declared: Declared, record: Record) -> None:
        """Keep what was just read of a set, for `last_read`."""
        self._read[declared.identity, declared.set_name] = record

    def last_read(self, declared: Declared) -> Record:
        """What this process read last of the set of this name and job; an empty record if it read nothing."""
        return self._read.get((declared.identity, declared.set_name), Record())

    def reconciler_for(self, declared: Declared) -> Reconciler:
        """The reconciler, if this process is configured for the gateway and organization of the set.

        Raises:
            SettingsError: The configuration is incomplete or wrong.
            ConfigurationError: It is for another gateway or organization.
        """
        return self._connected(declared).reconciler

    def terms_of(self, declared: Declared, requests: SentRequests) -> Terms:
        """What a set asks of a change.

        Args:
            declared: The set.
            requests: Is told of each request that cancels.

        Raises:
            SettingsError: See `reconciler_for`.
            ConfigurationError: See `reconciler_for`.
        """
        connection, _, log = self._connected(declared)
        subject = Subject(
            stack=short_name(self._environ.get("PULUMI_STACK", "")),
            gateway=connection.gateway,
            org_id=connection.org_id,
            set_name=declared.set_name,
            job_id=declared.job_id,
            reason=declared.reason,
        )

        def watch(keys: Sequence[str], override: str) -> WriteWatch:
            lines = log.watch("cancelTask", subject, keys, break_glass=override) if log else None
            return requests.watch("cancelTask", declared.job_id, keys, lines)

        return Terms(
            guard=declared.guard,
            expect_firmware_version=declared.expect_firmware_version,
            break_glass=break_glass(self._environ),
            watch=watch,
            say=lambda text: _say(declared, text),
        )

    def _connected(self, declared: Declared) -> _Opened:
        with self._lock:
            if declared.org_id not in self._opened:
                connection = load_connection(self._get, self._environ, org_id=declared.org_id)
                log = open_audit_log(connection, project_around(Path.cwd()), self._environ, _print)
                self._opened[declared.org_id] = _Opened(connection, self._connect(connection, self._stop), log)
            opened = self._opened[declared.org_id]
        _same_place(opened.connection, declared)
        return opened


class _Opened(NamedTuple):
    """What the sets of one organization share. One log: a lock that stays taken is waited for once."""

    connection: Connection
    reconciler: Reconciler
    audit_log: AuditLog | None


def _connect(connection: Connection, stop: Stop) -> Reconciler:
    def before_write() -> None:
        liveness.ensure_engine(sys.argv)

    clock = StoppableClock(stop)
    return Reconciler(
        create_client(connection, clock=clock, before_write=before_write),
        markers=connection.cancelled_markers,
        limits=Limits(batch_size=connection.batch_size, deadline=connection.deadline),
        clock=clock,
        workers=Pool(connection.max_concurrency),
        stop=stop,
    )


def _end(stop: Stop) -> None:
    """End an orphan: nobody is there any more who could save what it does or end it."""
    stop.set("the Pulumi engine of this run is gone, so nothing more was sent")
    time.sleep(_LAST_WORDS)
    process.exit_immediately(1)


def _same_place(connection: Connection, declared: Declared) -> None:
    for what, here, there in (
        ("gateway", connection.gateway, declared.api_gateway),
        ("organization", connection.org_id, declared.org_id),
    ):
        if here != there:
            raise ConfigurationError(
                f"the set is recorded for {what} {there}, but {here} is configured; use the same one. "
                "If it was changed on purpose, add --refresh=false: the set is then replaced, or destroyed, without "
                "asking the old one"
            )


def _problems(news: Mapping[str, Any]) -> list[str]:
    known = {name: value for name, value in news.items() if not _is_unknown(value)}
    problems = [f"{name} is missing" for name in ("setName", *IDENTITY) if name not in news or not news[name]]
    problems += [
        f"{name} is not a text" for name in (*_TEXTS, *IDENTITY) if known.get(name) and not isinstance(known[name], str)
    ]
    if isinstance(job_id := known.get("jobId"), str) and (why := ids.problem(job_id)):
        problems.append(f"jobId {why}")
    if isinstance(day := known.get("expires"), str) and not days.is_day(day):
        problems.append(f"expires must be a day such as 2027-03-31, not {day!r}")
    problems += limit_problems(known.get("maxDevices"), known.get("maxShare"), names=("maxDevices", "maxShare"))
    text = news.get("deviceKeys")
    if _is_unknown(text):
        return problems
    if not isinstance(text, str):
        return [*problems, "deviceKeys is not one text with a key a line"]
    lines = text.split("\n")
    return problems + keys.problems(lines[:-1] if not lines[-1] else lines)


def _is_mentioned_in_vain(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether something is recorded of a key that is no longer declared, such as that it is pending."""
    text = news.get("deviceKeys")
    return isinstance(text, str) and not record_of(olds).findings.keys() <= set(keys.from_text(text))


def _is_unknown(value: object) -> bool:
    return isinstance(value, Unknown)


def _stays(count: int) -> str:
    return f"{count} cancelled {'task stays' if count == 1 else 'tasks stay'} cancelled, nothing was sent for that"


def _say(declared: Declared, text: str) -> None:
    _print(f"{declared.rules(date.min).subject}: {text}")


def _print(text: str) -> None:
    # What a provider prints the engine shows: there is no other way to say what a removal means. A line and its end are
    # one write: those of several sets would mix.
    print(f"{text}\n", end="", flush=True)  # noqa: T201 - see above


def _fail(text: str, error: EnosError | SettingsError | EarlyEnd, advice: str = "") -> NoReturn:
    told = "; ".join(error.problems) if isinstance(error, SettingsError) else str(error)
    raise RuntimeError(f"{text}: {told}" + (f"\n{advice}" if advice else "")) from None


def _ways_out(error: EnosError | SettingsError | EarlyEnd) -> str:
    """What to do about a refresh that failed. It may have been asked for by any preview or up."""
    if isinstance(error, (AuthenticationError, SettingsError)):
        return f"{_NOT_THE_STACK_FILE} {_WITHOUT_ASKING}"
    return _WITHOUT_ASKING if isinstance(error, TransportError) else ""
