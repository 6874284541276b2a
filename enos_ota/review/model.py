"""The report: one typed value, which every format shows and the JSON format is. Its JSON Schema is published.

Texts are as EnOS, Pulumi and the configuration have them: keys, reasons and job names may hold anything. Whoever shows
them escapes them. None of them is secret.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from enos_ota.plan import Severity  # noqa: TC001 - pydantic reads it

VERSION: Final = 1
"""Of the JSON format. It changes when a reader of the old one would misread the new one."""


class Part(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Effect(str, Enum):
    """What the change means for one device key of a set."""

    CANCEL = "will be cancelled"
    """Its task waits, and an `up` would cancel it for the first time."""
    CANCEL_AGAIN = "will be cancelled again"
    """It was recorded as cancelled, somebody retried it, its task waits: an `up` would cancel it again."""
    CANCELLED = "cancelled already"
    """Its task reads as cancelled: nothing is sent."""
    TOO_LATE = "too late"
    """Its task is `upgrading`, `succeeded` or `failed`: nothing can be cancelled."""
    ESCAPED = "escaped"
    """It was cancelled, is no longer, and cannot be cancelled again."""
    MISSING = "missing"
    """The job has no task for it."""
    AMBIGUOUS = "ambiguous"
    """The job has it under several products: a cancel cannot tell them apart, so none is sent."""
    HELD = "held"
    """Its task waits, but the job is stopped: nothing is pushed, nothing can be cancelled."""
    PENDING = "pending"
    """Not done, and nothing is planned for it (the job is deleted, the set has expired, or the status is unknown)."""
    UNREAD = "not looked at"
    """An `up` would work on it; where its task stands was not read."""
    RELEASED = "no longer declared"
    """It leaves the set. Nothing is sent: what is cancelled stays cancelled."""


class Change(str, Enum):
    """What happens to a set's record."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NONE = "none"
    DECLARED = "declared"
    """It is declared; what is recorded could not be read, so that nobody knows what of it is new."""


class Outcome(str, Enum):
    """The answer of the review."""

    FINE = "fine"
    """An `up` would bring about what is declared."""
    CHANGES = "changes"
    """No change was expected, and there is one; or what is recorded is no longer true."""
    FAILS = "fails"
    """An `up` would fail."""
    MISCONFIGURED = "misconfigured"
    """The configuration is wrong: nothing was looked at."""
    UNDETERMINED = "undetermined"
    """It could not be found out."""


EXIT_CODES: Final = {
    Outcome.FINE: 0,
    Outcome.CHANGES: 1,
    Outcome.FAILS: 1,
    Outcome.MISCONFIGURED: 2,
    Outcome.UNDETERMINED: 3,
}


STATUS_AFTER_PUSH: Final = "after push"
"""In place of the status of a task that was cancelled after its device had been told."""
STATUS_UNKNOWN_TEXT: Final = "failed, with a text nobody knows"
"""In place of the status of a task that failed after EnOS had accepted its cancel."""


class Key(Part):
    """One device key of a set."""

    device_key: str
    effect: Effect
    status: str = Field(default="", description="Status of its task as EnOS spells it, with remarks; empty if unread.")
    source_version: str = Field(default="", description="Firmware the device comes from; empty if unread.")


class StatusCount(Part):
    """How many tasks have one status and come from one version."""

    status: str
    source_version: str = Field(default="", description="Empty: EnOS does not say.")
    tasks: int


class Limit(Part):
    """The limits of one change of a set; null: none."""

    max_devices: int | None = None
    max_share: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is any."""
        return self.max_devices is not None or self.max_share is not None


class GuardUse(Part):
    """How far a set's change goes, beside its guard."""

    limit: Limit
    before: Limit | None = Field(default=None, description="The recorded set's limits; null: it is not recorded yet.")
    usual: Limit | None = Field(default=None, description="The stack's own limits; null: it has none.")
    would_send: int | None = Field(default=None, description="Devices a cancel would be sent for; null: not known.")
    allowed: int | None = Field(default=None, description="Devices that may be; null: no limit, or not known.")
    exceeded: bool | None = Field(default=None, description="null: not known.")
    raised: bool = Field(
        default=False,
        description="This change allows itself more than the recorded set allowed; a new one: than the stack allows.",
    )
    broken_glass: str = Field(default="", description="The reason for which the guard is overridden; empty: it is not.")


class JobReport(Part):
    """A job that sets are about, as it is now."""

    job_id: str
    org_id: str
    gateway: str
    status: Literal["started", "stopped", "deleted", "unknown"] = "unknown"
    name: str = ""
    firmware_version: str = ""
    firmware_name: str = ""
    product_key: str = ""
    type: str = Field(default="", description="`upgrade` or `verify`.")
    incremental: bool = Field(default=False, description="Devices that match later join the job.")
    automatic_retry: bool = Field(default=False, description="EnOS re-publishes failed tasks, perhaps cancelled ones.")
    total: int | None = Field(default=None, description="Tasks, whatever their status; null: not known.")
    waiting: int | None = Field(default=None, description="Tasks that are `init` or `published`; null: not known.")
    will_cancel: int = Field(default=0, description="Waiting tasks that the sets of this job would cancel.")
    exposed: int | None = Field(default=None, description="Waiting tasks that no set declares; null: not known.")
    by_status: tuple[StatusCount, ...] = Field(default=(), description="All tasks now, by status alone.")
    same_firmware: tuple[OtherJob, ...] | None = Field(
        default=(), description="Other started jobs with this firmware; null: they could not be read."
    )
    looked: bool = Field(default=False, description="Whether EnOS was asked about it just now.")


