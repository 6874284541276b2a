"""The configuration of a stack: its stack file and the settings of Pulumi.yaml, merged as Pulumi merges them."""

from __future__ import annotations

import difflib
import errno
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from enos_ota.devicekeys import files, yamltext
from enos_ota.devicekeys.visible import shown
from enos_ota.devicekeys.yamltext import Unquoted
from enos_ota.settings.models import NAMESPACES
from enos_ota.settings.problems import Problem, SettingsError, label

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_PROJECT_FILES: Final = ("Pulumi.yaml", "Pulumi.yml")
STACK_FILE: Final = re.compile(r"Pulumi\..*\.ya?ml", re.DOTALL)
"""The name of a stack file."""

_CONFIG: Final = "config"
_ENVIRONMENT: Final = "environment"
_OPTIONS: Final = "options"
_STACK_KEYS: Final = frozenset({_CONFIG, _ENVIRONMENT, "secretsprovider", "encryptedkey", "encryptionsalt"})
"""Keys that Pulumi reads in a stack file."""
_PROJECT_KEYS: Final = frozenset(
    {"author", "backend", "components", _CONFIG, "configuration", "description", "functions", "license", "main", "name"}
    | {_OPTIONS, "outputs", "packages", "plugins", "requiredPulumiVersion", "resources", "runtime", "sdks"}
    | {"stackConfigDir", "template", "variables", "website"}
)
"""Keys that Pulumi reads in Pulumi.yaml, those of a YAML program included."""
_SETTING_KEYS: Final = frozenset({"type", "items", "description", "secret", "default", "value"})
"""Keys that Pulumi allows in the long form of a setting in Pulumi.yaml."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a value.

    Attributes:
        file: the file, as messages call it.
        tree: its content.
        path: the path of the value in it.
    """

    file: str
    tree: yamltext.Tree
    path: tuple[str, ...]

    def problem(self, text: str, key: str, path: Sequence[str | int] = ()) -> Problem:
        """A problem at `path` below this value, whose full key is `key`."""
        return Problem(text, self.file, self.tree.line((*self.path, *path)), label((key, *path)))


@dataclass(frozen=True, slots=True)
class Document:
    """The configuration of a stack.

    Attributes:
        path: the stack file.
        name: the stack file, as messages call it.
        exists: whether there is a stack file.
        values: full key -> value in plain Python types plus `yamltext.Unquoted`; a secret is `{"secure": …}`.
        of_project: the keys that come from Pulumi.yaml, because the stack file does not have them.
        flaws: problems of a file as such.
    """

    path: Path
    name: str
    exists: bool
    values: dict[str, Any]
    of_project: frozenset[str]
    flaws: tuple[Problem, ...]
    _places: Mapping[str, _Place]
    _tree: yamltext.Tree

    def problem(self, key: str, path: Sequence[str | int], text: str) -> Problem:
        """A problem with the value at `path` below `key`."""
        place = self._places.get(key) or _Place(self.name, self._tree, (_CONFIG, key))
        return place.problem(text, key, path)

    def file_of(self, key: str) -> Path:
        """The file that gives the value of a key: the stack file or Pulumi.yaml."""
        return Path(self._places[key].file) if key in self.of_project else self.path

    def left_to_esc(self, *keys: str) -> Problem | None:
        """Return a problem if some of these keys may be in a Pulumi ESC environment, which only Pulumi can read.

        None if the stack file imports no environment, or the files have all keys.
        """
        top = self._tree.value
        missing = [key for key in keys if key not in self.values]
        if not missing or not isinstance(top, dict) or not top.get(_ENVIRONMENT):
            return None
        text = (
            f"only Pulumi can read what `environment` imports, and {' and '.join(missing)} may be there: write"
            f" {'it' if len(missing) == 1 else 'both'} under config:, here or in Pulumi.yaml"
        )
        return Problem(text, self.name, self._tree.line((_ENVIRONMENT,)))


