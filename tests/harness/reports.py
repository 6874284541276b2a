"""Reports of the situations that a reviewer may meet, made by the product from what is declared, recorded and in EnOS.

`CASES` has the situations by name. No sentence of the product is written here: `build_plan` and `build_report` make
them, so a snapshot shows what an approver reads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from enos_ota.engine.preview_json import Change, Preview, ResourceChange, SetStep
from enos_ota.enos import Job, JobStatus, Task
from enos_ota.enos.answers import Answer, classify
from enos_ota.enos.operations import GET_JOB, ApiCall
from enos_ota.plan import Category, Guard, KeyOutcome, LiveSet, Record, RecordedJobStatus, TaskSet, build_plan
from enos_ota.plan.classify import facts_of, normalise_markers, outcome_of, settle, settle_unfinished
from enos_ota.plan.live import COUNTED, WAITING
from enos_ota.plan.messages import failed_reads, not_read
from enos_ota.plan.plan import keys_to_read
from enos_ota.review.compose import (
    LiveJob,
    ReviewContext,
    ReviewFacts,
    build_report,
    record_before,
    report_misconfigured,
)
from enos_ota.review.model import OtherJob
from enos_ota.settings import NoCredentials, load_connection
from enos_ota.settings.check import validate_stack_file
from tests.harness.any_report import HOSTILE
from tests.harness.stack_project import Project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enos_ota.review.model import ReviewReport

    Tasks = Mapping[str, tuple[Task, ...]]

JOB_ID: Final = "65a1b2c3d4e5f60718293a4b"
OTHER_JOB_ID: Final = "65a1b2c3d4e5f60718293a4c"
OLD_JOB_ID: Final = "64ffffffd4e5f60718293a4b"
PLACE: Final = {"enos:apiGateway": "https://apim.example.com", "enos:orgId": "o16172478070561926"}

NOW: Final = datetime(2026, 11, 23, 3, 12, 4, tzinfo=timezone.utc)
CONTEXT: Final = ReviewContext("enos-ota", "prod", "1f0e2d3c4b5a69788796a5b4c3d2e1f001234567", NOW)
JOB: Final = Job.from_json(
    {
        "jobId": JOB_ID,
        "name": "Pump firmware 2.3.0, all sites",
        "firmwareVersion": "2.3.0",
        "firmwareName": "Pump main board",
        "productKey": "Pk12aB34",
        "type": "upgrade",
        "status": "started",
    }
)
STOPPED: Final = replace(JOB, status=JobStatus.STOPPED, raw_status="stopped")
VALVES: Final = Job.from_json(
    {"jobId": OTHER_JOB_ID, "name": "Valves 1.5", "firmwareVersion": "1.5.0", "status": "started"}
)
FANS: Final = Job.from_json({"jobId": OLD_JOB_ID, "name": "Fans 3.1", "firmwareVersion": "3.1", "status": "started"})
NO_TASKS: Final[Tasks] = MappingProxyType({})
NOT_IN_SETS: Final = {"init": 12, "upgrading": 7, "succeeded": 50, "failed": 9}
"""Tasks of each job that are in no set, by status."""
MARKER: Final = "Cancelled by user"
MARKERS: Final = normalise_markers([MARKER])

WAIT: Final = ("init", "init", "init", "published")
CANCELLED: Final = ("cancelled",)
LATE: Final = ("upgrading", "succeeded", "upgrading", "failed")
VERSIONS: Final = ("2.2.0", "2.2.0", "2.1.7")


# What EnOS has, what is declared, what Pulumi would do


def tasks(statuses: Iterable[str], *, first: int = 1, keys: Sequence[str] = ()) -> Tasks:
    """Tasks with these statuses, of keys with the numbers from `first` on, or of `keys`.

    "cancelled" is a task as EnOS has it after a cancel; "" a key without a task; "init,failed" one of two products.
    """
    found = {}
    for number, status in enumerate(statuses, first):
        key = keys[number - first] if keys else f"pump-{number:05}"
        version = VERSIONS[(number - first) % len(VERSIONS)]
        found[key] = tuple(_task(key, each, version) for each in status.split(",") if each)
    return found


def _task(key: str, status: str, version: str) -> Task:
    is_cancelled = status == "cancelled"
    return Task.from_json(
        {
            "deviceKey": key,
            "status": "failed" if is_cancelled else status,
            "desc": MARKER if is_cancelled else "",
            "fromVersion": version,
        }
    )


def task_set(keys: Iterable[str], name: str = "pump-2.3.0", job_id: str = JOB_ID, **settings: Any) -> TaskSet:
    """A set of these keys."""
    gateway, organization = PLACE.values()
    usual = {"api_gateway": gateway, "org_id": organization, "reason": "INC-4711: 2.3.0 drains the battery"}
    return TaskSet(name, job_id, tuple(sorted(keys)), **{**usual, **settings})


def new(declared: TaskSet) -> SetStep:
    """Pulumi's step for a set that is not recorded."""
    return SetStep(declared.name, Change.CREATE, declared)


