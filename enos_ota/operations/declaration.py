"""What is to be written so that a stack declares some device keys of a job: a set in its file, and a key file.

Everything is worked out, and checked as the program would check it, before a byte of the project is touched.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from enos_ota import stackedit
from enos_ota.devicekeys import files
from enos_ota.devicekeys import reader as keyfiles
from enos_ota.devicekeys import writer as keytext
from enos_ota.devicekeys.yamltext import shown
from enos_ota.operations.set_names import numbered, stem_of
from enos_ota.settings import Problem, SettingsError, read_stack_file
from enos_ota.settings import stackfile as documents
from enos_ota.settings.models import ExpectKeys
from enos_ota.settings.sets import SETS_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from enos_ota.settings import SetSettings

KEYS_DIRECTORY: Final = "keys"
"""Where key files are put, beside the stack file."""

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be declared.

    Attributes:
        job_id: The job.
        device_keys: Its devices.
        name: The set's name; of a set that is there already to add to it. Empty: made of `suggestion`.
        suggestion: What a new set is named by, see `enos_ota.operations.set_names.suggested_name`.
        reason: Why; one line, or empty.
        firmware_version: What the job must be about; empty for anything.
        expires: The last day of a new set, as 2027-03-31; of one that is there it must be the day; empty for none.
        by: Who writes the file, for the comment at its head.
        overwrite: Whether a key file of other content may be replaced.
    """

    job_id: str
    device_keys: frozenset[str]
    name: str = ""
    suggestion: str = ""
    reason: str = ""
    firmware_version: str = ""
    expires: str = ""
    by: str = "enos-ota"
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file to be written.

    Attributes:
        path: The file.
        before: What it must hold when it is written; None: it must not be there.
        after: What it is to hold.
    """

    path: Path
    before: bytes | None
    after: bytes

    def write(self) -> None:
        """Write it.

        Raises:
            SettingsError: It was changed meanwhile, or cannot be written; it is as it was.
        """
        try:
            if _read(self.path) != self.before:
                raise _error(self.path, "was changed meanwhile, so it was not written: run this once more")
            files.replace(self.path, self.after)
        except OSError as error:
            raise _error(self.path, f"cannot be written: {error.strerror}") from None

    def diff(self) -> Iterator[str]:
        """What changes, as `diff -u` tells it."""
        name = documents.shown_path(self.path)
        old, new = _lines(self.before or b""), _lines(self.after)
        yield from unified_diff(old, new, "/dev/null" if self.before is None else name, name, lineterm="")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is to be written.

    Attributes:
        set_name: The set that the keys get into; empty when all are declared already.
        is_new: Whether that set was not there before.
        device_keys: The keys that it gets.
        elsewhere: The others, by the name of the set that declares them already.
        changes: Files, in the order in which they are to be written: an end half-way leaves a sound stack.
        key_file: The file that holds the keys; None where nothing is to be written.
    """

    set_name: str = ""
    is_new: bool = False
    device_keys: frozenset[str] = frozenset()
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    changes: tuple[FileChange, ...] = ()
    key_file: Path | None = None

    def write(self) -> None:
        """Write all files.

        Raises:
            SettingsError: One of them could not be; those after it are as they were.
        """
        for change in self.changes:
            change.write()

    def and_then(self, later: Declaration) -> Declaration:
        """Both of them, one written after the other."""
        changes = {change.path: change for change in self.changes}
        for change in later.changes:
            first = changes.get(change.path, change)
            changes[change.path] = FileChange(change.path, first.before, change.after)
        names = [name for name in (*self.elsewhere, *later.elsewhere) if name not in {self.set_name, later.set_name}]
        nobody: frozenset[str] = frozenset()
        return Declaration(
            self.set_name or later.set_name,
            self.is_new if self.set_name else later.is_new,
            self.device_keys | later.device_keys,
            {name: self.elsewhere.get(name, nobody) | later.elsewhere.get(name, nobody) for name in names},
            tuple(changes.values()),
            self.key_file or later.key_file,
        )

    @property
    def set_names(self) -> tuple[str, ...]:
        """Every set that declares any of the keys, the new one first."""
        return tuple(filter(None, (self.set_name, *self.elsewhere)))