@dataclass(slots=True)
class _Reading:
    """The settings of one file, collected while it is read."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, _Place] = field(default_factory=dict)
    flaws: list[Problem] = field(default_factory=list)
    required: dict[str, _Place] = field(default_factory=dict)  # keys that every stack must give

    def take(self, key: str, value: Any, place: _Place) -> None:
        self.values[key], self.places[key] = value, place


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """Pulumi.yaml.

    Attributes:
        path: the file.
        keys: its keys.
    """

    path: Path
    keys: Mapping[str, Any]
    _tree: yamltext.Tree

    def stack_file(self, stack: str) -> Path:
        """Return the stack file of a stack, whose name may be qualified. The file need not exist."""
        # `config: <text>` is the older spelling of stackConfigDir; config: {…} holds settings.
        directory = self.keys.get("stackConfigDir", self.keys.get(_CONFIG))
        parent = self.path.parent / directory if isinstance(directory, str) else self.path.parent
        return parent / f"Pulumi.{short_name(stack)}{self.path.suffix}"

    def settings(self, project: str) -> _Reading:
        """Return the settings for every stack of the project of this name, as Pulumi reads them."""
        name, config = shown_path(self.path), self.keys.get(_CONFIG)
        found = _Reading(flaws=list(_misplaced(self.keys, name, self._tree, known=_PROJECT_KEYS)))
        if isinstance(options := self.keys.get(_OPTIONS), dict):
            found.flaws += _misplaced(options, name, self._tree, known=("refresh",), path=(_OPTIONS,))
        if not isinstance(config, (dict, str, NoneType)):  # a text is the older spelling of stackConfigDir
            found.flaws.append(Problem("must hold a mapping of keys under config:", name, self._tree.line((_CONFIG,))))
        for key, entry in config.items() if isinstance(config, dict) else ():
            full = _full_key(key, project)
            place = _Place(name, self._tree, (_CONFIG, key))
            if full in found.places or full in found.required:
                found.flaws.append(place.problem(f"{shown(key)} is given twice", full))
            elif full.partition(":")[0] in NAMESPACES:
                # Pulumi decides by the spelling: the key begins with the project's name, or has no namespace.
                _read_setting(full, entry, place, found, is_own=":" not in key or key.startswith(f"{project}:"))
            else:
                found.take(full, entry, place)
        return found


def _read_setting(key: str, entry: Any, place: _Place, found: _Reading, *, is_own: bool) -> None:
    """Add one setting of Pulumi.yaml, or the problem of its form.

    Args:
        key: the full key.
        entry: its value.
        place: its place.
        found: the settings so far.
        is_own: whether the key is in the namespace of the project: only such a key may have a type, a default, or
            only a description.
    """
    if isinstance(entry, float) or entry is None:
        # Pulumi's short form allows texts, whole numbers, truth values and lists.
        what = "has no value" if entry is None else f"is {entry} without `value:`, which Pulumi does not read here"
        found.flaws.append(place.problem(f"{key} {what}: write {key}: {{value: …}}", key))
        return
    if not isinstance(entry, dict):
        found.take(key, entry, place)
        return
    given = {name: value for name in ("value", "default") if (value := entry.get(name)) is not None}
    text = ""
    if unknown := sorted(entry.keys() - _SETTING_KEYS - {"secure"}):
        text = f"{shown(unknown[0])} is no key of a setting: in Pulumi.yaml write {key}: {{value: …}}"
    elif "secure" in entry or any(secrets(list(given.values()))):
        text = f"{key} is encrypted, and Pulumi decrypts nothing in Pulumi.yaml: move it to the stack file"
    elif len(given) > 1:
        text = f"{key} has both a value and a default: remove one"
    elif not is_own and ("type" in entry or "default" in given or not given):
        text = f"{key} has no `value`, or a type or default: this key is read from `value` alone"
    if text:
        found.flaws.append(place.problem(text, key))
    elif given:
        ((name, value),) = given.items()
        found.take(key, value, _Place(place.file, place.tree, (*place.path, name)))
    else:
        found.required[key] = place


def read(path: Path, project: str) -> Document:
    """Read the configuration of a stack; never raises, see `Document.flaws`.

    As in Pulumi, a key that the stack file does not have comes from Pulumi.yaml; of a key in both, the value in the
    stack file replaces the other. Keys without a namespace get the project's.

    Args:
        path: the stack file. A file with another kind of name is read without Pulumi.yaml.
        project: the name of the project.
    """
    name = shown_path(path)
    try:
        data = files.read(path)
    except FileNotFoundError:
        return _merged(path, yamltext.Tree(None, 1, ()), _Reading(), project, exists=False)
    except OSError as error:
        hint = ": use deviceKeysFile" if error.errno == errno.EFBIG else ""
        return _unreadable(path, Problem(f"cannot be read: {error.strerror}{hint}", name), project)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unreadable(path, Problem("is not UTF-8: save the file as UTF-8", name, line), project)
    return _parse(text, path, project)


def _parse(text: str, path: Path, project: str) -> Document:
    """Read the configuration of a stack from the text of its stack file."""
    name = shown_path(path)
    tree = yamltext.load(text)
    found = _Reading(flaws=[Problem(flaw.text, name, flaw.line) for flaw in tree.flaws])
    top = {} if tree.value is None else tree.value
    config = top.get(_CONFIG) if isinstance(top, dict) else None
    if not isinstance(top, dict) or not (config is None or isinstance(config, dict)):
        found.flaws.append(Problem("must hold a mapping of keys under config:", name, tree.line((_CONFIG,))))
        config = None
    found.flaws += _misplaced(top if isinstance(top, dict) else {}, name, tree, known=_STACK_KEYS)
    for key, value in (config or {}).items():
        full = _full_key(key, project)
        if full in found.values:
            line, first = tree.line((_CONFIG, key)), found.places[full].path[-1]
            found.flaws.append(Problem(f"{shown(key)} is given twice, once as {first}", name, line))
        else:
            found.take(full, value, _Place(name, tree, (_CONFIG, key)))
    return _merged(path, tree, found, project, exists=True)


def _misplaced(
    top: Mapping[str, Any], name: str, tree: yamltext.Tree, *, known: Collection[str], path: tuple[str, ...] = ()
) -> Iterator[Problem]:
    """Problems of keys that Pulumi ignores by mistake: settings beside `config:`, and misspelled keys.

    With `Config:` or `confg:` a stack would have no guard and no audit log.

    Args:
        top: the keys.
        name: the file, as messages call it.
        tree: its content.
        known: the keys that Pulumi reads at this place.
        path: the place.
    """
    by_lower = {key.lower(): key for key in known}
    for key, value in top.items():
        text = ""
        if _is_setting(key):
            text = "has no effect outside of config: move it there"
        elif key in known:
            continue
        elif near := difflib.get_close_matches(key.lower(), by_lower, n=1, cutoff=0.7):
            text = f"has no effect: did you mean {by_lower[near[0]]}?"
        elif isinstance(value, dict) and any(map(_is_setting, value)):
            text = f"has no effect: settings must be under {_CONFIG}:"
        if text:
            yield Problem(f"{shown(key)} {text}", name, tree.line((*path, key)))


def _is_setting(key: str) -> bool:
    return ":" in key and key.partition(":")[0] in NAMESPACES


def _merged(path: Path, tree: yamltext.Tree, stack: _Reading, project: str, *, exists: bool) -> Document:
    """Complete the settings of a stack file by those of Pulumi.yaml."""
    shared = _Reading()
    if STACK_FILE.fullmatch(path.name):
        try:
            shared = read_project(project_around(path.parent)).settings(project)
        except NoProject:
            pass  # a stack file without a project
        except SettingsError as error:
            shared.flaws += error.findings
    if stack.flaws and not stack.values:
        shared = _Reading(flaws=shared.flaws)  # the unreadable stack file may override them
    name = shown_path(path)
    missing = [
        place.problem(f"{key} has no value and no default here, and {name} sets no value", key)
        for key, place in shared.required.items()
        if key not in stack.values
    ]
    return Document(
        path,
        name,
        exists,
        {**shared.values, **stack.values},
        frozenset(shared.values.keys() - stack.values.keys()),
        (*stack.flaws, *shared.flaws, *missing),
        {**shared.places, **stack.places},
        tree,
    )


def is_secret(value: Any) -> bool:
    """Whether a value of a stack file is encrypted."""
    return isinstance(value, dict) and value.keys() == {"secure"}


def secrets(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all encrypted values in a value."""
    if is_secret(value):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from secrets(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if not isinstance(inner, str):
                yield from secrets(inner, (*path, position))


def agrees(written: Any, delivered: str) -> bool:
    """Whether a value of the file and the text that Pulumi delivered are equal.

    Encrypted values cannot be compared; another check reports values without quotes.
    """
    if is_secret(written) or written is None or _holds_unquoted(written):
        return True
    if isinstance(written, str):
        return written == delivered
    try:
        return bool(json.loads(delivered) == written)
    except (ValueError, RecursionError):
        return False


def shown_path(path: Path) -> str:
    """Format a path as an operator would type it: relative to the working directory if it is below that."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path is inside of a folder once links are followed: no pull request must show what lies outside."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return True  # a loop of links: reading it fails with a clear error


def short_name(stack: str) -> str:
    """Return the last part of a stack's name, `prod` of `organization/project/prod`; its files have that name."""
    return stack.rpartition("/")[2]


class NoProject(SettingsError):  # noqa: N818 - names what is missing
    """There is no Pulumi.yaml in a folder."""


def project_around(directory: Path) -> Path:
    """Return the folder of the project around a folder; without a project, the folder itself."""
    real = Path(os.path.realpath(directory))  # Path.resolve fails on a loop of links
    return next((parent for parent in (real, *real.parents) if _project_file(parent)), directory)


def read_project(root: Path) -> ProjectFile:
    """Read the Pulumi.yaml of a folder.

    Raises:
        NoProject: there is none.
        SettingsError: it cannot be read.
    """
    path = _project_file(root)
    if path is None:
        raise NoProject([Problem(f"there is no Pulumi.yaml in {shown_path(root)}")])
    name = shown_path(path)
    try:
        tree = yamltext.load(files.read(path).decode("utf-8-sig"))
    except OSError as error:
        raise SettingsError([Problem(f"cannot be read: {error.strerror}", name)]) from None
    except UnicodeDecodeError:
        raise SettingsError([Problem("is not UTF-8: save the file as UTF-8", name)]) from None
    if tree.flaws:
        raise SettingsError(Problem(flaw.text, name, flaw.line) for flaw in tree.flaws)
    return ProjectFile(path, tree.value if isinstance(tree.value, dict) else {}, tree)


def stack_file_path(project_root: Path, stack: str) -> Path:
    """Return the stack file of a stack: `Pulumi.<stack>.yaml` in the project's `stackConfigDir`.

    The file need not exist. Only the engine knows the file that `pulumi --config-file` names.

    Raises:
        SettingsError: there is no project file, or it cannot be read.
    """
    return read_project(project_root).stack_file(stack)


def _project_file(directory: Path) -> Path | None:
    """Return Pulumi.yaml of a folder, also a pipe or a broken link, so that the problem is reported."""
    paths = (directory / name for name in _PROJECT_FILES)
    return next((path for path in paths if os.path.lexists(path) and not path.is_dir()), None)


def _unreadable(path: Path, flaw: Problem, project: str) -> Document:
    return _merged(path, yamltext.Tree(None, 1, ()), _Reading(flaws=[flaw]), project, exists=True)


def _full_key(key: str, project: str) -> str:
    parts = key.split(":")
    if len(parts) == 1:
        return f"{project}:{key}"
    # enos:config:orgId is an old spelling of enos:orgId that Pulumi still reads.
    return f"{parts[0]}:{parts[2]}" if len(parts) == 3 and parts[1] == "config" else key  # noqa: PLR2004 - three parts


def _holds_unquoted(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_unquoted(inner) for inner in value.values())
    if isinstance(value, list):
        return any(not isinstance(inner, str) and _holds_unquoted(inner) for inner in value)
    return isinstance(value, Unquoted)
