"""The declared sets of a stack: each one checked, its device keys read, and the rules between sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys.visible import excerpt, shown
from enos_ota.plan import Guard, TaskSet
from enos_ota.settings.models import ENOS_OTA, SETS, DeclaredSet
from enos_ota.settings.problems import MOST, Problem
from enos_ota.settings.stackfile import is_inside, project_around, shown_path
from enos_ota.settings.wording import explain, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SETS_KEY: Final = f"{ENOS_OTA}:{SETS}"

_SHOWN: Final = 3

_KEYS_COME_FROM: Final = frozenset({"deviceKeys", "deviceKeysFile"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSettings(TaskSet):
    """One declared set; gateway and organization are empty where they are unknown.

    Attributes:
        file: the file that declares it: the stack file, Pulumi.yaml, or a set file.
        former_names: earlier names, to become aliases.
        protect: whether Pulumi refuses to remove the set.
    """

    file: Path
    former_names: tuple[str, ...] = ()
    protect: bool = False


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """A set as an operator wrote it: an item of the list, or a set file.

    Attributes:
        number: position in the list, from 1; None for a set file.
        locate: makes a problem of a path below the set and a text.
        folder: folder to which `deviceKeysFile` is relative; None for a list without a stack file.
    """

    item: Any
    number: int | None
    file: Path
    locate: Callable[[Sequence[str | int], str], Problem]
    folder: Path | None

    @property
    def label(self) -> str:
        """The subject of messages about the set."""
        name = self.item.get("name") if isinstance(self.item, dict) else None
        return f'set "{shown(name)}"' if isinstance(name, str) and name.strip() else f"set no. {self.number}"

    @property
    def key_file(self) -> Path | None:
        """The key file it names, whether that can be read or not."""
        named = self.item.get("deviceKeysFile") if isinstance(self.item, dict) else None
        return self.folder / named if isinstance(named, str) and self.folder else None

    def place(self, seen_from: Path) -> str:
        """Where the set is declared, for a message about a set in the file `seen_from`."""
        if self.number is None:
            return shown_path(self.file)
        elsewhere = f" of {shown_path(self.file)}" if self.file != seen_from else ""
        return f"set no. {self.number}{elsewhere}"


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
    checked = [_CheckedSet(each, problems) for each in written]
    problems.extend(_name_problems(checked))
    problems.extend(_shared_keys(checked))
    return tuple(each.settings() for each in checked if each.valid), problems


class _CheckedSet:
    """The readable parts of a set, valid as a whole or not; input of the rules between sets."""

    def __init__(self, written: WrittenSet, problems: list[Problem]) -> None:
        self.written = written
        self._problems = problems
        given = written.item if isinstance(written.item, dict) else {}
        self.valid, wrong = self._validate()
        usable = {name: value for name, value in given.items() if name not in wrong}
        self.name: str | None = usable.get("name")
        self.job_id: str | None = usable.get("jobId")
        self.former_names: tuple[str, ...] = tuple(usable.get("formerNames", ()))
        listed, named = given.get("deviceKeys"), usable.get("deviceKeysFile")
        self.device_keys = frozenset(self._from_list(listed) if isinstance(listed, list) else ())
        if named is not None:
            self.device_keys |= self._from_file(named)
        has_none = isinstance(written.item, dict) and not wrong & _KEYS_COME_FROM and not listed and named is None
        if has_none and not _misspells_device_keys(given):
            self._note(("deviceKeys",) if "deviceKeys" in given else (), keys.NO_KEYS)

    def settings(self) -> SetSettings:
        assert self.valid is not None, "only a valid set has settings"  # noqa: S101 - for the type checker
        declared = self.valid
        return SetSettings(
            name=declared.name,
            job_id=declared.job_id,
            device_keys=tuple(sorted(self.device_keys)),
            reason=declared.reason or "",
            on_too_late=declared.on_too_late,
            on_missing=declared.on_missing,
            guard=declared.guard.limits() if declared.guard else Guard(),
            expect_firmware_version=declared.expect.firmware_version if declared.expect else "",
            expires=declared.expires or "",
            file=self.written.file,
            former_names=tuple(declared.former_names),
            protect=declared.protect,
        )

    def problem(self, path: Sequence[str | int], text: str) -> Problem:
        return self.written.locate(path, f"{self.written.label}: {text}")

    def _note(self, path: Sequence[str | int], text: str) -> None:
        self._problems.append(self.problem(path, text))

    def _warn(self, problem: Problem) -> None:
        self._problems.append(replace(problem, severity="warning"))

    def _validate(self) -> tuple[DeclaredSet | None, set[str | int]]:
        """Return the set if it is valid by itself, else the invalid keys."""
        wrong: set[str | int] = set()
        try:
            return DeclaredSet.model_validate(self.written.item), wrong
        except ValidationError as error:
            hints = len(self._problems) < MOST
            for path, text in explain(error, DeclaredSet, noun="key of a set", hints=hints):
                wrong.update(path[:1])
                # `_from_list` reports single device keys, once for all keys of a kind.
                if path[:1] != ("deviceKeys",) or len(path) == 1:
                    self._note(path, text)
        return None, wrong

    def _from_list(self, listed: list[Any]) -> list[str]:
        """Return the valid keys of a list, and note the problems of the others."""

        def where(at: int) -> str:
            line = self.written.locate(("deviceKeys", at), "").line
            return f"line {line}" if line else f"no. {at + 1}"

        findings = keys.find_problems(listed)
        for finding in findings:
            self._note(("deviceKeys", finding.positions[0]), f"deviceKeys: {finding.sentence(where)}")
        if unusual := keys.unusual(listed):
            self._warn(self.problem(("deviceKeys", unusual.positions[0]), f"deviceKeys: {unusual.sentence(where)}"))
        return [key for key in listed if not keys.problem(key)] if findings else listed

    def _from_file(self, named: str) -> frozenset[str]:
        path, folder = ("deviceKeysFile",), self.written.folder
        if folder is None:
            why = "is relative to the stack file, and there is none; list the keys in deviceKeys instead"
        elif Path(named).is_absolute() or named.startswith("~"):
            why = f"must be relative to the {'set' if self.written.number is None else 'stack'} file"
        elif not is_inside(folder / named, project_around(folder)):
            why = f"{shown(named)} is outside of the project: keep key files in it, where they are reviewed"
        else:
            return self._read_key_file(folder, named)
        self._note(path, f"deviceKeysFile {why}")
        return frozenset()

    def _read_key_file(self, folder: Path, named: str) -> frozenset[str]:
        path = ("deviceKeysFile",)
        place = self.written.locate(path, "").path
        name = named if shown_path(folder) == "." else f"{shown_path(folder)}/{named}"
        try:
            found = keyfiles.load(folder / named, name=name)
        except keyfiles.KeyFileError as error:
            for problem in error.problems:
                if problem.line:
                    text = f"{self.written.label}: {problem.text}"
                    self._problems.append(Problem(text, name, problem.line, place))
                else:
                    self._note(path, f"deviceKeysFile {shown(name)}: {problem.text}")
            return frozenset()
        if warning := found.warning():
            self._warn(Problem(f"{self.written.label}: {warning.text}", name, warning.line, place))
        return frozenset(found.keys)


def _misspells_device_keys(item: dict[Any, Any]) -> bool:
    """Whether a set misspells these keys: another problem that they are missing would repeat it."""
    names = DeclaredSet.names()
    unknown = [str(key) for key in item if key not in names]
    return any(suggest(key, names) in _KEYS_COME_FROM for key in unknown[:MOST])


def _name_problems(sets: Sequence[_CheckedSet]) -> Iterator[Problem]:
    owners: dict[str, _CheckedSet] = {}
    for each in sets:
        if each.name is not None and (owner := owners.setdefault(each.name, each)) is not each:
            place = owner.written.place(each.written.file)
            yield each.problem(("name",), f"this name is taken by {place}; names are unique in a stack")
    former: dict[str, _CheckedSet] = {}
    for each in sets:
        for number, name in enumerate(each.former_names):
            path = ("formerNames", number)
            if name == each.name:
                yield each.problem(path, "formerNames holds the set's present name; remove it")
            elif name in owners:
                yield each.problem(path, f'formerNames holds "{shown(name)}", which is another set\'s name')
            elif (owner := former.setdefault(name, each)) is not each:
                text = f'the former name "{shown(name)}" is claimed by {owner.written.label} too'
                yield each.problem(path, text)


def _shared_keys(sets: Sequence[_CheckedSet]) -> Iterator[Problem]:
    """Sets of one job that share a key: each key must belong to one set, for the day when that is removed."""
    jobs: dict[str, list[_CheckedSet]] = {}
    for each in sets:
        if each.job_id is not None:
            jobs.setdefault(each.job_id, []).append(each)
    for job_id, sharing in jobs.items():
        for position, each in enumerate(sharing):
            claimed = each.device_keys
            for first in sharing[:position]:
                if not (common := sorted(first.device_keys & claimed)):
                    continue
                claimed -= first.device_keys
                few = ", ".join(map(excerpt, common[:_SHOWN]))
                yield each.problem(
                    (),
                    f"shares {len(common)} device {'key' if len(common) == 1 else 'keys'} of job {shown(job_id)} with"
                    f" {first.written.label} ({few}{', …' if len(common) > _SHOWN else ''}); keep each key in one set",
                )