def to_expect(firmware_version: str) -> str:
    """A job's target version as a set may expect it; empty if it is none, or no set could name it."""
    try:
        return ExpectKeys.model_validate({"firmwareVersion": firmware_version}).firmware_version
    except ValidationError:
        return ""


def declare(stack_file: Path, environ: Mapping[str, str], wish: Wish, *, project: str) -> Declaration:
    """Work out what is to be written. Nothing is.

    Args:
        stack_file: The stack file; it need not be there.
        environ: The environment, which may name the gateway.
        wish: What is to be declared.
        project: Name of the Pulumi project.

    Raises:
        SettingsError: The stack file has a problem, or would have one; the name is taken; a file is in the way.
    """
    return _Desk(stack_file, environ, wish, project).declaration()


def see_that_its_day_stays(known: SetSettings, expires: str, *, stack_file: Path) -> None:
    """The last day of a set holds for keys that others declared, too: it is not changed in passing.

    Args:
        known: The set, which is there already.
        expires: The last day that is wished for; empty for none in particular.
        stack_file: Where the set stands.

    Raises:
        SettingsError: It would have to be changed.
    """
    if expires in {"", known.expires}:
        return
    its_day = f"has another last day ({known.expires})" if known.expires else "has no last day"
    raise _error(
        stack_file,
        f'the set "{shown(known.name)}" {its_day}, which holds for all of its keys: leave --expires out and change '
        "`expires` there, or choose another --name",
    )


@dataclass(frozen=True, slots=True)
class _KeyFile:
    """A key file as the stack file names it, and its text."""

    named: str
    text: str


