"""Typed values of what `pulumi preview --json` prints about the sets of a stack. JSON ends here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from enos_ota.engine.properties import METADATA, record_of, task_set_of

if TYPE_CHECKING:
    from enos_ota.plan import Record, TaskSet

TYPE: Final = "pulumi-python:dynamic/enos_ota:CancelledTaskSet"
"""Pulumi's type of a set."""


class Change(str, Enum):
    """What happens to the record of a set."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NONE = "none"
    DECLARED = "declared"
    """It is declared; the record could not be read, so it is unknown which keys are new."""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """A change of a resource that is not a set: Pulumi's step, the type and the name."""

    op: str
    type: str
    name: str


_UNKNOWN: Final = frozenset({"04da6b54-80e4-46f7-96ec-b56ff0331ba9", "[secret]"})
"""What a preview has in place of a text that is known only during `pulumi up`, or is not shown."""

_CHANGES: Final = {
    "create": Change.CREATE,
    "import": Change.CREATE,
    "update": Change.UPDATE,
    "delete": Change.DELETE,
    "discard": Change.DELETE,
    "replace": Change.REPLACE,
    "create-replacement": Change.REPLACE,
    "import-replacement": Change.REPLACE,
    "read-replacement": Change.REPLACE,
    "delete-replaced": Change.REPLACE,
    "discard-replaced": Change.REPLACE,
    "remove-pending-replace": Change.REPLACE,
}
"""Pulumi's steps for a set (3.259). A step that is neither here nor among the unchanged ones is named as it is."""
_UNCHANGED: Final = frozenset({"same", "refresh", "read"})
_REMOVALS: Final = frozenset({"delete-replaced", "discard-replaced"})
_OWN_TYPES: Final = ("pulumi:pulumi:Stack", "pulumi:providers:")
"""Not worth a line: the stack itself, and the providers that Pulumi makes."""

# Pulumi's lines beside an error that explain nothing, and its words before one.
_NOISE: Final = re.compile(r"an unhandled error occurred: program exited with non-zero exit code|preview failed$")
_PREFIX: Final = re.compile(r"^(?:error: |Preview failed: |Exception calling application: |RuntimeError: )+")
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|<\{%[^%]*%\}>")


class UnreadablePreview(Exception):  # noqa: N818 - named after what happened
    """Pulumi printed no preview that can be read."""


