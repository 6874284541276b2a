"""What an `up` would meet now: a look at EnOS in previews, before anything is cancelled. It never writes.

Each set of a preview brings a resource hook, the only place where a program sees what is about to be added. A hook that
fails would end the preview at the first set; so hooks only look, and what they found is told once the set is
registered, and what stops the preview at its end, for all sets at once.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.settings import get_monitor

from enos_ota.engine.properties import declared_of, record_of
from enos_ota.enos import (
    SYSTEM_CLOCK,
    AuthenticationError,
    ConfigurationError,
    EnosError,
    IncompleteList,
    JobNotFound,
    TransportError,
)
from enos_ota.plan import days
from enos_ota.reconciler import JobStatus, Rules, judge, plan
from enos_ota.reconciler.ending import EarlyEnd, Ending, Stop
from enos_ota.reconciler.forecast import Conditions, Report, report
from enos_ota.reconciler.outcome import Category
from enos_ota.reconciler.survey import survey
from enos_ota.reconciler.verdict import UNASKED
from enos_ota.reconciler.workers import Pool
from enos_ota.settings import Connection, SettingsError, load_connection
from enos_ota.settings.client import create_client

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pulumi import ResourceHookArgs

    from enos_ota.enos import EnosClient
    from enos_ota.reconciler.forecast import Forecast
    from enos_ota.settings.models import Preflight

_LOOKS_AT_ONCE: Final = 4

_PATIENCE: Final = 60.0
"""Seconds until no look waits any more for EnOS to take requests again."""

_NEEDED: Final = ("jobId", "deviceKeys")
"""Inputs without which there is nothing to look at."""

_numbers = itertools.count(1)
"""Hooks need names of their own. They never reach a state file, as real runs have none."""


def takes_place(mode: Preflight) -> bool:
    """Whether sets that are declared now are looked at: in previews, unless switched off or under Pulumi's mocks.

    A real run has no hooks at all: its provider looks for itself, and a failing hook would keep other sets from being
    cancelled.
    """
    return mode != "off" and pulumi.runtime.is_dry_run() and not isinstance(get_monitor(), MockMonitor)


class Look:
    """One set's look at EnOS.

    Args:
        set_name: The set.
        org_id: Its organization.
        conditions: What its change must keep to.
        mode: "on" if a look that fails is to stop the preview.
        get: The text of a configuration key, or None.
        environ: The environment.
    """

    def __init__(
        self,
        set_name: str,
        org_id: str,
        conditions: Conditions,
        *,
        mode: Preflight,
        get: Callable[[str], str | None],
        environ: Mapping[str, str],
    ) -> None:
        self._name = set_name
        self._conditions = conditions
        self._preview = _preview_under_way()
        # Pulumi's configuration is at hand here, and not in a hook's thread.
        self._lens = self._preview.begin(org_id, get, environ, is_required=mode == "on")
        self._found = Report()
        self._why_not = ""

    def options(self, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
        """The set's options with the hook among them."""
        hook = pulumi.ResourceHook(
            f"enos-ota preflight {next(_numbers)}", self._run, pulumi.ResourceHookOptions(on_dry_run=True)
        )
        hooks = pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks))

    def tell(self, resource: pulumi.Resource) -> None:
        """Say what was found. To be called once the set is registered, and its hook, if it had to run, is over.

        Raises:
            pulumi.RunError: This was the last set, and some must not be changed as they are declared.
        """
        for text in self._found.information:
            pulumi.log.info(text, resource)
        for text in self._found.warnings:
            pulumi.log.warn(text, resource)
        self._preview.end(self._name, self._found.failures, self._why_not)

    async def _run(self, args: ResourceHookArgs) -> None:
        news = args.new_inputs or {}
        if not all(_is_known(news.get(name)) for name in _NEEDED):
            known = "job or device keys are known only during `pulumi up`, so nothing was looked at"
            text = f"preview of set {self._name!r}: {known}"
            self._found = Report(information=(text,))
            return
        # Not asyncio.to_thread: all of Pulumi's own threads may be waiting for hooks like this one.
        loop = asyncio.get_running_loop()
        try:
            self._found = await loop.run_in_executor(
                self._preview.threads, self._look, dict(news), dict(args.old_outputs or {})
            )
        except SettingsError as error:
            self._why_not = "; ".join(error.problems)
        except EnosError as error:
            self._why_not = str(error)

    def _look(self, news: Mapping[str, Any], olds: Mapping[str, Any]) -> Report:
        declared, record = declared_of(news), record_of(olds)
        rules = declared.rules(days.today())
        change = plan(declared.device_keys, record, expired=rules.expired)
        # What an `up` will say of the keys that it does not work on: an update's outputs are not known in a preview.
        verdict = judge(replace(change.kept.without(change.todo), problem=""), rules)
        kept = (*verdict.errors, *verdict.warnings)
        if not change.todo:
            return Report(warnings=kept)
        try:
            # Held keys go along with any change once the job was started again.
            forecast = self._lens.look(declared.job_id, change.todo | change.kept.of(Category.HELD).keys())
        except JobNotFound as error:
            found = _without_job(rules, error, was_known=record.job.status is not JobStatus.UNKNOWN)
            return replace(found, warnings=(*found.warnings, *kept))
        alone = all(
            finding is not None and finding.category is Category.MISSING
            for finding in map(change.kept.findings.get, change.kept.keys)
        )
        found = report(forecast, rules, self._conditions, alone=alone)
        return replace(found, warnings=tuple(dict.fromkeys((*found.warnings, *kept))))


