"""Codes of messages: what a program goes by, so that every sentence can be reworded."""

from __future__ import annotations

from enum import Enum


class Code(str, Enum):
    """The kind of a message about a set. The values are stable."""

    PREVIEW = "preview"
    """What `pulumi up` would do to the set, in one line."""
    INPUTS_UNKNOWN = "inputs-unknown"
    """The job or the device keys are not known until `pulumi up`."""
    NOT_READ = "not-read"
    """A refresh could not read the set's tasks."""
    NOT_CHECKED = "not-checked"
    """A preview could not ask EnOS about the set."""
    GUARD_EXCEEDED = "guard-exceeded"
    GUARD_OVERRIDDEN = "guard-overridden"
    GUARD_MAY_BE_EXCEEDED = "guard-may-be-exceeded"
    """Too many tasks to read in a preview: `pulumi up` reads them first."""
    FIRMWARE_MISMATCH = "firmware-mismatch"
    FIRMWARE_UNKNOWN = "firmware-unknown"
    """A firmware version is expected, and EnOS does not name the job's."""
    NO_TASKS = "no-tasks"
    """The job has no task for any key of the set."""
    PROBLEM = "problem"
    """The change could not be finished."""
    PENDING = "pending"
    ESCAPED = "escaped"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"
    TOO_LATE = "too-late"
    HELD = "held"
    JOB_STOPPED = "job-stopped"
    JOB_DELETED = "job-deleted"
    AFTER_PUSH = "after-push"
    UNKNOWN_TEXT = "unknown-text"
    NOT_DURABLE = "not-durable"
    EXPIRED = "expired"
    OUTDATED = "outdated"
    """Keys of a stopped job that are no longer as recorded."""
    UNUSUAL_KEYS = "unusual-keys"
