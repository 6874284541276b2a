"""The preview hook: read EnOS in previews and print the plan of each set. No request writes.

Each set of a preview brings a resource hook, the only place where a program sees the inputs and the recorded outputs
of a change. A hook that fails would end the preview at the first set; so hooks only read. The messages are printed once
the set is registered, and a refusal fails the preview at its end, for all sets at once.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.settings import get_monitor

from enos_ota.engine.properties import record_of, task_set_of
from enos_ota.enos import (
    SYSTEM_CLOCK,
    AuthenticationError,
    ConfigurationError,
    EnosError,
    IncompleteList,
    TransportError,
)
from enos_ota.plan import Severity, build_plan, days
from enos_ota.plan.guard import break_glass
from enos_ota.plan.messages import NOT_CHECKED, preview_messages, unknown_inputs
from enos_ota.reconciler import Deadline, Pool, Stop, Stopped
from enos_ota.reconciler.live_reader import read_plan
from enos_ota.settings import Connection, SettingsError, load_connection
from enos_ota.settings.client import create_client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pulumi import ResourceHookArgs

    from enos_ota.enos import EnosClient
    from enos_ota.plan import Message, Plan, Record, TaskSet
    from enos_ota.settings.models import Preflight

REVIEWED: Final = "ENOS_OTA_REVIEWED"
"""The environment variable by which `enos-ota review` tells the program that it reads EnOS and reports by itself."""

_HOOKS_AT_ONCE: Final = 4

_PATIENCE: Final = 60.0
"""Seconds after which no hook waits any more for EnOS to take requests again."""

_NEEDED: Final = ("jobId", "deviceKeys")
"""Inputs without which there is nothing to read."""

_numbers = itertools.count(1)
"""Hooks need names of their own. They never reach a state file, as real runs have none."""


def is_reviewed() -> bool:
    """Whether the preview is part of a review."""
    return bool(os.environ.get(REVIEWED))


def runs_in_preview(mode: Preflight) -> bool:
    """Whether sets that are declared now get a hook: in previews, unless switched off or under Pulumi's mocks.

    A real run has no hooks at all: its provider reads for itself, and a failing hook would keep other sets from being
    cancelled.
    """
    is_preview = pulumi.runtime.is_dry_run() and not isinstance(get_monitor(), MockMonitor)
    return mode != "off" and is_preview and not is_reviewed()


class PreviewHook:
    """The hook of one set; with mode "on" the preview fails where EnOS cannot be read."""

    def __init__(self, set_name: str, org_id: str, mode: Preflight, get: Callable[[str], str | None]) -> None:
        self._name = set_name
        self._preview = _preview_under_way()
        # Pulumi's configuration can be read here, and not in a hook's thread.
        self._clients = self._preview.begin(org_id, get, is_required=mode == "on")
        self._messages: Sequence[Message] = ()
        self._why_not = ""

    def options(self, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
        """The set's options with the hook among them."""
        hook = pulumi.ResourceHook(
            f"enos-ota preflight {next(_numbers)}", self._run, pulumi.ResourceHookOptions(on_dry_run=True)
        )
        hooks = pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks))

    def report(self, resource: pulumi.Resource) -> None:
        """Print the messages, once the set is registered; after the last set, raise `RunError` if some are refused."""
        for each in self._messages:
            if each.severity is Severity.INFORMATION:
                pulumi.log.info(each.text, resource)
            elif each.severity is not Severity.REFUSAL:
                pulumi.log.warn(each.text, resource)
        refusals = [each.text for each in self._messages if each.severity is Severity.REFUSAL]
        self._preview.end(self._name, refusals, self._why_not)

    async def _run(self, args: ResourceHookArgs) -> None:
        news = args.new_inputs or {}
        if any(not isinstance(news.get(name), str) or news[name] == UNKNOWN for name in _NEEDED):
            self._messages = (unknown_inputs(self._name),)
            return
        # Not asyncio.to_thread: all of Pulumi's own threads may be waiting for hooks like this one.
        loop = asyncio.get_running_loop()
        task_set, record = task_set_of(news), record_of(args.old_outputs or {})
        try:
            self._messages = await loop.run_in_executor(self._preview.threads, self._read, task_set, record)
        except SettingsError as error:
            self._why_not = "; ".join(error.problems)
        except EnosError as error:
            self._why_not = str(error)

    def _read(self, task_set: TaskSet, record: Record) -> Sequence[Message]:
        plan = build_plan(task_set, record, today=days.today())
        if plan.work:
            plan = self._clients.read_plan(task_set, record)
        return preview_messages(plan)


