"""The files of a new set: a set file, and its key file beside it. Files that exist are never changed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from enos_ota.devicekeys import files
from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys import writer as keytext
from enos_ota.plan.naming import shown
from enos_ota.settings import Problem, SettingsError
from enos_ota.settings.models import DeclaredSet, ExpectKeys
from enos_ota.settings.stackfile import shown_path
from enos_ota.settings.wording import explain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from enos_ota.enos import Job
    from enos_ota.plan import JobFacts
    from enos_ota.settings import SetSettings

_LONGEST_PART: Final = 60
_LONGEST: Final = 100
"""Characters that the name of a set may have."""


@dataclass(frozen=True, slots=True)
class NewSet:
    """A set to be declared.

    Attributes:
        job_id: The job.
        device_keys: Its devices.
        name: The name; a number is added to a name that is taken.
        reason: Why; one line, or empty.
        firmware_version: The firmware version that the job must have; empty for any.
        expires: The last day, such as 2027-03-31; empty for none.
        written_by: The command that writes the files, for the comment at their top.
    """

    job_id: str
    device_keys: frozenset[str]
    name: str
    reason: str = ""
    firmware_version: str = ""
    expires: str = ""
    written_by: str = "enos-ota"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file to be written.

    Attributes:
        path: The file.
        before: Its content before it is written; None if there must be no such file.
        after: Its content afterwards.
    """

    path: Path
    before: bytes | None
    after: bytes

    def write(self) -> None:
        """Write the file, unless it has this content already."""
        if _content(self.path) != self.before:
            raise _error(self.path, "was changed meanwhile, so it was not written: run the same command again")
        try:
            if self.before != self.after:
                files.replace(self.path, self.after)
        except OSError as error:
            raise _error(self.path, f"cannot be written: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class SetFileChange:
    """The files of a new set, to be written.

    Attributes:
        set_name: The new set; empty if other sets declare all keys already.
        device_keys: The keys of the new set.
        elsewhere: The other keys, by the name of the set that declares them.
        changes: The files, in the order of writing: until the last one is written, the stack stays as it was.
        key_file: The key file of the new set; None if the set file lists the keys, because no .txt file can hold them.
    """

    set_name: str = ""
    device_keys: frozenset[str] = frozenset()
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    changes: tuple[FileChange, ...] = ()
    key_file: Path | None = None

    def write(self) -> None:
        """Write all files."""
        for change in self.changes:
            change.write()

    @property
    def set_file(self) -> Path:
        """The set file of the new set."""
        return self.changes[-1].path

    @property
    def set_names(self) -> tuple[str, ...]:
        """Every set that declares any of the keys, the new one first."""
        return tuple(filter(None, (self.set_name, *self.elsewhere)))


def suggest_name(job: Job | JobFacts, job_id: str) -> str:
    """Return a name for a set, made of the job's name and firmware version: `pump-firmware-2.3.0`."""
    name, version = _slug(job.name) or _slug(f"job-{job_id}"), _slug(job.firmware_version)
    parts = [name, version if version not in name else ""]
    return "-".join(filter(None, parts))[:_LONGEST] or "set"


def expectable(firmware_version: str) -> str:
    """Return a job's firmware version if a set can expect it, else an empty text."""
    try:
        return ExpectKeys.model_validate({"firmwareVersion": firmware_version}).firmware_version
    except ValidationError:
        return ""


@dataclass(frozen=True, slots=True)
class SetWriter:
    """Plans the files of new sets of one stack. It writes nothing itself.

    Attributes:
        folder: The folder to write into.
        sets: The declared sets of the stack.
        reserved: Another folder in which the names of new files must be free.
    """

    folder: Path
    sets: Sequence[SetSettings]
    reserved: Path | None = None

    def plan(self, new_set: NewSet, begun: SetFileChange | None = None) -> SetFileChange:
        """Plan the files for the keys that no set declares yet; `begun` are the files that this run wrote before."""
        sharing = [each for each in self.sets if each.job_id == new_set.job_id]
        elsewhere = {each.name: new_set.device_keys.intersection(each.device_keys) for each in sharing}
        elsewhere = {name: keys for name, keys in elsewhere.items() if keys}
        added = new_set.device_keys.difference(*elsewhere.values())
        if not added:
            return SetFileChange(elsewhere=MappingProxyType(elsewhere))
        written = {change.path: change.after for change in begun.changes} if begun else {}
        name = begun.set_name if begun and begun.set_name else self._free_name(new_set.name, added)
        after = self._contents(name, new_set, added)
        changes = [FileChange(path, written.get(path, _content(path)), data) for path, data in after.items()]
        key_file = changes[0].path if len(changes) > 1 else None
        return SetFileChange(name, added, MappingProxyType(elsewhere), tuple(changes), key_file)

    def _free_name(self, name: str, added: Collection[str]) -> str:
        """Return the first of `name`, `name-2`, `name-3` … that no set and no file has."""
        if not name[:1].isalnum():
            text = f"--name {shown(name)} must begin with a letter or a digit: it is the name of the set file too"
            raise SettingsError([Problem(text)])
        taken = {used for each in self.sets for used in (each.name, *each.former_names)}
        names = (name if number == 1 else f"{name}-{number}" for number in count(1))
        return next(each for each in names if each not in taken and self._has_room_for(each, added))

    def _has_room_for(self, name: str, added: Collection[str]) -> bool:
        set_file, key_file = f"{name}.yaml", f"{name}.txt"
        if self.reserved and any(os.path.lexists(self.reserved / each) for each in (set_file, key_file)):
            return False
        if _content(self.folder / set_file) is not None:
            return False
        return _content(self.folder / key_file) is None or _holds(self.folder / key_file, added)

    def _contents(self, name: str, new_set: NewSet, keys: Collection[str]) -> dict[Path, bytes]:
        """Return the content of the key file, if any, and of the set file."""
        set_file, key_file = self.folder / f"{name}.yaml", self.folder / f"{name}.txt"
        has_key_file = all(map(keytext.fits_txt, keys))
        item: dict[str, Any] = {
            "jobId": new_set.job_id,
            "reason": new_set.reason,
            "expect": {"firmwareVersion": new_set.firmware_version} if new_set.firmware_version else None,
            "deviceKeys": [] if has_key_file else sorted(keys),
            "deviceKeysFile": key_file.name if has_key_file else "",
            "expires": new_set.expires,
        }
        item = {key: value for key, value in item.items() if value}
        _check(name, item, set_file)
        contents = {set_file: f"# Written by {new_set.written_by}.\n{_block(item)}".encode()}
        if not has_key_file:
            return contents
        existing = _content(key_file)
        if existing is None or not _holds(key_file, keys):  # else the operator listed these keys before
            # No time in it: the same command must give the same file.
            comment = f"Device keys of OTA job {new_set.job_id}, set {name}; written by {new_set.written_by}."
            existing = keytext.to_txt(keys, (comment,)).encode()
        return {key_file: existing, **contents}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:_LONGEST_PART].rstrip("-._")


