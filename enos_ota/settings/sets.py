"""The declared sets of a stack: each one checked, its device keys read, and the rules between sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from pydantic import ValidationError

from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.visible import excerpt, shown
from enos_ota.plan import Guard, TaskSet
from enos_ota.settings.models import ENOS_OTA, SETS, DeclaredSet, is_mangled
from enos_ota.settings.problems import MOST, Problem
from enos_ota.settings.stackfile import is_inside, shown_path
from enos_ota.settings.wording import explain, suggest_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SETS_KEY: Final = f"{ENOS_OTA}:{SETS}"

_SHOWN: Final = 3

_KEYS_COME_FROM: Final = frozenset({"deviceKeys", "deviceKeysFile"})


@dataclass(frozen=True, slots=True)
class SetSettings:
    """One declared set.

    Attributes:
        file: the file that declares it: the stack file, Pulumi.yaml, or a set file; None when Pulumi hides which.
        name: unique in the stack.
        job_id: the OTA job whose tasks are cancelled.
        expect_firmware_version: what the job must be about, or None for anything.
        reason: one line, or None.
        device_keys: those of list and key file, sorted by code point, without duplicates.
        on_too_late: what to do about devices that were already upgrading or finished.
        on_missing: what to do about keys without a task in the job.
        guard: limits of one change; the stack's where the set has none.
        expires: last day, ISO 8601, or None.
        former_names: earlier names, to become aliases.
        protect: whether Pulumi refuses to remove the set.
    """

    file: Path | None
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
    """Makes a problem of a path below a set and a text."""

    def __call__(self, path: Sequence[str | int], text: str) -> Problem:  # noqa: D102 - see the class
        ...


@dataclass(frozen=True, slots=True)
class KeyFileFolder:
    """Where the key files of a set are.

    Attributes:
        directory: folder of the file that declares the set; `deviceKeysFile` is relative to it.
        project: folder of the project; a key file outside of it is refused.
        declared_in: kind of the file that declares the set.
    """

    directory: Path
    project: Path
    declared_in: Literal["stack file", "set file"]

    def shown(self, named: str) -> str:
        """How messages call a key file."""
        folder = shown_path(self.directory)
        return named if folder == "." else f"{folder}/{named}"


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """A set as an operator wrote it: an item of the list, or a set file.

    Attributes:
        item: the value.
        number: position in the list, from 1; None for a set file.
        file: see `SetSettings`.
        locate: makes a problem of a path below the set and a text.
        key_files: where its key files are, or why that is unknown.
    """

    item: Any
    number: int | None
    file: Path | None
    locate: Locate
    key_files: KeyFileFolder | str

    @property
    def label(self) -> str:
        """The subject of messages about the set."""
        name = self.item.get("name") if isinstance(self.item, dict) else None
        return f'set "{shown(name)}"' if isinstance(name, str) and name.strip() else f"set no. {self.number}"

    @property
    def key_file(self) -> Path | None:
        """The key file it names, whether that can be read or not."""
        named = self.item.get("deviceKeysFile") if isinstance(self.item, dict) else None
        if not isinstance(named, str) or not isinstance(self.key_files, KeyFileFolder):
            return None
        return self.key_files.directory / named

    def place(self, seen_from: Path | None) -> str:
        """Where the set is declared, for a message about a set in the file `seen_from`."""
        if self.number is None:
            return shown_path(self.file) if self.file else ""
        elsewhere = f" of {shown_path(self.file)}" if self.file and self.file != seen_from else ""
        return f"set no. {self.number}{elsewhere}"


@dataclass(frozen=True, slots=True)
class _Draft:
    """The readable parts of a set, valid as a whole or not; input of the rules between sets."""

    written: WrittenSet
    name: str | None
    job_id: str | None
    former_names: tuple[str, ...]
    device_keys: frozenset[str]
    valid: DeclaredSet | None

    def problem(self, path: Sequence[str | int], text: str) -> Problem:
        return self.written.locate(path, f"{self.written.label}: {text}")


def items_of(value: Any) -> list[Any] | None:
    """Return the items of a list of sets, which may be a text of JSON; None if it is no list."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def read_sets(written: Iterable[WrittenSet]) -> tuple[tuple[SetSettings, ...], list[Problem]]:
    """Return the valid sets, and every problem of any set, warnings included."""
    problems: list[Problem] = []
    drafts = [_Reader(each, problems).read() for each in written]
    problems.extend(_name_problems(drafts))
    problems.extend(_shared_keys(drafts))
    return tuple(_settings(draft.valid, draft) for draft in drafts if draft.valid), problems


def _misspelled(item: dict[Any, Any], names: frozenset[str]) -> bool:
    """Whether a set has a misspelling of one of these keys: another problem that they are missing would repeat it."""
    unknown = [str(key) for key in item if key not in DeclaredSet.names()]
    return any(suggest_key(key, DeclaredSet) in names for key in unknown[:MOST])


