"""Credentials and permission, and a job with the texts of its failed tasks."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Final

from enos_ota import enos
from enos_ota.enos import JobStatus, SearchWindow, TaskStatus
from enos_ota.enos.errors import ORGANIZATION_ADVICE
from enos_ota.operations.doctor.findings import CONFIGURATION, UNDETERMINED, Finding, FindingState, skip
from enos_ota.operations.doctor.gateway import MAX_SKEW, skew_in_words
from enos_ota.plan.classify import is_cancelled, normalise_markers
from enos_ota.plan.naming import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from enos_ota.enos import EnosClient, EnosError, Job

MOST_TASKS: Final = 4000
"""Failed tasks whose texts are read: 20 requests. A text that many tasks have is among them."""

_MOST_TEXTS: Final = 5
_WIDTH: Final = 100
"""Characters of a task's text that are shown."""
_WORDS_OF_A_CANCEL: Final = ("cancel", "取消")
_REFUSALS: Final = (
    enos.AuthenticationError,
    enos.GatewayRefusal,
    enos.InvalidArgument,
    enos.JobNotFound,
    enos.PermissionDenied,
)


def check_service(
    client: EnosClient, job_id: str | None, markers: Collection[str], skew: float | None
) -> Iterator[Finding]:
    """Check credentials, permission and a job, with a new client, so that it gets a token."""
    access = _check_access(client, skew)
    yield from access
    if job_id is None or access[-1].state is not FindingState.OK:
        why = "EnOS cannot be read" if job_id else "name a job with --job"
        yield from skip(why, "job", "marker text")
        return
    try:
        job = client.get_job(job_id)
    except enos.EnosError as error:
        yield _failed("job", error)
        yield from skip("the job cannot be read", "marker text")
        return
    yield _describe(job)
    try:
        yield _check_markers(client, job_id, markers)
    except enos.EnosError as error:
        yield _failed("marker text", error)


def _check_access(client: EnosClient, skew: float | None) -> list[Finding]:
    """Check credentials and permission with one search for jobs."""
    credentials = Finding("credentials", FindingState.OK, "EnOS issued a token for them")
    try:
        found = next(client.search_jobs(page_size=1), None)
    except enos.EnosError as error:
        if isinstance(error, enos.AuthenticationError) or error.operation.startswith("token/"):
            advice = ""
            if isinstance(error, enos.AuthenticationError) and skew is not None and abs(skew) > MAX_SKEW:
                difference = f"it is {skew_in_words(skew)} the gateway's"
                advice = f"First set this machine's clock: {difference}, which is enough for a refusal."
            return [_failed("credentials", error, advice), *skip("there is no token", "permission")]
        advice = ORGANIZATION_ADVICE if isinstance(error, enos.InvalidArgument) else ""
        return [credentials, _failed("permission", error, advice)]
    text = f"jobs of the organization can be read{'' if found else '; it has none'}"
    return [
        credentials,
        Finding("permission", FindingState.OK, f"{text}; the permission to cancel shows in a cancel only"),
    ]


def _describe(job: Job) -> Finding:
    advice = []
    if job.status is JobStatus.STOPPED:
        advice.append("The job is stopped: its waiting tasks are on hold and cannot be cancelled.")
    elif job.status is JobStatus.UNKNOWN:
        advice.append("The status of the job is unknown to enos-ota.")
    if job.automatic_retry:
        advice.append("EnOS may push cancelled tasks again, because it retries failed tasks: check again later.")
    if job.upgrade_policy == "incremental":
        advice.append("New devices join this job: they are not in a key file that you write now.")
    product = f", product {job.product_key}" if job.product_key else ""
    text = f"{job.name or job.job_id}: firmware {job.firmware_version or 'unknown'}{product}, {job.raw_status}"
    details = (
        f"upgrade policy: {job.upgrade_policy or 'unknown'}",
        f"retry policy: {'failed tasks are retried' if job.automatic_retry else 'none'}",
    )
    return Finding("job", FindingState.WARNING if advice else FindingState.OK, text, details, " ".join(advice))


def _check_markers(client: EnosClient, job_id: str, markers: Collection[str]) -> Finding:
    """Check which texts of failed tasks count as cancelled."""
    cancelled, failed = Counter[str](), Counter[str]()
    normalised, total, is_whole = normalise_markers(markers), 0, True
    try:
        for task in client.search_tasks(job_id, statuses=(TaskStatus.FAILED, TaskStatus.CANCELED)):
            if total == MOST_TASKS:
                is_whole = False
                break
            total += 1
            text = task.desc.strip() or (task.raw_status if task.status is TaskStatus.CANCELED else "")
            (cancelled if is_cancelled(task, normalised) else failed)[text[:_WIDTH]] += 1
    except SearchWindow:
        is_whole = False
    if not total:
        return Finding("marker text", FindingState.SKIPPED, "the job has no failed task")
    known, unknown = cancelled.total(), failed.total()
    part = "" if is_whole else f" (of the first {total})"
    text = f"failed tasks that read as cancelled: {known}, that do not: {unknown}{part}"
    details = (*_listed(cancelled, "cancelled"), *_listed(failed, "failed"))
    is_suspect = any(word in each.casefold() for each in failed for word in _WORDS_OF_A_CANCEL)
    if known and not is_suspect:
        return Finding("marker text", FindingState.OK, text, details)
    setting = shlex.quote(json.dumps([*markers, "…"], ensure_ascii=False))
    advice = (
        "If one of these texts is EnOS's text for a cancelled task, and only then, add it: "
        f"pulumi config set enos:cancelledMarkers {setting}"
    )
    # Before the first cancel of a job, all its failed tasks failed by themselves. If no marker was found and a text
    # reads like a cancel, every cancelled task would count as too late.
    state = FindingState.OK if not is_suspect else FindingState.WARNING if known else FindingState.FAILED
    return Finding("marker text", state, text, details, advice)


def _listed(texts: Counter[str], what: str) -> list[str]:
    first = [
        f'{number} {what}: "{text}"' if text else f"{number} {what}: no text" for text, number in texts.most_common()
    ]
    more = len(first) - _MOST_TEXTS
    return [*first[:_MOST_TEXTS], *([f"… and {counted(more, 'more text')} of {what} tasks"] if more > 0 else [])]


def _failed(check: str, error: EnosError, advice: str = "") -> Finding:
    if isinstance(error, enos.ConfigurationError):
        return Finding(check, FindingState.FAILED, str(error), advice=advice, failure_code=CONFIGURATION)
    if isinstance(error, enos.TransportError) and error.permanent:
        return Finding(check, FindingState.FAILED, str(error), advice=advice, failure_code=UNDETERMINED)
    state = FindingState.FAILED if isinstance(error, _REFUSALS) else FindingState.UNKNOWN
    return Finding(check, state, str(error), advice=advice)