class _ClientCache:
    """One client for all sets of an organization, made when it is first needed.

    Two clients would ask for their tokens in the same millisecond, which EnOS takes for a replay [D].
    """

    def __init__(self, org_id: str, get: Callable[[str], str | None]) -> None:
        self._lock = threading.Lock()
        self._open: tuple[EnosClient, Pool] | None = None
        self._failure: EnosError | None = None
        self._connection: Connection | SettingsError
        try:
            self._connection = load_connection(get, os.environ, org_id=org_id)
        except SettingsError as error:
            self._connection = error

    def read_plan(self, task_set: TaskSet, record: Record) -> Plan:
        """Read the plan of a change. Where EnOS cannot be reached for one set it is not for the next."""
        if isinstance(self._connection, SettingsError):
            raise self._connection
        if self._failure:
            raise self._failure
        connection = self._connection
        try:
            client, workers = self._opened(connection)
            return read_plan(
                client.waiting_by(Deadline(SYSTEM_CLOCK, Stop(), _PATIENCE).sleep),
                task_set,
                record,
                today=days.today(),
                markers=connection.cancelled_markers,
                break_glass=break_glass(os.environ),
                workers=workers,
            )
        except Stopped:
            self._failure = TransportError(f"EnOS gave no usable answer within {_PATIENCE:g} s.")
            raise self._failure from None
        except IncompleteList:
            raise  # another job may have a complete list
        except (AuthenticationError, ConfigurationError, TransportError) as error:
            self._failure = error
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


class _Preview:
    """What the sets of one preview share. Used in the thread of the program's event loop only."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_HOOKS_AT_ONCE, thread_name_prefix="enos-ota preflight")
        self._clients: dict[str, _ClientCache] = {}
        self._is_required = False
        self._declared = 0
        self._open = 0
        self._refusals: dict[str, Sequence[str]] = {}
        self._unread: defaultdict[str, list[str]] = defaultdict(list)

    def begin(self, org_id: str, get: Callable[[str], str | None], *, is_required: bool) -> _ClientCache:
        """Note that a set was declared."""
        self._declared += 1
        self._open += 1
        self._is_required = self._is_required or is_required
        if org_id not in self._clients:
            self._clients[org_id] = _ClientCache(org_id, get)
        return self._clients[org_id]

    def end(self, name: str, refusals: Sequence[str], why_not: str) -> None:
        """Note that a set was reported; after the last one, report what concerns several and fail if need be."""
        self._open -= 1
        if refusals:
            self._refusals[name] = refusals
        if why_not:
            self._unread[why_not].append(name)
        if self._open:
            return
        for cache in self._clients.values():
            cache.close()
        self._clients.clear()
        lines = [text for _, refusals in sorted(self._refusals.items()) for text in refusals]
        for why, names in self._unread.items():
            text = f"{'set' if len(names) == 1 else 'sets'} {', '.join(map(repr, sorted(names)))}: {NOT_CHECKED}: {why}"
            if self._is_required:
                lines.append(f"{text} (enos-ota:preflight is on)")
            else:
                pulumi.log.warn(text)
        self._unread.clear()
        if lines:
            refused = len(self._refusals)
            headline = [f"{refused} of {self._declared} sets would be refused by `pulumi up`:"] if refused > 1 else []
            raise pulumi.RunError("\n".join([*headline, *lines]))


_previews: WeakKeyDictionary[asyncio.AbstractEventLoop, _Preview] = WeakKeyDictionary()


def _preview_under_way() -> _Preview:
    # A process can run several programs, each in an event loop of its own.
    return _previews.setdefault(asyncio.get_running_loop(), _Preview())