@dataclass(frozen=True, slots=True)
class SetStep:
    """What Pulumi would do to one set.

    Attributes:
        declared: What the program declares; None for a set that is to be removed, or that the preview did not reach.
        recorded: What was declared when the set was last saved; None for a new one.
        before: The record of that time; None for a new one.
        now: The record after this preview's refresh; None for a new one.
        metadata: Inputs that change, other than the device keys and the job.
        unknown: Its job or keys are known only during `pulumi up`; `declared` is then None.
        urn: Unique, where two sets of a program may have one name; empty where the name is unique.
    """

    name: str
    change: Change
    declared: TaskSet | None = None
    recorded: TaskSet | None = None
    before: Record | None = None
    now: Record | None = None
    metadata: tuple[str, ...] = ()
    unknown: bool = False
    urn: str = ""

    @property
    def identity(self) -> str:
        """Unique in the stack."""
        return self.urn or self.name

    @property
    def changes_job(self) -> bool:
        """Whether the declared set is about another job, organization or gateway than the recorded one."""
        return bool(self.declared and self.recorded and self.declared.identity != self.recorded.identity)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a preview reports: sets in Pulumi's order, changes of anything else, errors, warnings, other lines."""

    sets: tuple[SetStep, ...] = ()
    others: tuple[ResourceChange, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    asides: tuple[str, ...] = ()


@dataclass(slots=True)
class _Steps:
    """The steps of one resource: a replacement has several, a refresh is one of its own."""

    refresh: Mapping[str, Any] | None = None
    others: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def changes(self) -> tuple[str, ...]:
        """What changes something, as Pulumi calls it; a replacement is one change."""
        ops = [step["op"] for step in self.others if step["op"] not in _UNCHANGED]
        if "replace" in ops or self._is_tainted:
            ops = ["replace", *(op for op in ops if _CHANGES.get(op) is not Change.REPLACE)]
        return tuple(dict.fromkeys(ops))

    @property
    def _is_tainted(self) -> bool:
        # With --run-program the refresh of a preview forgets `pulumi state taint`, and only calls the resource "same".
        steps = (self.refresh, *self.others)
        return any((step.get("oldState") or {}).get("taint") for step in steps if step)

    @property
    def unlike_a_set(self) -> tuple[str, ...]:
        """Changes that are none of a set's own record: unknown ones, and removals that an earlier replacement left."""
        return tuple(op for op in self.changes if op not in _CHANGES or op in _REMOVALS)

    @property
    def own(self) -> list[Mapping[str, Any]]:
        """The steps that are about a set's own record."""
        return [step for step in self.others if step["op"] not in _REMOVALS or "replace" in self.changes]


def parse(text: str) -> Preview:
    """Read what `pulumi preview --json` printed; raise `UnreadablePreview` if that is no preview."""
    try:
        digest = json.loads(text)
    except ValueError:
        raise UnreadablePreview("pulumi printed no JSON") from None
    if not isinstance(digest, dict) or not isinstance(digest.get("steps", []), list):
        raise UnreadablePreview("pulumi printed something that is no preview")
    steps: dict[str, _Steps] = {}
    refreshed: dict[str, Mapping[str, Any]] = {}
    for step in digest.get("steps") or ():
        urn = step["urn"]
        if step["op"] == "refresh":
            refreshed[urn] = step
        elif not _kind(urn).startswith(_OWN_TYPES):
            steps.setdefault(urn, _Steps()).others.append(step)
    # A resource with an earlier name has been refreshed under that.
    names_now = {_old_urn(each.others): urn for urn, each in steps.items()}
    for urn, step in refreshed.items():
        steps.setdefault(names_now.get(urn, urn), _Steps()).refresh = step
    said = [(one.get("severity"), plain(one.get("message", ""))) for one in digest.get("diagnostics") or ()]
    errors = [_PREFIX.sub("", text) for severity, text in said if severity == "error"]
    return Preview(
        sets=tuple(_set(urn, each) for urn, each in steps.items() if _kind(urn) == TYPE and (each.own or each.refresh)),
        others=tuple(
            ResourceChange(op=op, type=_kind(urn), name=urn.rpartition("::")[2])
            for urn, each in steps.items()
            for op in (each.unlike_a_set if _kind(urn) == TYPE else each.changes)
        ),
        errors=tuple(dict.fromkeys(text for text in errors if text and not _NOISE.search(text))),
        warnings=tuple(
            dict.fromkeys(text.removeprefix("warning: ") for severity, text in said if severity == "warning" and text)
        ),
        asides=tuple(dict.fromkeys(text for severity, text in said if severity not in {"warning", "error"} and text)),
    )


def plain(text: str) -> str:
    """A message of Pulumi's without colours."""
    return _ESCAPES.sub("", text).strip()


def _kind(urn: str) -> str:
    # urn:pulumi:<stack>::<project>::<parents$type>::<name>
    parts = urn.split("::")
    return parts[2].rpartition("$")[2] if len(parts) > 2 else ""  # noqa: PLR2004 - the third part


def _old_urn(steps: list[Mapping[str, Any]]) -> str | None:
    return next((step["oldState"].get("urn") for step in steps if step.get("oldState")), None)


def _set(urn: str, steps: _Steps) -> SetStep:
    olds = [step["oldState"] for step in steps.own if step.get("oldState")]
    news = [step["newState"] for step in steps.own if step.get("newState")]
    refresh = steps.refresh or {}
    now = olds[0] if olds else refresh.get("newState")
    before = refresh.get("oldState") or now
    changes = {_CHANGES[op] for op in steps.changes if op not in steps.unlike_a_set}
    change = next((each for each in (Change.REPLACE, *Change) if each in changes), Change.NONE)
    inputs = _bag(news[-1], "inputs") if news and change is not Change.DELETE else None
    unknown = inputs is not None and not _UNKNOWN.isdisjoint((inputs.get("jobId"), inputs.get("deviceKeys")))
    old_inputs = _bag(now, "inputs") or {}
    return SetStep(
        name=urn.rpartition("::")[2],
        change=change,
        declared=None if inputs is None or unknown else task_set_of(inputs),
        recorded=None if before is None else task_set_of(_bag(before, "inputs") or {}),
        before=_record(before),
        now=_record(now),
        metadata=tuple(name for name in METADATA if old_inputs.get(name) != inputs.get(name)) if now and inputs else (),
        unknown=unknown,
        urn=urn,
    )


def _bag(state: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    bag = state.get(name) if state else None
    return bag if isinstance(bag, Mapping) else None


def _record(state: Mapping[str, Any] | None) -> Record | None:
    outputs = _bag(state, "outputs")
    return None if outputs is None else record_of(outputs)
