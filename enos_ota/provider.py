"""The dynamic provider: translate Pulumi's calls and property bags into calls of the reconciler.

The path of this module and the name of its class are part of the state format: a state file names them, and refresh and
destroy import them.
"""

from __future__ import annotations

import os
import sys
import time
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
from enos_ota.engine.properties import IDENTITY, METADATA, inputs_of, outputs_of, record_of, task_set_of
from enos_ota.enos import (
    AuthenticationError,
    ConfigurationError,
    EnosError,
    TransportError,
)
from enos_ota.plan import Category, Record, build_plan, days
from enos_ota.plan.guard import break_glass, limit_problems
from enos_ota.plan.messages import not_read
from enos_ota.reconciler import ApplyOptions, Reconciler, Stop, StoppableClock, Stopped, create_reconciler
from enos_ota.reconciler.sent import SentRequests
from enos_ota.settings import Connection, SettingsError, ids, load_connection, project_around, short_name
from enos_ota.settings.client import create_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from enos_ota.audit import AuditLog
    from enos_ota.enos import WriteWatch
    from enos_ota.plan import TaskSet

_TEXTS: Final = ("setName", "reason", "onTooLate", "onMissing", "expectFirmwareVersion", "expires")

_LAST_WORDS: Final = 5.0
"""Seconds that an orphan still has for the request in flight, so that the audit log has its outcome."""

_NOT_THE_STACK_FILE: Final = (
    "A refresh goes by the configuration of the last `pulumi up`, not by the stack file: after a change there export "
    "ENOS_APP_KEY and ENOS_APP_SECRET, or add --run-program to `pulumi preview` or `pulumi up`."
)
_WITHOUT_ASKING: Final = "With --refresh=false a preview shows the declared change without asking EnOS."


