"""Finding out what an `up` would do: Pulumi's preview, then EnOS. Nothing is written, here or there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enos_ota.audit import commit_of
from enos_ota.engine import preview_run as pulumi
from enos_ota.engine.policy_packs import Packs
from enos_ota.engine.preview_json import Preview, SetStep, UnreadablePreview, parse
from enos_ota.engine.properties import Declared
from enos_ota.engine.pulumi_cli import ignored_options
from enos_ota.engine.stack_secrets import read_stack
from enos_ota.enos import (
    SYSTEM_CLOCK,
    AuthenticationError,
    EnosError,
    GatewayRefusal,
    RetryPolicy,
    ServerError,
    Throttled,
    TransportError,
)
from enos_ota.plan import days
from enos_ota.reconciler import DEFAULT_MARKERS, EarlyEnd, Pool, Stop
from enos_ota.reconciler.ending import Ending
from enos_ota.reconciler.guard import break_glass
from enos_ota.reconciler.verdict import UNASKED, UNREAD
from enos_ota.review.compose import Findings, Occasion, compose, misconfigured
from enos_ota.review.judge import Seen, Surroundings, keys_to_read
from enos_ota.review.live import LiveJob, look_at_job, look_at_tasks
from enos_ota.review.model import Change
from enos_ota.settings import (
    NoCredentials,
    SettingsError,
    check_stack_file,
    load_checks,
    load_connection,
    load_stack,
    short_name,
)
from enos_ota.settings.client import create_client
from enos_ota.settings.project import PULUMI_STACK, find_project, locate_stack
from enos_ota.settings.set_files import declared_items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from enos_ota.enos import Clock, EnosClient
    from enos_ota.review.model import Report
    from enos_ota.settings import Connection
from enos_ota.settings.project import StackConfig

_UNASKED: Final = "EnOS could not be asked"
_REFUSED: Final = (
    "EnOS answers, but refuses the credentials or the organization, which stays so until somebody mends it"
)

_PATIENCE: Final = 60.0
"""Seconds until nothing waits any more for EnOS to take requests again."""


def review(
    directory: Path,
    stack: str | None,
    environ: Mapping[str, str],
    *,
    expect_no_changes: bool = False,
    packs: Sequence[Path] = (),
    pack_configs: Sequence[Path] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> Report:
    """Review a stack. Whatever is wrong is in the report.

    Args:
        directory: A directory of the project.
        stack: The stack; None for the one that `enos_ota.settings.project` finds to be meant.
        environ: The environment, for Pulumi too.
        expect_no_changes: Whether any change is a no.
        packs: Directories of policy packs that the preview runs.
        pack_configs: Their settings, in the same order.
        clock: What tells the time and waits.
    """
    now = datetime.fromtimestamp(clock.time(), timezone.utc)
    made_at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    to_run = Packs(packs, pack_configs)
    named = short_name(stack or environ.get(PULUMI_STACK, ""))
    occasion = Occasion("", named, commit_of(environ), made_at, to_run.names, ignored_options(environ))
    try:
        if around := find_project(directory):
            occasion = replace(occasion, project=around.name)
        project, name, file = locate_stack(directory, stack, environ)
        occasion = replace(occasion, project=project.name, stack=short_name(name))
        if problems := check_stack_file(file, project=project.name):
            return misconfigured(occasion, [str(problem) for problem in problems])
        config = read_stack(directory, name, environ, needed=True)
        examination = _Examination(config, environ, clock, now.date(), to_run)
        return compose(occasion, examination.run(), examination.surroundings, expect_no_changes=expect_no_changes)
    except SettingsError as error:
        return misconfigured(occasion, error.problems)


@dataclass(frozen=True, slots=True)
class _Previewed:
    """A preview, or why there is none."""

    preview: Preview
    succeeded: bool
    why_not: tuple[str, ...] = ()


class _Examination:
    """One look at a stack."""

    def __init__(
        self,
        config: StackConfig,
        environ: Mapping[str, str],
        clock: Clock,
        today: date,
        packs: Packs,
    ) -> None:
        self._config = config
        self._packs = packs
        self._environ = environ
        self._clock = clock
        self._connection: Connection | None
        try:
            self._connection = load_connection(config.get, environ)
            self._why_not = ""
        except NoCredentials as error:
            self._connection = None
            self._why_not = "; ".join(error.problems)
        markers = self._connection.cancelled_markers if self._connection else DEFAULT_MARKERS
        self.surroundings = Surroundings(markers, today, break_glass(environ), load_checks(config.get).guard)

    def run(self) -> Findings:
        """Ask Pulumi, then EnOS.

        Raises:
            SettingsError: The configuration cannot be used.
        """
        connection = self._connection
        if connection is None:
            previewed = self._preview(refresh=False)
            return Findings(
                previewed.preview,
                previewed=previewed.succeeded,
                refreshed=False,
                blind=previewed.why_not or (() if previewed.succeeded else (self._why_not,)),
                no_credentials=self._why_not,
            )
        with create_client(connection, clock=self._clock) as client:
            # In an outage a refresh would wait for EnOS set by set, only to fail.
            if unreached := self._unreached(client):
                return self._outage(unreached)
            previewed = self._preview(refresh=True)
            try:
                seen = self._seen(client, connection, previewed)
            except (EnosError, EarlyEnd) as error:
                return self._outage(error, previewed)
        return Findings(
            previewed.preview,
            previewed=previewed.succeeded,
            refreshed=not previewed.why_not,
            seen=seen,
            blind=previewed.why_not or _unread(previewed.preview),
        )

    def _unreached(self, client: EnosClient) -> EnosError | EarlyEnd | None:
        """Why EnOS gives no answer, after all patience; None if it does, whatever it is.

        It is asked for a job that an `up` would ask for too. A program of one's own may have any: of a list that fails
        nothing follows for these.
        """
        job_id = self._any_job()
        waiting = self._waiting(client)
        try:
            if job_id:
                waiting.get_job(job_id)
            else:
                next(waiting.search_jobs(page_size=1), None)
        except (TransportError, AuthenticationError, GatewayRefusal, EarlyEnd) as error:
            return error
        except (ServerError, Throttled) as error:
            return error if job_id else None
        except EnosError:
            return None  # a no is an answer
        return None

    def _any_job(self) -> str:
        """Return a job of the declared sets that have not expired; empty if there is none."""
        today = self.surroundings.today
        sets = declared_items(self._config.document) if self._config.document else ()  # was checked
        return next((each["jobId"] for _, each in sets if not days.is_over(each.get("expires", ""), today)), "")

    def _waiting(self, client: EnosClient) -> EnosClient:
        return client.waiting_by(Ending(self._clock, Stop(), _PATIENCE).sleep)

    def _outage(self, error: Exception, previewed: _Previewed | None = None) -> Findings:
        """What is declared can be shown nevertheless."""
        declared = previewed if previewed and previewed.succeeded else self._preview(refresh=False)
        rejected = isinstance(error, EnosError) and error.rejects_access
        text = error.advised_text if isinstance(error, EnosError) else str(error)
        return Findings(
            declared.preview,
            previewed=declared.succeeded,
            refreshed=declared is previewed,
            blind=(f"{_REFUSED if rejected else _UNASKED}: {text}", *declared.why_not),
        )

    def _preview(self, *, refresh: bool) -> _Previewed:
        root = self._config.project.root if self._config.project else Path.cwd()
        call = pulumi.Call(root, self._config.full_name, self._environ, refresh, self._packs)
        try:
            ran = pulumi.preview(call)
            preview = parse(ran.stdout)
            objections = pulumi.violations(call) if self._packs.directories and not ran.succeeded else ()
        except pulumi.PulumiFailed as error:
            return _Previewed(self._only_declared(Preview()), succeeded=False, why_not=error.lines)
        except UnreadablePreview as error:
            return _Previewed(self._only_declared(Preview()), succeeded=False, why_not=(str(error),))
        if ran.succeeded:
            return _Previewed(preview, succeeded=True)
        unexplained: tuple[str, ...] = ()
        if not (preview.errors or objections):
            unexplained = preview.asides or ran.said or ("`pulumi preview` failed and did not say why",)
        declared = self._only_declared(preview)
        return _Previewed(
            replace(declared, errors=(*declared.errors, *objections)), succeeded=False, why_not=unexplained
        )

    def _only_declared(self, preview: Preview) -> Preview:
        """With the sets that a preview never came to, as their stack file declares them."""
        try:
            settings = load_stack(
                None,
                self._environ,
                stack_file=self._config.file,
                project=self._config.project.name if self._config.project else "",
            )
        except SettingsError:
            return preview  # the address may be nowhere but in the program
        steps = {step.name: step for step in preview.sets}  # of our own program, where no name comes twice
        missing: dict[str, SetStep] = {}
        for each in settings.sets:
            step = steps.get(each.name)
            if step is not None and step.declared is not None:
                continue
            declared = Declared(
                set_name=each.name,
                api_gateway=settings.gateway,
                org_id=settings.org_id,
                job_id=each.job_id,
                device_keys=each.device_keys,
                on_too_late=each.on_too_late,
                on_missing=each.on_missing,
                expires=each.expires or "",
                reason=each.reason or "",
                guard=each.guard,
                expect_firmware_version=each.expect_firmware_version or "",
            )
            blank = SetStep(each.name, Change.DECLARED)
            missing[each.name] = replace(step or blank, change=Change.DECLARED, declared=declared)
        there = tuple(step for step in preview.sets if step.name not in missing)
        return replace(preview, sets=(*there, *missing.values()))

    def _seen(self, client: EnosClient, connection: Connection, previewed: _Previewed) -> dict[str, Seen]:
        """As `_look`; where the preview waited for EnOS in vain, nobody waits for it once more."""
        if not _unread(previewed.preview):
            return self._look(client, connection, previewed)
        with create_client(connection, clock=self._clock, retry=RetryPolicy(attempts=1)) as impatient:
            return self._look(impatient, connection, previewed)

    def _look(self, client: EnosClient, connection: Connection, previewed: _Previewed) -> dict[str, Seen]:
        """How the sets of a preview stand now, by identity of their steps.

        Raises:
            EnosError: EnOS could not be read.
            EarlyEnd: It had asked to wait for too long.
        """
        today = self.surroundings.today
        steps = [(step, about) for step in previewed.preview.sets if (about := step.declared or step.recorded)]
        jobs: dict[str, LiveJob] = {}
        seen: dict[str, Seen] = {}
        waiting = self._waiting(client)
        workers = Pool(connection.max_concurrency)
        if not (steps or previewed.succeeded):
            # A program of one's own may have failed for want of EnOS: that is no answer about the change.
            next(waiting.search_jobs(page_size=1), None)
        ours = {about.job_id for _, about in steps}
        for step, about in steps:
            if about.rules(today).expired:
                continue
            if about.org_id != connection.org_id:
                raise TransportError(f"set {step.name!r} is of another organization, {about.org_id}")
            if about.job_id not in jobs:
                jobs[about.job_id] = look_at_job(waiting, about.job_id, ours)
            job = jobs[about.job_id]
            keys = keys_to_read(step, today, stopped=job.is_stopped) if job.job else ()
            seen[step.identity] = Seen(job, look_at_tasks(waiting, about.job_id, keys, workers))
        return seen


def _unread(preview: Preview) -> tuple[str, ...]:
    """Why EnOS could not be read, if that is why the preview failed: it answers again by now."""
    return tuple(text for text in preview.errors if UNREAD in text or UNASKED in text)