class OtherJob(Part):
    """A job that no set is about."""

    job_id: str
    name: str = ""
    waiting: int | None = Field(default=None, description="Tasks that are `init` or `published`; null: not known.")


class SetMessage(Part):
    """An error or a warning about a set, with the code by which a program recognises it."""

    code: str = Field(description="Stable, such as `guard-exceeded`.")
    severity: Severity = Field(
        description="`error` and `refusal`: an `up` would fail; `refusal`: no request would be sent for the set."
    )
    text: str
    keys: int = Field(default=0, description="Keys that a remark about cancelled keys is about; else 0.")


class SetReport(Part):
    """What an `up` would do to one set."""

    name: str
    change: Change
    job_id: str
    job_id_before: str = Field(default="", description="Of a set that is replaced: the job it was recorded for.")
    reason: str = ""
    expires: str = Field(default="", description="Last day, ISO 8601; empty: none.")
    expired: bool = False
    unknown: bool = Field(default=False, description="Its job or keys are known only during `pulumi up`.")
    expect_firmware_version: str = ""
    on_too_late: Literal["report", "fail"] = "report"
    on_missing: Literal["fail", "report"] = "fail"
    declared: int = Field(description="Device keys that are declared after the change.")
    added: int = Field(default=0, description="Keys that are declared and were not before.")
    removed: int = Field(default=0, description="Keys that were declared and are no longer.")
    digest: str = Field(default="", description="SHA-256 over the declared keys, sorted, a newline after each.")
    digest_before: str = Field(default="", description="The same of the keys recorded before; empty: none were.")
    counts: dict[Effect, int] = Field(default_factory=dict, description="Keys by effect; absent: none.")
    will_cancel_by: tuple[StatusCount, ...] = Field(
        default=(), description="What would be cancelled, by status and source version."
    )
    guard: GuardUse
    outdated: int = Field(
        default=0, description="Keys of a stopped job that are no longer as recorded; an `up` does nothing about that."
    )
    metadata: tuple[str, ...] = Field(default=(), description="Settings that change, such as `reason`.")
    errors: tuple[str, ...] = Field(default=(), description="For which an `up` would fail.")
    warnings: tuple[str, ...] = ()
    messages: tuple[SetMessage, ...] = Field(default=(), description="The same errors and warnings with their codes.")
    keys: tuple[Key, ...] = Field(default=(), description="Every key, by effect, then sorted.")

    def count(self, *effects: Effect) -> int:
        """Keys with one of these effects."""
        return sum(self.counts.get(effect, 0) for effect in effects)

    @property
    def will_cancel(self) -> int:
        """Keys that an `up` would cancel."""
        return self.count(Effect.CANCEL, Effect.CANCEL_AGAIN)


class OtherChange(Part):
    """A change of something that is no set, in a program of one's own."""

    op: str
    type: str
    name: str


class Report(Part):
    """What an `up` of a stack would do."""

    version: Literal[1] = VERSION
    project: str
    stack: str
    commit: str = Field(default="", description="What was reviewed, as the CI system names it; empty: it does not.")
    made_at: str = Field(description="When EnOS was looked at, ISO 8601, UTC, to the second.")
    outcome: Outcome
    headline: str = Field(description="The verdict in one sentence.")
    reasons: tuple[str, ...] = Field(default=(), description="Why the outcome is not `fine`, the gravest first.")
    warnings: tuple[str, ...] = Field(default=(), description="What is to be known although it stops nothing.")
    live: bool = Field(default=False, description="Whether EnOS was asked how things stand now.")
    refreshed: bool = Field(default=False, description="Whether what was recorded was compared with EnOS first.")
    previewed: bool = Field(default=False, description="Whether Pulumi's preview came to its end.")
    policy_packs: tuple[str, ...] = Field(default=(), description="Policy packs that the preview ran.")
    jobs: tuple[JobReport, ...] = ()
    sets: tuple[SetReport, ...] = Field(default=(), description="Those that fail first, then those that change.")
    others: tuple[OtherChange, ...] = Field(default=(), description="Changes of anything that is no set.")

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return EXIT_CODES[self.outcome]

    @property
    def will_cancel(self) -> int:
        """Tasks that an `up` would cancel."""
        return sum(each.will_cancel for each in self.sets)

    def job(self, job_id: str) -> JobReport | None:
        """The job of a set."""
        return next((job for job in self.jobs if job.job_id == job_id), None)


JobReport.model_rebuild()