def recorded(
    change: Change,
    was: TaskSet,
    declared: TaskSet | None,
    now: Tasks | None = None,
    *,
    pending: Iterable[str] = (),
    job: Job | None = JOB,
    metadata: tuple[str, ...] = (),
) -> SetStep:
    """Pulumi's step for a set whose keys were all cancelled, but the pending ones; `now` are the tasks at a refresh."""
    outcomes = dict.fromkeys(pending, KeyOutcome(Category.PENDING, "init"))
    before = Record(frozenset(was.device_keys).difference(outcomes), outcomes, facts_of(job or JOB))
    after = before
    if job is None:
        gone = replace(before.job, status=RecordedJobStatus.DELETED)
        after = settle_unfinished(before, was.device_keys, gone)
    elif now is not None and job.status is not JobStatus.STOPPED:
        read = {key: outcome_of(now[key], MARKERS, outcomes.get(key)) for key in was.device_keys}
        after = settle(read, before.job)
    return SetStep(was.name, change, declared, was, before, after, metadata)


def reviewed(
    steps: Sequence[SetStep],
    in_enos: Tasks = NO_TASKS,
    *,
    jobs: Sequence[Job] = (JOB,),
    related: tuple[OtherJob, ...] = (),
    break_glass: str = "",
    expect_no_changes: bool = False,
    context: ReviewContext = CONTEXT,
    **preview: tuple[Any, ...],
) -> ReviewReport:
    """The report on these steps where EnOS can be read: it has these jobs, with these tasks of the sets.

    A preview with errors did not complete.
    """
    found: dict[str, LiveJob] = {}
    plans = {}
    today = NOW.date()
    for step in steps:
        about = step.declared or step.recorded
        if about is None or about.is_expired(today):
            continue
        live = _live(about.job_id, jobs, _tasks_of(about.job_id, steps, in_enos))
        found[about.job_id] = LiveJob(live, related)
        if step.declared:
            record = record_before(step)
            wanted = keys_to_read(build_plan(step.declared, record, today=today), is_stopped=live.is_stopped)
            read = live.with_tasks({key: in_enos[key] for key in wanted})
            plans[step.identity] = build_plan(
                step.declared, record, read, today=today, markers=MARKERS, break_glass=break_glass
            )
    said = Preview(tuple(steps), **preview)
    facts = ReviewFacts(said, previewed=not said.errors, refreshed=True, jobs=found, plans=plans)
    return build_report(context, facts, expect_no_changes=expect_no_changes)


def _tasks_of(job_id: str, steps: Sequence[SetStep], in_enos: Tasks) -> list[Task]:
    sets = [each for step in steps for each in (step.declared, step.recorded) if each and each.job_id == job_id]
    keys = {key for each in sets for key in each.device_keys}
    return [task for key, of_key in in_enos.items() if key in keys for task in of_key]