def _settings(declared: DeclaredSet, draft: _Draft) -> SetSettings:
    return SetSettings(
        file=draft.written.file,
        name=declared.name,
        job_id=declared.job_id,
        expect_firmware_version=declared.expect.firmware_version if declared.expect else None,
        reason=declared.reason,
        device_keys=tuple(sorted(draft.device_keys)),
        on_too_late=declared.on_too_late,
        on_missing=declared.on_missing,
        guard=declared.guard.limits() if declared.guard else Guard(),
        expires=declared.expires,
        former_names=tuple(declared.former_names),
        protect=declared.protect,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one set and collects its problems."""

    written: WrittenSet
    problems: list[Problem]

    def note(self, path: Sequence[str | int], text: str) -> None:
        self.problems.append(self.written.locate(path, f"{self.written.label}: {text}"))

    def warn(self, problem: Problem) -> None:
        self.problems.append(replace(problem, severity="warning"))

    def read(self) -> _Draft:
        item = self.written.item
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
        return _Draft(self.written, name, job_id, former, device_keys, valid)

    def _validate(self, item: Any) -> tuple[DeclaredSet | None, set[str | int]]:
        """Return the set if it is valid by itself, else the invalid keys."""
        wrong: set[str | int] = set()
        try:
            return DeclaredSet.model_validate(item), wrong
        except ValidationError as error:
            hints = len(self.problems) < MOST
            for path, text in explain(error, DeclaredSet, noun="key of a set", hints=hints):
                wrong.update(path[:1])
                # `_from_list` reports single device keys, once for all keys of a kind.
                if path[:1] != ("deviceKeys",) or len(path) == 1:
                    self.note(path, text)
        return None, wrong

    def _from_list(self, listed: list[Any]) -> list[str]:
        """Return the valid keys of a list, and note the problems of the others."""

        def where(at: int) -> str:
            line = self.written.locate(("deviceKeys", at), "").line
            return f"line {line}" if line else f"no. {at + 1}"

        findings = keys.find_problems(listed)
        for finding in findings:
            self.note(("deviceKeys", finding.positions[0]), f"deviceKeys: {finding.sentence(where)}")
        for at, key in enumerate(listed):
            if isinstance(key, str) and key.endswith("UTC") and is_mangled(key):
                text = f"deviceKeys: {key} is what Pulumi made of a date: put it in quotes"
                self.note(("deviceKeys", at), text)
                break
        if unusual := keys.unusual(listed):
            text = f"{self.written.label}: deviceKeys: {unusual.sentence(where)}"
            self.warn(self.written.locate(("deviceKeys", unusual.positions[0]), text))
        return [key for key in listed if not keys.problem(key)] if findings else listed

    def _from_file(self, named: str) -> tuple[str, ...]:
        path, folder, label = ("deviceKeysFile",), self.written.key_files, self.written.label
        if isinstance(folder, str):
            why = f"is relative to the stack file, and {folder}; list the keys in deviceKeys instead"
            self.note(path, f"deviceKeysFile {why}")
            return ()
        if Path(named).is_absolute() or named.startswith("~"):
            self.note(path, f"deviceKeysFile must be relative to the {folder.declared_in}")
            return ()
        if not is_inside(folder.directory / named, folder.project):
            why = "is outside of the project: keep key files in it, where they are reviewed"
            self.note(path, f"deviceKeysFile {shown(named)} {why}")
            return ()
        name = folder.shown(named)
        own = self.written.locate(path, "").path
        try:
            file = keyfiles.load(folder.directory / named, name=name)
        except keyfiles.KeyFileError as error:
            for problem in error.problems:
                if problem.line:
                    self.problems.append(Problem(f"{label}: {problem.text}", error.file, problem.line, own))
                else:
                    self.note(path, f"deviceKeysFile {shown(error.file)}: {problem.text}")
            return ()
        if warning := file.warning():
            self.warn(Problem(f"{label}: {warning.text}", name, warning.line, own))
        return file.keys


def _name_problems(drafts: Sequence[_Draft]) -> Iterator[Problem]:
    owners: dict[str, _Draft] = {}
    for draft in drafts:
        if draft.name is None:
            continue
        if (owner := owners.setdefault(draft.name, draft)) is not draft:
            place = owner.written.place(draft.written.file)
            yield draft.problem(("name",), f"this name is taken by {place}; names are unique in a stack")
    former: dict[str, _Draft] = {}
    for draft in drafts:
        for number, name in enumerate(draft.former_names):
            path = ("formerNames", number)
            if name == draft.name:
                yield draft.problem(path, "formerNames holds the set's present name; remove it")
            elif name in owners:
                yield draft.problem(path, f'formerNames holds "{shown(name)}", which is another set\'s name')
            elif (owner := former.setdefault(name, draft)) is not draft:
                text = f'the former name "{shown(name)}" is claimed by {owner.written.label} too'
                yield draft.problem(path, text)


def _shared_keys(drafts: Sequence[_Draft]) -> Iterator[Problem]:
    """Sets of one job that share a key: each key must belong to one set, for the day when that is removed."""
    jobs: dict[str, list[_Draft]] = {}
    for draft in drafts:
        if draft.job_id is not None:
            jobs.setdefault(draft.job_id, []).append(draft)
    for sharing in jobs.values():
        owners: dict[str, int] = {}  # key -> position of its first set
        for position, draft in enumerate(sharing):
            common: dict[int, list[str]] = {}
            if len(sharing) > 1:
                for key in draft.device_keys:
                    if (first := owners.setdefault(key, position)) != position:
                        common.setdefault(first, []).append(key)
            for first, shared in sorted(common.items()):
                few = ", ".join(excerpt(key) for key in sorted(shared)[:_SHOWN])
                yield draft.problem(
                    (),
                    f"shares {len(shared)} device {'key' if len(shared) == 1 else 'keys'} of job"
                    f" {shown(draft.job_id or '')} with {sharing[first].written.label}"
                    f" ({few}{', …' if len(shared) > _SHOWN else ''}); keep each key in one set",
                )
