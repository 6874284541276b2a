"""Review a stack: run Pulumi's preview, then read EnOS. No request writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from enos_ota.audit import commit_of
from enos_ota.engine import preview_run as pulumi
from enos_ota.engine.preview_hook import REVIEWED
from enos_ota.engine.preview_json import Change, Preview, SetStep, UnreadablePreview, parse
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
from enos_ota.plan.guard import break_glass
from enos_ota.plan.messages import failed_reads
from enos_ota.reconciler import DEFAULT_MARKERS, Pool, Stop, Stopped
from enos_ota.reconciler.deadline import Deadline
from enos_ota.reconciler.live_reader import read_plan
from enos_ota.review.compose import ReviewContext, ReviewFacts, build_report, report_misconfigured
from enos_ota.review.live import LiveJob, read_live_job
from enos_ota.review.set_report import ReviewSettings, record_before
from enos_ota.settings import (
    NoCredentials,
    SettingsError,
    load_address,
    load_checks,
    load_connection,
    short_name,
)
from enos_ota.settings.check import validate_stack_file
from enos_ota.settings.client import create_client
from enos_ota.settings.project import PULUMI_STACK, locate_stack
from enos_ota.settings.stackfile import find_project, shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from enos_ota.enos import Clock, EnosClient
    from enos_ota.plan import Plan
    from enos_ota.review.model import ReviewReport
    from enos_ota.settings import Connection, SetSettings
    from enos_ota.settings.project import StackConfig

_UNASKED: Final = "EnOS could not be asked"
_REFUSED: Final = "EnOS rejected the credentials or the organization, and retrying does not help"

_PATIENCE: Final = 60.0
"""Seconds after which the review waits no more for EnOS to take requests again."""


def review(
    directory: Path,
    stack: str | None,
    environ: Mapping[str, str],
    *,
    expect_no_changes: bool = False,
    packs: Sequence[Path] = (),
    pack_configs: Sequence[Path] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> ReviewReport:
    """Review a stack. Everything that is wrong is in the report.

    Args:
        directory: A directory of the project.
        stack: The stack; None for the one that `enos_ota.settings.project` selects.
        environ: The environment, for Pulumi too.
        expect_no_changes: Whether any change is a no.
        packs: Directories of policy packs that the preview runs.
        pack_configs: Their settings, in the same order.
        clock: Time and waiting.
    """
    now = datetime.fromtimestamp(clock.time(), timezone.utc)
    made_at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    to_run = pulumi.Packs(packs, pack_configs)
    named = short_name(stack or environ.get(PULUMI_STACK, ""))
    context = ReviewContext("", named, commit_of(environ), made_at, to_run.names, ignored_options(environ))
    try:
        if around := find_project(directory):
            context = replace(context, project=around.name)
        project, name, file = locate_stack(directory, stack, environ)
        context = replace(context, project=project.name, stack=short_name(name))
        check = validate_stack_file(file, project=project.name)
        if check.problems:
            return report_misconfigured(context, [str(problem) for problem in check.problems])
        config = read_stack(directory, name, environ, needed=True)
        run = _ReviewRun(config, environ, clock, now.date(), to_run, sets=check.sets)
        report = build_report(context, run.read(), run.settings, expect_no_changes=expect_no_changes)
        return report.with_files({each.name: shown_path(each.file) for each in check.sets})
    except SettingsError as error:
        return report_misconfigured(context, error.problems)


@dataclass(frozen=True, slots=True)
class _Previewed:
    """A preview, or why there is none."""

    preview: Preview
    succeeded: bool
    why_not: tuple[str, ...] = ()


_SetsRead: TypeAlias = "tuple[dict[str, LiveJob], dict[str, Plan]]"
"""The jobs by id, and the plans of the declared sets by identity of their steps."""


class _ReviewRun:
    """One review of one stack."""

    def __init__(
        self,
        config: StackConfig,
        environ: Mapping[str, str],
        clock: Clock,
        today: date,
        packs: pulumi.Packs,
        *,
        sets: Sequence[SetSettings],
    ) -> None:
        self._config = config
        self._sets = sets
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
        self.settings = ReviewSettings(markers, today, break_glass(environ), load_checks(config.get).guard)

    def read(self) -> ReviewFacts:
        """Ask Pulumi, then EnOS.

        Raises:
            SettingsError: The configuration cannot be used.
        """
        connection = self._connection
        if connection is None:
            previewed = self._preview(refresh=False)
            return ReviewFacts(
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
                jobs, plans = self._read_sets(client, connection, previewed)
            except (EnosError, Stopped) as error:
                return self._outage(error, previewed)
        return ReviewFacts(
            previewed.preview,
            previewed=previewed.succeeded,
            refreshed=not previewed.why_not,
            jobs=jobs,
            plans=plans,
            blind=previewed.why_not or failed_reads(previewed.preview.errors),
        )

    def _unreached(self, client: EnosClient) -> EnosError | Stopped | None:
        """Why EnOS gives no answer after all retries; None if it answers.

        The review asks for a job that an `up` asks for too. A program of one's own may have any job: a list that fails
        says nothing about these.
        """
        job_id = self._any_job()
        waiting = self._waiting(client)
        try:
            if job_id:
                waiting.get_job(job_id)
            else:
                next(waiting.search_jobs(page_size=1), None)
        except (TransportError, AuthenticationError, GatewayRefusal, Stopped) as error:
            return error
        except (ServerError, Throttled) as error:
            return error if job_id else None
        except EnosError:
            return None  # a refusal is an answer
        return None

    def _any_job(self) -> str:
        """Return a job of the declared sets that have not expired; empty if there is none."""
        today = self.settings.today
        return next((each.job_id for each in self._sets if not each.is_expired(today)), "")

    def _waiting(self, client: EnosClient) -> EnosClient:
        return client.waiting_by(Deadline(self._clock, Stop(), _PATIENCE).sleep)

    def _outage(self, error: Exception, previewed: _Previewed | None = None) -> ReviewFacts:
        """Without EnOS the review still shows what is declared."""
        declared = previewed if previewed and previewed.succeeded else self._preview(refresh=False)
        rejected = isinstance(error, EnosError) and error.rejects_access
        text = error.advised_text if isinstance(error, EnosError) else str(error)
        return ReviewFacts(
            declared.preview,
            previewed=declared.succeeded,
            refreshed=declared is previewed,
            blind=(f"{_REFUSED if rejected else _UNASKED}: {text}", *declared.why_not),
        )

    def _preview(self, *, refresh: bool) -> _Previewed:
        root = self._config.project.root if self._config.project else Path.cwd()
        environ = {**self._environ, REVIEWED: "1"}
        call = pulumi.Call(root, self._config.full_name, environ, refresh, self._packs)
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
        """Add the sets that a preview did not reach, as the stack declares them."""
        try:
            address = load_address(self._config.get, self._environ)
        except SettingsError:
            return preview  # the address may be nowhere but in the program
        steps = {step.name: step for step in preview.sets}  # of our own program, where no name comes twice
        missing: dict[str, SetStep] = {}
        for each in self._sets:
            step = steps.get(each.name)
            if step is not None and step.declared is not None:
                continue
            guard = each.guard.completed_by(self.settings.guard)
            declared = replace(each, api_gateway=address.gateway, org_id=address.org_id, guard=guard)
            blank = SetStep(each.name, Change.DECLARED)
            missing[each.name] = replace(step or blank, change=Change.DECLARED, declared=declared)
        there = tuple(step for step in preview.sets if step.name not in missing)
        return replace(preview, sets=(*there, *missing.values()))

    def _read_sets(self, client: EnosClient, connection: Connection, previewed: _Previewed) -> _SetsRead:
        """As `_read_all`; where the preview waited for EnOS without success, the review does not wait once more."""
        if not failed_reads(previewed.preview.errors):
            return self._read_all(client, connection, previewed)
        with create_client(connection, clock=self._clock, retry=RetryPolicy(attempts=1)) as impatient:
            return self._read_all(impatient, connection, previewed)

    def _read_all(self, client: EnosClient, connection: Connection, previewed: _Previewed) -> _SetsRead:
        """Read the jobs of a preview's sets, and build the plans of those that are declared.

        Raises:
            EnosError: EnOS could not be read.
            Stopped: EnOS asked for a pause that is too long.
        """
        settings = self.settings
        steps = [(step, about) for step in previewed.preview.sets if (about := step.declared or step.recorded)]
        jobs: dict[str, LiveJob] = {}
        plans: dict[str, Plan] = {}
        waiting = self._waiting(client)
        workers = Pool(connection.max_concurrency)
        if not (steps or previewed.succeeded):
            # A program of one's own may have failed because EnOS does not answer: then the review says so.
            next(waiting.search_jobs(page_size=1), None)
        ours = {about.job_id for _, about in steps}
        for step, about in steps:
            if about.is_expired(settings.today):
                continue
            if about.org_id != connection.org_id:
                raise TransportError(f"set {step.name!r} is of another organization, {about.org_id}")
            if about.job_id not in jobs:
                jobs[about.job_id] = read_live_job(waiting, about.job_id, ours)
            if step.declared:
                plans[step.identity] = read_plan(
                    waiting,
                    step.declared,
                    record_before(step),
                    today=settings.today,
                    markers=settings.markers,
                    break_glass=settings.break_glass,
                    job=jobs[about.job_id].live,
                    max_keys=None,
                    workers=workers,
                )
        return jobs, plans