def _live(job_id: str, jobs: Sequence[Job], of_sets: Sequence[Task]) -> LiveSet:
    job = next((each for each in jobs if each.job_id == job_id), None)
    if job is None:
        answer = Answer(200, body=b'{"code": 24404, "msg": "job not found", "requestId": "r-1"}')
        return LiveSet(None, not_found=str(classify(answer, ApiCall(GET_JOB, f"job {job_id}"), ())))
    counted = Counter(NOT_IN_SETS)
    counted.update(task.raw_status for task in of_sets)
    waiting = sum(counted[status.value] for status in WAITING)
    return LiveSet(job, counted.total(), waiting, {status: counted[status.value] for status in COUNTED})


# Situations


def first_preview() -> ReviewReport:
    """A new set; some keys are too late or cancelled already."""
    now = tasks((*LATE, *WAIT * 9, *CANCELLED * 2))
    others = (OtherJob(job_id=OTHER_JOB_ID, name="Pump firmware 2.3.0, pilot", waiting=7),)
    growing = replace(JOB, upgrade_policy="incremental")
    return reviewed([new(task_set(now, guard=Guard(500, 0.5)))], now, jobs=[growing], related=others)


def drift() -> ReviewReport:
    """Colleagues retried tasks: three wait again, one device upgrades."""
    now = tasks(("init", "init", "init", "upgrading", *CANCELLED * 32))
    return reviewed([recorded(Change.UPDATE, task_set(now), task_set(now), now)], now)


def unexpected_change() -> ReviewReport:
    """The nightly run expects no change, and there is one."""
    now = tasks(("init", *CANCELLED * 35))
    step = recorded(Change.UPDATE, task_set(now), task_set(now), now)
    return reviewed([step], now, expect_no_changes=True)


def growth() -> ReviewReport:
    """Keys are added and taken out, and the guard is raised by the same change."""
    now = tasks((*WAIT, "init", "init", *CANCELLED * 32))
    keys = sorted(now)
    was = task_set(keys[6:], guard=Guard(50), reason="INC-4711")
    declared = task_set([*keys[:6], *keys[8:]], guard=Guard(500))
    return reviewed([recorded(Change.UPDATE, was, declared, now, metadata=("reason", "maxDevices"))], now)


def removal() -> ReviewReport:
    """A set is removed."""
    now = tasks(CANCELLED * 36)
    return reviewed([recorded(Change.DELETE, task_set(now), None, now)], now)


def replacement() -> ReviewReport:
    """A set is about another job from now on."""
    was, now = tasks(CANCELLED * 36, first=11), tasks(("init",) * 10)
    step = recorded(Change.REPLACE, task_set(was, job_id=OLD_JOB_ID), task_set(now), was)
    return reviewed([step], {**was, **now})


def held() -> ReviewReport:
    """The job is stopped: what waits is held."""
    now = tasks((*("init",) * 30, *CANCELLED * 6))
    was = task_set(sorted(now)[30:])
    return reviewed([recorded(Change.UPDATE, was, task_set(now), now, job=STOPPED)], now, jobs=[STOPPED])


def outdated() -> ReviewReport:
    """A colleague retried a task of a stopped job: an `up` changes nothing about it."""
    now = tasks(("init", *CANCELLED * 35))
    step = recorded(Change.NONE, task_set(now), task_set(now), now, job=STOPPED)
    return reviewed([step], now, jobs=[STOPPED], expect_no_changes=True)


def deleted() -> ReviewReport:
    """The job is deleted."""
    now = tasks(CANCELLED * 36)
    pending = sorted(now)[:2]
    return reviewed([recorded(Change.NONE, task_set(now), task_set(now), pending=pending, job=None)], now, jobs=())


