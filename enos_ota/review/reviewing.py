"""Review a stack: run Pulumi's preview, then read EnOS. No request writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
    JobNotFound,
    JobStatus,
    ServerError,
    Throttled,
    TransportError,
)
from enos_ota.plan.guard import break_glass
from enos_ota.plan.live import WAITING, LiveSet
from enos_ota.plan.messages import failed_reads
from enos_ota.reconciler import Pool, Stop, Stopped
from enos_ota.reconciler.deadline import Deadline
from enos_ota.reconciler.live_reader import read_job, read_plan
from enos_ota.review.compose import (
    LiveJob,
    ReviewContext,
    ReviewFacts,
    build_report,
    record_before,
    report_misconfigured,
)
from enos_ota.review.model import OtherJob
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
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date

    from enos_ota.enos import Clock, EnosClient, Job
    from enos_ota.plan import Plan
    from enos_ota.review.model import ReviewReport
    from enos_ota.settings import Connection, SetSettings
    from enos_ota.settings.project import StackConfig

_UNASKED: Final = "EnOS could not be asked"
_REFUSED: Final = "EnOS rejected the credentials or the organization, and retrying does not help"

_PATIENCE: Final = 60.0
"""Seconds after which the review waits no more for EnOS to take requests again."""
_OTHER_JOBS: Final = 10
"""Other jobs with the same firmware whose tasks are counted."""


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
    """Review a stack of the project that a directory is in. Everything that is wrong is in the report.

    With `expect_no_changes` any change is a no. `packs` are directories of policy packs that the preview runs, and
    `pack_configs` their settings in the same order.
    """
    now = datetime.fromtimestamp(clock.time(), timezone.utc)
    to_run = pulumi.Packs(packs, pack_configs)
    named = short_name(stack or environ.get(PULUMI_STACK, ""))
    context = ReviewContext("", named, commit_of(environ), now, to_run.names, ignored_options(environ))
    try:
        if around := find_project(directory):
            context = replace(context, project=around.name)
        project, name, file = locate_stack(directory, stack, environ)
        context = replace(context, project=project.name, stack=short_name(name))
        check = validate_stack_file(file, project=project.name)
        if check.problems:
            return report_misconfigured(context, [str(problem) for problem in check.problems])
        config = read_stack(directory, name, environ, needed=True)
        context = replace(context, guard=load_checks(config.get).guard)
        found = _ReviewRun(context, config, check.sets, environ, clock, to_run).read()
        report = build_report(context, found, expect_no_changes=expect_no_changes)
        return report.with_files({each.name: shown_path(each.file) for each in check.sets})
    except SettingsError as error:
        return report_misconfigured(context, error.problems)


@dataclass(frozen=True, slots=True)
class _ReviewRun:
    """One review of one stack."""

    context: ReviewContext
    config: StackConfig
    sets: Sequence[SetSettings]
    environ: Mapping[str, str]
    clock: Clock
    packs: pulumi.Packs

    @property
    def today(self) -> date:
        return self.context.now.date()

    def read(self) -> ReviewFacts:
        """Ask Pulumi, then EnOS.

        Raises:
            SettingsError: The configuration cannot be used.
        """
        try:
            connection = load_connection(self.config.get, self.environ)
        except NoCredentials as error:
            why_not = "; ".join(error.problems)
            found = self._preview(refresh=False)
            blind = found.blind or (() if found.previewed else (why_not,))
            return replace(found, blind=blind, no_credentials=why_not)
        with create_client(connection, clock=self.clock) as client:
            # In an outage a refresh would wait for EnOS set by set, only to fail.
            if unreached := self._unreached(client):
                return self._declared_only(_describe(unreached))
            found = self._preview(refresh=True)
            if unread := failed_reads(found.preview.errors):
                return self._declared_only(*unread)
            try:
                if not (found.preview.sets or found.previewed):
                    # A program of one's own may have failed because EnOS does not answer: then the review says so.
                    next(self._waiting(client).search_jobs(page_size=1), None)
                jobs, plans = self._read_sets(client, connection, found.preview)
            except (EnosError, Stopped) as error:
                if not found.previewed:
                    return self._declared_only(_describe(error))
                return replace(found, blind=(_describe(error),))
        return replace(found, jobs=jobs, plans=plans)

    def _unreached(self, client: EnosClient) -> EnosError | Stopped | None:
        """Why EnOS does not answer for a job that an `up` asks for too; None if it does, or if there is no such job."""
        job_id = next((each.job_id for each in self.sets if not each.is_expired(self.today)), "")
        try:
            if job_id:
                self._waiting(client).get_job(job_id)
        except (TransportError, AuthenticationError, GatewayRefusal, ServerError, Throttled, Stopped) as error:
            return error
        except EnosError:
            pass  # a refusal is an answer
        return None

    def _waiting(self, client: EnosClient) -> EnosClient:
        return client.waiting_by(Deadline(self.clock, Stop(), _PATIENCE).sleep)

    def _declared_only(self, *blind: str) -> ReviewFacts:
        """Return what is declared, and why EnOS could not be asked."""
        declared = self._preview(refresh=False)
        return replace(declared, blind=(*blind, *declared.blind))

    def _preview(self, *, refresh: bool) -> ReviewFacts:
        root = self.config.project.root if self.config.project else Path.cwd()
        environ = {**self.environ, REVIEWED: "1"}
        call = pulumi.Call(root, self.config.full_name, environ, refresh, self.packs)
        try:
            ran = pulumi.preview(call)
            preview = parse(ran.stdout)
            objections = pulumi.violations(call) if self.packs.directories and not ran.succeeded else ()
        except (pulumi.PulumiFailed, UnreadablePreview) as error:
            why_not = tuple(str(error).splitlines())
            return ReviewFacts(self._with_declared(Preview()), previewed=False, refreshed=False, blind=why_not)
        if ran.succeeded:
            return ReviewFacts(preview, previewed=True, refreshed=refresh)
        unexplained: tuple[str, ...] = ()
        if not (preview.errors or objections):
            unexplained = preview.asides or ran.said or ("`pulumi preview` failed and did not say why",)
        preview = replace(self._with_declared(preview), errors=(*preview.errors, *objections))
        return ReviewFacts(preview, previewed=False, refreshed=refresh and not unexplained, blind=unexplained)

    def _with_declared(self, preview: Preview) -> Preview:
        """Add the sets that a preview did not reach, as the stack declares them."""
        try:
            address = load_address(self.config.get, self.environ)
        except SettingsError:
            return preview  # the gateway may be in the program only
        steps = {step.name: step for step in preview.sets}  # of our own program, where no name comes twice
        missing: dict[str, SetStep] = {}
        for each in self.sets:
            step = steps.get(each.name, SetStep(each.name, Change.DECLARED))
            if step.declared is None:
                guard = each.guard.completed_by(self.context.guard)
                declared = replace(each, api_gateway=address.gateway, org_id=address.org_id, guard=guard)
                missing[each.name] = replace(step, change=Change.DECLARED, declared=declared)
        there = tuple(step for step in preview.sets if step.name not in missing)
        return replace(preview, sets=(*there, *missing.values()))

    def _read_sets(
        self, client: EnosClient, connection: Connection, preview: Preview
    ) -> tuple[dict[str, LiveJob], dict[str, Plan]]:
        """Read the jobs of a preview's sets by id, and build the plans of the declared ones by identity of their step.

        Raises:
            EnosError: EnOS could not be read.
            Stopped: EnOS asked for a pause that is too long.
        """
        steps = [(step, about) for step in preview.sets if (about := step.declared or step.recorded)]
        jobs: dict[str, LiveJob] = {}
        plans: dict[str, Plan] = {}
        waiting = self._waiting(client)
        workers = Pool(connection.max_concurrency)
        ours = {about.job_id for _, about in steps}
        for step, about in steps:
            if about.is_expired(self.today):
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
                    today=self.today,
                    markers=connection.cancelled_markers,
                    break_glass=break_glass(self.environ),
                    job=jobs[about.job_id].live,
                    max_keys=None,
                    workers=workers,
                )
        return jobs, plans


def _describe(error: Exception) -> str:
    rejected = isinstance(error, EnosError) and error.rejects_access
    text = error.advised_text if isinstance(error, EnosError) else str(error)
    return f"{_REFUSED if rejected else _UNASKED}: {text}"


def read_live_job(client: EnosClient, job_id: str, ours: Collection[str]) -> LiveJob:
    """Read a job, and the started ones with its firmware that are not ours: seven requests, and one for each of these.

    Raises:
        EnosError: It could not be read. Not for related jobs: an `up` does without them.
    """
    try:
        live = read_job(client, job_id, by_status=True)
    except JobNotFound as error:
        return LiveJob(LiveSet(None, not_found=str(error)))
    if live.job is None or not live.job.firmware_version:
        return LiveJob(live)
    try:
        return LiveJob(live, tuple(_related(client, live.job, {job_id, *ours})))
    except EnosError:
        return LiveJob(live, None)


def _related(client: EnosClient, job: Job, ours: Collection[str]) -> Iterable[OtherJob]:
    found = client.search_jobs(firmware_version=job.firmware_version, status=JobStatus.STARTED)
    others = (each for each in found if each.job_id not in ours and _same_firmware(each, job))
    for number, other in enumerate(others):
        waiting = client.count_tasks(other.job_id, statuses=WAITING) if number < _OTHER_JOBS else None
        yield OtherJob(job_id=other.job_id, name=other.name, waiting=waiting)


def _same_firmware(one: Job, other: Job) -> bool:
    # The same version may be another product's firmware: only where EnOS names both files are they compared.
    return not (one.firmware_id and other.firmware_id) or one.firmware_id == other.firmware_id
