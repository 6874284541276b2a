"""The declared sets: keys of list and file merged, and the rules that hold between sets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from pydantic import ValidationError

from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.visible import excerpt
from enos_ota.devicekeys.yamltext import shown
from enos_ota.plan import Guard, TaskSet
from enos_ota.settings.models import ENOS_OTA, SETS, DeclaredSet, is_mangled
from enos_ota.settings.problems import MOST, Problem
from enos_ota.settings.wording import explain, meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SETS_KEY: Final = f"{ENOS_OTA}:{SETS}"

_SHOWN: Final = 3

_KEYS_COME_FROM: Final = frozenset({"deviceKeys", "deviceKeysFile"})


@dataclass(frozen=True, slots=True)
class SetSettings:
    """One declared set.

    Attributes:
        name: unique in the stack.
        job_id: the OTA job whose tasks are cancelled.
        expect_firmware_version: what the job must be about, or None for anything.
        reason: one line, or None.
        device_keys: of list and file together, sorted by code point, no duplicates.
        on_too_late: what to do about devices that were upgrading or done already.
        on_missing: what to do about keys without a task in the job.
        guard: limits of one change, the stack's where the set has none of its own.
        expires: last day, ISO 8601, or None.
        former_names: earlier names, to become aliases.
        protect: whether Pulumi refuses to remove the set.
    """

    name: str
    job_id: str
    expect_firmware_version: str | None
    reason: str | None
    device_keys: tuple[str, ...]
    on_too_late: Literal["report", "fail"]
    on_missing: Literal["fail", "report"]
    guard: Guard
    expires: str | None
    former_names: tuple[str, ...]
    protect: bool

    def task_set(self, api_gateway: str, org_id: str) -> TaskSet:
        """The set as a plan has it."""
        return TaskSet(
            name=self.name,
            job_id=self.job_id,
            device_keys=self.device_keys,
            api_gateway=api_gateway,
            org_id=org_id,
            reason=self.reason or "",
            on_too_late=self.on_too_late,
            on_missing=self.on_missing,
            guard=self.guard,
            expect_firmware_version=self.expect_firmware_version or "",
            expires=self.expires or "",
        )


class Locate(Protocol):
    """Makes a problem out of a path below `enos-ota:cancelledTaskSets` and a text."""

    def __call__(self, path: Sequence[str | int], text: str) -> Problem:  # noqa: D102 - the class says it
        ...


@dataclass(frozen=True, slots=True)
class KeyFilesAt:
    """Where key files are looked for.

    Attributes:
        directory: that of the stack file, to which `deviceKeysFile` is relative.
        project: that of the project, which no key file may be outside of.
        name: how messages call the directory, "" for the working directory.
        proposed: files to read in place of these: what would be written there.
    """

    directory: Path
    project: Path
    name: str
    proposed: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))

    def path(self, named: str) -> Path:
        """Where to read a key file."""
        return self.proposed.get(named) or self.directory / named

    def holds(self, named: str) -> bool:
        """Whether a key file is inside of the project.

        Links are followed: a pull request must not be able to show what lies outside.
        """
        try:
            return (self.directory / named).resolve().is_relative_to(self.project.resolve())
        except (OSError, RuntimeError, ValueError):
            return True  # a loop of links, say: reading it will tell


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is known of a set, be it valid as a whole or not: rules between sets are checked on this."""

    position: int
    label: str
    name: str | None
    job_id: str | None
    former_names: tuple[str, ...]
    device_keys: frozenset[str]
    valid: DeclaredSet | None


def read_sets(
    items: Sequence[Any], locate: Locate, files: KeyFilesAt | str
) -> tuple[tuple[SetSettings, ...], list[Problem]]:
    """The sets that are valid, and everything that is wrong with any, warnings included.

    Args:
        items: the list as written or delivered.
        locate: makes a problem of a path and a text.
        files: where key files are, or why that is not known.
    """
    problems: list[Problem] = []
    drafts = [
        _Reader(position, _label(position, item), locate, files, problems).read(item)
        for position, item in enumerate(items)
    ]
    problems.extend(_names(drafts, locate))
    problems.extend(_overlaps(drafts, locate))
    return tuple(_settings(draft.valid, draft.device_keys) for draft in drafts if draft.valid), problems