def unknown_job() -> ReviewReport:
    """EnOS has no job with the id of a new set."""
    now = tasks(WAIT * 9)
    return reviewed([new(task_set(now))], now, jobs=())


def pending() -> ReviewReport:
    """The last `up` was cut off; the next one sends the rest."""
    now = tasks((*WAIT * 3, *CANCELLED * 24))
    step = recorded(Change.UPDATE, task_set(now), task_set(now), now, pending=sorted(now)[:12])
    return reviewed([step], now)


def expired() -> ReviewReport:
    """A set's last day is over."""
    now = task_set(tasks(CANCELLED * 36), expires="2026-10-31")
    return reviewed([recorded(Change.NONE, now, now)])


def known_later() -> ReviewReport:
    """The job of a set is an output of another resource."""
    return reviewed([SetStep("pump-2.3.0", Change.CREATE, unknown=True)])


def _declared_only(step: SetStep, **facts: Any) -> ReviewReport:
    """The report where EnOS was not asked."""
    found = ReviewFacts(Preview((step,)), **{"previewed": True, "refreshed": False, **facts})
    return build_report(CONTEXT, found, expect_no_changes=False)


def without_credentials() -> ReviewReport:
    """A pull request from a fork."""
    why_not = ""
    try:
        load_connection(PLACE.get, {})
    except NoCredentials as error:
        why_not = "; ".join(error.problems)
    return _declared_only(new(task_set(tasks(WAIT * 10), guard=Guard(500))), no_credentials=why_not)


def outage() -> ReviewReport:
    """EnOS does not answer: a refresh could not read the set."""
    declared = task_set(tasks(WAIT * 9))
    was = task_set(declared.device_keys[6:])
    unread = failed_reads([not_read(declared, "Network is unreachable")])
    return _declared_only(recorded(Change.UPDATE, was, declared), blind=unread)


def unreadable_state() -> ReviewReport:
    """Pulumi could not read the state."""
    step = SetStep("pump-2.3.0", Change.DECLARED, task_set(tasks(WAIT * 9)))
    return _declared_only(step, previewed=False, blind=("error: incorrect passphrase",))


def refused() -> ReviewReport:
    """One set trips its guard, another expects another firmware: no request would be sent for them."""
    pumps, valves = tasks(WAIT * 9), tasks(["init"] * 5, first=101)
    guarded = new(task_set(pumps, guard=Guard(20)))
    wrong = new(task_set(valves, "valve-1.4", OTHER_JOB_ID, expect_firmware_version="1.4.0", reason=""))
    return reviewed([guarded, wrong], {**pumps, **valves}, jobs=[JOB, VALVES])


def failing_preview() -> ReviewReport:
    """A policy pack forbids the change."""
    now = tasks(WAIT)
    return reviewed([new(task_set(now))], now, errors=("[mandatory] no rollback on a Friday",))


def broken_glass() -> ReviewReport:
    """The guard is overridden for this run."""
    now = tasks(WAIT * 9)
    return reviewed([new(task_set(now, guard=Guard(20)))], now, break_glass="INC-4711: fire")


def missing() -> ReviewReport:
    """Keys that the job does not know fail the `up`, which cancels the others."""
    now = tasks(("init,upgrading", "", "", *WAIT * 7))
    return reviewed([new(task_set(now))], now)


@cache
def misconfigured() -> ReviewReport:
    """The stack file and a key file are wrong."""
    with TemporaryDirectory() as folder:
        project = Project(Path(folder))
        place = "".join(f"{key}: {value}\n" for key, value in PLACE.items())
        project.write(place, sets=f'- {{name: pump-2.3.0, jobID: "{JOB_ID}", deviceKeysFile: keys/pump.txt}}')
        (project.root / "stacks" / "keys" / "pump.txt").write_text("pump-00001\npump-0\x000002\n")
        problems = [str(each).replace(f"{folder}/", "") for each in validate_stack_file(project.file).problems]
    return report_misconfigured(CONTEXT, problems)


