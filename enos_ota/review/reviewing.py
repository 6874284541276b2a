"""Review a stack: run Pulumi's preview, then read EnOS. No request writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enos_ota.audit import commit_of
from enos_ota.engine import preview_run as pulumi
from enos_ota.engine.policy_packs import Packs
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
from enos_ota.plan import Code, days
from enos_ota.plan.guard import break_glass
from enos_ota.plan.messages import has_code, without_code
from enos_ota.reconciler import Pool, Stop, Stopped
from enos_ota.reconciler.deadline import Deadline
from enos_ota.reconciler.live_reader import read_plan
from enos_ota.review.compose import ReviewContext, ReviewFacts, build_report, report_misconfigured
from enos_ota.review.live import read_live_job
from enos_ota.review.set_report import record_before
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
from enos_ota.settings.set_files import declared_items, declaring_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from enos_ota.enos import Clock, EnosClient
    from enos_ota.plan import Plan
    from enos_ota.review.live import LiveJob
    from enos_ota.review.model import ReviewReport
    from enos_ota.settings import Connection
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
    to_run = Packs(packs, pack_configs)
    named = short_name(stack or environ.get(PULUMI_STACK, ""))
    context = ReviewContext("", named, commit_of(environ), now, to_run.names, ignored_options(environ))
    try:
        if around := find_project(directory):
            context = replace(context, project=around.name)
        project, name, file = locate_stack(directory, stack, environ)
        context = replace(context, project=project.name, stack=short_name(name))
        if problems := check_stack_file(file, project=project.name):
            return report_misconfigured(context, [str(problem) for problem in problems])
        config = read_stack(directory, name, environ, needed=True)
        context = replace(context, guard=load_checks(config.get).guard)
        found = _ReviewRun(config, environ, clock, now.date(), to_run).read()
        report = build_report(context, found, expect_no_changes=expect_no_changes)
        return report.with_files(declaring_files(config.document)) if config.document else report
    except SettingsError as error:
        return report_misconfigured(context, error.problems)


class _ReviewRun:
    """One review of one stack."""

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
        self._today = today

    def read(self) -> ReviewFacts:
        """Ask Pulumi, then EnOS.

        Raises:
            SettingsError: The configuration cannot be used.
        """
        try:
            connection = load_connection(self._config.get, self._environ)
        except NoCredentials as error:
            why_not = "; ".join(error.problems)
            found = self._preview(refresh=False)
            blind = found.blind or (() if found.previewed else (why_not,))
            return replace(found, blind=blind, no_credentials=why_not)
        with create_client(connection, clock=self._clock) as client:
            # In an outage a refresh would wait for EnOS set by set, only to fail.
            if unreached := self._unreached(client):
                return self._outage(unreached)
            found = self._preview(refresh=True)
            try:
                jobs, plans = self._read_sets(client, connection, found)
            except (EnosError, Stopped) as error:
                return self._outage(error, found)
        return replace(found, jobs=jobs, plans=plans, blind=found.blind or _unread(found.preview))

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
        sets = declared_items(self._config.document) if self._config.document else ()  # was checked
        return next((each["jobId"] for _, each in sets if not days.is_over(each.get("expires", ""), self._today)), "")

    def _waiting(self, client: EnosClient) -> EnosClient:
        return client.waiting_by(Deadline(self._clock, Stop(), _PATIENCE).sleep)

    def _outage(self, error: Exception, found: ReviewFacts | None = None) -> ReviewFacts:
        """Return what is declared, and that EnOS could not be asked."""
        declared = found if found and found.previewed else self._preview(refresh=False)
        rejected = isinstance(error, EnosError) and error.rejects_access
        text = error.advised_text if isinstance(error, EnosError) else str(error)
        return replace(declared, blind=(f"{_REFUSED if rejected else _UNASKED}: {text}", *declared.blind))

    def _preview(self, *, refresh: bool) -> ReviewFacts:
        root = self._config.project.root if self._config.project else Path.cwd()
        environ = {**self._environ, REVIEWED: "1"}
        call = pulumi.Call(root, self._config.full_name, environ, refresh, self._packs)
        try:
            ran = pulumi.preview(call)
            preview = parse(ran.stdout)
            objections = pulumi.violations(call) if self._packs.directories and not ran.succeeded else ()
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
            settings = load_stack(
                None,
                self._environ,
                stack_file=self._config.file,
                project=self._config.project.name if self._config.project else "",
            )
        except SettingsError:
            return preview  # the gateway may be in the program only
        steps = {step.name: step for step in preview.sets}  # of our own program, where no name comes twice
        missing: dict[str, SetStep] = {}
        for each in settings.sets:
            step = steps.get(each.name, SetStep(each.name, Change.DECLARED))
            if step.declared is None:
                declared = each.task_set(settings.gateway, settings.org_id)
                missing[each.name] = replace(step, change=Change.DECLARED, declared=declared)
        there = tuple(step for step in preview.sets if step.name not in missing)
        return replace(preview, sets=(*there, *missing.values()))

    def _read_sets(
        self, client: EnosClient, connection: Connection, found: ReviewFacts
    ) -> tuple[dict[str, LiveJob], dict[str, Plan]]:
        """As `_read_all`; where the preview waited for EnOS without success, the review does not wait once more."""
        if not _unread(found.preview):
            return self._read_all(client, connection, found)
        with create_client(connection, clock=self._clock, retry=RetryPolicy(attempts=1)) as impatient:
            return self._read_all(impatient, connection, found)

    def _read_all(
        self, client: EnosClient, connection: Connection, found: ReviewFacts
    ) -> tuple[dict[str, LiveJob], dict[str, Plan]]:
        """Read the jobs of a preview's sets by id, and build the plans of the declared ones by identity of their step.

        Raises:
            EnosError: EnOS could not be read.
            Stopped: EnOS asked for a pause that is too long.
        """
        steps = [(step, about) for step in found.preview.sets if (about := step.declared or step.recorded)]
        jobs: dict[str, LiveJob] = {}
        plans: dict[str, Plan] = {}
        waiting = self._waiting(client)
        workers = Pool(connection.max_concurrency)
        if not (steps or found.previewed):
            # A program of one's own may have failed because EnOS does not answer: then the review says so.
            next(waiting.search_jobs(page_size=1), None)
        ours = {about.job_id for _, about in steps}
        for step, about in steps:
            if about.is_expired(self._today):
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
                    today=self._today,
                    markers=connection.cancelled_markers,
                    break_glass=break_glass(self._environ),
                    job=jobs[about.job_id].live,
                    max_keys=None,
                    workers=workers,
                )
        return jobs, plans


def _unread(preview: Preview) -> tuple[str, ...]:
    """Why the preview's refresh could not read EnOS; empty if it could."""
    return tuple(without_code(text, Code.NOT_READ) for text in preview.errors if has_code(text, Code.NOT_READ))