class _Desk:
    def __init__(self, stack_file: Path, environ: Mapping[str, str], wish: Wish, project: str) -> None:
        self._file = stack_file
        self._environ = environ
        self._project = project
        self._wish = wish
        self._before = self._content(stack_file)
        self._sets, problems = read_stack_file(stack_file, environ, project=project)
        if problems:
            name = wish.name or wish.suggestion
            key_file = _new_key_file(stem_of(name), wish.job_id, name, wish.by, wish.device_keys)
            raise SettingsError(problems, _by_hand(self._entry(name, key_file).text()))

    def declaration(self) -> Declaration:
        wish = self._wish
        existing = next((at for at, each in enumerate(self._sets) if each.name == wish.name), None)
        if existing is not None:
            see_that_its_day_stays(self._sets[existing], wish.expires, stack_file=self._file)
        sharing = [each for each in self._sets if each.job_id == wish.job_id]
        elsewhere = {each.name: wish.device_keys.intersection(each.device_keys) for each in sharing}
        elsewhere = {name: keys for name, keys in elsewhere.items() if keys}
        added = wish.device_keys.difference(*elsewhere.values())
        if not added:
            return Declaration(elsewhere=MappingProxyType(elsewhere))
        self._refuse_sets_of_project()
        if existing is None:
            name, key_file = self._new_set(added)
            text = self._with_set(name, key_file)
        else:
            name = wish.name
            key_file, text = self._more_of(existing, added)
        self._check(text, key_file, name, added)
        changes = tuple(self._changes(text, key_file))
        path = self._file.parent / key_file.named
        return Declaration(name, existing is None, added, MappingProxyType(elsewhere), changes, path)

    def _refuse_sets_of_project(self) -> None:
        """Refuse to write a list of sets that would replace the one in Pulumi.yaml.

        Raises:
            SettingsError: The sets of this stack are in Pulumi.yaml.
        """
        document = documents.read(self._file, self._project)
        if SETS_KEY in document.of_project:
            text = f"{SETS_KEY} is here, and a list in {document.name} would replace it: move the list there first"
            raise SettingsError([document.problem(SETS_KEY, (), text)])

    # A set of its own

    def _new_set(self, added: Collection[str]) -> tuple[str, _KeyFile]:
        """The name and the key file of a new set: names that are taken, and files of others, are passed over."""
        wish = self._wish
        taken = {name for each in self._sets for name in (each.name, *each.former_names)}
        for name in [wish.name] if wish.name else numbered(wish.suggestion):
            if not wish.name and name in taken:
                continue
            stem = stem_of(name)
            for tried in [stem] if stem == name else numbered(stem):
                key_file = self._as_it_is(_new_key_file(tried, wish.job_id, name, wish.by, added), added)
                if wish.overwrite or self._is_free(key_file):
                    return name, key_file
            if wish.name:
                raise _error(
                    self._file.parent / key_file.named,
                    "is there already, with other content: choose another --name, or say --overwrite",
                )
        raise AssertionError(name)  # there is no end of numbers

    def _is_free(self, key_file: _KeyFile) -> bool:
        return self._content(self._file.parent / key_file.named) in {None, key_file.text.encode()}

    def _as_it_is(self, key_file: _KeyFile, added: Collection[str]) -> _KeyFile:
        """With the text of the file that is there, if that holds just these keys and no set uses it.

        Somebody may have listed them for a pull request before it became urgent.
        """
        path = self._file.parent / key_file.named
        if key_file.named in self._key_files_in_use():
            return key_file
        try:
            text = (self._content(path) or b"").decode()
            return replace(key_file, text=text) if set(keyfiles.read(path)) == set(added) else key_file
        except (UnicodeDecodeError, keyfiles.KeyFileError, SettingsError):
            return key_file

    def _key_files_in_use(self) -> set[str]:
        return {str(each.get("deviceKeysFile")) for each in self._listed()}

    def _listed(self) -> Sequence[Mapping[str, object]]:
        """The sets as the stack file has them."""
        items = documents.read(self._file, self._project).values[SETS_KEY] if self._sets else ()
        return json.loads(items) if isinstance(items, str) else items

    def _entry(self, name: str, key_file: _KeyFile) -> stackedit.Entry:
        wish = self._wish
        return stackedit.Entry(name, wish.job_id, key_file.named, wish.reason, wish.firmware_version, wish.expires)

    def _with_set(self, name: str, key_file: _KeyFile) -> str:
        try:
            return stackedit.with_set(self._text, self._entry(name, key_file), project=self._project)
        except stackedit.CannotEdit as error:
            raise self._not_edited(error) from None

    # A set that is there

    def _more_of(self, position: int, added: Collection[str]) -> tuple[_KeyFile, str]:
        """The key file with more keys, and the stack file that names it."""
        wish, known = self._wish, self._sets[position]
        if known.job_id != wish.job_id:
            raise self._refusal(
                f'the set "{shown(known.name)}" is about job {shown(known.job_id)}: choose another --name'
            )
        named = str(self._listed()[position].get("deviceKeysFile") or "")
        if named:
            return _KeyFile(named, self._extended(named, added)), self._text
        for tried in numbered(stem_of(known.name)):
            key_file = _new_key_file(tried, wish.job_id, known.name, wish.by, added)
            if self._is_free(key_file):
                break
        try:
            return key_file, stackedit.with_key_file(self._text, position, key_file.named, project=self._project)
        except stackedit.CannotEdit as error:
            raise self._not_edited(error) from None

    def _extended(self, named: str, added: Collection[str]) -> str:
        """The text of a key file that is there, with more keys."""
        suffix = Path(named).suffix.lower()
        text = (self._content(self._file.parent / named) or b"").decode("utf-8-sig")
        if suffix == ".txt" and all(map(keytext.fits_txt, added)):
            return _merged(text, added)
        if suffix in {".yaml", ".yml"}:
            end = "" if not text or text.endswith("\n") else "\n"
            return text + end + keytext.to_yaml(added)
        why = "is CSV" if suffix == ".csv" else "is .txt, which cannot hold some of the keys"
        raise _error(self._file.parent / named, f"{why}: add the keys by hand, or choose another --name for a new set")

    # All of it

    @property
    def _text(self) -> str:
        return (self._before or b"").removeprefix(_BOM).decode()

    def _check(self, text: str, key_file: _KeyFile, name: str, added: Collection[str]) -> None:
        """See what the program would make of it."""
        try:
            with tempfile.TemporaryDirectory(prefix="enos-ota-") as folder:
                draft = Path(folder) / f"keys{Path(key_file.named).suffix}"
                draft.write_text(key_file.text, encoding="utf-8", newline="")
                sets, problems = read_stack_file(
                    self._file, self._environ, project=self._project, text=text, key_files={key_file.named: draft}
                )
        except OSError as error:
            why = f"there is no temporary file to be had ({error.strerror}): set TMPDIR to a directory with room"
            raise self._refusal(f"was not edited, as {why}") from None
        if problems:
            why = "was not edited, as it would have a problem then"
            told = [f"{why}: {problem.text}" for problem in problems]
            raise SettingsError([Problem(text, documents.shown_path(self._file)) for text in told])
        declared = next((each for each in sets if each.name == name), None)
        others = {each.name: each for each in sets if each.name != name}
        unchanged = others == {each.name: each for each in self._sets if each.name != name}
        if not declared or not unchanged or not set(declared.device_keys).issuperset(added):
            raise self._refusal("could not be edited so that it says just what was to be added")

    def _changes(self, text: str, key_file: _KeyFile) -> Iterator[FileChange]:
        path = self._file.parent / key_file.named
        mark = _BOM if self._before and self._before.startswith(_BOM) else b""
        for changed, after in ((path, key_file.text.encode()), (self._file, mark + text.encode())):
            before = self._content(changed)
            if before != after:
                yield FileChange(changed, before, after)

    def _content(self, path: Path) -> bytes | None:
        try:
            return _read(path)
        except OSError as error:
            raise _error(path, f"cannot be read: {error.strerror}") from None

    def _refusal(self, text: str) -> SettingsError:
        return _error(self._file, text)

    def _not_edited(self, error: stackedit.CannotEdit) -> SettingsError:
        problem = Problem(f"cannot be edited: {error}", documents.shown_path(self._file))
        return SettingsError([problem], _by_hand(error.addition))