def nothing_to_do() -> ReviewReport:
    """Every set is as declared."""
    return _unchanged()


def _unchanged(*others: ResourceChange) -> ReviewReport:
    now = tasks(CANCELLED * 36)
    return reviewed([recorded(Change.NONE, task_set(now), task_set(now), now)], now, others=others)


def several_sets() -> ReviewReport:
    """Two sets on one job, a third on another, a fourth with nothing to do."""
    north = tasks(("upgrading", *WAIT * 5))
    south = tasks((*WAIT * 4, *CANCELLED * 3), first=101)
    valves = tasks(["init"] * 4, first=201)
    fans = tasks(CANCELLED * 8, first=301)
    fan_set = task_set(fans, "fan-3.1", OLD_JOB_ID)
    steps = [
        new(task_set(north, "pump-north", guard=Guard(500))),
        new(task_set(south, "pump-south", guard=Guard(500))),
        new(task_set(valves, "valve-1.5", OTHER_JOB_ID, reason="")),
        recorded(Change.NONE, fan_set, fan_set, fans, job=FANS),
    ]
    return reviewed(steps, {**north, **south, **valves, **fans}, jobs=[JOB, VALVES, FANS])


def own_program() -> ReviewReport:
    """A program of one's own changes other things only."""
    return _unchanged(
        ResourceChange("create", "aws:s3/bucket:Bucket", "ota-audit"),
        ResourceChange("delete", "random:index/randomPet:RandomPet", "pet"),
    )


def hostile() -> ReviewReport:
    """Every foreign text tries to be markup or a command."""
    texts = HOSTILE
    statuses = ("init", "failed", "upgrading", "cancelled", "", "init,failed", "init", "published", "succeeded")
    now = {
        key: tuple(replace(each, from_version=key) for each in of_key)
        for key, of_key in tasks((*statuses, *texts[len(statuses) :]), keys=texts).items()
    }
    settings: dict[str, Any] = {
        "name": texts[0],
        "job_id": texts[13],
        "api_gateway": texts[5],
        "org_id": texts[6],
        "reason": texts[5],
        "guard": Guard(1),
        "expires": texts[8],
        "expect_firmware_version": texts[7],
    }
    job = replace(
        JOB, job_id=texts[13], name=texts[2], firmware_version=texts[7], firmware_name=texts[4], product_key=texts[10]
    )
    was, declared = task_set(texts[:8], **settings), task_set(texts[2:], **settings)
    return reviewed(
        [recorded(Change.UPDATE, was, declared, now, metadata=texts, job=job)],
        now,
        jobs=[job],
        related=tuple(OtherJob(job_id=text, name=text, waiting=1) for text in texts),
        break_glass=texts[6],
        context=replace(CONTEXT, project=texts[1], stack=texts[3], commit=texts[6]),
        errors=texts,
        warnings=texts[::-1],
        others=tuple(ResourceChange(text, text, text) for text in texts),
    )


@cache
def many_keys(number: int = 100_000) -> ReviewReport:
    """So many keys that only the HTML page shows them all."""
    now = tasks((*LATE * 3, *["init"] * (number - 20), *CANCELLED * 8))
    return reviewed([new(task_set(now))], now)


CASES: Final = {
    build.__name__: build
    for build in (
        first_preview,
        drift,
        unexpected_change,
        growth,
        removal,
        replacement,
        held,
        outdated,
        deleted,
        unknown_job,
        pending,
        expired,
        known_later,
        without_credentials,
        outage,
        unreadable_state,
        refused,
        failing_preview,
        broken_glass,
        missing,
        misconfigured,
        nothing_to_do,
        several_sets,
        own_program,
        hostile,
    )
}
"""Every situation that is worth a look, by name."""

IN_ALL_FORMATS: Final = ("first_preview", "drift", "misconfigured")
"""Situations whose snapshots are kept in every format."""
