"""The review report: one typed value that every format renders; the JSON format is its fields.

Texts are those of EnOS, Pulumi and the configuration: keys, reasons and job names may hold any character, so each
format escapes them. No text is secret.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from enos_ota.engine.preview_json import Change  # noqa: TC001 - pydantic reads it
from enos_ota.plan import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1
"""Version of the JSON format. It changes when a reader of the old format would misread the new one."""


class ReportPart(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_serialization_defaults_required=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Effect(str, Enum):
    """What the change does about one device key of a set."""

    # `EFFECTS` says what each means.
    CANCEL = "will be cancelled"
    CANCEL_AGAIN = "will be cancelled again"
    CANCELLED = "cancelled already"
    TOO_LATE = "too late"
    ESCAPED = "escaped"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    HELD = "held"
    PENDING = "pending"
    """Not cancelled yet, and no cancel is planned: job deleted, set expired, or unknown status."""
    UNREAD = "not looked at"
    RELEASED = "no longer declared"


class Outcome(str, Enum):
    """Result of a review."""

    FINE = "fine"
    """`pulumi up` would succeed."""
    CHANGES = "changes"
    """No change was expected, and there is one, or the recorded state is no longer true."""
    FAILS = "fails"
    """`pulumi up` would fail."""
    MISCONFIGURED = "misconfigured"
    """The configuration is wrong: neither Pulumi nor EnOS was asked."""
    UNDETERMINED = "undetermined"
    """The result is unknown."""


EXIT_CODES: Final = {
    Outcome.FINE: 0,
    Outcome.CHANGES: 1,
    Outcome.FAILS: 1,
    Outcome.MISCONFIGURED: 2,
    Outcome.UNDETERMINED: 3,
}


class KeyReport(ReportPart):
    """One device key of a set."""

    device_key: str
    effect: Effect
    status: str = Field(default="", description="Status of its task as EnOS spells it, with remarks; empty if unread.")
    source_version: str = Field(default="", description="Firmware the device comes from; empty if unread.")


class StatusCount(ReportPart):
    """Number of tasks with one status and source version."""

    status: str
    source_version: str = Field(default="", description="Empty: EnOS does not say.")
    tasks: int


class Limit(ReportPart):
    """Limits of one change of a set; null: none."""

    max_devices: int | None = None
    max_share: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self.max_devices is not None or self.max_share is not None


class GuardUse(ReportPart):
    """How much of its guard a change uses."""

    limit: Limit
    before: Limit | None = Field(default=None, description="The recorded set's limits; null: it is not recorded yet.")
    usual: Limit | None = Field(default=None, description="The stack's own limits; null: it has none.")
    would_send: int | None = Field(default=None, description="Devices that would be sent a cancel; null: unknown.")
    allowed: int | None = Field(default=None, description="Devices that may be; null: no limit, or not known.")
    exceeded: bool | None = Field(default=None, description="null: unknown.")
    raised: bool = Field(
        default=False,
        description="This change allows itself more than the recorded set allowed; a new one: than the stack allows.",
    )
    broken_glass: str = Field(default="", description="The reason for which the guard is overridden; empty: it is not.")


class JobReport(ReportPart):
    """A job of the declared sets, as EnOS has it now."""

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
    total: int | None = Field(default=None, description="Tasks, whatever their status; null: unknown.")
    waiting: int | None = Field(default=None, description="Tasks that are `init` or `published`; null: unknown.")
    will_cancel: int = Field(default=0, description="Waiting tasks that the sets of this job would cancel.")
    exposed: int | None = Field(default=None, description="Waiting tasks that no set declares; null: unknown.")
    by_status: tuple[StatusCount, ...] = Field(default=(), description="All tasks now, by status alone.")
    same_firmware: tuple[OtherJob, ...] | None = Field(
        default=(), description="Other started jobs with this firmware; null: they could not be read."
    )
    looked: bool = Field(default=False, description="Whether EnOS was asked about it just now.")

    @property
    def is_unknown(self) -> bool:
        """Whether EnOS was not asked about the job, or does not have it."""
        return self.status == "unknown" and not (self.name or self.firmware_version)


class OtherJob(ReportPart):
    """A job that has no declared set."""

    job_id: str
    name: str = ""
    waiting: int | None = Field(default=None, description="Tasks that are `init` or `published`; null: unknown.")


class SetMessage(ReportPart):
    """An error or a warning about a set, with the code by which a program recognises it."""

    code: str = Field(description="Stable, such as `guard-exceeded`.")
    severity: Severity = Field(
        description="`error` and `refusal`: an `up` would fail; `refusal`: no request would be sent for the set."
    )
    text: str
    keys: int = Field(default=0, description="Keys that a remark about cancelled keys is about; else 0.")


class SetReport(ReportPart):
    """What an `up` would do to one set."""

    name: str
    file: str = Field(default="", description="File that declares it; empty: not known, or a program of your own.")
    change: Change
    job_id: str
    job_id_before: str = Field(default="", description="Of a set that is replaced: the job it was recorded for.")
    reason: str = ""
    expires: str = Field(default="", description="Last day, ISO 8601; empty: none.")
    expired: bool = False
    unknown: bool = Field(default=False, description="Its job or keys are not known until `pulumi up`.")
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
        default=0, description="Keys of a stopped job that differ from the record; `pulumi up` does not change them."
    )
    metadata: tuple[str, ...] = Field(default=(), description="Settings that change, such as `reason`.")
    errors: tuple[str, ...] = Field(default=(), description="Why `pulumi up` would fail.")
    warnings: tuple[str, ...] = ()
    messages: tuple[SetMessage, ...] = Field(default=(), description="The same errors and warnings with their codes.")
    keys: tuple[KeyReport, ...] = Field(default=(), description="Every key, by effect, then sorted.")

    def count(self, *effects: Effect) -> int:
        """Return the number of keys with one of these effects."""
        return sum(self.counts.get(effect, 0) for effect in effects)

    @property
    def will_cancel(self) -> int:
        """Number of keys that `pulumi up` would cancel."""
        return self.count(Effect.CANCEL, Effect.CANCEL_AGAIN)

    @property
    def is_refused(self) -> bool:
        """Whether `pulumi up` would send no request for it."""
        return any(each.severity is Severity.REFUSAL for each in self.messages)


class OtherChange(ReportPart):
    """A change of another resource, in a program of your own."""

    op: str
    type: str
    name: str


class ReviewReport(ReportPart):
    """What `pulumi up` would do to a stack."""

    version: Literal[1] = VERSION
    project: str
    stack: str
    commit: str = Field(default="", description="Commit that was reviewed, from the CI system; empty: unknown.")
    made_at: str = Field(description="When EnOS was read, ISO 8601, UTC, to the second.")
    outcome: Outcome
    headline: str = Field(description="The verdict in one sentence.")
    reasons: tuple[str, ...] = Field(default=(), description="Why the outcome is not `fine`, the most serious first.")
    warnings: tuple[str, ...] = Field(default=(), description="What does not fail the change.")
    live: bool = Field(default=False, description="Whether EnOS was asked for the tasks as they are now.")
    refreshed: bool = Field(default=False, description="Whether the recorded state was compared with EnOS first.")
    previewed: bool = Field(default=False, description="Whether Pulumi's preview completed.")
    policy_packs: tuple[str, ...] = Field(default=(), description="Policy packs that the preview ran.")
    jobs: tuple[JobReport, ...] = ()
    sets: tuple[SetReport, ...] = Field(default=(), description="Failing sets first, then changing ones.")
    others: tuple[OtherChange, ...] = Field(default=(), description="Changes of other resources.")

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return EXIT_CODES[self.outcome]

    def with_files(self, files: Mapping[str, str]) -> ReviewReport:
        """Return the report with the file of each set, by name of the set."""
        sets = tuple(each.model_copy(update={"file": files.get(each.name, "")}) for each in self.sets)
        return self.model_copy(update={"sets": sets})


JobReport.model_rebuild()
