"""The record of a set: the outcome of every key, the job, and the problem of the last change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Category(str, Enum):
    """The outcome of a declared device key, by kind."""

    CANCELLED = "cancelled"
    """Its task reads as cancelled."""
    TOO_LATE = "too late"
    """Its task was already `upgrading`, `succeeded` or `failed` for another reason: nothing is left to cancel."""
    ESCAPED = "escaped"
    """It was cancelled, is no longer, and cannot be cancelled again: the device upgrades or has upgraded."""
    MISSING = "missing"
    """The job has no task for it; asked twice."""
    AMBIGUOUS = "ambiguous"
    """The job has several tasks for it, under several products; a cancel could not tell them apart, so none is sent."""
    HELD = "held"
    """Could be cancelled, but the job is stopped: nothing is pushed and nothing can be cancelled."""
    PENDING = "pending"
    """Not done yet: its task can still be cancelled, could not be read, or has a status that EnOS does not document."""


@dataclass(frozen=True, slots=True)
class KeyOutcome:
    """The outcome of one declared key; a key that is plainly cancelled has none.

    Attributes:
        category: The kind. `CANCELLED` here is a cancellation with a remark, see `status`.
        status: The task's status as EnOS spells it, empty when it was not read. For `CANCELLED`: `published` when the
            device had been notified before the cancel, `failed` when the text of the failed task is not a known marker.
        was_cancelled: Of a key that may still change: it had been recorded as cancelled before. Should it slip away,
            it has escaped, and is not just "too late".
        was_accepted: EnOS accepted a cancelTask for it with code 0, and its task was not read since.
    """

    category: Category
    status: str = ""
    was_cancelled: bool = False
    was_accepted: bool = False

    @property
    def has_unknown_status(self) -> bool:
        """Whether its task was read, with a status that EnOS does not document: no cancel is sent for it."""
        return self.category is Category.PENDING and self.status.strip().lower() not in _OF_PENDING

    @property
    def can_be_sent(self) -> bool:
        """Whether it is pending and a cancel may be sent for it, now or once its job is started."""
        return self.category is Category.PENDING and not self.has_unknown_status


NO_STATUS: Final = "no status"
"""The recorded status of a task to which EnOS gives none."""

_OF_PENDING: Final = frozenset({"", "init", "published"})
"""Statuses of a pending key that are known; empty where its task was not read."""

AFTER_PUSH: Final = KeyOutcome(Category.CANCELLED, "published")
"""Cancelled after the device had been notified: it may still upgrade [U]."""

UNKNOWN_TEXT: Final = KeyOutcome(Category.CANCELLED, "failed")
"""EnOS accepted the cancel and the task failed, but with a text that is not among the known markers."""


class RecordedJobStatus(str, Enum):
    """What a set knows of its job. The first two are EnOS's own [D]; the others are what an answer 24404 means here."""

    STARTED = "started"
    STOPPED = "stopped"
    DELETED = "deleted"
    """Was there before, is no longer."""
    UNKNOWN = "unknown"
    """Never read: a wrong id, another organization, or EnOS was not asked yet."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a set remembers of its job, so that an outcome can be explained without asking again."""

    status: RecordedJobStatus = RecordedJobStatus.UNKNOWN
    name: str = ""
    firmware_version: str = ""
    automatic_retry: bool = False
    """The job's retryPolicy re-publishes failed tasks; a cancelled task may be one of them [U]."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is recorded of a set once a run is over.

    Attributes:
        keys: The keys that are settled: nothing is planned for them. A declared key outside them is work to do.
        outcomes: Everything that is not plainly "cancelled", by key; also the keys that are `PENDING`.
        problem: Why the last change could not be finished, for the operator; empty when it was.
    """

    keys: frozenset[str] = frozenset()
    outcomes: Mapping[str, KeyOutcome] = field(default_factory=lambda: MappingProxyType({}))
    job: JobFacts = JobFacts()
    problem: str = ""

    def cancelled_keys(self) -> frozenset[str]:
        """The keys that are cancelled, with or without a remark."""
        others = {key for key, outcome in self.outcomes.items() if outcome.category is not Category.CANCELLED}
        return self.keys - others

    @property
    def cancelled_count(self) -> int:
        """How many keys are cancelled."""
        return len(self.cancelled_keys())

    @property
    def accepted_count(self) -> int:
        """How many pending keys are in a cancelTask that EnOS accepted, and were not read since."""
        return sum(each.was_accepted for each in self.outcomes.values() if each.category is Category.PENDING)

    def of(self, category: Category) -> dict[str, str]:
        """The keys with an outcome of this category, sorted, with their status."""
        return {key: outcome.status for key, outcome in sorted(self.outcomes.items()) if outcome.category is category}

    def keys_with(self, outcome: KeyOutcome) -> list[str]:
        """The keys with this very outcome, sorted."""
        return sorted(key for key, each in self.outcomes.items() if each == outcome)

    def without(self, keys: Collection[str]) -> Record:
        """The record without these keys: what is left when they are no longer declared."""
        gone = frozenset(keys)
        left = {key: outcome for key, outcome in self.outcomes.items() if key not in gone}
        return replace(self, keys=self.keys - gone, outcomes=left)

    def known_keys(self) -> frozenset[str]:
        """Every key that is mentioned: settled ones and pending ones."""
        return self.keys | self.outcomes.keys()