def _label(position: int, item: Any) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return f'set "{shown(name)}"' if isinstance(name, str) and name.strip() else f"set no. {position + 1}"


def _misspelled(item: dict[Any, Any], names: frozenset[str]) -> bool:
    """Whether a set has an unknown key that was meant to be one of these: that they are missing says nothing new."""
    unknown = [str(key) for key in item if key not in DeclaredSet.names()]
    return any(meant(key, DeclaredSet) in names for key in unknown[:MOST])


def _settings(declared: DeclaredSet, device_keys: Iterable[str]) -> SetSettings:
    return SetSettings(
        name=declared.name,
        job_id=declared.job_id,
        expect_firmware_version=declared.expect.firmware_version if declared.expect else None,
        reason=declared.reason,
        device_keys=tuple(sorted(device_keys)),
        on_too_late=declared.on_too_late,
        on_missing=declared.on_missing,
        guard=declared.guard.limits() if declared.guard else Guard(),
        expires=declared.expires,
        former_names=tuple(declared.former_names),
        protect=declared.protect,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one set; what is wrong with it gathers in `problems`."""

    position: int
    label: str
    locate: Locate
    files: KeyFilesAt | str
    problems: list[Problem]

    def note(self, path: Sequence[str | int], text: str) -> None:
        self.problems.append(self.locate((self.position, *path), f"{self.label}: {text}"))

    def warn(self, problem: Problem) -> None:
        self.problems.append(replace(problem, severity="warning"))

    def read(self, item: Any) -> _Draft:
        given = item if isinstance(item, dict) else {}
        valid, wrong = self._validate(item)

        def usable(field: str, default: Any = None) -> Any:
            return default if field in wrong else given.get(field, default)

        listed, named = given.get("deviceKeys"), usable("deviceKeysFile")
        device_keys = frozenset(self._from_list(listed) if isinstance(listed, list) else ())
        if named is not None:
            device_keys = device_keys.union(self._from_file(named))
        has_none = isinstance(item, dict) and not wrong & _KEYS_COME_FROM and not listed and named is None
        if has_none and not _misspelled(item, _KEYS_COME_FROM):
            self.note(("deviceKeys",) if "deviceKeys" in given else (), keys.NO_KEYS)
        name, job_id, former = usable("name"), usable("jobId"), tuple(usable("formerNames", ()))
        return _Draft(self.position, self.label, name, job_id, former, device_keys, valid)

    def _validate(self, item: Any) -> tuple[DeclaredSet | None, set[str | int]]:
        """The set if it is valid by itself, else the keys that are not."""
        wrong: set[str | int] = set()
        try:
            return DeclaredSet.model_validate(item), wrong
        except ValidationError as error:
            hints = len(self.problems) < MOST
            for path, text in explain(error, DeclaredSet, noun="key of a set", hints=hints):
                wrong.update(path[:1])
                # What is wrong with single device keys is said elsewhere, once for all keys of a kind.
                if path[:1] != ("deviceKeys",) or len(path) == 1:
                    self.note(path, text)
        return None, wrong

    def _from_list(self, listed: list[Any]) -> list[str]:
        """The keys of a list that are fine; what is wrong with the others is noted."""

        def where(at: int) -> str:
            line = self.locate((self.position, "deviceKeys", at), "").line
            return f"line {line}" if line else f"no. {at + 1}"

        findings = keys.findings(listed)
        for finding in findings:
            self.note(("deviceKeys", finding.positions[0]), f"deviceKeys: {finding.sentence(where)}")
        for at, key in enumerate(listed):
            if isinstance(key, str) and key.endswith("UTC") and is_mangled(key):
                text = f"deviceKeys: {key} is a date that lost its form on the way: put it in quotes"
                self.note(("deviceKeys", at), text)
                break
        if unusual := keys.unusual(listed):
            path = (self.position, "deviceKeys", unusual.positions[0])
            self.warn(self.locate(path, f"{self.label}: deviceKeys: {unusual.sentence(where)}"))
        return [key for key in listed if not keys.problem(key)] if findings else listed

    def _from_file(self, named: str) -> tuple[str, ...]:
        path = ("deviceKeysFile",)
        if isinstance(self.files, str):
            why = f"is relative to the stack file, and {self.files}; list the keys in deviceKeys instead"
            self.note(path, f"deviceKeysFile {why}")
            return ()
        if Path(named).is_absolute() or named.startswith("~"):
            self.note(path, "deviceKeysFile must be relative to the stack file")
            return ()
        if not self.files.holds(named):
            why = "is outside of the project: keep key files in it, where they are reviewed"
            self.note(path, f"deviceKeysFile {shown(named)} {why}")
            return ()
        name = f"{self.files.name}/{named}" if self.files.name else named
        own = self.locate((self.position, *path), "").path
        try:
            file = keyfiles.load(self.files.path(named), name=name)
        except keyfiles.KeyFileError as error:
            for problem in error.problems:
                if problem.line:
                    self.problems.append(Problem(f"{self.label}: {problem.text}", error.file, problem.line, own))
                else:
                    self.note(path, f"deviceKeysFile {shown(error.file)}: {problem.text}")
            return ()
        if warning := file.warning():
            self.warn(Problem(f"{self.label}: {warning.text}", name, warning.line, own))
        return file.keys


def _names(drafts: Sequence[_Draft], locate: Locate) -> Iterator[Problem]:
    owners: dict[str, _Draft] = {}
    for draft in drafts:
        if draft.name is None:
            continue
        if draft.name in owners:
            first = owners[draft.name].position + 1
            text = f"{draft.label}: this name is taken by set no. {first}; names are unique in a stack"
            yield locate((draft.position, "name"), text)
        else:
            owners[draft.name] = draft
    former: dict[str, _Draft] = {}
    for draft in drafts:
        for number, name in enumerate(draft.former_names):
            path = (draft.position, "formerNames", number)
            if name == draft.name:
                yield locate(path, f"{draft.label}: formerNames holds the set's present name; remove it")
            elif name in owners:
                yield locate(path, f'{draft.label}: formerNames holds "{shown(name)}", which is another set\'s name')
            elif former.setdefault(name, draft) is not draft:
                yield locate(
                    path, f'{draft.label}: the former name "{shown(name)}" is claimed by {former[name].label} too'
                )


def _overlaps(drafts: Sequence[_Draft], locate: Locate) -> Iterator[Problem]:
    """Two sets of one job with a key in common: which of them cancelled it, and whose key is it when one is removed?"""
    jobs: dict[str, list[_Draft]] = {}
    for draft in drafts:
        if draft.job_id is not None:
            jobs.setdefault(draft.job_id, []).append(draft)
    for sharing in jobs.values():
        owner: dict[str, _Draft] = {}
        for draft in sharing:
            common: dict[int, list[str]] = {}
            if len(sharing) > 1:
                for key in draft.device_keys:
                    first = owner.setdefault(key, draft)
                    if first is not draft:
                        common.setdefault(first.position, []).append(key)
            for position, shared in sorted(common.items()):
                few = ", ".join(excerpt(key) for key in sorted(shared)[:_SHOWN])
                yield locate(
                    (draft.position,),
                    f"{draft.label}: shares {len(shared)} device {'key' if len(shared) == 1 else 'keys'} of job"
                    f" {shown(draft.job_id or '')} with {drafts[position].label}"
                    f" ({few}{', …' if len(shared) > _SHOWN else ''}); keep each key in one set",
                )
