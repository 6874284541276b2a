"""Cancelling in one stage or in several: each is declared right before its first request that writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from enos_ota.audit import AuditError
from enos_ota.cli.failures import Refused
from enos_ota.cli.output import say_aside
from enos_ota.enos import EnosError
from enos_ota.operations import commit_hints as written
from enos_ota.operations.bounds import bounds_of
from enos_ota.operations.declaration import Declaration, Wish, declare, to_expect
from enos_ota.operations.order import WAY_OUT
from enos_ota.operations.recorder import Recorder
from enos_ota.operations.set_names import suggested_name
from enos_ota.reconciler import EarlyEnd, JobFacts, Limits, Pool, Reconciler, Record, StoppableClock, Terms, plan
from enos_ota.reconciler.guard import break_glass
from enos_ota.reconciler.naming import shown
from enos_ota.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enos_ota.enos import IncompleteList, WriteWatch
    from enos_ota.operations.bounds import Bounds
    from enos_ota.operations.context import Station
    from enos_ota.operations.order import Order
    from enos_ota.settings import SetSettings


class Stages:
    """Declares and cancels keys, some after others.

    Args:
        here: Where it takes place.
        order: What was asked for.
        sets: The sets that are there, see `enos_ota.operations.bounds.sets_there`.
        job: The job as the operator was shown it. Left out: as it is read before anything is sent.
        learn: Told what the job is, once it was read, if it was left out.
        is_override_told: Whether the operator was told already that the guard is overridden.
        may_send: False where there was nothing to cancel, so that nobody was asked.

    Attributes:
        keys: All keys so far.
        firmware_version: What the job had to be about; empty for anything.
        declaration: What was written, or is to be.
        wish: What it comes from; of several stages the last one.
        record: What came of it.
        is_written: Whether anything was written into the project.
        is_refused: Whether the problem is a no, and not a failure.
        cut_off: Why EnOS's list of what waits is not complete; None where it is.
        skipped: How many tasks that wait have a device key that no set can hold.
        unlisted: How many tasks were confirmed, but could not be listed yet, and so are in no set.
    """

    def __init__(
        self,
        here: Station,
        order: Order,
        sets: Sequence[SetSettings],
        *,
        job: JobFacts | None = None,
        learn: Callable[[JobFacts], None] | None = None,
        is_override_told: bool = False,
        may_send: bool = True,
    ) -> None:
        self.keys: frozenset[str] = frozenset()
        self.firmware_version = order.firmware_version
        self.declaration = Declaration()
        self.wish = Wish(order.job_id, frozenset())
        self.record = Record()
        self.is_written = False
        self.is_refused = False
        self.cut_off: IncompleteList | None = None
        self.skipped = 0
        self.unlisted = 0
        self._here = here
        self._order = order
        self._job = job
        self._learn = learn
        self._may_send = may_send
        self._sets = sets
        self._is_override_told = is_override_told
        self._reconciler = Reconciler(
            here.client,
            markers=here.connection.cancelled_markers,
            limits=Limits(batch_size=here.connection.batch_size, deadline=here.connection.deadline),
            clock=StoppableClock(here.stop),
            workers=Pool(here.connection.max_concurrency),
            stop=here.stop,
        )

    def declare(self, keys: frozenset[str]) -> Declaration:
        """What to write for some keys more. Nothing is.

        The job that the operator was shown, else as it is read before anything is sent, is what a new set is named
        after, and its firmware what the set expects from now on.

        Raises:
            SettingsError: See `enos_ota.operations.declaration.declare`.
        """
        order, job = self._order, self._job or JobFacts(firmware_version=self._order.firmware_version)
        self.wish = wish = Wish(
            order.job_id,
            keys,
            name=self.declaration.set_name or order.name,
            suggestion=suggested_name(job.name, job.firmware_version, order.job_id),
            reason=order.reason,
            firmware_version=to_expect(job.firmware_version),
            expires=order.expires,
            by="enos-ota cancel",
            overwrite=order.overwrite,
        )
        stack_file, environ, project = self._here.stack_file, self._here.environ, self._here.project_name
        try:
            return declare(stack_file, environ, wish, project=project)
        except SettingsError as error:
            if not self.declaration.set_name:
                advice = [error.advice, "" if order.aside else WAY_OUT]
                raise SettingsError(error.findings, "\n".join(filter(None, advice))) from None
            # Keys that the key file begun in the stage before cannot hold: a set of their own.
            return declare(stack_file, environ, replace(wish, name="", overwrite=False), project=project)

    def cancel(self, keys: frozenset[str], declaration: Declaration) -> None:
        """Cancel, and write the declaration before the first request; after it, where none was needed.

        Raises:
            Refused: A set that is concerned does not allow it; nothing was sent in this stage.
            EnosError: Nothing was sent in this stage, and the reason is not the job's.
            SettingsError: Nothing had to be sent, and the declaration could not be written.
        """
        bounds = bounds_of(self._here, self._order, self._sets, keys)
        self.firmware_version = bounds.firmware_version
        recorder = Recorder(declaration, lambda: _tell(recorder.declaration), "" if self._order.aside else WAY_OUT)
        try:
            record = self._applied(keys, recorder, bounds)
            if not record.problem:
                recorder.write()  # where nothing had to be sent: all were cancelled already, or are held
        finally:
            if recorder.is_written:
                self.is_written = True
                self.declaration = self.declaration.and_then(recorder.declaration)
            elif not self.is_written:
                self.declaration = recorder.declaration
        self.keys |= keys
        self.record = _joined(self.record, record)

    def go_on(self, next_stage: Callable[[], None]) -> None:
        """Another stage, if the one before came to its end. What goes wrong is a problem of the whole."""
        if self.record.problem:
            return
        try:
            next_stage()
        except Refused as error:
            self.fail(error.message, is_refused=True)
        except (EnosError, EarlyEnd) as error:
            self.fail(str(error))
        except SettingsError as error:
            self.fail("; ".join(error.problems))

    def fail(self, problem: str, *, is_refused: bool = False) -> None:
        """Note that the rest cannot, or must not, be done."""
        self.record = replace(self.record, problem=self.record.problem or problem)
        self.is_refused = is_refused

    def _applied(self, keys: frozenset[str], recorder: Recorder, bounds: Bounds) -> Record:
        order, here = self._order, self._here

        def learn(job: JobFacts) -> None:
            if self._job is None:
                self._job = job
                recorder.declaration = self.declare(keys)
                if self._learn:
                    self._learn(job)

        def watch(batch: Sequence[str], override: str) -> WriteWatch:
            if not self._may_send:
                raise EarlyEnd("some can be cancelled by now, which nobody was asked about: the same line once more")
            names = dict.fromkeys((*self.declaration.set_names, *recorder.declaration.set_names))
            self._is_override_told = self._is_override_told or bool(override)
            log = here.watch(
                "cancelTask",
                batch,
                job_id=order.job_id,
                reason=order.reason,
                set_name=", ".join(names),
                break_glass=override,
            )
            return recorder.watch(log)

        terms = Terms(
            guard=bounds.guard,
            expect_firmware_version=bounds.firmware_version,
            break_glass=break_glass(here.environ),
            is_override_told=self._is_override_told,
            learn=learn,
            watch=watch,
            say=say_aside,
        )
        try:
            return self._reconciler.apply(order.job_id, plan(keys, Record()), terms)
        except EnosError as error:
            if recorder.is_written and not here.requests:
                sent = "EnOS refused what was sent" if here.requests.refused else "nothing was sent"
                is_new = "The set was written into the project, but " if recorder.declaration.changes else ""
                say_aside(f"{is_new}{sent if is_new else sent[0].upper() + sent[1:]}:")
            elif isinstance(error, AuditError) and not self.is_written:
                say_aside("Nothing was sent and nothing was written:")
            raise


def _tell(declaration: Declaration) -> None:
    if places := " and ".join(written.places(declaration)):
        say_aside(f"written before anything is sent: set {shown(declaration.set_name)!r}, in {places}")


def _joined(before: Record, after: Record) -> Record:
    return Record(
        keys=before.keys | after.keys,
        findings={**before.findings, **after.findings},
        job=after.job,
        problem=before.problem or after.problem,
    )