def _check(name: str, item: Mapping[str, Any], set_file: Path) -> None:
    """Check a set as the program will do."""
    try:
        DeclaredSet.model_validate({"name": name, **item})
    except ValidationError as error:
        place = shown_path(set_file)
        problems = [Problem(text, place) for _, text in explain(error, DeclaredSet, noun="key of a set")]
        raise SettingsError(problems, "No file was written.") from None


def _block(item: Mapping[str, Any]) -> str:
    """Return a set in YAML's block style."""
    lines: list[str] = []
    for key, value in item.items():
        if isinstance(value, str):
            lines.append(f"{key}: {keytext.quoted(value)}")
        elif isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name}: {keytext.quoted(text)}" for name, text in value.items())]
        else:
            lines += [f"{key}:", *(f"  - {keytext.quoted(text)}" for text in value)]
    return "".join(f"{line}\n" for line in lines)


def _holds(key_file: Path, keys: Collection[str]) -> bool:
    """Whether a key file lists just these keys."""
    try:
        return set(keyfiles.read_key_file(key_file)) == set(keys)
    except keyfiles.KeyFileError:
        return False


def _content(path: Path) -> bytes | None:
    try:
        return files.read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from None


def _error(path: Path, text: str) -> SettingsError:
    return SettingsError([Problem(text, shown_path(path))])