class CancelledTaskSetProvider(ResourceProvider):
    """The life of a set: check, diff, create, update, read, delete.

    One instance serves every set of a stack, from many threads. It is pickled by reference, so it has no attributes
    before `configure`, which runs in the provider's process only.
    """

    serialize_as_secret_always = False
    _session: ProviderSession

    def configure(self, req: ConfigureRequest) -> None:
        """Keep the configuration. Nothing is checked or opened before it is needed.

        An un-declared set must be removable, and a change shown, where there are no credentials at all.
        """
        process.hide_tracebacks()
        if isinstance(sys.stdout, TextIOWrapper):
            # A name that the output cannot hold is escaped; it must not end a change half-way.
            sys.stdout.reconfigure(errors="backslashreplace")
        stop = Stop()
        interrupts.on_interrupt(lambda: stop.set("the run was interrupted, so nothing more was sent"))
        liveness.when_engine_is_gone(sys.argv, lambda: _end(stop))
        self._session = ProviderSession(req.config.get, stop=stop)

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
        changed = {name for name in (*IDENTITY, "deviceKeys", *METADATA) if olds.get(name) != news.get(name)}
        replaces: list[str] = [name for name in IDENTITY if name in changed and not isinstance(news.get(name), Unknown)]
        return DiffResult(changes=bool(changed) or _has_undeclared_outcome(olds, news), replaces=replaces)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Cancel what is declared; what is cancelled already is adopted without a request that writes.

        When Pulumi replaces a set of the same job (`pulumi state taint`, `--replace`), `create` gets nothing of the old
        record. The refresh of the same run has read it in this process, so it remains known which devices had been
        notified.
        """
        task_set = task_set_of(props)
        record = self._apply(task_set, self._session.last_read(task_set))
        return CreateResult(f"{task_set.org_id}/{task_set.job_id}/{task_set.name}", outputs_of(props, record))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Cancel what is declared and not recorded yet. Keys no longer declared leave the record."""
        task_set, previous = task_set_of(news), record_of(olds)
        outputs = outputs_of(news, self._apply(task_set, previous))
        if dropped := previous.cancelled_keys().difference(task_set.device_keys):
            _say(task_set, f"no longer declared: {_stays(len(dropped))}")
        return UpdateResult(outputs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look again. Tasks that can be cancelled again leave outputs and inputs, so a preview shows just these."""
        task_set = task_set_of(props)
        record = record_of(props)
        if not task_set.is_expired(days.today()):
            try:
                record = self._session.reconciler_for(task_set).refresh(task_set.job_id, record)
            except (EnosError, SettingsError, Stopped) as error:
                _fail(not_read(task_set, _text_of(error)), _ways_out(error))
        self._session.remember(task_set, record)
        outputs = outputs_of(props, record)
        return ReadResult(id_, outputs, inputs_of(outputs))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove the set's record. No request is sent: what is cancelled stays cancelled.

        After a replacement there may be another record of the same set, which this call does not see.
        """
        if cancelled := record_of(props).cancelled_count:
            _say(task_set_of(props), _stays(cancelled))

    def _apply(self, task_set: TaskSet, previous: Record) -> Record:
        plan = build_plan(task_set, previous, today=days.today(), break_glass=break_glass(self._session.environ))
        if not plan.work:
            return plan.kept  # needs neither network nor credentials
        requests = SentRequests()
        try:
            reconciler = self._session.reconciler_for(task_set)
            options = self._session.options_for(task_set, requests)
            record = reconciler.apply(plan, options).record
        except (EnosError, SettingsError) as error:
            sent = "EnOS refused every request" if requests.refused else "no request was sent"
            if requests:
                sent = "what was sent may be cancelled; the next `pulumi up` reads it"
            _fail(f"{task_set.subject}: {sent}: {_text_of(error)}")
        finally:
            requests.give_up("the run ended before EnOS answered")
        if self._session.stop.reason and record.problem:
            # The engine ends the program, which cannot report it any more.
            accepted = f", {record.accepted_count} of them accepted by EnOS" if record.accepted_count else ""
            pending = f"{len(record.of(Category.PENDING))} pending{accepted}"
            _say(
                task_set,
                f"interrupted: {record.cancelled_count} read as cancelled, {pending}; "
                "the next `pulumi up` looks at these and sends what is left",
            )
        return record


class ProviderSession:
    """The connections that all sets of one provider process share, opened when they are first needed."""

    def __init__(
        self,
        get: Callable[[str], str | None],
        *,
        environ: Mapping[str, str] = os.environ,
        stop: Stop | None = None,
    ) -> None:
        self._get = get
        self.environ = environ
        self.stop = stop or Stop()
        self._lock = Lock()
        self._opened: dict[str, _Opened] = {}  # by organization; nearly always one
        self._read: dict[tuple[object, str], Record] = {}  # by job and set

    def remember(self, task_set: TaskSet, record: Record) -> None:
        """Keep what was just read of a set, for `last_read`."""
        self._read[task_set.identity, task_set.name] = record

    def last_read(self, task_set: TaskSet) -> Record:
        """The last record that this process read of the set of this name and job; an empty one if it read none."""
        return self._read.get((task_set.identity, task_set.name), Record())

    def reconciler_for(self, task_set: TaskSet) -> Reconciler:
        """The reconciler of the set's organization; raise an error unless it is configured for that and its gateway."""
        return self._connected(task_set).reconciler

    def options_for(self, task_set: TaskSet, requests: SentRequests) -> ApplyOptions:
        """The options of a set's change; `requests` keeps account of each request that cancels."""
        connection, _, log = self._connected(task_set)
        subject = Subject(
            stack=short_name(self.environ.get("PULUMI_STACK", "")),
            gateway=connection.gateway,
            org_id=connection.org_id,
            set_name=task_set.name,
            job_id=task_set.job_id,
            reason=task_set.reason,
        )

        def watch(keys: Sequence[str], override: str) -> WriteWatch:
            lines = log.watch("cancelTask", subject, keys, break_glass=override) if log else None
            return requests.watch("cancelTask", task_set.job_id, keys, lines)

        return ApplyOptions(watch=watch, say=lambda text: _say(task_set, text))

    def connect(self, connection: Connection) -> Reconciler:
        """Create the reconciler of an organization; it sends nothing once the engine of this process is gone."""

        def before_write() -> None:
            liveness.ensure_engine(sys.argv)

        client = create_client(connection, clock=StoppableClock(self.stop), before_write=before_write)
        return create_reconciler(connection, client, self.stop)

    def _connected(self, task_set: TaskSet) -> _Opened:
        with self._lock:
            if task_set.org_id not in self._opened:
                connection = load_connection(self._get, self.environ, org_id=task_set.org_id)
                log = open_audit_log(connection, project_around(Path.cwd()), self.environ, _print)
                self._opened[task_set.org_id] = _Opened(connection, self.connect(connection), log)
            opened = self._opened[task_set.org_id]
        _same_place(opened.connection, task_set)
        return opened


class _Opened(NamedTuple):
    """What the sets of one organization share. One log: a lock that is not released is waited for once."""

    connection: Connection
    reconciler: Reconciler
    audit_log: AuditLog | None


def _end(stop: Stop) -> None:
    """End a process whose engine is gone: no other process would save its results or end it."""
    stop.set("the Pulumi engine of this run is gone, so nothing more was sent")
    time.sleep(_LAST_WORDS)
    process.exit_immediately(1)


def _same_place(connection: Connection, task_set: TaskSet) -> None:
    for what, here, there in (
        ("gateway", connection.gateway, task_set.api_gateway),
        ("organization", connection.org_id, task_set.org_id),
    ):
        if here != there:
            raise ConfigurationError(
                f"the set is recorded for {what} {there}, but {here} is configured; use the same one. "
                "If it was changed on purpose, add --refresh=false: the set is then replaced, or destroyed, without "
                "asking the old one"
            )


def _problems(news: Mapping[str, Any]) -> list[str]:
    known = {name: value for name, value in news.items() if not isinstance(value, Unknown)}
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
    if isinstance(text, Unknown):
        return problems
    if not isinstance(text, str):
        return [*problems, "deviceKeys is not one text with a key a line"]
    lines = text.split("\n")
    return problems + keys.problems(lines[:-1] if not lines[-1] else lines)


def _has_undeclared_outcome(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether a key that is no longer declared has a recorded outcome, such as pending."""
    text = news.get("deviceKeys")
    return isinstance(text, str) and not record_of(olds).outcomes.keys() <= set(keys.from_text(text))


def _stays(count: int) -> str:
    return f"{count} cancelled {'task stays' if count == 1 else 'tasks stay'} cancelled, no request was sent"


def _say(task_set: TaskSet, text: str) -> None:
    _print(f"{task_set.subject}: {text}")


def _print(text: str) -> None:
    # The engine shows what a provider prints: there is no other way to explain a removal. A line and its end are
    # one write, as the lines of several sets would mix.
    print(f"{text}\n", end="", flush=True)  # noqa: T201 - see above


def _fail(text: str, advice: str = "") -> NoReturn:
    raise RuntimeError(f"{text}\n{advice}" if advice else text) from None


def _text_of(error: EnosError | SettingsError | Stopped) -> str:
    return "; ".join(error.problems) if isinstance(error, SettingsError) else str(error)


def _ways_out(error: EnosError | SettingsError | Stopped) -> str:
    """What to do about a refresh that failed, be it part of a preview or of an up."""
    if isinstance(error, (AuthenticationError, SettingsError)):
        return f"{_NOT_THE_STACK_FILE} {_WITHOUT_ASKING}"
    return _WITHOUT_ASKING if isinstance(error, TransportError) else ""