def _by_hand(addition: str) -> str:
    lines = "".join(f"\n    {line}" for line in addition.split("\n"))
    return f"Nothing was written; this would have been added:{lines}"


def _new_key_file(stem: str, job_id: str, name: str, by: str, added: Collection[str]) -> _KeyFile:
    # No time in it: git knows, and the same act gives the same file.
    comments = (f"Device keys of OTA job {job_id}, set {name}; written by {by}.",)
    if all(map(keytext.fits_txt, added)):
        return _KeyFile(f"{KEYS_DIRECTORY}/{stem}.txt", keytext.to_txt(added, comments))
    return _KeyFile(f"{KEYS_DIRECTORY}/{stem}.yaml", keytext.to_yaml(added, comments))


def _merged(text: str, added: Iterable[str]) -> str:
    """A .txt key file with more keys: each before the first greater one, or else at the end; its comments stay."""
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    todo = sorted(added, reverse=True)
    lines: list[str] = []
    place = -1  # behind the last key, where its successor belongs: comments go with the key that follows
    for line in text.split("\n") if text else []:
        key = line.strip(" \t\r")
        if key and not key.startswith("#"):
            place = len(lines) if place < 0 else place
            while todo and todo[-1] < key:
                lines.insert(place, todo.pop() + end_of_line[:-1])
                place += 1
            lines.append(line)
            place = len(lines)
        else:
            lines.append(line)
    if lines and not lines[-1].strip(" \t\r"):
        lines.pop()
    lines.extend(key + end_of_line[:-1] for key in reversed(todo))
    return "".join(f"{line}\n" for line in lines)


def _read(path: Path) -> bytes | None:
    try:
        return files.read(path)
    except FileNotFoundError:
        return None


def _lines(data: bytes) -> Sequence[str]:
    return data.decode("utf-8", "replace").splitlines()


def _error(path: Path, text: str) -> SettingsError:
    return SettingsError([Problem(text, documents.shown_path(path))])
