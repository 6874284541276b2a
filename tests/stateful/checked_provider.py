"""A provider under oath: every call is compared with what the simulator saw and with what is true."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from enos_ota.engine.properties import inputs_of, outputs_of, record_of
from enos_ota.plan import RecordedJobStatus
from enos_ota.plan.record import UNKNOWN_TEXT
from tests.harness import invariants
from tests.harness.engine_model import Bag, Resource
from tests.harness.invariants import Arrival, Guarded, Moment
from tests.harness.servicer import ProviderError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from enos_ota.plan import Record
    from enos_simulator.journal import Entry
    from tests.harness.invariants import Violation
    from tests.stateful.provider_process import Process
    from tests.stateful.served_world import ServedWorld


class KilledError(Exception):
    """The provider's process, or the engine's, was killed during the call: nothing of it is known to anybody."""


class Journal:
    """Which part of the simulator's journal has been looked at, and what the next entries may be.

    Attributes:
        audit: The audit log that the provider writes: each request that writes stands there before it is sent.
    """

    def __init__(self, world: ServedWorld, audit: Path) -> None:
        self._world = world
        self.audit = audit
        self._looked_at = self._audited = 0
        self._declared: frozenset[tuple[str, str]] = frozenset()

    def allow(self, job_id: str = "", keys: Collection[str] = ()) -> None:
        """Look at what was written until now; from now on only these keys of this job may be cancelled."""
        entries = [entry for entry in self._world.entries()[self._looked_at :] if entry.by != "control"]
        self._looked_at = len(self._world.entries())
        living = frozenset({self._world.app_key})
        moment = Moment(0, self._declared, may_write=bool(self._declared), living=living)
        written = {(entry.job_id, key) for entry in entries for key in entry.keys or ()}
        ambiguous = [each for each in written if len(self._world.tasks(*each)) > 1]
        ensure_none(invariants.of_writes(entries, [moment], ambiguous))
        if entries:
            with self.audit.open("rb") as file:
                file.seek(self._audited)
                log = file.read()
            self._audited += len(log)
            arrivals = [Arrival(entry.job_id, frozenset(entry.keys or ()), len(log)) for entry in entries]
            ensure_none(invariants.of_audit(arrivals, log))
        self._declared = frozenset((job_id, key) for key in keys)


class CheckedProvider:
    """One operation's provider. Every promise that holds at any time is looked at here."""

    def __init__(self, world: ServedWorld, process: Process, journal: Journal) -> None:
        self._world = world
        self._process = process
        self._journal = journal

    def check(self, news: Bag, olds: Bag) -> Bag:
        with self._call():
            requests = self._world.requests
            inputs, failures = self._process.check(news, olds)
            assert failures == []
            assert self._world.requests == requests, "check asked EnOS"
        return inputs

    def diff(self, old: Resource, news: Bag) -> tuple[bool, list[str]]:
        with self._call():
            requests = self._world.requests
            answer = self._process.diff(old.outputs, news)
            assert self._world.requests == requests, "diff asked EnOS"
        return answer

    def create(self, inputs: Bag) -> Resource:
        began = self._world.now
        with self._change(inputs):
            id_, outputs = self._process.create(inputs)
        assert id_ == f"{inputs['orgId']}/{inputs['jobId']}/{inputs['setName']}"
        record = _sound(outputs)
        self._look(inputs, outputs, record, began, looked_at=record.known_keys(), ever=frozenset())
        return Resource(id_, inputs, outputs, record.cancelled_keys())

    def update(self, old: Resource, inputs: Bag) -> Resource:
        began, ever = self._world.now, old.ever.intersection(declared_keys(inputs))
        with self._change(inputs):
            outputs = self._process.update(old.outputs, inputs)
        record = _sound(outputs)
        worked_on = record.known_keys() - record_of(old.outputs).cancelled_keys()
        self._look(inputs, outputs, record, began, looked_at=worked_on, ever=ever)
        return Resource(old.id, inputs, outputs, ever | record.cancelled_keys())

    def read(self, old: Resource) -> Resource:
        began, before = self._world.now, record_of(old.outputs)
        was_started = self._world.job_status(old.outputs["jobId"]) == "started"
        with self._call():
            id_, outputs, inputs = self._process.read(old.outputs)
        assert id_ == "id"
        assert inputs == inputs_of(outputs), "inputs and outputs are apart after a refresh"
        record = _sound(outputs)
        assert record.known_keys() == before.known_keys(), "a refresh lost keys"
        if not is_expired(outputs) and self._world.touched[outputs["jobId"]] < began:
            self._tells_of_the_job(old, outputs, record)
        is_read = was_started and record.job.status is RecordedJobStatus.STARTED and not is_expired(outputs)
        if is_read:
            self._look_at_inputs(old, record, began)
        self._look(None, outputs, record, began, looked_at=before.known_keys() if is_read else (), ever=old.ever)
        return Resource(old.id, inputs, outputs, old.ever | record.cancelled_keys())

    def delete(self, old: Resource) -> None:
        with self._call():
            requests = self._world.requests
            self._process.delete(old.outputs)
            assert self._world.requests == requests, "delete asked EnOS"

    @property
    def is_interrupted(self) -> bool:
        return self._process.is_interrupted

    @contextlib.contextmanager
    def _change(self, inputs: Bag) -> Iterator[None]:
        """A create or an update: it keeps to the limits of its set, and what it says of itself is true."""
        before = len(self._world.entries())
        try:
            with self._call(inputs):
                yield
        except ProviderError as error:
            _nothing_was_sent(str(error), self._world.entries()[before:])
            raise
        finally:
            # In the journal is what a second engine sent too, if there was one.
            if not self._process.is_dead:
                keys, entries = declared_keys(inputs), self._world.entries()[before:]
                # Every expectation of these tests is a wrong one: nothing may be sent to a job about another firmware.
                most = 0 if "expectFirmwareVersion" in inputs else int(inputs.get("maxDevices", len(keys)))
                ensure_none(invariants.of_guards(entries, [Guarded(self._world.app_key, inputs["jobId"], keys, most)]))

    @contextlib.contextmanager
    def _call(self, declared: Mapping[str, Any] | None = None) -> Iterator[None]:
        """A call in which only what is declared may be written, by default nothing."""
        if declared:
            self._journal.allow(declared["jobId"], declared_keys(declared))
        else:
            self._journal.allow()
        try:
            yield
        except ProviderError as error:
            if not self._process.is_dead:
                _speaks_to_the_operator(str(error))
                raise
        finally:
            self._world.wait_until_idle()
            if self._world.trouble:
                raise self._world.trouble
            self._journal.allow()
        if self._process.is_dead:
            raise KilledError

    def _look(
        self,
        inputs: Bag | None,
        outputs: Bag,
        record: Record,
        began: int,
        *,
        looked_at: Collection[str],
        ever: frozenset[str],
    ) -> None:
        if inputs is not None:
            assert record.known_keys() == declared_keys(inputs), "recorded is not what is declared"
            assert {**inputs_of(outputs), "deviceKeys": inputs["deviceKeys"]} == inputs
        ensure_none(invariants.of_history(record, ever))
        job_id = outputs["jobId"]
        if is_expired(outputs) or record.job.status is not RecordedJobStatus.STARTED:
            return
        for key in record.cancelled_keys().intersection(looked_at):
            if not self._world.touched_since(job_id, key, began):
                self._is_true(job_id, key, record)

    def _is_true(self, job_id: str, key: str, record: Record) -> None:
        tasks = self._world.tasks(job_id, key)
        if record.outcomes.get(key) == UNKNOWN_TEXT:
            assert [task.status for task in tasks] == ["failed"], f"{key} is called cancelled, but reads {tasks}"
        else:
            assert self._world.reads_cancelled(job_id, key), f"{key} is called cancelled, but reads {tasks}"

    def _tells_of_the_job(self, old: Resource, outputs: Bag, record: Record) -> None:
        is_seen = record.job.status in {RecordedJobStatus.STARTED, RecordedJobStatus.STOPPED}
        assert (record.job.status.value if is_seen else "gone") == self._world.job_status(outputs["jobId"])
        if record.job.status is RecordedJobStatus.STOPPED:
            assert outputs == {**old.outputs, "job": outputs["job"]}, "of a stopped job more changed than its status"

    def _look_at_inputs(self, old: Resource, record: Record, began: int) -> None:
        """What can be cancelled again is no longer among the inputs, and nothing else has left them."""
        job_id, keys = old.outputs["jobId"], record.known_keys()
        switches = self._world.simulator.switches
        if self._world.touched[job_id] + switches.index_delay * 1000 < began:
            # What changed when the reading began, or later, may have been read either way.
            read_at = dict.fromkeys(keys, began - 1.0)
            ensure_none(invariants.of_refresh(keys, record.keys, self._world.held(job_id), switches, read_at))


def ensure_none(violations: Iterable[Violation]) -> None:
    """Fail if something is wrong."""
    found = [str(violation) for violation in violations]
    assert found == []


def declared_keys(inputs: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(inputs["deviceKeys"].split("\n")) - {""}


def is_expired(bag: Mapping[str, Any]) -> bool:
    return bool(bag.get("expires", "9") < "2002")


def _sound(outputs: Bag) -> Record:
    record = record_of(outputs)
    assert outputs_of(outputs, record) == outputs, "the state does not survive being read and written"
    assert outputs["cancelledCount"] == len(record.cancelled_keys())
    return record


def _nothing_was_sent(text: str, entries: Collection[Entry]) -> None:
    assert "no request was sent" in text, text
    done = [entry for entry in entries if entry.processed and entry.by != "control"]
    assert done == [], f"{text}, but {done}"


def _speaks_to_the_operator(text: str) -> None:
    text = text.strip()
    assert text, "an error without a text"
    assert "Traceback" not in text, text
    assert len(text.splitlines()) <= 2, text
    assert "aaaabbbb-cccc-4ddd-8eee-ffff00001111" not in text, "an error tells the secret"