def _without_job(rules: Rules, error: JobNotFound, *, was_known: bool) -> Report:
    # Not a failure: a set that is stuck must not keep the others of its stack from being changed.
    what = (
        "job deleted: nothing can be cancelled any more, retire this set"
        if was_known
        else f"{error} `pulumi up` will fail for it"
    )
    return Report(warnings=(f"{rules.subject}: {what}",))


class _Lens:
    """How one organization's jobs are looked at: one client for all sets, made when it is first needed.

    Two clients would ask for their tokens in the same millisecond, which EnOS takes for a replay [D].
    """

    def __init__(self, org_id: str, get: Callable[[str], str | None], environ: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._open: tuple[EnosClient, Pool] | None = None
        self._blind: EnosError | None = None
        self._connection: Connection | SettingsError
        try:
            self._connection = load_connection(get, environ, org_id=org_id)
        except SettingsError as error:
            self._connection = error

    def look(self, job_id: str, keys: Collection[str]) -> Forecast:
        """What a change of these keys would meet. Where EnOS cannot be reached for one set it is not for the next.

        Raises:
            SettingsError: There are no credentials, or something in the configuration is wrong.
            EnosError: It could not be read.
        """
        if isinstance(self._connection, SettingsError):
            raise self._connection
        if self._blind:
            raise self._blind
        connection = self._connection
        try:
            client, workers = self._opened(connection)
            waits = Ending(SYSTEM_CLOCK, Stop(), _PATIENCE)
            return survey(
                client.waiting_by(waits.sleep), job_id, keys, markers=connection.cancelled_markers, workers=workers
            )
        except EarlyEnd:
            self._blind = TransportError(f"EnOS gave no usable answer within {_PATIENCE:g} s.")
            raise self._blind from None
        except IncompleteList:
            raise  # says nothing about another job
        except (AuthenticationError, ConfigurationError, TransportError) as error:
            self._blind = error
            raise

    def _opened(self, connection: Connection) -> tuple[EnosClient, Pool]:
        with self._lock:
            if not self._open:
                self._open = create_client(connection), Pool(connection.max_concurrency)
            return self._open

    def close(self) -> None:
        """Close the connections."""
        if self._open:
            self._open[0].close()


@dataclass(frozen=True, slots=True)
class _Unseen:
    """Sets that could not be looked at, all for the same reason."""

    names: Sequence[str]
    why: str

    def __str__(self) -> str:
        sets = ("set " if len(self.names) == 1 else "sets ") + ", ".join(map(repr, self.names))
        return f"{sets}: {UNASKED}: {self.why}"


class _Preview:
    """What the sets of one preview have in common. Used in the thread of the program's event loop only."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="enos-ota preflight")
        self._lenses: dict[str, _Lens] = {}
        self._is_required = False
        self._declared = 0
        self._open = 0
        self._failures: dict[str, Sequence[str]] = {}
        self._unseen: defaultdict[str, list[str]] = defaultdict(list)

    def begin(
        self, org_id: str, get: Callable[[str], str | None], environ: Mapping[str, str], *, is_required: bool
    ) -> _Lens:
        """Note that a set was declared."""
        self._declared += 1
        self._open += 1
        self._is_required = self._is_required or is_required
        if org_id not in self._lenses:
            self._lenses[org_id] = _Lens(org_id, get, environ)
        return self._lenses[org_id]

    def end(self, name: str, failures: Sequence[str], why_not: str) -> None:
        """Note that a set was told of; after the last one, say what concerns several and fail if need be."""
        self._open -= 1
        if failures:
            self._failures[name] = failures
        if why_not:
            self._unseen[why_not].append(name)
        if self._open:
            return
        for lens in self._lenses.values():
            lens.close()
        self._lenses.clear()
        unseen = [_Unseen(sorted(names), why) for why, names in self._unseen.items()]
        if not self._is_required:
            for each in unseen:
                pulumi.log.warn(str(each))
        self._fail([f"{each} (enos-ota:preflight is on)" for each in unseen if self._is_required])

    def _fail(self, unseen: Sequence[str]) -> None:
        lines = [text for _, failures in sorted(self._failures.items()) for text in failures] + list(unseen)
        self._unseen.clear()
        if not lines:
            return
        failing = len(self._failures)
        headline = [f"{failing} of {self._declared} sets would be refused by `pulumi up`:"] if failing > 1 else []
        raise pulumi.RunError("\n".join([*headline, *lines]))


_previews: WeakKeyDictionary[asyncio.AbstractEventLoop, _Preview] = WeakKeyDictionary()


def _preview_under_way() -> _Preview:
    # A process can run several programs, each in an event loop of its own.
    return _previews.setdefault(asyncio.get_running_loop(), _Preview())


def _is_known(value: Any) -> bool:
    return isinstance(value, str) and value != UNKNOWN
