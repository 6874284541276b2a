"""Whether EnOS takes the credentials, what they may do, and what it says of a job."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from enos_ota import enos
from enos_ota.enos import JobStatus, SearchWindow, TaskStatus
from enos_ota.enos.errors import ORGANIZATION_ADVICE
from enos_ota.operations.doctor.findings import Cause, Finding, State
from enos_ota.operations.doctor.reach import SKEW, skew_in_words
from enos_ota.plan.classify import is_cancelled, normalise_markers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from enos_ota.enos import EnosClient, EnosError, Job, Task

MOST_TASKS: Final = 4000
"""Failed tasks whose texts are looked at: 20 requests. A text that many tasks have is among them."""

_MOST_TEXTS: Final = 5
_A_CANCEL: Final = ("cancel", "取消")  # in the languages of EnOS; anything else is a failure's text
_LIKE_A_CANCEL: Final = (*_A_CANCEL, "abort", "终止")  # a device, too, aborts a download
_WIDTH: Final = 100  # of a text of EnOS or a device
_NO: Final = (
    enos.AuthenticationError,
    enos.GatewayRefusal,
    enos.InvalidArgument,
    enos.JobNotFound,
    enos.PermissionDenied,
)


def check_access(client: EnosClient, skew: float | None) -> tuple[Finding, Finding]:
    """Credentials and permission, by one search for jobs.

    Args:
        client: not used before, so that it asks for a token.
        skew: see `enos_ota.operations.doctor.reach.Reach`.
    """
    try:
        found = next(client.search_jobs(page_size=1), None)
    except enos.AuthenticationError as error:
        return _refused(error, skew), Finding("permission", State.SKIPPED, "without a token nothing can be asked")
    except enos.EnosError as error:
        if error.operation.startswith("token/"):
            return (
                _failed("credentials", error),
                Finding("permission", State.SKIPPED, "without a token nothing can be asked"),
            )
        advice = ""
        if isinstance(error, enos.InvalidArgument):
            advice = ORGANIZATION_ADVICE
        return _taken(), _failed("permission", error, advice)
    may = "jobs of the organization can be read" + ("" if found else "; it has none")
    note = "whether tasks may be cancelled only a cancel can tell"
    return _taken(), Finding("permission", State.OK, f"{may}; {note}")


def check_job(client: EnosClient, job_id: str) -> tuple[Finding, bool]:
    """A job, and whether it is there."""
    try:
        job = client.get_job(job_id)
    except enos.EnosError as error:
        return _failed("job", error), False
    remarks = _remarks(job)
    firmware = f"firmware {job.firmware_version or '(EnOS does not say)'}"
    product = f", product {job.product_key}" if job.product_key else ""
    text = f"{job.name or job.job_id}: {firmware}{product}, {job.raw_status}"
    details = (
        f"upgrade policy: {job.upgrade_policy or 'EnOS does not say'}",
        f"retry policy: {'failed tasks are tried again' if job.automatic_retry else 'none'}",
    )
    state = State.WARNING if remarks else State.OK
    return Finding("job", state, text, details, " ".join(remarks)), True


def check_markers(client: EnosClient, job_id: str, markers: Collection[str]) -> Finding:
    """What the failed tasks of a job say, and which of their texts count as cancelled."""
    try:
        texts = _texts(client, job_id, markers)
    except enos.EnosError as error:
        return _failed("marker text", error)
    if not texts.looked_at:
        return Finding("marker text", State.SKIPPED, "no task of this job has failed, so none is marked as cancelled")
    known, unknown = texts.known.total(), texts.unknown.total()
    whole = "" if texts.all_of_them else f" (of the first {texts.looked_at})"
    text = f"failed tasks that read as cancelled: {known}, that do not: {unknown}{whole}"
    details = (*_listed(texts.known, "cancelled"), *_listed(texts.unknown, "failed"))
    suspects = _suspects(texts.unknown, _LIKE_A_CANCEL)
    if not suspects and (known or not unknown):
        return Finding("marker text", State.OK, text, details)
    setting = shlex.quote(json.dumps([*markers, "…"], ensure_ascii=False))
    advice = (
        "If one of these texts is EnOS's word for a cancel, and only then, add it: "
        f"pulumi config set enos:cancelledMarkers {setting}"
    )
    if not suspects:
        # Before the first cancel of a job all failed tasks failed by themselves: that is nothing to warn of.
        return Finding("marker text", State.OK, text, details, advice)
    # With no marker seen, such a text is the cancel's: every cancelled task would be taken for one that is too late.
    is_unknown = not known and _suspects(texts.unknown, _A_CANCEL)
    return Finding("marker text", State.FAILED if is_unknown else State.WARNING, text, details, advice)


def _suspects(texts: Iterable[str], words: Iterable[str]) -> list[str]:
    return [text for text in texts if any(word in text.casefold() for word in words)]


@dataclass(slots=True)
class _Texts:
    known: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    all_of_them: bool = True

    @property
    def looked_at(self) -> int:
        return self.known.total() + self.unknown.total()

    def take(self, task: Task, markers: frozenset[str]) -> None:
        said = task.desc.strip() or (task.raw_status if task.status is TaskStatus.CANCELED else "")
        (self.known if is_cancelled(task, markers) else self.unknown)[said[:_WIDTH]] += 1


def _texts(client: EnosClient, job_id: str, markers: Collection[str]) -> _Texts:
    texts, folded = _Texts(), normalise_markers(markers)
    try:
        for task in client.search_tasks(job_id, statuses=(TaskStatus.FAILED, TaskStatus.CANCELED)):
            if texts.looked_at == MOST_TASKS:
                texts.all_of_them = False
                break
            texts.take(task, folded)
    except SearchWindow:
        texts.all_of_them = False
    return texts


def _listed(texts: Counter[str], what: str) -> list[str]:
    few = [
        f"{number} {what}: {_quoted(text) if text else 'no text'}" for text, number in texts.most_common(_MOST_TEXTS)
    ]
    more = len(texts) - _MOST_TEXTS
    return [*few, f"… and {more} more texts of {what} ones"] if more > 0 else few


def _quoted(text: str) -> str:
    return f'"{text}"'


def _remarks(job: Job) -> list[str]:
    remarks = []
    if job.status is JobStatus.STOPPED:
        remarks.append("It is stopped: what waits is held, nothing is pushed and nothing can be cancelled.")
    elif job.status is JobStatus.UNKNOWN:
        remarks.append("Its status is none that is known.")
    if job.automatic_retry:
        remarks.append(
            "EnOS may push cancelled tasks again, as they count as failed: look again later, or stop the job."
        )
    if job.upgrade_policy == "incremental":
        remarks.append("Devices that match later join: keys written down today do not have them.")
    return remarks


def _taken() -> Finding:
    return Finding("credentials", State.OK, "EnOS gave a token for them")


def _refused(error: enos.AuthenticationError, skew: float | None) -> Finding:
    advice = ""
    if skew is not None and abs(skew) > SKEW:
        advice = (
            f"First set this machine's clock: it is {skew_in_words(skew)} the gateway's, and that alone is a reason."
        )
    return _failed("credentials", error, advice)


def _failed(check: str, error: EnosError, advice: str = "") -> Finding:
    if isinstance(error, enos.ConfigurationError):
        return Finding(check, State.FAILED, str(error), advice=advice, cause=Cause.CONFIGURATION)
    if isinstance(error, enos.TransportError):
        state = State.FAILED if error.permanent else State.UNKNOWN
        return Finding(check, state, str(error), advice=advice, cause=Cause.WAY)
    return Finding(check, State.FAILED if isinstance(error, _NO) else State.UNKNOWN, str(error), advice=advice)
